"""Countries: the ISO code behind a name in one of seven languages, a code or a common alias."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final

from crm_steward.normalize.cldr import LONGEST, folded, spellings

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


@cache
def _codes() -> Mapping[str, str]:
    return spellings("countries") | {folded(alias): code for alias, code in _ALIASES.items()}


@lru_cache(maxsize=4_096)
def _country_code(text: str) -> str | None:
    return _codes().get(folded(text))


def country_code(text: str | None) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country, however it is written, or None.

    Known are two- and three-letter and numeric codes, names in English, French, German, Spanish,
    Italian, Dutch and Portuguese (Unicode CLDR, by way of babel) and common aliases (`U.S.A.`,
    `Angleterre`, `UK`); case, accents and punctuation make no difference.
    """
    return _country_code(text) if text and len(text) <= LONGEST else None


_PARTS_OF_COUNTRIES: Final = frozenset(
    folded(name)
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
    if text is None or code is None or code == text or folded(text) in _PARTS_OF_COUNTRIES:
        return None
    return code
