"""Reminders in the digest: what comes round again, when it was last done and by whom, what is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_steward.report.words import Words, plain
from crm_steward.settings import Settings
from crm_steward.store.reminders import Duty, Reminder, Result, standing

RESTORE_TEST = "crm-steward restore FILE --test"
"""The command that tests a backup of a SQLite file."""
RESTORE_TEST_BESIDE = "crm-steward restore --test --in NAME"
"""The command that looks at what `pg_restore` made of a dump, in a database of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """Something that has to be done again and again.

    Args:
        duty: What.
        every_days: How often.
        done_at: When it was last done; None for never.
        done_by: By whom.
        due: From when it is to be done again; None when it was never done.
        overdue: Whether that is over, or the last attempt failed.
        failed_at: When the last attempt failed; None when it did not.
        failed: Why.
        how: The command that does it, or notes that it was done.
    """

    duty: Duty
    every_days: int
    done_at: datetime | None = None
    done_by: str = ""
    due: datetime | None = None
    overdue: bool = True
    failed_at: datetime | None = None
    failed: Result | None = None
    how: str = ""


def periods(settings: Settings) -> dict[Duty, timedelta]:
    """Return how often the settings want each duty done; zero for never."""
    wanted = settings.reminders
    return {
        Duty.ACCESS_REVIEW: wanted.access_review,
        Duty.RESTORE_TEST: wanted.restore_test,
    }


def reminders(reading: sa.Connection, settings: Settings, now: datetime) -> tuple[Recurring, ...]:
    """Return where each duty stands that the settings do not switch off."""
    sqlite = settings.database.startswith("sqlite")
    found = standing(reading, periods(settings))
    return tuple(recurring(one, now, sqlite=sqlite) for one in found)


def recurring(one: Reminder, now: datetime, *, sqlite: bool = True) -> Recurring:
    """Return a reminder as it is shown; other databases than SQLite are restored by their own tools."""
    how = f'crm-steward reminders done {one.duty} --by NAME --note "…"'
    if one.duty is Duty.RESTORE_TEST:
        how = RESTORE_TEST if sqlite else RESTORE_TEST_BESIDE
    return Recurring(
        duty=one.duty,
        every_days=one.every.days,
        done_at=one.done.at if one.done else None,
        done_by=one.done.by if one.done else "",
        due=one.due,
        overdue=one.overdue(now),
        failed_at=one.failed.at if one.failed else None,
        failed=one.failed.result if one.failed else None,
        how=how,
    )


def what(words: Words, duty: Duty) -> str:
    """Return what a duty is called."""
    return words(f"duty.{duty.name.lower()}")


def about(words: Words, duty: Duty) -> str:
    """Return the question that a duty answers."""
    return words(f"duty.{duty.name.lower()}.about")


def where_it_stands(words: Words, one: Recurring) -> str:
    """Return when something was done, by whom, and whether it is overdue."""
    if one.failed is not None and one.failed_at is not None:
        why = words(f"result.{one.failed}")
        said = words("reminders.failed", day=words.day(one.failed_at), why=why)
        if one.done_at is None:
            return said
        done = words("reminders.before", day=words.day(one.done_at), by=plain(one.done_by, 60))
        return words.either("{said}; {done}", "{said} ; {done}", said=said, done=done)
    if one.done_at is None or one.due is None:
        return words("reminders.never")
    key = "reminders.overdue" if one.overdue else "reminders.done"
    day, due = words.day(one.done_at), words.day(one.due)
    return words(key, day=day, by=plain(one.done_by, 60), due=due)
