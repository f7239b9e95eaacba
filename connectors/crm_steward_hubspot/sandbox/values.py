"""Property values: everything is text; what HubSpot accepts, and how it reads times."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from crm_steward.sandbox import Refusal, Response
from crm_steward_hubspot.sandbox.answers import invalid
from crm_steward_hubspot.sandbox.schema import OPTOUT, OWNER_IDS, Property

_EMAIL = re.compile(r"[^@\s<>(),;:\"\[\]\\]+@[^@\s<>(),;:\"\[\]\\.]+(\.[^@\s<>(),;:\"\[\]\\.]+)+")
_DAY_MS = 86_400_000


def iso(milliseconds: int) -> str:
    """Write epoch milliseconds as HubSpot does: `2026-02-25T16:23:49.023Z`."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def milliseconds(moment: datetime) -> int:
    """Return epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def read_time(text: str) -> int | None:
    """Read epoch milliseconds or ISO 8601 as epoch milliseconds; None for anything else."""
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def read_number(text: str) -> float | None:
    """Read a number without thousands separators; None for anything else."""
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def checked(properties: Any, definitions: Mapping[str, Property]) -> dict[str, str]:
    """Return the values as HubSpot would store them; `""` stays, and clears.

    Raises:
        Refusal: 400 with the body HubSpot documents, listing every invalid property.
    """
    if not isinstance(properties, dict):
        invalid("Invalid input JSON: properties must be an object")
    stored: dict[str, str] = {}
    problems: list[tuple[str, str, str]] = []
    for name, value in properties.items():
        if not isinstance(value, str):
            _undocumented(name, value)
        problem = _problem(name, value, definitions.get(name))
        if problem:
            problems.append((name, *problem))
        else:
            stored[name] = _stored(value, definitions[name])
    if problems:
        refuse_values(problems)
    return stored


def refuse_values(problems: list[tuple[str, str, str]]) -> NoReturn:
    """End the handling with 400 for `(property, code, message)`.

    Raises:
        Refusal: Always.
    """
    embedded = [
        {"isValid": False, "message": message, "error": code, "name": name}
        for name, code, message in problems
    ]
    invalid(
        f"Property values were not valid: {json.dumps(embedded, ensure_ascii=False)}",
        errors=[
            {"message": message, "code": code, "context": {"propertyName": [name]}}
            for name, code, message in problems
        ],
    )


def _undocumented(name: str, value: Any) -> NoReturn:
    text = (
        f"The hubspot sandbox does not know property '{name}' with a value of type "
        f'{type(value).__name__}: HubSpot documents text only, and "" to clear.'
    )
    raise Refusal(
        Response(501, {"status": "error", "message": text, "category": "SANDBOX_UNKNOWN"})
    )


def _problem(name: str, value: str, definition: Property | None) -> tuple[str, str] | None:
    if definition is None:
        return "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'
    if not definition.writable:
        return "READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.'
    if value == "":
        return None
    if name == "email":
        if _EMAIL.fullmatch(value):
            return None
        return "INVALID_EMAIL", f"Email address {value} is invalid"
    return _wrong_type(name, value, definition)


def _wrong_type(name: str, value: str, definition: Property) -> tuple[str, str] | None:
    kind = definition.type
    if kind in {"enumeration", "bool"}:
        return _wrong_option(name, value, definition)
    if kind == "number" and read_number(value) is None:
        return "INVALID_INTEGER", f"{value} was not a valid number."
    moment = read_time(value) if kind in {"date", "datetime"} else 0
    if moment is None or (kind == "date" and moment % _DAY_MS != 0):
        return "INVALID_DATE", f"{value} was not a valid {kind}."
    return None


def _wrong_option(name: str, value: str, definition: Property) -> tuple[str, str] | None:
    allowed = OWNER_IDS if name == "hubspot_owner_id" else frozenset(definition.options)
    chosen = value.split(";") if definition.field_type == "checkbox" else [value]
    if all(choice in allowed for choice in chosen):
        return None
    return "INVALID_OPTION", f"{value} was not one of the allowed options: {sorted(allowed)}"


def _stored(value: str, definition: Property) -> str:
    if value and definition.type == "datetime":
        return iso(read_time(value) or 0)
    if value and definition.type == "date":
        return iso(read_time(value) or 0)[:10]
    return value.lower() if definition.name == "email" else value


def mirror_optouts(properties: dict[str, str], preference: Mapping[str, Any] | None) -> None:
    """Consent hangs on the address, so the flags follow the address a record now has."""
    for name in [name for name in properties if name.startswith(OPTOUT)]:
        del properties[name]
    if not preference:
        return
    if preference["optout"] is not None:
        properties[OPTOUT] = "true"
    for key, said in preference["subscriptions"].items():
        if said["status"] == "NOT_SUBSCRIBED":
            properties[f"{OPTOUT}_{key}"] = "true"


def listed(row: Mapping[str, Any], name: str) -> list[str]:
    """Return the items of a `;`-joined property."""
    return [item for item in row["properties"].get(name, "").split(";") if item]
