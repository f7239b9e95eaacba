"""Tasks, one by one, and finding them again by their marker.

HubSpot has no unique key for tasks. A lost answer ends as UNKNOWN and is settled by listing the
tasks that hang on the contact, which is a consistent read; search is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from crm_steward.sdk import (
    Clock,
    Contact,
    CreateTask,
    Outcome,
    Poison,
    RetryableError,
    Status,
    ended,
)
from crm_steward_hubspot import paths
from crm_steward_hubspot.documents import ends_soundly, held_by, id_of, next_of, results_of
from crm_steward_hubspot.errors import HubSpotRejectedError
from crm_steward_hubspot.outcomes import GONE, UNREADABLE
from crm_steward_hubspot.reading import BATCH, chunks
from crm_steward_hubspot.wire import Wire

TASK_TO_CONTACT = 204
"""HubSpot's own association type from a task to a contact."""
MERGE_LAG = timedelta(minutes=30)
"""How long the tasks of merged contacts may take to arrive at the survivor."""
_DUE_AT = time(9)
_TASK_PROPERTIES = ["hs_task_body", "hs_task_subject"]
_CONTACTS_AT_ONCE = 1_000


class Tasks:
    """Creates and settles tasks.

    Args:
        wire: The account.
        clock: The time.
    """

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock
        self.zone = ZoneInfo("UTC")
        """The account's time zone, once it is known: tasks are due at nine there."""

    def apply(self, changes: Sequence[CreateTask]) -> Iterator[Outcome]:
        """Create tasks in order."""
        for change in changes:
            yield self._create(change)

    def settle(
        self, changes: Sequence[CreateTask], found: Mapping[str, Contact | Poison]
    ) -> Iterator[Outcome]:
        """Look whether the contacts have such tasks."""
        ids = {change: _current(found.get(change.ref.id)) for change in changes}
        tasks = self._tasks_of(list(dict.fromkeys(filter(None, ids.values()))))
        for change in changes:
            contact = found.get(change.ref.id)
            if contact is None:
                yield ended(change, Status.REJECTED, GONE)
            elif isinstance(contact, Poison):
                yield self._settled(change, tasks.get(contact.id, []), UNREADABLE)
            else:
                held = tasks.get(contact.ref.id, [])
                yield self._settled(change, held, self._doubt(change, contact))

    def _create(self, task: CreateTask) -> Outcome:
        try:
            answer = self._wire.call(self._wire.tasks.create, self._body(task), repeatable=False)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(task, Status.UNKNOWN, error.message)
        except HubSpotRejectedError as error:
            return ended(task, Status.REJECTED, error.message)
        task_id = id_of(answer)
        if not task_id or not bears(answer, task.marker):
            return ended(task, Status.UNKNOWN, "the answer does not show the task")
        return ended(task, Status.VERIFIED, remote_id=task_id)

    def _body(self, task: CreateTask) -> dict[str, Any]:
        due = datetime.combine(task.due, _DUE_AT, self.zone).astimezone(UTC)
        properties = {
            "hs_timestamp": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "hs_task_subject": task.title,
            "hs_task_body": task_html(task.body, task.marker),
            "hs_task_status": "NOT_STARTED",
            "hs_task_type": "TODO",
        }
        if task.owner:
            properties["hubspot_owner_id"] = task.owner
        kind = {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": TASK_TO_CONTACT,
        }
        return {
            "properties": properties,
            "associations": [{"to": {"id": task.ref.id}, "types": [kind]}],
        }

    def _settled(self, task: CreateTask, held: Sequence[Any], doubt: str) -> Outcome:
        for record in held:
            if bears(record, task.marker):
                return ended(task, Status.VERIFIED, remote_id=id_of(record))
        if doubt:
            return ended(task, Status.UNKNOWN, doubt)
        return ended(task, Status.ABSENT, "the contact has no such task")

    def _doubt(self, task: CreateTask, contact: Contact) -> str:
        """Return why a task that is not there may still come; empty when it will not."""
        if contact.ref == task.ref:
            return ""
        if contact.updated_at is None or self._clock() - contact.updated_at < MERGE_LAG:
            return f"the contact was merged into {contact.ref.id}; its tasks may be on their way"
        return ""

    def _tasks_of(self, contact_ids: Sequence[str]) -> dict[str, list[Any]]:
        """Return contact → its tasks, by consistent reads."""
        owners: dict[str, list[str]] = {}
        for batch in chunks(contact_ids, _CONTACTS_AT_ONCE):
            inputs: list[dict[str, str]] = [{"id": contact_id} for contact_id in batch]
            while inputs:
                answer = self._wire.request_open(
                    "POST", paths.TASKS_OF_CONTACTS, body={"inputs": inputs}, rows=True
                )
                inputs = []
                for row in results_of(answer):
                    contact_id = _from(row)
                    for task_id in _to(row):
                        owners.setdefault(task_id, []).append(contact_id)
                    if after := self._behind(row):
                        inputs.append({"id": contact_id, "after": after})
        found: dict[str, list[Any]] = {}
        for task in self._read(list(owners)):
            for contact_id in owners.get(id_of(task), ()):
                found.setdefault(contact_id, []).append(task)
        return found

    def _behind(self, row: Any) -> str:
        """Return the mark behind which a contact has further tasks, or nothing.

        Raises:
            RetryableError: It cannot be read; a task that is not seen would be made again.
        """
        if not isinstance(row, dict) or not ends_soundly(row):
            raise self._wire.unreadable
        return next_of(row)

    def _read(self, task_ids: Sequence[str]) -> Iterator[Any]:
        for batch in chunks(task_ids, BATCH):
            body = {
                "properties": _TASK_PROPERTIES,
                "propertiesWithHistory": [],
                "inputs": [{"id": task_id} for task_id in batch],
            }
            yield from results_of(self._wire.call(self._wire.task_batches.read, body, rows=True))


def marker_line(marker: str) -> str:
    """Return the line of a task's body that says where it comes from and which one it is."""
    return f"[crm-steward {marker}]"


def task_html(body: str, marker: str) -> str:
    """Return plain text as the simple HTML a task's body takes, with its marker as last line."""
    lines = [*body.splitlines(), "", marker_line(marker)]
    return "<br>".join(escape(line, quote=False) for line in lines)


def bears(record: Any, marker: str) -> bool:
    """Whether a task is the one of this marker."""
    body = held_by(record).get("hs_task_body")
    return isinstance(body, str) and marker_line(marker) in body


def _current(contact: Contact | Poison | None) -> str:
    if contact is None:
        return ""
    return contact.id if isinstance(contact, Poison) else contact.ref.id


def _from(row: Any) -> str:
    return id_of(row.get("from")) if isinstance(row, dict) else ""


def _to(row: Any) -> Iterator[str]:
    listed = row.get("to") if isinstance(row, dict) else None
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and item.get("toObjectId") is not None:
            yield str(item["toObjectId"])
