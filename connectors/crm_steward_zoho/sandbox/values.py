"""Values as Zoho takes and gives them: real JSON types, times with the account's offset."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_steward_zoho.sandbox.answers import envelope
from crm_steward_zoho.sandbox.schema import USER_BY_ID, Field

EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


def stamp(seconds: int, zone: ZoneInfo) -> str:
    """Write epoch seconds as Zoho does: `2026-11-02T11:00:00+01:00`, no fractions."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(zone).isoformat(timespec="seconds")


def read_time(text: Any) -> int | None:
    """Read ISO 8601 with an offset as epoch seconds; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return int(moment.timestamp()) if moment.tzinfo else None


def problem(field: Field | None, name: str, value: Any, path: str) -> dict[str, Any] | None:
    """Return Zoho's error for a value, or None when it would be stored.

    Args:
        field: The field's definition; None when the module has no such field.
        name: The API name as it was sent.
        value: What was sent; None clears.
        path: Where it stands in the request, `$.data[0].Email`.
    """
    if field is None or field.read_only:
        return envelope("INVALID_DATA", "invalid data", api_name=name, json_path=path)
    if value is None or value == "":
        if field.mandatory:
            return envelope(
                "MANDATORY_NOT_FOUND", "required field not found", api_name=name, json_path=path
            )
        return None
    if not _fits(field, value):
        return envelope(
            "INVALID_DATA",
            "invalid data",
            expected_data_type=field.type,
            api_name=name,
            json_path=path,
        )
    if isinstance(value, str) and len(value) > field.length:
        return envelope(
            "INVALID_DATA",
            "invalid data",
            maximum_length=field.length,
            api_name=name,
            json_path=path,
        )
    return None


def _fits(field: Field, value: Any) -> bool:
    return _CHECKS.get(field.type, _is_text)(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_active_user(value: Any) -> bool:
    user = USER_BY_ID.get(value.get("id")) if isinstance(value, dict) else None
    return user is not None and user["status"] == "active"


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return len(value) == len("2026-11-02")


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_whole,
    "ownerlookup": _is_active_user,
    "lookup": lambda value: isinstance(value, dict),
    "consent_lookup": lambda value: isinstance(value, dict),
    "email": lambda value: isinstance(value, str) and EMAIL.fullmatch(value) is not None,
    "datetime": lambda value: read_time(value) is not None,
    "date": _is_date,
}
"""Zoho's data type → whether a value is of it; every other type is text."""
