"""Pipedrive's persons as contacts, fields by name and type, updates as one PATCH."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crm_steward_pipedrive
from crm_steward.sdk import (
    FIELDS,
    MAPPABLE,
    Channel,
    ConsentStatus,
    Contact,
    Kind,
    PhoneKind,
    Poison,
    Problem,
    RecordRef,
    RecordRejectedError,
    Stage,
)
from crm_steward_pipedrive import SPEC
from crm_steward_pipedrive.mapping import (
    ContactMap,
    Sources,
    Surroundings,
    field_table,
    knows,
    same,
)
from crm_steward_pipedrive.patching import body_of, plain
from crm_steward_pipedrive.sandbox import schema as emulated
from crm_steward_pipedrive.schema import PersonField, Schema

FIELDS_OF = emulated.fields(campaigns=True, contact_sync=True)
SCHEMA = Schema(field for item in FIELDS_OF.values() if (field := PersonField.of(item)))
PLACE = {
    "value": "12 rue Haute, 75001 Paris, France",
    "street_number": "12",
    "route": "rue Haute",
    "postal_code": "75001",
    "locality": "Paris",
    "country": "France",
}


def _field(name: str) -> PersonField:
    found = SCHEMA.find(name, "here")
    assert isinstance(found, PersonField)
    return found


def _record(**values: Any) -> dict[str, Any]:
    return {"id": 4711, "name": "Ann Example", "update_time": "2026-03-02T10:00:00Z", **values}


def _contact(
    sources: Sources | None = None, around: Surroundings | None = None, **values: Any
) -> Contact:
    reading = ContactMap("pipe")
    reading.sources = sources or Sources()
    contact = reading.contact(_record(**values), around or Surroundings())
    assert isinstance(contact, Contact)
    return contact


def _custom(**held: Any) -> dict[str, Any]:
    return {_field(name).code: value for name, value in held.items()}


# -- reading --------------------------------------------------------------------------------------


def test_a_person_is_read_as_a_contact() -> None:
    """Every field of the table lands under its canonical name."""
    done = datetime(2026, 2, 1, 9, tzinfo=UTC)
    contact = _contact(
        around=Surroundings(companies={7: "Example Ltd"}, done={55: done}),
        first_name="Ann",
        last_name="Example",
        owner_id=21,
        org_id=7,
        add_time="2024-01-02T03:04:05Z",
        emails=[
            {"value": "second@example.com", "primary": False},
            {"value": "first@example.com", "primary": True, "label": "work"},
        ],
        phones=[
            {"value": "1", "primary": True, "label": "mobile"},
            {"value": "2", "primary": False, "label": "work"},
            {"value": "3", "primary": False, "label": "fax"},
        ],
        postal_address=PLACE,
        job_title="Buyer",
        last_activity_id=55,
        last_incoming_mail_time="2026-01-05T08:00:00Z",
        last_outgoing_mail_time="2026-01-06T08:00:00Z",
        marketing_status="subscribed",
        notes_count=2,
        won_deals_count=1,
    )
    assert contact.ref == RecordRef("pipe", "4711")
    assert (contact.first_name, contact.last_name, contact.full_name) == ("Ann", "Example", None)
    assert [email.address for email in contact.emails] == [
        "first@example.com",
        "second@example.com",
    ]
    assert (contact.value("phone"), contact.value("mobile")) == ("2", "1")
    assert contact.phones[2].kind is PhoneKind.OTHER
    assert (contact.company, contact.job_title, contact.owner) == ("Example Ltd", "Buyer", "21")
    assert contact.value("street") == "12 rue Haute"
    assert (contact.value("postcode"), contact.value("city")) == ("75001", "Paris")
    assert contact.stage is Stage.CUSTOMER
    assert contact.created_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert contact.last_person_act == datetime(2026, 1, 5, 8, tzinfo=UTC), "they wrote to us"
    assert contact.last_activity == done
    assert contact.has_notes
    (consent,) = contact.consents
    assert (consent.status, consent.address) == (ConsentStatus.GRANTED, "first@example.com")


def test_our_mail_and_our_activities_are_no_act_of_the_person() -> None:
    """Only mail that came in moves the retention clock."""
    contact = _contact(
        around=Surroundings(done={55: datetime(2026, 2, 1, tzinfo=UTC)}),
        last_activity_id=55,
        last_outgoing_mail_time="2026-01-06T08:00:00Z",
    )
    assert contact.last_person_act is None
    assert contact.last_activity == datetime(2026, 2, 1, tzinfo=UTC)


def test_no_address_is_no_address() -> None:
    """One empty entry stands for an empty list."""
    empty = [{"value": "", "primary": True}]
    contact = _contact(emails=empty, phones=empty)
    assert (contact.emails, contact.phones) == ((), ())


@pytest.mark.parametrize(
    ("status", "read"),
    [
        ("subscribed", ConsentStatus.GRANTED),
        ("unsubscribed", ConsentStatus.WITHDRAWN),
        ("no_consent", ConsentStatus.NONE),
        ("archived", ConsentStatus.UNKNOWN),
        ("of tomorrow", ConsentStatus.UNKNOWN),
    ],
)
def test_consent(status: str, read: ConsentStatus) -> None:
    """Whatever is not subscribed, a status of tomorrow included, is not mailable."""
    (consent,) = _contact(marketing_status=status).consents
    assert (consent.channel, consent.status) == (Channel.EMAIL, read)
    assert consent.status.mailable is (status == "subscribed")


def test_without_campaigns_nothing_is_said_about_consent() -> None:
    """No status, no consent: neither granted nor refused."""
    assert _contact().consents == ()


def test_the_proof_of_consent_is_where_the_settings_say() -> None:
    """Dates become times; an empty purpose leaves the usual one."""
    sources = Sources(
        consent={
            "given_at": _field("Consent: when"),
            "how": _field("Consent: how"),
            "purpose": _field("Source"),
        }
    )
    held = _custom(**{"Consent: when": "2025-09-01", "Consent: how": "form"})
    (consent,) = _contact(sources, marketing_status="subscribed", custom_fields=held).consents
    assert consent.given_at == datetime(2025, 9, 1, tzinfo=UTC)
    assert (consent.how, consent.purpose) == ("form", "marketing")


def test_settings_say_where_fields_are_kept() -> None:
    """Names, stage and kind by labels, times, e-mail and phone: all from fields of the account."""
    sources = Sources(
        fields={
            "language": _field("Language"),
            "stage": _field("Labels"),
            "kind": _field("Type of client"),
            "last_person_act": _field("Consent: when"),
            "email": _field("Website"),
            "mobile": _field("Source"),
        },
        extra={"interests": _field("Interests"), "turnover": _field("Turnover")},
        stages={"Customer": Stage.CUSTOMER, "Hot lead": Stage.PROSPECT},
        kinds={"Consumer": Kind.B2C},
    )
    held = _custom(
        **{
            "Language": 32,
            "Type of client": 62,
            "Consent: when": "2026-01-31",
            "Website": "moved@example.com",
            "Source": "+44 7700 900000",
            "Interests": [53, 51],
            "Turnover": {"value": 12.5, "currency": "EUR"},
        }
    )
    contact = _contact(
        sources,
        custom_fields=held,
        label_ids=[2],
        emails=[{"value": "usual@example.com", "primary": True}],
        phones=[{"value": "1", "primary": True, "label": "work"}],
    )
    assert contact.language == "German"
    assert (contact.stage, contact.kind) == (Stage.PROSPECT, Kind.B2C)
    assert contact.last_person_act == datetime(2026, 1, 31, tzinfo=UTC)
    assert contact.value("email") == "moved@example.com"
    assert (contact.value("mobile"), contact.value("phone")) == ("+44 7700 900000", "1")
    assert contact.extra == {"interests": "Webinars, Newsletter", "turnover": "12.5 EUR"}


def test_an_address_in_its_own_order() -> None:
    """The line says whether the number stands before or behind; a bare line is the street."""
    german = {"value": "Gasse 3, Ulm", "street_number": "3", "route": "Gasse", "locality": "Ulm"}
    assert _contact(postal_address=german).value("street") == "Gasse 3"
    assert _contact(postal_address={"value": "Somewhere 5"}).value("street") == "Somewhere 5"
    assert _contact(postal_address=None).value("street") is None


def test_two_edits_in_one_second_are_two_revisions() -> None:
    """Pipedrive's times are to the second; the content makes the difference."""
    assert _contact(name="Ann").revision != _contact(name="Bob").revision
    assert _contact(name="Ann").revision == _contact(name="Ann").revision


@pytest.mark.parametrize("record", [None, 7, "x", [], {}, {"id": "7"}, {"id": True}, {"id": 0}])
def test_a_record_without_an_id_is_set_aside(record: Any) -> None:
    """It is named `?`; nothing else is known of it."""
    assert ContactMap("pipe").contact(record) == Poison("?", "the record has no usable id")


@pytest.mark.parametrize("part", ["emails", "phones", "custom_fields"])
def test_a_record_of_a_wrong_shape_is_set_aside(part: str) -> None:
    """A text where a list or an object belongs."""
    poison = ContactMap("pipe").contact(_record(**{part: "text"}))
    assert poison == Poison("4711", f"the record's {part} cannot be read")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = (
    "name", "first_name", "owner_id", "org_id", "add_time", "update_time", "emails", "phones",
    "custom_fields", "postal_address", "job_title", "last_activity_id", "last_incoming_mail_time",
    "marketing_status", "notes_count", "won_deals_count", "label_ids",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(_NAMES), _JSON))
def test_any_json_is_a_contact_or_poison(values: dict[str, Any]) -> None:
    """Whatever Pipedrive sends in whatever place: never a crash."""
    reading = ContactMap("pipe")
    every = [field for field in SCHEMA.fields.values() if field.custom]
    reading.sources = Sources(
        extra={f"f{number}": field for number, field in enumerate(every)},
        fields={"stage": _field("Labels"), "language": _field("Language")},
    )
    assert isinstance(reading.contact(_record(**values)), Contact | Poison)


# -- fields by name and type ----------------------------------------------------------------------


def test_a_field_is_found_by_name_or_by_code() -> None:
    """The case of letters does not matter; the code always does."""
    field = _field("Customer number")
    assert _field(field.code) is _field("customer NUMBER") is field
    assert field.custom
    assert len(field.code) == 40


def test_a_name_that_leads_nowhere_comes_with_a_guess() -> None:
    """The setting is named, and what may have been meant."""
    problem = SCHEMA.find("Customer numbr", "connections.pipe.extra.number")
    assert isinstance(problem, Problem)
    assert "did you mean 'Customer number'?" in str(problem)
    assert "connections.pipe.extra.number" in str(problem)


def test_a_name_that_two_fields_have_names_their_codes() -> None:
    """Which one is meant is the admin's to say."""
    problem = SCHEMA.find("Remark", "connections.pipe.extra.remark")
    assert isinstance(problem, Problem)
    assert emulated.code_of("Remark", 1) in str(problem)
    assert emulated.code_of("Remark", 2) in str(problem)


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("Customer number", "K-7", "K-7"),
        ("Customer number", 7, "7"),
        ("Customer number", None, None),
        ("Seats", "5", 5),
        ("Seats", 2.5, 2.5),
        ("Language", "german", 32),
        ("Interests", "Fairs, newsletter", [51, 52]),
        ("Interests", None, None),
        ("Consent: when", "2026-01-31T10:00:00+00:00", "2026-01-31"),
        ("Turnover", "12.5 EUR", {"value": 12.5, "currency": "EUR"}),
        ("Labels", "Customer", [1]),
    ],
)
def test_values_are_sent_in_their_type(name: str, value: Any, sent: Any) -> None:
    """Numbers as numbers, labels as option ids, null to clear."""
    assert _field(name).written(value) == sent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Seats", "many"),
        ("Seats", True),
        ("Language", "Klingon"),
        ("Interests", "Fairs, Klingon"),
        ("Interests", ""),
        ("Consent: when", "soon"),
        ("Turnover", "a lot"),
        ("Owner", "21"),
        ("ID", "7"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_unsent(name: str, value: Any) -> None:
    """The field is named, the value is not."""
    with pytest.raises(RecordRejectedError) as caught:
        _field(name).written(value)
    assert name in caught.value.message
    assert not value or str(value) not in caught.value.message


def test_what_reads_alike_is_alike() -> None:
    """Sets have no order, numbers have one value, labels no case, e-mail addresses neither."""
    assert same("extra.x", _field("Interests"), "Fairs, Newsletter", "newsletter, fairs")
    assert same("extra.x", _field("Seats"), 5, "5")
    assert same("language", _field("Language"), "German", "german")
    assert same("email", None, "Ann@Example.com", "ann@example.com")
    assert not same("last_name", None, "Ann", "ann")
    assert same("phone", None, None, "")


# -- writing --------------------------------------------------------------------------------------


def _body(values: dict[str, Any], **record: Any) -> dict[str, Any]:
    sources = Sources(
        fields={"language": _field("Language"), "stage": _field("Labels")},
        extra={"number": _field("Customer number"), "seats": _field("Seats")},
    )
    return body_of(values, _record(**record), sources.of)


def test_what_the_model_calls_writable_is_written_or_refused_with_a_reason() -> None:
    """Company, website and what is only read have no place of their own in Pipedrive."""
    record = {"job_title": None, "postal_address": None, "first_name": "Ann"}
    refused = set()
    for name, field in FIELDS.items():
        try:
            _body({name: "German" if name == "language" else "Customer"}, **record)
        except RecordRejectedError as error:
            assert name in error.message  # noqa: PT017 -- which fields raise is what is asked
            refused.add(name)
        else:
            assert field.writable or name == "stage"
    assert refused >= {"company", "website", "owner", "created_at", "source"}


def test_names_travel_as_one() -> None:
    """The half that does not change is taken from the record; none at all is refused."""
    names = {"first_name": "Ann", "last_name": "Example"}
    assert _body({"last_name": "Other"}, **names) == {"name": "Ann Other"}
    assert _body({"last_name": None}, **names) == {"name": "Ann"}
    both = {"first_name": "Bea", "last_name": "van Other"}
    assert _body(both, **names) == {"name": "Bea van Other"}
    with pytest.raises(RecordRejectedError, match="wants every contact to have a name"):
        _body({"first_name": None, "last_name": None}, **names)


@pytest.mark.parametrize(
    ("first", "last", "is_plain"),
    [("Ann", "Example", True), ("Ann", None, True), (" Ann ", "Example", True),
     ("Ann Bea", "Example", False), ("Ann", "van Example", False), (None, "Example", False)],
)  # fmt: skip
def test_which_names_are_parted_in_one_way_only(first: Any, last: Any, is_plain: bool) -> None:
    """Two single words, or a first name alone."""
    assert plain(first, last) is is_plain


ENTRIES = [
    {"value": "a@example.com", "primary": True, "label": "work"},
    {"value": "b@example.com", "primary": False, "label": "home"},
]
PHONES = [
    {"value": "1", "primary": False, "label": "work"},
    {"value": "2", "primary": True, "label": "mobile"},
    {"value": "3", "primary": False, "label": "home"},
]


def test_lists_keep_their_other_entries() -> None:
    """One entry is replaced, added or removed; labels and the others stay; one is primary."""
    changed = _body({"email": "c@example.com"}, emails=ENTRIES)["emails"]
    assert changed == [{**ENTRIES[0], "value": "c@example.com"}, ENTRIES[1]]
    removed = _body({"email": None}, emails=ENTRIES)["emails"]
    assert removed == [{**ENTRIES[1], "primary": True}]
    swapped = _body({"email": "b@example.com"}, emails=ENTRIES)["emails"]
    assert swapped == [{**ENTRIES[0], "value": "b@example.com"}], "no address twice"
    added = _body({"email": "a@example.com"}, emails=[{"value": "", "primary": True}])["emails"]
    assert added == [{"value": "a@example.com", "primary": True, "label": "work"}]
    assert _body({"email": None}, emails=[])["emails"] == []


def test_phone_and_mobile_are_two_entries_of_one_list() -> None:
    """Each finds its own by the label; both may be written at once."""
    body = _body({"phone": "9", "mobile": "8"}, phones=PHONES)
    assert {entry["value"]: entry["label"] for entry in body["phones"]} == {
        "8": "mobile",
        "9": "work",
        "3": "home",
    }
    assert sum(entry["primary"] for entry in body["phones"]) == 1
    added = _body({"mobile": "8"}, phones=[PHONES[0]])["phones"]
    assert added[1] == {"value": "8", "label": "mobile", "primary": False}


def test_an_address_is_sent_whole() -> None:
    """A part that is not sent would be lost; the line is made anew from the parts."""
    address = _body({"city": "Lyon"}, postal_address=PLACE)["postal_address"]
    assert address["value"] == "12 rue Haute, 75001 Lyon, France"
    assert (address["street_number"], address["postal_code"]) == ("12", "75001")
    address = _body({"street": "1 place Basse"}, postal_address=PLACE)["postal_address"]
    assert (address["street_number"], address["route"]) == (None, "1 place Basse")
    german = {"value": "Gasse 3, Ulm", "street_number": "3", "route": "Gasse", "locality": "Ulm"}
    address = _body({"city": "Bonn"}, postal_address=german)["postal_address"]
    assert address["value"] == "Gasse 3, Bonn"
    nothing = dict.fromkeys(("street", "postcode", "city", "region", "country"))
    assert _body(nothing, postal_address=PLACE)["postal_address"] is None
    line = _body({"city": "Ulm"}, postal_address={"value": "Somewhere 5"})["postal_address"]
    assert (line["route"], line["value"]) == ("Somewhere 5", "Somewhere 5, Ulm")


@pytest.mark.parametrize("name", ["job_title", "city"])
def test_without_contact_sync_nothing_is_sent(name: str) -> None:
    """Pipedrive would answer 403; the reason is said before."""
    with pytest.raises(RecordRejectedError, match="Contact Sync"):
        _body({name: "x"})


def test_mapped_fields_are_sent_under_their_codes() -> None:
    """Custom ones together, standard ones beside them."""
    body = _body({"language": "German", "extra.number": "K-7", "extra.seats": None})
    assert body == {
        "custom_fields": {
            _field("Language").code: 32,
            _field("Customer number").code: "K-7",
            _field("Seats").code: None,
        }
    }
    with pytest.raises(RecordRejectedError, match=r"no writable 'extra\.strange'"):
        _body({"extra.strange": "x"})


# -- documentation --------------------------------------------------------------------------------


def test_the_readme_shows_the_table_of_fields() -> None:
    """It is made from the mapping, and every field of the model is in it."""
    readme = Path(crm_steward_pipedrive.__file__).with_name("README.md").read_text("utf-8")
    shown = readme.partition("<!-- fields -->\n")[2].partition("\n<!-- /fields -->")[0]
    assert shown == field_table()
    missing = [name for name in MAPPABLE if f"`{name}`" not in shown and name != "full_name"]
    assert missing == []
    assert all(knows(name) for name in FIELDS)
    assert not knows("nothing")


def test_a_described_field_says_what_it_holds() -> None:
    """Labels as options, writability as we can."""
    described = _field("Language").described()
    assert (described.label, described.writable) == ("Language", True)
    assert "French" in described.options
    assert not _field("ID").described().writable
    assert not replace(_field("Source"), type="user").described().writable


def test_the_spec_names_what_is_read_and_what_holds_consent() -> None:
    """Rules on other fields are refused beforehand; no rule may set what consent is read from."""
    unmapped = {"language", "website", "source", "kind"}
    assert not unmapped & set(SPEC.fields or ())
    assert {"first_name", "region", "stage", "consent_email", "has_notes"} < set(SPEC.fields or ())
    assert all(SPEC.holds_consent(name) for name in ("marketing_status", "doi_status"))
    assert not SPEC.holds_consent("label_ids")
