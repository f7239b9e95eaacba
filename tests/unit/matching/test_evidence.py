"""Who is found and who is not, case by case, in a town of 20,000 whose names are as common as real ones.

All cases are put into one town and looked for at once: none has a value in common with another.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from tests.unit.matching.contacts import BY_SCORE, Person, mirror, town

from crm_steward.matching import Pair, Wanted, find_groups

TOWN = 20_000
Told = dict[str, Any]

_NUMBERS = count(1)
HOME = {"street": "12 rue des Lilas", "postcode": "29200", "city": "Brest"}
OFFICE = {"street": "1 avenue Foch", "postcode": "69001", "city": "Lyon", "company": "Acme SA"}


def landline() -> str:
    """Return a number that nobody has yet."""
    return f"01 42{next(_NUMBERS):06}"


def mobile() -> str:
    """Return a mobile's number that nobody has yet."""
    return f"07 55{next(_NUMBERS):06}"


def home(street: str) -> Told:
    """Return an address of its own, so that cases do not meet."""
    return {**HOME, "street": f"{next(_NUMBERS)} {street}"}


def both(left: Told, right: Told, **shared: Any) -> tuple[Told, Told]:
    """Return two contacts that share something."""
    return {**left, **shared}, {**right, **shared}


def named(first: str | None, last: str | None, **more: Any) -> Told:
    """Return what a contact says."""
    return {"first": first, "last": last, **more}


# --- one person -----------------------------------------------------------------------------------

ONE: dict[str, tuple[Told, Told]] = {
    "capitals": both(
        named("Jean", "Dupont", email="Jean.Dupont@one.example"),
        named("JEAN", "DUPONT", email="jean.dupont@ONE.example"),
    ),
    "gmail ignores dots and what follows a plus": (
        named("Luc", "Bernard", email="luc.bernard+crm@gmail.com"),
        named("Luc", "Bernard", email="lucbernard@googlemail.com"),
    ),
    "a slip in the first name": both(
        named("Philippe", "Martin"), named("Philipe", "Martin"), phone=landline()
    ),
    "two letters turned": both(named("Jean", "Dubois"), named("Jaen", "Dubois"), phone=landline()),
    "a slip in each name": both(
        named("Annette", "Schmidt"), named("Anette", "Schmitt"), phone=landline()
    ),
    "a nickname": both(named("William", "Smith"), named("Bill", "Smith"), phone=landline()),
    "a French nickname": both(named("Frédéric", "Petit"), named("Fred", "Petit"), phone=landline()),
    "another spelling": both(
        named("Catherine", "Fernandez"), named("Katherine", "Fernandez"), phone=landline()
    ),
    "umlauts written out": both(
        named("Jürgen", "Müller"), named("Juergen", "Mueller"), phone=landline()
    ),
    "umlauts and ß without": both(
        named("Jürgen", "Groß"), named("Jurgen", "GROSS"), phone=landline()
    ),
    "accents lost": both(
        named("José", "Martínez López"), named("Jose", "Martinez Lopez"), phone=landline()
    ),
    "an apostrophe": both(
        named("Katherine", "O'Brien"), named("Katherine", "OBrien"), phone=landline()
    ),
    "names in each other's field": both(
        named("Alain", "Fontaine"), named("Fontaine", "Alain"), phone=landline()
    ),
    "names in each other's field and a slip": both(
        named("Alain", "Lefevre"), named("Lefevvre", "Alain"), phone=landline()
    ),
    "an initial": both(named("J.", "Roux"), named("Jacques", "Roux"), phone=landline()),
    "initials of a double name": both(
        named("JP", "Girard"), named("Jean-Pierre", "Girard"), phone=landline()
    ),
    "a title": both(named("Dr. Claire", "Moreau"), named("Claire", "Moreau"), phone=landline()),
    "a hyphen": both(
        named("Jean-Pierre", "Simon"), named("Jean Pierre", "Simon"), phone=landline()
    ),
    "half of a double last name": both(
        named("Marie", "Kervran-Dubreuil"), named("Marie", "Kervran"), phone=landline()
    ),
    "the whole name in one field": both(
        named("Hugo Lambert", None), named("Hugo", "Lambert"), phone=landline()
    ),
    "a mobile in the field of the phone": (
        named("Emma", "Rousseau", phone="06 99 00 00 01"),
        named("Emma", "Rousseau", mobile="+33 6 99 00 00 01"),
    ),
    "a second number is the other's only one": (
        named("Paul", "Vincent", phone=landline(), more_phones=("07 99 00 00 02",)),
        named("Paul", "Vincent", mobile="07 99 00 00 02"),
    ),
    "a second address is the other's only one": (
        named("Anne", "Faure", email="a.faure@two.example", more_emails=("anne77@free.fr",)),
        named("Anne", "Faure", email="anne77@free.fr"),
    ),
    "a function's mailbox and the same second address": (
        named(
            "Paul",
            "Mercier",
            email="info@three.example",
            more_emails=("paul.mercier@three.example",),
        ),
        named("Paul", "Mercier", email="paul.mercier@three.example"),
    ),
    "the given name is in the address": (
        named(None, "Kermarrec", email="zoe.kermarrec@free.fr", mobile="07 99 00 00 03"),
        named("Zoé", "Kermarrec", mobile="07 99 00 00 03"),
    ),
    "a slip in the address": (
        named("Claire", "Boyer", email="claire.boyer@four.example", city="Nice"),
        named("Claire", "Boyer", email="claire.boyr@four.example", city="Nice"),
    ),
    "another provider": (
        named("Julien", "Garnier", email="julien.garnier@orange.fr", city="Nice"),
        named("Julien", "Garnier", email="julien.garnier@wanadoo.fr", city="Nice"),
    ),
    "married, the same mailbox": both(
        named("Camille", "Blanc"),
        named("Camille", "Guerin"),
        email="camille.blanc@free.fr",
        born="1984-03-02",
    ),
    "a rare name, one birth date": both(
        named("Maël", "Kergoat"), named("Maël", "Kergoat"), born="1979-11-23"
    ),
    "one company, one name": both(
        named("Sylvie", "Quemener", company="Brume SARL"),
        named("Sylvie", "Quemener", company="Brume"),
        city="Lille",
    ),
    "the same home": both(named("Yann", "Tanguy"), named("Yan", "Tanguy"), **home("quai du Port")),
}

# --- two people -----------------------------------------------------------------------------------

TWO: dict[str, tuple[Told, Told]] = {
    "parent and child": both(
        named("Pierre", "Martin", born="1960-05-01"),
        named("Hugo", "Martin", born="1995-02-07"),
        phone=landline(),
        **home("rue Haute"),
    ),
    "father and son of one name": both(
        named("Pierre", "Bernard", born="1957-08-21"),
        named("Pierre", "Bernard", born="1989-12-30"),
        phone=landline(),
        **home("rue Basse"),
    ),
    "a couple, one mailbox, one phone": both(
        named("Pierre", "Dubois"),
        named("Sophie", "Dubois"),
        email="famille.dubois@orange.fr",
        phone=landline(),
        **home("rue Longue"),
    ),
    "a couple of two last names": both(
        named("Pierre", "Petit"),
        named("Sophie", "Durand"),
        email="lesquatre@orange.fr",
        phone=landline(),
        **home("rue Courte"),
    ),
    "twins": both(
        named("Léa", "Leroy", mobile=mobile(), email="lea.leroy@free.fr"),
        named("Zoé", "Leroy", mobile=mobile(), email="zoe.leroy@free.fr"),
        born="1990-05-01",
        **home("rue Neuve"),
    ),
    "two colleagues, one switchboard, info@": both(
        named("Jean", "Petit", **OFFICE),
        named("Marie", "Moreau", **OFFICE),
        email="info@acme.example",
        phone=landline(),
    ),
    "two colleagues of one first name": both(
        named("Nicolas", "Simon", email="n.simon@bois.example"),
        named("Nicolas", "Laurent", email="n.laurent@bois.example"),
        phone=landline(),
        company="Bois SA",
    ),
    "two colleagues of one last name": both(
        named("Anne", "Roux", email="anne.roux@fer.example"),
        named("Michel", "Roux", email="michel.roux@fer.example"),
        phone=landline(),
        company="Fer SA",
    ),
    "two who read a function's mailbox beside their own": (
        named("Alain", "Girard", email="alain@sel.example", more_emails=("contact@sel.example",)),
        named("Marie", "Bonnet", email="marie@sel.example", more_emails=("contact@sel.example",)),
    ),
    "a couple with a mailbox beside their own": (
        named("Paul", "Faure", email="paul.faure@free.fr", more_emails=("lesfaure@free.fr",)),
        named("Anne", "Faure", email="anne.faure@free.fr", more_emails=("lesfaure@free.fr",)),
    ),
    "Jean Martin twice in Paris": both(
        named("Jean", "Martin"), named("Jean", "Martin"), city="Paris"
    ),
    "Louis and Louise": both(
        named("Louis", "Lambert"), named("Louise", "Lambert"), phone=landline()
    ),
    "Louis and Louise, the whole name in one field": both(
        named("Louis Fontaine", None), named("Louise Fontaine", None), phone=landline()
    ),
    "Jean and Jeanne": both(
        named("Jean", "Rousseau"), named("Jeanne", "Rousseau"), phone=landline()
    ),
    "Daniel and Danielle": both(
        named("Daniel", "Vincent"), named("Danielle", "Vincent"), phone=landline()
    ),
    "Pascal and Pascale": both(
        named("Pascal", "Muller"), named("Pascale", "Muller"), phone=landline()
    ),
    "Mario and Maria": both(named("Mario", "Rossi"), named("Maria", "Rossi"), phone=landline()),
    "Marie and Martine": both(
        named("Marie", "Mercier"), named("Martine", "Mercier"), phone=landline()
    ),
    "an unknown name": both(named("Jean", "Boyer"), named(None, None), phone=landline()),
    "a function's mailbox with and without a name": both(
        named("Jean", "Garnier"), named(None, None), email="info@five.example"
    ),
    "one birth date": both(named("Jean", "Lefevre"), named("Emma", "Thomas"), born="1971-07-14"),
    "one address, two households": both(
        named("Hugo", "Leroy"), named("Emma", "Moreau"), **home("tour des Vents")
    ),
}


@pytest.fixture(scope="module")
def found() -> dict[str, Pair]:
    """Return the pair of each case that was found."""
    rows = list(town(TOWN))
    for cases in (ONE, TWO):
        for case, sides in cases.items():
            rows += [Person(f"{case}/{n}", **told).row() for n, told in enumerate(sides)]
    pairs = [pair for group in find_groups(mirror(rows), BY_SCORE).groups for pair in group.pairs]
    assert [pair for pair in pairs if pair.left.id[:-1] != pair.right.id[:-1]] == []
    return {pair.left.id.partition("/")[0]: pair for pair in pairs}


@pytest.mark.parametrize("case", ONE)
def test_one_person_written_twice_is_found(case: str, found: dict[str, Pair]) -> None:
    """What people mistype, shorten or put into the wrong field hides nobody."""
    assert case in found


@pytest.mark.parametrize("case", TWO)
def test_two_people_who_share_much_are_not_found(case: str, found: dict[str, Pair]) -> None:
    """Families, colleagues and namesakes stay apart."""
    assert case not in found


def test_only_strong_evidence_is_sure(found: dict[str, Pair]) -> None:
    """One mailbox and one name are; one number and one name are not: a father may bear it too."""
    assert found["capitals"].sure
    assert found["gmail ignores dots and what follows a plus"].sure
    assert found["a second address is the other's only one"].sure
    assert not found["a slip in the first name"].sure
    assert not found["the whole name in one field"].sure


def test_a_frequent_name_proves_less_than_a_rare_one() -> None:
    """The same two contacts are likelier one person where nobody else bears their name."""
    two = [Person(n, "Maël", "Kergoat", city="Brest").row() for n in ("1", "2")]
    crowd = [Person(f"x{n}", f"Anna{n}", f"Rossi{n}", city="Brest").row() for n in range(600)]
    namesakes = [
        {**row, "first_name_key": "mal"} if n % 2 else {**row, "last_name_key": "kergoat"}
        for n, row in enumerate(crowd)
    ]
    assert two[0]["first_name_key"] == "mal"

    (rare,) = find_groups(mirror([*two, *crowd]), BY_SCORE).groups
    (frequent,) = find_groups(mirror([*two, *namesakes]), Wanted(at_least=0.0001)).groups

    assert rare.weakest.probability > 0.9
    assert frequent.weakest.probability < 0.5
