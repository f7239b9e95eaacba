"""What HubSpot's properties mean to us, both ways, in one table.

Sources: HubSpot's default contact properties
(knowledge.hubspot.com/properties/hubspots-default-contact-properties); what counts as an act of
the person follows the CNIL's référentiel gestion commerciale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from crm_steward.sdk import (
    MAPPABLE,
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
    SourceField,
    Stage,
)
from crm_steward_hubspot import HubSpotSettings, consents
from crm_steward_hubspot.documents import held_by
from crm_steward_hubspot.values import latest, read_text, read_time

WRITABLE = {
    "first_name": "firstname",
    "last_name": "lastname",
    "email": "email",
    "phone": "phone",
    "mobile": "mobilephone",
    "company": "company",
    "job_title": "jobtitle",
    "street": "address",
    "postcode": "zip",
    "city": "city",
    "region": "state",
    "country": "country",
    "language": "hs_language",
    "website": "website",
}
"""Canonical field → property, read and written."""

READ_ONLY = {
    "owner": "hubspot_owner_id",
    "stage": "lifecyclestage",
    "source": "hs_analytics_source",
    "created_at": "createdate",
    "updated_at": "lastmodifieddate",
    "last_mailed_at": "hs_email_last_send_date",
}
"""Canonical field → property, only read."""

PERSON_ACTS = (
    "hs_sales_email_last_replied",
    "hs_email_last_reply_date",
    "recent_conversion_date",
    "hs_latest_meeting_activity",
    "recent_deal_close_date",
)
"""The person replied, sent a form, met us, or bought (the date of the last deal closed as won).

Opens and clicks are not here: mail scanners make them. Nor are `notes_last_updated` and
`lastmodifieddate`, which move on our own tasks and edits.
"""

ACTIVITY = (
    *PERSON_ACTS,
    "notes_last_contacted",
    "hs_last_sales_activity_timestamp",
    "hs_email_last_click_date",
    "hs_email_last_open_date",
    "hs_analytics_last_visit_timestamp",
)
"""Anything anyone did, our own edits and tasks excepted."""

_OTHER = ("hs_additional_emails", "hs_merged_object_ids", "num_notes")

STANDARD = (*WRITABLE.values(), *READ_ONLY.values(), *ACTIVITY, *consents.PROPERTIES, *_OTHER)
"""Every property a contact is read with, before the account's own."""

STAGES = {
    "subscriber": Stage.PROSPECT,
    "lead": Stage.PROSPECT,
    "marketingqualifiedlead": Stage.PROSPECT,
    "salesqualifiedlead": Stage.PROSPECT,
    "opportunity": Stage.PROSPECT,
    "customer": Stage.CUSTOMER,
    "evangelist": Stage.CUSTOMER,
}
"""`lifecyclestage` → stage; `other` and an account's own stages are unknown, unless mapped."""

_DIGITS = re.compile(r"[0-9]{1,20}")
_LINK = re.compile(r"https://app[a-z0-9-]*\.hubspot\.com/[!-~]{1,500}")
_LONGEST = 100_000
"""Characters; HubSpot's own text properties end at 65,536."""


class ContactMap:
    """Reads HubSpot's records as contacts, and our fields as HubSpot's properties.

    Args:
        connection: The connection's name.
        settings: Its settings, which say where this account keeps what.
    """

    def __init__(self, connection: str, settings: HubSpotSettings) -> None:
        self._connection = connection
        self._extra = dict(settings.extra)
        self._proof = {str(part): name for part, name in settings.consent.items()}
        self._own = dict(settings.fields)
        self._where = {**WRITABLE, **READ_ONLY, **self._own}
        self._stages = {**STAGES, **settings.stages}
        self._kinds = dict(settings.kinds)
        self._kept = Kept.of(self._where, settings.source_types)
        self._purposes: dict[str, str] = {}
        self.properties = self._asked_for()
        """Every property a contact is read with."""
        self.link = ""
        """Address of a contact's page without its id, once the account is known."""

    def learn(self, fields: Mapping[str, SourceField]) -> None:
        """Take note of the account's schema: each kind of e-mail has an opt-out of its own."""
        self._purposes = {
            name: consents.purpose_of(name, field.label)
            for name, field in fields.items()
            if consents.subscription_of(name)
        }
        self.properties = self._asked_for()

    def _asked_for(self) -> tuple[str, ...]:
        own = (*self._own.values(), *self._extra.values(), *self._proof.values(), *self._purposes)
        return tuple(dict.fromkeys((*STANDARD, *own)))

    def property_of(self, field: str) -> str | None:
        """Return the property a change of `field` writes, or None when there is none."""
        if field.startswith("extra."):
            return self._extra.get(field.removeprefix("extra."))
        return self._where.get(field) if field in WRITABLE else None

    def ref(self, record_id: str) -> RecordRef:
        """Return the ref of a record of this account."""
        return RecordRef(self._connection, record_id)

    def contact(self, record: Any) -> Contact | Poison:
        """Read one record; whatever a value holds, it is text, a time, or nothing."""
        record_id = record.get("id") if isinstance(record, dict) else None
        if not isinstance(record_id, str) or not _DIGITS.fullmatch(record_id):
            return Poison("?", "the record has no usable id")
        held = record.get("properties")
        if not isinstance(held, dict):
            return Poison(record_id, "the record has no properties")
        for name, value in held.items():
            if isinstance(value, str) and len(value) > _LONGEST:
                return Poison(record_id, f"property '{name[:100]}' has {len(value)} characters")
        return self._read(record, record_id, held)

    def _read(self, record: Mapping[str, Any], record_id: str, held: Mapping[str, Any]) -> Contact:
        where = self._where

        def text(field: str) -> str | None:
            return read_text(held.get(where[field])) if field in where else None

        primary = read_text(held.get("email")) or ""
        return Contact(
            ref=RecordRef(self._connection, record_id),
            revision=Revision(
                read_text(held.get("lastmodifieddate") or record.get("updatedAt")) or ""
            ),
            first_name=text("first_name"),
            last_name=text("last_name"),
            full_name=text("full_name"),
            emails=_emails(held, text("email")),
            phones=_phones(text("phone"), text("mobile")),
            company=text("company"),
            job_title=text("job_title"),
            address=PostalAddress(
                street=text("street"),
                postcode=text("postcode"),
                city=text("city"),
                region=text("region"),
                country=text("country"),
            ),
            language=text("language"),
            website=text("website"),
            owner=text("owner"),
            stage=self._stages.get(text("stage") or "", Stage.UNKNOWN),
            kind=self._kinds.get(text("kind") or "", Kind.UNKNOWN),
            source=text("source"),
            created_at=read_time(text("created_at")) or read_time(record.get("createdAt")),
            updated_at=read_time(text("updated_at")) or read_time(record.get("updatedAt")),
            last_person_act=self._latest(held, "last_person_act", PERSON_ACTS),
            last_activity=self._latest(held, "last_activity", ACTIVITY),
            **self._kept.read(text, lambda field: read_time(text(field))),
            consents=consents.read_consents(held, primary, self._proof, self._purposes),
            has_notes=(read_text(held.get("num_notes")) or "0") not in {"0", "0.0"},
            url=self._url(record.get("url"), record_id),
            extra={name: read_text(held.get(own)) for name, own in self._extra.items()},
        )

    def absorbed(self, record: Any) -> list[Gone]:
        """Return the records that were merged into `record`, which tells of them for ever."""
        merged = read_text(held_by(record).get("hs_merged_object_ids"))
        if not merged:
            return []
        survivor = self.ref(record["id"])
        old = (part.strip() for part in merged.split(";"))
        return [
            Gone(self.ref(record_id), survivor)
            for record_id in old
            if _DIGITS.fullmatch(record_id) and record_id != survivor.id
        ]

    def _latest(self, held: Mapping[str, Any], field: str, usual: tuple[str, ...]) -> Any:
        own = self._own.get(field)
        return read_time(held.get(own)) if own else latest(held, usual)

    def _url(self, given: Any, record_id: str) -> str | None:
        if isinstance(given, str) and _LINK.fullmatch(given):
            return given
        return f"{self.link}{record_id}" if self.link else None


def page_address(account: Mapping[str, Any]) -> str:
    """Return where contacts are shown on screen, for `ContactMap.link`; empty when unknown."""
    portal, domain = account.get("portalId"), account.get("uiDomain") or "app.hubspot.com"
    address = f"https://{domain}/contacts/{portal}/record/0-1/"
    return address if portal and _LINK.fullmatch(address) else ""


def field_table() -> str:
    """Return the README's table of fields, in Markdown."""
    rows = [("Rules say", "HubSpot", "written"), ("---", "---", "---")]
    rows += [(f"`{field}`", _source(field), _written(field)) for field in MAPPABLE]
    rows += [
        ("consent by e-mail", _listed(consents.PROPERTIES), "no; opt-outs by unsubscribing"),
        (
            "consent by e-mail and purpose",
            f"`{consents.OPTOUT}_<subscription id>`, as many as the account has",
            "no",
        ),
        ("`extra.<name>`", "as mapped by `extra`", "yes, unless HubSpot calls it read-only"),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


_SOURCES: Mapping[str, Callable[[], str]] = {
    "email": lambda: "`email`, then `hs_additional_emails`",
    "kind": lambda: "nothing, unless mapped by `fields` and `kinds`",
    "stage": lambda: (
        f"`lifecyclestage`: {_stages()}; others are unknown, unless mapped by `stages`"
    ),
    "last_person_act": lambda: f"the latest of {_listed(PERSON_ACTS)}",
    "last_activity": lambda: f"the latest of these and {_listed(ACTIVITY[len(PERSON_ACTS) :])}",
}


def _source(field: str) -> str:
    if field in _SOURCES:
        return _SOURCES[field]()
    usual = (WRITABLE | READ_ONLY).get(field)
    return f"`{usual}`" if usual else "nothing, unless mapped by `fields`"


def _written(field: str) -> str:
    if field == "email":
        return "the primary one"
    return "yes" if field in WRITABLE else "no"


def _stages() -> str:
    named = [
        f"{_listed(tuple(own for own, ours in STAGES.items() if ours is stage))} are *{stage.value}*"
        for stage in dict.fromkeys(STAGES.values())
    ]
    return "; ".join(named)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _emails(held: Mapping[str, Any], first: str | None) -> tuple[Email, ...]:
    """Return the primary address first; `hs_additional_emails` are those of merged records."""
    found = []
    if first:
        usual = first == held.get("email")
        found.append(Email(first, consents.address_status(held)) if usual else Email(first))
    more = read_text(held.get("hs_additional_emails")) or ""
    found += [Email(part) for item in more.split(";") if (part := item.strip())]
    return tuple(found)


def _phones(work: str | None, mobile: str | None) -> tuple[Phone, ...]:
    found = [Phone(work)] if work else []
    return tuple([*found, Phone(mobile, PhoneKind.MOBILE)] if mobile else found)
