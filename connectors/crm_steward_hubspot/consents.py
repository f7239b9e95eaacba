"""What HubSpot knows about e-mail consent: one ground per contact, flags by address beside it.

Opt-outs hang on the address and not on the contact
(legacydocs.hubspot.com/docs/methods/email/update_status); the flags on a contact are those of its
primary address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from crm_steward.sdk import AddressStatus, Channel, Consent, ConsentStatus
from crm_steward_hubspot.values import read_text, read_time

OPTOUT = "hs_email_optout"
"""Unsubscribed from all e-mail; with a subscription's id behind it, from that one."""
LEGAL_BASIS = "hs_legal_basis"
PROPERTIES = (
    LEGAL_BASIS,
    OPTOUT,
    "hs_email_hard_bounce_reason_enum",
    "hs_email_bad_address",
    "hs_email_quarantined",
    "hs_email_quarantined_reason",
)
"""What every contact is read with to know its consent."""

LEGAL_BASES = {
    "freely given consent from contact": ConsentStatus.GRANTED,
    "legitimate interest - existing customer": ConsentStatus.SOFT_OPT_IN,
    "legitimate interest - prospect/lead": ConsentStatus.IMPLIED,
    "legitimate interest - other": ConsentStatus.IMPLIED,
    "performance of a contract": ConsentStatus.NONE,
    "not applicable": ConsentStatus.NONE,
}
"""`hs_legal_basis`, dashes made equal → what it allows by e-mail marketing.

Performing a contract is a ground for messages about that contract, not for marketing.
"""

_COMPLAINT = "RECIPIENT_COMPLAINT"
_OPTOUT_OF_ONE = re.compile(rf"{OPTOUT}_([0-9]{{1,20}})")
_LABEL = re.compile(r"[^:]{1,60}: *(\S.*)")
"""`Opted out of email: Marketing Information`, in the account's language."""
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))


@dataclass(frozen=True, slots=True)
class OptOuts:
    """What an address is unsubscribed from.

    Args:
        all: From everything.
        types: From these subscriptions, by their ids.
    """

    all: bool = False
    types: frozenset[str] = frozenset()


def subscription_of(name: str) -> str:
    """Return the id of the subscription whose opt-out the property `name` holds, or nothing."""
    found = _OPTOUT_OF_ONE.fullmatch(name)
    return found[1] if found else ""


def purpose_of(name: str, label: str) -> str:
    """Return what people call the subscription whose opt-out a property holds."""
    found = _LABEL.fullmatch(label.strip())
    return found[1] if found else f"subscription {subscription_of(name)}"


def opt_outs(held: Mapping[str, Any]) -> OptOuts:
    """Return what the contact's primary address is unsubscribed from, as far as it was read."""
    types = (subscription_of(name) for name, value in held.items() if read_text(value) == "true")
    return OptOuts(read_text(held.get(OPTOUT)) == "true", frozenset(filter(None, types)))


def address_status(held: Mapping[str, Any]) -> AddressStatus:
    """Return what HubSpot knows about the primary address."""
    if read_text(held.get("hs_email_hard_bounce_reason_enum")):
        return AddressStatus.BOUNCED
    bad = read_text(held.get("hs_email_bad_address")) == "true"
    return AddressStatus.INVALID if bad else AddressStatus.UNKNOWN


def read_consents(
    held: Mapping[str, Any], address: str, proof: Mapping[str, str], purposes: Mapping[str, str]
) -> tuple[Consent, ...]:
    """Read consent as HubSpot keeps it: the contact's own, then an opt-out per subscription.

    An opt-out, a complaint and an address that takes no mail bind more than any ground. A record
    without any of them says nothing, and nothing is what comes back.

    Args:
        held: The record's properties.
        address: Its primary address.
        proof: Part of the proof → the property that holds it in this account.
        purposes: Property of a subscription's opt-out → what people call the subscription.
    """
    basis = read_text(held.get(LEGAL_BASIS))
    out = [name for name in purposes if read_text(held.get(name)) == "true"]
    status = _binding(held, basis, from_every_one=bool(out) and len(out) == len(purposes))
    consents = []
    if status is not None:
        parts: dict[str, Any] = {n: read_text(held.get(own)) or "" for n, own in proof.items()}
        if "given_at" in parts:
            parts["given_at"] = read_time(parts["given_at"])
        consents.append(
            Consent(
                channel=Channel.EMAIL, status=status, address=address, basis=basis or "", **parts
            )
        )
    withdrawn = partial(
        Consent, channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN, address=address
    )
    return (*consents, *(withdrawn(purpose=purposes[name]) for name in out))


def allowed(basis: str | None) -> ConsentStatus | None:
    """Return what the grounds of a record allow; several add up, so the widest counts."""
    if not basis:
        return None
    grounds = (part.strip().casefold().translate(_DASHES) for part in basis.split(";"))
    known = [LEGAL_BASES.get(ground, ConsentStatus.UNKNOWN) for ground in grounds if ground]
    return min(known, default=ConsentStatus.UNKNOWN)


def wider(after: str | None, before: str | None) -> bool:
    """Whether grounds allow marketing where those before did not, or allow more."""
    now, then = allowed(after), allowed(before)
    return (
        now is not None and now.mailable and now < (ConsentStatus.UNKNOWN if then is None else then)
    )


def loosens(name: str, after: str, before: str | None) -> bool:
    """Whether writing a property would let a person be written to who was not before.

    Args:
        name: The property.
        after: What is to be written; empty clears it.
        before: What it is thought to hold.
    """
    if name == LEGAL_BASIS:
        return wider(after, before)
    return (name in PROPERTIES or bool(subscription_of(name))) and after != "true"


def withdrew(held: Mapping[str, Any]) -> bool:
    """Whether a contact shows any opt-out or complaint under its primary address."""
    out = opt_outs(held)
    return out.all or bool(out.types) or complained(held)


def complained(held: Mapping[str, Any]) -> bool:
    """Whether the person reported a message of ours as spam."""
    return read_text(held.get("hs_email_quarantined_reason")) == _COMPLAINT


def _binding(
    held: Mapping[str, Any], basis: str | None, *, from_every_one: bool
) -> ConsentStatus | None:
    """Return the status that binds; HubSpot sends nothing to a quarantined address either."""
    if from_every_one or read_text(held.get(OPTOUT)) == "true":
        return ConsentStatus.WITHDRAWN
    if complained(held):
        return ConsentStatus.COMPLAINT
    quarantined = read_text(held.get("hs_email_quarantined")) == "true"
    if quarantined or address_status(held) is not AddressStatus.UNKNOWN:
        return ConsentStatus.HARD_BOUNCE
    return allowed(basis)
