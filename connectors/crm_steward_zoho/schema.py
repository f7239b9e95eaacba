"""The contact fields of one organisation, as its fields API tells, and what each of them takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from crm_steward.sdk import ConfigError, FieldType, Problem, SourceField, Value

_TYPES = {
    "email": FieldType.EMAIL,
    "phone": FieldType.PHONE,
    "website": FieldType.URL,
    "picklist": FieldType.CHOICE,
    "multiselectpicklist": FieldType.CHOICE,
    "boolean": FieldType.FLAG,
    "date": FieldType.TIME,
    "datetime": FieldType.TIME,
}
"""Zoho's data type → ours; others are shown as text."""

_TEXTS = frozenset({"text", "email", "phone", "website", "picklist", "textarea"})
_WHOLE = frozenset({"integer", "bigint"})
_NUMBERS = frozenset({"double", "currency", "percent", "decimal"})
SCOPE = "ZohoCRM.settings.fields.READ"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the Contacts module.

    Args:
        name: API name.
        label: As people see it.
        type: Zoho's data type.
        writable: Whether the API takes a value.
        options: Values of a picklist.
    """

    name: str
    label: str
    type: str
    writable: bool
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, item: Any) -> Field | None:
        """Read one entry of the fields API, or return None when it is none."""
        name = item.get("api_name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not name:
            return None
        picked = item.get("pick_list_values")
        listed = picked if isinstance(picked, list) else ()
        values = (v.get("actual_value") for v in listed if isinstance(v, Mapping))
        return cls(
            name=name,
            label=str(item.get("field_label") or name),
            type=str(item.get("data_type") or "text"),
            writable=not (item.get("read_only") or item.get("field_read_only")),
            options=tuple(value for value in values if isinstance(value, str)),
        )

    def source(self) -> SourceField:
        """Return it as `check` shows it."""
        return SourceField(
            name=self.name,
            label=self.label,
            type=_TYPES.get(self.type, FieldType.TEXT),
            writable=self.writable and self.takes_values,
            options=self.options,
        )

    @property
    def takes_values(self) -> bool:
        """Whether one plain value can be written: not a linked record, not a table."""
        return self.type in _TEXTS | _WHOLE | _NUMBERS | {"boolean", "date", "datetime"}

    def typed(self, value: Value) -> Any:
        """Return a value as Zoho takes it; its types are strict.

        Raises:
            ValueError: It cannot be one of this type.
        """
        if value is None or value == "":
            return None
        if self.type == "boolean":
            return _truth(value)
        if self.type in _WHOLE:
            return int(str(value))
        if self.type in _NUMBERS:
            return _number(value)
        if self.type in {"date", "datetime"}:
            return _moment(str(value), day=self.type == "date")
        return str(value).lower() if isinstance(value, bool) else str(value)


class Schema:
    """The contact fields that exist.

    Args:
        fields: By API name.
    """

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.fields = dict(fields)

    @classmethod
    def parse(cls, items: Sequence[Any]) -> Schema:
        """Read what the fields API brings."""
        found = (Field.parse(item) for item in items)
        return cls({field.name: field for field in found if field})

    def missing(self, wanted: Mapping[str, str]) -> list[Problem]:
        """Return a problem for each setting that names a field which does not exist.

        Args:
            wanted: Full name of the setting → API name.
        """
        problems = []
        for setting, name in wanted.items():
            if name not in self.fields:
                close = get_close_matches(name, self.fields, n=1)
                guess = f" (did you mean '{close[0]}'?)" if close else ""
                text = f"{setting}: Zoho has no contact field '{name}'{guess}"
                problems.append(Problem(text, hint="Write the API name, as Setup > APIs shows it."))
        return problems

    def require(self, wanted: Mapping[str, str]) -> None:
        """Refuse to go on without fields that the settings name.

        Raises:
            ConfigError: Some do not exist; read as empty, they would be findings on every contact.
        """
        problems = self.missing(wanted)
        if problems:
            raise ConfigError(problems)


def _truth(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in {"true", "false"}:
        return str(value).lower() == "true"
    raise ValueError("not true or false")


def _number(value: Value) -> float:
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _moment(text: str, *, day: bool) -> str:
    """Return a date, or a time with an offset; Zoho knows no fractions of a second."""
    moment = datetime.fromisoformat(text)
    if day:
        return moment.date().isoformat()
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return aware.isoformat(timespec="seconds")
