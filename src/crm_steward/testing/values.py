"""What the fake CRM's contacts hold: values by the names of their fields, and what changes left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm_steward.model import with_value
from crm_steward.sdk import (
    Consent,
    Contact,
    Email,
    LiftSuppression,
    Phone,
    PhoneKind,
    RecordRef,
    RecreateRecords,
    Status,
    SuppressChannel,
    UpdateFields,
)


def recreated(ref: RecordRef, held: Mapping[str, Any]) -> Contact:
    """Return a contact with what a snapshot holds, that nobody agreed to be reached under."""
    contact = Contact(
        ref=ref,
        emails=tuple(Email(address) for address, *_ in held.get("emails", ())),
        phones=tuple(Phone(number, PhoneKind(kind)) for number, kind, _ in held.get("phones", ())),
    )
    for name in ("first_name", "last_name", "job_title", "company", "language"):
        if name in held:
            contact = with_value(contact, name, held[name])
    return contact


def anew(change: RecreateRecords) -> str:
    """Return the ids under which the fake CRM makes records anew, parted by commas."""
    return ",".join(f"{old.id}-anew" for old in change.records)


def silent_by(here: Contact | None, change: SuppressChannel | LiftSuppression) -> list[Consent]:
    """Return what keeps an address from being used."""
    return [
        consent
        for consent in (here.consents if here else ())
        if consent.channel is change.channel
        and consent.address == change.address
        and not consent.status.mailable
    ]


def holds(here: Contact | None, change: UpdateFields) -> Status:
    """Tell whether an update took effect, by what the record holds."""
    if here is None:
        return Status.CONFLICT
    held = {name: here.value(name) for name in change.values}
    if held == dict(change.values):
        return Status.VERIFIED
    before = {name: change.expected.get(name) for name in change.values}
    return Status.ABSENT if held == before else Status.CONFLICT
