"""Names: what may be recased, what must not, and what compares as the same."""

from __future__ import annotations

import pytest

from crm_steward.normalize import cased_name, name_key, person_key

RECASED = [
    ("DUPONT", "Dupont"),
    ("dupont", "Dupont"),
    ("JEAN-PIERRE", "Jean-Pierre"),
    ("jean-pierre", "Jean-Pierre"),
    ("JEAN-pierre", "Jean-Pierre"),
    ("ANNE MARIE", "Anne Marie"),
    ("ÉLODIE", "Élodie"),
    ("JEROME", "Jerome"),
    ("françoise", "Françoise"),
    ("MÜLLER", "Müller"),
    ("weiß", "Weiß"),
    ("MARTÍNEZ LÓPEZ", "Martínez López"),
    ("ÁNGEL", "Ángel"),
    ("E\u0301LODIE", "E\u0301lodie"),
    ("o'brien", "O'Brien"),
    ("O\u2019BRIEN", "O\u2019Brien"),
    ("N'DIAYE", "N'Diaye"),
    ("charles de gaulle", "Charles de Gaulle"),
    ("maria del carmen", "Maria del Carmen"),
    ("Jean DUPONT", "Jean Dupont"),
    ("JP MARTIN", "JP Martin"),
    ("J. DUPONT", "J. Dupont"),
    ("HENRY VIII", "Henry VIII"),
    ("МАРИЯ", "Мария"),
    ("ΓΙΩΡΓΟΣ", "Γιωργος"),
    ("  DUPONT ", "  Dupont "),
]

LEFT_ALONE = [
    "",
    "Dupont",
    "Jean-Pierre",
    "McDonald",
    "MCDONALD",
    "macdonald",
    "MACRON",
    "DeVito",
    "de Gaulle",
    "DE LA TOUR",
    "de la tour",
    " de la tour",
    "VAN DER BERG",
    "van den berg",
    "JEAN DE LA FONTAINE",
    "LE ROUX",
    "al fayed",
    "D'ALEMBERT",
    "d'alembert",
    "L'HERMITE",
    "dell'acqua",
    "O'Brien",
    "JP",
    "J.",
    "LI",
    "li",
    "III",
    "PHD",
    "IŞIK",
    "\u0131ş\u0131k",
    "jean ii",
    "DR. MEYER",
    "mme martin",
    "MARIE ET PAUL",
    "marie and paul",
    "MARIE-JO",
    "marie-jo",
    "GARCIA Y LOPEZ",
    "AL-SAYED",
    "დავით",
    "IJSBRAND",
    "ijsbrand",
    "SARL DUPONT",
    "acme gmbh",
    "jean@example.com",
    "AGENT 007",
    "MARTIN (COMPTA)",
    "MARTIN & FILS",
    "-",
    "'",
    "o'",
    "東京",
    "محمد",
    "🙂",
    "DUPONT\x00",
    "A" * 300,
]


@pytest.mark.parametrize(("held", "proposed"), RECASED)
def test_a_name_in_one_case_is_recased(held: str, proposed: str) -> None:
    """All-capital and all-small words are proposed with a capital; diacritics stay as they are."""
    assert cased_name(held) == proposed


@pytest.mark.parametrize("held", LEFT_ALONE)
def test_what_only_the_bearer_knows_is_left_alone(held: str) -> None:
    """Particles, Mc, Mac, d', mixed case, initials, numerals, companies and non-names stay."""
    assert cased_name(held) is None


SAME_NAME = [
    ("Müller", "Mueller"),
    ("Müller", "MULLER"),
    ("Groß", "gross"),
    ("Lefœuvre", "LEFOEUVRE"),
    ("Noël", "noel"),
    ("Jean-Pierre", "jean pierre"),
    ("O'Brien", "O\u2019BRIEN"),
    ("D'Alembert", "dalembert"),
    ("Núñez", "NUNEZ"),
    ("  Marie \u200b ", "marie"),
    ("Łukasz", "Lukasz"),
    ("Søren", "Soeren"),
    ("E\u0301lodie", "Élodie"),
    ("\uff2dartin", "Martin"),
    ("Marie 🙂", "Marie"),
]


@pytest.mark.parametrize(("left", "right"), SAME_NAME)
def test_spellings_of_one_name_have_one_key(left: str, right: str) -> None:
    """Accents, ligatures, umlauts, hyphens, apostrophes, case and emoji make no difference."""
    assert name_key(left) == name_key(right) is not None


@pytest.mark.parametrize(
    ("left", "right"), [("Jean", "Jeanne"), ("Martin", "Martins"), ("Ann", "Anna")]
)
def test_different_names_have_different_keys(left: str, right: str) -> None:
    """A key forgives spelling of the keyboard, not of the name."""
    assert name_key(left) != name_key(right)


@pytest.mark.parametrize("nothing", [None, "", "  ", "-", "🙂", "\x00", "\ud800"])
def test_nothing_has_no_key(nothing: str | None) -> None:
    """What holds no letter or digit has no key, so that blanks never match each other."""
    assert name_key(nothing) is None
    assert person_key(nothing, nothing) is None


def test_swapped_fields_have_one_person_key() -> None:
    """First and last name in each other's field make no difference; nor does a joined name."""
    assert person_key("Jean-Pierre", "Müller") == "jean muller pierre"
    assert person_key("MUELLER", "Jean Pierre") == "jean muller pierre"
    assert person_key("Jean Pierre Müller", None) == "jean muller pierre"
