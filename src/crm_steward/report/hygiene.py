"""Free text in the digest: what it holds and should not, and fields that could be lists of choices.

Categories, fields and counts only: the text itself goes nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from crm_steward.report.standing import stands
from crm_steward.rules.lexicons import folded_sql
from crm_steward.rules.sql import EXTRA
from crm_steward.store.tables import finding_refs, findings

if TYPE_CHECKING:
    import duckdb

COLUMNS = frozenset({"job_title", "source", "region", "extra"})
"""The columns that are read to see which fields could be lists."""
_TYPED = ("job_title", "source", "region")
"""Fields of every contact that are typed by hand and often mean one of a few things."""
_COMMON, _ENOUGH, _COVERED, _WORDS = 20, 50, 0.5, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Contacts whose free text holds one sort of thing that it should not.

    Args:
        category: Which, as the check `freetext` names it.
        contacts: How many contacts.
        notes: How many of them in the notes.
        new: How many of them were found since the last report.
    """

    category: str
    contacts: int
    notes: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A field that people type the same few things into.

    Args:
        connection: The connection.
        field: The field.
        contacts: How many contacts fill it.
        spellings: How many different texts it holds.
        values: How many, when case, accents, spaces and signs are no difference.
        covered: Share of the contacts whose value is one of the 20 commonest.
    """

    connection: str
    field: str
    contacts: int
    spellings: int
    values: int
    covered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """What the report says of free text.

    Args:
        held: By category, most first.
        typed: Fields worth turning into lists of choices, those of most contacts first.
    """

    held: tuple[Held, ...] = ()
    typed: tuple[Typed, ...] = ()


def hygiene(
    reading: sa.Connection, con: duckdb.DuckDBPyConnection, since: datetime, until: datetime
) -> Hygiene:
    """Return what free text holds, as the rules found it, and which fields could be lists.

    Args:
        reading: A read transaction.
        con: A DuckDB connection that holds the table `contacts`.
        since: The last report.
        until: The end.
    """
    return Hygiene(held=tuple(_held(reading, since, until)), typed=tuple(_typed(con)))


def _held(reading: sa.Connection, since: datetime, until: datetime) -> Iterator[Held]:
    """Yield what open findings say, each contact once for what several rules found."""
    f, refs = findings.c, finding_refs.c
    # Evidence is kept as {"fields": ["notes"]}: a quote inside a name is escaped.
    noted = sa.type_coerce(f.evidence, sa.Text).like('%"notes"%')
    each = (
        sa.select(
            f.about,
            refs.connection,
            refs.id,
            sa.func.max(sa.case((noted, 1), else_=0)).label("noted"),
            sa.func.min(f.first_seen_at).label("seen"),
        )
        .join(finding_refs, refs.fingerprint == f.fingerprint)
        .where(f.kind == "freetext", stands(until))
        .group_by(f.about, refs.connection, refs.id)
        .subquery()
    )
    lately = sa.case((each.c.seen > since, 1), else_=0)
    query = (
        sa.select(
            each.c.about,
            sa.func.count().label("contacts"),
            sa.func.sum(each.c.noted).label("notes"),
            sa.func.sum(lately).label("new"),
        )
        .group_by(each.c.about)
        .order_by(sa.desc("contacts"), each.c.about)
    )
    for row in reading.execute(query):
        yield Held(
            category=row.about,
            contacts=int(row.contacts),
            notes=int(row.notes),
            new=int(row.new),
        )


def _typed(con: duckdb.DuckDBPyConnection) -> Iterator[Typed]:
    """Yield the fields that hold few things, written in several ways: nobody types into a list.

    At least 50 contacts fill them, nine in ten with words, and the 20 commonest values are those of
    half of them.
    """
    texts = " UNION ALL ".join(
        f"SELECT connection, '{name}' AS field, {name} AS value FROM contacts WHERE {name} <> ''"
        for name in _TYPED
    )
    # A custom field's name may hold anything; as a pointer it needs no quoting.
    pointer = "'/' || replace(replace(name, '~', '~0'), '/', '~1')"
    custom = (
        f"SELECT connection, '{EXTRA}' || name AS field, json_extract_string(extra, {pointer}) AS "
        "value FROM (SELECT connection, extra, unnest(json_keys(extra)) AS name FROM contacts "
        "WHERE extra <> '{}')"
    )
    folded = f"trim(regexp_replace({folded_sql('value')}, '[^\\pL\\pN]+', ' ', 'g'))"
    rows = con.execute(
        f"WITH texts AS ({texts} UNION ALL {custom}), "
        "spelled AS (SELECT connection, field, value, count(*) AS n FROM texts "
        "WHERE value <> '' GROUP BY ALL), "
        f"meant AS (SELECT connection, field, {folded} AS folded, sum(n) AS n, "
        "count(*) AS spellings FROM spelled GROUP BY ALL), "
        "ranked AS (SELECT *, regexp_matches(folded, '\\pL') AS words, row_number() OVER "
        "(PARTITION BY connection, field ORDER BY n DESC, folded) AS place FROM meant "
        "WHERE folded <> '') "
        "SELECT connection, field, sum(n)::BIGINT AS contacts, sum(spellings)::BIGINT AS spellings, "
        f"count(*) AS meanings, sum(n) FILTER (WHERE place <= {_COMMON}) / sum(n) AS covered "
        "FROM ranked GROUP BY connection, field "
        f"HAVING sum(n) >= {_ENOUGH} AND sum(spellings) > count(*) AND count(*) > 1 "
        f"AND sum(n) FILTER (WHERE words) >= {_WORDS} * sum(n) AND covered >= {_COVERED} "
        "ORDER BY contacts DESC, connection, field"
    ).fetchall()
    for connection, field, contacts, spellings, values, covered in rows:
        yield Typed(
            connection=connection,
            field=field,
            contacts=contacts,
            spellings=spellings,
            values=values,
            covered=float(covered),
        )
