"""The lists that count: by rule, connection, owner and country; edits, fields, what was left out, reminders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crm_steward.report.countries import countries, country_lines
from crm_steward.report.edits import rule_edits_between
from crm_steward.report.findings import owner_shares
from crm_steward.report.listing import MOST
from crm_steward.report.lists.base import Asking, Sheet
from crm_steward.report.phrasing import as_kept
from crm_steward.report.reminders import what
from crm_steward.report.render import title
from crm_steward.report.sayings import left_out
from crm_steward.report.spreadsheet import Cell, Share
from crm_steward.report.tasks import tasks
from crm_steward.report.words import plain

_Rows = Iterator[Sequence[Cell]]


def rules(asking: Asking) -> Sheet:
    """Return what each rule found, worst and most first."""

    def rows() -> _Rows:
        for one in asking.digest.rules:
            moved = one.movement
            yield (
                asking.words(f"severity.{one.severity.label}"),
                title(one.titles, asking.words),
                moved.open,
                moved.new,
                moved.reopened,
                moved.resolved,
                plain(one.rule),
            )

    columns = ("severity", "rule", "open", "new", "reopened", "resolved", "id")
    return Sheet(name="rules", columns=columns, rows=rows())


def edits(asking: Asking) -> Sheet:
    """Return what edits of rules did, those that moved most first."""
    digest = asking.digest
    found = rule_edits_between(
        asking.reading, asking.titles, digest.since, digest.until, shown=MOST
    )

    def rows() -> _Rows:
        for one in found.edits:
            yield (
                title(one.titles, asking.words),
                asking.words(f"workbook.edit.{one.edit}"),
                asking.day(one.at),
                one.opened,
                one.resolved,
                one.open,
                plain(one.rule),
            )

    columns = ("rule", "edit", "at", "opened", "resolved", "open", "id")
    return Sheet(name="edits", columns=columns, rows=rows(), more=found.more)


def owners(asking: Asking) -> Sheet:
    """Return what waits at each owner: findings, and tasks."""
    reading, digest = asking.reading, asking.digest
    shares = owner_shares(digest.concerned, asking.names)
    found = {
        (one.connection, one.owner): (one.findings, one.serious, one.records) for one in shares
    }
    due = tasks(
        reading,
        asking.names.owner,
        asking.telling,
        (digest.since, digest.until),
        now=digest.until,
        zone=digest.zone,
        shown=MOST,
    )
    to_do = {(one.connection, one.owner): (one.open, one.overdue) for one in due.owners}

    def rows() -> _Rows:
        for connection, owner in {**found, **to_do}:
            called = asking.owner(connection, owner) or asking.words("owners.nobody")
            yield (
                called,
                plain(connection, 60),
                *found.get((connection, owner), (0, 0, 0)),
                *to_do.get((connection, owner), (0, 0)),
            )

    columns = ("owner", "connection", "open", "serious", "contacts", "tasks_open", "tasks_overdue")
    return Sheet(name="owners", columns=columns, rows=rows())


def by_connection(asking: Asking) -> Sheet:
    """Return what stands about the contacts of each connection, that with most first."""

    def rows() -> _Rows:
        for one in asking.digest.connections:
            yield plain(one.connection, 60), one.findings, one.serious, one.records

    columns = ("connection", "open", "serious", "contacts")
    return Sheet(name="connections", columns=columns, rows=rows())


def by_country(asking: Asking) -> Sheet:
    """Return where the contacts with findings live, the country with most first."""
    found = countries(asking.digest.concerned, shown=MOST)

    def rows() -> _Rows:
        for called, one in country_lines(found, asking.words):
            yield called, one.findings, one.serious, one.records

    columns = ("country", "open", "serious", "contacts")
    return Sheet(name="countries", columns=columns, rows=rows())


def typed(asking: Asking) -> Sheet:
    """Return the fields that could be lists of choices, those of most contacts first."""

    def rows() -> _Rows:
        for one in asking.digest.hygiene.typed:
            yield (
                plain(one.connection, 60),
                asking.words.field(one.field),
                one.contacts,
                one.values,
                one.spellings,
                Share(one.covered),
            )

    columns = ("connection", "field", "contacts", "values", "spellings", "covered")
    return Sheet(name="typed", columns=columns, rows=rows())


def gaps(asking: Asking) -> Sheet:
    """Return what was left out and is known by its number only, with the reason."""
    found, words = asking.digest.coverage, asking.words

    def rows() -> _Rows:
        for reason, count in found.withheld:
            said = words.find(f"withheld.{reason}") or plain(reason)
            yield words("workbook.gap.withheld"), "", said, count
        for reason, count in found.left_out:
            yield words("workbook.gap.left_out"), "", plain(left_out(reason, words)), count
        for missing, count in found.skipped:
            connection, _, field = missing.partition(": ")
            yield (
                words("workbook.gap.skipped"),
                plain(connection, 60),
                words("workbook.no_field", field=words.field(field)),
                count,
            )
        for connection, count in found.missed:
            yield words("workbook.gap.missed"), plain(connection, 60), "", count

    columns = ("gap", "connection", "reason", "count")
    return Sheet(name="gaps", columns=columns, rows=rows())


def register(asking: Asking) -> Sheet:
    """Return the periods of the register that were edited since the last report."""

    def rows() -> _Rows:
        for one in asking.digest.protection.periods:
            before, after = (as_kept(asking.words, kept) for kept in (one.before, one.after))
            yield plain(one.period, 60), asking.words(f"workbook.edit.{one.edit}"), before, after

    return Sheet(name="register", columns=("period", "edit", "before", "after"), rows=rows())


def reminders(asking: Asking) -> Sheet:
    """Return what comes round again: when it was last done, and whether it is overdue."""

    def rows() -> _Rows:
        for one in asking.digest.reminders:
            yield (
                what(asking.words, one.duty),
                one.every_days,
                asking.day(one.done_at) if one.done_at else None,
                plain(one.done_by, 60),
                asking.day(one.due) if one.due else None,
                asking.yes(one.overdue),
            )

    columns = ("duty", "every", "done_at", "by", "due", "late")
    return Sheet(name="reminders", columns=columns, rows=rows())
