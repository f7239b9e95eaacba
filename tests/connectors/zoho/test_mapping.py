"""What Zoho's values mean: contacts, consents, types, and the table in the README."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crm_steward_zoho
from crm_steward.sdk import (
    FIELDS,
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    FieldType,
    Kind,
    Phone,
    PhoneKind,
    Poison,
    Stage,
)
from crm_steward_zoho import SPEC, ZohoSettings
from crm_steward_zoho.consents import STANDARD as CONSENT_FIELDS
from crm_steward_zoho.consents import consents_of, known, opted_out
from crm_steward_zoho.errors import refusal_of
from crm_steward_zoho.mapping import FIELD_NAMES, ContactMap, field_table, same
from crm_steward_zoho.sandbox.schema import BASES
from crm_steward_zoho.schema import Field, Schema
from crm_steward_zoho.values import BadValueError, moment

SECRETS = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}
ANN = (Email("ann@example.com"),)


def mapped(**settings: Any) -> ContactMap:
    """Return a map with settings of its own."""
    return ContactMap("zoho", ZohoSettings.model_validate({**SECRETS, **settings}))


def read(contacts: ContactMap, **held: Any) -> Contact:
    """Read one record."""
    contact = contacts.contact({"id": "5545974000000200001", **held})
    assert isinstance(contact, Contact)
    return contact


# -- contacts ---------------------------------------------------------------------------------


def test_a_record_becomes_a_contact() -> None:
    """Every standard field goes where the table says; times are UTC, empty text is None."""
    contact = read(
        mapped(),
        First_Name="Ann",
        Last_Name="Lee",
        Full_Name="Ann Lee",
        Email="ann@example.com",
        Secondary_Email="lee@example.com",
        Phone="+33 1",
        Mobile="+33 6",
        Home_Phone="+33 2",
        Other_Phone="",
        Account_Name={"name": "Acme", "id": "5"},
        Title="Beekeeper",
        Mailing_Street="1 rue",
        Mailing_Zip="75001",
        Mailing_City="Paris",
        Mailing_State="",
        Mailing_Country="France",
        Owner={"name": "Tom", "id": "7", "email": "t@vendor.example"},
        Lead_Source="Web Form",
        Created_Time="2025-01-01T10:00:00+01:00",
        Modified_Time="2026-01-01T10:00:00+01:00",
        Last_Activity_Time="2026-02-01T10:00:00+02:00",
    )
    assert (contact.first_name, contact.last_name, contact.full_name) == ("Ann", "Lee", "Ann Lee")
    assert contact.emails == (Email("ann@example.com"), Email("lee@example.com"))
    assert contact.phones == (
        Phone("+33 1", PhoneKind.WORK, AddressStatus.UNKNOWN),
        Phone("+33 6", PhoneKind.MOBILE),
        Phone("+33 2", PhoneKind.HOME),
    )
    assert (contact.company, contact.job_title, contact.owner) == ("Acme", "Beekeeper", "7")
    assert (contact.address.postcode, contact.address.region) == ("75001", None)
    assert contact.source == "Web Form"
    assert contact.created_at == datetime(2025, 1, 1, 9, tzinfo=UTC)
    assert contact.last_activity == datetime(2026, 2, 1, 8, tzinfo=UTC)
    assert contact.revision == "2026-01-01T10:00:00+01:00"
    assert contact.last_person_act is None


def test_settings_name_what_zoho_has_no_field_for() -> None:
    """Stage, kind, the person's last act, language and website come from fields that are named."""
    contacts = mapped(
        fields={"stage": "Status", "kind": "Type", "last_person_act": "Last_Reply",
                "language": "Lang", "company": "Firm"},
        stages={"Won": "customer"},
        kinds={"Private": "b2c"},
        extra={"tags": "Tag", "score": "Score"},
    )  # fmt: skip
    contact = read(
        contacts, Status="Won", Type="Private", Last_Reply="2026-03-01T10:00:00Z", Lang="fr",
        Firm="Acme", Tag=[{"name": "a", "id": "1"}, {"name": "b"}], Score=7,
    )  # fmt: skip
    assert (contact.stage, contact.kind) == (Stage.CUSTOMER, Kind.B2C)
    assert contact.last_person_act == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (contact.language, contact.company) == ("fr", "Acme")
    assert contact.extra == {"tags": "a;b", "score": 7}
    other = read(contacts, Status="Lost")
    assert (other.stage, other.kind) == (Stage.UNKNOWN, Kind.UNKNOWN)
    assert contacts.name_of("company", {}) == "Firm"
    assert contacts.name_of("owner", {}) is None
    assert mapped().name_of("language", {}) is None


@given(
    st.dictionaries(
        st.sampled_from([*mapped().standard, "id", "Odd"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["id", "name", "Data_Processing_Basis"]), inner)
            ),
            max_leaves=5,
        ),
        max_size=8,
    )
)
def test_no_record_breaks_the_reader(held: dict[str, Any]) -> None:
    """Whatever comes, it is a contact or set aside, and never an error."""
    result = mapped(extra={"odd": "Odd"}).contact({"id": "5", **held})
    assert isinstance(result, Contact | Poison)
    assert isinstance(mapped().contact(held.get("Odd")), Contact | Poison)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "x" * 100, "0001-01-01T00:00:00+14:00"])
def test_times_that_cannot_be_read_are_none(text: str) -> None:
    """None, and no error."""
    assert moment(text) is None


# -- consents ---------------------------------------------------------------------------------


def mail(**held: Any) -> Consent | None:
    """Return the e-mail consent of a record."""
    found = [one for one in consents_of(held, ANN, {}) if one.channel is Channel.EMAIL]
    assert len(found) <= 1
    return found[0] if found else None


def test_silence_says_nothing() -> None:
    """Without flag and basis there is no consent, and none is invented."""
    assert consents_of({}, ANN, {}) == ()
    assert consents_of({"Email_Opt_Out": False}, ANN, {}) == ()
    assert consents_of({"Data_Processing_Basis": "Not Applicable"}, ANN, {}) == ()


@pytest.mark.parametrize(
    ("basis", "status"),
    [
        ("Consent - Obtained", ConsentStatus.GRANTED),
        ("Consent – Obtained", ConsentStatus.GRANTED),  # noqa: RUF001 - an organisation's dash
        ("CONSENT-OBTAINED", ConsentStatus.GRANTED),
        ("Legitimate Interests", ConsentStatus.IMPLIED),
        ("Legitimate interest", ConsentStatus.IMPLIED),
        ("Consent - Pending", ConsentStatus.NONE),
        ("Consent - Waiting", ConsentStatus.NONE),
        ("Consent - Not Responded", ConsentStatus.NONE),
        ("Contract", ConsentStatus.NONE),
        ("Legal Obligation", ConsentStatus.NONE),
        ("Public interest", ConsentStatus.NONE),
        ("Stop Processing", ConsentStatus.OBJECTED),
        ("Because", ConsentStatus.UNKNOWN),
        ("同意", ConsentStatus.UNKNOWN),
    ],
)
def test_a_basis_allows_what_it_says(basis: str, status: ConsentStatus) -> None:
    """An unknown value allows nothing."""
    consent = mail(Data_Processing_Basis=basis)
    assert consent is not None
    assert (consent.status, consent.basis, consent.address) == (status, basis, "ann@example.com")


def test_every_value_of_the_emulated_picklist_is_known() -> None:
    """`check` would say otherwise."""
    assert [basis for basis in BASES if not known(basis)] == []
    assert known("Consent")
    assert not known("Because")


def test_consent_alone_is_as_its_details_say() -> None:
    """`Consent` is a ground; whether it was given stands in the details."""
    assert mail(Data_Processing_Basis="Consent").status is ConsentStatus.UNKNOWN  # type: ignore[union-attr] # is there
    held = {
        "Data_Processing_Basis": "Consent",
        "Data_Processing_Basis_Details": {
            "Data_Processing_Basis": "Obtained",
            "Consent_Date": "2025-06-01",
            "Consent_Through": "Web form",
            "Contact_Through_Email": True,
            "Contact_Through_Phone": False,
            "Contact_Through_Survey": True,
        },
    }
    by_mail, by_phone = consents_of(held, ANN, {})
    assert by_mail == Consent(
        channel=Channel.EMAIL,
        status=ConsentStatus.GRANTED,
        address="ann@example.com",
        basis="Consent",
        given_at=datetime(2025, 6, 1, tzinfo=UTC),
        how="Web form",
    )
    assert (by_phone.channel, by_phone.status) == (Channel.PHONE, ConsentStatus.NONE)


def test_a_channel_that_was_not_ticked_is_not_allowed() -> None:
    """Consent obtained, but not for e-mail."""
    details = {"Contact_Through_Email": False}
    held = {"Data_Processing_Basis": "Consent - Obtained", "Data_Processing_Basis_Details": details}
    assert mail(**held).status is ConsentStatus.NONE  # type: ignore[union-attr] # is there


def test_the_opt_out_binds_more_than_any_basis() -> None:
    """Withdrawn, with its date; the basis stays legible."""
    consent = mail(
        Email_Opt_Out=True,
        Unsubscribed_Time="2026-05-01T10:00:00+02:00",
        Data_Processing_Basis="Consent - Obtained",
    )
    assert consent is not None
    assert consent.status is ConsentStatus.WITHDRAWN
    assert consent.withdrawn_at == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert consent.basis == "Consent - Obtained"
    assert mail(Email_Opt_Out=True).status is ConsentStatus.WITHDRAWN  # type: ignore[union-attr] # is there


def test_where_the_flag_is_hidden_its_date_tells() -> None:
    """A field this user may not see is not a yes; a flag that is seen decides."""
    time = "2026-05-01T10:00:00+02:00"
    assert opted_out({"Unsubscribed_Time": time})
    assert opted_out({"Unsubscribed_Time": "the day before"})
    with pytest.raises(BadValueError):
        opted_out({"Unsubscribed_Time": []})
    assert not opted_out({"Unsubscribed_Time": time, "Email_Opt_Out": False})
    assert not opted_out({})


def test_proof_of_the_organisation_s_own_fields_wins() -> None:
    """`consent` in the settings adds what Zoho has no field for."""
    contacts = mapped(consent={"text_version": "Wording", "given_at": "Given", "source": "Form"})
    contact = read(
        contacts,
        Email="ann@example.com",
        Data_Processing_Basis="Consent - Obtained",
        Data_Processing_Basis_Details={"Consent_Date": "2020-01-01", "Consent_Through": "Call"},
        Wording="2025-09",
        Given="2025-10-01",
        Form="newsletter",
    )
    consent = contact.consents[0]
    assert consent.given_at == datetime(2025, 10, 1, tzinfo=UTC)
    assert (consent.text_version, consent.source, consent.how) == ("2025-09", "newsletter", "Call")
    assert consent.missing_proof == ()


# -- types, schema, refusals ------------------------------------------------------------------


def field(kind: str) -> Field:
    """Return a field of a type."""
    return Field("X", "X", kind, writable=True)


@pytest.mark.parametrize(
    ("kind", "value", "typed"),
    [
        ("text", 5, "5"),
        ("text", "", None),
        ("boolean", "True", True),
        ("boolean", False, False),
        ("integer", "12", 12),
        ("currency", "12.5", 12.5),
        ("date", "2026-03-01T10:00:00Z", "2026-03-01"),
        ("datetime", "2026-03-01T10:00:00", "2026-03-01T10:00:00+00:00"),
        ("picklist", "Web Form", "Web Form"),
        ("integer", None, None),
    ],
)
def test_values_are_written_with_their_type(kind: str, value: Any, typed: Any) -> None:
    """Zoho's types are strict."""
    assert field(kind).typed(value) == typed
    assert type(field(kind).typed(value)) is type(typed)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("boolean", "yes"), ("integer", "1.5"), ("double", "nan"), ("double", "x"), ("date", "soon")],
)
def test_values_of_another_type_are_refused(kind: str, value: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=r".+"):
        field(kind).typed(value)


def test_a_schema_of_any_form_is_read() -> None:
    """Entries that are none are left out; types that are not known are text."""
    items = [None, {}, {"api_name": 5}, {"api_name": "A"}, "x",
             {"api_name": "B", "data_type": "website", "pick_list_values": [None, {"x": 1}]}]  # fmt: skip
    schema = Schema.parse(items)
    assert set(schema.fields) == {"A", "B"}
    assert schema.fields["A"].source().type is FieldType.TEXT
    assert schema.fields["B"].source().type is FieldType.URL
    (problem,) = schema.missing({"connections.z.extra.b": "Bb"})
    assert "connections.z.extra.b" in str(problem)


@pytest.mark.parametrize("row", [None, {}, {"code": 5}, {"code": "x y"}, {"details": []}, "x"])
def test_a_refusal_without_a_code_says_so(row: Any) -> None:
    """Whatever the row holds, nothing of it comes out that is no code."""
    assert refusal_of(row) == "Zoho refuses it: no code"


def test_what_zoho_holds_as_the_same_is_the_same() -> None:
    """Blank ends, the case of addresses and the offset of times make no difference."""
    assert same("email", "A@example.com ", "a@example.com")
    assert not same("last_name", "LEE", "Lee")
    assert same("extra.when", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00+01:00")
    assert same("city", None, "")


def test_the_readme_holds_the_table() -> None:
    """The README's field table is the one the code makes."""
    readme = Path(crm_steward_zoho.__file__).with_name("README.md").read_text("utf-8")
    held = readme.partition("<!-- fields -->")[2].partition("<!-- /fields -->")[0]
    assert held.strip() == field_table()


def test_the_spec_names_what_is_read_and_what_holds_consent() -> None:
    """Rules on other fields are refused beforehand; no rule may set what consent is read from."""
    held = {name for name in SPEC.fields or () if not FIELDS[name].computed}
    assert held == set(FIELD_NAMES)
    assert all(SPEC.holds_consent(name) for name in CONSENT_FIELDS)
    assert not any(SPEC.holds_consent(name) for name in FIELD_NAMES.values())
