"""Mirrored: a contact out of a row of the mirror, whose values are made when they are looked at.

A plan looks at hundreds of thousands of contacts, and at a few values of each. Making all forty of
them, consents and times included, took a quarter of its time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import BigInteger, Text, type_coerce
from sqlalchemy.types import TypeEngine

from crm_steward.model import (
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Kind,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    SourceType,
    Stage,
)
from crm_steward.store.columns import from_micros
from crm_steward.store.rows import ADDRESS, PLAIN, TIMES
from crm_steward.store.tables import contacts

_MOMENTS = (*TIMES, "erased_at")
_PARTS = ("emails", "phones", "consents", "extra")
_READ = ("id", *PLAIN, *_MOMENTS, *ADDRESS, *_PARTS, "revision", "stage", "kind")
_READ = (*_READ, "source_type", "has_notes")
_AT = {name: place for place, name in enumerate(_READ)}
_AS_STORED: Mapping[str, TypeEngine[Any]] = {
    **dict.fromkeys(_MOMENTS, BigInteger()),
    **dict.fromkeys(_PARTS, Text()),
}
READ = tuple(
    type_coerce(contacts.c[name], _AS_STORED[name]) if name in _AS_STORED else contacts.c[name]
    for name in _READ
)
"""The columns that a contact is made of, the id first, as they are stored: microseconds and text."""

_STAGES = {one.value: one for one in Stage}
_KINDS = {one.value: one for one in Kind}
_SOURCES = {None: SourceType.UNKNOWN, "": SourceType.UNKNOWN} | {
    one.value: one for one in SourceType
}
_STATUSES = {one.value: one for one in AddressStatus}
_PHONES = {one.value: one for one in PhoneKind}
_CHANNELS = {one.value: one for one in Channel}
_CONSENTS = {one.label: one for one in ConsentStatus}


class MirroredContact(Contact):
    """A contact as the mirror holds it; it equals one that holds the same."""

    __slots__ = ("_row",)

    def __getattr__(self, name: str) -> Any:
        """Make a value that nobody looked at yet; Python asks only for those."""
        if name not in _MADE:
            raise AttributeError(name)
        value = _MADE[name](self._row)
        object.__setattr__(self, name, value)
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Contact):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _FIELDS)

    __hash__ = Contact.__hash__


_FIELDS = tuple(one.name for one in fields(Contact))


def contact_of(ref: RecordRef, row: Sequence[Any]) -> Contact:
    """Return the contact that the columns READ of a row hold.

    Args:
        ref: Which it is.
        row: The columns; they are kept as long as the contact is.
    """
    contact = _NEW(MirroredContact)
    _SET_REF(contact, ref)
    _SET_ROW(contact, row)
    return contact


# Not through `__init__`, which would want every value now; nor may a frozen class be assigned to.
_NEW = object.__new__
_SET_REF = Contact.__dict__["ref"].__set__
_SET_ROW = MirroredContact.__dict__["_row"].__set__


def _moment(place: int) -> Callable[[Sequence[Any]], datetime | None]:
    def read(row: Sequence[Any]) -> datetime | None:
        return None if row[place] is None else from_micros(row[place])

    return read


_EMAILS, _PHONES_AT, _CONSENTS_AT = (_AT[name] for name in ("emails", "phones", "consents"))
_DECODE = json.JSONDecoder().raw_decode
_MADE: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    **{name: itemgetter(_AT[name]) for name in ("revision", *PLAIN)},
    **{name: _moment(_AT[name]) for name in _MOMENTS},
    "address": lambda row: PostalAddress(*[row[_AT[name]] for name in ADDRESS]),
    "emails": lambda row: tuple([Email(a, _STATUSES[s]) for a, s in _load(row[_EMAILS])]),
    "phones": lambda row: tuple(
        [Phone(a, _PHONES[k], _STATUSES[s]) for a, k, s in _load(row[_PHONES_AT])]
    ),
    "consents": lambda row: tuple(map(_consent_from_json, _load(row[_CONSENTS_AT]))),
    "extra": lambda row: _DECODE(row[_AT["extra"]])[0],
    "stage": lambda row: _STAGES[row[_AT["stage"]]],
    "kind": lambda row: _KINDS[row[_AT["kind"]]],
    "source_type": lambda row: _SOURCES[row[_AT["source_type"]]],
    "has_notes": lambda row: bool(row[_AT["has_notes"]]),
}
"""Value → what makes it of the columns."""


def _load(text: str) -> Any:
    return () if text == "[]" else _DECODE(text)[0]


def _consent_from_json(values: dict[str, Any]) -> Consent:
    for name in ("given_at", "withdrawn_at"):
        if name in values:
            values[name] = datetime.fromisoformat(values[name])
    values["channel"] = _CHANNELS[values["channel"]]
    values["status"] = _CONSENTS[values["status"]]
    return Consent(**values)
