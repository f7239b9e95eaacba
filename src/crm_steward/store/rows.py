"""A contact as a row of the mirror: the one place where values are made comparable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from crm_steward import normalize as n
from crm_steward.model import (
    KEPT,
    Channel,
    Consent,
    Contact,
    FieldType,
    RecordRejectedError,
    binding_consent,
)
from crm_steward.store.columns import to_micros

_RULES_OF_NORMALIZE = "5"
"""Raised when what is made of a contact changes, so that stored rows are made again."""

_LONGEST = 10_000
"""Characters one value may have; no field of a contact needs more, save free text."""

_LONGEST_TEXT = 70_000
"""Characters that free text may have (`notes`, a custom field): CRMs hold up to 65,536."""

LONGEST_NAME = 500
"""Characters a record's id may have: PostgreSQL indexes keys of at most 2,700 bytes."""

PLAIN = [
    "first_name",
    "last_name",
    "full_name",
    "company",
    "job_title",
    "language",
    "website",
    "owner",
    "source",
    "url",
    "legal_hold",
    "purchases",
    "notes",
]
TIMES = [
    "created_at",
    "updated_at",
    "last_person_act",
    "last_activity",
    *(name for name, field in KEPT.items() if field.type is FieldType.TIME),
]
MOMENTS = (*TIMES, "consent_email_given_at", "consent_phone_given_at", "erased_at")
"""Columns of what a contact holds that are handed over in microseconds."""
ADDRESS = ["street", "postcode", "city", "region", "country"]


def content_of(contact: Contact) -> tuple[dict[str, Any], str]:
    """Return what the CRM holds as columns of the mirror (times in microseconds), and its hash.

    Raises:
        RecordRejectedError: A value cannot be stored (NUL, broken Unicode, absurd length, a time
            without a zone).
    """
    _check_name("id", contact.ref.id)
    _check_name("revision", contact.revision)
    columns: dict[str, Any] = {name: getattr(contact, name) for name in PLAIN}
    for name in TIMES:
        columns[name] = _micros(name, getattr(contact, name))
    for name in ADDRESS:
        columns[name] = getattr(contact.address, name)
    for name in ("email", "phone", "mobile"):
        columns[name] = contact.value(name)
    columns["stage"] = contact.stage.value
    columns["kind"] = contact.kind.value
    columns["source_type"] = contact.source_type.value
    columns["has_notes"] = contact.value("has_notes")
    columns["emails"] = _dump([[e.address, e.status.value] for e in contact.emails])
    columns["phones"] = _dump([[p.number, p.kind.value, p.status.value] for p in contact.phones])
    for name in ("given_at", "withdrawn_at"):
        times = (getattr(consent, name) for consent in contact.consents)
        if any(moment and moment.tzinfo is None for moment in times):
            raise RecordRejectedError(f"a consent's {name} has no time zone")
    columns["consents"] = _dump([_consent_to_json(consent) for consent in contact.consents])
    columns["extra"] = _dump_extra(contact)
    canonical = json.dumps([_RULES_OF_NORMALIZE, *columns.values()], ensure_ascii=False)
    return columns, blake2b(_storable(contact, canonical, columns), digest_size=16).hexdigest()


def row_of(
    contact: Contact, columns: Mapping[str, Any], content: str, *, country: str | None
) -> dict[str, Any]:
    """Return the whole row: what the CRM holds and the comparable values made of it.

    Args:
        contact: The contact.
        columns: What `content_of` returned for it.
        content: Its hash.
        country: ISO code to assume where the contact has none.
    """
    code = n.country_code(contact.address.country)
    region = code or country
    email, phone, mobile = columns["email"], columns["phone"], columns["mobile"]
    first, last = contact.first_name, contact.last_name
    return {
        **columns,
        "connection": contact.ref.connection,
        "id": contact.ref.id,
        "revision": contact.revision,
        "content": content,
        **_consent_columns(contact),
        **_key_columns(contact, region),
        "country_code": code,
        "email_key": n.email_key(email),
        "email_domain": n.email_domain(email),
        "email_status": contact.value("email_status"),
        "email_clean": n.clean_email(email),
        "email_problem": n.email_problem(email),
        "phone_key": n.phone_e164(phone, region),
        "mobile_key": n.phone_e164(mobile, region),
        "phone_problem": n.phone_problem(phone, region),
        "mobile_problem": n.phone_problem(mobile, region),
        "first_name_cased": n.cased_name(first),
        "last_name_cased": n.cased_name(last),
        "first_name_key": n.name_key(first),
        "last_name_key": n.name_key(last),
        "name_key": n.person_key(first, last) or n.person_key(contact.full_name, None),
        "company_key": n.company_key(contact.company),
        "street_key": n.place_key(contact.address.street),
        "postcode_key": n.postcode_key(contact.address.postcode),
        "city_key": n.place_key(contact.address.city),
        "email_typo": n.email_typo(email),
        **_clean_columns(contact, code),
        "absences": 0,
        "gone_at": None,
        "erased_at": _micros("erased_at", contact.erased_at),
        "survivor": None,
    }


def _consent_columns(contact: Contact) -> dict[str, Any]:
    binding = {c: binding_consent(contact.consents, c) for c in Channel}
    columns: dict[str, Any] = {
        f"consent_{channel}": consent.status.label if consent else None
        for channel, consent in binding.items()
    }
    for channel in (Channel.EMAIL, Channel.PHONE):
        consent = binding[channel]
        given = consent.given_at if consent else None
        columns[f"consent_{channel}_given_at"] = to_micros(given) if given else None
        for part in ("basis", "how"):
            columns[f"consent_{channel}_{part}"] = contact.value(f"consent_{channel}_{part}")
        # A consent that the CRM keeps on the record speaks of the record's own address.
        own = contact.emails if channel is Channel.EMAIL else contact.phones
        lacking = [
            part
            for part in (consent.missing_proof if consent else ())
            if part != "address" or not own
        ]
        columns[f"consent_{channel}_missing_proof"] = ",".join(lacking) if consent else None
    return columns


def _clean_columns(contact: Contact, code: str | None) -> dict[str, Any]:
    """Return what fields should read, each None where it does, and why some cannot be put right."""
    address = contact.address
    return {
        "company_clean": n.single_spaced(contact.company),
        "street_clean": n.single_spaced(address.street),
        "city_clean": n.single_spaced(address.city),
        "postcode_clean": n.clean_postcode(address.postcode, code),
        "postcode_problem": n.postcode_problem(address.postcode, code),
        "country_clean": n.clean_country(address.country),
        "website_clean": n.clean_website(contact.website),
        "website_problem": n.website_problem(contact.website),
        "language_code": n.language_code(contact.language),
    }


def _key_columns(contact: Contact, region: str | None) -> dict[str, Any]:
    """Return the key of each address, and for each consent the keys it speaks of.

    An address that cannot be compared has an empty key, so that places in both lists are the same.
    A consent that names no address, or one that cannot be compared, speaks of the record's own.
    """
    emails = [n.email_key(one.address) or "" for one in contact.emails]
    phones = [n.phone_e164(one.number, region) or "" for one in contact.phones]
    mail, numbers = _distinct(emails), _distinct(phones)
    own = {Channel.EMAIL: mail, Channel.SMS: numbers, Channel.PHONE: numbers, Channel.POST: []}

    def spoken_of(consent: Consent) -> list[str]:
        if not consent.address or consent.channel is Channel.POST:
            return own[consent.channel]
        if consent.channel is Channel.EMAIL:
            key = n.email_key(consent.address)
        else:
            key = n.phone_e164(consent.address, region)
        return [key] if key else own[consent.channel]

    keys = [spoken_of(consent) for consent in contact.consents]
    return {
        "email_keys": _dump(emails),
        "phone_keys": _dump(phones),
        "consent_keys": _dump(keys),
    }


def _distinct(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key for key in keys if key))


def _consent_to_json(consent: Consent) -> dict[str, Any]:
    content = {
        "channel": consent.channel.value,
        "status": consent.status.label,
        "address": consent.address,
        "purpose": consent.purpose,
        "basis": consent.basis,
        # In UTC, as whatever reads them in SQL takes no notice of a zone.
        "given_at": consent.given_at and consent.given_at.astimezone(UTC).isoformat(),
        "how": consent.how,
        "text_version": consent.text_version,
        "source": consent.source,
        "evidence": consent.evidence,
        "withdrawn_at": consent.withdrawn_at and consent.withdrawn_at.astimezone(UTC).isoformat(),
    }
    return {name: value for name, value in content.items() if value}


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _dump_extra(contact: Contact) -> str:
    try:
        return json.dumps(dict(contact.extra), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecordRejectedError("extra holds no plain value") from error


def _micros(name: str, moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise RecordRejectedError(f"{name} has no time zone")
    return to_micros(moment)


def _check_name(name: str, value: str) -> None:
    """Refuse what a database does not take as a key; content is checked as a whole later."""
    if "\0" in value:
        raise RecordRejectedError(f"{name} holds a NUL character")
    if len(value) > LONGEST_NAME:
        raise RecordRejectedError(f"{name} is {len(value)} characters long")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise RecordRejectedError(f"{name} holds broken Unicode")


def _storable(contact: Contact, canonical: str, columns: Mapping[str, Any]) -> bytes:
    """Encode, or say which field cannot be stored and why, without its value."""
    if "\\u0000" in canonical or len(canonical) > _LONGEST:
        for name, value in columns.items():
            if isinstance(value, str) and ("\0" in value or "\\u0000" in value):
                raise RecordRejectedError(f"{name} holds a NUL character")
        _check_lengths({**columns, "extra": None}, _LONGEST)
        _check_lengths({f"extra.{name}": value for name, value in contact.extra.items()})
    try:
        return canonical.encode()
    except UnicodeEncodeError as error:
        raise RecordRejectedError("a field holds broken Unicode") from error


def _check_lengths(values: Mapping[str, Any], longest: int = _LONGEST_TEXT) -> None:
    for name, value in values.items():
        limit = _LONGEST_TEXT if name == "notes" else longest
        if isinstance(value, str) and len(value) > limit:
            raise RecordRejectedError(f"{name} is {len(value)} characters long")
