"""Tasks: made by the two hundred, found again among the tasks of their contact.

A task carries a marker as the last line of its description. SOQL cannot filter by that field, but
by `WhoId` it brings all tasks of a contact, as the database holds them now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from crm_steward.sdk import CreateTask, Outcome, Status, change_key, ended
from crm_steward_salesforce import batches
from crm_steward_salesforce.records import Records, id_of
from crm_steward_salesforce.schema import Described, Schema
from crm_steward_salesforce.values import ID, short, text
from crm_steward_salesforce.wire import Wire

_WANTED = {"Status": "Not Started", "Priority": "Normal"}
"""What a new task is, if the org has not renamed it."""
_SUBJECT = 255
_DESCRIPTION = 32_000


class Tasks:
    """Makes tasks in one org.

    Args:
        wire: The org.
        schema: What our user can see.
        records: Brings tasks by contact.
    """

    def __init__(self, wire: Wire, schema: Schema, records: Records) -> None:
        self._wire = wire
        self._schema = schema
        self._records = records

    def create(self, tasks: Sequence[CreateTask]) -> Iterator[Outcome]:
        """Make tasks.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        item = self._schema.of("Task")
        if "createable" not in item.rights:
            yield from (ended(t, Status.REJECTED, "our user may not make tasks") for t in tasks)
            return
        rows: dict[str, batches.Row[CreateTask]] = {}
        for task in tasks:
            if ID.fullmatch(task.ref.id):
                rows[change_key(task)] = batches.Row(task, self._record(task))
            else:
                yield ended(task, Status.REJECTED, "this is no Salesforce id")
        for done in batches.send(self._wire, "POST", list(rows.values())):
            if done.doubtful:
                yield ended(done.of, Status.UNKNOWN, done.reason)
            elif done.id:
                yield ended(done.of, Status.VERIFIED, remote_id=done.id)
            else:
                yield ended(done.of, Status.REJECTED, done.reason)

    def settled(self, tasks: Sequence[CreateTask]) -> Iterator[Outcome]:
        """Say whether tasks were made whose answer was lost; they follow merged contacts."""
        ids = list(dict.fromkeys(task.ref.id for task in tasks))
        ends = self._records.survivors(ids)
        owners = [*ids, *(end.id for end in ends.values())]
        by_contact: dict[str, list[Any]] = {}
        for record in self._records.tasks_of(list(dict.fromkeys(owners))):
            by_contact.setdefault(short(text(record.get("WhoId")) or ""), []).append(record)
        for task in tasks:
            end = ends.get(task.ref.id)
            places = {short(task.ref.id), short(end.id if end else "")}
            held = [record for place in places for record in by_contact.get(place, ())]
            made = next((record for record in held if bears(record, task.marker)), None)
            if made is not None:
                yield ended(task, Status.VERIFIED, remote_id=id_of(made))
            elif end is None or end.deleted:
                yield ended(task, Status.REJECTED, "the contact is gone")
            else:
                yield ended(task, Status.ABSENT, "the contact has no such task")

    def _record(self, task: CreateTask) -> dict[str, Any]:
        fields = self._schema.of("Task").fields
        record: dict[str, Any] = {
            "attributes": {"type": "Task"},
            "WhoId": task.ref.id,
            "Subject": _cut(task.title, _SUBJECT),
            "Description": described(task.body, task.marker),
            "ActivityDate": task.due.isoformat(),
        }
        for name, wanted in _WANTED.items():
            if name in fields and (value := _option(fields[name], wanted)):
                record[name] = value
        if task.owner:
            record["OwnerId"] = task.owner
        return record


def marker_line(marker: str) -> str:
    """Return the line of a task that says where it comes from and which one it is."""
    return f"[crm-steward {marker}]"


def described(body: str, marker: str) -> str:
    """Return a task's description: the text, cut where it is too long, and the marker's line."""
    tail = f"\n\n{marker_line(marker)}"
    return _cut(body, _DESCRIPTION - len(tail)) + tail


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"


def _option(field: Described, wanted: str) -> str:
    """Return the value a new task gets: the usual one, else the org's default, else its first."""
    if wanted in field.options:
        return wanted
    return field.default or next(iter(field.options), "")


def bears(record: Any, marker: str) -> bool:
    """Whether a task is the one of this marker."""
    description = record.get("Description")
    return isinstance(description, str) and marker_line(marker) in description
