"""What became of the tasks that we made: as the CRM told it last, and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from crm_steward.connect.protocol import TaskState
from crm_steward.store.database import Database, upsert
from crm_steward.store.journal import State
from crm_steward.store.tables import journal, task_states

FOLLOWED: Final = timedelta(days=365)
"""For how long a task is followed: who has not done it within a year will not do it for us."""
AT_ONCE: Final = 500
"""How many tasks one pull reads at most."""
_AGAIN: Final = timedelta(hours=20)
"""How long what was read of a task is good for: each is read once a day."""
LEFT: Final = "left"
"""The state of tasks in an account that the connection does not lead to any more."""

_made, _closing = journal.alias("made"), journal.alias("closing")

closed = (
    sa.select(
        _closing.c.connection,
        _closing.c.remote_id.label("task"),
        sa.func.min(_closing.c.at).label("at"),
    )
    .where(
        _closing.c.kind == "close_task",
        _closing.c.state == State.VERIFIED.value,
        _closing.c.remote_id != "",
    )
    .group_by(_closing.c.connection, _closing.c.remote_id)
    .subquery("closed")
)
"""The tasks that we closed: connection, task, at."""


def made(since: datetime) -> sa.Subquery:
    """Return the tasks that we made since: connection, task, id of the contact, key, at."""
    return (
        sa.select(
            _made.c.connection,
            _made.c.remote_id.label("task"),
            sa.func.min(_made.c.id).label("id"),
            sa.func.min(_made.c.key).label("key"),
            sa.func.min(_made.c.at).label("at"),
        )
        .where(
            _made.c.kind == "task",
            _made.c.state == State.VERIFIED.value,
            _made.c.remote_id != "",
            _made.c.undoes.is_(None),
            _made.c.at > since,
        )
        .group_by(_made.c.connection, _made.c.remote_id)
        .subquery("made")
    )


def standing(tasks: sa.Subquery) -> sa.FromClause:
    """Return `tasks` (as `made` gives them) joined with what is known of each: `task_states`, `closed`."""
    known, t = task_states.c, tasks.c
    return tasks.outerjoin(
        task_states, (known.connection == t.connection) & (known.task == t.task)
    ).outerjoin(closed, (closed.c.connection == t.connection) & (closed.c.task == t.task))


unfinished: sa.ColumnElement[bool] = closed.c.task.is_(None) & (
    task_states.c.state.is_(None) | (task_states.c.state == TaskState.OPEN.value)
)
"""Of what `standing` joins: neither closed by us nor known to be done, deleted or left."""


class Following:
    """Writes and reads what became of tasks.

    Those are followed that are neither closed by us nor known to be done or deleted and are at most
    a year old. Each is read once a day, and no more than 500 are by one pull.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def wanted(self, connection: str, now: datetime) -> dict[str, str]:
        """Return the tasks that are to be read now, those not read for longest first.

        Returns:
            Task → id of its contact. With the latter, what is known of the task goes when the
            person is erased.
        """
        tasks = made(now - FOLLOWED)
        seen = task_states.c.seen_at
        never_first = sa.case((seen.is_(None), 0), else_=1)
        query = (
            sa.select(tasks.c.task, tasks.c.id)
            .select_from(standing(tasks))
            .where(tasks.c.connection == connection, unfinished)
            .where(seen.is_(None) | (seen <= now - _AGAIN))
            .order_by(never_first, seen, tasks.c.at, tasks.c.task)
            .limit(AT_ONCE)
        )
        with self._database.read() as reading:
            return {row.task: row.id for row in reading.execute(query)}

    def save(
        self,
        connection: str,
        states: Mapping[str, TaskState],
        contacts: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Write down what a CRM told of tasks.

        Args:
            connection: Its name.
            states: Task → what became of it; one that was not asked for is left out.
            contacts: Task → id of its contact, as `wanted` gave it.
            now: When it was asked.
        """
        with self._database.write() as writing:
            for still_open, update in ((True, ["seen_at"]), (False, ["state", "since", "seen_at"])):
                rows = [
                    {
                        "connection": connection,
                        "task": task,
                        "id": contacts[task],
                        "state": state.value,
                        "since": now,
                        "seen_at": now,
                    }
                    for task, state in states.items()
                    if task in contacts and (state is TaskState.OPEN) == still_open
                ]
                key = ["connection", "task"]
                if rows:
                    writing.execute(upsert(self._database, task_states, key, update=update), rows)


def leave_tasks(writing: sa.Connection, connection: str, now: datetime) -> None:
    """Follow none of the tasks of a connection any more: it leads to another account from now on."""
    tasks = made(now - FOLLOWED)
    known, t = task_states.c, tasks.c
    writing.execute(
        sa.update(task_states)
        .where(known.connection == connection, known.state == TaskState.OPEN.value)
        .values(state=LEFT, since=now, seen_at=now)
    )
    unread = (
        sa.select(t.connection, t.task, t.id, sa.literal(LEFT), _at(now), _at(now))
        .select_from(standing(tasks))
        .where(tasks.c.connection == connection, known.task.is_(None))
    )
    names = ["connection", "task", "id", "state", "since", "seen_at"]
    writing.execute(sa.insert(task_states).from_select(names, unread))


def _at(now: datetime) -> sa.BindParameter[datetime]:
    return sa.literal(now, task_states.c.since.type)
