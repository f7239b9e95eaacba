"""The open Acme connection: five verbs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from crm_steward.sdk import (
    Account,
    ArchiveRecord,
    Change,
    Channel,
    CloseTask,
    ConfigError,
    ConflictError,
    ConsentStatus,
    Contact,
    Context,
    CreateTask,
    Cursor,
    FieldType,
    Outcome,
    Owner,
    Page,
    Poison,
    Problem,
    RecordRef,
    RecordRejectedError,
    RetryableError,
    SourceField,
    Status,
    SuppressChannel,
    TaskState,
    UpdateFields,
    Value,
    ended,
)
from crm_steward_acme import AcmeSettings
from crm_steward_acme.mapping import ContactMap, text_of
from crm_steward_acme.wire import AcmeRejectedError, Wire

PAGE = 100
LIVE, DELETED = "/contacts", "/contacts/deleted"
_TASK = re.compile("t[0-9]+")
_GONE = {404, 410}
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a read stands.

    Args:
        path: What is being paged; empty at the end of a read.
        start: When this read began: the next read of changes goes back from there.
        since: From when on changes are read; empty reads everything.
        after: Id of the last record that was brought.
    """

    path: str
    start: str
    since: str = ""
    after: str = ""

    @classmethod
    def parse(cls, cursor: Cursor | None) -> Place | None:
        """Read a cursor back; None when there is none, or it is not ours: all is read then."""
        try:
            place = cls(**json.loads(cursor or ""))
            datetime.fromisoformat(place.start)
        except (ValueError, TypeError):
            return None
        return place if place.path in {LIVE, DELETED, ""} else None


class AcmeConnector:
    """One account of Acme; see `crm_steward.sdk.Connector` for what each verb promises.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: AcmeSettings, context: Context) -> None:
        self._context = context
        self._settings = settings
        self._wire = Wire(settings, context)
        self._map = ContactMap(context.connection, settings)

    def close(self) -> None:
        """Close the sockets."""
        self._wire.close()

    # -- check --------------------------------------------------------------------------------

    def check(self) -> Account:
        """Ask about the account, its fields and its people."""
        account = self._wire.get("/account")
        fields = self._fields()
        return Account(
            id=str(account.get("id", "")),
            name=str(account.get("name", "")),
            time_zone=str(account.get("time_zone", "")),
            owners={owner.id: owner for owner in map(_owner, self._rows("/users", "users"))},
            fields=fields,
            missing=tuple(map(str, self._unknown(fields))),
        )

    def _fields(self) -> dict[str, SourceField]:
        fields = [
            SourceField(
                name=str(row.get("name", "")),
                label=str(row.get("label", "")),
                type=FieldType.TEXT,
                writable=row.get("writable") is True,
            )
            for row in self._rows("/fields", "fields")
        ]
        return {field.name: field for field in fields}

    def _unknown(self, fields: Mapping[str, SourceField]) -> tuple[Problem, ...]:
        return self._settings.unknown_fields(self._context.connection, "Acme", fields)

    def _rows(self, path: str, name: str) -> list[dict[str, Any]]:
        return [row for row in self._wire.get(path, name)[name] if isinstance(row, dict)]

    # -- read ---------------------------------------------------------------------------------

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring contacts by id, then what is gone; a cursor after each page goes on from there."""
        if problems := self._unknown(self._fields()):
            raise ConfigError(problems)  # read as empty, it would turn every contact into a finding
        place = self._begin(since)
        while place.path:
            page, place = self._page(place)
            yield replace(page, cursor=Cursor(json.dumps(asdict(place))), complete=not place.path)

    def _begin(self, since: Cursor | None) -> Place:
        now = self._context.clock().astimezone(UTC)
        place = Place.parse(since)
        if place is None:
            return Place(LIVE, now.isoformat())
        if place.path:
            return place
        reach_back = datetime.fromisoformat(place.start) - self._settings.overlap
        return Place(LIVE, now.isoformat(), since=reach_back.isoformat())

    def _page(self, place: Place) -> tuple[Page, Place]:
        query = {"changed_since": place.since, "after_id": place.after}
        given = {name: value for name, value in query.items() if value}
        answer = self._wire.get(place.path, "items", limit=PAGE, **given)
        after = answer.get("next")
        if after and after != place.after:
            following = replace(place, after=str(after))
        else:
            following = replace(place, path=DELETED if place.path == LIVE else "", after="")
        if place.path == DELETED:
            gone = [self._map.gone(row) for row in answer["items"]]
            return Page(cursor=Cursor(""), gone=[one for one in gone if one]), following
        read = [self._map.contact(row) for row in answer["items"]]
        contacts = [one for one in read if isinstance(one, Contact)]
        poison = [one for one in read if isinstance(one, Poison)]
        return Page(cursor=Cursor(""), contacts=contacts, poison=poison), following

    # -- get ----------------------------------------------------------------------------------

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring contacts by id: Acme answers that from the record itself, not from an index."""
        found = (self._contact(ref.id) for ref in dict.fromkeys(refs))
        return {contact.ref: contact for contact in found if contact}

    def _contact(self, record_id: str) -> Contact | None:
        """Return the contact an id leads to now; None when it is gone or cannot be read."""
        try:
            contact = self._map.contact(self._wire.get(f"/contacts/{record_id}"))
        except AcmeRejectedError as error:
            if error.survivor:
                return self._contact(error.survivor)
            if error.status in _GONE:
                return None
            raise
        return contact if isinstance(contact, Contact) else None

    # -- apply --------------------------------------------------------------------------------

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes one by one: Acme has no batches."""
        for change in changes:
            try:
                yield self._made(change)
            except RetryableError as error:
                if not error.sent:
                    raise  # certainly not made: the core comes back to this one and the rest
                yield ended(change, Status.UNKNOWN, error.message)
            except ConflictError as error:
                yield ended(change, Status.CONFLICT, error.message)
            except RecordRejectedError as error:
                yield ended(change, Status.REJECTED, error.message)

    def _made(self, change: Change) -> Outcome:
        match change:
            case UpdateFields():
                return self._update(change)
            case CreateTask():
                return self._create(change)
            case CloseTask():
                return self._known(change) or self._close(change)
            case SuppressChannel(channel=Channel.EMAIL):
                return self._unsubscribe(change)
            case ArchiveRecord():
                return self._delete(change)
            case _:
                return ended(change, Status.REJECTED, "Acme's API cannot make this change")

    def _update(self, change: UpdateFields) -> Outcome:
        """Write under the version just read; moved on meanwhile, look again, a few times."""
        sources = {field: self._map.source_of(field) for field in change.values}
        if unknown := [field for field, source in sources.items() if source is None]:
            reason = f"Acme has no writable {', '.join(unknown)}"
            return ended(change, Status.REJECTED, reason)
        wanted = {str(sources[field]): text_of(value) for field, value in change.values.items()}
        for _ in range(_TRIES):
            try:
                return self._write(change, wanted)
            except ConflictError:
                continue
        return ended(change, Status.CONFLICT, "the contact is being worked on")

    def _write(self, change: UpdateFields, wanted: Mapping[str, str | None]) -> Outcome:
        contact = self._contact(change.ref.id)
        if contact is None:
            return ended(change, Status.REJECTED, "the contact is gone")
        if contact.ref != change.ref or not _holds(contact, change.expected):
            return ended(change, Status.CONFLICT, "the contact is not what was expected")
        path, body = f"/contacts/{change.ref.id}", {"fields": wanted}
        record = self._wire.send("PATCH", path, body, version=contact.revision)
        if all(name in record and record[name] == text for name, text in wanted.items()):
            return ended(change, revision=str(record.get("version", "")))
        return ended(change, Status.UNKNOWN, "the answer does not show the new values")

    def _create(self, task: CreateTask) -> Outcome:
        body = {
            "contact_id": task.ref.id,
            "title": task.title,
            "notes": f"{task.body}\n\n{_line(task)}",
            "due": task.due.isoformat(),
            "owner_id": task.owner,
        }
        made = self._wire.send("POST", "/tasks", body)
        if not made.get("id") or _line(task) not in str(made.get("notes")):
            return ended(task, Status.UNKNOWN, "the answer does not show the task")
        return ended(task, remote_id=str(made["id"]))

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks, one call each; one that Acme says is gone is deleted."""
        return {one: self._state(one) for one in ids if _TASK.fullmatch(one)}

    def _state(self, task_id: str) -> TaskState:
        try:
            task = self._wire.get(f"/tasks/{task_id}")
        except AcmeRejectedError as error:
            if error.status not in _GONE:
                raise
            return TaskState.DELETED
        return TaskState.DONE if task.get("done") is True else TaskState.OPEN

    def _known(self, change: CloseTask) -> Outcome | None:
        """Return the outcome that needs no call, or None for an open task of ours."""
        try:
            task = self._wire.get(f"/tasks/{change.task}")
        except AcmeRejectedError as error:
            if error.status not in _GONE:
                raise
            return ended(change, remote_id=change.task)
        if task.get("done") is True:
            return ended(change, remote_id=change.task)
        if _line(change) not in str(task.get("notes")):
            return ended(change, Status.REJECTED, "the task no longer bears our mark")
        return None

    def _close(self, change: CloseTask) -> Outcome:
        task = self._wire.send("PATCH", f"/tasks/{change.task}", {"done": True})
        if task.get("done") is not True:
            return ended(change, Status.UNKNOWN, "the answer does not show it done")
        return ended(change, remote_id=change.task)

    def _unsubscribe(self, change: SuppressChannel) -> Outcome:
        """Only ever restrict: this call of Acme has no other direction."""
        contact = self._contact(change.ref.id)
        if contact is None:
            return ended(change, Status.REJECTED, "the contact is gone")
        if _opted_out(contact):
            return ended(change)
        answer = self._wire.send("POST", f"/contacts/{contact.ref.id}/unsubscribe")
        if answer.get("mailing") != "no":
            return ended(change, Status.UNKNOWN, "the answer does not show it")
        return ended(change)

    def _delete(self, change: ArchiveRecord) -> Outcome:
        try:
            self._wire.send("DELETE", f"/contacts/{change.ref.id}")
        except AcmeRejectedError as error:
            if error.status not in _GONE:
                raise
        return ended(change)  # into Acme's recycle bin, or it was there already

    # -- settle -------------------------------------------------------------------------------

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether they took effect; nothing is written here."""
        for change in changes:
            if isinstance(change, CloseTask):
                yield self._known(change) or ended(change, Status.ABSENT)
            else:
                yield self._settled(change, self._contact(change.ref.id))

    def _settled(self, change: Change, contact: Contact | None) -> Outcome:
        same = contact is not None and contact.ref == change.ref
        match change:
            case ArchiveRecord():
                return ended(change, Status.ABSENT if same else Status.VERIFIED)
            case CreateTask() if contact:
                tasks = self._rows(f"/contacts/{contact.ref.id}/tasks", "tasks")
                made = [str(t.get("id")) for t in tasks if _line(change) in str(t.get("notes"))]
                status = Status.VERIFIED if made else Status.ABSENT
                return ended(change, status, remote_id=made[0] if made else "")
            case SuppressChannel() if contact:
                return ended(change, Status.VERIFIED if _opted_out(contact) else Status.ABSENT)
            case UpdateFields() if contact and same and _holds(contact, change.values):
                return ended(change, revision=contact.revision)
            case UpdateFields() if contact and same and _holds(contact, change.expected):
                return ended(change, Status.ABSENT, "the contact still holds the old values")
        reason = "the contact holds other values by now" if contact else "the contact is gone"
        return ended(change, Status.CONFLICT if contact else Status.REJECTED, reason)


def _holds(contact: Contact, values: Mapping[str, Value]) -> bool:
    return all(text_of(contact.value(f)) == text_of(value) for f, value in values.items())


def _opted_out(contact: Contact) -> bool:
    return any(consent.status is ConsentStatus.WITHDRAWN for consent in contact.consents)


def _owner(user: Mapping[str, Any]) -> Owner:
    return Owner(
        id=str(user.get("id", "")),
        name=str(user.get("name", "")),
        email=str(user.get("email", "")),
        active=user.get("active") is not False,
    )


def _line(task: CreateTask | CloseTask) -> str:
    """Return the last line of a task's notes, by which `settle` knows it."""
    return f"[crm-steward {task.marker}]"
