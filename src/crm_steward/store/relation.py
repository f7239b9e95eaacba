"""Hands the mirror to DuckDB, where rules and matching work on whole columns at once."""

from __future__ import annotations

import json
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from crm_steward.model import Contact, StoreError
from crm_steward.store.arrow import arrow_type, batch_of, stream
from crm_steward.store.columns import UtcTime
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decisions
from crm_steward.store.learned import Learned
from crm_steward.store.live import is_live
from crm_steward.store.people import People
from crm_steward.store.places import temporary_place
from crm_steward.store.rows import content_of, row_of
from crm_steward.store.tables import contacts

MEMORY_LIMIT = "1200MB"
"""What DuckDB may use before it spills to disk: with Python and the batches, below 2 GB."""

_NAMES = ("connection", "id")


def open_relation(
    database: Database,
    *,
    connections: Collection[str] | None = None,
    columns: Collection[str] | None = None,
    since: datetime | None = None,
    memory_limit: str = MEMORY_LIMIT,
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection that holds the live contacts as the table `contacts`.

    Its columns are those of `store.tables.contacts`; times are naive TIMESTAMPs in UTC, JSON
    columns are text. It is a snapshot: what is pulled later does not reach it, and the database
    is free as soon as this returns.

    Beside it stands `decisions` (left_connection, left_id, right_connection, right_id, verdict):
    what people decided about pairs of records and holds, `same` or `different`, the lower record
    on the left; also about records that are not among the contacts. And `people` (connection, id,
    person): the records of each person, across connections; empty where `columns` does not name it.
    And `learned` (content): the weights that were learned last, as JSON; empty before.

    Args:
        database: The store.
        connections: Only contacts of these connections; None means all.
        columns: Only these columns, besides connection and id; None means all.
        since: Only contacts that changed at or after this; those that are gone since then are in
            the table `looked_at` (connection, id) beside the others, and in it alone.
        memory_limit: How much memory DuckDB may use before it spills to disk.
    """
    wanted = [c for c in contacts.columns if columns is None or c.name in {*columns, *_NAMES}]
    decided = _decided(database)
    known = People(database).all() if columns is None or "people" in columns else {}
    lesson = Learned(database).newest()
    if since is not None:
        con = _changed(database, wanted, since, connections, memory_limit)
    else:
        con = _whole(database, wanted, connections, memory_limit)
    _insert(con, "decisions", decided)
    _insert(con, "learned", [(json.dumps(dict(lesson.content)),)] if lesson else [])
    set_people(con, known)
    return con


def set_people(con: duckdb.DuckDBPyConnection, known: Mapping[tuple[str, str], str]) -> None:
    """Let the table `people` say who is one person.

    Args:
        con: What `open_relation` returned.
        known: The record, as connection and id → the person.
    """
    con.execute("DELETE FROM people")
    _insert(con, "people", [(*record, person) for record, person in known.items()])


def _whole(
    database: Database,
    wanted: Collection[sa.Column[Any]],
    connections: Collection[str] | None,
    memory_limit: str,
) -> duckdb.DuckDBPyConnection:
    # In the order in which they lie.
    query = sa.select(*wanted).where(is_live)
    if connections is not None:
        query = query.where(contacts.c.connection.in_(sorted(connections)))
    with stream(database, query, whole=True) as reader:
        return _load(reader, wanted, memory_limit, spills=not database.key)


def _changed(
    database: Database,
    wanted: Collection[sa.Column[Any]],
    since: datetime,
    connections: Collection[str] | None,
    memory_limit: str,
) -> duckdb.DuckDBPyConnection:
    """Load what changed by the index on it; the other conditions would lead SQLite elsewhere."""
    wanted = [*(c for c in wanted if c is not contacts.c.gone_at), contacts.c.gone_at]
    with stream(database, sa.select(*wanted).where(contacts.c.changed_at >= since)) as reader:
        con = _load(reader, wanted, memory_limit, small=True, spills=not database.key)
    if connections is not None:
        con.execute(
            "DELETE FROM contacts WHERE NOT list_contains($names, connection)",
            {"names": sorted(connections)},
        )
    con.execute("CREATE TABLE looked_at AS SELECT connection, id FROM contacts")
    con.execute("DELETE FROM contacts WHERE gone_at IS NOT NULL")
    return con


def relation_of_rows(
    rows: Iterable[Mapping[str, Any]], *, memory_limit: str = MEMORY_LIMIT
) -> duckdb.DuckDBPyConnection:
    """Return the same for rows made by `rows.row_of`, without a database (rule tests).

    Nobody decided anything about them, and nobody knows who is one person.

    Args:
        rows: Columns by name; missing ones are NULL.
        memory_limit: As for `open_relation`.
    """
    wanted = list(contacts.columns)
    held = list(rows)
    schema = pa.schema([(column.name, arrow_type(column)) for column in wanted])
    arrays = [
        # Flags go as numbers, as they are read from a database.
        pa.array([_plain(row.get(column.name), column) for row in held], type=arrow_type(column))
        for column in wanted
    ]
    table = pa.Table.from_arrays(arrays, schema=schema)
    return _load(table.to_reader(), wanted, memory_limit, small=True)


def relation_of_contacts(found: Iterable[Contact]) -> duckdb.DuckDBPyConnection:
    """Return the same for contacts, as the mirror would hold them: same normalisation."""
    return relation_of_rows([row_of(one, *content_of(one), country=None) for one in found])


def _plain(value: Any, column: sa.Column[Any]) -> Any:
    flag = isinstance(column.type, sa.Boolean)
    return int(value) if flag and value is not None else value


def _spilling(memory_limit: str, folder: Path) -> dict[str, str]:
    return {"memory_limit": memory_limit, "temp_directory": str(folder / "spill")}


def _load(
    reader: pa.RecordBatchReader,
    wanted: Collection[sa.Column[Any]],
    memory_limit: str,
    *,
    small: bool = False,
    spills: bool = True,
) -> duckdb.DuckDBPyConnection:
    """Load what `reader` brings; for a `small` table, threads cost more than they bring.

    What memory cannot hold is spilled to disk as it is: an encrypted database's never is, and has
    all but a fifth of the machine's memory instead.
    """
    failures: list[StoreError] = []
    batches = pa.RecordBatchReader.from_batches(reader.schema, _noting(reader, failures))
    held = ExitStack()
    # Of this account alone: what memory cannot hold of the contacts is in it until the end.
    folder = held.enter_context(temporary_place())
    con = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            **(_spilling(memory_limit, folder) if spills else {"temp_directory": ""}),
            **({"threads": 1} if small else {}),
        }
    )
    weakref.finalize(con, held.close)
    # For every cursor: a custom field's date without an offset is UTC, wherever this machine is.
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    con.register("arrow_contacts", batches)
    try:
        con.execute(f"CREATE TABLE contacts AS SELECT {_columns(wanted)} FROM arrow_contacts")
    except duckdb.Error:
        con.close()
        if failures:
            raise failures[0] from None
        raise
    con.unregister("arrow_contacts")
    # The batches are DuckDB's now; Arrow would keep the memory that they were read into.
    pa.default_memory_pool().release_unused()
    for table, names in _BESIDE.items():
        con.execute(f"CREATE TABLE {table} ({', '.join(f'{name} VARCHAR' for name in names)})")
    return con


_BESIDE = {
    "decisions": ("left_connection", "left_id", "right_connection", "right_id", "verdict"),
    "people": ("connection", "id", "person"),
    "learned": ("content",),
}
"""The tables beside `contacts`."""


def _decided(database: Database) -> list[tuple[str, ...]]:
    return [
        (one.left.connection, one.left.id, one.right.connection, one.right.id, one.verdict.value)
        for one in Decisions(database).holding()
    ]


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[str, ...]]) -> None:
    """Insert rows of text all at once."""
    if rows:
        schema = pa.schema([(str(place), pa.string()) for place, _ in enumerate(rows[0])])
        con.register("arrow_rows", pa.Table.from_batches([batch_of(rows, schema)]))
        con.execute(f"INSERT INTO {table} SELECT * FROM arrow_rows")
        con.unregister("arrow_rows")


def _columns(wanted: Iterable[sa.Column[Any]]) -> str:
    return ", ".join(
        f"make_timestamp({column.name}) AS {column.name}"
        if isinstance(column.type, UtcTime)
        else f"{column.name}::BOOLEAN AS {column.name}"
        if isinstance(column.type, sa.Boolean)
        else column.name
        for column in wanted
    )


def _noting(
    batches: Iterable[pa.RecordBatch], failures: list[StoreError]
) -> Iterator[pa.RecordBatch]:
    """Pass `batches` on; note what ends them, which DuckDB would hide in an error of its own."""
    try:
        yield from batches
    except StoreError as error:
        failures.append(error)
        raise
