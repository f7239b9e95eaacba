"""Closing tasks that we made: nothing of them is set but the status, and only while they are open.

Statuses belong to the org. Ours is the one that Salesforce calls `Completed`; where an admin has
taken it out of the picklist, no other is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_steward.sdk import CloseTask, Outcome, Status, TaskState, ended
from crm_steward_salesforce import batches
from crm_steward_salesforce.errors import GONE
from crm_steward_salesforce.records import Records, id_of
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.tasks import bears
from crm_steward_salesforce.values import ID, short
from crm_steward_salesforce.wire import Record, Wire

DONE = "Completed"
_NOT_OURS = "the task no longer bears our mark: it is left to the person who rewrote it"


def unable(schema: Schema) -> str:
    """Return why no task can be closed in this org; empty when they can."""
    item = schema.of("Task")
    status = item.fields.get("Status")
    if status is None or not status.updateable or "updateable" not in item.rights:
        return "our user may not change the status of tasks"
    if DONE not in status.options:
        return f"the org has no task status '{DONE}'"
    return ""


class Closings:
    """Closes tasks of one org, and tells whether they are closed.

    Args:
        wire: The org.
        schema: What our user can see.
        records: Brings tasks by id.
    """

    def __init__(self, wire: Wire, schema: Schema, records: Records) -> None:
        self._wire = wire
        self._schema = schema
        self._records = records

    def close(self, changes: Sequence[CloseTask]) -> Iterator[Outcome]:
        """Complete tasks; one that is completed or deleted needs nothing.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        if why := unable(self._schema):
            yield from (ended(change, Status.REJECTED, why) for change in changes)
            return
        held = self._read([change.task for change in changes])
        rows: dict[str, batches.Row[CloseTask]] = {}
        for change in changes:
            early = _early(change, held.get(short(change.task)))
            if early is None:
                rows[short(change.task)] = batches.Row(change, _completed(change.task))
            else:
                yield early
        for done in batches.send(self._wire, "PATCH", list(rows.values())):
            if done.doubtful:
                yield ended(done.of, Status.UNKNOWN, done.reason)
            elif done.id or done.code in GONE:
                yield ended(done.of, remote_id=done.of.task)
            else:
                yield ended(done.of, Status.REJECTED, done.reason)

    def settled(self, changes: Sequence[CloseTask]) -> Iterator[Outcome]:
        """Say whether tasks are completed by now, or gone."""
        if not changes:
            return
        held = self._read([change.task for change in changes])
        for change in changes:
            yield _early(change, held.get(short(change.task))) or ended(
                change, Status.ABSENT, "the task is still open"
            )

    def states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks, some hundreds a query.

        Several statuses of an org may mean that a task is done; `IsClosed` is true for each of
        them. What Salesforce does not bring is deleted for good, or out of our user's sight.
        """
        usable = [task_id for task_id in ids if ID.fullmatch(task_id)]
        held = self._read(usable)
        return {task_id: _state(held.get(short(task_id))) for task_id in usable}

    def _read(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Bring the tasks that are there, by their short id."""
        rows = self._records.tasks(ids)
        return {short(id_of(row)): row for row in rows if row.get("IsDeleted") is not True}


def _state(task: Record | None) -> TaskState:
    if task is None:
        return TaskState.DELETED
    done = task.get("IsClosed") is True or task.get("Status") == DONE
    return TaskState.DONE if done else TaskState.OPEN


def _early(change: CloseTask, task: Record | None) -> Outcome | None:
    """Return the outcome that needs no call, or None for an open task of ours."""
    if not ID.fullmatch(change.task):
        return ended(change, Status.REJECTED, "this is no Salesforce id")
    if task is None or task.get("Status") == DONE:
        return ended(change, remote_id=change.task)
    if not bears(task, change.marker):
        return ended(change, Status.REJECTED, _NOT_OURS)
    return None


def _completed(task_id: str) -> dict[str, Any]:
    return {"attributes": {"type": "Task"}, "id": task_id, "Status": DONE}
