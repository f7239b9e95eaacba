"""Archiving: to HubSpot's recycle bin, where a contact can be restored for 90 days.

HubSpot answers 204 whatever ids it is given, so that what happened is seen by reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context as Surroundings

from crm_steward.sdk import (
    ArchiveRecord,
    Contact,
    Outcome,
    Poison,
    RetryableError,
    Status,
    StewardError,
    ended,
)
from crm_steward_hubspot.documents import id_of
from crm_steward_hubspot.errors import HubSpotRejectedError
from crm_steward_hubspot.reading import BATCH, Reader
from crm_steward_hubspot.wire import Wire


class Archives:
    """Archives contacts and settles it.

    Args:
        wire: The account.
        reader: Reads contacts by id.
    """

    def __init__(self, wire: Wire, reader: Reader) -> None:
        self._wire = wire
        self._reader = reader

    def apply(self, changes: Sequence[ArchiveRecord]) -> Iterator[Outcome]:
        """Archive contacts in order, by the hundred."""
        for start in range(0, len(changes), BATCH):
            yield from self._archive(changes[start : start + BATCH])

    def settle(
        self, changes: Sequence[ArchiveRecord], found: Mapping[str, Contact | Poison]
    ) -> Iterator[Outcome]:
        """Look whether contacts are gone; `found` holds those that are not."""
        for change in changes:
            contact = found.get(change.ref.id)
            now = _now(contact)
            yield _ended(change, now, Status.ABSENT, "the contact is still there")

    def _archive(self, changes: Sequence[ArchiveRecord]) -> Iterator[Outcome]:
        """Send those that are there; an id that leads to another record is not sent."""
        ids = [change.ref.id for change in changes]
        leads_to = self._where(ids)
        there = [asked for asked in dict.fromkeys(ids) if leads_to.get(asked) == asked]
        failed = self._send(there) if there else None
        if there and failed is None:
            leads_to, failed = self._seen(ids)
        for change in changes:
            if failed and change.ref.id in there:
                yield ended(change, *failed)
            else:
                now = leads_to.get(change.ref.id, "")
                yield _ended(change, now, Status.UNKNOWN, "HubSpot still shows the contact")

    def _seen(self, ids: Sequence[str]) -> tuple[dict[str, str], tuple[Status, str] | None]:
        """Look where ids lead after something was sent; return also why that is not known.

        The core lets no write go out on a reading that has grown old. This is none, and what was
        sent must be known however late it is: so it is asked outside of that watch.
        """
        try:
            return Surroundings().run(self._where, ids), None
        except StewardError as error:
            reason = f"it was sent, and could not be read back: {error.message}"
            return {}, (Status.UNKNOWN, reason)

    def _where(self, ids: Sequence[str]) -> dict[str, str]:
        """Return which record each id leads to now."""
        return {asked: id_of(record) for asked, record in self._reader.records(ids).items()}

    def _send(self, ids: Sequence[str]) -> tuple[Status, str] | None:
        """Archive records; return why it is not known to be done, or None."""
        body = {"inputs": [{"id": record_id} for record_id in ids]}
        try:
            self._wire.call(self._wire.contact_batches.archive, body, repeatable=False)
        except RetryableError as error:
            if not error.sent:
                raise
            return Status.UNKNOWN, error.message
        except HubSpotRejectedError as error:
            return Status.REJECTED, error.message
        return None


def _ended(change: ArchiveRecord, now: str, there: Status, reason: str) -> Outcome:
    """Return how it ended, by the id that the contact's id leads to now, if to any."""
    if not now:
        return ended(change, Status.VERIFIED)
    if now == change.ref.id:
        return ended(change, there, reason)
    return ended(change, Status.CONFLICT, f"the contact was merged into {now}")


def _now(contact: Contact | Poison | None) -> str:
    if contact is None:
        return ""
    return contact.id if isinstance(contact, Poison) else contact.ref.id
