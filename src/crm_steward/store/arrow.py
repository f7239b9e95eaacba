"""Streams rows out of the database as Arrow batches, so that whole columns are worked on at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import sqlalchemy as sa

from crm_steward.model import StoreError
from crm_steward.store.columns import UtcTime
from crm_steward.store.database import BUSY_TIMEOUT_MS, Database
from crm_steward.store.refusals import refused, store_error

_BATCH = 16_384
"""Rows per batch: large enough to amortise, small enough to keep memory flat."""
_LARGE = 100_000_000
"""Bytes of a SQLite file from which a process of its own reads faster than it takes to start."""


@contextmanager
def stream(
    database: Database, query: sa.Select[Any], *, whole: bool = False
) -> Iterator[pa.RecordBatchReader]:
    """Give the rows of `query` as they stood when it began: one consistent view.

    Times come as whole microseconds, JSON as text, flags as 0 and 1.

    Args:
        database: The store.
        query: Selects columns of the schema; values in it are never a contact's.
        whole: Nearly all rows of a table are wanted, which may be many.

    Raises:
        StoreError: The database cannot be read.
    """
    plain = query.with_only_columns(*(_plain(column) for column in query.selected_columns))
    schema = pa.schema([(c.name, arrow_type(c)) for c in query.selected_columns])
    path = database.path
    if database.dialect == "postgresql":
        opened = _postgresql(database, _text(database, plain), schema)
    elif whole and path is not None and not database.key and path.stat().st_size >= _LARGE:
        statement = _text(database, sa.union_all(_first(schema), plain))
        opened = _sqlite_apart(database, path, statement, schema)
    else:
        opened = _sqlite(database, _text(database, plain), schema)
    with opened as batches:
        yield pa.RecordBatchReader.from_batches(schema, batches)


def _text(database: Database, query: sa.sql.ClauseElement) -> str:
    return str(query.compile(database.engine, compile_kwargs={"literal_binds": True}))


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


def _first(schema: pa.Schema) -> Any:
    """Return a query of one row that tells the types of all others."""
    kinds = {pa.int64(): "0", pa.float64(): "0.0"}
    return sa.select(*(sa.literal_column(kinds.get(of.type, "''")).label(of.name) for of in schema))


@contextmanager
def _sqlite_apart(
    database: Database, path: Path, statement: str, schema: pa.Schema
) -> Iterator[Iterator[pa.RecordBatch]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(_command(path), stdin=pipe, stdout=pipe, stderr=pipe) as child:  # noqa: S603 -- this program
        try:
            yield _of_child(database, child, statement, schema)
        finally:
            child.kill()


def _command(path: Path) -> list[str]:
    numbers = (str(BUSY_TIMEOUT_MS), str(_BATCH))
    return [sys.executable, "-m", f"{__package__}.apart", str(path), *numbers]


def _of_child(
    database: Database, child: subprocess.Popen[bytes], statement: str, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Yield what the child reads; it is asked when the first batch is wanted."""
    given, taken, told = (
        cast("IO[bytes]", end) for end in (child.stdin, child.stdout, child.stderr)
    )
    try:
        with given:
            given.write(statement.encode())
        with pa.ipc.open_stream(taken) as reader:
            for batch in reader:
                yield batch.cast(schema)
    except (pa.ArrowException, OSError) as error:
        said = told.read().decode(errors="replace").strip() or str(error)
        raise _refusal(database, said) from None
    # A stream that breaks off between two batches is no error to Arrow.
    if child.wait():
        raise _refusal(database, told.read().decode(errors="replace").strip())


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


def _refusal(database: Database, said: object) -> StoreError:
    if isinstance(said, BaseException):
        return refused(database.place, said)
    last = str(said).strip().rpartition("\n")[2]
    return store_error(database.place, last or "the process that reads it was ended")
