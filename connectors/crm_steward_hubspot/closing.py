"""Closing tasks that we made: nothing of them is set but the status, and only while they are open.

HubSpot has no conditional update, and none is needed: to complete what a person has just completed
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_steward.sdk import CloseTask, Outcome, RetryableError, Status, TaskState, ended
from crm_steward_hubspot.documents import held_by, id_of, listed, results_of
from crm_steward_hubspot.errors import HubSpotRejectedError
from crm_steward_hubspot.reading import BATCH, chunks
from crm_steward_hubspot.tasks import bears
from crm_steward_hubspot.wire import Wire

_STATUS, _DONE = "hs_task_status", "COMPLETED"
_PROPERTIES = ["hs_task_body", _STATUS]
_NOT_OURS = "the task no longer bears our mark: it is left to the person who rewrote it"


class Closings:
    """Closes tasks, and tells whether they are closed.

    Args:
        wire: The account.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def apply(self, changes: Sequence[CloseTask]) -> Iterator[Outcome]:
        """Complete tasks in order; one that is completed or deleted needs nothing."""
        held = self._read([change.task for change in changes])
        for change in changes:
            yield _early(change, held.get(change.task)) or self._complete(change)

    def settle(self, changes: Sequence[CloseTask]) -> Iterator[Outcome]:
        """Look whether tasks are completed by now, or gone."""
        held = self._read([change.task for change in changes])
        for change in changes:
            yield _early(change, held.get(change.task)) or ended(
                change, Status.ABSENT, "the task is still open"
            )

    def states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks, a hundred a call; one in the bin is deleted."""
        usable = [task_id for task_id in ids if task_id.isdecimal()]
        held = self._read(usable)
        return {task_id: _state(held.get(task_id)) for task_id in usable}

    def _complete(self, change: CloseTask) -> Outcome:
        body = {"properties": {_STATUS: _DONE}}
        try:
            answer = self._wire.call(self._wire.tasks.update, change.task, body, repeatable=False)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except HubSpotRejectedError as error:
            return ended(change, Status.REJECTED, error.message)
        if id_of(answer) != change.task or held_by(answer).get(_STATUS) != _DONE:
            return ended(change, Status.UNKNOWN, "the answer does not show the task completed")
        return ended(change, remote_id=change.task)

    def _read(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Bring tasks by id; those that HubSpot says are not there are left out.

        Raises:
            RetryableError: The answer does not tell of each: a task that it leaves out is not
                taken for a deleted one.
        """
        found: dict[str, Any] = {}
        for batch in chunks(list(dict.fromkeys(ids)), BATCH):
            body = {
                "properties": _PROPERTIES,
                "propertiesWithHistory": [],
                "inputs": [{"id": task_id} for task_id in batch],
            }
            answer = self._wire.call(self._wire.task_batches.read, body, rows=True)
            told = {id_of(record): record for record in results_of(answer)}
            if set(batch) - set(told) - _missing(answer):
                raise RetryableError(self._wire.unreadable.message, sent=False)
            found |= told
        return found


def _missing(answer: Mapping[str, Any]) -> set[str]:
    """Return the ids that a batch read says are not there."""
    errors = [error for error in listed(answer.get("errors")) if isinstance(error, dict)]
    told = [error.get("context") for error in errors if error.get("category") == "OBJECT_NOT_FOUND"]
    named = [listed(context.get("ids")) for context in told if isinstance(context, dict)]
    return {str(task_id) for ids in named for task_id in ids}


def _state(task: Any) -> TaskState:
    if task is None:
        return TaskState.DELETED
    return TaskState.DONE if held_by(task).get(_STATUS) == _DONE else TaskState.OPEN


def _early(change: CloseTask, task: Any) -> Outcome | None:
    """Return the outcome that needs no call, or None for an open task of ours."""
    if task is None or held_by(task).get(_STATUS) == _DONE:
        return ended(change, remote_id=change.task)
    if not bears(task, change.marker):
        return ended(change, Status.REJECTED, _NOT_OURS)
    return None
