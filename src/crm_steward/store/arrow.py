"""Streams rows out of the database as Arrow batches, so that whole columns are worked on at once.

SQLite is read through Python's own driver and no other: a second copy of SQLite in one process does
not see the locks of the first, and takes them away when it closes the file
(https://sqlite.org/howtocorrupt.html, section 2.2.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from crm_steward.store.database import Database, store_error
from crm_steward.store.tables import UtcTime

_BATCH = 16_384
"""Rows per batch: large enough to amortise, small enough to keep memory flat."""


@contextmanager
def stream(database: Database, query: sa.Select[Any]) -> Iterator[pa.RecordBatchReader]:
    """Give the rows of `query` as they stood when it began: one consistent view.

    Times come as whole microseconds, JSON as text, flags as 0 and 1.

    Args:
        database: The store.
        query: Selects columns of the schema; values in it are never a contact's.

    Raises:
        StoreError: The database cannot be read.
    """
    plain = query.with_only_columns(*(_plain(column) for column in query.selected_columns))
    text = str(plain.compile(database.engine, compile_kwargs={"literal_binds": True}))
    schema = pa.schema([(c.name, arrow_type(c)) for c in query.selected_columns])
    read = _postgresql if database.dialect == "postgresql" else _sqlite
    with read(database, text, schema) as batches:
        yield pa.RecordBatchReader.from_batches(schema, batches)


def arrow_type(column: sa.ColumnElement[Any]) -> pa.DataType:
    """Return the type in which a column is read."""
    if isinstance(column.type, UtcTime | sa.Integer | sa.Boolean):
        return pa.int64()
    return pa.float64() if isinstance(column.type, sa.Float) else pa.string()


def _plain(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    if isinstance(column.type, sa.Boolean):
        return sa.cast(column, sa.Integer).label(column.name)
    return column


@contextmanager
def _sqlite(database: Database, text: str, schema: pa.Schema) -> Iterator[Iterator[pa.RecordBatch]]:
    with database.read() as reading:
        raw: Any = reading.connection.driver_connection
        cursor = database.explained(lambda: raw.execute(text))
        yield _of_rows(database, cursor, schema)
        cursor.close()


def _of_rows(database: Database, cursor: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while rows := database.explained(lambda: cursor.fetchmany(_BATCH)):
        yield batch_of(rows, schema)


def batch_of(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as columns."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, type=of.type) for values, of in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@contextmanager
def _postgresql(
    database: Database, text: str, schema: pa.Schema
) -> Iterator[Iterator[pa.RecordBatch]]:
    """Read through a connection of its own, whose driver makes columns without Python."""
    import adbc_driver_manager  # noqa: PLC0415 -- comes with the extra `postgres`
    import adbc_driver_postgresql.dbapi  # noqa: PLC0415 -- same

    errors = (adbc_driver_manager.Error, pa.ArrowException, OSError)

    def cast(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            for batch in reader:
                yield batch.cast(schema)
        except errors as error:
            raise _refusal(database, error) from None

    url = database.engine.url.set(drivername="postgresql")
    try:
        connection = adbc_driver_postgresql.dbapi.connect(url.render_as_string(hide_password=False))
    except errors as error:
        raise _refusal(database, error) from None
    with connection, connection.cursor() as cursor:
        try:
            # SQLAlchemy writes for psycopg, to which % means a parameter.
            cursor.execute(text.replace("%%", "%"))
            reader = cursor.fetch_record_batch()
        except errors as error:
            raise _refusal(database, error) from None
        yield cast(reader)


def _refusal(database: Database, error: Exception) -> Exception:
    return store_error(database.place, str(error).partition("\n")[0])
