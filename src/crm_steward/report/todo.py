"""What an owner has to do, and what was done in their records: tasks, and changes of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

import sqlalchemy as sa

from crm_steward.report.findings import Names, Owned
from crm_steward.report.followed import Followed, Standing, followed
from crm_steward.report.groups import Person
from crm_steward.report.writes import confirmed
from crm_steward.store.following import FOLLOWED
from crm_steward.store.tables import contacts

_SHOWN = 5
_TO_DO = frozenset({Standing.OVERDUE, Standing.OPEN, Standing.UNREAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task that an owner has to do.

    Args:
        person: The record; None where it is somebody else's.
        rule: The rule that asked for it.
        due: By when; None for any time.
        overdue: Whether that is over.
    """

    person: Person | None
    rule: str
    due: date | None
    overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDo:
    """What became of the tasks of an owner: those given to them, or to nobody about their records.

    Args:
        created: Made since the last report.
        done: Seen done for the first time since then.
        open: Made within a year and neither done nor closed, as far as we know.
        overdue: How many of these were to be done before today.
        next: The first few of these, what is due first.
    """

    created: int = 0
    done: int = 0
    open: int = 0
    overdue: int = 0
    next: tuple[Task, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.created or self.done or self.open)


@dataclass(frozen=True, slots=True)
class Shared:
    """What is read once for the digests of all owners, by connection and owner's id.

    Args:
        tasks: Their tasks.
        written: Kind of change → how many of them a CRM confirmed in their records.
    """

    tasks: Mapping[tuple[str, str], Sequence[Followed]]
    written: Mapping[tuple[str, str], Mapping[str, int]]


def shared(
    reading: sa.Connection, names: Names, since: datetime, until: datetime, now: datetime
) -> Shared:
    """Read what the digests of all owners rest on.

    Args:
        reading: A read transaction.
        names: How records may be named, and whose they are.
        since: The last report.
        until: Up to when changes count.
        now: Tasks are known as of now.
    """
    each = list(followed(reading, now - FOLLOWED))
    owners = names.owned(one.record for one in each if not one.owner)
    tasks: dict[tuple[str, str], list[Followed]] = {}
    for one in each:
        owner = one.owner or owners[one.record][1]
        tasks.setdefault((one.record.connection, owner), []).append(one)
    return Shared(tasks, _written(reading, since, until))


def _written(
    reading: sa.Connection, since: datetime, until: datetime
) -> dict[tuple[str, str], dict[str, int]]:
    each, c = confirmed(since, until).subquery(), contacts.c
    query = (
        sa.select(each.c.connection, c.owner, each.c.kind, sa.func.count())
        .join(contacts, (c.connection == each.c.connection) & (c.id == each.c.id))
        .where(each.c.undone.is_(None), c.owner.is_not(None))
        .group_by(each.c.connection, c.owner, each.c.kind)
    )
    found: dict[tuple[str, str], dict[str, int]] = {}
    for connection, owner, kind, count in reading.execute(query):
        found.setdefault((connection, owner), {})[kind] = int(count)
    return found


def written(known: Shared, owned: Owned) -> Mapping[str, int]:
    """Return what we changed in the records of an owner and did not undo, most first; no tasks."""
    counts: Counter[str] = Counter()
    for owner in owned:
        counts.update(known.written.get(owner, {}))
    return {kind: n for kind, n in counts.most_common() if kind not in {"task", "close_task"}}


def to_do(
    known: Shared,
    owned: Owned,
    names: Names,
    telling: Collection[str],
    span: tuple[datetime, datetime],
    *,
    now: datetime,
    zone: tzinfo,
) -> ToDo:
    """Return what became of the tasks of an owner.

    Args:
        known: What was read.
        owned: The owner, in each connection.
        names: How records may be named, and whose they are.
        telling: The connections that tell what became of tasks.
        span: The last report, and up to when this one counts what was made and done.
        now: As of when what is open is open.
        zone: Whose day it is: a task that is due today is not overdue.
    """
    since, until = span
    today = now.astimezone(zone).date()
    each = [
        (one.standing(telling, today), one) for owner in owned for one in known.tasks.get(owner, ())
    ]
    left = sorted(
        ((one, where) for where, one in each if where in _TO_DO),
        key=lambda told: (told[0].due or date.max, told[0].record),
    )
    ended = (one.since for where, one in each if where is Standing.DONE)
    return ToDo(
        created=sum(since < one.made <= until for _, one in each),
        done=sum(at is not None and since < at <= until for at in ended),
        open=len(left),
        overdue=sum(where is Standing.OVERDUE for _, where in left),
        next=tuple(_next(left[:_SHOWN], owned, names)),
    )


def _next(shown: Sequence[tuple[Followed, Standing]], owned: Owned, names: Names) -> Iterable[Task]:
    people = names.owned(one.record for one, _ in shown)
    for one, where in shown:
        person, owner = people[one.record]
        theirs = (one.record.connection, owner) in owned
        yield Task(
            person=person if theirs else None,
            rule=one.rule,
            due=one.due,
            overdue=where is Standing.OVERDUE,
        )
