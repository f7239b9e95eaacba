"""Values as Zoho sends them, read without trust: what is of another type is named, not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from crm_steward.sdk import Value

_LONGEST_TIME = 40


class BadValueError(ValueError):
    """A field holds a type that Zoho does not document for it.

    Args:
        field: Its API name.
    """

    def __init__(self, field: str) -> None:
        super().__init__(f"{field} has an unknown form")


def text_of(held: Mapping[str, Any], name: str) -> str | None:
    """Return a field as text; empty is None; a linked record is its name.

    Raises:
        BadValueError: It is neither.
    """
    value = held.get(name)
    if isinstance(value, Mapping) and "name" in value:
        value = value["name"]
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadValueError(name)


def link_of(held: Mapping[str, Any], name: str) -> str | None:
    """Return the id of a linked record, or None.

    Raises:
        BadValueError: It is no linked record.
    """
    value = held.get(name)
    if value is None:
        return None
    linked = value.get("id") if isinstance(value, Mapping) else None
    if not isinstance(linked, str):
        raise BadValueError(name)
    return linked


def flag_of(held: Mapping[str, Any], name: str) -> bool | None:
    """Return a field as true or false, or None where it is not shown.

    Raises:
        BadValueError: It is something else.
    """
    value = held.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise BadValueError(name)


def time_of(held: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time in UTC; a date is midnight; what cannot be read is None.

    Raises:
        BadValueError: It is not even text.
    """
    value = held.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadValueError(name)
    return moment(value)


def moment(text: str) -> datetime | None:
    """Read a date, or a date and time with the organisation's offset; None for anything else."""
    if not text or len(text) > _LONGEST_TIME:
        return None
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def plain_of(held: Mapping[str, Any], name: str) -> Value:
    """Return a custom field as it is: text, a number or a truth; several values joined by `;`.

    Raises:
        BadValueError: It is a table or something stranger.
    """
    value = held.get(name)
    if isinstance(value, list):
        parts = [part.get("name") if isinstance(part, Mapping) else part for part in value]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise BadValueError(name)
        return ";".join(texts) or None
    if isinstance(value, bool | int | float):
        return value
    return text_of(held, name)
