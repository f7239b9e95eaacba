"""Reads the store into a digest, set by set."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from crm_steward.model import InputError
from crm_steward.report.concerned import COLUMNS as OF_CONCERNED
from crm_steward.report.concerned import concerned
from crm_steward.report.consent import COLUMNS as OF_CONSENT
from crm_steward.report.consent import consents, lapsing
from crm_steward.report.countries import countries
from crm_steward.report.digest import Digest, Figure, Titles
from crm_steward.report.edits import rule_edits_between
from crm_steward.report.findings import (
    Names,
    connection_shares,
    movement,
    owner_shares,
    rule_shares,
    sleep,
)
from crm_steward.report.followed import telling
from crm_steward.report.hygiene import COLUMNS as OF_TEXT
from crm_steward.report.hygiene import hygiene
from crm_steward.report.objections import alarms, objections
from crm_steward.report.protection import keep_periods, protection
from crm_steward.report.reminders import reminders
from crm_steward.report.retention import keeping, retention
from crm_steward.report.tasks import tasks
from crm_steward.report.twins import twins
from crm_steward.report.usage import quota_uses
from crm_steward.report.weeks import Week, week_due
from crm_steward.report.writes import coverage, decision, fixes, merges, open_plan
from crm_steward.rules import Rule, RuleBook, columns_of
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.figures import Figures

if TYPE_CHECKING:
    import duckdb

_COLUMNS = OF_CONCERNED | OF_CONSENT | OF_TEXT
_TREND, _OWNERS = 8, 10
"""Weeks in a trend, owners that are told one by one."""

_FIGURES: tuple[tuple[str, str | None, Literal["up", "down"] | None], ...] = (
    ("clean", "contacts", "up"),
    ("complete", "contacts", "up"),
    ("duplicated", "contacts", "down"),
    ("email_valid", "with_email", "up"),
    ("mailable", "contacts", "up"),
    ("provable", "mailable", "up"),
    ("contacts", None, None),
    ("findings", None, "down"),
)
"""Name, what it is a share of, which way is good."""


def current_week(settings: Settings, now: datetime) -> Week:
    """Return the week that a report made at `now` is for."""
    report = settings.report
    return week_due(now, report.day, report.at, settings.timezone)


def period(settings: Settings, week: Week | None, now: datetime) -> tuple[Week, datetime, datetime]:
    """Return a week (None: the current one), the moment of the report before, and up to when it knows.

    Raises:
        InputError: The week has not begun.
    """
    current = current_week(settings, now)
    week = week or current
    if week > current:
        raise InputError(f"Week {week} has no report yet.", hint=f"The latest is {current}.")
    due = (settings.report.day, settings.report.at, settings.timezone)
    return week, week.shifted(-1).due(*due), now if week == current else week.due(*due)


def collect(
    database: Database,
    settings: Settings,
    book: RuleBook,
    *,
    week: Week | None = None,
    now: datetime,
) -> Digest:
    """Read everything that the report of `week` says.

    The current week is counted now, and the count is kept for later trends. For an earlier week,
    findings and changes are as of the moment its report was due, as far as the store remembers (a
    finding that was resolved and came back has lost its first life); of the open plan, the duplicates
    and the connections it says what is so now.

    Args:
        database: The store.
        settings: Time zone, report day, names.
        book: The rules, for their titles.
        week: Which; None for the current one.
        now: The time.

    Raises:
        InputError: The week has not begun.
    """
    week, since, until = period(settings, week, now)
    if until == now:
        figures = Figures(database)
        figures.save(str(week), figures.count(now))
        keep_periods(database, book, week)
    titles = titles_of(book)
    # Both before the read below: a second transaction inside one can wait for a writer that waits for it.
    figured = _figures(database, week)
    asking = [*lapsing(book), *alarms(book), *keeping(book)]
    with closing(open_mirror(database, asking, _COLUMNS, now)) as con, database.read() as reading:
        names = Names(reading, settings.report.names)
        whom = concerned(reading, con, now)
        owners = owner_shares(whom, names)
        planned = open_plan(reading, now, until)
        return Digest(
            week=week,
            since=since,
            until=until,
            zone=settings.timezone,
            figures=figured,
            movement=movement(reading, since, until),
            sleep=sleep(reading, until),
            rules=rule_shares(reading, names, titles, since, until),
            edits=rule_edits_between(reading, titles, since, until),
            connections=tuple(connection_shares(whom)),
            owners=tuple(owners[:_OWNERS]),
            more_owners=len(owners[_OWNERS:]),
            countries=countries(whom),
            concerned=whom,
            tasks=tasks(
                reading,
                names.owner,
                telling(settings),
                (since, until),
                now=now,
                zone=settings.timezone,
            ),
            fixes=fixes(reading, titles, since, until),
            decision=decision(reading, titles, planned),
            twins=twins(reading, names, merges(planned), now),
            quotas=quota_uses(reading, since, until),
            coverage=coverage(
                reading,
                since,
                now,
                late=timedelta(days=2),
                enabled=settings.abilities,
                stop_file=settings.halt.file,
            ),
            consents=consents(
                con, book, objections(reading, con, names, book, since=since, until=until), now
            ),
            retention=retention(con, book, settings.timezone, now),
            protection=protection(reading, week, since, until),
            hygiene=hygiene(reading, con, since, until),
            reminders=reminders(reading, settings, now),
        )


def open_mirror(
    database: Database, asking: Sequence[Rule], also: AbstractSet[str], now: datetime
) -> duckdb.DuckDBPyConnection:
    """Load what sections read that ask the mirror as rules do.

    Args:
        database: The store.
        asking: The rules.
        also: Further columns.
        now: The time.
    """
    from crm_steward.store.relation import (  # noqa: PLC0415 -- a service at rest holds none of it
        open_relation,
        relation_of_rows,
    )

    with closing(relation_of_rows(())) as con:
        columns = columns_of(asking, con, now)
    mirror = open_relation(database, columns=None if columns is None else columns | also)
    # A second thread makes little faster here, and holds on to memory of its own.
    mirror.execute("SET threads = 1")
    return mirror


def titles_of(book: RuleBook) -> dict[str, Titles]:
    """Return what each rule is called in each language."""
    return {rule.id: {"en": rule.title("en"), "fr": rule.title("fr")} for rule in book.rules}


def _figures(database: Database, week: Week) -> tuple[Figure, ...]:
    weeks = [week.shifted(back) for back in range(1 - _TREND, 1)]
    counts = Figures(database).history([str(one) for one in weeks])
    first = next((one for one in weeks if str(one) in counts), week)
    shown = [one for one in weeks if one >= first]
    return tuple(
        Figure(
            name=name,
            values={one: _value(counts.get(str(one), {}), name, whole) for one in shown},
            share=whole is not None,
            better=better,
        )
        for name, whole, better in _FIGURES
    )


def _value(counts: dict[str, float], name: str, whole: str | None) -> float | None:
    """Return a figure of one week; None where it was not counted or there was nothing to share."""
    if name not in counts:
        return None
    if whole is None:
        return counts[name]
    return counts[name] / counts[whole] if counts.get(whole) else None
