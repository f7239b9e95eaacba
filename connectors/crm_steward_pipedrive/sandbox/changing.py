"""What a PATCH of a person may hold: strict types, whole lists, and consent that moves once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sandbox import Refusal
from crm_steward_pipedrive.sandbox import answers, schema
from crm_steward_pipedrive.sandbox.account import PipedriveAccount, Row
from crm_steward_pipedrive.sandbox.values import is_day, is_number, is_whole, read_iso

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_VISIBLE = frozenset({1, 3, 5, 7})
_ENTRY_KEYS = frozenset({"value", "primary", "label"})


def changed(crm: PipedriveAccount, row: Row, content: Mapping[str, Any]) -> Row:
    """Return the person as it would be after a PATCH.

    Raises:
        Refusal: 400 for a value of the wrong type, 403 for a field of Contact Sync without it.
    """
    after = dict(row)
    for name, value in content.items():
        if name in schema.CONTACT_SYNC:
            after["sync"] = {**after["sync"], name: _synced(crm, name, value)}
        elif name == "custom_fields":
            after["custom"] = _custom(crm, after["custom"], value)
        elif name == "name":
            after = _named(crm, after, value)
        elif name != "marketing_status":
            after[name] = _CHECKS[name](crm, name, value)
    if "marketing_status" in content:
        after = _marketing(crm, after, content["marketing_status"])
    return after


def _named(crm: PipedriveAccount, row: Row, value: Any) -> Row:
    if not isinstance(value, str) or not value.strip():
        answers.invalid("'name' must be a non-empty string")
    return crm.named(row, value)


def _owner(_crm: PipedriveAccount, name: str, value: Any) -> int:
    if not is_whole(value) or value not in schema.USER_IDS:
        answers.invalid(f"'{name}' must be the id of a user")
    return int(value)


def _organization(crm: PipedriveAccount, name: str, value: Any) -> int | None:
    if value is None:
        return None
    if not is_whole(value) or str(value) not in crm.tables["organizations"]:
        answers.invalid(f"'{name}' must be the id of an organization")
    return int(value)


def _time(_crm: PipedriveAccount, name: str, value: Any) -> int:
    moment = read_iso(value)
    if moment is None:
        answers.invalid(f"'{name}' must be a time like 2025-01-01T10:20:00Z")
    return moment


def _visible(_crm: PipedriveAccount, name: str, value: Any) -> int:
    if not is_whole(value) or value not in _VISIBLE:
        answers.invalid(f"'{name}' must be one of 1, 3, 5, 7")
    return int(value)


def _labels(_crm: PipedriveAccount, name: str, value: Any) -> list[int]:
    known = {number for number, _ in schema.LABELS}
    if not isinstance(value, list) or not all(is_whole(item) and item in known for item in value):
        answers.invalid(f"'{name}' must be a list of label ids")
    return list(value)


def _entries(crm: PipedriveAccount, name: str, value: Any) -> list[dict[str, Any]]:
    """Return a list of addresses or numbers; it replaces the one that was there."""
    if not isinstance(value, list):
        answers.invalid(f"'{name}' must be a list")
    entries = [_entry(crm, name, item) for item in value]
    entries = [entry for entry in entries if entry["value"]]
    if sum(entry["primary"] for entry in entries) > 1:
        raise Refusal(crm.unknown(f"{name} with more than one primary"))
    if entries and not any(entry["primary"] for entry in entries):
        entries[0] = {**entries[0], "primary": True}
    return entries


def _entry(crm: PipedriveAccount, name: str, item: Any) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("value"), str):
        answers.invalid(f"'{name}' must be a list of objects with a 'value'")
    if set(item) - _ENTRY_KEYS:
        raise Refusal(crm.unknown(f"{name} with {', '.join(sorted(set(item) - _ENTRY_KEYS))}"))
    if not isinstance(item.get("primary", False), bool):
        answers.invalid(f"'{name}.primary' must be a boolean")
    entry = {"value": item["value"], "primary": item.get("primary", False)}
    label = item.get("label")
    return {**entry, "label": label} if label is not None else entry


_CHECKS: Mapping[str, Callable[[PipedriveAccount, str, Any], Any]] = {
    "owner_id": _owner,
    "org_id": _organization,
    "add_time": _time,
    "update_time": _time,
    "visible_to": _visible,
    "label_ids": _labels,
    "emails": _entries,
    "phones": _entries,
}


def _synced(crm: PipedriveAccount, name: str, value: Any) -> Any:
    if not crm.contact_sync:
        answers.refuse(403, f"'{name}' is only available with contact sync")
    if value is None:
        return [] if name == "im" else None
    if name == "postal_address":
        return _address(crm, value)
    if name == "im":
        raise Refusal(crm.unknown("writing im"))
    if not isinstance(value, str) or (name == "birthday" and not is_day(value)):
        answers.invalid(f"'{name}' must be a string")
    return value


def _address(crm: PipedriveAccount, value: Any) -> dict[str, Any]:
    """Return an address: only `value` is required, a part that is left out becomes null."""
    if not isinstance(value, dict) or not isinstance(value.get("value"), str):
        answers.invalid("'postal_address.value' must be a string")
    strange = sorted(set(value) - set(schema.ADDRESS_PARTS))
    if strange:
        raise Refusal(crm.unknown(f"postal_address with {', '.join(strange)}"))
    if not all(part is None or isinstance(part, str) for part in value.values()):
        answers.invalid("'postal_address' must be an object of strings")
    return {part: value.get(part) for part in schema.ADDRESS_PARTS}


def _custom(crm: PipedriveAccount, held: Mapping[str, Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        answers.invalid("'custom_fields' must be an object")
    after = dict(held)
    for code, item in value.items():
        field = crm.tables["fields"].get(code)
        if field is None or not field["is_custom_field"]:
            answers.invalid(f"'custom_fields.{code}' does not exist")
        if item is None:
            after.pop(code, None)
            continue
        if not _fits(crm, field, item):
            answers.invalid(f"'custom_fields.{code}' has an invalid value")
        after[code] = item
    return after


def _fits(crm: PipedriveAccount, field: Mapping[str, Any], value: Any) -> bool:
    check = _KINDS.get(field["field_type"])
    if check is None:
        raise Refusal(crm.unknown(f"writing a custom field of type {field['field_type']}"))
    return check(value, {option["id"] for option in field["options"] or ()})


def _is_text(value: Any, _: set[int]) -> bool:
    return isinstance(value, str)


def _is_money(value: Any, _: set[int]) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"value", "currency"}
        and is_number(value["value"])
        and isinstance(value["currency"], str)
    )


_KINDS: Mapping[str, Callable[[Any, set[int]], bool]] = {
    "varchar": _is_text,
    "text": _is_text,
    "varchar_auto": _is_text,
    "phone": _is_text,
    "double": lambda value, _: is_number(value),
    "int": lambda value, _: is_whole(value),
    "date": lambda value, _: is_day(value),
    "enum": lambda value, options: is_whole(value) and value in options,
    "set": lambda value, options: (
        isinstance(value, list)
        and value != []
        and all(is_whole(item) and item in options for item in value)
    ),
    "monetary": _is_money,
}
"""Type of a custom field → whether a value fits it; an empty list is no value of a set."""


def first_status(crm: PipedriveAccount, row: Row, value: Any) -> str:
    """Return the consent that a new person has: none without a valid address.

    Raises:
        Refusal: 400 without Campaigns, or for a value that is none.
    """
    if not crm.campaigns:
        answers.invalid("'marketing_status' is not allowed")
    if value not in schema.STATUSES:
        answers.invalid("'marketing_status' has an invalid value")
    valid = any(_EMAIL.fullmatch(entry["value"]) for entry in row["emails"])
    return str(value) if valid else "no_consent"


def _marketing(crm: PipedriveAccount, row: Row, value: Any) -> Row:
    """Change the consent, once; a change that is forbidden is ignored without a word."""
    if not crm.campaigns:
        answers.invalid("'marketing_status' is not allowed")
    if value not in schema.STATUSES:
        answers.invalid("'marketing_status' has an invalid value")
    old = row["marketing_status"]
    valid = any(_EMAIL.fullmatch(entry["value"]) for entry in row["emails"])
    forbidden = old == "unsubscribed" or (value == "archived" and old != "subscribed")
    if old == value or row["marketing_changed"] or forbidden or not valid:
        return row
    return {**row, "marketing_status": value, "marketing_changed": True}
