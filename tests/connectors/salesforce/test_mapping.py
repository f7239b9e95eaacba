"""What Salesforce's fields mean: values, times, activity, consent, and records nobody can read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_steward.sdk import (
    FIELDS,
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Kind,
    Poison,
)
from crm_steward_salesforce import SPEC, SalesforceSettings, values
from crm_steward_salesforce.consents import CONTACT_FLAGS, INDIVIDUAL_FLAGS, Said
from crm_steward_salesforce.mapping import READ_ONLY, WRITABLE, ContactMap, field_table

README = Path(__file__).parents[3] / "connectors" / "crm_steward_salesforce" / "README.md"
NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)


class Everything:
    """A schema in which every field can be seen."""

    def has(self, path: str) -> bool:
        return bool(path)


def mapped(**settings: Any) -> ContactMap:
    """Return a map of the settings."""
    given = {"token": "t", "instance_url": "https://acme.my.salesforce.com", **settings}
    read = SalesforceSettings.model_validate(given)
    return ContactMap("sf", read, Everything())  # type: ignore[arg-type]


def record(**fields: Any) -> dict[str, Any]:
    """Return a record as Salesforce sends it."""
    return {
        "attributes": {"type": "Contact", "url": "/services/data/v64.0/sobjects/Contact/003"},
        "Id": "0035g000000017nAAA",
        "IsDeleted": False,
        "LastName": "Doe",
        "Email": "jane@example.com",
        "SystemModstamp": "2026-10-01T08:00:00.000+0000",
        **fields,
    }


def contact(said: tuple[Said, ...] = (), settings: Any = None, **fields: Any) -> Contact:
    """Return a record read as a contact."""
    read = mapped(**(settings or {})).contact(record(**fields), said, NOW)
    assert isinstance(read, Contact)
    return read


def said(kind: str, status: str, **more: Any) -> Said:
    """Return one consent by channel."""
    return Said(
        "0PK", {"Id": "0ZX1", "ContactPointType": kind, "PrivacyConsentStatus": status, **more}
    )


def consent(read: Contact, channel: Channel = Channel.EMAIL) -> Consent | None:
    """Return what is known about a channel."""
    return next((one for one in read.consents if one.channel is channel), None)


def status(read: Contact, channel: Channel = Channel.EMAIL) -> ConsentStatus | None:
    """Return the status of a channel, None when nothing is known."""
    known = consent(read, channel)
    return known.status if known else None


# -- values ---------------------------------------------------------------------------------------


def test_a_record_becomes_a_contact() -> None:
    """Every mapped field arrives, times are aware, the link leads to the record."""
    table = mapped()
    table.link = "https://acme.my.salesforce.com"
    read = table.contact(
        record(
            FirstName="Jane",
            Phone="+33 1 70 18 00 00",
            MobilePhone="+33 6 39 98 00 00",
            Account={"attributes": {"type": "Account"}, "Name": "Acme"},
            Title="Beekeeper",
            MailingStreet="1 rue des Lilas\r\nBât. B",
            OwnerId="0055g0000000001AAA",
            CreatedDate="2020-01-02T03:04:05.000+0000",
        )
    )
    assert isinstance(read, Contact)
    assert (read.first_name, read.company, read.job_title) == ("Jane", "Acme", "Beekeeper")
    assert (read.value("phone"), read.value("mobile")) == ("+33 1 70 18 00 00", "+33 6 39 98 00 00")
    assert read.created_at == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert read.url == "https://acme.my.salesforce.com/0035g000000017nAAA"
    assert read.revision == "2026-10-01T08:00:00.000+0000"


@pytest.mark.parametrize(
    "wrong",
    [
        "text",
        5,
        None,
        [],
        {},
        {"Id": 5},
        {"Id": "x' OR"},
        record(LastName={"a": 1}),
        record(Email=["a"]),
        record(Account="Acme"),
        record(Account=["Acme"]),
        record(Individual=True),
    ],
)
def test_records_nobody_can_read_are_set_aside(wrong: Any) -> None:
    """By id where there is one, with the field at fault, without its value."""
    read = mapped().contact(wrong)
    assert isinstance(read, Poison)
    assert "Acme" not in read.reason


@pytest.mark.parametrize(
    ("value", "text"),
    [("", None), (None, None), (True, "true"), (5.0, "5"), (5.5, "5.5"), (7, "7"), ({}, None)],
)
def test_texts(value: Any, text: str | None) -> None:
    """What a field holds, as text; numbers lose a bare `.0`."""
    assert values.text(value) == text


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        ("yes", "boolean", True),
        (None, "boolean", False),
        ("5", "double", 5.0),
        (None, "string", None),
        ("", "picklist", None),
        (5, "string", "5"),
        ("x", "email", "x"),
    ],
)
def test_values_as_salesforce_takes_them(value: Any, kind: str, sent: Any) -> None:
    """None clears by JSON null, except a checkbox, which cannot be empty."""
    assert values.to_json(value, kind) == sent


@pytest.mark.parametrize(("value", "kind"), [("perhaps", "boolean"), ("five", "currency")])
def test_values_that_fit_no_field(value: str, kind: str) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(values.UnfitError):
        values.to_json(value, kind)


def test_what_counts_as_the_same() -> None:
    """Salesforce trims, and writes line ends its own way; capitals it keeps."""
    assert values.same("a\nb ", "a\r\nb")
    assert values.same(None, "")
    assert not values.same("a", "A")


@pytest.mark.parametrize(
    "text", ["soon", "9999-99-99", "x" * 50, 5, None, "0001-01-01T00:00:00+14:00"]
)
def test_times_that_are_none(text: Any) -> None:
    """None, and no crash."""
    assert values.time(text) is None


# -- activity -------------------------------------------------------------------------------------


def test_an_activity_that_is_planned_counts_as_made_when_it_was_entered() -> None:
    """LastActivityDate is a day and may lie ahead; SystemModstamp moved when it was entered."""
    past = contact(LastActivityDate="2026-05-04")
    assert past.last_activity == datetime(2026, 5, 4, tzinfo=UTC)
    planned = contact(LastActivityDate="2027-05-04")
    assert planned.last_activity == datetime(2026, 10, 1, 8, tzinfo=UTC)
    assert contact().last_activity is None


def test_what_staff_did_is_no_act_of_the_person() -> None:
    """Only the person's own update, or a field that the settings name."""
    assert contact(LastActivityDate="2026-05-04").last_person_act is None
    updated = contact(LastCUUpdateDate="2026-05-04T00:00:00.000+0000")
    assert updated.last_person_act == datetime(2026, 5, 4, tzinfo=UTC)
    named = {"fields": {"last_person_act": "Last_Reply__c"}}
    read = contact(settings=named, Last_Reply__c="2026-06-01T00:00:00.000+0000")
    assert read.last_person_act == datetime(2026, 6, 1, tzinfo=UTC)


# -- consent --------------------------------------------------------------------------------------


def test_nothing_ticked_says_nothing() -> None:
    """The default is no consent, and none is made up."""
    assert contact(HasOptedOutOfEmail=False, DoNotCall=False).consents == ()


def test_switches() -> None:
    """Opting out of mail and of calls; fax is no channel of ours."""
    read = contact(HasOptedOutOfEmail=True, DoNotCall=True, HasOptedOutOfFax=True)
    assert status(read) is ConsentStatus.WITHDRAWN
    assert status(read, Channel.PHONE) is ConsentStatus.WITHDRAWN
    mail, calls = consent(read), consent(read, Channel.PHONE)
    assert mail
    assert calls
    assert (mail.address, calls.address) == ("jane@example.com", "")
    assert len(read.consents) == 2


def test_a_bounce_marks_the_address_and_stops_mail() -> None:
    """Whichever of the two fields our user can see."""
    for fields in ({"IsEmailBounced": True}, {"EmailBouncedDate": "2026-01-01T00:00:00.000+0000"}):
        read = contact(**fields)
        assert read.emails[0].status is AddressStatus.BOUNCED
        assert status(read) is ConsentStatus.HARD_BOUNCE


@pytest.mark.parametrize("flag", ["HasOptedOutSolicit", "HasOptedOutProcessing", "ShouldForget"])
def test_an_individual_may_object_to_everything(flag: str) -> None:
    """All four channels, whatever else was said."""
    granted = said("Email", "OptIn", CaptureDate="2026-01-01T00:00:00.000+0000")
    read = contact((granted,), Individual={"attributes": {}, flag: True})
    assert {status(read, channel) for channel in Channel} == {ConsentStatus.OBJECTED}


@pytest.mark.parametrize(
    ("kind", "word", "more", "expected"),
    [
        ("Email", "OptIn", {}, ConsentStatus.GRANTED),
        ("Email", "OptOut", {}, ConsentStatus.WITHDRAWN),
        ("Email", "Seen", {}, ConsentStatus.NONE),
        ("Email", "NotSeen", {}, ConsentStatus.NONE),
        ("Email", "Perhaps", {}, ConsentStatus.UNKNOWN),
        ("Email", "OptIn", {"EffectiveTo": "2026-01-01T00:00:00Z"}, ConsentStatus.NONE),
        ("Email", "OptIn", {"EffectiveFrom": "2027-01-01T00:00:00Z"}, ConsentStatus.NONE),
        ("Email", "OptOut", {"EffectiveTo": "2026-01-01T00:00:00Z"}, None),
        ("Email", "OptOut", {"EffectiveFrom": "2027-01-01T00:00:00Z"}, ConsentStatus.WITHDRAWN),
        ("Web", "OptOut", {}, None),
    ],
)
def test_consent_by_channel(
    kind: str, word: str, more: dict[str, str], expected: ConsentStatus | None
) -> None:
    """A consent must be in force; a refusal needs no beginning."""
    assert status(contact((said(kind, word, **more),))) is expected


def test_the_least_permissive_answer_counts() -> None:
    """As in Salesforce's own Consent API; other purposes stand beside it."""
    read = contact(
        (
            said("Email", "OptIn"),
            said("Email", "OptOut"),
            said("Email", "OptIn", DataUsePurpose={"attributes": {}, "Name": "Newsletter"}),
            said("MailingAddress", "OptIn"),
        )
    )
    held = {(one.channel, one.purpose): one.status for one in read.consents}
    assert held == {
        (Channel.EMAIL, "marketing"): ConsentStatus.WITHDRAWN,
        (Channel.EMAIL, "Newsletter"): ConsentStatus.GRANTED,
        (Channel.POST, "marketing"): ConsentStatus.GRANTED,
    }


def test_a_proof_may_be_complete() -> None:
    """What Salesforce has no field for comes from the contact's own; nothing is missing then."""
    own = {"consent": {"text_version": "Consent_Text_Version__c"}}
    granted = said(
        "Email",
        "OptIn",
        CaptureDate="2026-01-01T00:00:00.000+0000",
        CaptureSource="newsletter form",
        DoubleConsentCaptureDate="2026-01-01T00:05:00.000+0000",
    )
    held = consent(contact((granted,), own, Consent_Text_Version__c="2025-09"))
    assert held
    assert held.missing_proof == ()
    assert (held.how, held.evidence) == ("double opt-in", "0ZX1")


def test_an_org_may_keep_consent_on_the_contact() -> None:
    """A mapped date says that it was given; opting out binds more."""
    own = {"consent": {"given_at": "Consent_Given_At__c", "how": "Consent_How__c"}}
    fields = {"Consent_Given_At__c": "2026-01-01T00:00:00.000+0000", "Consent_How__c": "form"}
    held = consent(contact((), own, **fields))
    assert held
    assert (held.status, held.how, held.purpose) == (ConsentStatus.GRANTED, "form", "marketing")
    assert status(contact((), own, **fields, HasOptedOutOfEmail=True)) is ConsentStatus.WITHDRAWN
    assert status(contact((), own, Consent_How__c="form")) is None


def test_kinds_by_name() -> None:
    """A field of the org's own may tell consumers from companies."""
    settings = {"fields": {"kind": "Is_Private__c"}, "kinds": {"true": "b2c", "false": "b2b"}}
    assert contact(settings=settings, Is_Private__c=True).kind is Kind.B2C
    assert contact(settings=settings, Is_Private__c=False).kind is Kind.B2B


# -- the README -----------------------------------------------------------------------------------


def test_the_readme_holds_the_table_of_fields() -> None:
    """It is made from the mapping, so that it cannot say anything else."""
    text = README.read_text("utf-8")
    held = text.partition("<!-- fields -->\n")[2].partition("<!-- /fields -->")[0]
    assert held == field_table()


def test_a_value_longer_than_any_of_salesforces_is_set_aside() -> None:
    """Forty megabytes in one field: the record is quarantined by the field's name."""
    found = mapped().contact(record(Title="x" * 40_000_000))
    assert isinstance(found, Poison)
    assert "Title" in found.reason


def test_the_spec_names_what_is_read_and_what_holds_consent() -> None:
    """Rules on other fields are refused beforehand; no rule may set what consent is read from."""
    held = {name for name in SPEC.fields or () if not FIELDS[name].computed}
    assert held == {*WRITABLE, *READ_ONLY}
    individual = [f"Individual.{name}" for name in INDIVIDUAL_FLAGS]
    consent = [*CONTACT_FLAGS, *individual, "isemailbounced", "EmailBouncedDate", "IndividualId"]
    assert all(SPEC.holds_consent(name) for name in consent)
    assert not any(SPEC.holds_consent(name) for name in WRITABLE.values())
