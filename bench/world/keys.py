"""Comparable values of the written records, as the mirror would hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import duckdb
import pyarrow as pa

from crm_steward import normalize as n

_ONE_BY_ONE: Final[dict[str, Callable[[str | None], str | None]]] = {
    "first_name": n.name_key,
    "last_name": n.name_key,
    "company": n.company_key,
}
"""Few enough distinct values to ask our own normalisers for each, once."""

COLUMNS: Final = [
    "connection",
    "id",
    "person",
    "group_kind",
    "corruptions",
    "first_name",
    "last_name",
    "email",
    "phone",
    "mobile",
    "company",
    "job_title",
    "street",
    "postcode",
    "city",
    "country",
    "birth_date",
    "created_at",
    "updated_at",
    "country_code",
    "email_key",
    "email_domain",
    "phone_key",
    "mobile_key",
    "first_name_key",
    "last_name_key",
    "name_key",
    "company_key",
    "street_key",
    "city_key",
    "postcode_key",
]

_FOLDED: Final = """nullif(trim(regexp_replace(lower(strip_accents(replace(replace({0}, 'ß', 'ss'), 'ẞ', 'ss'))),
    '[^a-z0-9]+', ' ', 'g')), '')"""


def define(con: duckdb.DuckDBPyConnection) -> None:
    """Create what is remembered of one chunk for the next: the keys of texts already asked for."""
    for column in _ONE_BY_ONE:
        con.execute(f"CREATE TABLE {column}_keys (text TEXT, key TEXT)")


def select(con: duckdb.DuckDBPyConnection, count: int) -> duckdb.DuckDBPyRelation:
    """Return the first `count` of `written`, keyed, in an order that says nothing about persons."""
    for column, key_of in _ONE_BY_ONE.items():
        _learn(con, column, key_of)
    joins = " ".join(
        f"LEFT JOIN {column}_keys AS {column}_k ON {column}_k.text = w.{column}"
        for column in _ONE_BY_ONE
    )
    return con.sql(
        f"""SELECT {", ".join(COLUMNS)} FROM (
        SELECT w.*, CASE WHEN kind <> 'individual' THEN kind WHEN shared_mailbox THEN 'shared mailbox'
                WHEN employed THEN 'colleagues' ELSE 'individual' END AS group_kind,
            created_at + to_seconds(pick(record, 'updated', 40000000)) AS updated_at,
            country AS country_code,
            CASE WHEN NOT contains(email, '@') THEN NULL
                WHEN domain IN ('gmail.com', 'googlemail.com')
                THEN replace(split_part(split_part(address, '@', 1), '+', 1), '.', '') || '@gmail.com'
                ELSE address END AS email_key,
            CASE WHEN contains(email, '@') THEN domain END AS email_domain,
            first_name_k.key AS first_name_key, last_name_k.key AS last_name_key,
            nullif(array_to_string(list_sort(string_split(concat_ws(' ', first_name_k.key, last_name_k.key), ' ')), ' '), '')
                AS name_key,
            company_k.key AS company_key,
            {_FOLDED.format("street")} AS street_key, {_FOLDED.format("city")} AS city_key,
            nullif(replace(lower(postcode), ' ', ''), '') AS postcode_key
        FROM (SELECT *, lower(email) AS address, split_part(lower(email), '@', 2) AS domain
            FROM written ORDER BY record LIMIT {count}) AS w {joins})
        ORDER BY h(id::BIGINT, 'order' || connection)"""
    )


def _learn(
    con: duckdb.DuckDBPyConnection, column: str, key_of: Callable[[str | None], str | None]
) -> None:
    texts: list[str] = (
        con.sql(
            f"SELECT DISTINCT {column} AS text FROM written WHERE {column} IS NOT NULL "
            f"AND {column} NOT IN (SELECT text FROM {column}_keys)"
        )
        .to_arrow_table()
        .column("text")
        .to_pylist()
    )
    learnt = pa.table({"text": texts, "key": pa.array(map(key_of, texts), pa.string())})
    con.register("learnt", learnt)
    con.execute(f"INSERT INTO {column}_keys SELECT text, key FROM learnt")
    con.unregister("learnt")
