"""What Acme's fields mean to us, in one table, and how a record becomes a contact."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_steward.sdk import (
    FIELDS,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Gone,
    Kept,
    Kind,
    Phone,
    PhoneKind,
    Poison,
    PostalAddress,
    RecordRef,
    Revision,
    Stage,
    Value,
)
from crm_steward_acme import AcmeSettings

SOURCES = {
    "first_name": "given_name",
    "last_name": "family_name",
    "email": "email",
    "phone": "phone",
    "mobile": "mobile",
    "company": "company",
    "job_title": "position",
    "street": "street",
    "postcode": "zip",
    "city": "town",
    "country": "country",
    "website": "website",
    "owner": "owner_id",
    "stage": "status",
    "source": "origin",
    "created_at": "created_at",
    "updated_at": "changed_at",
    "last_person_act": "last_reply_at",
    "last_activity": "last_activity_at",
}
"""Canonical field → Acme's field."""

STAGES = {"lead": Stage.PROSPECT, "client": Stage.CUSTOMER, "lost": Stage.FORMER}
MAILING = {
    "yes": ConsentStatus.GRANTED,
    "no": ConsentStatus.WITHDRAWN,
    "unasked": ConsentStatus.NONE,
}
"""`mailing` → what it allows; anything else is unknown, never a yes."""
_ADDRESS = ("street", "postcode", "city", "region", "country")


class UnreadableError(ValueError):
    """A field holds what it cannot hold; the text names the field, not the value."""


class ContactMap:
    """Reads Acme's records as contacts, and our fields as Acme's.

    Args:
        connection: The connection's name.
        settings: Its settings, which may say where this account keeps what.
    """

    def __init__(self, connection: str, settings: AcmeSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._sources = {**SOURCES, **settings.fields}
        self._stages = {**STAGES, **settings.stages}
        self._kept = Kept.of(settings.fields, settings.source_types)

    def source_of(self, field: str) -> str | None:
        """Return the field of Acme that a change of `field` writes, or None if there is none."""
        if field.startswith("extra."):
            return self._settings.extra.get(field.removeprefix("extra."))
        return self._sources.get(field) if field in FIELDS and FIELDS[field].writable else None

    def gone(self, row: Any) -> Gone | None:
        """Read a line of the list of deleted contacts; None where it is none."""
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            return None
        survivor = row.get("merged_into")
        ref = RecordRef(self._connection, row["id"])
        return Gone(ref, RecordRef(self._connection, survivor) if survivor else None)

    def contact(self, record: Any) -> Contact | Poison:
        """Read one record; what cannot be read is set aside, and says why without its values."""
        record_id = record.get("id") if isinstance(record, dict) else None
        if not isinstance(record_id, str) or not record_id.isdecimal():
            return Poison("?", "the record has no usable id")
        try:
            return self._read(record_id, record)
        except UnreadableError as error:
            return Poison(record_id, str(error))

    def _read(self, record_id: str, record: Mapping[str, Any]) -> Contact:
        held = {field: _text(record, source) for field, source in self._sources.items()}
        email, phone, mobile = held.get("email"), held.get("phone"), held.get("mobile")
        phones = [Phone(phone)] if phone else []
        return Contact(
            ref=RecordRef(self._connection, record_id),
            revision=Revision(_text(record, "version") or ""),
            first_name=held.get("first_name"),
            last_name=held.get("last_name"),
            full_name=held.get("full_name"),
            emails=(Email(email),) if email else (),
            phones=(*phones, Phone(mobile, PhoneKind.MOBILE)) if mobile else tuple(phones),
            company=held.get("company"),
            job_title=held.get("job_title"),
            address=PostalAddress(**{part: held.get(part) for part in _ADDRESS}),
            language=held.get("language"),
            website=held.get("website"),
            owner=held.get("owner"),
            stage=self._stages.get(held["stage"] or "", Stage.UNKNOWN),
            kind=self._settings.kinds.get(held.get("kind") or "", Kind.UNKNOWN),
            source=held.get("source"),
            created_at=_time(held["created_at"]),
            updated_at=_time(held["updated_at"]),
            last_person_act=_time(held["last_person_act"]),
            last_activity=_time(held["last_activity"]),
            **self._kept.read(held.get, lambda field: _time(held.get(field))),
            consents=(self._consent(record, email or ""),),
            url=f"https://app.acme.example/contacts/{record_id}",
            extra={name: _text(record, own) for name, own in self._settings.extra.items()},
        )

    def _consent(self, record: Mapping[str, Any], address: str) -> Consent:
        proof: dict[str, Any] = {
            part: _text(record, source) or "" for part, source in self._settings.consent.items()
        }
        if "given_at" in proof:
            proof["given_at"] = _time(proof["given_at"])
        status = MAILING.get(_text(record, "mailing") or "", ConsentStatus.UNKNOWN)
        return Consent(channel=Channel.EMAIL, status=status, address=address, **proof)


def text_of(value: Value) -> str | None:
    """Return a value as Acme keeps it: all its fields are text, and an empty one is null."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value in {None, ""} else str(value)


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str | int | float):
        raise UnreadableError(f"the field '{name}' holds no text")
    return text_of(value)


def _time(text: str | None) -> datetime | None:
    try:
        read = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return read if read and read.tzinfo else None
