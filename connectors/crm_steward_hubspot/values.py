"""HubSpot's values, which are text: as times, as what HubSpot holds for the same, as what it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_steward.sdk import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TIME = 40
_MILLISECONDS = re.compile(r"-?[0-9]{1,14}")


def text_of(value: Value) -> str:
    """Return `value` as HubSpot takes it; None clears a property by the empty text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def same(field: str, one: Value, other: Value) -> bool:
    """Whether HubSpot would hold both as the same value of `field`.

    HubSpot trims text and writes e-mail addresses in lower case.
    """
    left, right = text_of(one).strip(), text_of(other).strip()
    return left == right or (field == "email" and left.casefold() == right.casefold())


def read_text(value: Any) -> str | None:
    """Return a property's value, which HubSpot sends as text; anything empty is None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def read_time(value: Any) -> datetime | None:
    """Read a date, a date and time, or epoch milliseconds; None when it is none of them."""
    text = read_text(value)
    if text is None or len(text) > _LONGEST_TIME:
        return None
    try:
        if _MILLISECONDS.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=int(text))
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def latest(held: Mapping[str, Any], properties: tuple[str, ...]) -> datetime | None:
    """Return the latest of several times; None when none of them is known."""
    times = [time for name in properties if (time := read_time(held.get(name)))]
    return max(times, default=None)
