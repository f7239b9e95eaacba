"""Single values of Pipedrive's persons: whatever one holds, it is text, a time, a list, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from crm_steward.sdk import PhoneKind

ADDRESS = {
    "postcode": "postal_code",
    "city": "locality",
    "region": "admin_area_level_1",
    "country": "country",
}
"""Part of an address → part of `postal_address`; the street has two, number and route."""

_LONGEST_TIME = 40


def text_of(value: Any) -> str | None:
    """Return a value as text; anything empty, and anything that is no single value, is None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def whole_of(value: Any) -> int:
    """Return a whole number; anything else is 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def entries_of(held: Any) -> list[dict[str, Any]]:
    """Return addresses or numbers, primary first; no address comes as one empty entry."""
    entries = [
        item
        for item in (held if isinstance(held, list) else [])
        if isinstance(item, dict) and isinstance(item.get("value"), str) and item["value"]
    ]
    return sorted(entries, key=lambda item: item.get("primary") is not True)


def kind_of(entry: Mapping[str, Any]) -> PhoneKind:
    """Return what a number is for, by its label; without one it is taken for work."""
    label = entry.get("label")
    if not isinstance(label, str) or not label:
        return PhoneKind.WORK
    known = {kind.value: kind for kind in PhoneKind}
    return known.get(label.casefold(), PhoneKind.OTHER)


def time_of(value: Any) -> datetime | None:
    """Read a date, or a date and time, as either version writes it; None when it is neither."""
    if not isinstance(value, str) or not value or len(value) > _LONGEST_TIME:
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def address_of(held: Any) -> dict[str, str | None]:
    """Return the parts of an address; where it has none, its one line stands for the street."""
    if not isinstance(held, dict):
        return dict.fromkeys(("street", *ADDRESS))
    parts = {ours: text_of(held.get(theirs)) for ours, theirs in ADDRESS.items()}
    line = text_of(held.get("value"))
    number, route = text_of(held.get("street_number")), text_of(held.get("route"))
    if not any((number, route, *parts.values())):
        return {"street": line, **parts}
    return {"street": street_of(number, route, line or ""), **parts}


def street_of(number: str | None, route: str | None, line: str) -> str | None:
    """Join number and route in the order in which the address's own line has them."""
    if not number or not route:
        return route or number
    behind = f"{route} {number}"
    return behind if behind in line else f"{number} {route}"
