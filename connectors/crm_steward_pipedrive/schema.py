"""The person fields of an account: found by the name on screen or by code, read and written by type.

A custom field is kept under 40 hexadecimal digits that differ from account to account; two fields
may have the same name on screen. Options are kept as numbers and shown by their labels.
Source: pipedrive.readme.io/docs/core-api-concepts-custom-fields and the description of version 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

from crm_steward.sdk import FieldType, Problem, RecordRejectedError, SourceField, Value

_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_MONEY = re.compile(r"(-?[0-9]{1,18}(?:\.[0-9]{1,18})?) ([A-Z]{3})")
_CODE = re.compile(r"[0-9a-f]{40}")

STANDARD_WRITABLE = frozenset(
    {"name", "emails", "phones", "owner_id", "org_id", "visible_to", "label_ids", "job_title"}
    | {"postal_address", "notes", "birthday"}
)
"""Standard fields that a PATCH takes; `marketing_status` too, but only to withdraw consent."""

_TYPES = {
    "phone": FieldType.PHONE,
    "enum": FieldType.CHOICE,
    "set": FieldType.CHOICE,
    "date": FieldType.TIME,
    "time": FieldType.TIME,
    "boolean": FieldType.FLAG,
}
"""Pipedrive's type → ours; others are shown as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonField:
    """One field of persons.

    Args:
        code: What the API calls it.
        name: What people call it.
        type: Pipedrive's type.
        custom: Whether the account made it.
        options: Option id → label, of fields that have options.
    """

    code: str
    name: str
    type: str
    custom: bool
    options: Mapping[int | str, str]

    @classmethod
    def of(cls, item: Any) -> PersonField | None:
        """Read a field's definition; None when it is none."""
        code = item.get("field_code") if isinstance(item, dict) else None
        if not isinstance(code, str) or not code:
            return None
        options = item.get("options")
        return cls(
            code=code,
            name=str(item.get("field_name") or code),
            type=str(item.get("field_type") or "varchar"),
            custom=item.get("is_custom_field") is True,
            options={
                option["id"]: str(option.get("label"))
                for option in (options if isinstance(options, list) else [])
                if isinstance(option, dict) and isinstance(option.get("id"), int | str)
            },
        )

    @property
    def writable(self) -> bool:
        """Whether we can write it."""
        if self.custom:
            return self.type in _WRITERS
        return self.code in STANDARD_WRITABLE and self.type in _WRITERS

    def held(self, record: Mapping[str, Any]) -> Any:
        """Return what a person holds in it, as the API shows it."""
        if not self.custom:
            return record.get(self.code)
        customs = record.get("custom_fields")
        return customs.get(self.code) if isinstance(customs, dict) else None

    def read(self, record: Mapping[str, Any]) -> Value:
        """Return what a person holds in it, with labels for options; None when it is empty."""
        return self._shown(self.held(record))

    def labels(self, record: Mapping[str, Any]) -> list[str]:
        """Return the labels of the options a person holds."""
        held = self.held(record)
        chosen = held if isinstance(held, list) else [held]
        return [self._label(item) for item in chosen if isinstance(item, int | str)]

    def written(self, value: Value) -> Any:
        """Return `value` as the API takes it; None clears.

        Raises:
            RecordRejectedError: The field does not take it, or is not writable.
        """
        writer = _WRITERS.get(self.type)
        if writer is None or not self.writable:
            raise RecordRejectedError(f"Pipedrive's field '{self.name}' cannot be written")
        if value is None:
            return None
        found = writer(self, value)
        if found is None:
            kind = "one of its options" if self.options else f"a value of type {self.type}"
            raise RecordRejectedError(f"Pipedrive's field '{self.name}' takes {kind}")
        return found

    def same(self, one: Value, other: Value) -> bool:
        """Whether both are the same value of this field."""
        try:
            return bool(self.written(one) == self.written(other))
        except RecordRejectedError:
            return one == other

    def described(self) -> SourceField:
        """Return it as `check` shows it."""
        return SourceField(
            name=self.code,
            label=self.name,
            type=FieldType.EMAIL
            if self.code == "emails"
            else _TYPES.get(self.type, FieldType.TEXT),
            writable=self.writable or self.code in STANDARD_WRITABLE,
            options=tuple(self.options.values()),
        )

    def _label(self, item: int | str) -> str:
        return self.options.get(item, str(item))

    def _shown(self, held: Any) -> Value:
        if isinstance(held, bool):
            return held
        if isinstance(held, int | str) and self.options:
            return self._label(held) or None
        if isinstance(held, int | float | str):
            return held if held != "" else None
        if isinstance(held, list):
            return ", ".join(self._label(i) for i in held if isinstance(i, int | str)) or None
        return _object_text(held) if isinstance(held, dict) else None


def _object_text(held: Mapping[str, Any]) -> str | None:
    """Show money as `12.5 EUR`, a range as `from/until`, an address as its one line."""
    value = held.get("value")
    if not isinstance(value, int | float | str) or value == "":
        return None
    if isinstance(held.get("currency"), str):
        return f"{value} {held['currency']}"
    if isinstance(held.get("until"), str):
        return f"{value}/{held['until']}"
    return str(value)


def _as_text(_: PersonField, value: Value) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_number(_: PersonField, value: Value) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not _NUMBER.fullmatch(value.strip() if value else ""):
        return None
    number = float(str(value))
    return int(number) if number.is_integer() and "." not in str(value) else number


def _as_whole(field: PersonField, value: Value) -> Any:
    number = _as_number(field, value)
    return number if isinstance(number, int) else None


def _as_day(_: PersonField, value: Value) -> Any:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        return None


def _as_option(field: PersonField, value: Value) -> Any:
    return _option(field, str(value))


def _as_options(field: PersonField, value: Value) -> Any:
    """Read labels parted by commas; a label that holds a comma is found as a whole."""
    whole = _option(field, str(value))
    if whole is not None:
        return [whole]
    chosen = [_option(field, part) for part in str(value).split(",") if part.strip()]
    found = [item for item in chosen if item is not None]
    return sorted(found, key=str) if found and len(found) == len(chosen) else None


def _option(field: PersonField, text: str) -> int | str | None:
    wanted = text.strip().casefold()
    by_label = (key for key, label in field.options.items() if label.casefold() == wanted)
    return next(by_label, None)


def _as_money(_: PersonField, value: Value) -> Any:
    found = _MONEY.fullmatch(str(value))
    return {"value": float(found[1]), "currency": found[2]} if found else None


def _as_address(_: PersonField, value: Value) -> Any:
    return {"value": str(value)}


_WRITERS: Mapping[str, Callable[[PersonField, Value], Any]] = {
    "varchar": _as_text,
    "varchar_auto": _as_text,
    "text": _as_text,
    "phone": _as_text,
    "double": _as_number,
    "int": _as_whole,
    "date": _as_day,
    "enum": _as_option,
    "set": _as_options,
    "monetary": _as_money,
    "address": _as_address,
}
"""Type → how a value of it is sent; types that are not here are only read."""


class Schema:
    """All person fields of an account.

    Args:
        fields: They.
    """

    def __init__(self, fields: Iterable[PersonField]) -> None:
        self.fields = {field.code: field for field in fields}

    def find(self, name: str, where: str) -> PersonField | Problem:
        """Return the field of this code or name on screen, or what is wrong with the name.

        Args:
            name: As the settings have it.
            where: The setting, for the message.
        """
        if name in self.fields:
            return self.fields[name]
        named = [field for field in self.fields.values() if field.name == name]
        if not named:
            folded = name.casefold()
            named = [field for field in self.fields.values() if field.name.casefold() == folded]
        if len(named) == 1:
            return named[0]
        if named:
            codes = ", ".join(field.code for field in named)
            return Problem(
                f"Pipedrive has {len(named)} person fields named '{name}'.",
                hint=f"Write the code of the one you mean into {where}: {codes}.",
            )
        known = [] if _CODE.fullmatch(name) else [field.name for field in self.fields.values()]
        close = get_close_matches(name, known, n=1)
        guess = f" (did you mean '{close[0]}'?)" if close else ""
        return Problem(f"Pipedrive has no person field '{name}'{guess}.", hint=f"Correct {where}.")
