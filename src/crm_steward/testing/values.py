"""What the fake CRM's contacts hold: values by the names of their fields, and what changes left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from crm_steward.sdk import (
    Consent,
    Contact,
    Email,
    Kind,
    LiftSuppression,
    Phone,
    PhoneKind,
    RecordRef,
    RecreateRecords,
    Stage,
    Status,
    SuppressChannel,
    UpdateFields,
    Value,
)


def with_value(contact: Contact, name: str, value: Value) -> Contact:
    """Return `contact` with the canonical field `name` (or `extra.<name>`) set.

    Raises:
        TypeError: There is no such field.
    """
    text = None if value is None else str(value)
    if name.startswith("extra."):
        extra = {**contact.extra, name.removeprefix("extra."): value}
        return replace(contact, extra=extra)
    if name == "email":
        others = contact.emails[1:]
        return replace(contact, emails=((Email(text),) if text else ()) + others)
    if name in ("phone", "mobile"):
        kind = PhoneKind.MOBILE if name == "mobile" else PhoneKind.WORK
        return replace(contact, phones=_with_phone(contact.phones, text, kind))
    if name in ("street", "postcode", "city", "region", "country"):
        return replace(contact, address=replace(contact.address, **{name: text}))
    converted: Any = _CHOICES.get(name, _as_it_is)(value)
    return replace(contact, **{name: converted})


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


def _as_it_is(value: Value) -> Value:
    return value


_CHOICES: Mapping[str, Callable[[Any], Any]] = {"stage": Stage, "kind": Kind}


def _with_phone(phones: Iterable[Phone], number: str | None, kind: PhoneKind) -> tuple[Phone, ...]:
    """Replace the first number of a kind; a fixed line is whatever is not a mobile."""
    mobile = kind is PhoneKind.MOBILE
    same = [phone for phone in phones if (phone.kind is PhoneKind.MOBILE) is mobile]
    others = tuple(phone for phone in phones if (phone.kind is PhoneKind.MOBILE) is not mobile)
    first = (Phone(number, same[0].kind if same else kind),) if number else ()
    return (*first, *same[1:], *others)


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
