"""Values as Salesforce sends and takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from crm_steward.sdk import Value

ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
"""A record's id: 15 characters that tell capitals from small letters, or those and three more."""
_SHORT = 15
_LONGEST_TIME = 40
_NUMBERS = frozenset({"double", "currency", "percent", "int", "long"})
_YES, _NO = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0", ""})


class UnfitError(ValueError):
    """A value does not fit the type of its field."""


def short(record_id: str) -> str:
    """Return the 15 characters that name a record, whichever form its id has."""
    return record_id[:_SHORT]


def text(value: Any) -> str | None:
    """Return a value as text; anything empty is None, and so is what is not one value."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def time(value: Any) -> datetime | None:
    """Read a dateTime or a date (its first moment, UTC); None when it is neither."""
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def literal(moment: datetime) -> str:
    """Return a time as SOQL writes it."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def at(record: Mapping[str, Any], path: str) -> Any:
    """Return what a record holds at `Field` or `Relation.Field`."""
    relation, _, name = path.rpartition(".")
    if not relation:
        return record.get(name)
    related = record.get(relation)
    return related.get(name) if isinstance(related, Mapping) else None


def to_json(value: Value, kind: str) -> Any:
    """Return a value as Salesforce takes it for a field of type `kind`; None clears.

    Raises:
        UnfitError: It cannot be a value of that type.
    """
    if kind == "boolean":
        return _flag(value)
    if value is None or value == "":
        return None
    if kind in _NUMBERS:
        return _number(value)
    return text(value)


def _flag(value: Value) -> bool:
    written = (text(value) or "").casefold()
    if written in _YES | _NO:
        return written in _YES
    raise UnfitError("a checkbox takes true or false")


def _number(value: Value) -> float:
    try:
        return float(text(value) or "")
    except ValueError:
        raise UnfitError("a number is needed") from None


def same(one: Value, other: Value) -> bool:
    """Whether Salesforce would hold both as the same value: it trims, and writes line ends its way."""
    return _kept(one) == _kept(other)


def _kept(value: Value) -> str:
    return (text(value) or "").replace("\r\n", "\n").strip()
