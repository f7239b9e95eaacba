"""Which objects and fields our user can see: nothing else is ever named in a query.

Field-level security hides fields from `describe`, and a query that names one is refused whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crm_steward.sdk import AuthError, Clock, FieldType, SourceField
from crm_steward_salesforce.errors import SalesforceRejectedError
from crm_steward_salesforce.wire import Record, Wire

_KEPT = timedelta(hours=1)
_TYPES = {
    "email": FieldType.EMAIL,
    "phone": FieldType.PHONE,
    "url": FieldType.URL,
    "picklist": FieldType.CHOICE,
    "multipicklist": FieldType.CHOICE,
    "boolean": FieldType.FLAG,
    "date": FieldType.TIME,
    "datetime": FieldType.TIME,
}
"""Salesforce's field type → ours; others are shown as text."""


@dataclass(frozen=True, slots=True)
class Described:
    """One field as `describe` tells of it.

    Args:
        name: Its API name.
        label: Its name on screen.
        type: Salesforce's type.
        length: Characters a text may have; 0 where that means nothing.
        updateable: Whether our user may change it.
        options: The active values of a picklist.
        default: The picklist's default value, or empty.
        refers: The object a reference leads to, where there is but one.
        relationship: The name under which a query walks along it, or empty.
    """

    name: str
    label: str
    type: str
    length: int
    updateable: bool
    options: tuple[str, ...] = ()
    default: str = ""
    refers: str = ""
    relationship: str = ""

    def shown(self) -> SourceField:
        """Return it in our words."""
        return SourceField(
            name=self.name,
            label=self.label,
            type=_TYPES.get(self.type, FieldType.TEXT),
            writable=self.updateable,
            options=self.options,
        )


@dataclass(frozen=True, slots=True)
class Sobject:
    """One object as `describe` tells of it; without fields where our user cannot see it.

    Args:
        fields: By API name.
        rights: Which of `createable`, `updateable`, `deletable`, `mergeable` hold.
    """

    fields: Mapping[str, Described] = field(default_factory=dict)
    rights: frozenset[str] = frozenset()


_RIGHTS = ("createable", "updateable", "deletable", "mergeable", "queryable")


class Schema:
    """The objects of one org, described when first asked for and again after an hour.

    Args:
        wire: The org.
        clock: The time.
    """

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock
        self._known: dict[str, tuple[datetime, Sobject]] = {}

    def forget(self) -> None:
        """Ask again next time."""
        self._known.clear()

    def describe_again(self) -> None:
        """Ask what a contact is now: an administrator may have deleted a field."""
        self._known.pop("Contact", None)
        self.of("Contact")

    @property
    def contact(self) -> Sobject:
        """What a contact is.

        Raises:
            AuthError: Our user cannot see contacts at all.
        """
        found = self.of("Contact")
        if not found.fields:
            raise AuthError(
                f"{self._wire.connection}: our user cannot see contacts",
                hint="Grant Read on Contact to the user behind the connection.",
            )
        return found

    def of(self, name: str) -> Sobject:
        """Return an object; one that the org or our user does not have comes without fields."""
        held = self._known.get(name)
        if held is None or abs(self._clock() - held[0]) > _KEPT:
            held = self._known[name] = self._clock(), self._described(name)
        return held[1]

    def has(self, path: str) -> bool:
        """Whether `Field` of a contact, or `Relation.Field` of what it refers to, can be read."""
        return self.find(path) is not None

    def find(self, path: str) -> Described | None:
        """Return the field a path leads to, or None."""
        relation, _, name = path.rpartition(".")
        if not relation:
            return self.contact.fields.get(name)
        for item in self.contact.fields.values():
            if item.relationship == relation and item.refers:
                return self.of(item.refers).fields.get(name)
        return None

    def _described(self, name: str) -> Sobject:
        try:
            answer = self._wire.describe(name)
        except SalesforceRejectedError:
            return Sobject()
        listed = answer.get("fields")
        items = (
            [_field(item) for item in listed if isinstance(item, Mapping)]
            if isinstance(listed, list)
            else []
        )
        rights = frozenset(right for right in _RIGHTS if answer.get(right) is True)
        return Sobject({item.name: item for item in items if item.name}, rights)


def _field(item: Record) -> Described:
    name = _text(item.get("name"))
    refers = item.get("referenceTo")
    single = isinstance(refers, list) and len(refers) == 1
    options = [value for value in _list(item.get("picklistValues")) if isinstance(value, Mapping)]
    active = [value for value in options if value.get("active") is True]
    default = next((v for v in active if v.get("defaultValue") is True), {})
    length = item.get("length")
    return Described(
        name=name,
        label=_text(item.get("label")) or name,
        type=_text(item.get("type")),
        length=length if isinstance(length, int) else 0,
        updateable=item.get("updateable") is True,
        options=tuple(_text(value.get("value")) for value in active),
        default=_text(default.get("value")),
        refers=_text(refers[0]) if single and isinstance(refers, list) else "",
        relationship=_text(item.get("relationshipName")),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
