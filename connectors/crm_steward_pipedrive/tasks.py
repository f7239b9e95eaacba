"""Tasks: activities of Pipedrive, with the contact as primary participant.

There is no unique key for activities. Each ends with its marker; whether one exists is found by
listing the activities of the contact, which is no search.
"""

from __future__ import annotations

from html import escape
from typing import Any

from crm_steward.sdk import CreateTask, RecordRejectedError
from crm_steward_pipedrive.mapping import id_of
from crm_steward_pipedrive.records import LIST_COST, PAGE
from crm_steward_pipedrive.wire import Document, Wire, is_list, row_of, rows_of

TYPES_COST, CREATE_COST = 20, 5
_USUAL = "task"


class Tasks:
    """Creates and finds tasks in one account.

    Args:
        wire: The account.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._type = ""

    def create(self, task: CreateTask) -> int | None:
        """Make a task and return its id, or None when the answer does not show it.

        Raises:
            RecordRejectedError: It cannot be made.
        """
        body = self._body(task)
        answer = self._wire.call(
            lambda api: api.v2.activities.create_activity(body), cost=CREATE_COST, repeatable=False
        )
        row = row_of(answer)
        return id_of(row) if bears(row, task.marker) else None

    def find(self, person: int, marker: str) -> int | None:
        """Return the id of a person's task of this marker, done or not; None when there is none."""
        mark = ""
        while True:
            query = {
                "person_id": str(person),
                "limit": str(PAGE),
                "sort_by": "id",
                **({"cursor": mark} if mark else {}),
            }
            answer = self._list(query)
            for row in rows_of(answer):
                if bears(row, marker):
                    return id_of(row)
            mark = self._wire.mark_behind(answer, mark)
            if not mark:
                return None

    def _list(self, query: dict[str, str]) -> Document:
        return self._wire.call(
            lambda api: api.v2.activities.get_all_activities(params=query),
            cost=LIST_COST,
            sound=is_list,
        )

    def _body(self, task: CreateTask) -> dict[str, Any]:
        body: dict[str, Any] = {
            "subject": task.title,
            "type": self._kind(),
            "due_date": task.due.isoformat(),
            "note": note_html(task.body, task.marker),
            # A `person_id` would be refused: it follows from the primary participant.
            "participants": [{"person_id": int(task.ref.id), "primary": True}],
        }
        if task.owner:
            if not task.owner.isdecimal():
                raise RecordRejectedError("the task's owner is no user of Pipedrive")
            body["owner_id"] = int(task.owner)
        return body

    def _kind(self) -> str:
        """Return the activity type of tasks: `task`, or the first one that is active.

        Raises:
            RecordRejectedError: The company has switched off all types.
        """
        if not self._type:
            answer = self._wire.call(
                lambda api: api.v1._get(f"{api.v1.BASE_URL}activityTypes"),  # noqa: SLF001 -- the library has no such method
                cost=TYPES_COST,
                sound=is_list,
            )
            keys = [str(row["key_string"]) for row in rows_of(answer) if _active(row)]
            if not keys:
                raise RecordRejectedError("Pipedrive has no active activity type")
            self._type = _USUAL if _USUAL in keys else keys[0]
        return self._type


def marker_line(marker: str) -> str:
    """Return the line of a task's note that says where it comes from and which one it is."""
    return f"[crm-steward {marker}]"


def note_html(body: str, marker: str) -> str:
    """Return plain text as the simple HTML that a note takes, with the marker as last line."""
    lines = [*body.splitlines(), "", marker_line(marker)]
    return "<br>".join(escape(line, quote=False) for line in lines)


def bears(row: Any, marker: str) -> bool:
    """Whether an activity is the task of this marker."""
    note = row.get("note") if isinstance(row, dict) else None
    return isinstance(note, str) and marker_line(marker) in note


def _active(row: Any) -> bool:
    return isinstance(row, dict) and row.get("active_flag") is True and bool(row.get("key_string"))
