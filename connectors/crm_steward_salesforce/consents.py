"""Consent as Salesforce keeps it: switches of the contact, of its Individual, and by channel.

A switch that is not ticked is the default, and no consent. The consents of an Individual add up as
in Salesforce's own Consent API: the least permissive answer counts. Sources: Object Reference,
Contact, Individual, ContactPointTypeConsent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_steward.sdk import AddressStatus, Channel, Consent, ConsentStatus, Email
from crm_steward_salesforce.values import text, time

CONTACT_FLAGS = ("HasOptedOutOfEmail", "DoNotCall", "HasOptedOutOfFax")
"""Switches of a contact; fax is no channel of ours, but a merge must not lose it."""
SWITCHES = {Channel.EMAIL: "HasOptedOutOfEmail", Channel.PHONE: "DoNotCall"}
"""Channel → the contact's switch that stops it."""
INDIVIDUAL_FLAGS = ("HasOptedOutSolicit", "HasOptedOutProcessing", "ShouldForget")
"""Switches of an Individual that stop every channel."""
_TYPES = {"Email": Channel.EMAIL, "Phone": Channel.PHONE, "MailingAddress": Channel.POST}
"""ContactPointType → channel; Web and Social are none of ours."""

SAID_PATHS = (
    "Id",
    "PartyId",
    "ContactPointType",
    "PrivacyConsentStatus",
    "EffectiveFrom",
    "EffectiveTo",
    "CaptureDate",
    "CaptureSource",
    "CaptureContactPointType",
    "DoubleConsentCaptureDate",
)
"""What a ContactPointTypeConsent is read with."""
PURPOSE = "DataUsePurpose.Name"
_MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class Said:
    """One ContactPointTypeConsent.

    Args:
        party: The Individual it belongs to.
        row: As Salesforce sends it.
    """

    party: str
    row: Mapping[str, Any]


def consents_of(
    record: Mapping[str, Any],
    emails: Sequence[Email],
    proof: Mapping[str, Any],
    said: Sequence[Said],
    now: datetime | None,
) -> tuple[Consent, ...]:
    """Return all that is known about a contact, one per channel and purpose.

    Args:
        record: The contact.
        emails: Its addresses, the primary first.
        proof: Parts of the proof that the settings map to fields of the contact.
        said: What its Individual said about channels.
        now: The org's time.
    """
    address = emails[0].address if emails else ""
    found = [
        *_objections(record, address),
        *_switches(record, address),
        *_bounce(emails),
        *_given(proof, address),
        *(one for item in said for one in _stated(item, address, proof, now)),
    ]
    return _least_permissive(found)


def _switches(record: Mapping[str, Any], address: str) -> list[Consent]:
    return [
        _consent(channel, ConsentStatus.WITHDRAWN, address)
        for channel, name in SWITCHES.items()
        if record.get(name) is True
    ]


def _objections(record: Mapping[str, Any], address: str) -> list[Consent]:
    individual = record.get("Individual")
    held = individual if isinstance(individual, Mapping) else {}
    if not any(held.get(name) is True for name in INDIVIDUAL_FLAGS):
        return []
    return [_consent(channel, ConsentStatus.OBJECTED, address) for channel in Channel]


def _bounce(emails: Sequence[Email]) -> list[Consent]:
    if not emails or emails[0].status is not AddressStatus.BOUNCED:
        return []
    return [_consent(Channel.EMAIL, ConsentStatus.HARD_BOUNCE, emails[0].address)]


def _given(proof: Mapping[str, Any], address: str) -> list[Consent]:
    """Read a consent that the org keeps in fields of the contact: it is there if it has a date."""
    if proof.get("given_at") is None:
        return []
    held = {name: value for name, value in proof.items() if value}
    return [_consent(Channel.EMAIL, ConsentStatus.GRANTED, address, **held)]


def _stated(
    said: Said, address: str, proof: Mapping[str, Any], now: datetime | None
) -> list[Consent]:
    row = said.row
    channel = _TYPES.get(text(row.get("ContactPointType")) or "")
    status = _status(row, now)
    if channel is None or status is None:
        return []
    purpose = row.get("DataUsePurpose")
    named = text(purpose.get("Name")) if isinstance(purpose, Mapping) else None
    stated = time(row.get("CaptureDate")) or time(row.get("EffectiveFrom"))
    if status is ConsentStatus.WITHDRAWN:
        return [
            _consent(channel, status, address, purpose=named or _MARKETING, withdrawn_at=stated)
        ]
    doubled = time(row.get("DoubleConsentCaptureDate"))
    how = "double opt-in" if doubled else text(row.get("CaptureContactPointType"))
    parts = {
        "purpose": named or _MARKETING,
        "given_at": stated or doubled,
        "how": how or "",
        "source": text(row.get("CaptureSource")) or "",
        "evidence": text(row.get("Id")) or "",
    }
    if channel is Channel.EMAIL:
        parts = {**proof, **{name: value for name, value in parts.items() if value}}
    return [_consent(channel, status, address, **parts)]


def _status(row: Mapping[str, Any], now: datetime | None) -> ConsentStatus | None:
    """Return what a row says now: a consent in force, none, or a refusal, which needs no start."""
    begins, ends = time(row.get("EffectiveFrom")), time(row.get("EffectiveTo"))
    over = now is not None and ends is not None and ends <= now
    early = now is not None and begins is not None and begins > now
    match row.get("PrivacyConsentStatus"):
        case "OptOut":
            return None if over else ConsentStatus.WITHDRAWN
        case "OptIn":
            return ConsentStatus.NONE if over or early else ConsentStatus.GRANTED
        case "Seen" | "NotSeen":
            return ConsentStatus.NONE
        case _:
            return ConsentStatus.UNKNOWN


def _consent(channel: Channel, status: ConsentStatus, address: str, **parts: Any) -> Consent:
    """Return a consent; only mail is a matter of one address here."""
    mail = channel is Channel.EMAIL
    return Consent(channel=channel, status=status, address=address if mail else "", **parts)


def _least_permissive(found: Iterable[Consent]) -> tuple[Consent, ...]:
    binding: dict[tuple[Channel, str], Consent] = {}
    for consent in found:
        key = consent.channel, consent.purpose
        held = binding.get(key)
        if held is None or consent.status > held.status:
            binding[key] = consent
    return tuple(binding.values())
