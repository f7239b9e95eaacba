"""The format of rule tests: contacts in short, and the findings they must give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from crm_steward.model import (
    KEPT,
    AddressStatus,
    ArchiveRecord,
    Change,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    CreateTask,
    Email,
    Finding,
    Kind,
    MergeRecords,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    SourceType,
    Stage,
    SuppressChannel,
    UpdateFields,
    Value,
)
from crm_steward.rules.block import Block
from crm_steward.rules.durations import MAX_YEARS
from crm_steward.rules.operators import CheckedDate


def moment(value: Any) -> datetime:
    """Return the time that is written; a day is its first moment in UTC.

    Raises:
        PydanticCustomError: It is none.
    """
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise PydanticCustomError("moment", "not a moment", {"value": str(value)}) from None


def _today(now: datetime) -> datetime:
    """Refuse a day from which the longest duration leads out of the calendar."""
    if not date.min.year + MAX_YEARS < now.year < date.max.year - MAX_YEARS:
        raise PydanticCustomError("moment", "not our time", {"value": now.date().isoformat()})
    return now


def _single(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise PydanticCustomError("want_text", "text", {"got": value})
    return value


def _record_id(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Moment = Annotated[datetime, BeforeValidator(moment), WithJsonSchema({"type": "string"})]
Single = Annotated[Value, BeforeValidator(_single)]
RecordId = Annotated[
    str, BeforeValidator(_record_id), WithJsonSchema({"type": ["string", "integer"]})
]
_Status = Literal[
    "granted",
    "soft_opt_in",
    "implied",
    "implied_expired",
    "none",
    "unknown",
    "hard_bounce",
    "complaint",
    "withdrawn",
    "objected",
]


class Agreement(Block):
    """What is known about one channel of a test's contact."""

    status: _Status
    """What the person said."""
    address: str = ""
    """The exact e-mail or phone it hangs on."""
    purpose: Annotated[str, Field(min_length=1)] = "marketing"
    """What the address is used for."""
    basis: str = ""
    """The legal ground, in the CRM's words."""
    given_at: Moment | SkipJsonSchema[None] = None
    """When they agreed."""
    how: str = ""
    """form, double opt-in, paper, …"""
    text_version: str = ""
    """Which wording they saw."""
    source: str = ""
    """Where it was collected."""
    evidence: str = ""
    """A pointer to the proof."""
    withdrawn_at: Moment | SkipJsonSchema[None] = None
    """When they withdrew or objected."""


def _agreements(value: Any) -> Any:
    """Read a status alone, one agreement, or a list of either."""
    items = value if isinstance(value, list) else [value]
    return [{"status": item} if isinstance(item, str) else item for item in items]


Agreements = Annotated[tuple[Agreement, ...], BeforeValidator(_agreements)]
"""What is known about a channel: one thing, or one per address and purpose."""


class Person(Block):
    """A contact, in short: what is left out is empty."""

    id: RecordId
    """The record's id."""
    connection: str = "test"
    """The connection it belongs to."""
    first_name: str | None = None
    """As the CRM holds it."""
    last_name: str | None = None
    """As the CRM holds it."""
    full_name: str | None = None
    """Where the CRM joins first and last name."""
    email: str | None = None
    """The main e-mail."""
    email_status: Literal["unknown", "valid", "bounced", "invalid"] = "unknown"
    """What the CRM knows about the main e-mail."""
    phone: str | None = None
    """The main phone that is not a mobile."""
    mobile: str | None = None
    """The mobile phone."""
    company: str | None = None
    """The company."""
    job_title: str | None = None
    """The function."""
    street: str | None = None
    """The street."""
    postcode: str | None = None
    """The postcode."""
    city: str | None = None
    """The city."""
    region: str | None = None
    """The region."""
    country: str | None = None
    """The country, as the CRM holds it."""
    language: str | None = None
    """The language."""
    website: str | None = None
    """The website."""
    owner: str | None = None
    """The owner's id."""
    stage: Literal["prospect", "customer", "former", "unknown"] = "unknown"
    """Where the person stands."""
    kind: Literal["b2c", "b2b", "sole_trader", "unknown"] = "unknown"
    """Consumer or professional."""
    source: str | None = None
    """Where the contact came from."""
    created_at: Moment | None = None
    """When the record was created."""
    updated_at: Moment | None = None
    """When it was last edited."""
    last_person_act: Moment | None = None
    """When the person last did something."""
    last_activity: Moment | None = None
    """When anyone last did anything."""
    collected_at: Moment | None = None
    """When the data were collected."""
    informed_at: Moment | None = None
    """When the person was told what is done with them."""
    contract_end: Moment | None = None
    """When the contract ends or ended."""
    last_login: Moment | None = None
    """When the person last logged in."""
    last_mailed_at: Moment | None = None
    """When the last marketing message was sent."""
    birth_date: Moment | None = None
    """The date of birth."""
    rights_request_at: Moment | None = None
    """Since when a request for access, erasure or objection is open."""
    source_type: Literal["direct", "third_party", "public", "unknown"] = "unknown"
    """Who gave the data."""
    legal_hold: Annotated[bool, Field(strict=True)] | None = None
    """Whether the record must be kept."""
    purchases: Annotated[float, Field(strict=True)] | None = None
    """How many purchases, or for how much."""
    notes: str | None = None
    """Free text."""
    has_notes: Annotated[bool, Field(strict=True)] = False
    """Whether free text is attached, though it is not read."""
    erased_at: Moment | None = None
    """When somebody with one of its addresses was erased here."""
    consent: dict[Literal["email", "sms", "phone", "post"], Agreements] = Field(default={})
    """Channel: status, or {status: …, given_at: …, …}, or a list of these."""
    extra: dict[str, Single] = Field(default={})
    """Custom fields."""

    def contact(self) -> Contact:
        """Return the contact it stands for."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        address = PostalAddress(**{name: getattr(self, name) for name in _ADDRESS})
        return Contact(
            ref=RecordRef(self.connection, self.id),
            **plain,
            emails=tuple(self._emails()),
            phones=tuple(self._phones()),
            address=address,
            stage=Stage(self.stage),
            kind=Kind(self.kind),
            source_type=SourceType(self.source_type),
            has_notes=self.has_notes,
            consents=tuple(
                _consent(channel, said) for channel, every in self.consent.items() for said in every
            ),
            extra=self.extra,
        )

    def _emails(self) -> Iterator[Email]:
        if self.email is not None:
            yield Email(self.email, AddressStatus(self.email_status))

    def _phones(self) -> Iterator[Phone]:
        if self.phone is not None:
            yield Phone(self.phone)
        if self.mobile is not None:
            yield Phone(self.mobile, PhoneKind.MOBILE)


_ADDRESS = ("street", "postcode", "city", "region", "country")
_PLAIN = (
    "first_name",
    "last_name",
    "full_name",
    "company",
    "job_title",
    "language",
    "website",
    "owner",
    "source",
    "created_at",
    "updated_at",
    "last_person_act",
    "last_activity",
    *(name for name in (*KEPT, "erased_at") if name != "source_type"),
)


def _consent(channel: str, said: Agreement) -> Consent:
    return Consent(
        channel=Channel(channel),
        status=ConsentStatus[said.status.upper()],
        address=said.address,
        purpose=said.purpose,
        basis=said.basis,
        given_at=said.given_at,
        how=said.how,
        text_version=said.text_version,
        source=said.source,
        evidence=said.evidence,
        withdrawn_at=said.withdrawn_at,
    )


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Expected(Block):
    """One finding: the records it is about, and the facts it reports.

    Only what is written is compared. Which facts there are hangs on the check kind.
    """

    model_config = ConfigDict(extra="allow")

    id: RecordId | SkipJsonSchema[None] = None
    """The record it is about."""
    ids: tuple[RecordId, ...] = ()
    """The members of a group, in any order."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.id is None) == (not self.ids):
            raise PydanticCustomError("id_or_ids", "id or ids")
        return self

    @property
    def records(self) -> tuple[str, ...]:
        """The ids it names, sorted."""
        return tuple(sorted(self.ids or (str(self.id),)))

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it says besides the ids."""
        return self.model_extra or {}

    def fits(self, finding: Finding) -> bool:
        """Whether `finding` is what is expected."""
        return self.records == tuple(sorted(ref.id for ref in finding.refs)) and all(
            _same(wanted, finding.evidence.get(name)) for name, wanted in self.facts.items()
        )


def _same(wanted: Any, found: Any) -> bool:
    """Compare one fact: a day stands for any moment of it, lists compare in any order."""
    if isinstance(wanted, str) and isinstance(found, str) and _DAY.fullmatch(wanted):
        return found.startswith(wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return sorted(map(str, wanted)) == sorted(map(str, found))
    return bool(wanted == found)


class ExpectedChange(Block):
    """One change that the rule's actions ask for; only what is written is compared."""

    id: RecordId
    """The record that is written to."""
    set: dict[str, Single] | SkipJsonSchema[None] = None
    """Field → what is written (update, tag); null empties it."""
    suppress: Literal["email", "sms", "phone"] | SkipJsonSchema[None] = None
    """The channel that falls silent."""
    task: str | SkipJsonSchema[None] = None
    """The title of a task, in English."""
    due: CheckedDate | SkipJsonSchema[None] = None
    """The day the task is due."""
    to: str | SkipJsonSchema[None] = None
    """The owner the task is for, by the CRM's id."""
    merge: tuple[RecordId, ...] = ()
    """The records that are folded into this one, in any order."""
    archive: Literal[True] | SkipJsonSchema[None] = None
    """The record goes to the recycle bin or archive."""

    def fits(self, change: Change) -> bool:
        """Whether `change` is what is expected."""
        same = False
        match change:
            case UpdateFields():
                same = self.set is not None and dict(change.values) == self.set
            case SuppressChannel():
                same = self.suppress == change.channel.value
            case CreateTask():
                pairs = ((self.due, change.due), (self.to, change.owner))
                told = all(wanted in {None, found} for wanted, found in pairs)
                same = self.task == change.title and told
            case MergeRecords():
                same = sorted(self.merge) == sorted(ref.id for ref in change.losers)
            case ArchiveRecord():
                same = self.archive is True
            case _:  # others come of the journal, never of a test's findings
                same = False
        return same and change.ref.id == self.id


class Trial(Block):
    """One test: these contacts, this rule, these findings."""

    name: Annotated[str, Field(min_length=1)]
    """What it shows."""
    rule: str
    """The id of a rule in the file beside."""
    contacts: Annotated[tuple[Person, ...], Field(min_length=1)]
    """The contacts the rule looks at."""
    finds: tuple[Expected, ...]
    """All that it must find; [] for nothing."""
    changes: tuple[ExpectedChange, ...] | SkipJsonSchema[None] = None
    """All that its actions must ask for, where that is tested; [] for nothing."""


class TrialFile(Block):
    """A file of rule tests for crm-steward."""

    version: Literal[1]
    """The version of the format: 1."""
    now: Annotated[Moment, AfterValidator(_today)]
    """The day the tests take place: durations count from it."""
    tests: tuple[Trial, ...]
    """The tests."""
