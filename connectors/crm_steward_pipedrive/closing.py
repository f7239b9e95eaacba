"""Closing tasks that we made: an activity is ticked off, and nothing else of it is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crm_steward.sdk import CloseTask, Outcome, Status, TaskState, ended
from crm_steward_pipedrive.errors import PipedriveRejectedError
from crm_steward_pipedrive.mapping import id_of
from crm_steward_pipedrive.records import Records
from crm_steward_pipedrive.tasks import bears
from crm_steward_pipedrive.wire import Wire, row_of

CLOSE_COST = 5
_NOT_OURS = "the task no longer bears our mark: it is left to the person who rewrote it"


class Closings:
    """Ticks activities off, and tells whether they are.

    Args:
        wire: The account.
        records: Brings activities by id.
    """

    def __init__(self, wire: Wire, records: Records) -> None:
        self._wire = wire
        self._records = records

    def close(self, change: CloseTask) -> Outcome:
        """Tick one activity off; one that is done or deleted needs nothing.

        Raises:
            RetryableError: The answer was lost.
            RecordRejectedError: It cannot be ticked off.
        """
        early = self._known(change, self._read([change.task]))
        return early or self._ticked(change)

    def settle(self, changes: Sequence[CloseTask]) -> dict[str, Outcome]:
        """Return by key whether activities are done by now, or gone."""
        held = self._read([change.task for change in changes]) if changes else {}
        open_yet = Status.ABSENT, "the task is still open"
        found = [self._known(change, held) or ended(change, *open_yet) for change in changes]
        return {outcome.key: outcome for outcome in found}

    def states(self, ids: Sequence[str]) -> dict[str, TaskState]:
        """Tell what became of activities, a hundred a call, a few one by one."""
        held = self._read(ids)
        return {one: _state(held.get(int(one))) for one in ids if one.isdecimal()}

    def _ticked(self, change: CloseTask) -> Outcome:
        try:
            answer = self._wire.call(
                lambda api: api.v2._patch(  # noqa: SLF001 -- the library's method sends PUT
                    f"{api.v2.BASE_URL}activities/{change.task}", json={"done": True}
                ),
                cost=CLOSE_COST,
                repeatable=False,
            )
        except PipedriveRejectedError as error:
            if not error.gone:
                raise
            return ended(change, remote_id=change.task)
        row = row_of(answer)
        if id_of(row) != int(change.task) or row.get("done") is not True:
            return ended(change, Status.UNKNOWN, "the answer does not show the task done")
        return ended(change, remote_id=change.task)

    def _read(self, ids: Sequence[str]) -> dict[int, Any]:
        return self._records.activities([int(one) for one in ids if one.isdecimal()])

    def _known(self, change: CloseTask, held: dict[int, Any]) -> Outcome | None:
        """Return the outcome that needs no call, or None for an open task of ours."""
        row = held.get(int(change.task)) if change.task.isdecimal() else None
        if row is None or row.get("is_deleted") is True or row.get("done") is True:
            return ended(change, remote_id=change.task)
        if not bears(row, change.marker):
            return ended(change, Status.REJECTED, _NOT_OURS)
        return None


def _state(row: Any) -> TaskState:
    if row is None or row.get("is_deleted") is True:
        return TaskState.DELETED
    return TaskState.DONE if row.get("done") is True else TaskState.OPEN
