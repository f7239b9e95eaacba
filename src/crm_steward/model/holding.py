"""Contacts that hold another value: what a change would make of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from crm_steward.model.contact import (
    Contact,
    Email,
    Kind,
    Phone,
    PhoneKind,
    SourceType,
    Stage,
    Value,
)


def with_value(contact: Contact, name: str, value: Value | datetime) -> Contact:
    """Return `contact` with the canonical field `name` (or `extra.<name>`) set.

    Args:
        contact: A contact.
        name: The field; a worked-out one cannot be set.
        value: What it is to hold; a time where the field holds times.

    Raises:
        TypeError: There is no such field.
    """
    text = None if value is None else str(value)
    if name.startswith("extra."):
        held = value.isoformat() if isinstance(value, datetime) else value
        extra = {**contact.extra, name.removeprefix("extra."): held}
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


def _as_it_is(value: Value | datetime) -> Value | datetime:
    return value


_CHOICES: Mapping[str, Callable[[Any], Any]] = {
    "stage": Stage,
    "kind": Kind,
    "source_type": SourceType,
}


def _with_phone(phones: Iterable[Phone], number: str | None, kind: PhoneKind) -> tuple[Phone, ...]:
    """Replace the first number of a kind; a fixed line is whatever is not a mobile."""
    mobile = kind is PhoneKind.MOBILE
    same = [phone for phone in phones if (phone.kind is PhoneKind.MOBILE) is mobile]
    others = tuple(phone for phone in phones if (phone.kind is PhoneKind.MOBILE) is not mobile)
    first = (Phone(number, same[0].kind if same else kind),) if number else ()
    return (*first, *same[1:], *others)
