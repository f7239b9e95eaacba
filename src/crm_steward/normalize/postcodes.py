"""Postcodes: how a country writes them, and why a text is none of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from crm_steward.normalize.spaces import single_spaced
from crm_steward.normalize.text import plain

_LIMIT: Final = 50

POSTCODE_PROBLEMS: Final = ("not of the country",)
"""What `postcode_problem` can answer."""

_SEPARATORS: Final = re.compile(r"[\s\-\u2010-\u2015.]+")


class _Shape(NamedTuple):
    """How a country writes its postcodes: the parts without separators, and what joins them."""

    parts: re.Pattern[str]
    between: str = ""


def _shape(parts: str, between: str = "") -> _Shape:
    return _Shape(re.compile(parts, re.ASCII), between)


_FRENCH: Final = _shape(r"((?:0[1-9]|[1-8]\d|9[0-8])\d{3})")
_FOUR: Final = _shape(r"([1-9]\d{3})")
_FIVE: Final = _shape(r"(\d{5})")
_THREE_TWO: Final = _shape(r"([1-9]\d\d)(\d\d)", " ")

_SHAPES: Final[Mapping[str, _Shape]] = {
    **dict.fromkeys(("FR", "GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF", "MC"), _FRENCH),
    **dict.fromkeys(("AT", "BE", "CH", "LI", "LU"), _FOUR),
    "DK": _shape(r"(\d{4})"),
    "NO": _shape(r"(\d{4})"),
    "DE": _shape(r"((?:0[1-9]|[1-9]\d)\d{3})"),
    "ES": _shape(r"((?:0[1-9]|[1-4]\d|5[0-2])\d{3})"),
    "FI": _FIVE,
    "IT": _FIVE,
    **dict.fromkeys(("CZ", "GR", "SE", "SK"), _THREE_TWO),
    "PL": _shape(r"(\d\d)(\d{3})", "-"),
    "PT": _shape(r"([1-9]\d{3})(\d{3})?", "-"),
    "NL": _shape(r"([1-9]\d{3})((?!SA|SD|SS)[A-Z]{2})", " "),
    "GB": _shape(r"([A-Z]{1,2}\d[A-Z\d]?|GIR)(\d[ABD-HJLNP-UW-Z]{2}|0AA)", " "),
    "IE": _shape(r"([AC-FHKNPRTV-Y]\d\d|D6W)([AC-FHKNPRTV-Y\d]{4})", " "),
    "US": _shape(r"(\d{5})(\d{4})?", "-"),
    "CA": _shape(r"([ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z])(\d[ABCEGHJ-NPRSTV-Z]\d)", " "),
}
"""Country → shape. The others' postcodes are not judged."""

_ABROAD: Final[Mapping[str, str]] = {
    "AT": "A",
    "BE": "B",
    "CH": "CH",
    "DE": "D",
    "ES": "E",
    "FR": "F",
    "IT": "I",
    "NL": "NL",
}
"""What letters from abroad once put before the number: it says nothing that the country does not.
In Luxembourg `L-` is written at home too, and stays."""


class _Reading(NamedTuple):
    clean: str | None = None
    problem: str | None = None


@lru_cache(maxsize=4_096)
def _read(text: str, country: str) -> _Reading:
    shape = _SHAPES.get(country)
    bare = _SEPARATORS.sub("", plain(text, _LIMIT).upper())
    if shape is None or not bare:
        return _Reading(single_spaced(text))
    if country == "LU" and bare[:1] == "L":
        found = shape.parts.fullmatch(bare[1:])
        return _Reading(single_spaced(text)) if found else _Reading(problem="not of the country")
    found = shape.parts.fullmatch(bare)
    if found is None and bare.startswith(_ABROAD.get(country, "\0")):
        found = shape.parts.fullmatch(bare.removeprefix(_ABROAD[country]))
    if found is None:
        return _Reading(problem="not of the country")
    clean = shape.between.join(part for part in found.groups() if part)
    return _Reading(clean if clean != text else None)


def _reading(text: str | None, country: str | None) -> _Reading:
    if not text:
        return _Reading()
    if len(text) > _LIMIT:
        return _Reading(problem="not of the country") if country in _SHAPES else _Reading()
    return _read(text, country or "")


def clean_postcode(text: str | None, country: str | None) -> str | None:
    """Return the postcode with the spaces, hyphens and capitals that its country writes.

    No digit is ever added or changed: `1000` in France lacks one, and nobody can say which.

    Args:
        text: As held.
        country: ISO code; without a known one only surplus spaces go.

    Returns:
        The proposed text, or None when it reads so already or nothing is sure.
    """
    return _reading(text, country).clean


def postcode_problem(text: str | None, country: str | None) -> str | None:
    """Return why the text is no postcode of its country: one of POSTCODE_PROBLEMS, or None."""
    return _reading(text, country).problem
