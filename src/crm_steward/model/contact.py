"""A contact, the same whatever CRM it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, NewType

from crm_steward.model.consent import Channel, Consent, binding_consent

Value = str | int | float | bool | None
"""What a field can hold once it is written down: a JSON scalar. Times are ISO 8601 text."""

Revision = NewType("Revision", str)
"""Changes whenever the record does; opaque, compared for equality only."""

_NO_EXTRA: Mapping[str, Value] = MappingProxyType({})


class RecordRef(NamedTuple):
    """Names one record: the configured connection and the CRM's own id (as raw text).

    A connection is one account, not a vendor: `hubspot-eu`, not `hubspot`. It is a tuple because a
    plan makes and looks up hundreds of thousands.
    """

    connection: str
    id: str

    def __str__(self) -> str:
        return f"{self.connection}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> RecordRef:
        """Read `connection:id` back.

        Raises:
            ValueError: `text` has no colon or one side is empty.
        """
        connection, _, record_id = text.partition(":")
        if not connection or not record_id:
            message = f"'{text}' is not a record; write connection:id, for example hubspot-eu:4711"
            raise ValueError(message)
        return cls(connection, record_id)


class AddressStatus(StrEnum):
    """What the CRM knows about an e-mail or phone."""

    UNKNOWN = "unknown"
    VALID = "valid"
    BOUNCED = "bounced"
    INVALID = "invalid"


class PhoneKind(StrEnum):
    """What a number is for."""

    WORK = "work"
    MOBILE = "mobile"
    HOME = "home"
    OTHER = "other"


class Stage(StrEnum):
    """Where the person stands."""

    PROSPECT = "prospect"
    CUSTOMER = "customer"
    FORMER = "former"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """Consumer or professional; consent law hangs on it."""

    B2C = "b2c"
    B2B = "b2b"
    SOLE_TRADER = "sole_trader"
    UNKNOWN = "unknown"


class SourceType(StrEnum):
    """Who gave the data: what has to be told to the person hangs on it (GDPR, art. 13 and 14)."""

    DIRECT = "direct"
    THIRD_PARTY = "third_party"
    PUBLIC = "public"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address as the CRM holds it."""

    address: str
    status: AddressStatus = AddressStatus.UNKNOWN


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone number as the CRM holds it."""

    number: str
    kind: PhoneKind = PhoneKind.WORK
    status: AddressStatus = AddressStatus.UNKNOWN


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """A postal address; each part as the CRM holds it, or None."""

    street: str | None = None
    postcode: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None


_NO_ADDRESS = PostalAddress()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One contact of one connection, values as the CRM holds them.

    Args:
        ref: Which record it is.
        revision: Opaque; empty when the CRM has none.
        first_name, last_name, full_name: As held; `full_name` only where the CRM joins them.
        emails, phones: Primary first.
        company, job_title, address, language, website: As held.
        owner: The owner's id in the CRM.
        stage, kind: Mapped to our words.
        source: Where the contact came from.
        created_at, updated_at: The CRM's own times.
        last_person_act: The person replied, bought, filled a form, clicked. Never an open, never
            our edit: this is the retention clock (CNIL, référentiel gestion commerciale).
        last_activity: Anything anyone did.
        collected_at: When the data were collected.
        informed_at: When the person was told what is done with them (GDPR, art. 13 and 14).
        contract_end, last_login, birth_date: As held.
        last_mailed_at: When the last marketing message was sent.
        rights_request_at: Since when a request for access, erasure or objection is open.
        source_type: Who gave the data.
        legal_hold: Whether the record must be kept, whatever its age.
        purchases: How many, or for how much: as the mapped field counts.
        notes: Free text, only where the settings map it.
        consents: All that is known, one per address, channel and purpose.
        has_notes: Whether free text is attached.
        url: Link to the record in the CRM.
        extra: Mapped custom fields by name.
        erased_at: When somebody with one of its addresses was erased here; our own knowledge.
    """

    ref: RecordRef
    revision: Revision = Revision("")
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    emails: tuple[Email, ...] = ()
    phones: tuple[Phone, ...] = ()
    company: str | None = None
    job_title: str | None = None
    address: PostalAddress = _NO_ADDRESS
    language: str | None = None
    website: str | None = None
    owner: str | None = None
    stage: Stage = Stage.UNKNOWN
    kind: Kind = Kind.UNKNOWN
    source: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    last_person_act: datetime | None = None
    last_activity: datetime | None = None
    collected_at: datetime | None = None
    informed_at: datetime | None = None
    contract_end: datetime | None = None
    last_login: datetime | None = None
    last_mailed_at: datetime | None = None
    birth_date: datetime | None = None
    rights_request_at: datetime | None = None
    source_type: SourceType = SourceType.UNKNOWN
    legal_hold: bool | None = None
    purchases: float | None = None
    notes: str | None = None
    consents: tuple[Consent, ...] = ()
    has_notes: bool = False
    url: str | None = None
    extra: Mapping[str, Value] = field(default_factory=lambda: _NO_EXTRA)
    erased_at: datetime | None = None

    def value(self, name: str) -> Value:
        """Return what the canonical field `name` (or `extra.<name>`) holds, as it stands in the CRM.

        `phone` is the first number that is not a mobile, `mobile` the first that is. Times come
        back as ISO 8601 text.

        Raises:
            KeyError: There is no such field.
        """
        if name.startswith("extra."):
            return self.extra.get(name.removeprefix("extra."))
        if name in _READERS:
            return _READERS[name](self)
        if name in _PLAIN:
            held: object = getattr(self, name)
            return held.isoformat() if isinstance(held, datetime) else _scalar(held)
        raise KeyError(name)


def _scalar(held: object) -> Value:
    return held if held is None or isinstance(held, str | int | float | bool) else str(held)


def _domain(contact: Contact) -> str | None:
    """Return what stands behind the `@`, in small letters: the mirror holds it checked."""
    address = contact.emails[0].address if contact.emails else ""
    return address.rpartition("@")[2].strip().lower() or None if "@" in address else None


def _purchases(contact: Contact) -> Value:
    """Return a whole number as one: `3`, not `3.0`."""
    held = contact.purchases
    return int(held) if held is not None and held.is_integer() else held


def _consent(channel: Channel, part: str) -> Callable[[Contact], Value]:
    """Return what reads one part of the consent that binds `channel`."""

    def read(contact: Contact) -> Value:
        binding = binding_consent(contact.consents, channel)
        if binding is None:
            return None
        if part == "status":
            return binding.status.label
        held: object = getattr(binding, part)
        return (held.isoformat() if isinstance(held, datetime) else _scalar(held)) or None

    return read


def _first_phone(contact: Contact, *, mobile: bool) -> str | None:
    wanted = (p.number for p in contact.phones if (p.kind is PhoneKind.MOBILE) is mobile)
    return next(wanted, None)


_READERS: Mapping[str, Callable[[Contact], Value]] = {
    "email": lambda c: c.emails[0].address if c.emails else None,
    "phone": lambda c: _first_phone(c, mobile=False),
    "mobile": lambda c: _first_phone(c, mobile=True),
    "street": lambda c: c.address.street,
    "postcode": lambda c: c.address.postcode,
    "city": lambda c: c.address.city,
    "region": lambda c: c.address.region,
    "country": lambda c: c.address.country,
    "purchases": _purchases,
    **{f"consent_{channel}": _consent(channel, "status") for channel in Channel},
    **{
        f"consent_{channel}_{part}": _consent(channel, part)
        for channel in (Channel.EMAIL, Channel.PHONE)
        for part in ("basis", "given_at", "how")
    },
    "email_status": lambda c: c.emails[0].status.value if c.emails else None,
    "email_domain": _domain,
    "has_notes": lambda c: c.has_notes or bool(c.notes),
    "connection": lambda c: c.ref.connection,
}

_PLAIN = frozenset(
    [
        "first_name",
        "last_name",
        "full_name",
        "company",
        "job_title",
        "language",
        "website",
        "owner",
        "stage",
        "kind",
        "source",
        "created_at",
        "updated_at",
        "last_person_act",
        "last_activity",
        "collected_at",
        "informed_at",
        "contract_end",
        "last_login",
        "last_mailed_at",
        "birth_date",
        "rights_request_at",
        "erased_at",
        "source_type",
        "legal_hold",
        "notes",
    ]
)
