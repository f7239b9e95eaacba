"""Field updates, one record a call, each only if nobody modified the record since it was read.

`If-Unmodified-Since` makes Salesforce itself refuse what comes too late. Collections, 200 records
a call, have no such condition, and so are not used here. The condition compares whole seconds of
`LastModifiedDate`. Source: REST API Developer Guide, "Conditional Requests".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context as Surroundings
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from crm_steward.sdk import (
    Clock,
    Outcome,
    RetryableError,
    Status,
    StewardError,
    UpdateFields,
    change_key,
    ended,
)
from crm_steward_salesforce.errors import LockedError, ModifiedError, SalesforceRejectedError
from crm_steward_salesforce.mapping import ContactMap
from crm_steward_salesforce.records import Found, Records
from crm_steward_salesforce.wire import Wire

_REMEMBERED = timedelta(minutes=5)
"""How long a reading may serve as what a write is compared with."""
_TRIES = 3
"""How often a record may be modified under our hands before we leave it alone."""


@dataclass(slots=True)
class Memory:
    """The last readings of `get`: what the core compares with just before it writes.

    Args:
        clock: The time.
    """

    clock: Clock
    _held: dict[str, tuple[datetime, Found]] = field(default_factory=dict)

    def keep(self, found: Mapping[str, Found]) -> None:
        """Remember readings; older ones are forgotten."""
        now = self.clock()
        fresh = {k: v for k, v in self._held.items() if abs(now - v[0]) <= _REMEMBERED}
        self._held = fresh | {item.contact.ref.id: (now, item) for item in found.values()}

    def take(self, record_id: str) -> Found | None:
        """Return a reading, once: after a write it is no longer true."""
        held = self._held.pop(record_id, None)
        if held is None or abs(self.clock() - held[0]) > _REMEMBERED:
            return None
        return held[1]


class Updater:
    """Updates contacts of one org.

    Args:
        wire: The org.
        contacts: How our fields are Salesforce's.
        records: Reads contacts by id.
        memory: What `get` brought last.
    """

    def __init__(self, wire: Wire, contacts: ContactMap, records: Records, memory: Memory) -> None:
        self._wire = wire
        self._map = contacts
        self._records = records
        self._memory = memory

    def update(self, changes: Sequence[UpdateFields]) -> Iterator[Outcome]:
        """Write updates of different records, then read them back, all in a call or two.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        done: dict[str, Outcome] = {}
        sent: list[UpdateFields] = []
        failure: StewardError | None = None
        try:
            for change in changes:
                outcome = self._write(change)
                if outcome is None:
                    sent.append(change)
                else:
                    done[outcome.key] = outcome
        except StewardError as error:
            failure = error
        done |= {outcome.key: outcome for outcome in self._shown(sent)}
        keys = map(change_key, changes)
        yield from (done[key] for key in keys if key in done)
        if failure:
            raise failure

    def settled(self, change: UpdateFields, found: Found) -> Outcome:
        """Say whether an update took effect whose answer was lost."""
        contact = found.contact
        if contact.ref != change.ref:
            return ended(change, Status.CONFLICT, f"the contact was merged into {contact.ref.id}")
        if self._map.holds(contact, change.values):
            return ended(change, Status.VERIFIED, revision=contact.revision)
        if self._map.holds(contact, change.expected):
            return ended(change, Status.ABSENT, "the contact still holds the old values")
        return ended(change, Status.CONFLICT, "the contact holds other values by now")

    # -- one record ---------------------------------------------------------------------------

    def _write(self, change: UpdateFields) -> Outcome | None:
        """Write one update; None when it was sent and Salesforce said yes."""
        values = self._map.written(change)
        if isinstance(values, str):
            return ended(change, Status.REJECTED, values)
        found = self._memory.take(change.ref.id)
        if found is None or self._map.differing(found.contact, change.expected):
            found = self._fresh(change)
        for _ in range(_TRIES):
            refusal = self._unfit(change, found)
            if refusal is not None or found is None:
                return refusal
            try:
                return self._send(change, values, found)
            except ModifiedError:
                found = self._fresh(change)
        return ended(change, Status.CONFLICT, "the contact is being modified again and again")

    def _send(
        self, change: UpdateFields, values: Mapping[str, Any], found: Found
    ) -> Outcome | None:
        if found.modified is None:
            return ended(change, Status.REJECTED, "the contact has no readable LastModifiedDate")
        try:
            self._wire.update(change.ref.id, values, found.modified)
        except LockedError as error:
            return ended(change, Status.UNKNOWN, error.message)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except SalesforceRejectedError as error:
            gone = error.status == HTTPStatus.NOT_FOUND
            return ended(change, Status.REJECTED, "the contact is gone" if gone else error.message)
        return None

    def _fresh(self, change: UpdateFields) -> Found | None:
        return self._records.found([change.ref.id]).get(change.ref.id)

    def _unfit(self, change: UpdateFields, found: Found | None) -> Outcome | None:
        """Return why a change does not fit what the contact is now, or None."""
        if found is None:
            return ended(change, Status.REJECTED, "the contact is gone")
        if found.contact.ref != change.ref:
            reason = f"the contact was merged into {found.contact.ref.id}"
            return ended(change, Status.CONFLICT, reason)
        differing = self._map.differing(found.contact, change.expected)
        if differing:
            reason = f"the contact holds another value of {', '.join(differing)} by now"
            return ended(change, Status.CONFLICT, reason)
        return None

    # -- what came of it ----------------------------------------------------------------------

    def _shown(self, sent: Sequence[UpdateFields]) -> list[Outcome]:
        """Read back what was written: Salesforce's answer to an update is empty."""
        if not sent:
            return []
        found, silence = read_back(self._records, [change.ref.id for change in sent])
        return [self._verdict(change, found.get(change.ref.id), silence) for change in sent]

    def _verdict(self, change: UpdateFields, found: Found | None, silence: str) -> Outcome:
        if silence:
            return ended(change, Status.UNKNOWN, silence)
        if found is None or found.contact.ref != change.ref:
            return ended(change, Status.UNKNOWN, "the contact went away just after it was written")
        differing = self._map.differing(found.contact, change.values)
        if differing:
            return ended(
                change, Status.UNKNOWN, f"the contact does not show {', '.join(differing)}"
            )
        return ended(change, Status.VERIFIED, revision=found.contact.revision)


def read_back(records: Records, ids: Sequence[str]) -> tuple[dict[str, Found], str]:
    """Read contacts that were just written.

    The core lets no write go out on a reading that has grown old. This is no write, and what was
    sent must be known however late it is: so it is asked outside of that watch.

    Returns:
        What was found, and why nothing could be read, or empty.
    """
    try:
        return Surroundings().run(records.found, ids), ""
    except StewardError as error:
        return {}, f"it was sent, and could not be read back: {error.message}"
