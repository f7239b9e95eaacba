"""Levels: by each name that a rule may write, one pair that is and one that nearly is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.matching.contacts import ANY_LEVEL, Person, groups_of, ids

from crm_steward.matching import ALL_EVIDENCE, LEVELS, Wanted

EMAIL_AND_NAME, BORN, PHONE, SIMILAR_EMAIL, ADDRESS, COMPANY, EMAIL = LEVELS

HOME = {"street": "12 rue des Lilas", "postcode": "75011", "city": "Paris"}
OTHER_HOME = {**HOME, "street": "3 rue des Lilas"}

CASES: dict[str, tuple[Sequence[Person], Sequence[Person]]] = {
    EMAIL_AND_NAME: (
        (
            Person("1", "Jean", "Dupont", "jd@one.example"),
            Person("2", "Jaen", "Dupont", "jd@one.example"),
        ),
        (
            Person("3", "Jean", "Durand", "nous@two.example"),
            Person("4", "Marie", "Durand", "nous@two.example"),
        ),
    ),
    BORN: (
        (
            Person("1", "William", "Smith", born="1970-03-01"),
            Person("2", "Bill", "Smith", born="1970-03-01"),
        ),
        (
            Person("3", "Léa", "Leroy", born="1990-05-01"),
            Person("4", "Zoé", "Leroy", born="1990-05-01"),
        ),
    ),
    PHONE: (
        (
            Person("1", "Jean", "Dupont", phone="01 23 45 67 89"),
            Person("2", "Dupont", "Jean", mobile="+33 1 23 45 67 89"),
        ),
        (
            Person("3", "Louis", "Martin", phone="01 98 76 54 32"),
            Person("4", "Louise", "Martin", phone="01 98 76 54 32"),
        ),
    ),
    SIMILAR_EMAIL: (
        (
            Person("1", "Jean", "Dupont", "jean.dupont@orange.fr"),
            Person("2", "Jean", "Dupont", "jean.dupont@wanadoo.fr"),
        ),
        (
            Person("3", "Luc", "Durand", "luc.durand@orange.fr"),
            Person("4", "Luc", "Durand", "ld1970@wanadoo.fr"),
        ),
    ),
    ADDRESS: (
        (Person("1", "Jean", "Dupont", **HOME), Person("2", "Jean", "Dupont", **HOME)),
        (Person("3", "Luc", "Durand", **HOME), Person("4", "Luc", "Durand", **OTHER_HOME)),
    ),
    COMPANY: (
        (
            Person("1", "Jean", "Dupont", company="Acme SA"),
            Person("2", "Jean", "Dupont", company="ACME"),
        ),
        (
            Person("3", "Luc", "Durand", company="Acme SA"),
            Person("4", "Luc", "Durand", company="Brume SARL"),
        ),
    ),
    EMAIL: (
        (
            Person("1", "Jean", "Dupont", "jd@one.example"),
            Person("2", "Marie", "Durand", "jd@one.example"),
        ),
        (
            Person("3", "Luc", "Petit", "info@two.example"),
            Person("4", "Anne", "Moreau", "info@two.example"),
        ),
    ),
}


def test_the_levels_are_those_rules_know() -> None:
    """Rules name levels by these words, the strongest first."""
    assert (
        list(CASES)
        == list(LEVELS)
        == [
            "same e-mail and similar name",
            "same birth date and similar name",
            "same phone and similar name",
            "similar e-mail and similar name",
            "same address and similar name",
            "same company and similar name",
            "same e-mail",
        ]
    )


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_finds_what_it_says(level: str) -> None:
    """A rule that names one level gets that level, and no pair that only resembles it."""
    are, are_not = CASES[level]
    (group,) = groups_of(*are, *are_not, wanted=Wanted(levels=(level,), at_least=None))

    assert [ref.id for ref in group.refs] == ["1", "2"]
    assert [pair.level for pair in group.pairs] == [level] == [group.level]


def test_the_strongest_level_counts() -> None:
    """A pair that qualifies for all is one pair under the strongest, in whatever order they are named."""
    told = {"email": "jd@one.example", "phone": "01 23 45 67 89", "born": "1970-03-01", **HOME}
    people = [Person(n, "Jean", "Dupont", company="Acme", **told) for n in ("1", "2")]  # type: ignore[arg-type] -- texts
    (group,) = groups_of(*people, wanted=Wanted(levels=tuple(reversed(LEVELS))))

    assert [pair.level for pair in group.pairs] == [EMAIL_AND_NAME]


def test_a_pair_that_no_level_names_is_found_by_all_evidence() -> None:
    """Only where a probability is asked for."""
    people = (
        Person("1", "J.", "Dupont", phone="01 23 45 67 89", **HOME),
        Person("2", "Jean", "Dupont", phone="01 23 45 67 89", **HOME),
    )
    (group,) = groups_of(*people, wanted=Wanted(levels=tuple(LEVELS)))

    assert group.level == ALL_EVIDENCE
    assert groups_of(*people, wanted=ANY_LEVEL) == []


def test_a_level_finds_however_improbable_the_pair_is() -> None:
    """What a rule asks for by name it gets, with a probability that says what to think of it."""
    are, _ = CASES[EMAIL]
    (group,) = groups_of(*are, wanted=Wanted(levels=(EMAIL,), at_least=0.9))

    assert group.weakest.probability < 0.1
    assert not group.sure


def test_blanks_behind_a_mailbox_of_a_function_are_that_function() -> None:
    """Two records without any name that hold info@ are the same office; one with a name is somebody."""
    box = "info@one.example"
    blanks = Person("1", email=box), Person("2", email=box)
    assert ids(groups_of(*blanks, Person("3", "Jean", "Dupont", box), wanted=ANY_LEVEL)) == [
        ["1", "2"]
    ]


@pytest.mark.parametrize("levels", [["same shoes"], [PHONE, "same shoes"]])
def test_an_unknown_level_is_refused(levels: list[str]) -> None:
    """A misspelt level is a mistake of the caller, not a rule that finds nothing."""
    with pytest.raises(ValueError, match="same phone and similar name"):
        Wanted(levels=levels)


def test_a_search_for_nothing_is_refused() -> None:
    """Neither levels nor a probability."""
    with pytest.raises(ValueError, match="levels are among"):
        Wanted(at_least=None)
