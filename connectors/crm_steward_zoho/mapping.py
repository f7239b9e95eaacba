"""What Zoho's contact fields mean to us, both ways, in one table.

Source: the standard fields of Zoho CRM's Contacts module
(zoho.com/crm/developer/docs/api/v8/field-meta.html lists an organisation's own).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crm_steward.sdk import (
    FIELDS,
    KEPT,
    MAPPABLE,
    Contact,
    Email,
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
from crm_steward_zoho import ZohoSettings
from crm_steward_zoho.consents import STANDARD as CONSENT_FIELDS
from crm_steward_zoho.consents import consents_of
from crm_steward_zoho.values import (
    BadValueError,
    link_of,
    moment,
    plain_of,
    text_of,
    time_of,
)

FIELD_NAMES = {
    "first_name": "First_Name",
    "last_name": "Last_Name",
    "full_name": "Full_Name",
    "email": "Email",
    "phone": "Phone",
    "mobile": "Mobile",
    "company": "Account_Name",
    "job_title": "Title",
    "street": "Mailing_Street",
    "postcode": "Mailing_Zip",
    "city": "Mailing_City",
    "region": "Mailing_State",
    "country": "Mailing_Country",
    "owner": "Owner",
    "source": "Lead_Source",
    "created_at": "Created_Time",
    "updated_at": "Modified_Time",
    "last_activity": "Last_Activity_Time",
}
"""Canonical field → Zoho's standard field."""

UNMAPPED = ("language", "website", "stage", "kind", "last_person_act", *KEPT)
"""Canonical fields that Zoho has no standard field for; `fields` in the settings names one."""

MORE_EMAILS = ("Secondary_Email",)
MORE_PHONES = {"Home_Phone": PhoneKind.HOME, "Other_Phone": PhoneKind.OTHER}
MODIFIED = "Modified_Time"
_LINKED = frozenset({"company", "owner"})
_ID = re.compile(r"[0-9]{1,20}")


class ContactMap:
    """Reads Zoho's records as contacts, and our fields as Zoho's.

    Args:
        connection: The connection's name.
        settings: Its settings, which may move any field.
    """

    def __init__(self, connection: str, settings: ZohoSettings) -> None:
        self._connection = connection
        self._settings = settings
        self._names = {**FIELD_NAMES, **settings.fields}
        self._kept = Kept.of(settings.fields, settings.source_types)
        self.link = ""
        """Address of a contact's page without its id, once the organisation is known."""

    @property
    def configured(self) -> dict[str, str]:
        """Full name of each setting that names a field → the field's API name."""
        where = f"connections.{self._connection}"
        parts: dict[str, Mapping[Any, str]] = {
            "fields": self._settings.fields,
            "extra": self._settings.extra,
            "consent": self._settings.consent,
        }
        return {
            f"{where}.{part}.{name}": field
            for part, names in parts.items()
            for name, field in names.items()
        }

    @property
    def standard(self) -> tuple[str, ...]:
        """The standard fields a contact is read with; an organisation may hide some."""
        names = (*self._names.values(), *MORE_EMAILS, *MORE_PHONES, *CONSENT_FIELDS)
        return tuple(dict.fromkeys(names))

    def columns(self, exist: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the fields to ask for, of those that exist."""
        wanted = dict.fromkeys((*self.standard, *self.configured.values()))
        return tuple(name for name in wanted if name in exist)

    def ref(self, record_id: str) -> RecordRef:
        """Return the ref of a record of this connection."""
        return RecordRef(self._connection, record_id)

    def name_of(self, field: str, held: Mapping[str, Any]) -> str | None:
        """Return the field a change of `field` writes, or None when there is none.

        An address or number goes where the one stands that rules saw: a contact without `Phone`
        shows its home phone.

        Args:
            field: Canonical, or `extra.<name>`.
            held: The record as it is.
        """
        if field.startswith("extra."):
            return self._settings.extra.get(field.removeprefix("extra."))
        if field not in self._names or not FIELDS[field].writable:
            return None
        name = self._names[field]
        others = {"email": MORE_EMAILS, "phone": tuple(MORE_PHONES)}.get(field, ())
        if held.get(name):
            return name
        return next((other for other in others if held.get(other)), name)

    def contact(self, record: Any) -> Contact | Poison:
        """Read one record; one of a form that Zoho does not document is set aside."""
        record_id = record.get("id") if isinstance(record, Mapping) else None
        if not isinstance(record_id, str) or not _ID.fullmatch(record_id):
            return Poison("?", "the record has no usable id")
        try:
            return self._contact(record_id, record)
        except BadValueError as error:
            return Poison(record_id, str(error))

    def _contact(self, record_id: str, held: Mapping[str, Any]) -> Contact:
        emails = self._emails(held)
        return Contact(
            ref=self.ref(record_id),
            revision=Revision(text_of(held, MODIFIED) or ""),
            first_name=self._text(held, "first_name"),
            last_name=self._text(held, "last_name"),
            full_name=self._text(held, "full_name"),
            emails=emails,
            phones=self._phones(held),
            company=self._text(held, "company"),
            job_title=self._text(held, "job_title"),
            address=PostalAddress(
                street=self._text(held, "street"),
                postcode=self._text(held, "postcode"),
                city=self._text(held, "city"),
                region=self._text(held, "region"),
                country=self._text(held, "country"),
            ),
            language=self._text(held, "language"),
            website=self._text(held, "website"),
            owner=self._owner(held),
            stage=self._settings.stages.get(self._text(held, "stage") or "", Stage.UNKNOWN),
            kind=self._settings.kinds.get(self._text(held, "kind") or "", Kind.UNKNOWN),
            source=self._text(held, "source"),
            created_at=self._time(held, "created_at"),
            updated_at=self._time(held, "updated_at"),
            last_person_act=self._time(held, "last_person_act"),
            last_activity=self._time(held, "last_activity"),
            **self._kept.read(
                lambda field: self._text(held, field), lambda field: self._time(held, field)
            ),
            consents=consents_of(held, emails, self._proof(held)),
            url=f"{self.link}{record_id}" if self.link else None,
            extra={name: plain_of(held, own) for name, own in self._settings.extra.items()},
        )

    def _text(self, held: Mapping[str, Any], field: str) -> str | None:
        name = self._names.get(field)
        return text_of(held, name) if name else None

    def _time(self, held: Mapping[str, Any], field: str) -> Any:
        name = self._names.get(field)
        return time_of(held, name) if name else None

    def _owner(self, held: Mapping[str, Any]) -> str | None:
        name = self._names["owner"]
        return (
            text_of(held, name) if name in self._settings.fields.values() else link_of(held, name)
        )

    def _emails(self, held: Mapping[str, Any]) -> tuple[Email, ...]:
        found = (text_of(held, name) for name in (self._names["email"], *MORE_EMAILS))
        return tuple(Email(address) for address in dict.fromkeys(found) if address)

    def _phones(self, held: Mapping[str, Any]) -> tuple[Phone, ...]:
        kinds = {
            self._names["phone"]: PhoneKind.WORK,
            self._names["mobile"]: PhoneKind.MOBILE,
            **MORE_PHONES,
        }
        numbers = ((text_of(held, name), kind) for name, kind in kinds.items())
        return tuple(Phone(number, kind) for number, kind in numbers if number)

    def _proof(self, held: Mapping[str, Any]) -> dict[str, Any]:
        parts: dict[str, Any] = {
            part: text_of(held, name) for part, name in self._settings.consent.items()
        }
        if parts.get("given_at"):
            parts["given_at"] = moment(parts["given_at"])
        return parts


def same(field: str, one: Value, other: Value) -> bool:
    """Whether Zoho would hold both as the same value of `field`."""
    left, right = _text(one), _text(other)
    if left == right or (field == "email" and left.casefold() == right.casefold()):
        return True
    times = moment(left), moment(right)
    return None not in times and times[0] == times[1]


def field_table() -> str:
    """Return the table of fields for the README, in Markdown."""
    lines = ["| Rules say | Zoho | written |", "|---|---|---|"]
    notes = {
        "email": "`Email`, then `Secondary_Email`",
        "phone": "`Phone`, then `Home_Phone`, `Other_Phone`",
        "company": "the name of `Account_Name`, a linked record",
    }
    for field in MAPPABLE:
        written = FIELDS[field].writable and field not in _LINKED
        if field in UNMAPPED:
            yes = "as mapped" if FIELDS[field].writable else "no"
            lines.append(f"| `{field}` | nothing, unless `fields` names one | {yes} |")
        else:
            where = notes.get(field, f"`{FIELD_NAMES[field]}`")
            lines.append(f"| `{field}` | {where} | {'yes' if written else 'no'} |")
    consent = ", ".join(f"`{name}`" for name in CONSENT_FIELDS)
    lines += [
        f"| consent | {consent} | the opt-out, restricting only |",
        "| `extra.<name>` | as mapped | yes, unless Zoho calls it read-only |",
    ]
    return "\n".join(lines)


def _text(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()
