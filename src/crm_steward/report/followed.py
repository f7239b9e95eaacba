"""The tasks that we made, one by one: whom they were given to, and what became of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa

from crm_steward.connect.protocol import TaskState
from crm_steward.model import Capability, RecordRef
from crm_steward.settings import Settings
from crm_steward.store.following import LEFT, closed, made, standing
from crm_steward.store.tables import journal, task_states

_AT_ONCE = 1000


class Standing(StrEnum):
    """Where a task stands, what asks for somebody first."""

    OVERDUE = "overdue"
    """Not done when it was last read, and to be done before today."""
    OPEN = "open"
    UNREAD = "unread"
    """Not read yet."""
    UNTOLD = "untold"
    """The CRM does not tell what becomes of tasks."""
    DONE = "done"
    DELETED = "deleted"
    CLOSED = "closed"
    """By us: what it asked for was settled, or it was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A task that we made.

    Args:
        record: The contact that it is about.
        rule: The rule that asked for it.
        owner: The id of the owner to whom we gave it; empty for nobody.
        made: When we made it.
        due: The day by which it is to be done.
        state: What the CRM told of it; None where nothing was read.
        since: Since when it is known to be so.
        seen: When it was last read.
        closed: When we closed it.
    """

    record: RecordRef
    rule: str
    owner: str
    made: datetime
    due: date | None
    state: str | None
    since: datetime | None
    seen: datetime | None
    closed: datetime | None

    def standing(self, telling: Collection[str], today: date) -> Standing:
        """Return where it stands.

        Args:
            telling: The connections that tell what became of tasks.
            today: The day in the reader's time zone.
        """
        if self.state in {TaskState.DONE, TaskState.DELETED}:
            # Closing what was done before changed nothing.
            return Standing(self.state)
        if self.closed is not None:
            return Standing.CLOSED
        if self.record.connection not in telling:
            return Standing.UNTOLD
        if self.seen is None:
            return Standing.UNREAD
        return Standing.OVERDUE if self.due is not None and self.due < today else Standing.OPEN

    def ended(self) -> datetime | None:
        """Return when it was first seen done or deleted, else when we closed it; None while open."""
        over = self.state in {TaskState.DONE, TaskState.DELETED}
        return self.since if over else self.closed


def telling(settings: Settings) -> frozenset[str]:
    """Return the connections that tell what became of tasks."""
    abilities = settings.abilities
    return frozenset(name for name, one in abilities.items() if Capability.READ_TASK in one.can)


def followed(
    reading: sa.Connection, since: datetime, *only: sa.ColumnElement[bool]
) -> Iterator[Followed]:
    """Yield the tasks that were made since, but not those of an account that was left.

    Args:
        reading: A read transaction.
        since: Made after this.
        only: What else they must meet, of what `store.following.standing` joins.
    """
    found, intents, known = made(since), journal.alias("intent"), task_states.c
    last = (
        sa.select(journal.c.key, sa.func.max(journal.c.seq).label("seq"))
        .where(journal.c.kind == "task", journal.c.state == "intent")
        .group_by(journal.c.key)
        .subquery("last")
    )
    query = (
        sa.select(
            found.c.connection,
            found.c.id,
            found.c.at,
            intents.c.rule,
            intents.c.change,
            known.state,
            known.since,
            known.seen_at,
            closed.c.at.label("closed"),
        )
        .select_from(standing(found))
        .join(last, last.c.key == found.c.key)
        .join(intents, intents.c.seq == last.c.seq)
        .where(sa.or_(known.state.is_(None), known.state != LEFT), *only)
    )
    for rows in reading.execute(query).partitions(_AT_ONCE):
        for row in rows:
            # A person who was erased leaves no values in the journal.
            given = row.change or {}
            due = given.get("due")
            yield Followed(
                record=RecordRef(row.connection, row.id),
                rule=row.rule,
                owner=given.get("owner") or "",
                made=row.at,
                due=date.fromisoformat(due) if due else None,
                state=row.state,
                since=row.since,
                seen=row.seen_at,
                closed=row.closed,
            )
