"""Merging: one master and up to two children a call, longer groups call after call.

Zoho keeps the master's values, deletes the children into the recycle bin, and does not tell
afterwards which record they went into. It may answer that the merge is scheduled; then the job is
asked for a while, and what is still under way after that is settled later.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from crm_steward.sdk import (
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    MergeRecords,
    Outcome,
    RetryableError,
    Status,
    ended,
)
from crm_steward_zoho.batches import Batches
from crm_steward_zoho.consents import OPT_OUT
from crm_steward_zoho.errors import ZohoRefusedError, code_of, details_of, refusal_of
from crm_steward_zoho.mapping import ContactMap, same
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.wire import Wire, chunks

SCOPE = "ZohoCRM.modules.contacts.WRITE"
CHILDREN = 2
_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between questions about a scheduled merge."""
_DONE = frozenset({"completed", "success"})
_FAILED = frozenset({"failed", "failure"})


class Merger:
    """Merges contacts of one organisation.

    Args:
        wire: The organisation.
        contacts: How its records are read.
        reader: Reads records by id, and remembers our merges.
        batches: Restricts a master before its merge.
        stop: Ends every wait at once when set.
    """

    def __init__(
        self,
        wire: Wire,
        contacts: ContactMap,
        reader: Reader,
        batches: Batches,
        stop: threading.Event,
    ) -> None:
        self._wire = wire
        self._map = contacts
        self._reader = reader
        self._batches = batches
        self._stop = stop

    def apply(self, change: MergeRecords) -> Outcome:
        """Merge the losers into the survivor, in order; those merged already are skipped."""
        if OPT_OUT not in self._reader.schema().fields:
            reason = f"{self._batches.unable}: a loser's opt-out could be lost"
            return ended(change, Status.REJECTED, reason)
        master = change.ref.id
        losers = [ref.id for ref in change.losers if self._reader.survivor_of(ref.id) != master]
        members = self._members([master, *losers])
        refusal = _refusal(change, members, losers)
        if refusal is not None:
            return refusal
        if _must_restrict(members, master, losers):
            restricted = self._restrict(change)
            if restricted is not None:
                return restricted
        done = len(change.losers) - len(losers)
        for children in chunks(losers, CHILDREN):
            failed = self._merge(change, children, done)
            if failed is not None:
                return failed
            done += len(children)
        return ended(change, Status.VERIFIED, remote_id=master)

    def settle(self, change: MergeRecords) -> Outcome:
        """Tell whether a merge took effect whose answer was lost.

        A loser that is gone after a merge was sent counts as merged: Zoho tells no more.
        """
        master = change.ref.id
        ids = [master, *(ref.id for ref in change.losers)]
        there = self._reader.records(ids)
        for pause in _PAUSES:
            if not self._under_way(there, ids) or self._stop.wait(pause):
                break
            there = self._reader.records(ids)
        if master not in there:
            return ended(change, Status.CONFLICT, "the record to keep is gone")
        left = [record_id for record_id in ids[1:] if record_id in there]
        if not left:
            self._note(master, ids[1:])
            return ended(change, Status.VERIFIED, remote_id=master)
        if self._under_way(there, ids):
            return ended(change, Status.UNKNOWN, "Zoho is still merging")
        if len(left) == len(change.losers):
            return ended(change, Status.ABSENT, "the records are not merged")
        return _half(change, len(change.losers) - len(left), "")

    def _members(self, ids: Sequence[str]) -> dict[str, Contact]:
        held = self._reader.records(ids)
        read = {record_id: self._map.contact(record) for record_id, record in held.items()}
        return {name: one for name, one in read.items() if isinstance(one, Contact)}

    def _restrict(self, change: MergeRecords) -> Outcome | None:
        """Carry a loser's opt-out to the survivor first; without it nothing is merged."""
        if self._batches.unable:
            reason = f"a loser's opt-out could not be carried over: {self._batches.unable}"
            return ended(change, Status.REJECTED, reason)
        try:
            answer = self._batches.restrict(change.ref.id)
        except RetryableError as error:
            if not error.sent:
                raise
            reason = "a loser's opt-out may not have been carried over; nothing was merged"
            return ended(change, Status.REJECTED, reason)
        except ZohoRefusedError as error:
            reason = f"a loser's opt-out could not be carried over: {error.code}"
            return ended(change, Status.REJECTED, reason)
        row = next(iter(answer.rows()), None)
        if code_of(row) == "SUCCESS":
            return None
        reason = f"a loser's opt-out could not be carried over: {refusal_of(row)}"
        return ended(change, Status.REJECTED, reason)

    def _merge(self, change: MergeRecords, children: Sequence[str], done: int) -> Outcome | None:
        """Merge one or two children; None when they are merged."""
        body = {"merge": [{"data": [{"id": child} for child in children]}]}
        path = f"/Contacts/{change.ref.id}/actions/merge"
        try:
            answer = self._wire.write("POST", path, scope=SCOPE, body=body, key="merge")
        except RetryableError as error:
            if not (error.sent or done):
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except ZohoRefusedError as error:
            return _stopped(change, done, error.message)
        row = next(iter(answer.rows("merge")), None)
        match code_of(row):
            case "SUCCESS":
                self._note(change.ref.id, children)
                return None
            case "SCHEDULED":
                return self._wait(change, children, done, details_of(row).get("job_id"))
            case "":
                return ended(change, Status.UNKNOWN, "the answer does not show the merge")
            case _:
                return _stopped(change, done, refusal_of(row))

    def _wait(
        self, change: MergeRecords, children: Sequence[str], done: int, job: Any
    ) -> Outcome | None:
        """Ask a scheduled merge how it stands, as long as one call may take."""
        unknown = ended(change, Status.UNKNOWN, "Zoho has scheduled the merge")
        if not isinstance(job, str):
            return unknown
        for pause in _PAUSES:
            if self._stop.wait(pause):
                return unknown
            try:
                answer = self._wire.get(
                    f"/Contacts/{change.ref.id}/actions/merge", key="merge", job_id=job
                )
            except (RetryableError, ZohoRefusedError):
                return unknown
            row = next(iter(answer.rows("merge")), None)
            status = str(row.get("status") if isinstance(row, Mapping) else "").lower()
            if status in _DONE:
                self._note(change.ref.id, children)
                return None
            if status in _FAILED:
                return _stopped(change, done, "Zoho's merge job failed")
        return unknown

    def _under_way(self, there: Mapping[str, Any], ids: Sequence[str]) -> bool:
        """Whether Zoho says that the record to keep is being merged, and losers are left."""
        if ids[0] not in there or len(there) == 1:
            return False
        row = next(iter(self._wire.get(f"/Contacts/{ids[0]}").rows()), None)
        return isinstance(row, Mapping) and row.get("$in_merge") is True

    def _note(self, master: str, children: Sequence[str]) -> None:
        """Remember where children went, as long as this process lives."""
        self._reader.merged |= dict.fromkeys(children, master)


def _refusal(
    change: MergeRecords, members: Mapping[str, Contact], losers: Sequence[str]
) -> Outcome | None:
    """Return why nothing may be merged, or None."""
    if change.ref.id not in members:
        return ended(change, Status.REJECTED, "the record to keep is gone or cannot be read")
    gone = [record_id for record_id in losers if record_id not in members]
    if gone:
        reason = f"{len(gone)} of the records to merge are gone or cannot be read"
        return ended(change, Status.CONFLICT, reason)
    for record_id, values in change.expected.items():
        member = members.get(record_id)
        if member is not None and not _holds(member, values):
            return ended(change, Status.CONFLICT, f"record {record_id} holds other values by now")
    if _loosens_phone(members, change.ref.id, losers):
        reason = "a loser may not be called, the survivor may, and Zoho would forget the former"
        return ended(change, Status.REJECTED, reason)
    return None


def _must_restrict(members: Mapping[str, Contact], master: str, losers: Sequence[str]) -> bool:
    """Whether a loser said no to mail and the survivor did not."""
    said_no = any(_status(members[loser], Channel.EMAIL) >= _NO for loser in losers)
    return said_no and _status(members[master], Channel.EMAIL) < _NO


def _loosens_phone(members: Mapping[str, Contact], master: str, losers: Sequence[str]) -> bool:
    asked = [_consent(members[loser], Channel.PHONE) for loser in losers]
    refused = any(one is not None and not one.status.mailable for one in asked)
    kept = _consent(members[master], Channel.PHONE)
    return refused and kept is not None and kept.status.mailable


_NO = ConsentStatus.WITHDRAWN
"""From here on a person has said no, and not merely never said yes."""


def _status(contact: Contact, channel: Channel) -> ConsentStatus:
    consent = _consent(contact, channel)
    return ConsentStatus.UNKNOWN if consent is None else consent.status


def _consent(contact: Contact, channel: Channel) -> Consent | None:
    found = [one for one in contact.consents if one.channel is channel]
    return max(found, key=lambda one: one.status, default=None)


def _holds(contact: Contact, values: Mapping[str, Any]) -> bool:
    return all(same(field, contact.value(field), value) for field, value in values.items())


def _stopped(change: MergeRecords, done: int, reason: str) -> Outcome:
    return _half(change, done, reason) if done else ended(change, Status.REJECTED, reason)


def _half(change: MergeRecords, done: int, reason: str) -> Outcome:
    told = f": {reason}" if reason else ""
    text = f"{done} of {len(change.losers)} records were merged{told}"
    return ended(change, Status.CONFLICT, text)
