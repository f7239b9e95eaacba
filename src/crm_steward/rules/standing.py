"""What holds for each address, channel and purpose, when all records are taken together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from crm_steward.model import Channel, RecordRef
from crm_steward.rules.consents import (
    REFUSED,
    SHOWN,
    addressed,
    label,
    refused_by_people,
    statements,
)
from crm_steward.rules.sql import Statement


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one address, channel and purpose.

    Args:
        address: The address as it is compared. Personal data.
        channel: The way of reaching the person.
        purpose: What the address is used for.
        status: The most restrictive status of all records.
        decided: Records that say so, at most 20.
        others: Records that say something less strict, at most 20.
    """

    address: str
    channel: str
    purpose: str
    status: str
    decided: tuple[RecordRef, ...]
    others: tuple[RecordRef, ...]


def standings(
    con: duckdb.DuckDBPyConnection, statement: Statement, ref: RecordRef | None = None
) -> Iterator[Standing]:
    """Yield what holds, by address, channel and purpose.

    Args:
        con: A DuckDB connection with the table `contacts`.
        statement: An empty one: takes the values.
        ref: Only the addresses of this record; None for every address about which records
            disagree, one of them saying no.

    Raises:
        LookupError: There is no such record.
    """
    asked = "true" if ref is None else _addresses_of(con, ref, statement)
    no = ", ".join(str(int(status)) for status in REFUSED)
    disagree = f"strictest IN ({no}) AND mildest NOT IN ({no})" if ref is None else "true"
    sql = (
        f"WITH said AS ({statements(statement)} UNION ALL {refused_by_people(statement)}), "
        "each AS (SELECT channel, key, purpose, connection, id, max(rank) AS rank FROM said "
        f"WHERE {asked} GROUP BY ALL), "
        "ranked AS (SELECT *, max(rank) OVER same AS strictest, min(rank) OVER same AS mildest "
        "FROM each WINDOW same AS (PARTITION BY channel, key, purpose)) "
        f"SELECT key, channel, purpose, {label('strictest')}, "
        f"{_records('rank = strictest')}, {_records('rank < strictest')} "
        f"FROM ranked WHERE {disagree} GROUP BY key, channel, purpose, strictest ORDER BY 1, 2, 3"
    )
    for key, channel, purpose, status, decided, others in con.execute(
        sql, statement.values
    ).fetchall():
        yield Standing(key, channel, purpose, status, _refs(decided), _refs(others))


def _records(when: str) -> str:
    refs = "list({'connection': connection, 'id': id}) FILTER (" + when + ")"
    return f"list_sort(coalesce({refs}, []))[1:{SHOWN}]"


def _refs(found: list[dict[str, str]]) -> tuple[RecordRef, ...]:
    return tuple(RecordRef(one["connection"], one["id"]) for one in found)


def _addresses_of(con: duckdb.DuckDBPyConnection, ref: RecordRef, statement: Statement) -> str:
    """Return SQL for whether a statement is about an address of the record, or made by it."""
    row = con.execute(
        f"SELECT {addressed(Channel.EMAIL)}, {addressed(Channel.PHONE)} FROM contacts "
        "WHERE connection = $connection AND id = $id",
        {"connection": ref.connection, "id": ref.id},
    ).fetchone()
    if row is None:
        raise LookupError(str(ref))
    keys = [key for held in row for key in held or () if key]
    own = f"connection = {statement.bind(ref.connection)} AND id = {statement.bind(ref.id)}"
    return f"(list_contains({statement.bind(keys)}::VARCHAR[], key) OR ({own}))"
