"""From fields to SQL over the DuckDB table `contacts`: our own identifiers, every value bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from crm_steward.model import FIELDS, FieldType

EXTRA = "extra."
ADDRESSED = {"email": "email", "sms": "mobile", "phone": "phone", "post": "street"}
"""Channel → the field that must be filled for the channel to reach anybody."""

# Spaces that people and imports leave behind: tab, line feed, carriage return, no-break space.
_SPACES = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"


@dataclass(slots=True)
class Statement:
    """Collects the values of one statement while its SQL is put together.

    Args:
        now: The moment durations are counted from; days begin at midnight of its time zone.
        values: Name of the parameter → value.
    """

    now: datetime
    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """Return a placeholder for `value`."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def midnight(self, day: date) -> datetime:
        """Return when `day` begins; at the ends of the calendar, where zones do not reach, in UTC."""
        inner = date.min.year < day.year < date.max.year
        return datetime.combine(day, time(), tzinfo=self.now.tzinfo if inner else UTC)

    def bind_time(self, moment: datetime) -> str:
        """Return a placeholder for a time, in the mirror's naive UTC."""
        return self.bind(moment.astimezone(UTC).replace(tzinfo=None))


def held(name: str, statement: Statement) -> str:
    """Return SQL for what the field `name` holds, as it stands in the CRM; a custom one as text.

    Where the CRM does not join names, the full name is first and last name, so that asking for it
    means the same everywhere.
    """
    if name == "full_name":
        return "coalesce(full_name, nullif(concat_ws(' ', first_name, last_name), ''))"
    if name.startswith(EXTRA):
        pointer = name.removeprefix(EXTRA).replace("~", "~0").replace("/", "~1")
        return f"json_extract_string(extra, {statement.bind('/' + pointer)})"
    return f'"{FIELDS[name].name}"'


def filled(name: str, statement: Statement) -> str:
    """Return SQL that is true when the field holds something.

    Spaces are nothing; `unknown` is nothing for a choice.
    """
    expression = held(name, statement)
    match type_of(name):
        case FieldType.TIME | FieldType.FLAG | FieldType.NUMBER:
            return f"({expression} IS NOT NULL)"
        case FieldType.CHOICE:
            return f"coalesce({expression} <> 'unknown', false)"
        case _:
            # What begins with a sign of ASCII holds something; trimming is slow and seldom needed.
            plain = f"{expression} BETWEEN '!' AND '~'"
            rest = f"coalesce({trimmed(expression)} <> '', false)"
            return f"(CASE WHEN {plain} THEN true ELSE {rest} END)"


def trimmed(expression: str) -> str:
    """Return SQL for `expression` without the spaces around it."""
    return f"trim({expression}, {_SPACES})"


def comparable(expression: str) -> str:
    """Return SQL for text compared without regard to case and the spaces around it.

    Nor to how its accents are written: as one sign or, as some systems do, as two.
    """
    return f"lower(nfc_normalize({trimmed(expression)}))"


_KEYS = {
    "email": "email_key",
    "phone": "phone_key",
    "mobile": "mobile_key",
    "country": "country_code",
    "first_name": "first_name_key",
    "last_name": "last_name_key",
    "company": "company_key",
}
"""Field → the comparable value that the mirror keeps of it."""
_KEY_OR_NOTHING = frozenset({"email", "phone", "mobile"})
"""Fields that say nothing where they have no key: no address, no number."""


def compared(name: str, statement: Statement) -> str:
    """Return SQL for what the field holds as it compares with other contacts', or NULL for nothing.

    E-mails, phones, names, companies and countries by their keys, days of dates, other text
    without regard to case, accents written in two ways, and the spaces around it.
    """
    if name in _KEY_OR_NOTHING:
        return _KEYS[name]
    expression = held(name, statement)
    kind = type_of(name)
    if kind is FieldType.TIME:
        return f"strftime({expression}, '%Y-%m-%d')"
    text = f"nullif({comparable(f'{expression}::VARCHAR')}, '')"
    if kind is FieldType.CHOICE:
        return f"nullif({text}, 'unknown')"
    return f"coalesce({_KEYS[name]}, {text})" if name in _KEYS else text


def type_of(name: str) -> FieldType | None:
    """Return what the field holds; None for a custom field, whose type is not known."""
    return None if name.startswith(EXTRA) else FIELDS[name].type


def iso(expression: str) -> str:
    """Return SQL for a time of the mirror as ISO 8601 text in UTC, to the second."""
    return f"strftime({expression}, '%Y-%m-%dT%H:%M:%S+00:00')"


def json_object(parts: Mapping[str, str], statement: Statement) -> str:
    """Return SQL for a JSON object as text: name → SQL of its value."""
    pairs = ", ".join(f"{statement.bind(name)}, {sql}" for name, sql in parts.items())
    return f"CAST(json_object({pairs}) AS VARCHAR)"
