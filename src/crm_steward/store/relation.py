"""Hands the mirror to DuckDB, where rules and matching work on whole columns at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from crm_steward.store.database import Database
from crm_steward.store.tables import Json, UtcTime, contacts

_BATCH = 20_000
"""Rows per Arrow batch: large enough to amortise, small enough to keep memory flat."""


def open_relation(
    database: Database,
    *,
    connections: Collection[str] | None = None,
    memory_limit: str = "1GB",
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection that holds the live contacts as the table `contacts`.

    Its columns are those of `store.tables.contacts`; times are naive TIMESTAMPs in UTC, JSON
    columns are text.

    Args:
        database: The store.
        connections: Only contacts of these connections; None means all.
        memory_limit: How much memory DuckDB may use before it spills to disk.
    """
    query = sa.select(*(_plain(column) for column in contacts.columns))
    query = query.where(contacts.c.gone_at.is_(None))
    if connections is not None:
        query = query.where(contacts.c.connection.in_(sorted(connections)))
    with database.read() as reading:
        result = reading.execution_options(yield_per=_BATCH).execute(query)
        return _load((batch for batch in result.partitions()), memory_limit)


def relation_of_rows(
    rows: Iterable[Mapping[str, Any]], *, memory_limit: str = "1GB"
) -> duckdb.DuckDBPyConnection:
    """Return the same for rows made by `rows.row_of`, without a database (rule tests).

    Args:
        rows: Columns by name; missing ones are NULL.
        memory_limit: As for `open_relation`.
    """
    names = [column.name for column in contacts.columns]
    # Flags go as numbers, as `_plain` reads them.
    flags = {column.name for column in contacts.columns if isinstance(column.type, sa.Boolean)}
    plain = [
        {**row, **{name: int(row[name]) for name in flags if row.get(name) is not None}}
        for row in rows
    ]
    return _load([[tuple(row.get(name) for name in names) for row in plain]], memory_limit)


def _plain(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Read times as microseconds and JSON as text: nothing is touched row by row."""
    if isinstance(column.type, UtcTime):
        return sa.type_coerce(column, sa.BigInteger).label(column.name)
    if isinstance(column.type, Json):
        return sa.type_coerce(column, sa.Text).label(column.name)
    if isinstance(column.type, sa.Boolean):
        return sa.cast(column, sa.Integer).label(column.name)
    return column


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    if isinstance(column.type, UtcTime | sa.BigInteger | sa.Integer | sa.Boolean):
        return pa.int64()
    return pa.float64() if isinstance(column.type, sa.Float) else pa.string()


def _load(batches: Iterable[Sequence[Any]], memory_limit: str) -> duckdb.DuckDBPyConnection:
    schema = pa.schema([(column.name, _arrow_type(column)) for column in contacts.columns])
    failures: list[Exception] = []
    read = _noting(_record_batches(batches, schema), failures)
    reader = pa.RecordBatchReader.from_batches(schema, read)
    con = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": memory_limit,
        }
    )
    con.register("arrow_contacts", reader)
    try:
        con.execute(f"CREATE TABLE contacts AS SELECT {_columns()} FROM arrow_contacts")
    except duckdb.Error:
        con.close()
        if failures:
            raise failures[0] from None
        raise
    con.unregister("arrow_contacts")
    return con


def _columns() -> str:
    return ", ".join(
        f"make_timestamp({column.name}) AS {column.name}"
        if isinstance(column.type, UtcTime)
        else f"{column.name}::BOOLEAN AS {column.name}"
        if isinstance(column.type, sa.Boolean)
        else column.name
        for column in contacts.columns
    )


def _noting(
    batches: Iterator[pa.RecordBatch], failures: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Pass `batches` on; note what ends them, which DuckDB would hide in an error of its own."""
    try:
        yield from batches
    except Exception as error:
        failures.append(error)
        raise


def _record_batches(
    batches: Iterable[Sequence[Any]], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    for rows in batches:
        if not rows:
            continue
        columns = zip(*rows, strict=True)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(values, type=kind.type)
                for values, kind in zip(columns, schema, strict=True)
            ],
            schema=schema,
        )
