"""Tasks in the digest: how many were made in the CRMs, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

import sqlalchemy as sa

from crm_steward.connect.protocol import TaskState
from crm_steward.report.followed import Followed, followed
from crm_steward.report.words import Words, plain
from crm_steward.store.following import FOLLOWED, closed, made, unfinished
from crm_steward.store.tables import task_states

_CONNECTIONS, _OWNERS = 5, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskShare:
    """What became of the tasks of one connection. All but `created` and `closed` is what the CRM told.

    Args:
        connection: Its name.
        created: Made since the last report.
        closed: Closed by us since then: settled, or taken back.
        told: Whether this CRM tells what became of tasks; where it does not, the rest is 0.
        done: Seen done for the first time since then.
        deleted: Seen deleted for the first time since then.
        open: Made within a year and not done, when they were last read.
        overdue: How many of these were to be done before today.
        unread: Further ones, of which nothing was read yet.
        read_at: When the open one was read that was not read for longest; None: there is none.
    """

    connection: str
    created: int = 0
    closed: int = 0
    told: bool = True
    done: int = 0
    deleted: int = 0
    open: int = 0
    overdue: int = 0
    unread: int = 0
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOwner:
    """Open tasks of one owner.

    Args:
        connection: The connection whose owner it is.
        owner: The owner's id in the CRM, to whom we gave the tasks; empty for nobody.
        name: The owner's name where the CRM told it, else empty.
        open: Not done, when they were last read.
        overdue: How many of these were to be done before today.
    """

    connection: str
    owner: str
    name: str = ""
    open: int
    overdue: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """What became of the tasks that we made.

    Args:
        shares: By connection, those with most open ones first.
        owners: Who has most open ones, most overdue first.
        more_owners: Owners that are not in `owners`.
    """

    shares: tuple[TaskShare, ...] = ()
    owners: tuple[TaskOwner, ...] = ()
    more_owners: int = 0


def tasks(
    reading: sa.Connection,
    named: Callable[[str, str], str],
    telling: Collection[str],
    span: tuple[datetime, datetime],
    *,
    now: datetime,
    zone: tzinfo,
    shown: int = _OWNERS,
) -> Tasks:
    """Return what became of our tasks.

    Args:
        reading: A read transaction.
        named: Returns the name of an owner of a connection, or an empty text.
        telling: The connections that tell what became of tasks.
        span: The last report, and up to when this one counts what was made, done and removed.
        now: As of when what is open is open, for there is no history of that.
        zone: Whose day it is: a task that is due today is not overdue.
        shown: How many owners are told one by one.
    """
    today = now.astimezone(zone).date()
    left = list(followed(reading, now - FOLLOWED, unfinished))
    created, ended = _created(reading, *span), _ended(reading, *span)
    removed = _closed(reading, *span)
    found = {
        *created,
        *removed,
        *(name for name, _ in ended),
        *(one.record.connection for one in left),
    }
    shares = []
    for name in found:
        mine = [one for one in left if one.record.connection == name]
        share = TaskShare(connection=name, created=created[name], closed=removed[name], told=False)
        if name in telling:
            counts = _counts(mine, today)
            share = TaskShare(
                connection=name,
                created=created[name],
                closed=removed[name],
                done=ended[name, TaskState.DONE],
                deleted=ended[name, TaskState.DELETED],
                open=counts.open,
                overdue=counts.overdue,
                unread=counts.unread,
                read_at=min((one.seen for one in mine if one.seen), default=None),
            )
        if share != TaskShare(connection=name, told=share.told):
            shares.append(share)
    shares.sort(key=lambda one: (-one.open, -one.created, one.connection))
    owners = _owners(left, named, telling, today)
    return Tasks(
        shares=tuple(shares), owners=tuple(owners[:shown]), more_owners=len(owners[shown:])
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    open: int
    overdue: int
    unread: int


def _counts(left: Collection[Followed], today: date) -> _Counts:
    read = [one for one in left if one.seen is not None]
    late = sum(1 for one in read if one.due is not None and one.due < today)
    return _Counts(len(read), late, len(left) - len(read))


def _owners(
    left: Collection[Followed],
    named: Callable[[str, str], str],
    telling: Collection[str],
    today: date,
) -> list[TaskOwner]:
    by_owner: dict[tuple[str, str], list[Followed]] = {}
    for one in left:
        connection = one.record.connection
        if one.seen is not None and connection in telling:
            by_owner.setdefault((connection, one.owner), []).append(one)
    found = []
    for (connection, owner), mine in by_owner.items():
        counts = _counts(mine, today)
        found.append(
            TaskOwner(
                connection=connection,
                owner=owner,
                name=named(connection, owner),
                open=counts.open,
                overdue=counts.overdue,
            )
        )
    return sorted(found, key=lambda one: (-one.overdue, -one.open, one.connection, one.owner))


def _created(reading: sa.Connection, since: datetime, until: datetime) -> Counter[str]:
    tasks_made = made(since)
    query = sa.select(tasks_made.c.connection, sa.func.count()).where(tasks_made.c.at <= until)
    rows = reading.execute(query.group_by(tasks_made.c.connection))
    return Counter({name: int(n) for name, n in rows})


def _ended(
    reading: sa.Connection, since: datetime, until: datetime
) -> Counter[tuple[str, TaskState]]:
    known = task_states.c
    query = (
        sa.select(known.connection, known.state, sa.func.count())
        .where(known.state.in_([TaskState.DONE.value, TaskState.DELETED.value]))
        .where(known.since > since, known.since <= until)
        .group_by(known.connection, known.state)
    )
    return Counter({(name, TaskState(state)): int(n) for name, state, n in reading.execute(query)})


def _closed(reading: sa.Connection, since: datetime, until: datetime) -> Counter[str]:
    """Count what we closed, less what was done or deleted before: closing it changed nothing."""
    known = task_states.c
    idle = known.state.in_([TaskState.DONE.value, TaskState.DELETED.value])
    query = (
        sa.select(closed.c.connection, sa.func.count())
        .select_from(closed)
        .outerjoin(
            task_states,
            (known.connection == closed.c.connection) & (known.task == closed.c.task) & idle,
        )
        .where(closed.c.at > since, closed.c.at <= until, known.task.is_(None))
        .group_by(closed.c.connection)
    )
    return Counter({name: int(n) for name, n in reading.execute(query)})


def task_lines(found: Tasks, words: Words) -> list[tuple[TaskShare, str]]:
    """Return each connection's numbers, and what is to be said beside them."""
    return [(share, _beside(share, words)) for share in found.shares[:_CONNECTIONS]]


def _beside(share: TaskShare, words: Words) -> str:
    said = []
    if not share.told:
        said.append(words("tasks.untold"))
    if share.read_at:
        said.append(words("tasks.read", at=words.moment(share.read_at)))
    if share.unread:
        said.append(words("tasks.unread", n=share.unread))
    if share.closed:
        said.append(words("tasks.closed", n=share.closed))
    if share.deleted:
        said.append(words("tasks.deleted", n=share.deleted))
    return " · ".join(said)


def task_owner(one: TaskOwner, words: Words) -> str:
    """Return what an owner of tasks is called."""
    if not one.owner:
        return words("owners.nobody")
    return plain(one.name, 60) or words("owners.unknown", id=plain(one.owner, 40))
