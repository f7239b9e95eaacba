"""Groups of duplicates: what belongs together, what must not, and what is said when unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from crm_steward.matching import LEVELS, MAX_BLOCK, Group, find_groups
from crm_steward.model import RecordRef
from crm_steward.normalize import email_key, name_key, person_key, phone_e164

EMAIL, PHONE = LEVELS
SHARED = "01 23 45 67 89"


@dataclass(frozen=True, slots=True)
class Person:
    """One row of the mirror, before it is made comparable."""

    id: str
    first: str | None = None
    last: str | None = None
    email: str | None = None
    phone: str | None = None
    mobile: str | None = None
    connection: str = "hubspot"


def mirror(people: list[Person]) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection whose table `contacts` holds `people`."""
    con = duckdb.connect(config={"threads": 1})
    con.execute(
        "CREATE TABLE contacts (connection VARCHAR, id VARCHAR, email_key VARCHAR,"
        " phone_key VARCHAR, mobile_key VARCHAR, first_name_key VARCHAR, last_name_key VARCHAR,"
        " name_key VARCHAR)"
    )
    rows = [
        (
            p.connection,
            p.id,
            email_key(p.email),
            phone_e164(p.phone, "FR"),
            phone_e164(p.mobile, "FR"),
            name_key(p.first),
            name_key(p.last),
            person_key(p.first, p.last),
        )
        for p in people
    ]
    if rows:
        con.executemany("INSERT INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return con


def groups_of(
    *people: Person, levels: tuple[str, ...] = (EMAIL, PHONE), **options: Any
) -> list[Group]:
    """Return the groups among `people`."""
    return find_groups(mirror(list(people)), levels, **options).groups


def ids(groups: list[Group]) -> list[list[str]]:
    """Return the members' ids, group by group."""
    return [[ref.id for ref in group.refs] for group in groups]


def test_the_levels_are_those_rules_know() -> None:
    """Rules name levels by these words, the strongest first."""
    assert list(LEVELS) == ["same e-mail", "same phone and similar name"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Jean.Dupont@example.com", "jean.dupont@EXAMPLE.com"),
        ("jean.dupont+crm@gmail.com", "jeandupont@googlemail.com"),
    ],
)
def test_same_mailbox(left: str, right: str) -> None:
    """Two spellings of one mailbox are one person, certain when the names agree."""
    (group,) = groups_of(
        Person("1", "Jean", "Dupont", email=left), Person("2", "JEAN", "DUPONT", email=right)
    )
    assert group.refs == (RecordRef("hubspot", "1"), RecordRef("hubspot", "2"))
    assert (group.level, group.score, group.weakest.similarity) == (EMAIL, 1.0, 1.0)
    assert not group.chained


def test_a_personal_mailbox_under_two_names_is_less_certain() -> None:
    """A missing name takes little certainty away, another name much."""
    (unnamed,) = groups_of(
        Person("1", "Jean", "Dupont", email="jd@example.com"), Person("2", email="jd@example.com")
    )
    (differing,) = groups_of(
        Person("1", "Jean", "Dupont", email="jd@example.com"),
        Person("2", "Marie", "Durand", email="jd@example.com"),
    )
    assert unnamed.weakest.similarity is None
    assert 1.0 > unnamed.score > differing.score > 0.5


def test_a_mailbox_of_a_function_is_not_a_person() -> None:
    """Two people behind info@ are two; one person twice is one; two blanks are the same office."""
    box = "info@example.com"
    assert groups_of(Person("1", "Jean", "Dupont", box), Person("2", "Marie", "Durand", box)) == []
    assert groups_of(Person("1", "Jean", "Dupont", box), Person("2", email=box)) == []
    assert ids(
        groups_of(Person("1", "Jean", "Dupont", box), Person("2", "Jean", "Duponnt", box))
    ) == [["1", "2"]]
    assert ids(groups_of(Person("1", email=box), Person("2", email=box))) == [["1", "2"]]


SIMILAR = [
    (("Philippe", "Martin"), ("Philipe", "Martin")),
    (("Jean", "Dupont"), ("Jaen", "Dupont")),
    (("Jean", "Dupont"), ("Dupont", "Jean")),
    (("Jürgen", "Müller"), ("Juergen", "Mueller")),
    (("Jürgen", "Groß"), ("Jurgen", "GROSS")),
    (("Annette", "Schmidt"), ("Anette", "Schmitt")),
    (("José", "Martínez López"), ("Jose", "Martinez Lopez")),
    (("Jean-Pierre", "Martin"), ("Jean Pierre", "Martin")),
    (("Catherine", "Fernandez"), ("Katherine", "Fernandez")),
    (("Katherine", "O'Brien"), ("Katharine", "OBrien")),
    (("Jean Dupont", None), ("Jean", "Dupont")),
    (("Philippe Martin", None), ("Philipe Martin", None)),
]

FAMILY = [
    (("Jean", "Dupont"), ("Marie", "Dupont")),
    (("Jean", "Dupont"), ("Jeanne", "Dupont")),
    (("Louis", "Martin"), ("Louise", "Martin")),
    (("Daniel", "Martin"), ("Danielle", "Martin")),
    (("Pascal", "Martin"), ("Pascale", "Martin")),
    (("Mario", "Rossi"), ("Maria", "Rossi")),
    (("Marie", "Martin"), ("Martine", "Martin")),
    (("Jean", "Martin"), ("Jean-Pierre", "Martin")),
    (("Marc", "Dupont"), ("Mark", "Durand")),
    (("Jean", "Dupont"), ("Jean", "Durand")),
    (("Louis Martin", None), ("Louise Martin", None)),
    (("Jean", "Dupont"), (None, "Dupont")),
    (("Jean", "Dupont"), (None, None)),
    ((None, None), (None, None)),
]

Name = tuple[str | None, str | None]


@pytest.mark.parametrize(("left", "right"), SIMILAR)
def test_one_phone_and_a_misspelt_name_is_one_person(left: Name, right: Name) -> None:
    """Typing errors, accents, umlauts, hyphens and swapped fields do not hide a duplicate."""
    (group,) = groups_of(Person("1", *left, phone=SHARED), Person("2", *right, mobile=SHARED))
    assert group.level == PHONE
    assert 0.9 <= group.score <= 0.98


@pytest.mark.parametrize(("left", "right"), FAMILY)
def test_a_family_sharing_a_phone_stays_apart(left: Name, right: Name) -> None:
    """Relatives share a number and often nearly a first name; an unknown name proves nothing."""
    people = Person("1", *left, phone=SHARED), Person("2", *right, phone=SHARED)
    assert groups_of(*people) == []


def test_the_strongest_level_counts() -> None:
    """A pair that qualifies twice is one pair, under the stronger level."""
    (group,) = groups_of(
        Person("1", "Jean", "Dupont", "jd@example.com", SHARED),
        Person("2", "Jean", "Dupont", "jd@example.com", SHARED),
        levels=(PHONE, EMAIL),
    )
    assert [pair.level for pair in group.pairs] == [EMAIL]


def test_only_the_levels_asked_for_are_used() -> None:
    """A rule that names one level gets that level."""
    people = (
        Person("1", "Jean", "Dupont", "jd@example.com", SHARED),
        Person("2", "Jean", "Dupont", "jd@example.org", SHARED),
    )
    assert groups_of(*people, levels=(EMAIL,)) == []
    assert ids(groups_of(*people, levels=(PHONE,))) == [["1", "2"]]


@pytest.mark.parametrize("levels", [[], ["same shoes"], [EMAIL, "same shoes"]])
def test_an_unknown_level_is_refused(levels: list[str]) -> None:
    """A misspelt level is a mistake of the caller, not a rule that finds nothing."""
    with pytest.raises(ValueError, match="same phone and similar name"):
        find_groups(mirror([]), levels)


def test_a_chain_says_so_and_names_its_weakest_link() -> None:
    """1 is 2 by e-mail and 2 is 3 by phone, but nothing says that 1 is 3."""
    (group,) = groups_of(
        Person("1", "Jean", "Dupont", "jd@example.com"),
        Person("2", "Jean", "Dupont", "jd@example.com", SHARED),
        Person("3", "Jaen", "Dupont", phone=SHARED),
    )
    assert ids([group]) == [["1", "2", "3"]]
    assert group.chained
    assert (group.level, group.weakest.level) == (EMAIL, PHONE)
    assert (group.weakest.left.id, group.weakest.right.id) == ("2", "3")
    assert group.score == group.weakest.score < 1


def test_within_a_connection() -> None:
    """A merge happens inside one account: records of two are grouped only when asked for."""
    people = (
        Person("1", "Jean", "Dupont", "jd@example.com", connection="hubspot-eu"),
        Person("1", "Jean", "Dupont", "jd@example.com", connection="hubspot-us"),
        Person("2", "Jean", "Dupont", "jd@example.com", connection="hubspot-us"),
    )
    (inside,) = groups_of(*people, within="connection")
    (across,) = groups_of(*people)
    assert [str(ref) for ref in inside.refs] == ["hubspot-us:1", "hubspot-us:2"]
    assert len(across.refs) == 3
    assert not across.chained


def test_a_value_everybody_shares_is_reported_and_proves_nothing() -> None:
    """A placeholder or a switchboard is not compared, is named, and hides nobody else."""
    crowd = [
        Person(str(n), "Jean", "Dupont", "none@example.com", SHARED) for n in range(MAX_BLOCK + 1)
    ]
    pair = [Person(f"p{n}", "Marie", "Durand", "md@example.com") for n in range(2)]
    found = find_groups(mirror(crowd + pair), [EMAIL, PHONE])

    assert ids(found.groups) == [["p0", "p1"]]
    assert [(block.level, block.value, block.holders) for block in found.capped] == [
        (EMAIL, "none@example.com", MAX_BLOCK + 1),
        (PHONE, "+33123456789", MAX_BLOCK + 1),
    ]
    assert "none@example.com" not in repr(found.capped)


def test_the_cap_counts_holders_within_the_scope() -> None:
    """Where only one connection is compared, holders in another do not count."""
    people = [
        Person(str(n), "Jean", "Dupont", "jd@example.com", connection=f"crm{n % 2}")
        for n in range(6)
    ]
    apart = find_groups(mirror(people), [EMAIL], within="connection", max_block=3)
    together = find_groups(mirror(people), [EMAIL], max_block=3)

    assert [len(group.refs) for group in apart.groups] == [3, 3]
    assert apart.capped == []
    assert together.groups == []
    assert together.capped[0].connection is None


def test_blanks_are_nobody() -> None:
    """Records without e-mail, phone and name are not duplicates of each other."""
    assert (
        groups_of(Person("1"), Person("2"), Person("3", email="n/a"), Person("4", email="n/a"))
        == []
    )


def test_hostile_names_are_data() -> None:
    """Quotes and SQL in values are compared like any other text."""
    name = "'; DROP TABLE contacts; --"
    con = mirror(
        [Person(name, name, name, "x@example.com"), Person("2", name, name, "x@example.com")]
    )
    con.execute("UPDATE contacts SET name_key = $name, email_key = $name", {"name": name})
    assert ids(find_groups(con, [EMAIL]).groups) == [["'; DROP TABLE contacts; --", "2"]]


def test_a_hundred_thousand_contacts_are_grouped() -> None:
    """A base of 100,000 with one duplicate in ten: none is lost (bench/duplicates.py takes the time)."""
    count = 100_000
    numbers = [n if n % 10 else n // 2 for n in range(count)]
    contacts = pa.table(
        {
            "connection": ["hubspot"] * count,
            "id": [str(n) for n in range(count)],
            "email_key": [f"jean.dupont{n}@example.com" for n in numbers],
            "phone_key": [f"+331{n // 3:08}" for n in numbers],
            "mobile_key": pa.nulls(count, pa.string()),
            "first_name_key": [f"jean{n % 97}" for n in numbers],
            "last_name_key": [f"dupont{n % 89}" for n in numbers],
            "name_key": [f"dupont{n % 89} jean{n % 97}" for n in numbers],
        }
    )
    con = duckdb.connect(config={"threads": 2})
    con.register("contacts", contacts)
    found = find_groups(con, list(LEVELS))

    assert len(found.groups) >= count // 20
