"""`format`: postcodes, web addresses, countries, languages, spaces, and mistyped domains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crm_steward.model import (
    FIELDS,
    Ability,
    Capability,
    ConfigError,
    Contact,
    Email,
    PostalAddress,
    RecordRef,
)
from crm_steward.rules import Skipped, load_rules

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Find

UNTIDY = Contact(
    ref=RecordRef("crm", "1"),
    emails=(Email("zoe@gmial.com"),),
    company=" Dupont  & Fils ",
    language="Français",
    website="WWW.Example.com",
    address=PostalAddress(
        street="1,  rue X", postcode="f-75 001", city="Paris ", country="République française"
    ),
)


def off(find: Find, contact: Contact, keys: str) -> dict[str, tuple[Any, Any]]:
    """Return for each field what is proposed and the problem."""
    findings = find(f"check: {{kind: format, {keys}}}", [contact])
    return {one.about: (one.evidence["proposed"], one.evidence["problem"]) for one in findings}


def test_each_field_gets_what_is_sure(find: Find) -> None:
    """Names of countries and languages stay, unless the rule says that the connections hold codes."""
    fields = "fields: [company, street, postcode, city, website, country, language]"
    tidy = {
        "company": ("Dupont & Fils", None),
        "street": ("1, rue X", None),
        "postcode": ("75001", None),
        "city": ("Paris", None),
        "website": ("https://www.example.com", None),
    }

    assert off(find, UNTIDY, fields) == tidy
    coded = {"country": ("FR", None), "language": ("fr", None)}
    assert off(find, UNTIDY, f"{fields}, codes: [country, language]") == tidy | coded


def test_what_nobody_can_recognise_is_a_problem(find: Find) -> None:
    """It is broken, and nothing is proposed."""
    contact = Contact(
        ref=RecordRef("crm", "1"),
        language="klingonish",
        website="n/a",
        address=PostalAddress(postcode="1000", country="FR"),
    )
    strange = Contact(ref=RecordRef("crm", "2"), address=PostalAddress(country="Ruritania"))
    fields = "fields: [postcode, website, country, language], only: broken"

    assert off(find, contact, fields) == {
        "postcode": (None, "not of the country"),
        "website": (None, "bad domain"),
        "language": (None, "unknown language"),
    }
    assert off(find, strange, fields) == {"country": (None, "unknown country")}


def test_a_locale_keeps_its_country(find: Find) -> None:
    """`fr-CA` says more than `fr`: nothing is proposed for it."""
    contact = Contact(ref=RecordRef("crm", "1"), language="fr-CA")

    assert off(find, contact, "fields: [language], codes: [language]") == {}


def test_a_mistyped_domain_is_told_and_never_written(find: Find) -> None:
    """The domain that was meant stands in the evidence, and no value is proposed."""
    (finding,) = find("check: {kind: format, fields: [email], only: typos}", [UNTIDY])

    assert finding.evidence == {
        "field": "email",
        "now": "zoe@gmial.com",
        "proposed": None,
        "problem": "probable typo",
        "meant": "gmail.com",
    }
    assert off(find, UNTIDY, "fields: [email]") == {}


def test_a_field_that_a_connection_lacks_is_said(tmp_path: Path) -> None:
    """A website that is not mapped reads as empty everywhere: that is no clean bill of health."""
    path = tmp_path / "mine.yaml"
    rule = "id: r, about: A, check: {kind: format, fields: [phone, website]}"
    path.write_text(f"version: 1\nrules:\n  - {{{rule}}}\n")
    lacking = {"crm": Ability(fields=frozenset(FIELDS) - {"website"}, can=frozenset(Capability))}

    with pytest.raises(ConfigError, match=r":3:61: .*'crm' has no field 'website'"):
        load_rules([path], abilities=lacking)

    path.write_text(f"version: 1\nrules:\n  - {{{rule}, if_unable: skip}}\n")
    assert load_rules([path], abilities=lacking).skipped == (Skipped("r", "crm", field="website"),)
