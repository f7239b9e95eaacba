"""Closing tasks that we made: nothing of them is set but the status, and only while they are open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_steward.sdk import (
    CloseTask,
    Outcome,
    RetryableError,
    Status,
    StewardError,
    TaskState,
    ended,
)
from crm_steward_zoho.errors import ZohoRefusedError, code_of, details_of, refusal_of
from crm_steward_zoho.tasks import bears
from crm_steward_zoho.wire import Wire, chunks, id_of, is_id

READ = "ZohoCRM.modules.tasks.READ"
UPDATE = "ZohoCRM.modules.tasks.UPDATE"
_DONE = "Completed"
_MOST = 100
_NOT_OURS = "the task no longer bears our mark: it is left to the person who rewrote it"


class Closings:
    """Closes tasks of one organisation, and tells whether they are closed.

    Args:
        wire: The organisation.
        triggers: What our writes set off; None sets off everything.
    """

    def __init__(self, wire: Wire, triggers: tuple[str, ...] | None) -> None:
        self._wire = wire
        self._more = {} if triggers is None else {"trigger": list(triggers)}

    def apply(self, changes: Sequence[CloseTask]) -> Iterator[Outcome]:
        """Complete tasks, at most a hundred; one that is completed or deleted needs nothing.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        held = self._read([change.task for change in changes])
        ends = {change.task: _early(change, held.get(change.task)) for change in changes}
        failure: StewardError | None = None
        try:
            for outcome in self._complete([c for c in changes if ends[c.task] is None]):
                ends[outcome.remote_id] = outcome
        except StewardError as error:
            failure = error
        yield from (end for change in changes if (end := ends[change.task]) is not None)
        if failure:
            raise failure

    def settle(self, changes: Sequence[CloseTask]) -> Iterator[Outcome]:
        """Look whether tasks are completed by now, or gone."""
        held = self._read([change.task for change in changes])
        for change in changes:
            yield _early(change, held.get(change.task)) or _ended(
                change, Status.ABSENT, "the task is still open"
            )

    def states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks, a hundred a call; one in the recycle bin is deleted."""
        held = self._read(ids)
        return {task_id: _state(held.get(task_id)) for task_id in ids if is_id(task_id)}

    def _complete(self, changes: Sequence[CloseTask]) -> Iterator[Outcome]:
        """Send rows in one request; a refusal of all is narrowed down to the rows at fault."""
        if not changes:
            return
        rows = [{"id": change.task, "Status": _DONE} for change in changes]
        try:
            answer = self._wire.write(
                "PUT", "/Tasks", scope=UPDATE, body={"data": rows, **self._more}
            )
        except RetryableError as error:
            if not error.sent:
                raise
            yield from (_ended(change, Status.UNKNOWN, error.message) for change in changes)
        except ZohoRefusedError as error:
            if len(changes) == 1:
                yield _ended(changes[0], Status.REJECTED, error.message)
                return
            half = len(changes) // 2
            yield from self._complete(changes[:half])
            yield from self._complete(changes[half:])
        else:
            told = answer.rows()
            if len(told) != len(changes):
                told = [None] * len(changes)
            yield from (_told(change, row) for change, row in zip(changes, told, strict=True))

    def _read(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Bring tasks by id; those that are gone are left out."""
        usable = list(dict.fromkeys(task_id for task_id in ids if is_id(task_id)))
        found: dict[str, Any] = {}
        for batch in chunks(usable, _MOST):
            answer = self._wire.get(
                "/Tasks", scope=READ, fields="Status,Description", ids=",".join(batch), per_page=200
            )
            found |= {id_of(row): row for row in answer.rows()}
        return found


def _state(task: Any) -> TaskState:
    if task is None:
        return TaskState.DELETED
    return TaskState.DONE if task.get("Status") == _DONE else TaskState.OPEN


def _early(change: CloseTask, task: Any) -> Outcome | None:
    """Return the outcome that needs no call, or None for an open task of ours."""
    if task is None or task.get("Status") == _DONE:
        return _ended(change)
    if not bears(task, change.marker):
        return _ended(change, Status.REJECTED, _NOT_OURS)
    return None


def _told(change: CloseTask, row: Any) -> Outcome:
    code = code_of(row)
    if code == "SUCCESS" and id_of(dict(details_of(row))) == change.task:
        return _ended(change)
    if code and code != "SUCCESS":
        return _ended(change, Status.REJECTED, refusal_of(row))
    return _ended(change, Status.UNKNOWN, "the answer does not mention the task")


def _ended(change: CloseTask, status: Status = Status.VERIFIED, reason: str = "") -> Outcome:
    return ended(change, status, reason, remote_id=change.task)
