"""A restore test: a backup is restored into a temporary place, opened, and compared with what it was.

Nothing is written where the present database stands. The temporary place is a folder that only this
user may enter; it is gone when the test ends, for it holds personal data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.model import InputError, StewardError, StoreError
from crm_steward.store import cipher
from crm_steward.store.backup import Copied, examined, key_of_copy
from crm_steward.store.database import HEAD, Database
from crm_steward.store.reminders import Deed, Duty, Reminders, Result
from crm_steward.store.restoring import stage
from crm_steward.store.tables import contacts, journal
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
        tables: How many tables were compared.
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
        return (
            f"copy of {made}, schema {self.copied.schema}, {self.tables} tables, "
            f"{self.contacts:,} contacts ({self.present:,} now), {self.copied.lines:,} journal lines"
        )


def rehearse(file: Path, database: Database) -> Rehearsal:
    """Restore a backup into a temporary place, and look at what came of it.

    Args:
        file: The backup; it is only read.
        database: The present database, on SQLite; it is only read.

    Raises:
        InputError: The backup is damaged, no database of ours, or newer than this program.
        StoreError: The temporary place cannot be written.
    """
    key = database.key
    copied = examined(file, key_of_copy(file, key))
    held = _counts(file, key_of_copy(file, key))
    try:
        with tempfile.TemporaryDirectory(prefix="crm-steward-restore-") as folder:
            staged = Path(folder) / "steward.db"
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
        StoreError: The result cannot be written down.
    """
    try:
        found = rehearse(file, database)
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


def newest_of(place: Path) -> Path | None:
    """Return the newest backup in a folder, or of those that a pattern such as `*.db` names.

    Files whose name begins with a point are none: a backup under way has such a name.
    """
    files = place.iterdir() if place.is_dir() else place.parent.glob(place.name)
    found = [one for one in files if one.is_file() and not one.name.startswith(".")]
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


def _foreign(copied: Copied, database: Database) -> bool:
    """Whether the present journal does not hold the backup's last line."""
    if not copied.lines:
        return False
    query = sa.select(journal.c.hash).where(journal.c.seq == copied.lines)
    with database.read() as reading:
        return reading.execute(query).scalar() != copied.head
