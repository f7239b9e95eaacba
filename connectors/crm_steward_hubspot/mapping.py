"""What HubSpot's properties mean to us, both ways, in one table.

Sources: HubSpot's default contact properties
(knowledge.hubspot.com/properties/hubspots-default-contact-properties); what counts as an act of
the person follows the CNIL's référentiel gestion commerciale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_steward.sdk import (
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Gone,
    Phone,
    PhoneKind,
    Poison,
    PostalAddress,
    RecordRef,
    Revision,
    Stage,
    Value,
)
from crm_steward_hubspot import ProofPart

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

_OTHER = (
    "hs_additional_emails",
    "hs_legal_basis",
    "hs_email_optout",
    "hs_email_hard_bounce_reason_enum",
    "hs_merged_object_ids",
    "num_notes",
)

STANDARD = (*WRITABLE.values(), *READ_ONLY.values(), *ACTIVITY, *_OTHER)
"""Every property a contact is read with, before `extra`."""

STAGES = {
    "subscriber": Stage.PROSPECT,
    "lead": Stage.PROSPECT,
    "marketingqualifiedlead": Stage.PROSPECT,
    "salesqualifiedlead": Stage.PROSPECT,
    "opportunity": Stage.PROSPECT,
    "customer": Stage.CUSTOMER,
    "evangelist": Stage.CUSTOMER,
}
"""`lifecyclestage` → stage; `other` and an account's own stages are unknown."""

LEGAL_BASES = {
    "freely given consent from contact": ConsentStatus.GRANTED,
    "legitimate interest - existing customer": ConsentStatus.SOFT_OPT_IN,
    "legitimate interest - prospect/lead": ConsentStatus.IMPLIED,
    "legitimate interest - other": ConsentStatus.IMPLIED,
    "performance of a contract": ConsentStatus.NONE,
    "not applicable": ConsentStatus.NONE,
}
"""`hs_legal_basis`, dashes made equal → what it allows by e-mail marketing.

Performing a contract is a ground for messages about that contract, not for marketing.
"""

_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_DIGITS = re.compile(r"[0-9]{1,20}")
_LINK = re.compile(r"https://app[a-z0-9-]*\.hubspot\.com/[!-~]{1,500}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TIME = 40
_MILLISECONDS = re.compile(r"-?[0-9]{1,14}")


class ContactMap:
    """Reads HubSpot's records as contacts, and our fields as HubSpot's properties.

    Args:
        connection: The connection's name.
        extra: Name that rules use → property.
        consent: Part of a consent's proof → property that holds it in this account.
    """

    def __init__(
        self,
        connection: str,
        extra: Mapping[str, str] | None = None,
        consent: Mapping[ProofPart, str] | None = None,
    ) -> None:
        self._connection = connection
        self._extra = dict(extra or {})
        self._proof = dict(consent or {})
        own = (*self._extra.values(), *self._proof.values())
        self.properties = tuple(dict.fromkeys((*STANDARD, *own)))
        self.link = ""
        """Address of a contact's page without its id, once the account is known."""

    def property_of(self, field: str) -> str | None:
        """Return the property a change of `field` writes, or None when there is none."""
        if field.startswith("extra."):
            return self._extra.get(field.removeprefix("extra."))
        return WRITABLE.get(field)

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
        emails = _emails(held)
        return Contact(
            ref=RecordRef(self._connection, record_id),
            revision=Revision(_text(held.get("lastmodifieddate") or record.get("updatedAt")) or ""),
            first_name=_text(held.get("firstname")),
            last_name=_text(held.get("lastname")),
            emails=emails,
            phones=_phones(held),
            company=_text(held.get("company")),
            job_title=_text(held.get("jobtitle")),
            address=_address(held),
            language=_text(held.get("hs_language")),
            website=_text(held.get("website")),
            owner=_text(held.get("hubspot_owner_id")),
            stage=STAGES.get(_text(held.get("lifecyclestage")) or "", Stage.UNKNOWN),
            source=_text(held.get("hs_analytics_source")),
            created_at=_time(held.get("createdate")) or _time(record.get("createdAt")),
            updated_at=_time(held.get("lastmodifieddate")) or _time(record.get("updatedAt")),
            last_person_act=_latest(held, PERSON_ACTS),
            last_activity=_latest(held, ACTIVITY),
            consents=self._consents(held, emails),
            has_notes=(_text(held.get("num_notes")) or "0") not in {"0", "0.0"},
            url=self._url(record.get("url"), record_id),
            extra={name: _text(held.get(own)) for name, own in self._extra.items()},
        )

    def absorbed(self, record: Any) -> list[Gone]:
        """Return the records that were merged into `record`, which tells of them for ever."""
        held = record.get("properties")
        merged = _text(held.get("hs_merged_object_ids")) if isinstance(held, dict) else None
        if not merged:
            return []
        survivor = self.ref(record["id"])
        old = (part.strip() for part in merged.split(";"))
        return [
            Gone(self.ref(record_id), survivor)
            for record_id in old
            if _DIGITS.fullmatch(record_id) and record_id != survivor.id
        ]

    def _consents(self, held: Mapping[str, Any], emails: tuple[Email, ...]) -> tuple[Consent, ...]:
        """Read consent as HubSpot keeps it: one ground per record, opt-out and bounce beside it.

        Opt-out and hard bounce bind more than any ground. A record without any of the three says
        nothing, and nothing is what comes back.
        """
        basis = _text(held.get("hs_legal_basis"))
        status = _allowed(basis) if basis else None
        if emails and emails[0].status is AddressStatus.BOUNCED:
            status = ConsentStatus.HARD_BOUNCE
        if _text(held.get("hs_email_optout")) == "true":
            status = ConsentStatus.WITHDRAWN
        if status is None:
            return ()
        proof: dict[str, Any] = {
            name: _text(held.get(own)) or "" for name, own in self._proof.items()
        }
        if "given_at" in proof:
            proof["given_at"] = _time(proof["given_at"])
        address = emails[0].address if emails else ""
        consent = Consent(
            channel=Channel.EMAIL, status=status, address=address, basis=basis or "", **proof
        )
        return (consent,)

    def _url(self, given: Any, record_id: str) -> str | None:
        if isinstance(given, str) and _LINK.fullmatch(given):
            return given
        return f"{self.link}{record_id}" if self.link else None


def text_of(value: Value) -> str:
    """Return `value` as HubSpot takes it; None clears a property by the empty text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def same(field: str, one: Value, other: Value) -> bool:
    """Whether HubSpot would hold both as the same value of `field`.

    HubSpot trims text and writes e-mail addresses in lower case.
    """
    left, right = text_of(one).strip(), text_of(other).strip()
    return left == right or (field == "email" and left.casefold() == right.casefold())


def page_address(account: Mapping[str, Any]) -> str:
    """Return where contacts are shown on screen, for `ContactMap.link`; empty when unknown."""
    portal, domain = account.get("portalId"), account.get("uiDomain") or "app.hubspot.com"
    address = f"https://{domain}/contacts/{portal}/record/0-1/"
    return address if portal and _LINK.fullmatch(address) else ""


def _text(value: Any) -> str | None:
    """Return a property's value, which HubSpot sends as text; anything empty is None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _time(value: Any) -> datetime | None:
    """Read a date, a date and time, or epoch milliseconds; None when it is none of them."""
    text = _text(value)
    if text is None or len(text) > _LONGEST_TIME:
        return None
    try:
        if _MILLISECONDS.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=int(text))
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _latest(held: Mapping[str, Any], properties: tuple[str, ...]) -> datetime | None:
    times = [time for name in properties if (time := _time(held.get(name)))]
    return max(times, default=None)


def _emails(held: Mapping[str, Any]) -> tuple[Email, ...]:
    """Return the primary address first; `hs_additional_emails` are those of merged records."""
    primary, more = _text(held.get("email")), _text(held.get("hs_additional_emails"))
    found = []
    if primary:
        bounced = _text(held.get("hs_email_hard_bounce_reason_enum"))
        found.append(Email(primary, AddressStatus.BOUNCED if bounced else AddressStatus.UNKNOWN))
    if more:
        found += [Email(part) for item in more.split(";") if (part := item.strip())]
    return tuple(found)


def _phones(held: Mapping[str, Any]) -> tuple[Phone, ...]:
    work, mobile = _text(held.get("phone")), _text(held.get("mobilephone"))
    found = [Phone(work)] if work else []
    return tuple([*found, Phone(mobile, PhoneKind.MOBILE)] if mobile else found)


def _address(held: Mapping[str, Any]) -> PostalAddress:
    return PostalAddress(
        street=_text(held.get("address")),
        postcode=_text(held.get("zip")),
        city=_text(held.get("city")),
        region=_text(held.get("state")),
        country=_text(held.get("country")),
    )


def _allowed(basis: str) -> ConsentStatus:
    """Return what the grounds of a record allow; several add up, so the widest counts."""
    grounds = (part.strip().casefold().translate(_DASHES) for part in basis.split(";"))
    known = [LEGAL_BASES.get(ground, ConsentStatus.UNKNOWN) for ground in grounds if ground]
    return min(known, default=ConsentStatus.UNKNOWN)
