"""Telephone numbers: E.164 where there is exactly one valid number, a reason where there is not."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from crm_steward.normalize import PHONE_PROBLEMS, display_phone, phone_e164, phone_problem
from crm_steward.normalize.phones import _careful, _quick

VALID = [
    ("06 12 34 56 78", "FR", "+33612345678"),
    ("06.12.34.56.78", "FR", "+33612345678"),
    ("0612345678", "fr", "+33612345678"),
    ("+33 (0)6 12 34 56 78", None, "+33612345678"),
    ("0033 6 12 34 56 78", None, "+33612345678"),
    ("0033 6 12 34 56 78", "DE", "+33612345678"),
    ("33612345678", "FR", "+33612345678"),
    ("Tél. : 01 23 45 67 89", "FR", "+33123456789"),
    ("01\u00a023\u00a045\u00a067\u00a089", "FR", "+33123456789"),
    ("\u202a+33 6 12 34 56 78\u202c", None, "+33612345678"),
    ("\uff10\uff16\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18", "FR", "+33612345678"),
    ("0692 12 34 56", "FR", "+262692123456"),
    ("0690 12 34 56", "FR", "+590690123456"),
    ("0612345678", "RE", "+33612345678"),
    ("030/1234567", "DE", "+49301234567"),
    ("0151 23456789", "DE", "+4915123456789"),
    ("+49 (0)30 1234567", "FR", "+49301234567"),
    ("(020) 7946 0958", "GB", "+442079460958"),
    ("612 34 56 78", "ES", "+34612345678"),
    ("06 698 1234", "IT", "+39066981234"),
    ("(415) 555-2671", "US", "+14155552671"),
    ("1-800-FLOWERS", "US", "+18003569377"),
    ("0470 12 34 56", "BE", "+32470123456"),
    ("+34 (0)612 345 678", "FR", "+34612345678"),
    ("06 39 98 12 34", "FR", "+33639981234"),
    ("07700 900123", "GB", "+447700900123"),
]

PROBLEMS = [
    ("0612345678", None, "no country", None),
    ("0612345678", "ZZ", "no country", None),
    ("abc", "FR", "not a number", None),
    ("🙂", "FR", "not a number", None),
    ("12", "FR", "too short", None),
    ("06 12 34 56", "FR", "too short", None),
    ("06 12 34 56 78 90 12", "FR", "too long", None),
    ("0612345678901234567890", "FR", "too long", None),
    ("+999 123456", "FR", "unknown country code", None),
    ("00 00 00 00 00", "FR", "invalid number", None),
    ("01 23 45 67 89 poste 12", "FR", "extension", "+33123456789"),
    ("01 23 45 67 89 ext. 12", "FR", "extension", "+33123456789"),
    ("01 23 45 67 89x12", "FR", "extension", "+33123456789"),
    ("01 23 45 67 89 #12", "FR", "extension", "+33123456789"),
    ("030 1234567 Durchwahl 12", "DE", "extension", "+49301234567"),
    ("01 23 45 67 89 / 06 12 34 56 78", "FR", "several numbers", "+33123456789"),
    ("01 23 45 67 89 - 06 12 34 56 78", "FR", "several numbers", "+33123456789"),
    ("0123456789 ou 0612345678", "FR", "several numbers", "+33123456789"),
    ("+33123456789 +33612345678", None, "several numbers", "+33123456789"),
    ("01 23 45 67 89, 06 12 34 56 78", "FR", "several numbers", "+33123456789"),
    ("0" * 10_000_000, "FR", "too long", None),
]


@pytest.mark.parametrize(("held", "country", "key"), VALID)
def test_a_valid_number_becomes_e164(held: str, country: str | None, key: str) -> None:
    """Whatever way a number is written, it has one key and no problem."""
    assert phone_e164(held, country) == key
    assert phone_problem(held, country) is None


@pytest.mark.parametrize(
    ("held", "country", "problem", "key"), PROBLEMS, ids=lambda text: str(text)[:30]
)
def test_what_is_not_one_number_says_why(
    held: str, country: str | None, problem: str, key: str | None
) -> None:
    """A problem is named from a fixed list; an extension or a second number keeps the first's key."""
    assert phone_problem(held, country) == problem
    assert phone_e164(held, country) == key
    assert problem in PHONE_PROBLEMS


@pytest.mark.parametrize("nothing", [None, "", " ", "\x00", "\u200b"])
def test_an_empty_field_is_no_problem(nothing: str | None) -> None:
    """A missing number is for the rule on required fields."""
    assert phone_e164(nothing, "FR") is None
    assert phone_problem(nothing, "FR") is None


def test_people_read_their_own_countrys_form() -> None:
    """At home a number is shown in national form, elsewhere with its country code."""
    assert display_phone("+33612345678", "FR") == "06 12 34 56 78"
    assert display_phone("+33612345678", "DE") == "+33 6 12 34 56 78"
    assert display_phone("+33612345678") == "+33 6 12 34 56 78"
    assert display_phone("nonsense", "FR") is None


def _written_forms(number: phonenumbers.PhoneNumber) -> list[str]:
    return [
        phonenumbers.format_number(number, style)
        for style in (
            PhoneNumberFormat.E164,
            PhoneNumberFormat.NATIONAL,
            PhoneNumberFormat.INTERNATIONAL,
        )
    ]


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_quick_way_agrees_with_the_long_way(region: str) -> None:
    """In every region, example numbers and thousands of near misses get the same key both ways."""
    chance = random.Random(region)  # noqa: S311 -- not a secret
    texts = ["0", "00", "+"]
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            texts += _written_forms(example)
    for text in list(texts):
        digits = [place for place, letter in enumerate(text) if letter.isdigit()]
        for place in chance.choices(digits, k=8) if digits else []:
            texts.append(text[:place] + str(chance.randrange(10)) + text[place + 1 :])
            texts.append(text[:place] + text[place + 1 :])
            texts.append(text[:place] + str(chance.randrange(10)) + text[place:])

    quick = {text: _quick(text, region) for text in texts}

    assert {text: key for text, key in quick.items() if key} == {
        text: _careful(text, region).key for text, key in quick.items() if key
    }


def test_most_numbers_take_the_quick_way() -> None:
    """In the countries people use this in, the usual written forms never need the long way."""
    regions = ["FR", "DE", "GB", "ES", "IT", "NL", "BE", "CH", "AT", "PT", "US", "CA"]
    slow = [
        (region, text)
        for region in regions
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE)
        for text in _written_forms(phonenumbers.example_number_for_type(region, kind))
        if _quick(text, region) is None
    ]
    assert slow == []
