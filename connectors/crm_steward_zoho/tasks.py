"""Tasks: attached to the contact, and found again by the marker that ends their description.

A task is looked for by COQL, first among those of the contact, then among those of its title, for
a contact that was merged away has given its tasks to one that Zoho does not name. Zoho documents
no delay for COQL, and none is promised either: the spec's `settle_after` is waited out first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crm_steward.sdk import CreateTask, Outcome, RetryableError, Status, ended
from crm_steward_zoho.errors import ZohoRefusedError, code_of, details_of, refusal_of
from crm_steward_zoho.wire import QUERY_ROWS, Wire, id_of

CREATE = "ZohoCRM.modules.tasks.CREATE"
READ = "ZohoCRM.coql.READ or ZohoCRM.modules.tasks.READ"
_LONGEST_TITLE = 255
_LONGEST_BODY = 30_000


class Tasks:
    """Creates and finds tasks of one organisation.

    Args:
        wire: The organisation.
        triggers: What our writes set off; None sets off everything.
    """

    def __init__(self, wire: Wire, triggers: tuple[str, ...] | None) -> None:
        self._wire = wire
        self._more = {} if triggers is None else {"trigger": list(triggers)}

    def create(self, task: CreateTask) -> Outcome:
        """Create one task."""
        body = {"data": [_row(task)], **self._more}
        try:
            answer = self._wire.write("POST", "/Tasks", scope=CREATE, body=body)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(task, Status.UNKNOWN, error.message)
        except ZohoRefusedError as error:
            return ended(task, Status.REJECTED, error.message)
        row = next(iter(answer.rows()), None)
        task_id = id_of(dict(details_of(row)))
        if code_of(row) == "SUCCESS" and task_id:
            return ended(task, Status.VERIFIED, remote_id=task_id)
        if code_of(row) and code_of(row) != "SUCCESS":
            left = details_of(row).get("api_name") == "Owner"
            why = " (Zoho assigns nothing to a user who was deactivated)" if left else ""
            return ended(task, Status.REJECTED, f"{refusal_of(row)}{why}")
        return ended(task, Status.UNKNOWN, "the answer does not show the task")

    def settle(self, task: CreateTask) -> Outcome:
        """Tell whether a task was created whose answer was lost."""
        title = _quoted(_title(task))
        try:
            for where in (f"Who_Id = {_quoted(task.ref.id)}", f"Subject = {title}"):
                for row in self._found(where):
                    if bears(row, task.marker):
                        return ended(task, Status.VERIFIED, remote_id=id_of(row))
        except ZohoRefusedError as error:
            # A title may hold what a query cannot; the others of the batch are settled all the same.
            return ended(task, Status.UNKNOWN, error.message)
        return ended(task, Status.ABSENT, "there is no such task")

    def _found(self, where: str) -> Iterator[Any]:
        """Bring the tasks that a condition meets, by key."""
        last = ""
        while True:
            behind = f"({where} and id > '{last}')" if last else where
            text = f"select id, Description from Tasks where {behind} order by id asc"
            answer = self._wire.query(text, limit=QUERY_ROWS, scope=READ)
            rows = answer.rows()
            yield from rows
            following = id_of(rows[-1]) if rows else ""
            if not answer.more or not following or following == last:
                return
            last = following


def marker_line(marker: str) -> str:
    """Return the line of a task's description that says where it comes from and which one it is."""
    return f"[crm-steward {marker}]"


def _row(task: CreateTask) -> dict[str, Any]:
    row: dict[str, Any] = {
        "Subject": _title(task),
        "Description": f"{task.body[:_LONGEST_BODY]}\n\n{marker_line(task.marker)}",
        "Due_Date": task.due.isoformat(),
        "Status": "Not Started",
        "Priority": "Normal",
        "Who_Id": {"id": task.ref.id},
    }
    if task.owner:
        row["Owner"] = {"id": task.owner}
    return row


def _title(task: CreateTask) -> str:
    return task.title[:_LONGEST_TITLE]


def _quoted(text: str) -> str:
    """Return text as COQL takes it; a quote is written twice."""
    return "'" + text.replace("'", "''") + "'"


def bears(row: Any, marker: str) -> bool:
    """Whether a task is the one of this marker."""
    text = row.get("Description") if isinstance(row, dict) else None
    return isinstance(text, str) and marker_line(marker) in text
