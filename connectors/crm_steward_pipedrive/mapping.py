"""What a person of Pipedrive means to us, in one table.

Sources: the description of version 2 of Pipedrive's API (developers.pipedrive.com/docs/api/v1);
what counts as an act of the person follows the CNIL's référentiel gestion commerciale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crm_steward.sdk import (
    FIELDS,
    KEPT,
    Channel,
    Consent,
    ConsentStatus,
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
from crm_steward_pipedrive.schema import PersonField
from crm_steward_pipedrive.values import (
    address_of,
    entries_of,
    kind_of,
    text_of,
    time_of,
    whole_of,
)

WANTED = (
    "last_activity_id",
    "last_incoming_mail_time",
    "last_outgoing_mail_time",
    "won_deals_count",
    "open_deals_count",
    "notes_count",
)
"""What `include_fields` has to add to a person; `marketing_status` is asked for beside them."""

STATUSES = {
    "subscribed": ConsentStatus.GRANTED,
    "archived": ConsentStatus.UNKNOWN,
    "no_consent": ConsentStatus.NONE,
    "unsubscribed": ConsentStatus.WITHDRAWN,
}
"""`marketing_status` → consent; *archived* was subscribed once and is not mailed any more."""

_TABLE = (
    ("`first_name`, `last_name`", "`first_name`, `last_name`", "yes, through `name`"),
    ("`email`", "`emails`, primary first", "the primary one; the others stay"),
    (
        "`phone`, `mobile`",
        "`phones`: the first that is not labelled *mobile*, the first that is",
        "yes; the others stay",
    ),
    ("`company`", "`name` of the organisation in `org_id`", "no"),
    ("`job_title`", "`job_title` (Contact Sync)", "yes, with Contact Sync"),
    (
        "`street`, `postcode`, `city`, `region`, `country`",
        (
            "`postal_address` (Contact Sync): `street_number` and `route`, `postal_code`, "
            "`locality`, `admin_area_level_1`, `country`"
        ),
        "yes, with Contact Sync",
    ),
    ("`language`, `website`, `source`, `kind`", "nothing, unless `fields` names one", "as mapped"),
    (", ".join(f"`{name}`" for name in KEPT), "nothing, unless `fields` names one", "no"),
    ("`owner`", "`owner_id`", "no"),
    (
        "`stage`",
        (
            "*customer* with a deal won (`won_deals_count`), *prospect* with one open, unknown "
            "otherwise; or the field that `fields` names, by `stages`"
        ),
        "no",
    ),
    ("`created_at`, `updated_at`", "`add_time`, `update_time`", "no"),
    ("`last_person_act`", "`last_incoming_mail_time`: the person wrote to us", "no"),
    (
        "`last_activity`",
        (
            "the latest of the last activity that is done (`last_activity_id`), "
            "`last_incoming_mail_time`, `last_outgoing_mail_time`"
        ),
        "no",
    ),
    ("consent by e-mail", "`marketing_status` (Campaigns)", "withdrawal only"),
    ("`extra.<name>`", "as mapped", "by type; not `user`, `org`, `people`, `time` and ranges"),
)


def field_table() -> str:
    """Return the table of fields, in Markdown, as the README shows it."""
    rows = ["| Rules say | Pipedrive | written |", "|---|---|---|"]
    rows += [f"| {ours} | {theirs} | {written} |" for ours, theirs, written in _TABLE]
    return "\n".join(rows)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an account keeps what Pipedrive has no usual place for, as the settings say.

    Args:
        fields: Canonical field → field of Pipedrive.
        extra: Name that rules use → field.
        consent: Part of a consent's proof → field.
        stages: Label → stage.
        kinds: Label → kind of contact.
        kept: Those among the fields that no CRM has a usual place for.
    """

    fields: Mapping[str, PersonField] = field(default_factory=dict)
    extra: Mapping[str, PersonField] = field(default_factory=dict)
    consent: Mapping[str, PersonField] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the custom fields among them."""
        every = (*self.fields.values(), *self.extra.values(), *self.consent.values())
        return tuple(dict.fromkeys(one.code for one in every if one.custom))

    def of(self, name: str) -> PersonField | None:
        """Return the field that settings name for `name`, or None."""
        if name.startswith("extra."):
            return self.extra.get(name.removeprefix("extra."))
        return self.fields.get(name)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What persons refer to by id.

    Args:
        companies: Organisation → its name.
        done: Activity → when it was done.
    """

    companies: Mapping[int, str] = field(default_factory=dict)
    done: Mapping[int, datetime] = field(default_factory=dict)


_ALONE = Surroundings()


class ContactMap:
    """Reads Pipedrive's persons as contacts.

    Args:
        connection: The connection's name.
    """

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self.sources = Sources()
        """Where this account keeps what the settings map."""
        self.link = ""
        """Address of a person's page without its id, once the account is known."""

    def ref(self, record_id: str | int) -> RecordRef:
        """Return the ref of a record of this account."""
        return RecordRef(self._connection, str(record_id))

    def contact(self, record: Any, around: Surroundings = _ALONE) -> Contact | Poison:
        """Read one person of version 2; whatever a value holds, it is text, a time, or nothing."""
        person_id = id_of(record)
        if person_id is None:
            return Poison("?", "the record has no usable id")
        wrong = _wrong(record)
        if wrong:
            return Poison(str(person_id), wrong)
        emails, phones = self._emails(record), self._phones(record)
        address = address_of(record.get("postal_address"))
        first, last = (self._text(record, name, name) for name in ("first_name", "last_name"))
        mail_in, mail_out = (
            time_of(record.get(f"last_{way}_mail_time")) for way in ("incoming", "outgoing")
        )
        done = around.done.get(whole_of(record.get("last_activity_id")))
        return Contact(
            ref=self.ref(person_id),
            revision=revision_of(record),
            first_name=first,
            last_name=last,
            full_name=self._override(
                "full_name", None if first or last else text_of(record.get("name")), record
            ),
            emails=emails,
            phones=phones,
            company=self._override(
                "company", around.companies.get(whole_of(record.get("org_id"))), record
            ),
            job_title=self._text(record, "job_title", "job_title"),
            address=PostalAddress(
                **{part: self._override(part, text, record) for part, text in address.items()}
            ),
            language=self._override("language", None, record),
            website=self._override("website", None, record),
            owner=self._text(record, "owner", "owner_id"),
            stage=self._stage(record),
            kind=self._kind(record),
            source=self._override("source", None, record),
            created_at=self._time("created_at", time_of(record.get("add_time")), record),
            updated_at=self._time("updated_at", time_of(record.get("update_time")), record),
            last_person_act=self._time("last_person_act", mail_in, record),
            last_activity=self._time("last_activity", _latest(mail_in, mail_out, done), record),
            **self.sources.kept.read(
                lambda name: self._override(name, None, record),
                lambda name: self._time(name, None, record),
            ),
            consents=self._consents(record, emails),
            has_notes=whole_of(record.get("notes_count")) > 0 or bool(text_of(record.get("notes"))),
            url=f"{self.link}{person_id}" if self.link else None,
            extra={name: one.read(record) for name, one in self.sources.extra.items()},
        )

    # -- single fields ------------------------------------------------------------------------

    def _override(self, name: str, usual: str | None, record: Mapping[str, Any]) -> str | None:
        """Return what the settings' field holds, or the usual value where they name none."""
        source = self.sources.fields.get(name)
        return usual if source is None else text_of(source.read(record))

    def _text(self, record: Mapping[str, Any], name: str, usual: str) -> str | None:
        return self._override(name, text_of(record.get(usual)), record)

    def _time(
        self, name: str, usual: datetime | None, record: Mapping[str, Any]
    ) -> datetime | None:
        source = self.sources.fields.get(name)
        return usual if source is None else time_of(source.read(record))

    def _emails(self, record: Mapping[str, Any]) -> tuple[Email, ...]:
        source = self.sources.fields.get("email")
        if source is not None:
            moved = text_of(source.read(record))
            return (Email(moved),) if moved else ()
        return tuple(Email(entry["value"]) for entry in entries_of(record.get("emails")))

    def _phones(self, record: Mapping[str, Any]) -> tuple[Phone, ...]:
        found = [
            Phone(entry["value"], kind_of(entry)) for entry in entries_of(record.get("phones"))
        ]
        for name, kind in (("phone", PhoneKind.WORK), ("mobile", PhoneKind.MOBILE)):
            source = self.sources.fields.get(name)
            if source is not None:
                mobile = kind is PhoneKind.MOBILE
                others = [one for one in found if (one.kind is PhoneKind.MOBILE) is not mobile]
                moved = text_of(source.read(record))
                found = [Phone(moved, kind), *others] if moved else others
        return tuple(found)

    def _stage(self, record: Mapping[str, Any]) -> Stage:
        source = self.sources.fields.get("stage")
        if source is not None:
            held = set(source.labels(record))
            known = (stage for label, stage in self.sources.stages.items() if label in held)
            return next(known, Stage.UNKNOWN)
        if whole_of(record.get("won_deals_count")) > 0:
            return Stage.CUSTOMER
        return Stage.PROSPECT if whole_of(record.get("open_deals_count")) > 0 else Stage.UNKNOWN

    def _kind(self, record: Mapping[str, Any]) -> Kind:
        source = self.sources.fields.get("kind")
        held = set(source.labels(record)) if source else set()
        known = (kind for label, kind in self.sources.kinds.items() if label in held)
        return next(known, Kind.UNKNOWN)

    def _consents(self, record: Mapping[str, Any], emails: Sequence[Email]) -> tuple[Consent, ...]:
        """Read consent as Campaigns keeps it: one status per person; without it nothing is said."""
        held = text_of(record.get("marketing_status"))
        if held is None:
            return ()
        proof: dict[str, Any] = {
            part: text_of(one.read(record)) or "" for part, one in self.sources.consent.items()
        }
        if "given_at" in proof:
            proof["given_at"] = time_of(proof["given_at"])
        if proof.get("purpose") == "":
            del proof["purpose"]
        consent = Consent(
            channel=Channel.EMAIL,
            status=STATUSES.get(held, ConsentStatus.UNKNOWN),
            address=emails[0].address if emails else "",
            basis=held,
            **proof,
        )
        return (consent,)


def id_of(record: Any) -> int | None:
    """Return a record's id, or None when it has none."""
    found = record.get("id") if isinstance(record, dict) else None
    whole = isinstance(found, int) and not isinstance(found, bool) and found > 0
    return found if whole else None


def revision_of(record: Mapping[str, Any]) -> Revision:
    """Return the update time with a mark of the content: two edits may share a second."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    mark = hashlib.sha256(text).hexdigest()[:16]
    return Revision(f"{text_of(record.get('update_time')) or ''}/{mark}")


def same(name: str, source: PersonField | None, one: Value, other: Value) -> bool:
    """Whether Pipedrive would hold both as the same value of a field.

    Args:
        name: The canonical field.
        source: The field that settings name for it, if they do.
        one: A value.
        other: Another one.
    """
    if source is not None:
        return source.same(one, other)
    left, right = ("" if value is None else str(value).strip() for value in (one, other))
    return left == right or (name == "email" and left.casefold() == right.casefold())


def knows(name: str) -> bool:
    """Whether `name` is a field that contacts have, mapped ones included."""
    return name.startswith("extra.") or name in FIELDS


def _wrong(record: Mapping[str, Any]) -> str:
    for name, kind in (("emails", list), ("phones", list), ("custom_fields", dict)):
        held = record.get(name)
        if held is not None and not isinstance(held, kind):
            return f"the record's {name} cannot be read"
    return ""


def _latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time), default=None)
