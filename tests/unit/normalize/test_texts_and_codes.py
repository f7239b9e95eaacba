"""Postcodes, web addresses, languages, countries and spaces: what is sure, and nothing more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.normalize import (
    POSTCODE_PROBLEMS,
    WEBSITE_PROBLEMS,
    clean_country,
    clean_postcode,
    clean_website,
    language_code,
    postcode_problem,
    single_spaced,
    website_problem,
)

POSTCODES = [
    ("75001", "FR", None),
    (" 75 001", "FR", "75001"),
    ("F-75001", "FR", "75001"),
    ("97400", "RE", None),
    ("D-10115", "DE", "10115"),
    ("sw1a1aa", "GB", "SW1A 1AA"),
    ("M1 1AE", "GB", None),
    ("k1a0b1", "CA", "K1A 0B1"),
    ("902101234", "US", "90210-1234"),
    ("90210", "US", None),
    ("1012ab", "NL", "1012 AB"),
    ("L-1234", "LU", None),
    ("B-1000", "BE", "1000"),
    ("8001", "CH", None),
    ("11455", "SE", "114 55"),
    ("00950", "PL", "00-950"),
    ("1000205", "PT", "1000-205"),
    ("28 013", "ES", "28013"),
    ("  x  1 ", "BR", "x 1"),
    ("whatever", None, None),
]

NO_POSTCODES = [
    ("1000", "FR"),
    ("75008 CEDEX 08", "FR"),
    ("99999", "ES"),
    ("ABC", "GB"),
    ("1234", "DE"),
    ("D1A 1AA", "CA"),
    ("Paris", "FR"),
]

WEBSITES = [
    ("https://example.com/A?b=C", None),
    ("http://example.com", None),
    ("example.com", "https://example.com"),
    (" WWW.Example.COM/Path ", "https://www.example.com/Path"),
    ("HTTP://Example.com", "http://example.com"),
    ("http://https://example.com/x", "https://example.com/x"),
    ("http:/example.com", "http://example.com"),
    ("münchen.example", "https://münchen.example"),
    ("example.com:8080/", "https://example.com:8080/"),
]

NO_WEBSITES = [
    ("n/a", "bad domain"),
    ("none", "bad domain"),
    ("zoe@example.com", "an e-mail address"),
    ("example.com and example.org", "space inside"),
    ("http://", "bad domain"),
    ("192.168.0.1", "bad domain"),
    ("x" * 3_000, "too long"),
]


@pytest.mark.parametrize(("text", "country", "clean"), POSTCODES)
def test_postcodes_as_their_country_writes_them(
    text: str, country: str | None, clean: str | None
) -> None:
    """Spaces, hyphens, capitals and the letter from abroad; sound ones stay."""
    assert clean_postcode(text, country) == clean
    assert postcode_problem(text, country) is None


@pytest.mark.parametrize(("text", "country"), NO_POSTCODES)
def test_what_is_no_postcode_of_the_country(text: str, country: str) -> None:
    """Nothing is guessed: a lost zero is a problem, not a correction."""
    assert postcode_problem(text, country) == "not of the country"
    assert clean_postcode(text, country) is None


@pytest.mark.parametrize(("text", "clean"), WEBSITES)
def test_web_addresses(text: str, clean: str | None) -> None:
    """Scheme and host are put right, the rest keeps its case."""
    assert clean_website(text) == clean
    assert website_problem(text) is None


@pytest.mark.parametrize(("text", "problem"), NO_WEBSITES)
def test_what_is_no_web_address(text: str, problem: str) -> None:
    """Each problem is named, and nothing is proposed."""
    assert website_problem(text) == problem
    assert clean_website(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Français", "fr"),
        ("FRENCH", "fr"),
        ("Deutsch", "de"),
        ("fra", "fr"),
        ("EN", "en"),
        ("fr_FR", "fr"),
        ("español", "es"),
        ("klingonish", None),
        ("", None),
        (None, None),
    ],
)
def test_languages(text: str | None, code: str | None) -> None:
    """Names in several languages, codes and locales."""
    assert language_code(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [("France", "FR"), ("fr", "FR"), ("FR", None), ("Scotland", None), ("Nowhere", None)],
)
def test_countries_become_codes_where_the_code_says_as_much(text: str, code: str | None) -> None:
    """A part of a country is not replaced by the whole."""
    assert clean_country(text) == code


@pytest.mark.parametrize(
    ("text", "clean"),
    [("a  b", "a b"), (" a\t", "a"), ("1 rue X\n2e étage", None), ("a\u00a0b", None), ("  ", None)],
)
def test_surplus_spaces(text: str, clean: str | None) -> None:
    """Runs and edges go; line ends and single spaces of any sort stay."""
    assert single_spaced(text) == clean


_COUNTRIES = st.sampled_from([None, "FR", "GB", "CA", "NL", "US", "LU", "PT", "SE", "BR"])
_TEXTS = st.text(st.characters() | st.sampled_from("0123456789AaBb -./:@ \t\u00a0"), max_size=40)


@given(_TEXTS | st.sampled_from([text for text, _, _ in POSTCODES]), _COUNTRIES)
def test_a_proposed_postcode_is_final(text: str, country: str | None) -> None:
    """Whatever the text, what is proposed has no problem and nothing left to propose."""
    clean = clean_postcode(text, country)
    if clean is not None:
        assert clean_postcode(clean, country) is None
        assert postcode_problem(clean, country) is None
    assert postcode_problem(text, country) in {None, *POSTCODE_PROBLEMS}


@given(
    _TEXTS
    | st.sampled_from([text for text, _ in WEBSITES])
    | st.from_regex(r"(http://)*[A-Za-zİß.]+/?")
)
def test_a_proposed_web_address_is_final(text: str) -> None:
    """Whatever the text, what is proposed has no problem and nothing left to propose."""
    clean = clean_website(text)
    if clean is not None:
        assert clean_website(clean) is None
        assert website_problem(clean) is None
    assert website_problem(text) in {None, *WEBSITE_PROBLEMS}


@given(_TEXTS)
def test_the_other_proposals_are_final(text: str) -> None:
    """Spaces, country and language: a second look proposes nothing more."""
    assert single_spaced(single_spaced(text)) is None
    assert clean_country(clean_country(text)) is None
    code = language_code(text)
    assert code is None or language_code(code) == code
