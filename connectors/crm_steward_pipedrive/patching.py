"""Field updates as the body of one PATCH: whole lists, one name, typed custom fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sdk import PhoneKind, RecordRejectedError, Value
from crm_steward_pipedrive.schema import PersonField
from crm_steward_pipedrive.values import ADDRESS, entries_of, kind_of, street_of

_NAMES = ("first_name", "last_name")
_LISTS = {"email": "emails", "phone": "phones", "mobile": "phones"}
_PLACES = ("street", *ADDRESS)


def body_of(
    values: Mapping[str, Value],
    record: Mapping[str, Any],
    source_of: Callable[[str], PersonField | None],
) -> dict[str, Any]:
    """Return what a PATCH has to send so that a person holds `values`.

    Args:
        values: Canonical field → value; None clears.
        record: The person as it is now: lists, the name and the address are sent whole.
        source_of: The field that settings name for a canonical one, or None.

    Raises:
        RecordRejectedError: Pipedrive has no such field, or does not take the value.
    """
    body: dict[str, Any] = {}
    own: dict[str, Value] = {}
    for name, value in values.items():
        source = source_of(name)
        if source is None:
            own[name] = value
        elif source.custom:
            body.setdefault("custom_fields", {})[source.code] = source.written(value)
        else:
            body[source.code] = source.written(value)
    unknown = sorted(set(own) - {*_NAMES, *_LISTS, *_PLACES, "job_title"})
    if unknown:
        raise RecordRejectedError(f"Pipedrive has no writable '{unknown[0]}'")
    _add_name(body, own, record)
    _add_lists(body, own, record)
    _add_synced(body, own, record)
    return body


def joined(first: Value, last: Value) -> str:
    """Return the one name that Pipedrive takes for both."""
    parts = (str(part).strip() for part in (first, last) if part)
    return " ".join(part for part in parts if part)


def plain(first: Value, last: Value) -> bool:
    """Whether every way of parting the joined name gives these two parts."""
    return len(joined(first, None).split()) == 1 and len(joined(None, last).split()) <= 1


def _add_name(body: dict[str, Any], own: Mapping[str, Value], record: Mapping[str, Any]) -> None:
    if own.keys().isdisjoint(_NAMES):
        return
    name = joined(*(own.get(part, record.get(part)) for part in _NAMES))
    if not name:
        raise RecordRejectedError("Pipedrive wants every contact to have a name")
    body["name"] = name


def _add_lists(body: dict[str, Any], own: Mapping[str, Value], record: Mapping[str, Any]) -> None:
    for name, part in _LISTS.items():
        if name in own:
            held = body.get(part, sendable(entries_of(record.get(part))))
            body[part] = _replaced(held, name, own[name])


def sendable(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries with what a PATCH may hold of them: value, primary, label."""
    keys = ("value", "primary", "label")
    return [{key: entry[key] for key in keys if entry.get(key) is not None} for entry in entries]


def _replaced(held: list[dict[str, Any]], name: str, value: Value) -> list[dict[str, Any]]:
    """Return the list with one entry replaced, added or removed; the others stay as they are."""
    at = next((number for number, entry in enumerate(held) if _is(name, entry)), None)
    text = "" if value is None else str(value)
    entries = [dict(entry) for entry in held]
    if not text:
        if at is not None:
            del entries[at]
    elif at is None:
        entries.append({"value": text, "label": "mobile" if name == "mobile" else "work"})
    else:
        entries[at]["value"] = text
        kept = entries[at]
        entries = [entry for entry in entries if entry is kept or not _twin(entry, kept, name)]
    return with_primary(entries)


def _is(name: str, entry: Mapping[str, Any]) -> bool:
    """Whether an entry is one that `name` speaks of: the first such one is what contacts show."""
    if name == "email":
        return True
    return (kind_of(entry) is PhoneKind.MOBILE) is (name == "mobile")


def _twin(entry: Mapping[str, Any], kept: Mapping[str, Any], name: str) -> bool:
    return bool(entry["value"] == kept["value"]) and _is(name, entry)


def with_primary(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the list with exactly one primary entry, the first if there was none."""
    first = next((n for n, entry in enumerate(entries) if entry.get("primary") is True), 0)
    return [{**entry, "primary": number == first} for number, entry in enumerate(entries)]


def _add_synced(body: dict[str, Any], own: Mapping[str, Value], record: Mapping[str, Any]) -> None:
    """Add what only Contact Sync has; without it writing would be refused."""
    if "job_title" in own:
        _require(record, "job_title")
        body["job_title"] = _or_none(own["job_title"])
    if not own.keys().isdisjoint(_PLACES):
        _require(record, "postal_address")
        body["postal_address"] = _address(own, record.get("postal_address"))


def _require(record: Mapping[str, Any], name: str) -> None:
    if name not in record:
        raise RecordRejectedError(
            f"Pipedrive has '{name}' only with Contact Sync, which this company has not set up"
        )


def _address(own: Mapping[str, Value], held: Any) -> dict[str, Any] | None:
    """Return the whole address; parts that are not sent would become empty."""
    address = dict(held) if isinstance(held, dict) else {}
    keys = ("street_number", "route", "sublocality", "admin_area_level_2", *ADDRESS.values())
    parts: dict[str, Any] = {key: address.get(key) for key in keys}
    if "street" in own:
        parts |= {"street_number": None, "route": _or_none(own["street"])}
    elif not any(parts.values()):
        parts["route"] = _or_none(address.get("value"))  # its one line stood for the street
    parts |= {theirs: _or_none(own[ours]) for ours, theirs in ADDRESS.items() if ours in own}
    street = street_of(parts["street_number"], parts["route"], str(address.get("value") or ""))
    places = {"street": street, **{ours: parts[theirs] for ours, theirs in ADDRESS.items()}}
    town = " ".join(str(places[key]) for key in ("postcode", "city") if places[key])
    shown = (places["street"], town, places["region"], places["country"])
    line = ", ".join(str(part) for part in shown if part)
    return {"value": line, **parts} if line else None


def _or_none(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
