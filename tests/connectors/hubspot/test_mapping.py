"""HubSpot's properties as our fields: meaning, hostile values, speed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.sdk import (
    FIELDS,
    AddressStatus,
    Channel,
    ConsentStatus,
    Contact,
    FieldType,
    Kind,
    PhoneKind,
    Poison,
    RecordRef,
    SourceField,
    Stage,
)
from crm_steward_hubspot import HubSpotSettings
from crm_steward_hubspot.mapping import (
    ACTIVITY,
    PERSON_ACTS,
    STANDARD,
    WRITABLE,
    ContactMap,
    field_table,
    page_address,
)
from crm_steward_hubspot.values import same, text_of

README = Path(__file__).parents[3] / "connectors/crm_steward_hubspot/README.md"


def _map(**settings: Any) -> ContactMap:
    return ContactMap("hub", HubSpotSettings.model_validate({"token": "t", **settings}))


MAP = _map(extra={"vip": "is_vip"}, consent={"given_at": "consent_date", "how": "consent_how"})


def _record(**properties: Any) -> dict[str, Any]:
    return {"id": "4711", "properties": properties, "createdAt": "2024-01-02T03:04:05.678Z"}


def _contact(**properties: Any) -> Contact:
    contact = MAP.contact(_record(**properties))
    assert isinstance(contact, Contact)
    return contact


def test_every_field_lands_where_it_belongs() -> None:
    """Each writable property is read back under its canonical name, unchanged."""
    contact = _contact(**{name: f"value of {name}" for name in WRITABLE.values()})
    for field, name in WRITABLE.items():
        assert contact.value(field) == f"value of {name}"


def test_what_can_be_written_is_what_the_model_calls_writable() -> None:
    """No field is written that the model does not allow, and all it allows are."""
    assert set(WRITABLE) == {name for name, field in FIELDS.items() if field.writable}
    assert MAP.property_of("extra.vip") == "is_vip"
    assert MAP.property_of("extra.unknown") is None
    assert MAP.property_of("owner") is None


def test_addresses_and_numbers_come_with_the_primary_first() -> None:
    """Additional addresses are those of merged contacts; only the primary one can be bounced."""
    contact = _contact(
        email="a@example.com",
        hs_additional_emails="b@example.com; c@example.org;",
        hs_email_hard_bounce_reason_enum="UNKNOWN_USER",
        phone="+33 1 23 45 67 89",
        mobilephone="06 12 34 56 78",
    )
    assert [email.address for email in contact.emails] == [
        "a@example.com",
        "b@example.com",
        "c@example.org",
    ]
    assert [email.status for email in contact.emails] == [
        AddressStatus.BOUNCED,
        AddressStatus.UNKNOWN,
        AddressStatus.UNKNOWN,
    ]
    assert [phone.kind for phone in contact.phones] == [PhoneKind.WORK, PhoneKind.MOBILE]


@pytest.mark.parametrize("name", PERSON_ACTS)
def test_an_act_of_the_person_moves_the_retention_clock(name: str) -> None:
    """Replies, forms, meetings and purchases count, whichever is the latest."""
    contact = _contact(**{name: "2025-03-01T10:00:00Z", "notes_last_contacted": "2026-01-01"})
    assert contact.last_person_act == datetime(2025, 3, 1, 10, tzinfo=UTC)
    assert contact.last_activity == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    [
        "hs_email_last_open_date",
        "hs_sales_email_last_opened",
        "hs_email_last_click_date",
        "hs_sales_email_last_clicked",
        "hs_email_last_send_date",
        "notes_last_updated",
        "notes_last_contacted",
        "lastmodifieddate",
        "hs_analytics_last_visit_timestamp",
    ],
)
def test_what_machines_and_we_do_does_not(name: str) -> None:
    """Opens, clicks of mail scanners, our own tasks and edits never renew the clock."""
    assert _contact(**{name: "2026-03-01T10:00:00Z"}).last_person_act is None
    assert "notes_last_updated" not in ACTIVITY
    assert "lastmodifieddate" not in ACTIVITY


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({}, None),
        ({"hs_email_optout": "false"}, None),
        ({"hs_email_optout": "true"}, ConsentStatus.WITHDRAWN),
        ({"hs_email_optout": True}, ConsentStatus.WITHDRAWN),
        ({"hs_legal_basis": "Freely given consent from contact"}, ConsentStatus.GRANTED),
        (
            {"hs_legal_basis": "Legitimate interest \u2013 existing customer"},
            ConsentStatus.SOFT_OPT_IN,
        ),
        ({"hs_legal_basis": "Legitimate interest \u2013 prospect/lead"}, ConsentStatus.IMPLIED),
        ({"hs_legal_basis": "Legitimate interest - other"}, ConsentStatus.IMPLIED),
        ({"hs_legal_basis": "Performance of a contract"}, ConsentStatus.NONE),
        ({"hs_legal_basis": "Not applicable"}, ConsentStatus.NONE),
        ({"hs_legal_basis": "A basis of this account's own"}, ConsentStatus.UNKNOWN),
        (
            {"hs_legal_basis": "Performance of a contract;Freely given consent from contact"},
            ConsentStatus.GRANTED,
        ),
        (
            {"hs_legal_basis": "Freely given consent from contact", "hs_email_optout": "true"},
            ConsentStatus.WITHDRAWN,
        ),
        (
            {
                "hs_legal_basis": "Freely given consent from contact",
                "email": "a@example.com",
                "hs_email_hard_bounce_reason_enum": "UNKNOWN_USER",
            },
            ConsentStatus.HARD_BOUNCE,
        ),
    ],
)
def test_consent(properties: dict[str, Any], status: ConsentStatus | None) -> None:
    """Grounds add up, an opt-out or a bounce outweighs them, silence stays silence."""
    consents = _contact(**properties).consents
    assert [consent.status for consent in consents] == ([] if status is None else [status])
    assert all(consent.channel is Channel.EMAIL for consent in consents)


@pytest.mark.parametrize(
    ("flags", "status", "address"),
    [
        ({"hs_email_bad_address": "true"}, ConsentStatus.HARD_BOUNCE, AddressStatus.INVALID),
        (
            {"hs_email_hard_bounce_reason_enum": "MAILBOX_FULL", "hs_email_bad_address": "true"},
            ConsentStatus.HARD_BOUNCE,
            AddressStatus.BOUNCED,
        ),
        ({"hs_email_quarantined": "true"}, ConsentStatus.HARD_BOUNCE, AddressStatus.UNKNOWN),
        (
            {
                "hs_email_quarantined": "true",
                "hs_email_quarantined_reason": "RECIPIENT_COMPLAINT",
            },
            ConsentStatus.COMPLAINT,
            AddressStatus.UNKNOWN,
        ),
        (
            {"hs_email_quarantined_reason": "RECIPIENT_COMPLAINT", "hs_email_optout": "true"},
            ConsentStatus.WITHDRAWN,
            AddressStatus.UNKNOWN,
        ),
        ({"hs_email_quarantined": "false"}, ConsentStatus.GRANTED, AddressStatus.UNKNOWN),
        (
            {"hs_email_quarantined_reason": "A_REASON_OF_NEXT_YEAR"},
            ConsentStatus.GRANTED,
            AddressStatus.UNKNOWN,
        ),
    ],
)
def test_an_address_that_takes_no_mail(
    flags: dict[str, str], status: ConsentStatus, address: AddressStatus
) -> None:
    """Bounces, bad addresses, quarantine and complaints bind more than a consent that was given."""
    basis = "Freely given consent from contact"
    contact = _contact(email="a@example.com", hs_legal_basis=basis, **flags)
    assert [consent.status for consent in contact.consents] == [status]
    assert contact.emails[0].status is address


def _schema(**labels: str) -> dict[str, SourceField]:
    return {
        name: SourceField(name=name, label=label, type=FieldType.FLAG)
        for name, label in labels.items()
    }


SUBSCRIPTIONS = {
    "hs_email_optout_7": "Opted out of email: Product news",
    "hs_email_optout_8": "Désinscription des e-mails : Événements",
    "hs_email_optout_9": "no colon",
    "hs_email_optout_survey_reason": "Survey: reason",
    "hs_email_optout": "Unsubscribed from all email",
}


def test_each_subscription_has_an_opt_out_of_its_own() -> None:
    """Found in the schema, named as people call it; silence about one is silence."""
    mapping = _map()
    mapping.learn(_schema(**SUBSCRIPTIONS))
    assert {"hs_email_optout_7", "hs_email_optout_9"} <= set(mapping.properties)
    assert "hs_email_optout_survey_reason" not in mapping.properties
    held = {
        "email": "a@example.com",
        "hs_legal_basis": "Freely given consent from contact",
        "hs_email_optout_7": "true",
        "hs_email_optout_8": "true",
        "hs_email_optout_9": None,
    }
    contact = mapping.contact(_record(**held))
    assert isinstance(contact, Contact)
    assert [(consent.purpose, consent.status) for consent in contact.consents] == [
        ("marketing", ConsentStatus.GRANTED),
        ("Product news", ConsentStatus.WITHDRAWN),
        ("Événements", ConsentStatus.WITHDRAWN),
    ]
    assert {consent.address for consent in contact.consents} == {"a@example.com"}


def test_out_of_every_subscription_is_out_of_all() -> None:
    """Whoever left each kind of e-mail by itself gets none."""
    mapping = _map()
    mapping.learn(_schema(**SUBSCRIPTIONS))
    out = {f"hs_email_optout_{n}": "true" for n in (7, 8, 9)}
    contact = mapping.contact(_record(**out, hs_legal_basis="Legitimate interest - other"))
    assert isinstance(contact, Contact)
    assert contact.consents[0].status is ConsentStatus.WITHDRAWN
    assert [consent.purpose for consent in contact.consents[1:]] == [
        "Product news", "Événements", "subscription 9",
    ]  # fmt: skip


def test_settings_say_where_fields_are_kept_and_what_values_mean() -> None:
    """`fields` moves any canonical field, `stages` and `kinds` give an account's values a meaning."""
    mapping = _map(
        fields={
            "full_name": "whole_name",
            "kind": "person_type",
            "stage": "our_stage",
            "last_person_act": "last_order",
            "email": "work_email",
        },
        stages={"won": "customer", "lead": "former"},
        kinds={"private": "b2c"},
    )
    contact = mapping.contact(
        _record(
            whole_name="Ann Lee",
            person_type="private",
            our_stage="won",
            lifecyclestage="lead",
            last_order="2025-02-03",
            recent_conversion_date="2026-01-01",
            work_email="ann@work.example.com",
            email="ann@example.com",
            hs_email_optout="true",
        )
    )
    assert isinstance(contact, Contact)
    assert (contact.full_name, contact.kind, contact.stage) == ("Ann Lee", Kind.B2C, Stage.CUSTOMER)
    assert contact.last_person_act == datetime(2025, 2, 3, tzinfo=UTC)
    assert contact.value("email") == "ann@work.example.com"
    assert contact.consents[0].address == "ann@example.com", "flags speak of HubSpot's own address"
    assert mapping.property_of("email") == "work_email"
    assert mapping.property_of("stage") is None, "only read"
    assert {"whole_name", "person_type", "our_stage", "work_email"} <= set(mapping.properties)


def test_the_readme_s_table_of_fields_is_made_from_the_mapping() -> None:
    """What the README says about fields is what the code does."""
    text = README.read_text("utf-8")
    table = text.split("<!-- fields -->")[1].split("<!-- /fields -->")[0]
    assert table.strip() == field_table()


def test_a_value_longer_than_any_of_hubspot_s_is_set_aside() -> None:
    """HubSpot's text ends at 65,536 characters; what is far beyond is damage, and named as such."""
    assert isinstance(MAP.contact(_record(company="x" * 100_000)), Contact)
    poison = MAP.contact(_record(company="x" * 100_001))
    assert poison == Poison("4711", "property 'company' has 100001 characters")


def test_the_proof_of_consent_comes_from_the_mapped_properties() -> None:
    """HubSpot has no fields for it; what is not mapped stays missing."""
    (consent,) = _contact(
        email="a@example.com",
        hs_legal_basis="Freely given consent from contact",
        consent_date="2025-05-04",
        consent_how="form",
    ).consents
    assert consent.given_at == datetime(2025, 5, 4, tzinfo=UTC)
    assert consent.missing_proof == ("text_version", "source")


@pytest.mark.parametrize(
    ("stage", "ours"),
    [
        ("lead", Stage.PROSPECT),
        ("customer", Stage.CUSTOMER),
        ("other", Stage.UNKNOWN),
        ("148201", Stage.UNKNOWN),
        (None, Stage.UNKNOWN),
    ],
)
def test_stage(stage: str | None, ours: Stage) -> None:
    """An account's own lifecycle stages are unknown, never an error."""
    assert _contact(lifecyclestage=stage).stage is ours


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-02-25T16:23:49.023Z", datetime(2026, 2, 25, 16, 23, 49, 23_000, tzinfo=UTC)),
        ("2026-02-25", datetime(2026, 2, 25, tzinfo=UTC)),
        ("1700000000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1700000000000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2026-02-25T18:23:49+02:00", datetime(2026, 2, 25, 16, 23, 49, tzinfo=UTC)),
        ("yesterday", None),
        ("99999999999999", datetime(5138, 11, 16, 9, 46, 39, 999_000, tzinfo=UTC)),
        ("", None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_times(text: Any, time: datetime | None) -> None:
    """ISO, dates and epoch milliseconds are read; anything else is no time."""
    assert _contact(recent_conversion_date=text).last_person_act == time


@pytest.mark.parametrize(
    "record",
    [None, 42, "x", [], {}, {"id": 7, "properties": {}}, {"id": "", "properties": {}},
     {"id": "7"}, {"id": "7", "properties": []}, {"id": "../../x", "properties": {}}],
)  # fmt: skip
def test_a_record_that_is_none_is_poison(record: Any) -> None:
    """Whatever is not a record with an id and properties is set aside, not fatal."""
    assert isinstance(MAP.contact(record), Poison)


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*STANDARD, "is_vip", "consent_date"]), _junk))
def test_no_value_is_fatal(properties: dict[str, Any]) -> None:
    """Any JSON in any property: a contact comes out whose values are text, times or nothing."""
    contact = _contact(**properties)
    MAP.absorbed(_record(**properties))
    for field in FIELDS:
        kind = bool if field == "has_notes" else str
        assert contact.value(field) is None or isinstance(contact.value(field), kind)


def test_absorbed_records_name_their_survivor() -> None:
    """`hs_merged_object_ids` lists all of them; the survivor itself and junk are left out."""
    gone = MAP.absorbed(_record(hs_merged_object_ids="12; 34;4711;;x;56"))
    assert [item.ref.id for item in gone] == ["12", "34", "56"]
    assert {item.survivor for item in gone} == {RecordRef("hub", "4711")}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://app-eu1.hubspot.com/contacts/1/record/0-1/4711", True),
        ("https://app.hubspot.com/contacts/1/contact/4711", True),
        ("https://app.hubspot.com.evil.example/x", False),
        ("javascript:alert(1)", False),
        ("https://app.hubspot.com/a b", False),
        (None, False),
    ],
)
def test_links_lead_to_hubspot_only(given: str | None, shown: bool) -> None:
    """A link from an answer is shown when it is HubSpot's; otherwise one is made."""
    mapping = _map()
    mapping.link = page_address({"portalId": 9, "uiDomain": "app-eu1.hubspot.com"})
    contact = mapping.contact({**_record(), "url": given})
    assert isinstance(contact, Contact)
    made = "https://app-eu1.hubspot.com/contacts/9/record/0-1/4711"
    assert contact.url == (given if shown else made)


def test_a_page_address_is_made_of_hubspot_s_own_domain() -> None:
    """A foreign or missing domain in the account's details makes no link."""
    assert page_address({}) == ""
    assert page_address({"portalId": 9, "uiDomain": "evil.example"}) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("x", "x"), (True, "true"), (False, "false"), (7, "7"), (1.5, "1.5")],
)
def test_values_as_hubspot_takes_them(value: Any, text: str) -> None:
    """Everything is text; None clears by the empty text."""
    assert text_of(value) == text


def test_what_hubspot_holds_as_the_same() -> None:
    """It trims, and lowers e-mail addresses; nothing else is taken for the same."""
    assert same("email", "Ann@Example.com ", "ann@example.com")
    assert same("last_name", None, "")
    assert not same("last_name", "Ann", "ann")
