"""Templates: a fixed list of fields, one pass, nothing evaluated."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.model import Contact, Email, RecordRef
from crm_steward.rules import Template

REF = RecordRef("crm", "4711")
INJECTIONS = [
    "{{7*7}}",
    "{first_name.__class__}",
    "{first_name!r}",
    "{first_name:>9}",
    "{0}",
    "{}",
    "{%s}",
    "{{ config }}",
    "{self}",
    "${7*7}",
    "{last_name}",
]


def test_fields_are_filled_in_both_languages() -> None:
    """Each reader's text, each field from the contact, times as days."""
    template = Template(en="Call {full_name} ({{x}}) {last_activity}", fr="Appeler {first_name}")
    zoe = Contact(
        ref=REF,
        first_name="Zoé",
        last_name="Martin",
        last_activity=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    )

    assert template.fill(zoe, "en") == "Call Zoé Martin ({x}) 2026-01-02"
    assert template.fill(zoe, "fr") == "Appeler Zoé"


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        (Contact(ref=REF, full_name="Z. Martin", first_name="Zoé"), "Z. Martin"),
        (Contact(ref=REF, first_name="Zoé"), "Zoé"),
        (Contact(ref=REF, emails=(Email("zoe@example.com"),)), "zoe@example.com"),
        (Contact(ref=REF), "4711"),
    ],
)
def test_a_contact_is_always_called_something(contact: Contact, shown: str) -> None:
    """Without a name the e-mail stands in, without an e-mail the record's id."""
    assert Template(en="{full_name}", fr="{full_name}").fill(contact, "en") == shown


@pytest.mark.parametrize("value", INJECTIONS)
def test_values_are_never_evaluated(value: str) -> None:
    """What a CRM holds comes out literally, placeholders in it included."""
    contact = Contact(ref=REF, first_name=value, last_name="secret")

    assert Template(en="<{first_name}>", fr="x").fill(contact, "en") == f"<{value}>"


@pytest.mark.parametrize("text", [one for one in INJECTIONS if not one.startswith("{{")][:6])
def test_placeholders_are_names_and_nothing_else(text: str) -> None:
    """Attributes, conversions, formats and positions are mistakes of the rule."""
    with pytest.raises(ValueError, match=r"placeholder|brace"):
        Template(en=text, fr="x")


@given(st.text(max_size=400))
def test_any_value_becomes_one_short_printable_line(value: str) -> None:
    """Line breaks, control and direction characters never reach a task's title."""
    filled = Template(en="{company}", fr="x").fill(Contact(ref=REF, company=value), "en")

    assert len(filled) <= 120
    assert not set(filled) & set("\n\r\t\x00\x1b\u202e\u2066")


def test_a_value_of_ten_megabytes_is_cut() -> None:
    """A hostile cell costs a line of 120 characters."""
    contact = Contact(ref=REF, company="x" * 10_000_000)

    assert Template(en="{company}", fr="x").fill(contact, "en") == "x" * 119 + "…"
