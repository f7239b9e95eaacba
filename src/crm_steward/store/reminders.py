"""What comes round again and a person, or the service, has to do: when it was done last, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from crm_steward.store.database import Database
from crm_steward.store.tables import reminders


class Duty(StrEnum):
    """What has to be done again and again."""

    ACCESS_REVIEW = "access-review"
    """Look who may do what in the CRMs, and take away what nobody needs."""
    RESTORE_TEST = "restore-test"
    """Restore a backup into a temporary place and look whether it is whole."""


class Result(StrEnum):
    """How it went; everything but `done` means that it is still to be done."""

    DONE = "done"
    MISSING = "missing"
    """There is no backup."""
    OLD = "old"
    """The newest backup is older than the time between two tests."""
    UNREADABLE = "unreadable"
    """The backup is damaged, no database of ours, or cannot be restored."""
    ALTERED = "altered"
    """Its journal is not what was written."""
    UNEQUAL = "unequal"
    """What was restored does not hold what the backup holds."""
    FOREIGN = "foreign"
    """Its journal is not the beginning of the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One time that something was done.

    Args:
        duty: What.
        result: How it went.
        by: Who; `crm-steward` when the service did.
        note: In their words, or what was found.
        at: When.
    """

    duty: Duty
    by: str
    at: datetime
    result: Result = Result.DONE
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """Where one duty stands.

    Args:
        duty: What.
        every: How often.
        done: When it was last done, and by whom; None for never.
        failed: The last attempt, when it failed; None when that went well, or there was none.
        due: From when it is to be done again; None when it was never done.
    """

    duty: Duty
    every: timedelta
    done: Deed | None = None
    failed: Deed | None = None

    @property
    def due(self) -> datetime | None:
        """From when it is to be done again; None when it was never done."""
        return self.done.at + self.every if self.done else None

    def overdue(self, now: datetime) -> bool:
        """Whether it is to be done now: its time is over, it was never done, or failed."""
        return self.due is None or self.due <= now or self.failed is not None


class Reminders:
    """Writes down what was done, and says what is due."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, deed: Deed) -> None:
        """Write down that something was done.

        Raises:
            StoreError: The database refuses.
        """
        with self._database.write() as writing:
            writing.execute(
                sa.insert(reminders).values(
                    duty=deed.duty.value,
                    result=deed.result.value,
                    by=deed.by,
                    note=deed.note,
                    at=deed.at,
                )
            )

    def standing(self, periods: Mapping[Duty, timedelta]) -> list[Reminder]:
        """Return where each duty stands that `periods` give a time other than zero."""
        with self._database.read() as reading:
            return standing(reading, periods)

    def deeds(self, duty: Duty, limit: int) -> list[Deed]:
        """Return the last few times that something was done, newest first."""
        query = sa.select(reminders).where(reminders.c.duty == duty.value)
        with self._database.read() as reading:
            rows = reading.execute(query.order_by(*_NEWEST).limit(limit)).mappings().all()
        return [_deed(row) for row in rows]


_NEWEST = (reminders.c.at.desc(), reminders.c.seq.desc())


def standing(reading: sa.Connection, periods: Mapping[Duty, timedelta]) -> list[Reminder]:
    """Return where each duty stands that `periods` give a time other than zero."""
    found = []
    for duty, every in periods.items():
        if every:
            last, done = latest(reading, duty), latest(reading, duty, Result.DONE)
            failed = last if last and last.result is not Result.DONE else None
            found.append(Reminder(duty=duty, every=every, done=done, failed=failed))
    return found


def latest(reading: sa.Connection, duty: Duty, result: Result | None = None) -> Deed | None:
    """Return the last time that something was done, or ended with `result`; None for never."""
    query = sa.select(reminders).where(reminders.c.duty == duty.value)
    if result is not None:
        query = query.where(reminders.c.result == result.value)
    row = reading.execute(query.order_by(*_NEWEST).limit(1)).mappings().one_or_none()
    return None if row is None else _deed(row)


def _deed(row: sa.RowMapping) -> Deed:
    return Deed(
        duty=Duty(row["duty"]),
        result=Result(row["result"]),
        by=row["by"],
        note=row["note"],
        at=row["at"],
    )
