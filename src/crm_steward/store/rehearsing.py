"""A restore test: a backup is restored into a temporary place, opened, and compared with what it was.

Nothing is written where the present database stands. The temporary place is a folder that only this
user may enter; it is gone when the test ends, for it holds personal data (`places`: that of a test
which was killed goes with the next one). A dump of PostgreSQL is
restored by `pg_restore`, which knows how, into a database beside the present one; that is looked at here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.model import InputError, StewardError, StoreError
from crm_steward.store import cipher
from crm_steward.store.backup import Copied, examined, key_of_copy
from crm_steward.store.chain import GENESIS
from crm_steward.store.database import HEAD, Database
from crm_steward.store.places import temporary_place
from crm_steward.store.reminders import Deed, Duty, Reminders, Result
from crm_steward.store.restoring import stage
from crm_steward.store.tables import contacts, journal, meta
from crm_steward.store.verifying import Fault, verify

SELF = "crm-steward"
"""Who did it, when the service does it by itself."""
_OWN = frozenset({"alembic_version", "meta", "sqlite_sequence"})
"""Tables that opening a database may write to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What restoring a backup gave.

    Args:
        copied: What the backup holds.
        tables: How many tables were compared; 0 where there was nothing to compare them with.
        contacts: How many contacts were restored.
        present: How many contacts the present database holds.
        unequal: Tables that do not hold as many rows as the backup.
        fault: The first line of the journal that is not what was written; None when all are.
        foreign: Whether its journal is not the beginning of the present one.
    """

    copied: Copied
    tables: int
    contacts: int
    present: int
    unequal: tuple[str, ...] = ()
    fault: Fault | None = None
    foreign: bool = False

    @property
    def result(self) -> Result:
        """How it went; the gravest of what is wrong."""
        wrong = (
            (bool(self.unequal), Result.UNEQUAL),
            (self.fault is not None, Result.ALTERED),
            (self.foreign, Result.FOREIGN),
        )
        return next((result for is_so, result in wrong if is_so), Result.DONE)

    @property
    def note(self) -> str:
        """What was found, for whoever reads the record: no personal data."""
        made = f"{self.copied.made_at:%Y-%m-%d %H:%M} UTC" if self.copied.made_at else "unknown"
        tables = f"{self.tables} tables, " if self.tables else ""
        return (
            f"copy of {made}, schema {self.copied.schema}, {tables}"
            f"{self.contacts:,} contacts ({self.present:,} now), {self.copied.lines:,} journal lines"
        )


def rehearse(file: Path, database: Database) -> Rehearsal:
    """Restore a backup into a temporary place, and look at what came of it.

    Args:
        file: The backup; it is only read.
        database: The present database, on SQLite; it is only read.

    Raises:
        InputError: The backup is damaged, no database of ours, or newer than this program; or it is
            the present database.
        StoreError: The temporary place cannot be written.
    """
    _refuse_present(file, database)
    key = database.key
    copied = examined(file, key_of_copy(file, key))
    held = _counts(file, key_of_copy(file, key))
    try:
        with temporary_place() as folder:
            staged = folder / "steward.db"
            stage(file, staged, key)
            with Database.open(cipher.url_of(staged, key)) as restored:
                fault = verify(restored).fault
                live = _live(restored)
            examined(staged, key)
            got = _counts(staged, key)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise StoreError(
            f"The backup cannot be restored into a temporary place: {said}.",
            hint="Check the free space and the rights of the folder for temporary files (TMPDIR).",
        ) from error
    # Migrations may fill tables anew: then only what no migration touches is compared.
    compared = held.keys() if copied.schema == HEAD else held.keys() & {"contacts", "journal"}
    return Rehearsal(
        copied=copied,
        tables=len(compared),
        contacts=live,
        present=_live(database),
        unequal=tuple(sorted(name for name in compared if held[name] != got.get(name))),
        fault=fault,
        foreign=_foreign(copied, database),
    )


def _refuse_present(file: Path, database: Database) -> None:
    """Refuse the present database, under whatever name, before anything opens it.

    Looking at its first bytes would take away SQLite's locks on it (see `backup`).
    """
    if _is_present(file, database):
        raise InputError(f"{file} is the present database.", hint="Name a backup of it.")


def _is_present(file: Path, database: Database) -> bool:
    path = database.path
    return path is not None and file.exists() and file.samefile(path)


def rehearse_beside(name: str, database: Database, made_at: datetime | None = None) -> Rehearsal:
    """Look at what `pg_restore` made of a dump, in a database of its own on the same server.

    It is opened as the program would open it: an older schema in it is brought to the present one,
    but never in a database of another installation, which may be at work.

    Args:
        name: The database that the dump was restored into.
        database: The present database, on PostgreSQL; it is only read.
        made_at: When the dump was made, where somebody knows.

    Raises:
        InputError: It is the present one, no database of ours, or newer than this program.
        StoreError: It cannot be opened or read.
    """
    url = _url_beside(name, database)
    with Database(sa.create_engine(url, hide_parameters=True)) as restored:
        copied = _copied(restored, name, made_at)
        live = _live(restored)
        if _installation(restored) != _installation(database):
            present = _live(database)
            return Rehearsal(copied=copied, tables=0, contacts=live, present=present, foreign=True)
    with Database.open(url.render_as_string(hide_password=False)) as restored:
        fault = verify(restored).fault
    return Rehearsal(
        copied=copied,
        tables=0,
        contacts=live,
        present=_live(database),
        fault=fault,
        foreign=_foreign(copied, database),
    )


_BESIDE = "createdb NAME; pg_restore --exit-on-error --dbname=NAME FILE; crm-steward restore --test --in NAME"


def _url_beside(name: str, database: Database) -> sa.URL:
    if name == database.engine.url.database:
        raise InputError(f"{name} is the present database.", hint=_BESIDE)
    return database.engine.url.set(database=name)


def _copied(restored: Database, name: str, made_at: datetime | None) -> Copied:
    schema = restored.version()
    if schema is None:
        raise InputError(f"{name} holds no database of crm-steward.", hint=_BESIDE)
    if schema > HEAD:
        raise InputError(
            f"{name} is of a newer crm-steward: its schema is {schema}, this one reads {HEAD}.",
            hint="Install the newer crm-steward, then test it.",
        )
    last = sa.select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
    size = sa.select(sa.func.pg_database_size(sa.func.current_database()))
    with restored.read() as reading:
        row = reading.execute(last).one_or_none()
        return Copied(
            made_at=made_at,
            schema=schema,
            lines=row.seq if row else 0,
            head=row.hash if row else GENESIS,
            size=reading.execute(size).scalar_one(),
        )


def rehearsed(
    file: Path, database: Database, *, by: str, now: datetime, newest: timedelta | None = None
) -> tuple[Deed, StewardError | None]:
    """Restore a backup into a temporary place, and write down how it went.

    Args:
        file: The backup.
        database: The present database.
        by: Who does it.
        now: When.
        newest: How old the backup may be; None for any age.

    Returns:
        What was written down, and why the backup could not be restored, if so.

    Raises:
        InputError: It is the present database; that is a slip, and no test that failed.
        StoreError: The result cannot be written down.
    """
    _refuse_present(file, database)
    return _done(lambda: rehearse(file, database), database, by=by, now=now, newest=newest)


def rehearsed_beside(
    name: str, database: Database, *, by: str, now: datetime, made_at: datetime | None = None
) -> tuple[Deed, StewardError | None]:
    """Look at a dump that was restored beside the present database, and write down how it went.

    Args:
        name: The database that the dump was restored into.
        database: The present database.
        by: Who does it.
        now: When.
        made_at: When the dump was made, where somebody knows.

    Returns:
        What was written down, and why what was restored cannot be used, if so.

    Raises:
        InputError: It is the present one; that is a slip, and no test that failed.
        StoreError: The result cannot be written down.
    """
    _url_beside(name, database)
    return _done(lambda: rehearse_beside(name, database, made_at), database, by=by, now=now)


def _done(
    look: Callable[[], Rehearsal],
    database: Database,
    *,
    by: str,
    now: datetime,
    newest: timedelta | None = None,
) -> tuple[Deed, StewardError | None]:
    try:
        found = look()
    except (InputError, StoreError) as error:
        return _noted(database, Result.UNREADABLE, error.message, by, now), error
    made, result = found.copied.made_at, found.result
    if result is Result.DONE and newest is not None and made is not None and now - made > newest:
        result = Result.OLD
    return _noted(database, result, found.note, by, now), None


def missing(database: Database, *, now: datetime) -> Deed:
    """Write down that there was no backup to test."""
    return _noted(database, Result.MISSING, "", SELF, now)


def _noted(database: Database, result: Result, note: str, by: str, now: datetime) -> Deed:
    deed = Deed(duty=Duty.RESTORE_TEST, by=by, at=now, result=result, note=note)
    Reminders(database).record(deed)
    return deed


def newest_of(place: Path, database: Database) -> Path | None:
    """Return the newest backup in a folder, or of those that a pattern such as `*.db` names.

    Files whose name begins with a point are none: a backup under way has such a name. Nor is the
    present database, whatever names it.
    """
    files = place.iterdir() if place.is_dir() else place.parent.glob(place.name)
    visible = (one for one in files if one.is_file() and not one.name.startswith("."))
    found = [one for one in visible if not _is_present(one, database)]
    return max(found, key=lambda one: (one.stat().st_mtime, one.name), default=None)


def _counts(path: Path, key: str) -> dict[str, int]:
    """Return how many rows each table holds."""
    with closing(cipher.connect(path, key, read_only=True)) as copy:
        return {name: _rows(copy, name) for name in _tables(copy) if name not in _OWN}


def _tables(copy: Any) -> Iterable[str]:
    rows = copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows.fetchall()]


def _rows(copy: Any, table: str) -> int:
    quoted = table.replace('"', '""')
    (count,) = copy.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()
    return int(count)


def _live(database: Database) -> int:
    query = sa.select(sa.func.count()).select_from(contacts).where(contacts.c.gone_at.is_(None))
    with database.read() as reading:
        return reading.execute(query).scalar_one()


def _installation(database: Database) -> str | None:
    with database.read() as reading:
        query = sa.select(meta.c.value).where(meta.c.key == "installation")
        return reading.execute(query).scalar()


def _foreign(copied: Copied, database: Database) -> bool:
    """Whether the present journal does not hold the backup's last line."""
    if not copied.lines:
        return False
    query = sa.select(journal.c.hash).where(journal.c.seq == copied.lines)
    with database.read() as reading:
        return reading.execute(query).scalar() != copied.head
