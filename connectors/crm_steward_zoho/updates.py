"""Field updates: one record a call, refused by Zoho itself when the record was modified meanwhile.

`If-Unmodified-Since` holds one time for the whole request, so a guarded update is a request of its
own. Zoho's times are whole seconds: what was modified in the very second it was read is read again
before it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from crm_steward.sdk import (
    Clock,
    Contact,
    Outcome,
    RetryableError,
    Revision,
    Status,
    UpdateFields,
    change_key,
    ended,
)
from crm_steward_zoho.consents import STANDARD as CONSENT_FIELDS
from crm_steward_zoho.errors import ZohoRefusedError, code_of, details_of, refusal_of
from crm_steward_zoho.mapping import MODIFIED, ContactMap, same
from crm_steward_zoho.outcomes import gone_of, same_contact
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.values import moment
from crm_steward_zoho.wire import Answer, Wire, id_of

UPDATE = "ZohoCRM.modules.contacts.UPDATE"
_TRIES = 3
_SECOND = timedelta(seconds=2)
_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as it was when it was last read.

    Args:
        record: As Zoho sent it.
        at: When it was read.
    """

    record: Mapping[str, Any]
    at: datetime

    @property
    def modified(self) -> str:
        """Its `Modified_Time`, which a write must still find."""
        held = self.record.get(MODIFIED)
        return held if isinstance(held, str) else ""

    @property
    def settled(self) -> bool:
        """Whether its time is old enough to tell one state of it from the next."""
        modified = moment(self.modified)
        return modified is not None and abs(self.at - modified) > _SECOND


class Memory:
    """What `get` has just brought, so that the write that follows need not read again.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, Seen] = {}

    def note(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Remember records for the next write of each."""
        if len(self._seen) + len(records) > _KEPT:
            self._seen.clear()
        now = self._clock()
        self._seen |= {record_id: Seen(record, now) for record_id, record in records.items()}

    def take(self, record_id: str) -> Seen | None:
        """Return a record once, if what is known of it can be relied on."""
        seen = self._seen.pop(record_id, None)
        return seen if seen and seen.settled else None


class Updater:
    """Updates fields of one organisation's contacts.

    Args:
        wire: The organisation.
        contacts: How our fields are Zoho's.
        reader: Reads records by id.
        memory: What `get` has just brought.
        clock: The time.
        triggers: What our writes set off; None sets off everything.
    """

    def __init__(
        self,
        wire: Wire,
        contacts: ContactMap,
        reader: Reader,
        *,
        memory: Memory,
        clock: Clock,
        triggers: tuple[str, ...] | None,
    ) -> None:
        self._wire = wire
        self._map = contacts
        self._reader = reader
        self._memory = memory
        self._clock = clock
        self._more = {} if triggers is None else {"trigger": list(triggers)}

    def apply(self, change: UpdateFields) -> Outcome:
        """Write one change, as long as its fields hold what was expected."""
        seen = self._memory.take(change.ref.id)
        for _ in range(_TRIES):
            if seen is None:
                known = self._read(change)
                if isinstance(known, Outcome):
                    return known
                seen = known
            values = self._values(change, seen.record)
            if isinstance(values, str):
                return ended(change, Status.REJECTED, values)
            outcome = self._write(change, values, seen.modified)
            if outcome is not None:
                return outcome
            seen = None
        return ended(change, Status.CONFLICT, "the contact was modified again and again")

    def settle(self, change: UpdateFields, contact: Contact | None) -> Outcome:
        """Tell whether a change took effect whose answer was lost."""
        if contact is None:
            return ended(change, Status.REJECTED, "the contact is gone")
        if not same_contact(change, contact):
            return gone_of(change, contact)
        if _holds(contact, change.values):
            return ended(change, Status.VERIFIED, revision=contact.revision)
        if _holds(contact, change.expected):
            return ended(change, Status.ABSENT, "the contact still holds the old values")
        return ended(change, Status.CONFLICT, "the contact holds other values by now")

    def _read(self, change: UpdateFields) -> Seen | Outcome:
        """Read the record again, and compare it with what was expected."""
        record = self._reader.records([change.ref.id]).get(change.ref.id)
        if record is None:
            return ended(change, Status.REJECTED, "the contact is gone")
        contact = self._map.contact(record)
        if not isinstance(contact, Contact):
            return ended(change, Status.REJECTED, "the contact cannot be read")
        if not _holds(contact, change.expected):
            if _holds(contact, change.values):
                return ended(change, Status.VERIFIED, revision=contact.revision)
            return ended(change, Status.CONFLICT, "the contact holds other values by now")
        if moment(contact.revision) is None:
            return ended(change, Status.REJECTED, f"the contact shows no {MODIFIED} to hold on to")
        return Seen(record, self._clock())

    def _values(self, change: UpdateFields, record: Mapping[str, Any]) -> dict[str, Any] | str:
        """Return what to send, or why it cannot be sent."""
        fields = self._reader.schema().fields
        values: dict[str, Any] = {}
        for field, value in change.values.items():
            name = self._map.name_of(field, record)
            known = fields.get(name) if name else None
            if name is None or known is None:
                return f"Zoho has no field for '{field}' here"
            if name in CONSENT_FIELDS:
                return (
                    f"'{field}' is what Zoho knows of consent ({name}); only opting out writes it"
                )
            if not known.writable or not known.takes_values:
                return f"Zoho takes no value for '{field}' ({name}, {known.type})"
            try:
                values[name] = known.typed(value)
            except ValueError:
                return f"Zoho takes only {known.type} for '{field}' ({name})"
        return values

    def _write(
        self, change: UpdateFields, values: Mapping[str, Any], modified: str
    ) -> Outcome | None:
        """Send one update; None when the record was modified since."""
        row = {"id": change.ref.id, **values}
        try:
            answer = self._wire.write(
                "PUT",
                "/Contacts",
                scope=UPDATE,
                body={"data": [row], **self._more},
                unmodified_since=modified,
            )
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except ZohoRefusedError as error:
            if error.status == HTTPStatus.PRECONDITION_FAILED:
                return None
            return ended(change, Status.REJECTED, error.message)
        return self._outcome(change, answer)

    def _outcome(self, change: UpdateFields, answer: Answer) -> Outcome | None:
        row = next(iter(answer.rows()), None)
        if code_of(row) == "ALREADY_MODIFIED":
            return None
        details = details_of(row)
        if code_of(row) == "SUCCESS" and id_of(dict(details)) == change.ref.id:
            revision = details.get(MODIFIED)
            known = revision if isinstance(revision, str) else ""
            return Outcome(key=change_key(change), status=Status.VERIFIED, revision=Revision(known))
        if code_of(row) and code_of(row) != "SUCCESS":
            return ended(change, Status.REJECTED, refusal_of(row))
        return ended(change, Status.UNKNOWN, "the answer does not mention the record")


def _holds(contact: Contact, values: Mapping[str, Any]) -> bool:
    return all(same(field, contact.value(field), value) for field, value in values.items())
