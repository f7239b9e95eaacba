"""Writing to HubSpot: field updates by the hundred, tasks one by one, and finding out afterwards.

HubSpot has no conditional update and no unique key for tasks. A lost answer therefore ends as
UNKNOWN, is never sent again from here, and is settled by reading the record, or the tasks
attached to it, by id: both are consistent reads, search is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from crm_steward.sdk import (
    Change,
    Contact,
    CreateTask,
    Outcome,
    RetryableError,
    Revision,
    Status,
    StewardError,
    UpdateFields,
    change_key,
)
from crm_steward_hubspot.errors import HubSpotRejectedError
from crm_steward_hubspot.mapping import ContactMap, same, text_of
from crm_steward_hubspot.reading import BATCH, Reader, chunks
from crm_steward_hubspot.wire import Document, Wire, id_of, next_of, results_of

TASK_TO_CONTACT = 204
"""HubSpot's own association type from a task to a contact."""
_DUE_AT = time(9)
_TASK_PROPERTIES = ["hs_task_body", "hs_task_subject"]


@dataclass(frozen=True, slots=True)
class Row:
    """One update as HubSpot takes it.

    Args:
        key: The change's idempotency key.
        id: The record.
        fields: Property → the canonical field it stands for.
        properties: Property → text to write.
    """

    key: str
    id: str
    fields: Mapping[str, str]
    properties: Mapping[str, str]

    def outcome(self, status: Status, reason: str = "", revision: str = "") -> Outcome:
        """Return how it ended."""
        return Outcome(key=self.key, status=status, reason=reason, revision=Revision(revision))


class Writer:
    """Makes and settles changes in one account.

    Args:
        wire: The account.
        contacts: How our fields are HubSpot's properties.
        reader: Reads contacts by id.
    """

    def __init__(self, wire: Wire, contacts: ContactMap, reader: Reader) -> None:
        self._wire = wire
        self._map = contacts
        self._reader = reader
        self.zone = ZoneInfo("UTC")
        """The account's time zone, once it is known: tasks are due at nine there."""

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes in order; updates of different records share a request."""
        waiting: list[UpdateFields] = []
        for change in changes:
            if waiting and not _joins(change, waiting):
                yield from self._update(waiting)
                waiting = []
            match change:
                case UpdateFields():
                    waiting.append(change)
                case CreateTask():
                    yield self._create(change)
                case _:
                    yield _unable(change)
        if waiting:
            yield from self._update(waiting)

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether changes took effect whose answer was lost."""
        found = self._reader.fresh([change.ref.id for change in changes])
        for change in changes:
            contact = found.get(change.ref.id)
            if contact is None:
                yield _ended(change, Status.REJECTED, "the contact is gone")
            elif isinstance(change, UpdateFields):
                yield _settled(change, contact)
            elif isinstance(change, CreateTask):
                yield self._settled_task(change, contact)
            else:
                yield _unable(change)

    # -- updates ------------------------------------------------------------------------------

    def _update(self, changes: Sequence[UpdateFields]) -> Iterator[Outcome]:
        """Write updates; when the rest was certainly not sent, say first what became of the others.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        prepared = [self._row(change) for change in changes]
        rows = [row for row in prepared if isinstance(row, Row)]
        ended = {row.key: row for row in prepared if isinstance(row, Outcome)}
        failure: StewardError | None = None
        try:
            for outcome in self._send(rows):
                ended[outcome.key] = outcome
        except StewardError as error:
            failure = error
        keys = map(change_key, changes)
        yield from (ended[key] for key in keys if key in ended)
        if failure:
            raise failure

    def _row(self, change: UpdateFields) -> Row | Outcome:
        fields: dict[str, str] = {}
        for field in change.values:
            name = self._map.property_of(field)
            if name is None:
                return _ended(change, Status.REJECTED, f"HubSpot has no writable '{field}'")
            fields[name] = field
        properties = {name: text_of(change.values[field]) for name, field in fields.items()}
        return Row(change_key(change), change.ref.id, fields, properties)

    def _send(self, rows: Sequence[Row]) -> Iterator[Outcome]:
        """Write rows in one request; a refusal of all is narrowed down to the rows at fault."""
        if not rows:
            return
        body = {"inputs": [{"id": row.id, "properties": dict(row.properties)} for row in rows]}
        try:
            answer = self._wire.call(self._wire.contact_batches.update, body, repeatable=False)
        except RetryableError as error:
            if not error.sent:
                raise
            yield from (row.outcome(Status.UNKNOWN, error.message) for row in rows)
        except HubSpotRejectedError as error:
            yield from self._narrow(rows, error)
        else:
            yield from _row_outcomes(rows, answer)

    def _narrow(self, rows: Sequence[Row], error: HubSpotRejectedError) -> Iterator[Outcome]:
        """Settle a refused batch: HubSpot refuses it whole for one wrong value and writes nothing.

        Rows that use a property no row may use are refused at once; otherwise the rows that use a
        named property are parted from the others, and what is left is halved.
        """
        guilty = [row for row in rows if not error.schema.isdisjoint(row.properties)]
        if len(rows) == 1 or len(guilty) == len(rows):
            yield from (row.outcome(Status.REJECTED, error.message) for row in rows)
            return
        suspects = [row for row in rows if not error.properties.keys().isdisjoint(row.properties)]
        if guilty:
            yield from (row.outcome(Status.REJECTED, error.message) for row in guilty)
            yield from self._send([row for row in rows if row not in guilty])
            return
        if suspects and len(suspects) < len(rows):
            halves = suspects, [row for row in rows if row not in suspects]
        else:
            halves = list(rows[: len(rows) // 2]), list(rows[len(rows) // 2 :])
        yield from self._send(halves[0])
        yield from self._send(halves[1])

    # -- tasks --------------------------------------------------------------------------------

    def _create(self, task: CreateTask) -> Outcome:
        try:
            answer = self._wire.call(
                self._wire.tasks.create, self._task_body(task), repeatable=False
            )
        except RetryableError as error:
            if not error.sent:
                raise
            return _ended(task, Status.UNKNOWN, error.message)
        except HubSpotRejectedError as error:
            return _ended(task, Status.REJECTED, error.message)
        task_id = id_of(answer)
        if not task_id or not _bears(answer, task.marker):
            return _ended(task, Status.UNKNOWN, "the answer does not show the task")
        return _ended(task, Status.VERIFIED, remote_id=task_id)

    def _task_body(self, task: CreateTask) -> dict[str, Any]:
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

    def _settled_task(self, task: CreateTask, contact: Contact) -> Outcome:
        for batch in chunks(self._task_ids(contact.ref.id), BATCH):
            body = {
                "properties": _TASK_PROPERTIES,
                "propertiesWithHistory": [],
                "inputs": [{"id": task_id} for task_id in batch],
            }
            answer = self._wire.call(self._wire.task_batches.read, body)
            for record in results_of(answer):
                if _bears(record, task.marker):
                    return _ended(task, Status.VERIFIED, remote_id=id_of(record))
        return _ended(task, Status.ABSENT, "the contact has no such task")

    def _task_ids(self, contact_id: str) -> list[str]:
        """Return the ids of all tasks attached to a contact, by a consistent read."""
        found: list[str] = []
        after: str | None = None
        while True:
            answer = self._wire.call(
                self._wire.associations.get_page,
                "contacts",
                contact_id,
                "tasks",
                limit=500,
                after=after,
            )
            found += [str(item["toObjectId"]) for item in results_of(answer)]
            after = next_of(answer) or None
            if after is None:
                return found


def marker_line(marker: str) -> str:
    """Return the line of a task's body that says where it comes from and which one it is."""
    return f"[crm-steward {marker}]"


def task_html(body: str, marker: str) -> str:
    """Return plain text as the simple HTML a task's body takes, with its marker as last line."""
    lines = [*body.splitlines(), "", marker_line(marker)]
    return "<br>".join(escape(line, quote=False) for line in lines)


def _joins(change: Change, waiting: Sequence[UpdateFields]) -> bool:
    """Whether `change` may share the request; HubSpot refuses a batch that names an id twice."""
    fresh = all(change.ref != other.ref for other in waiting)
    return isinstance(change, UpdateFields) and fresh and len(waiting) < BATCH


def _row_outcomes(rows: Sequence[Row], answer: Document) -> list[Outcome]:
    """Match the answer's rows by id; HubSpot promises no order and may leave one out."""
    written = {id_of(record): record for record in results_of(answer)}
    refused = _refusals(answer)
    return [_row_outcome(row, written.get(row.id), refused.get(row.id)) for row in rows]


def _row_outcome(row: Row, record: Any, refusal: str | None) -> Outcome:
    if record is None and refusal is not None:
        return row.outcome(Status.REJECTED, refusal)
    if record is None:
        return row.outcome(Status.UNKNOWN, "the answer does not mention the record")
    held = record.get("properties") or {}
    unseen = sorted(
        name
        for name, text in row.properties.items()
        if name not in held or not same(row.fields[name], held[name], text)
    )
    if unseen:
        return row.outcome(Status.UNKNOWN, f"the answer does not show {', '.join(unseen)}")
    revision = held.get("lastmodifieddate") or record.get("updatedAt") or ""
    return row.outcome(Status.VERIFIED, revision=str(revision))


def _refusals(answer: Document) -> dict[str, str]:
    """Return record id → category from the errors of a partial success (207)."""
    found: dict[str, str] = {}
    errors = answer.get("errors")
    for error in errors if isinstance(errors, list) else []:
        ids = (error.get("context") or {}).get("ids") or ()
        category = str(error.get("category") or "refused")[:60]
        found |= {str(record_id): f"HubSpot refuses the record: {category}" for record_id in ids}
    return found


def _settled(change: UpdateFields, contact: Contact) -> Outcome:
    if contact.ref != change.ref:
        reason = f"the contact was merged into {contact.ref.id}"
        return _ended(change, Status.CONFLICT, reason)
    if _holds(contact, change.values):
        return _ended(change, Status.VERIFIED, revision=contact.revision)
    if _holds(contact, change.expected):
        return _ended(change, Status.ABSENT, "the contact still holds the old values")
    return _ended(change, Status.CONFLICT, "the contact holds other values by now")


def _holds(contact: Contact, values: Mapping[str, Any]) -> bool:
    return all(same(field, contact.value(field), value) for field, value in values.items())


def _bears(record: Any, marker: str) -> bool:
    held = record.get("properties") if isinstance(record, dict) else None
    body = held.get("hs_task_body") if isinstance(held, dict) else None
    return isinstance(body, str) and marker_line(marker) in body


def _unable(change: Change) -> Outcome:
    return _ended(change, Status.REJECTED, "the HubSpot connector cannot make this change")


def _ended(
    change: Change, status: Status, reason: str = "", *, remote_id: str = "", revision: str = ""
) -> Outcome:
    return Outcome(
        key=change_key(change),
        status=status,
        reason=reason,
        remote_id=remote_id,
        revision=Revision(revision),
    )
