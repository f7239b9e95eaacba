"""Opens the database, brings it to the present schema, and gives out transactions."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from crm_steward.model import StoreError
from crm_steward.store import cipher
from crm_steward.store.cipher import key_in
from crm_steward.store.refusals import MALFORMED, refused, silent, store_error
from crm_steward.store.tables import meta

T = TypeVar("T")
Fence = Callable[[sa.Connection], None]
"""Lets a write transaction go on, or raises."""

HEAD = "0018"
"""The migration that this code reads and writes; a test keeps it equal to alembic's head."""

BUSY_TIMEOUT_MS = 30_000
_NOTICING = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""When a PostgreSQL server that does not answer counts as away: seconds, the last in milliseconds.

A network that drops what is sent would hold a statement up for a quarter of an hour, a connection
for two minutes. What the database's URL says wins. Source: PostgreSQL's manual, libpq, connection
parameters.
"""
_WRITE = "steward_write"


class Database:
    """A database at the present schema.

    SQLite runs with a rollback journal and `synchronous=FULL`: what was committed survives a crash,
    and the corruption of write-ahead logs before SQLite 3.51.3 cannot occur
    (https://sqlite.org/wal.html, "the WAL-reset bug"). Use `open`, and close it when done.
    """

    def __init__(self, engine: sa.Engine, key: str = "") -> None:
        self.engine = engine
        self.key = key
        self.dialect = engine.dialect.name
        self._fences: tuple[Fence, ...] = ()
        self._fencing = threading.Lock()
        self.unreleased: set[tuple[str, int]] = set()
        """Leases, by name and epoch, that could not be let go of while the database was away."""

    @classmethod
    def open(cls, url: str, *, migrate: Callable[[], None] | None = None) -> Self:
        """Open the database at `url`, creating it and its schema where needed.

        Args:
            url: `sqlite:///path` or `postgresql+psycopg://user:password@host/name`; a
                `DatabaseUrl` where the file has a key.
            migrate: Opens it first where its schema is another, in a process that does not keep
                for good what bringing it to the present one takes.

        Raises:
            StoreError: It cannot be opened, written, or is newer than this program.
            ConfigError: It has a key, and the extra `encrypt` is not installed.
        """
        with _explained(_place(url)):
            database = cls(_engine(url), key_in(url))
            try:
                if migrate is not None and database.version() != HEAD:
                    migrate()
                database._migrate()
            except BaseException:
                database.close()
                raise
        return database

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[sa.Connection]:
        """Give a connection in a write transaction: committed at the end, undone on any error.

        Args:
            fenced: Whether the fences are asked first; not where only one of them counts.

        Raises:
            StoreError: The database refuses (full disk, read-only, damaged, locked for too long).
            BusyError: A lease that is held through this object was lost; nothing is written.
        """
        with _explained(self.place), self.engine.connect() as connection:
            connection.execution_options(**{_WRITE: True})
            with connection.begin():
                for fence in self._fences if fenced else ():
                    fence(connection)
                yield connection

    @contextmanager
    def fenced(self, fence: Fence) -> Iterator[None]:
        """Ask `fence` first in every write transaction, while the block runs.

        Args:
            fence: Raises when the transaction must not be; any thread may call it.
        """
        with self._fencing:
            self._fences = (*self._fences, fence)
        try:
            yield
        finally:
            with self._fencing:
                self._fences = tuple(one for one in self._fences if one is not fence)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection in a read transaction: one consistent view until the end.

        Raises:
            StoreError: The database cannot be read.
        """
        with _explained(self.place), self.engine.connect() as connection, connection.begin():
            yield connection

    def explained(self, read: Callable[[], T]) -> T:
        """Return what `read` does with SQLite's driver itself; what it raises is explained.

        Raises:
            StoreError: The database cannot be read.
        """
        try:
            return read()
        except cipher.errors(self.key) as error:
            raise store_error(self.place, str(error)) from error

    @property
    def place(self) -> str:
        """Where the database is, without credentials."""
        return _place(self.engine.url.render_as_string(hide_password=True))

    @property
    def path(self) -> Path | None:
        """The SQLite file, or None on another database or in memory."""
        name = self.engine.url.database
        return Path(name) if self.dialect == "sqlite" and name else None

    def rest(self) -> None:
        """Give back what connections keep that nobody uses: SQLite's hold up to 2 MB of pages each.

        One that is opened again costs a millisecond; with a key to derive much more, so those stay.
        """
        if self.path is not None and not self.key:
            self.engine.dispose()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            # A page that was overwritten can hold anything: what fails on it looks like a bug.
            if isinstance(error, ValueError | TypeError | LookupError | AttributeError):
                self.examine()
        finally:
            self.close()

    def version(self) -> str | None:
        """Return the migration the database is at; None when it is empty."""
        with self.read() as connection:
            return _version(connection)

    def examine(self) -> None:
        """Look for damage in the whole file; PostgreSQL sees to that by itself.

        Raises:
            StoreError: It is damaged.
        """
        if self.dialect == "sqlite":
            with self.read() as connection:
                found = connection.execute(sa.text("PRAGMA quick_check(1)")).scalar_one()
            if found != "ok":
                raise store_error(self.place, MALFORMED)

    def _migrate(self) -> None:
        if self.version() == HEAD:
            return
        from crm_steward.store.migrations import upgrade  # noqa: PLC0415 -- alembic takes 1 s to load

        with self.write() as connection:
            upgrade(connection)
            connection.execute(
                upsert(self, meta, ["key"], update=[]),
                {"key": "installation", "value": secrets.token_hex(16)},
            )


CHUNK = 500
"""Values in one IN (…): SQLite before 3.32 took 999."""


def chunked(items: Iterable[T]) -> Iterator[list[T]]:
    """Cut `items` into lists of at most CHUNK."""
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def upsert(
    database: Database,
    table: sa.Table,
    keys: list[str],
    *,
    update: list[str] | None = None,
    assign: Mapping[str, Any] | None = None,
) -> Any:
    """Return an INSERT for `table` that updates the row when `keys` exist already.

    Args:
        database: Tells the dialect.
        table: Where to write.
        keys: The columns that identify a row; [] with `update=[]` means any that are unique.
        update: The columns to overwrite; None means all but the keys, [] keeps the old row.
        assign: Further columns to set, to an expression over the old row.
    """
    insert = _insert(database, table)
    if update is None:
        update = [column.name for column in table.columns if column.name not in keys]
    values = {name: insert.excluded[name] for name in update} | dict(assign or {})
    if not values:
        return insert.on_conflict_do_nothing(index_elements=keys or None)
    return insert.on_conflict_do_update(index_elements=keys, set_=values)


def _insert(database: Database, table: sa.Table) -> Any:
    """Return an INSERT of the dialect; the other one is not loaded for it."""
    if database.dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 -- as above

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415 -- as above

    return sqlite.insert(table)


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, key_in(url))
        given = {name: value for name, value in _NOTICING.items() if name not in parsed.query}
        return sa.create_engine(
            parsed, hide_parameters=True, pool_pre_ping=True, connect_args=given
        )
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(
            f"The database URL cannot be used ({type(error).__name__}).",
            hint="Write sqlite:///path/to/file.db or postgresql+psycopg://user@host/name; the "
            "latter needs pip install 'crm-steward[postgres]'.",
        ) from (None if isinstance(error, NoSuchModuleError) else error)


def _sqlite(url: sa.URL, key: str) -> sa.Engine:
    options: dict[str, Any] = {
        "timeout": BUSY_TIMEOUT_MS / 1000,
        "isolation_level": None,
        "check_same_thread": False,
    }
    if key:
        path = str(url.database)
        module = cipher.driver(key)
        given = {"module": module, "creator": lambda: cipher.connect(path, key, **options)}
    else:
        given = {"connect_args": options}
    if url.database and url.database != ":memory:":
        _create(Path(url.database))
    engine = sa.create_engine(url, hide_parameters=True, **given)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


_CREATING = threading.Lock()


def _create(path: Path) -> None:
    """Create the file so that nobody else may read it, whatever the umask.

    One that is there is not opened: to close it would take away every lock that SQLite holds on it
    for this process (https://sqlite.org/howtocorrupt.html, 2.2). For the same reason no thread gets
    to SQLite while another one has the file open that it creates.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _CREATING:
                # Where a link leads: SQLite follows it, and would create what is not there.
                made = os.path.realpath(path)
                os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            _usable(path)
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise StoreError(
            f"Database {path}: {said.lower()}.",
            hint="Check that the folder exists, that it is a file, and that this user may write.",
        ) from error


def _usable(path: Path) -> None:
    """See, without opening it, that what is there is a file that this user may write."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.R_OK | os.W_OK):
        fixed = os.statvfs(path).f_flag & os.ST_RDONLY
        number = errno.EROFS if fixed else errno.EACCES
        raise OSError(number, os.strerror(number))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    mode = cursor.execute("PRAGMA journal_mode = TRUNCATE").fetchone()[0]
    if mode == "wal":  # somebody switched it on, and has the database open
        cursor.close()
        raise sqlite3.OperationalError("database is locked: its write-ahead log is in use")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")  # erased personal data leaves the file
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A deferred transaction that reads and then writes can fail at once, whatever the timeout.
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """Turn what a driver raises into a StoreError that says what to do, without values."""
    try:
        yield
    except DBAPIError as error:
        raise refused(place, error.orig) from error
    except PoolTimeoutError as error:
        raise silent(place) from error
    except UnicodeDecodeError as error:
        if not _from_driver(error.__traceback__):
            raise
        raise store_error(place, MALFORMED) from None  # the error holds the bytes


def _from_driver(trace: TracebackType | None) -> bool:
    """Return whether the innermost frame is SQLAlchemy's, or ours here: it called the driver."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return name == __name__ or str(name).startswith("sqlalchemy.")


def _place(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(unreadable URL)"
