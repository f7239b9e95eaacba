"""Countries: the ISO code behind a name in one of seven languages, a code or a common alias."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Final

from babel import Locale
from babel.core import get_global

from crm_steward.normalize.text import ascii_words, words

_LIMIT: Final = 100
_LANGUAGES: Final = ("en", "fr", "de", "es", "it", "nl", "pt")
_CODE: Final = re.compile("[A-Z]{2}")
_NOT_COUNTRIES: Final = words("AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ")
"""Codes CLDR knows that are no country: exceptional reservations, groupings, test regions."""

_ALIASES: Final[Mapping[str, str]] = {
    "angleterre": "GB",
    "bosnie": "BA",
    "bretagne": "FR",
    "czech republic": "CZ",
    "ecosse": "GB",
    "eire": "IE",
    "ee uu": "US",
    "el": "GR",
    "emirats arabes": "AE",
    "england": "GB",
    "escocia": "GB",
    "espana": "ES",
    "etats unis d amerique": "US",
    "etats-unis": "US",
    "france metropolitaine": "FR",
    "grande bretagne": "GB",
    "great britain": "GB",
    "grossbritannien": "GB",
    "gran bretagna": "GB",
    "gran bretana": "GB",
    "hollande": "NL",
    "holland": "NL",
    "holanda": "NL",
    "hong kong": "HK",
    "inglaterra": "GB",
    "inghilterra": "GB",
    "ile de la reunion": "RE",
    "irlande du nord": "GB",
    "ivory coast": "CI",
    "macao": "MO",
    "macau": "MO",
    "northern ireland": "GB",
    "pays de galles": "GB",
    "republique tcheque": "CZ",
    "republique francaise": "FR",
    "reunion": "RE",
    "russia": "RU",
    "schottland": "GB",
    "scotland": "GB",
    "tchequie": "CZ",
    "the netherlands": "NL",
    "turkey": "TR",
    "uk": "GB",
    "united states of america": "US",
    "us of a": "US",
    "vereinigte staaten von amerika": "US",
    "wales": "GB",
}


def _folded(text: str) -> str:
    return "".join(ascii_words(text, _LIMIT))


def _parts(name: str) -> list[str]:
    """Return the names in a CLDR name: `Myanmar (Birmanie)` is found by each."""
    return re.split(r"[()]", name) if "(" in name else []


def _names(language: str) -> dict[str, str]:
    """Return code and name, in `language`, of every country CLDR knows."""
    territories = {str(code): str(name) for code, name in Locale(language).territories.items()}
    return {
        code: name
        for code, name in territories.items()
        if _CODE.fullmatch(code) and code not in _NOT_COUNTRIES
    }


def _official() -> Iterator[tuple[str, str]]:
    """Yield spelling and code; the earlier wins where two countries share a spelling."""
    names = [_names(language) for language in _LANGUAGES]
    codes = names[0].keys()
    yield from ((code, code) for code in codes)
    for alias, targets in get_global("territory_aliases").items():
        if len(targets) == 1 and targets[0] in codes:
            yield alias, targets[0]
    yield from _ALIASES.items()
    for known in names:
        yield from ((name, code) for code, name in known.items())
    for known in names:
        yield from ((part, code) for code, name in known.items() for part in _parts(name))


@cache
def _codes() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for spelling, code in _official():
        found.setdefault(_folded(spelling), code)
    found.pop("", None)
    return found


@lru_cache(maxsize=4_096)
def _country_code(text: str) -> str | None:
    return _codes().get(_folded(text))


def country_code(text: str | None) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country, however it is written, or None.

    Known are two- and three-letter and numeric codes, names in English, French, German, Spanish,
    Italian, Dutch and Portuguese (Unicode CLDR, by way of babel) and common aliases (`U.S.A.`,
    `Angleterre`, `UK`); case, accents and punctuation make no difference.
    """
    return _country_code(text) if text and len(text) <= _LIMIT else None


_PARTS_OF_COUNTRIES: Final = frozenset(
    _folded(name)
    for name in (
        "Angleterre",
        "Bretagne",
        "Ecosse",
        "England",
        "Escocia",
        "Inglaterra",
        "Inghilterra",
        "Irlande du Nord",
        "Northern Ireland",
        "Pays de Galles",
        "Schottland",
        "Scotland",
        "Wales",
    )
)
"""They lie in a country, and the code of it would say less than the CRM does."""


def clean_country(text: str | None) -> str | None:
    """Return the code that says the same as the text, or None when it is that code, or none is sure."""
    code = country_code(text)
    if text is None or code is None or code == text or _folded(text) in _PARTS_OF_COUNTRIES:
        return None
    return code
