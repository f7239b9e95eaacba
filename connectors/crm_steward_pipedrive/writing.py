"""Writing to Pipedrive: one record per call, and finding out afterwards.

Pipedrive has no conditional update, no batch and no unique key. So the record is read again just
before each update and compared; a lost answer ends as UNKNOWN, is never sent again from here, and
is settled by reading by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from crm_steward.sdk import (
    ArchiveRecord,
    Change,
    Channel,
    CloseTask,
    Contact,
    CreateTask,
    MergeRecords,
    Outcome,
    RecordRejectedError,
    RecreateRecords,
    RetryableError,
    Status,
    SuppressChannel,
    TaskState,
    UpdateFields,
    change_key,
    ended,
)
from crm_steward_pipedrive.closing import Closings
from crm_steward_pipedrive.consent import NO_CAMPAIGNS, NotShownError, Suppressor, withdrawn
from crm_steward_pipedrive.errors import PipedriveRejectedError
from crm_steward_pipedrive.mapping import ContactMap, id_of, knows, same
from crm_steward_pipedrive.merging import Merger
from crm_steward_pipedrive.patching import body_of, plain
from crm_steward_pipedrive.reading import Reader
from crm_steward_pipedrive.records import Records
from crm_steward_pipedrive.recreating import Recreator
from crm_steward_pipedrive.tasks import Tasks
from crm_steward_pipedrive.values import text_of
from crm_steward_pipedrive.wire import Document, Wire, row_of

UPDATE_COST, DELETE_COST = 5, 3
_NEVER = "Pipedrive's API cannot do that"
_GONE = "the contact is gone"
_NAMES = ("first_name", "last_name")
_LISTS: Mapping[str, Callable[[Contact], Sequence[str]]] = {
    "email": lambda contact: [email.address for email in contact.emails],
    "phone": lambda contact: [phone.number for phone in contact.phones],
    "mobile": lambda contact: [phone.number for phone in contact.phones],
}
_OTHERWISE = "Pipedrive parts names otherwise: it does not take this first and last name"


class Writer:
    """Makes and settles changes in one account.

    Args:
        wire: The account.
        records: Reads persons by id.
        contacts: How our fields are Pipedrive's.
        reader: Reads contacts by id, and remembers who was merged.
    """

    def __init__(self, wire: Wire, records: Records, contacts: ContactMap, reader: Reader) -> None:
        self._wire = wire
        self._records = records
        self._map = contacts
        self._reader = reader
        self._suppressor = Suppressor(wire, records)
        self._merger = Merger(wire, records, reader, self._suppressor)
        self._tasks = Tasks(wire)
        self._closings = Closings(wire, records)
        self._recreator = Recreator(wire, records, contacts)
        self._parts_otherwise = False
        """Set once Pipedrive was seen to part a name of several words unlike we meant it."""

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes in order, one call each."""
        for change in changes:
            if isinstance(change, MergeRecords):
                yield self._merger.merge(change)
            elif isinstance(change, RecreateRecords):
                yield self._recreator.apply(change)
            else:
                yield self._guarded(change, partial(self._made, change))

    def _made(self, change: Change) -> Outcome:
        match change:
            case UpdateFields():
                return self._update(change)
            case CreateTask():
                return self._create(change)
            case CloseTask():
                return self._closings.close(change)
            case SuppressChannel():
                return self._suppress(change)
            case ArchiveRecord():
                return self._archive(change)
            case _:
                return ended(change, Status.REJECTED, _NEVER)

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks."""
        return self._closings.states(ids)

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether changes took effect whose answer was lost."""
        closed = self._closings.settle([c for c in changes if isinstance(c, CloseTask)])
        ids = [change.ref.id for change in changes if not isinstance(change, CloseTask)]
        found = self._reader.fresh(ids) if ids else {}
        for change in changes:
            if isinstance(change, CloseTask):
                yield closed[change_key(change)]
            elif isinstance(change, RecreateRecords):
                yield self._recreator.settle(change)
            elif isinstance(change, MergeRecords):
                yield self._merger.settle(change)
            else:
                yield self._settled(change, found.get(change.ref.id))

    def _settled(self, change: Change, contact: Contact | None) -> Outcome:
        if isinstance(change, ArchiveRecord):
            there = contact is not None and contact.ref == change.ref
            status = Status.ABSENT if there else Status.VERIFIED
            return ended(change, status, "the contact is still there" if there else "")
        if contact is None:
            return ended(change, Status.REJECTED, _GONE)
        match change:
            case UpdateFields():
                return self._settled_update(change, contact)
            case CreateTask():
                return self._settled_task(change, contact)
            case SuppressChannel():
                return _settled_suppression(change, contact)
            case _:
                return ended(change, Status.REJECTED, _NEVER)

    @staticmethod
    def _guarded(change: Change, make: Callable[[], Outcome]) -> Outcome:
        """Make a change; a lost answer is a doubt, a refusal is an outcome.

        Raises:
            StewardError: Nothing was sent.
        """
        try:
            return make()
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except RecordRejectedError as error:
            return ended(change, Status.REJECTED, error.message)

    def _person(self, change: Change) -> Document | None:
        """Read a change's record as it is now; None when it is gone."""
        record_id = change.ref.id
        number = int(record_id) if record_id.isdecimal() else 0
        return self._records.persons([number]).get(number) if number else None

    # -- updates ------------------------------------------------------------------------------

    def _update(self, change: UpdateFields) -> Outcome:
        """Read, compare, write; the answer shows what the record holds now."""
        row = self._person(change)
        if row is None:
            return ended(change, Status.REJECTED, _GONE)
        body = body_of(change.values, row, self._map.sources.of)
        before = self._map.contact(row)
        if not isinstance(before, Contact):
            return ended(change, Status.REJECTED, before.reason)
        moved = [name for name in change.expected if not self._is(before, name, change.expected)]
        if moved:
            return ended(change, Status.CONFLICT, f"changed meanwhile: {', '.join(sorted(moved))}")
        several = "name" in body and not _plain(before, change.values)
        if several and self._parts_otherwise:
            return ended(change, Status.REJECTED, _OTHERWISE)
        return self._written(change, row_of(self._patch(int(change.ref.id), body)), several)

    def _written(self, change: UpdateFields, shown: Document, several: bool) -> Outcome:  # noqa: FBT001 -- what was sent
        """Compare what the answer shows with what was sent."""
        after = self._map.contact(shown)
        if not isinstance(after, Contact) or after.ref != change.ref:
            return ended(change, Status.UNKNOWN, "the answer does not show the record")
        unseen = sorted(name for name in change.values if not self._took(after, name, change))
        if unseen:
            self._parts_otherwise |= several and not set(_NAMES).isdisjoint(unseen)
            return ended(change, Status.UNKNOWN, f"the answer does not show {', '.join(unseen)}")
        return ended(change, Status.VERIFIED, revision=after.revision)

    def _patch(self, person: int, body: Mapping[str, Any]) -> Document:
        return self._wire.call(
            lambda api: api.v2._patch(f"{api.v2.BASE_URL}persons/{person}", json=body),  # noqa: SLF001 -- the library's method sends PUT
            cost=UPDATE_COST,
            repeatable=False,
        )

    def _is(self, contact: Contact, name: str, values: Mapping[str, Any]) -> bool:
        if not knows(name):
            return False
        return same(name, self._map.sources.of(name), contact.value(name), values[name])

    def _took(self, contact: Contact, name: str, change: UpdateFields) -> bool:
        """Whether a contact holds what a change gives it.

        Where one of several addresses or numbers was taken out, the next one shows in its place.
        """
        if self._is(contact, name, change.values):
            return True
        held = _LISTS[name](contact) if name in _LISTS else ()
        moved = self._map.sources.of(name) is not None
        cleared = not moved and change.values[name] in {None, ""} and bool(held)
        return cleared and bool(old := change.expected.get(name)) and old not in held

    def _settled_update(self, change: UpdateFields, contact: Contact) -> Outcome:
        if contact.ref != change.ref:
            reason = f"the contact was merged into {contact.ref.id}"
            return ended(change, Status.CONFLICT, reason)
        if all(self._took(contact, name, change) for name in change.values):
            return ended(change, Status.VERIFIED, revision=contact.revision)
        if not _plain(contact, change.values) and self._parted_otherwise(change):
            return ended(change, Status.CONFLICT, _OTHERWISE)
        if all(self._is(contact, name, change.expected) for name in change.expected):
            return ended(change, Status.ABSENT, "the contact still holds the old values")
        return ended(change, Status.CONFLICT, "the contact holds other values by now")

    def _parted_otherwise(self, change: UpdateFields) -> bool:
        """Whether the new name is there, but not as the first and last name that were meant.

        One of the two may look untouched then; made again, the name would be joined twice.
        """
        usual = (name for name in _NAMES if self._map.sources.of(name) is None)
        parts = [text_of(change.values[name]) for name in usual if name in change.values]
        row = self._person(change) if any(parts) else None
        words = (text_of(row.get("name")) or "").split() if row else []
        return any(part and _borders(words, part.split()) for part in parts)

    # -- tasks --------------------------------------------------------------------------------

    def _create(self, task: CreateTask) -> Outcome:
        if not task.ref.id.isdecimal():
            return ended(task, Status.REJECTED, _GONE)
        made = self._tasks.create(task)
        if made is None:
            return ended(task, Status.UNKNOWN, "the answer does not show the task")
        return ended(task, Status.VERIFIED, remote_id=str(made))

    def _settled_task(self, task: CreateTask, contact: Contact) -> Outcome:
        found = self._tasks.find(int(contact.ref.id), task.marker)
        if found is None:
            return ended(task, Status.ABSENT, "the contact has no such task")
        return ended(task, Status.VERIFIED, remote_id=str(found))

    # -- consent ------------------------------------------------------------------------------

    def _suppress(self, change: SuppressChannel) -> Outcome:
        if change.channel is not Channel.EMAIL:
            reason = f"Pipedrive has no switch that stops {change.channel.value}"
            return ended(change, Status.REJECTED, reason)
        row = self._person(change)
        if row is None:
            return ended(change, Status.REJECTED, _GONE)
        if not self._records.has_campaigns():  # reading the person has told
            return ended(change, Status.REJECTED, NO_CAMPAIGNS)
        if withdrawn(row):
            return ended(change, Status.VERIFIED)
        try:
            refusal = self._suppressor.withdraw(int(change.ref.id))
        except NotShownError:
            return ended(change, Status.UNKNOWN, "the answer does not show the record")
        return ended(change, Status.REJECTED if refusal else Status.VERIFIED, refusal)

    # -- archive ------------------------------------------------------------------------------

    def _archive(self, change: ArchiveRecord) -> Outcome:
        number = change.ref.id
        if not number.isdecimal():
            return ended(change, Status.VERIFIED)
        try:
            answer = self._wire.call(
                lambda api: api.v2.persons.delete_person(int(number)),
                cost=DELETE_COST,
                repeatable=False,
            )
        except PipedriveRejectedError as error:
            if not error.gone:
                raise
            return ended(change, Status.VERIFIED)
        if id_of(row_of(answer)) != int(number):
            return ended(change, Status.UNKNOWN, "the answer does not show the record")
        return ended(change, Status.VERIFIED)


def _borders(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether a name of several words begins or ends with these."""
    size = len(part)
    return 0 < size < len(words) and part in (words[:size], words[-size:])


def _plain(before: Contact, values: Mapping[str, Any]) -> bool:
    first, last = (values.get(name, before.value(name)) for name in _NAMES)
    return plain(first, last)


def _settled_suppression(change: SuppressChannel, contact: Contact) -> Outcome:
    known = [one for one in contact.consents if one.channel is change.channel]
    if known and not any(one.status.mailable for one in known):
        return ended(change, Status.VERIFIED)
    return ended(change, Status.ABSENT, "the contact may still be mailed")
