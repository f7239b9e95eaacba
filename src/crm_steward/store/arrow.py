"""Streams rows out of the database as Arrow batches: no Python object is made per value."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import sqlalchemy as sa

from crm_steward.store.database import BUSY_TIMEOUT_MS, Database, store_error
from crm_steward.store.tables import UtcTime

_BATCH = 16_384
"""Rows per batch: large enough to amortise, small enough to keep memory flat."""


@contextmanager
def stream(database: Database, query: sa.Select[Any]) -> Iterator[pa.RecordBatchReader]:
    """Give the rows of `query` as they stood when it began: one consistent view.

    Times come as whole microseconds, JSON as text, flags as 0 and 1. The database is read through
    a connection of its own, for as long as the block runs or until the rows are all taken.

    Args:
        database: The store.
        query: Selects columns of the schema; values in it are never a contact's.

    Raises:
        StoreError: The database cannot be read.
    """
    plain = query.with_only_columns(*(_plain(column) for column in query.selected_columns))
    schema = pa.schema([(c.name, arrow_type(c)) for c in query.selected_columns])
    with ExitStack() as held:
        try:
            cursor = held.enter_context(_cursor(database, held))
            cursor.execute(_text(database, plain))
            batches = _batches(database, cursor.fetch_record_batch(), schema)
        except adbc_driver_manager.Error as error:
            raise store_error(database.place, str(error).partition("\n")[0]) from None
        yield pa.RecordBatchReader.from_batches(schema, batches)


def _plain(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, sa.Boolean):
        return sa.cast(column, sa.Integer).label(column.name)
    return column


def arrow_type(column: sa.ColumnElement[Any]) -> pa.DataType:
    """Return the type in which a column is read."""
    if isinstance(column.type, UtcTime | sa.Integer | sa.Boolean):
        return pa.int64()
    return pa.float64() if isinstance(column.type, sa.Float) else pa.string()


def _text(database: Database, query: sa.Select[Any]) -> str:
    """Return the statement with its values in it, quoted by the dialect."""
    statement: Any = query
    if database.dialect == "sqlite":
        # SQLite has no types to tell: the driver takes those of the first row.
        columns = query.selected_columns
        first: Any = sa.select(*(sa.literal_column(_typed(c)).label(c.name) for c in columns))
        statement = sa.union_all(first, query)
    text = str(statement.compile(database.engine, compile_kwargs={"literal_binds": True}))
    # SQLAlchemy writes for psycopg, to which % means a parameter.
    return text if database.dialect == "sqlite" else text.replace("%%", "%")


def _typed(column: sa.ColumnElement[Any]) -> str:
    kind = arrow_type(column)
    return "0" if kind == pa.int64() else "0.0" if kind == pa.float64() else "''"


def _batches(
    database: Database, reader: pa.RecordBatchReader, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    first = database.dialect == "sqlite"
    try:
        for batch in reader:
            yield (batch.slice(1) if first else batch).cast(schema)
            first = False
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        raise store_error(database.place, str(error).partition("\n")[0]) from None


def _cursor(database: Database, held: ExitStack) -> Any:
    if database.dialect == "postgresql":
        import adbc_driver_postgresql.dbapi  # noqa: PLC0415 -- comes with the extra `postgres`

        url = database.engine.url.set(drivername="postgresql")
        uri = url.render_as_string(hide_password=False)
        return held.enter_context(adbc_driver_postgresql.dbapi.connect(uri)).cursor()
    import adbc_driver_sqlite.dbapi  # noqa: PLC0415 -- beside the other

    path = database.path or _copied(database, held)
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = held.enter_context(adbc_driver_sqlite.dbapi.connect(uri))
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.fetchall()
    cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_BATCH)})
    return cursor


def _copied(database: Database, held: ExitStack) -> Path:
    """Return a file with what a database in memory holds (tests): the driver reads files."""
    path = Path(held.enter_context(TemporaryDirectory(prefix="steward-")), "memory.db")
    with database.read() as reading, closing(sqlite3.connect(path)) as copy:
        raw = reading.connection.driver_connection
        copy.execute("PRAGMA synchronous = OFF")
        if isinstance(raw, sqlite3.Connection):
            raw.backup(copy)
    return path
