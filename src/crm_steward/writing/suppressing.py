"""Suppressions: a channel falls silent for a person. Restricting only: no rule ever loosens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from crm_steward.model import NOTHING_SAID, Channel, Consent, Contact, SuppressChannel
from crm_steward.rules import SuppressAction
from crm_steward.writing.addresses import address_key, addresses_by, silent, statements
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.withheld import Why


def silenced(
    action: SuppressAction, evidence: Mapping[str, Any], contact: Contact, reason: str
) -> Iterator[Proposed | Refused]:
    """Yield a change for each address that the channel uses and that is not silent already.

    Those are the addresses that the check found refused, where it tells them. Otherwise the primary
    address, on which CRMs hang the record's consent, and any other of the record's addresses that
    the CRM keeps a consent under.

    Args:
        action: The action.
        evidence: What the check left.
        contact: The record.
        reason: Why, for the CRM; no personal data.
    """
    channel = _CHANNELS[action.channel]
    places = evidence.get("addresses") if evidence.get("channel") == channel else None
    addresses = _used(contact, channel) if places is None else _refused(contact, channel, places)
    if not addresses:
        yield Refused(Why.NO_ADDRESS, contact.ref, channel.value)
    for address in addresses:
        said = list(statements(contact, channel, address))
        if not silent(said):
            change = SuppressChannel(
                ref=contact.ref,
                channel=channel,
                address=address,
                reason=reason,
                before=_strictest(said),
            )
            yield Proposed(change)


_CHANNELS: Mapping[str, Channel] = {one.value: one for one in Channel}


def said_of(contact: Contact, channel: Channel, address: str) -> str:
    """Return the label of the strictest status known of an address, or NOTHING_SAID."""
    return _strictest(list(statements(contact, channel, address)))


def _strictest(said: Sequence[Consent]) -> str:
    return max(one.status for one in said).label if said else NOTHING_SAID


def _used(contact: Contact, channel: Channel) -> list[str]:
    first, *others = addresses_by(contact, channel) or [""]
    if not others:
        return [first] if first else []
    known = {
        address_key(contact, channel, one.address)
        for one in contact.consents
        if one.channel is channel and one.address
    }
    kept = (one for one in others if address_key(contact, channel, one) in known)
    return _distinct(contact, channel, [first, *kept] if first else [])


def _refused(contact: Contact, channel: Channel, places: Sequence[int]) -> list[str]:
    """Return the addresses at some places, counted from 1, that the channel reaches."""
    held = [one.address for one in contact.emails]
    if channel is not Channel.EMAIL:
        held = [one.number for one in contact.phones]
    reached = addresses_by(contact, channel)
    found = [held[place - 1] for place in places if 0 < place <= len(held)]
    return _distinct(contact, channel, [address for address in found if address in reached])


def _distinct(contact: Contact, channel: Channel, addresses: Iterable[str]) -> list[str]:
    """Return each address once, as it is written first."""
    found: dict[str, str] = {}
    for address in addresses:
        found.setdefault(address_key(contact, channel, address), address)
    return list(found.values())
