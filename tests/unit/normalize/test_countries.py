"""Countries: every usual way of writing one leads to its ISO code."""

from __future__ import annotations

import pytest
from babel import Locale

from crm_steward.normalize import country_code

WRITTEN = {
    "FR": ["FR", "fr", "FRA", "250", "France", " FRANCE ", "Frankreich", "Francia", "Frankrijk"],
    "GB": ["GB", "UK", "U.K.", "Royaume-Uni", "royaume uni", "Angleterre", "England", "Scotland"],
    "US": ["US", "USA", "U.S.A.", "États-Unis", "Etats-Unis", "United States", "EE. UU.", "EE.UU."],
    "DE": ["DE", "Allemagne", "Deutschland", "Alemania", "Germania", "Duitsland", "Alemanha"],
    "ES": ["España", "ESPANA", "Spain", "Espagne", "Spanien"],
    "NO": ["NO", "no", "Norvège", "Norway"],
    "CI": ["Côte d\u2019Ivoire", "COTE D'IVOIRE", "Ivory Coast"],
    "RE": ["La Réunion", "Réunion", "reunion"],
    "GR": ["EL", "Greece", "Grèce"],
    "TR": ["Türkiye", "Turkey", "Turquie"],
    "CZ": ["Czech Republic", "Tchéquie", "République tchèque", "Czechia"],
    "NL": ["Holland", "Pays-Bas", "The Netherlands"],
    "HK": ["Hong Kong", "R.A.S. chinoise de Hong Kong"],
    "XK": ["Kosovo"],
}


@pytest.mark.parametrize(
    ("written", "code"), [(text, code) for code, texts in WRITTEN.items() for text in texts]
)
def test_a_country_is_found_however_it_is_written(written: str, code: str) -> None:
    """Codes, names in seven languages and aliases; case, accents and punctuation do not matter."""
    assert country_code(written) == code


@pytest.mark.parametrize("language", ["en", "fr", "de", "es", "it", "nl", "pt"])
def test_every_country_is_known_by_its_name(language: str) -> None:
    """The CLDR name of every country in every language we read gives that very country."""
    territories = Locale(language).territories
    codes = {code for code in territories if len(code) == 2 and country_code(code) == code}

    assert len(codes) > 245
    assert {code: country_code(territories[code]) for code in codes} == {c: c for c in codes}


@pytest.mark.parametrize(
    "held", [None, "", "Europe", "EU", "ZZ", "Paris", "33", "\x00", "x" * 10**7]
)
def test_what_is_no_country_has_no_code(held: str | None) -> None:
    """Nothing is guessed."""
    assert country_code(held) is None
