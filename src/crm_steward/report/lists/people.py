"""The lists about consent, retention and tasks: of people of whom something is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time

from crm_steward.model import RecordRef
from crm_steward.report.followed import Followed, Standing, followed
from crm_steward.report.listing import MOST
from crm_steward.report.lists.base import RECORD, Asking, Line, Sheet
from crm_steward.report.phrasing import lasting
from crm_steward.report.words import plain
from crm_steward.store.following import FOLLOWED

_ORDER = tuple(Standing)


def tasks(asking: Asking) -> Sheet:
    """Return each task that is open, and those that were made or ended since the last report."""
    digest = asking.digest
    each = [
        (one.standing(asking.telling, asking.today), one)
        for one in followed(asking.reading, digest.until - FOLLOWED)
    ]
    shown = [(where, one) for where, one in each if _told(one, digest.since, digest.until)]
    shown.sort(key=lambda told: (_ORDER.index(told[0]), *_first(told[1])))

    def lines() -> Iterator[Line]:
        for where, one in shown[:MOST]:
            before = (asking.words(f"workbook.task.{where}"), asking.rule(one.rule))
            read = asking.day(one.seen) if one.seen else None
            yield Line(before, one.record, (one.due, asking.day(one.made), read), one.owner)

    columns = ("task", "rule", *RECORD, "due", "made_at", "read_at")
    more = max(0, len(shown) - MOST)
    return Sheet(name="tasks", columns=columns, rows=asking.lines(lines()), more=more)


def _told(one: Followed, since: datetime, until: datetime) -> bool:
    ended = one.ended()
    return ended is None or any(since < at <= until for at in (one.made, ended))


def _first(one: Followed) -> tuple[datetime, RecordRef]:
    """Return by what tasks are ordered that stand alike: what is due first, else the oldest."""
    due = datetime.combine(one.due, time(), one.made.tzinfo) if one.due else one.made
    return due, one.record


def ending(asking: Asking) -> Sheet:
    """Return the contacts whose consent ends within a month."""
    words, found = asking.words, asking.digest.consents.ending
    each = [(one, ref) for one in found for ref in one.records][:MOST]

    def lines() -> Iterator[Line]:
        for one, ref in each:
            yield Line(
                (
                    words(f"channel.{one.channel}"),
                    words(f"workbook.ground.{one.ground}"),
                    lasting(words, one.length),
                ),
                ref,
            )

    columns = ("channel", "ground", "length", *RECORD)
    more = sum(one.count for one in found) - len(each)
    return Sheet(name="ending", columns=columns, rows=asking.lines(lines()), more=more)


def apart(asking: Asking) -> Sheet:
    """Return the people of whom connections say different things, record by record."""
    words, found = asking.words, asking.digest.consents.apart
    each = [(one.channel, said) for one in found for said in one.records][:MOST]
    told = {(channel, said.person) for channel, said in each}

    def lines() -> Iterator[Line]:
        for channel, said in each:
            before = (words(f"channel.{channel}"), said.person, asking.yes(said.opposed))
            status = words.known("consent", said.status, "unknown")
            yield Line(before, said.record, (status,))

    columns = ("channel", "person", "opposed", *RECORD, "consent")
    more = max(0, sum(one.people for one in found) - len(told))
    return Sheet(name="apart", columns=columns, rows=asking.lines(lines()), more=more)


def unheeded(asking: Asking) -> Sheet:
    """Return the objections that are still open, longest overdue first."""
    found = asking.digest.consents.objections

    def lines() -> Iterator[Line]:
        for one in found.listed:
            record = RecordRef(one.person.connection, one.person.id)
            due = asking.day(one.due) if one.due else None
            after = (asking.day(one.seen), one.days, due, asking.yes(one.late))
            yield Line((asking.words(f"channel.{one.channel}"),), record, after)

    columns = ("channel", *RECORD, "seen", "days", "due", "late")
    more = found.open - len(found.listed)
    return Sheet(name="unheeded", columns=columns, rows=asking.lines(lines()), more=more)


def keeping(asking: Asking) -> Sheet:
    """Return the contacts whose period of retention is over, or ends this month or the next."""
    words, found = asking.words, asking.digest.retention
    each = sorted(
        ((place, one, ref) for one in found.due for place, ref in one.records),
        key=lambda told: told[0],
    )[:MOST]
    months = {1: found.this_month, 2: found.next_month}
    when = {place: words.month(month) for place, month in months.items() if month}
    when[0] = words("retention.past")

    def lines() -> Iterator[Line]:
        for place, one, ref in each:
            then = words.known("then", one.then, "archive")
            after = (plain(one.period, 40), lasting(words, one.length), then)
            yield Line((when[place], asking.rule(one.rule)), ref, after)

    columns = ("when", "rule", *RECORD, "period", "length", "then")
    counted = sum(one.past + one.this_month + one.next_month for one in found.due)
    more = counted - len(each)
    return Sheet(name="keeping", columns=columns, rows=asking.lines(lines()), more=more)
