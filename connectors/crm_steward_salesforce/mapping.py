"""What Salesforce's fields mean to us, both ways, in one table.

Source: Object Reference, Contact
(developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference). What counts as
an act of the person follows the CNIL's référentiel gestion commerciale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from crm_steward.sdk import (
    FIELDS,
    KEPT,
    AddressStatus,
    ConfigError,
    Contact,
    Email,
    Kept,
    Kind,
    Phone,
    PhoneKind,
    Poison,
    PostalAddress,
    Problem,
    RecordRef,
    Revision,
    Stage,
    UpdateFields,
)
from crm_steward_salesforce.consents import CONTACT_FLAGS, INDIVIDUAL_FLAGS, Said, consents_of
from crm_steward_salesforce.schema import Described, Schema
from crm_steward_salesforce.settings import SalesforceSettings
from crm_steward_salesforce.values import ID, UnfitError, at, same, text, time, to_json

WRITABLE = {
    "first_name": "FirstName",
    "last_name": "LastName",
    "email": "Email",
    "phone": "Phone",
    "mobile": "MobilePhone",
    "job_title": "Title",
    "street": "MailingStreet",
    "postcode": "MailingPostalCode",
    "city": "MailingCity",
    "region": "MailingState",
    "country": "MailingCountry",
}
"""Canonical field → contact's field, read and written."""

READ_ONLY = {
    "company": "Account.Name",
    "owner": "OwnerId",
    "source": "LeadSource",
    "created_at": "CreatedDate",
    "updated_at": "LastModifiedDate",
    "last_person_act": "LastCUUpdateDate",
    "last_activity": "LastActivityDate",
}
"""Canonical field → path, only read."""

UNMAPPED = ("full_name", "language", "website", "stage", "kind", *KEPT)
"""Fields of ours for which contacts have no standard field."""

STAGES = {
    "prospect": Stage.PROSPECT,
    "lead": Stage.PROSPECT,
    "customer": Stage.CUSTOMER,
    "former": Stage.FORMER,
    "former customer": Stage.FORMER,
}
"""Usual values of a stage field, in small letters → stage; `stages` adds to them."""

SYSTEM = ("Id", "IsDeleted", "MasterRecordId", "SystemModstamp", "LastModifiedDate")
"""What every contact is read with, whatever is mapped."""
_LONGEST = 150_000
"""Characters; Salesforce's longest text fields end at 131,072."""
_BOUNCE = ("IsEmailBounced", "EmailBouncedDate")


class ContactMap:
    """Reads Salesforce's records as contacts, and our fields as Salesforce's.

    Args:
        connection: The connection's name.
        settings: Its settings.
        schema: What our user can see.
    """

    def __init__(self, connection: str, settings: SalesforceSettings, schema: Schema) -> None:
        self._connection = connection
        self._schema = schema
        self._own = settings.fields
        self._paths: dict[str, str] = {**WRITABLE, **READ_ONLY, **settings.fields}
        self._extra = settings.extra
        self._proof = settings.consent
        self._stages = STAGES | {name.casefold(): to for name, to in settings.stages.items()}
        self._kinds = {name.casefold(): to for name, to in settings.kinds.items()}
        self._kept = Kept.of(settings.fields, settings.source_types)
        self.link = ""
        """The org's address, once it is known."""

    # -- names --------------------------------------------------------------------------------

    def settings_of(self) -> dict[str, str]:
        """Return setting → path for everything the settings map."""
        parts = (("fields", self._own), ("extra", self._extra), ("consent", self._proof))
        return {f"{part}.{name}": path for part, held in parts for name, path in held.items()}

    def unknown(self) -> dict[str, str]:
        """Return setting → what is wrong, for each mapped field that the org does not have."""
        return {
            setting: f"Salesforce has no contact field '{path}'{self._guess(path)}"
            for setting, path in self.settings_of().items()
            if not self._schema.has(path)
        }

    def check_configured(self) -> None:
        """Refuse to read with a mapped field that is not there.

        Raises:
            ConfigError: Reading it as empty would turn every contact into a finding.
        """
        problems = [
            Problem(wrong, hint=f"Correct connections.{self._connection}.{setting}.")
            for setting, wrong in self.unknown().items()
        ]
        if problems:
            raise ConfigError(problems)

    def hidden(self) -> list[tuple[str, str]]:
        """Return (field of ours, path) for standard fields that our user cannot see."""
        standard = {**WRITABLE, **READ_ONLY}
        named = [(name, path) for name, path in standard.items() if name not in self._own]
        switches = [("consent", name) for name in CONTACT_FLAGS]
        return [(name, path) for name, path in (*named, *switches) if not self._schema.has(path)]

    def paths(self) -> list[str]:
        """Return all that a contact is read with, as far as our user can see it."""
        individual = [f"Individual.{name}" for name in INDIVIDUAL_FLAGS]
        wanted = (
            *self._paths.values(), *self._extra.values(), *self._proof.values(), *CONTACT_FLAGS,
            *_BOUNCE, "IndividualId", *individual,
        )  # fmt: skip
        return list(dict.fromkeys([*SYSTEM, *filter(self._schema.has, wanted)]))

    def target(self, field: str) -> Described | str:
        """Return the contact's field that a change of ours writes, or why there is none."""
        if field.startswith("extra."):
            path = self._extra.get(field.removeprefix("extra."), "")
        else:
            known = field in FIELDS and FIELDS[field].writable
            path = self._paths.get(field, "") if known else ""
        found = self._schema.find(path) if path and "." not in path else None
        if found is None:
            return f"Salesforce has no writable '{field}' here"
        return found if found.updateable else f"our user may not change {found.name}"

    def written(self, change: UpdateFields) -> dict[str, Any] | str:
        """Return API name → JSON value for an update, or why it cannot be made."""
        values: dict[str, Any] = {}
        for field, value in change.values.items():
            found = self.target(field)
            if isinstance(found, str):
                return found
            try:
                values[found.name] = to_json(value, found.type)
            except UnfitError as error:
                return f"{found.name}: {error}"
            if found.name in CONTACT_FLAGS and values[found.name] is not True:
                return f"{found.name} is ticked, never unticked"
            if found.name == "IndividualId":
                return f"{found.name} says whose objections count: it is never written"
            if found.name == self._proof.get("given_at") and values[found.name] is not None:
                return f"{found.name} says that consent was given: it is cleared, never written"
        return values

    def ref(self, record_id: str) -> RecordRef:
        """Return the ref of a record of this org."""
        return RecordRef(self._connection, record_id)

    def _guess(self, path: str) -> str:
        relation, _, name = path.rpartition(".")
        close = get_close_matches(name, self._schema.contact.fields, n=1)
        return f" (did you mean '{close[0]}'?)" if close and not relation else ""

    # -- records ------------------------------------------------------------------------------

    def contact(
        self, record: Any, said: Sequence[Said] = (), now: datetime | None = None
    ) -> Contact | Poison:
        """Read one record.

        Args:
            record: As Salesforce sends it.
            said: What its Individual said about channels.
            now: The org's time: a consent may not be in force yet, or no longer.
        """
        record_id = record.get("Id") if isinstance(record, Mapping) else None
        if not isinstance(record_id, str) or not ID.fullmatch(record_id):
            return Poison("?", "the record has no usable id")
        spoilt = self._spoilt(record)
        if spoilt:
            return Poison(record_id, f"{spoilt} does not hold a value")
        emails, phones = self._emails(record), self._phones(record)
        return Contact(
            ref=self.ref(record_id),
            revision=Revision(text(record.get("SystemModstamp")) or ""),
            first_name=self._text(record, "first_name"),
            last_name=self._text(record, "last_name"),
            full_name=self._text(record, "full_name"),
            emails=emails,
            phones=phones,
            company=self._text(record, "company"),
            job_title=self._text(record, "job_title"),
            address=PostalAddress(
                *(
                    self._text(record, n)
                    for n in ("street", "postcode", "city", "region", "country")
                )
            ),
            language=self._text(record, "language"),
            website=self._text(record, "website"),
            owner=self._text(record, "owner"),
            stage=self._stages.get(self._word(record, "stage"), Stage.UNKNOWN),
            kind=self._kinds.get(self._word(record, "kind"), Kind.UNKNOWN),
            source=self._text(record, "source"),
            created_at=self._time(record, "created_at"),
            updated_at=self._time(record, "updated_at"),
            last_person_act=self._time(record, "last_person_act"),
            last_activity=self._activity(record),
            **self._kept.read(
                lambda name: self._text(record, name), lambda name: self._time(record, name)
            ),
            consents=consents_of(record, emails, self._evidence(record), said, now),
            url=f"{self.link}/{record_id}" if self.link else None,
            extra={name: text(at(record, path)) for name, path in self._extra.items()},
        )

    def holds(self, contact: Contact, values: Mapping[str, Any]) -> bool:
        """Whether a contact holds all of the values, as Salesforce keeps them."""
        return not self.differing(contact, values)

    @staticmethod
    def differing(contact: Contact, values: Mapping[str, Any]) -> list[str]:
        """Return which fields of a contact hold something else."""
        return sorted(
            name for name, value in values.items() if not same(contact.value(name), value)
        )

    def _spoilt(self, record: Mapping[str, Any]) -> str:
        """Return the name of a field that holds what it cannot hold, or empty."""
        paths = (*self._paths.values(), *self._extra.values(), *self._proof.values())
        relations = {"Individual", *(p.partition(".")[0] for p in paths if "." in p)}
        for name, value in record.items():
            if isinstance(value, str) and len(value) > _LONGEST:
                return name
            if name in relations:
                sound = value is None or isinstance(value, Mapping)
            else:
                sound = name == "attributes" or not isinstance(value, Mapping | list)
            if not sound:
                return name
        return ""

    def _path(self, name: str) -> str:
        return self._paths.get(name, "")

    def _text(self, record: Mapping[str, Any], name: str) -> str | None:
        return text(at(record, self._path(name)))

    def _word(self, record: Mapping[str, Any], name: str) -> str:
        return (self._text(record, name) or "").casefold()

    def _time(self, record: Mapping[str, Any], name: str) -> datetime | None:
        return time(at(record, self._path(name)))

    def _activity(self, record: Mapping[str, Any]) -> datetime | None:
        """Read the last activity; one that is planned counts as made when it was entered.

        `LastActivityDate` is a day, and in the future where a meeting is planned. Entering it moved
        `SystemModstamp`, so that the activity is no later than that.
        """
        day = self._time(record, "last_activity")
        entered = time(record.get("SystemModstamp"))
        if day is None or entered is None or "last_activity" in self._own:
            return day
        return min(day, entered)

    def _emails(self, record: Mapping[str, Any]) -> tuple[Email, ...]:
        address = self._text(record, "email")
        if not address:
            return ()
        bounced = any(record.get(name) not in {None, False, ""} for name in _BOUNCE)
        bounced = bounced and self._path("email") == WRITABLE["email"]
        return (Email(address, AddressStatus.BOUNCED if bounced else AddressStatus.UNKNOWN),)

    def _phones(self, record: Mapping[str, Any]) -> tuple[Phone, ...]:
        work, mobile = self._text(record, "phone"), self._text(record, "mobile")
        found = [Phone(work)] if work else []
        return tuple([*found, Phone(mobile, PhoneKind.MOBILE)] if mobile else found)

    def _evidence(self, record: Mapping[str, Any]) -> dict[str, Any]:
        proof: dict[str, Any] = {
            part: text(at(record, path)) or "" for part, path in self._proof.items()
        }
        if "given_at" in proof:
            proof["given_at"] = time(proof["given_at"])
        return proof


def field_table() -> str:
    """Return the README's table of fields, made from the tables above."""
    rows = [(f"`{name}`", f"`{path}`", "yes") for name, path in WRITABLE.items()]
    notes = {
        "company": ", the account's",
        "last_person_act": ", the person's own update; better: a field of yours (`fields`)",
        "last_activity": ", no later than `SystemModstamp`",
    }
    rows += [
        (f"`{name}`", f"`{path}`{notes.get(name, '')}", "no") for name, path in READ_ONLY.items()
    ]
    rows += [
        (
            f"`{name}`",
            "no standard field: name yours in `fields`",
            "yes, unless it is read-only" if FIELDS[name].writable else "no",
        )
        for name in UNMAPPED
    ]
    flags = ", ".join(f"`{name}`" for name in CONTACT_FLAGS)
    bounce = ", ".join(f"`{name}`" for name in _BOUNCE)
    rows += [
        ("consent: opt-outs", flags, "ticked; the first two unticked only by lifting"),
        ("consent: bounce", bounce, "no"),
        ("consent: objections", ", ".join(f"`Individual.{n}`" for n in INDIVIDUAL_FLAGS), "no"),
        ("consent: what was said", "`ContactPointTypeConsent`, by `IndividualId`", "no"),
        ("`extra.<name>`", "as mapped", "yes, unless it is read-only"),
    ]
    head = "| Rules say | Salesforce | written |\n|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)
