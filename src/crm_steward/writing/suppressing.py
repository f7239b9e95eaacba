"""Suppressions: a channel falls silent for a person. Restricting only: nothing ever loosens."""

from __future__ import annotations

from collections.abc import Iterator

from crm_steward.model import Channel, Contact, SuppressChannel
from crm_steward.rules import SuppressAction
from crm_steward.writing.addresses import address_key, addresses_by, suppressed
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.withheld import Why


def silenced(action: SuppressAction, contact: Contact, reason: str) -> Iterator[Proposed | Refused]:
    """Yield a change for each address that the channel uses and that is not silent already.

    That is the primary address, on which CRMs hang the record's consent, and any other of the
    record's addresses that the CRM keeps a consent under.

    Args:
        action: The action.
        contact: The record.
        reason: Why, for the CRM; no personal data.
    """
    channel = Channel(action.channel)
    addresses = _used(contact, channel)
    if not addresses:
        yield Refused(Why.NO_ADDRESS, contact.ref, channel.value)
    for address in addresses:
        if not suppressed(contact, channel, address):
            yield Proposed(
                SuppressChannel(ref=contact.ref, channel=channel, address=address, reason=reason)
            )


def _used(contact: Contact, channel: Channel) -> tuple[str, ...]:
    known = {
        address_key(contact, channel, one.address)
        for one in contact.consents
        if one.channel is channel and one.address
    }
    found: dict[str, str] = {}
    for address in addresses_by(contact, channel):
        key = address_key(contact, channel, address)
        if not found or key in known:
            found.setdefault(key, address)
    return tuple(found.values())
