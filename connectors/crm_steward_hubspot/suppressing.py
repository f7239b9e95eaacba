"""Stopping e-mail to an address: unsubscribed from everything, and never the reverse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_steward.sdk import (
    Channel,
    Contact,
    Outcome,
    Poison,
    RetryableError,
    Status,
    SuppressChannel,
    ended,
)
from crm_steward_hubspot.consents import OptOuts, opt_outs
from crm_steward_hubspot.documents import held_by
from crm_steward_hubspot.errors import HubSpotRejectedError
from crm_steward_hubspot.mapping import ContactMap
from crm_steward_hubspot.optouts import Unsubscriber
from crm_steward_hubspot.outcomes import GONE
from crm_steward_hubspot.reading import Reader
from crm_steward_hubspot.values import read_text, same


class Suppressions:
    """Makes and settles suppressions.

    Args:
        unsubscriber: Unsubscribes addresses.
        reader: Reads contacts by id.
        contacts: How their records are read.
    """

    def __init__(self, unsubscriber: Unsubscriber, reader: Reader, contacts: ContactMap) -> None:
        self._unsubscriber = unsubscriber
        self._reader = reader
        self._map = contacts

    def apply(self, changes: Sequence[SuppressChannel]) -> Iterator[Outcome]:
        """Unsubscribe addresses in order."""
        records = self._reader.records([change.ref.id for change in changes])
        for change in changes:
            yield self._unfit(change, records) or self._suppress(change, records[change.ref.id])

    def settle(
        self, changes: Sequence[SuppressChannel], records: Mapping[str, Any]
    ) -> Iterator[Outcome]:
        """Look whether the addresses are unsubscribed."""
        for change in changes:
            yield self._unfit(change, records) or self._settled(change, records[change.ref.id])

    def _unfit(self, change: SuppressChannel, records: Mapping[str, Any]) -> Outcome | None:
        if change.channel is not Channel.EMAIL:
            reason = f"HubSpot has no switch that stops messages by {change.channel.value}"
            return ended(change, Status.REJECTED, reason)
        record = records.get(change.ref.id)
        if record is None:
            return ended(change, Status.REJECTED, GONE)
        if not self._address(change, record):
            return ended(change, Status.REJECTED, "the contact has no e-mail address")
        return None

    def _suppress(self, change: SuppressChannel, record: Any) -> Outcome:
        address = self._address(change, record)
        shown = _shown(record, address)
        try:
            known = self._unsubscriber.is_out(address, shown)
            if known or self._unsubscriber.unsubscribe(address, shown, change.reason):
                return ended(change, Status.VERIFIED)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except HubSpotRejectedError as error:
            return ended(change, Status.REJECTED, error.message)
        return ended(change, Status.UNKNOWN, "HubSpot does not show the opt-out")

    def _settled(self, change: SuppressChannel, record: Any) -> Outcome:
        address = self._address(change, record)
        if self._unsubscriber.is_out(address, _shown(record, address)):
            return ended(change, Status.VERIFIED)
        return ended(change, Status.ABSENT, "the address is not unsubscribed")

    def _address(self, change: SuppressChannel, record: Any) -> str:
        """Return the address to stop; the contact's own where the change names none."""
        if change.address:
            return change.address.strip()
        contact: Contact | Poison = self._map.contact(record)
        return str(contact.value("email") or "") if isinstance(contact, Contact) else ""


def _shown(record: Any, address: str) -> OptOuts:
    """Return what the contact shows of the address; nothing when it is not its primary one."""
    held = held_by(record)
    if same("email", read_text(held.get("email")), address):
        return opt_outs(held)
    return OptOuts()
