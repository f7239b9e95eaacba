"""Telephone numbers: E.164, and why a text is not one number.

`phonenumbers` (a port of Google's libphonenumber) is the authority. A number in a plain national or
international form is matched straight against the numbering plan of its country, as published in
phonenumbers' own metadata; tests prove that both ways agree. Everything else takes the long way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    PhoneMetadata,
    PhoneNumberFormat,
    ValidationResult,
)

from crm_steward.normalize.text import plain

_LIMIT: Final = 200

PHONE_PROBLEMS: Final = (
    "not a number",
    "no country",
    "unknown country code",
    "too short",
    "too long",
    "invalid number",
    "several numbers",
    "extension",
)
"""What `phone_problem` can answer; stable identifiers, translated where they are shown."""

_PLAIN: Final = re.compile(r"[+(]?[0-9][0-9 .()/\u00a0\u202f-]{4,24}")
_SEPARATORS: Final = str.maketrans(dict.fromkeys(" .()/-\u00a0\u202f", ""))

_EXTENSION: Final = re.compile(
    r"[\s,;(]*(?<![a-z])(?:poste|post|ext(?:ension|n)?|x|dw|durchwahl|nst|nebenstelle|apparat|app|interno|"
    r"int|anexo|toestel)[\s.:]*(\d{1,6})[\s)]*$|[\s,;]*#\s*(\d{1,6})\s*$",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(
    r"\s*(?:[/;|,&]|\s[-–—]\s|\b(?:ou|or|oder|et|and|und|puis)\b|(?<=\d)\s*(?=\+))\s*",  # noqa: RUF001 -- dashes as people type them
    re.IGNORECASE,
)
_WHOLE: Final = 8
"""Digits from which a piece of the field counts as a number of its own."""

_FRENCH: Final = ("FR", "RE", "GP", "MQ", "GF", "YT")
"""France and its overseas departments share one way of writing numbers but not the country code:
0692… is valid in RE only, and written by people whose country says France."""

_EXAMPLES: Final = re.compile(r"\+3363998\d{4}|\+447700900\d{3}")
"""Mobile numbers reserved for films and examples (Arcep's numbering plan; Ofcom's numbers for drama
use), which libphonenumber counts as unassigned: to a telephone what example.com is to a mailbox."""

_TRUNK_ZERO: Final = re.compile(r"(?<=\d)\s*\(0\)")
"""The zero to dial at home, which people write even where there is none: `+34 (0)600 123 456`."""

_REASONS: Final[Mapping[int, str]] = {
    NumberParseException.NOT_A_NUMBER: "not a number",
    NumberParseException.TOO_SHORT_AFTER_IDD: "too short",
    NumberParseException.TOO_SHORT_NSN: "too short",
    NumberParseException.TOO_LONG: "too long",
}


class _Reading(NamedTuple):
    key: str | None = None
    problem: str | None = None


class _Numbers(NamedTuple):
    """One sort of numbers of a region: the lengths they may have (none named: any), and the shape."""

    lengths: tuple[int, ...]
    shape: re.Pattern[str]

    def hold(self, digits: str) -> bool:
        """Return whether `digits` are one of these numbers."""
        fits = not self.lengths or len(digits) in self.lengths
        return fits and self.shape.fullmatch(digits) is not None


class _NumberingPlan(NamedTuple):
    """One region's way of writing numbers, where cutting off its national prefix is all it takes."""

    country: str
    prefix: str
    abroad: re.Pattern[str]
    all_numbers: _Numbers
    subscribers: tuple[_Numbers, ...]

    def holds(self, digits: str) -> bool:
        """Return whether `digits`, without any prefix, are a valid fixed or mobile number."""
        return self.all_numbers.hold(digits) and any(n.hold(digits) for n in self.subscribers)

    def national(self, digits: str) -> str | None:
        """Return `digits` without the national prefix, or None when they are no subscriber's."""
        bare = digits.removeprefix(self.prefix)
        return bare if self.holds(bare) else None


@cache
def _plan(region: str) -> _NumberingPlan | None:
    data = PhoneMetadata.metadata_for_region(region, None)
    if data is None or data.national_prefix_transform_rule:
        return None
    prefix = data.national_prefix or ""
    to_cut = data.national_prefix_for_parsing or ""
    if "(" in to_cut or to_cut.partition("|")[0] != prefix:
        return None
    every, *subscribers = (
        _Numbers(tuple(desc.possible_length), re.compile(desc.national_number_pattern))
        for desc in (data.general_desc, data.fixed_line, data.mobile)
        if desc and desc.national_number_pattern
    )
    abroad = re.compile(data.international_prefix or "(?!)")
    return _NumberingPlan(str(data.country_code), prefix, abroad, every, tuple(subscribers))


@cache
def _plans(country: str) -> tuple[_NumberingPlan, ...]:
    """Return the plans of a country calling code that its leading digits do not subdivide."""
    regions = COUNTRY_CODE_TO_REGION_CODE.get(int(country), ()) if country[:1] != "0" else ()
    datas = [(region, PhoneMetadata.metadata_for_region(region, None)) for region in regions]
    plans = [_plan(region) for region, data in datas if data and not data.leading_digits]
    return tuple(plan for plan in plans if plan)


def _international(digits: str) -> str | None:
    """Return E.164 of digits that begin with a country code, where the plan says so plainly."""
    for size in (1, 2, 3):
        for plan in _plans(digits[:size]):
            if national := plan.national(digits[size:]):
                return f"+{plan.country}{national}"
    return None


def _quick(text: str, region: str | None) -> str | None:
    """Return E.164 of a number in a common form, or None when it takes the long way to tell."""
    if not _PLAIN.fullmatch(text):
        return None
    digits = text.translate(_SEPARATORS)
    if digits[0] == "+":
        return _international(digits[1:])
    plan = _plan(region) if region else None
    if plan is None or plan.abroad.match(digits):
        return None
    if digits.startswith(plan.country) and plan.country != plan.prefix:
        return None
    national = plan.national(digits)
    return f"+{plan.country}{national}" if national else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | str:
    """Return the valid number in `text`, or the problem."""
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            return "unknown country code" if text.startswith("+") else "no country"
        return _REASONS[error.error_type]
    if phonenumbers.is_valid_number(number) or _EXAMPLES.fullmatch(_e164(number)):
        return number
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason == ValidationResult.TOO_LONG:
        return "too long"
    return "too short" if reason == ValidationResult.TOO_SHORT else "invalid number"


def _number(text: str, region: str | None) -> phonenumbers.PhoneNumber | str:
    """Return the one valid number in `text` (French regions are tried in turn), or the problem."""
    if region is None and text.startswith("00"):
        text = f"+{text[2:]}"
    first = _parsed(text, region)
    if not isinstance(first, str):
        return first
    if text.startswith("+"):
        bare = _TRUNK_ZERO.sub("", text)
        others = [(bare, region)] if bare != text else []
    else:
        others = [(text, other) for other in _FRENCH if region in _FRENCH and other != region]
    second = (_parsed(*other) for other in others)
    return next((found for found in second if not isinstance(found, str)), first)


def _pieces(text: str) -> list[str]:
    """Return the numbers of a field that holds several, else the text itself."""
    pieces = [piece for piece in _BETWEEN.split(text) if piece]
    whole = [piece for piece in pieces if sum(c.isdigit() for c in piece) >= _WHOLE]
    return whole if len(whole) > 1 else [text]


def _careful(text: str, region: str | None) -> _Reading:
    text = unicodedata.normalize("NFKC", plain(text, _LIMIT))
    if not text:
        return _Reading()
    several = _pieces(text)
    bare = _EXTENSION.sub("", several[0])
    found = _number(bare, region)
    if isinstance(found, str):
        return _Reading(problem="several numbers" if len(several) > 1 else found)
    key = _e164(found)
    if len(several) > 1:
        return _Reading(key, "several numbers")
    return _Reading(key, "extension" if bare != several[0] or found.extension else None)


@lru_cache(maxsize=1_024)
def _read(text: str, region: str | None) -> _Reading:
    if quick := _quick(text, region):
        return _Reading(quick)
    return _careful(text, region)


def _reading(text: str | None, country: str | None) -> _Reading:
    if not text:
        return _Reading()
    if len(text) > _LIMIT:
        return _Reading(problem="too long")
    region = country.upper() if country else None
    return _read(text, region if region in phonenumbers.SUPPORTED_REGIONS else None)


def phone_e164(text: str | None, country: str | None) -> str | None:
    """Return the first valid number of a field in E.164 (`+33123456789`), without its extension.

    It may replace what the CRM holds only where `phone_problem` is None: otherwise an extension or
    a second number would be lost.

    Args:
        text: As held, in any form.
        country: ISO code of where a number without country code is at home; France and its
            overseas departments stand in for each other.
    """
    return _reading(text, country).key


def phone_problem(text: str | None, country: str | None) -> str | None:
    """Return why the field is not exactly one valid number: one of PHONE_PROBLEMS, or None.

    `extension` and `several numbers` come with a key: the number is right, but E.164 alone does
    not hold what the field says.
    """
    return _reading(text, country).problem


def display_phone(text: str | None, country: str | None = None) -> str | None:
    """Return the number as people of `country` read it: national form at home, else international.

    Returns:
        The text to show, or None when there is no valid number.
    """
    key = phone_e164(text, country)
    if key is None:
        return None
    number = phonenumbers.parse(key)
    home = phonenumbers.country_code_for_region(country.upper()) if country else None
    style = (
        PhoneNumberFormat.NATIONAL
        if number.country_code == home
        else PhoneNumberFormat.INTERNATIONAL
    )
    return str(phonenumbers.format_number(number, style))
