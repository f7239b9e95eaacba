"""Whatever a CRM holds, normalising never raises, settles at once and forgives what it promises."""

from __future__ import annotations

from collections.abc import Callable

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from crm_steward import normalize as n

ANY = st.text(st.characters(exclude_categories=()), max_size=60)
"""Any code points at all: controls, lone surrogates, right-to-left, unassigned."""

_SHARDS = st.sampled_from(
    [
        "@", ".", " ", "-", "'", "\u2019", "+", "/", ",", ";", "<", ">", "mailto:", "gmail.com",
        "jean", "DUPONT", "de", "O'", "Mc", "ß", "œ", "ü", "ae", "E\u0301", "İ", "ǆ", "ﬁ", "\x00",
        "\u200b", "\u202e", "\ud800", "🙂", "ext", "poste", "06", "12345678", "+33", "39981234", "(0)", "+447700900123", "00", "SARL",
        "GmbH", "et", "&", "(", ")", "example.com", "xn--", "㌖", "東", "\u0130", "\u0345",
    ]
)  # fmt: skip
SHAPED = st.lists(_SHARDS, max_size=12).map("".join)
"""What looks like a value until the last character."""

TEXT = st.one_of(ANY, SHAPED)
COUNTRY = st.sampled_from([None, "FR", "fr", "DE", "GB", "US", "IT", "RE", "ZZ", "", "\x00"])
NAME = st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=1, max_size=20)

_OF_TEXT: list[Callable[[str | None], object]] = [
    n.email_key,
    n.email_domain,
    n.clean_email,
    n.email_problem,
    n.email_typo,
    n.cased_name,
    n.name_key,
    n.company_key,
    n.country_code,
]
_OF_PHONE = [n.phone_e164, n.phone_problem, n.display_phone]


@given(text=TEXT, country=COUNTRY)
@example(text="\ud800", country="FR")
@example(text="a@\ud800.com", country=None)
@example(text="\u0130", country=None)
def test_nothing_raises(text: str, country: str | None) -> None:
    """Every function answers text or None, whatever it is given."""
    for function in _OF_TEXT:
        assert isinstance(function(text), str | None)
    for of_phone in _OF_PHONE:
        assert isinstance(of_phone(text, country), str | None)
    assert isinstance(n.person_key(text, text), str | None)


@pytest.mark.parametrize(
    "letter", ["a", "A", "1", "@", ".", " ", "-", "é", "\x00", "🙂", "a@", "A "]
)
def test_ten_megabytes_cost_nothing(letter: str) -> None:
    """An absurd value is cut or refused before anything looks at it: a walk over it never ends."""
    text = letter * (10_000_000 // len(letter))
    for function in _OF_TEXT:
        function(text)
    for of_phone in _OF_PHONE:
        of_phone(text, "FR")
    n.person_key(text, text)


@given(text=TEXT)
def test_a_key_of_a_key_is_that_key(text: str) -> None:
    """Keys are fixpoints, so that keys stored at different times compare."""
    for key_of in (n.email_key, n.name_key, n.company_key, n.country_code):
        key = key_of(text)
        assert key_of(key) == key
    assert n.person_key(n.person_key(text, None), None) == n.person_key(text, None)


@given(text=TEXT)
def test_a_clean_address_stays_and_keeps_its_key(text: str) -> None:
    """The proposal is the same mailbox, has no problem, and has nothing left to propose."""
    clean = n.clean_email(text)
    if clean is not None:
        assert clean != text
        assert n.clean_email(clean) is None
        assert n.email_problem(clean) is None
        assert n.email_key(clean) == n.email_key(text)
        assert n.email_domain(clean) == n.email_domain(text)


@given(text=TEXT)
def test_an_address_has_a_key_or_a_problem(text: str) -> None:
    """A field is empty, or an address, or says why it is none."""
    key, problem = n.email_key(text), n.email_problem(text)
    assert not (key and problem)
    assert (key is None) == (n.email_domain(text) is None)
    assert problem is None or problem in n.EMAIL_PROBLEMS


_ADDRESS_ISH = st.from_regex(
    r"[A-Za-z0-9_+.-][A-Za-z0-9_+.'-]{0,11}@[A-Za-z0-9-]{1,8}(\.[A-Za-z0-9-]{1,8}){0,2}",
    fullmatch=True,
)


@given(address=_ADDRESS_ISH)
@example(address="a@b.test")
@example(address="a@b.local")
@example(address="a@b.1a")
@example(address="a@ab--c.com")
def test_an_address_is_valid_when_email_validator_says_so(address: str) -> None:
    """The quick way for common addresses never accepts what email-validator refuses, nor the reverse."""
    try:
        validate_email(address, check_deliverability=False, strict=True)
        valid = True
    except EmailNotValidError:
        valid = False
    if n.clean_email(address) is None:
        assert (n.email_problem(address) is None) == valid


@given(text=st.one_of(TEXT, NAME, st.lists(NAME, max_size=4).map(" ".join)))
@example(text="ǆ")
@example(text="ŉAB")
def test_casing_settles_and_only_changes_case(text: str) -> None:
    """The proposal reads well already, and is the same name to anyone who compares."""
    cased = n.cased_name(text)
    if cased is not None:
        assert n.cased_name(cased) is None
        assert cased != text
        assert len(cased) == len(text)
        assert cased.casefold() == text.casefold()
        assert n.name_key(cased) == n.name_key(text)


@given(text=NAME)
def test_case_makes_no_difference_to_a_key(text: str) -> None:
    """A name keeps its key however it is capitalised."""
    assert n.name_key(text.lower()) == n.name_key(text)
    assert n.company_key(text.lower()) == n.company_key(text)


@given(first=TEXT, last=TEXT)
def test_swapped_names_have_one_key(first: str, last: str) -> None:
    """Which field a name is in makes no difference to the person."""
    assert n.person_key(first, last) == n.person_key(last, first)


@given(text=TEXT, country=COUNTRY, other=COUNTRY)
def test_e164_is_at_home_everywhere(text: str, country: str | None, other: str | None) -> None:
    """A key is E.164, means the same whatever the country, and has no problem."""
    key = n.phone_e164(text, country)
    if key is not None:
        assert key[0] == "+"
        assert phonenumbers.is_possible_number(phonenumbers.parse(key))
        assert n.phone_e164(key, other) == key
        assert n.phone_problem(key, other) is None


@given(text=TEXT, country=COUNTRY)
def test_a_number_shown_to_people_is_that_number(text: str, country: str | None) -> None:
    """What is displayed reads back as the same number."""
    shown = n.display_phone(text, country)
    assert (shown is None) == (n.phone_e164(text, country) is None)
    if shown is not None:
        assert n.phone_e164(shown, country) == n.phone_e164(text, country)


@given(text=TEXT, country=COUNTRY)
def test_a_field_without_number_says_why(text: str, country: str | None) -> None:
    """Only an empty field has neither a key nor a problem."""
    problem = n.phone_problem(text, country)
    assert problem is None or problem in n.PHONE_PROBLEMS
    if n.phone_e164(text, country) is None and problem is None:
        assert not any(letter.isalnum() for letter in text)


_DIGITS = st.from_regex(r"(\+|00|0)?[1-9][0-9 ./()-]{5,15}", fullmatch=True)


@given(text=_DIGITS, country=st.sampled_from(["FR", "DE", "GB", "US", "IT", "ES", "BE", "CA"]))
def test_the_quick_way_never_disagrees_with_phonenumbers(text: str, country: str) -> None:
    """A number accepted by its numbering plan alone is the number phonenumbers reads."""
    from crm_steward.normalize.phones import _careful, _quick  # noqa: PLC0415 -- white-box, here only

    quick = _quick(text, country)
    if quick is not None:
        assert quick == _careful(text, country).key
