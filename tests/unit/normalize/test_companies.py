"""Companies: one key whatever the legal form and wherever it stands."""

from __future__ import annotations

import pytest

from crm_steward.normalize import company_key

SAME = [
    ("Dupont SARL", "SARL Dupont"),
    ("S.A.S. Dupont", "dupont, sas"),
    ("EURL Dupont & Fils", "DUPONT ET FILS"),
    ("SCI du Lac", "du lac"),
    ("Établissements Léger", "ETS LEGER"),
    ("Acme GmbH & Co. KG", "ACME"),
    ("Acme, Inc.", "Acme Incorporated"),
    ("Acme Ltd.", "ACME LIMITED"),
    ("The Acme Company", "acme"),
    ("Acme S.p.A.", "acme"),
    ("Acme, S.L.", "ACME S.A."),
    ("L\u2019Atelier SNC", "l'atelier"),
    ("Müller AG", "MÜLLER A.G."),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_legal_form_and_spelling_make_no_difference(left: str, right: str) -> None:
    """Forms of France, Germany, Britain, Italy, Spain and America go, before and after the name."""
    assert company_key(left) == company_key(right) is not None


@pytest.mark.parametrize(
    ("left", "right"), [("Dupont", "Dupont et Fils"), ("Acme Lyon", "Acme Paris"), ("SAS", "SARL")]
)
def test_different_companies_stay_apart(left: str, right: str) -> None:
    """What is not a legal form counts, and a name is never emptied."""
    assert company_key(left) != company_key(right)
    assert company_key(left) is not None


@pytest.mark.parametrize("nothing", [None, "", " ", "&", "🙂", "\ud800"])
def test_nothing_has_no_key(nothing: str | None) -> None:
    """Blanks never match each other."""
    assert company_key(nothing) is None
