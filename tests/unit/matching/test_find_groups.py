"""Groups of duplicates: chains, what people decided, what is too common, and what is not a value."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import duckdb
import pyarrow as pa
import pytest
from tests.unit.matching.contacts import (
    ANY_LEVEL,
    BY_SCORE,
    SCHEMA,
    Person,
    groups_of,
    ids,
    matches,
    mirror,
    town,
)

from crm_steward.matching import (
    ALL_EVIDENCE,
    COLUMNS,
    DECIDED,
    LEVELS,
    Narrowed,
    Wanted,
    find_groups,
    matched,
    write_found,
)
from crm_steward.matching.clustering import CONTRADICTS
from crm_steward.model import RecordRef

SHARED = "01 23 45 67 89"
JEAN = Person("1", "Jean", "Dupont", "jean.dupont@example.com", SHARED)
AGAIN = Person("2", "Jean", "Dupont", "jean.dupont@example.com")
THIRD = Person("3", "Jean", "Dupont", "jean.dupont@example.com", SHARED)
SOPHIE = Person(
    "8",
    "Sophie",
    "Durand",
    "sophie@acme.example",
    "06 12 34 56 78",
    company="Acme",
    city="Lyon",
    born="1970-02-03",
)
ZOFIA = Person(
    "9",
    "Zofia",
    "Kowalska",
    "zk@brume.example",
    "06 99 34 56 78",
    company="Brume",
    city="Brest",
    born="1985-09-12",
)


def test_a_group_says_who_and_how_sure() -> None:
    """The members in order, each pair with its level and probability."""
    (group,) = groups_of(AGAIN, JEAN, wanted=Wanted(levels=tuple(LEVELS)))
    (pair,) = group.pairs

    assert group.refs == (RecordRef("crm", "1"), RecordRef("crm", "2")) == (pair.left, pair.right)
    assert group.weakest == pair
    assert group.level == "same e-mail and similar name"
    assert 0.99 < pair.probability <= 1
    assert pair.sure
    assert group.sure
    assert not group.chained


def test_how_sure_is_sure_is_asked_for() -> None:
    """The same pair is sure for one rule and not for a stricter one."""
    people = replace(JEAN, email=None), replace(THIRD, email=None)
    (lax,) = groups_of(*people, wanted=Wanted(sure_from=0.9))
    (strict,) = groups_of(*people, wanted=Wanted(sure_from=0.99999))

    assert lax.sure
    assert not strict.sure
    assert lax.weakest.probability == strict.weakest.probability


@pytest.mark.parametrize("mailbox", ["lesdupont@orange.fr", "jean.dupont@orange.fr"])
def test_a_mailbox_under_two_first_names_is_not_sure(mailbox: str) -> None:
    """A family writes from one mailbox, be it named after one of them: somebody has to look."""
    people = [
        Person(n, first, "Dupont", mailbox, SHARED, street="1 quai Bas", city="Paris")
        for n, first in (("1", "Jean"), ("2", "Marie"))
    ]
    (group,) = groups_of(*people, wanted=Wanted(levels=tuple(LEVELS)))

    assert group.level in {"same e-mail", ALL_EVIDENCE}
    assert not group.sure


def test_a_personal_mailbox_under_two_names_is_less_certain() -> None:
    """A missing name takes some certainty away, another name nearly all."""
    mailbox = "jd@example.com"
    probabilities = [
        groups_of(Person("1", "Jean", "Dupont", mailbox), other, wanted=ANY_LEVEL)[
            0
        ].weakest.probability
        for other in (
            Person("2", "Jean", "Dupont", mailbox),
            Person("2", email=mailbox),
            Person("2", "Marie", "Durand", mailbox),
        )
    ]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] > 0.9
    assert probabilities[2] < 0.1


def test_a_base_of_two_is_judged_sensibly() -> None:
    """That nobody else there bears a name proves little where nobody else is: a name alone is not sure."""
    (name_only,) = groups_of(*(Person(n, "Jean", "Dupont", city="Paris") for n in "12"))
    (all_agrees,) = groups_of(JEAN, THIRD)

    assert not name_only.sure
    assert all_agrees.sure
    assert groups_of(JEAN, SOPHIE) == []
    assert groups_of(JEAN) == groups_of() == []


def test_blanks_are_nobody() -> None:
    """Records without e-mail, phone and name are not duplicates of each other."""
    blanks = Person("1"), Person("2"), Person("3", email="n/a"), Person("4", email="n/a")
    assert groups_of(*blanks, wanted=Wanted(levels=tuple(LEVELS))) == []


# --- chains ---------------------------------------------------------------------------------------


def test_a_chain_says_so_and_names_its_weakest_link() -> None:
    """1 is 2 by e-mail and 2 is 3 by phone; that 1 is 3 is no level that was asked for."""
    people = (replace(JEAN, phone=None), JEAN, Person("3", "Jaen", "Dupont", phone=SHARED))
    (group,) = groups_of(
        *(replace(one, id=str(n)) for n, one in enumerate(people, 1)), wanted=ANY_LEVEL
    )

    assert ids([group]) == [["1", "2", "3"]]
    assert group.chained
    assert not group.sure
    assert group.level == "same e-mail and similar name"
    assert (group.weakest.left.id, group.weakest.right.id) == ("2", "3")


def test_a_chain_is_cut_where_its_ends_contradict_each_other() -> None:
    """A record that has one's mailbox and the other's number joins one of two people, not both."""
    jean = Person("1", "Jean", "Dupont", "dupont1950@free.fr", "06 11 11 11 11", born="1950-01-02")
    mixed = Person("2", "Marie", "Dupont", "dupont1950@free.fr", "06 22 22 22 22")
    marie = Person("3", "Marie", "Dupont", "md@orange.fr", "06 22 22 22 22", born="1987-10-30")

    assert ids(groups_of(jean, mixed, wanted=ANY_LEVEL)) == [["1", "2"]]
    assert ids(groups_of(jean, mixed, marie, wanted=ANY_LEVEL)) == [["2", "3"]]


def test_no_group_holds_two_who_contradict_each_other() -> None:
    """Whatever led to a group: no two members are known to be different people."""
    people = [
        Person(
            f"{first}{last}{mailbox}{number}",
            ("Jean", "Marie", None)[first],
            ("Dupont", "Durand")[last],
            ("both@free.fr", "other@free.fr")[mailbox],
            (SHARED, "06 12 34 56 78")[number],
            born=("1950-01-02", "1987-10-30", None)[first],
        )
        for first in range(3)
        for last in range(2)
        for mailbox in range(2)
        for number in range(2)
    ]
    with matched(mirror(one.row() for one in people), Wanted(levels=tuple(LEVELS))) as work:
        groups, largest, worst = work.run(
            "SELECT count(DISTINCT a.group_n), max(g.size), min(bits) FROM matching.scored s "
            "JOIN matching.members a ON a.n = s.l JOIN matching.members b ON b.n = s.r "
            "JOIN matching.groups g ON g.group_n = a.group_n WHERE a.group_n = b.group_n"
        ).fetchall()[0]
        refused = work.value(f"SELECT count(*) FROM matching.scored WHERE bits <= {CONTRADICTS}")

    assert groups > 1
    assert largest > 2
    assert worst > CONTRADICTS
    assert refused > 0


# --- what people decided --------------------------------------------------------------------------


def test_different_parts_two_who_look_like_one() -> None:
    """However sure the evidence is, in whatever order they are named."""
    for left, right in (("1", "3"), ("3", "1")):
        assert groups_of(JEAN, THIRD, decisions=[(left, right, "different")]) == []


def test_different_holds_in_chains() -> None:
    """A third record that resembles both goes with one of them, and does not bring them together."""
    (group,) = groups_of(JEAN, AGAIN, THIRD, decisions=[("1", "2", "different")])
    members = {ref.id for ref in group.refs}

    assert "3" in members
    assert len(members) == 2


def test_same_joins_two_that_share_nothing() -> None:
    """The pair is certain, and says that a person decided it."""
    (group,) = groups_of(JEAN, SOPHIE, wanted=ANY_LEVEL, decisions=[("8", "1", "same")])

    assert ids([group]) == [["1", "8"]]
    assert (group.level, group.weakest.probability, group.sure) == (DECIDED, 1, True)


def test_same_breaks_no_group_off() -> None:
    """Somebody said that Sophie is Jean: those who are Jean by evidence stay with both."""
    (group,) = groups_of(JEAN, AGAIN, THIRD, SOPHIE, decisions=[("1", "8", "same")])

    assert ids([group]) == [["1", "2", "3", "8"]]
    assert group.chained
    assert not group.sure


def test_same_holds_in_chains() -> None:
    """Two words of a person make one person of three, though the first and the third share nothing."""
    decisions = [("1", "8", "same"), ("8", "9", "same")]
    assert ids(groups_of(JEAN, SOPHIE, ZOFIA, decisions=decisions)) == [["1", "8", "9"]]


def test_different_counts_for_all_who_are_said_to_be_one() -> None:
    """Who is not Jean is not Sophie either, where Sophie is Jean."""
    sophie_again = replace(SOPHIE, id="7")
    decisions = [("1", "8", "same"), ("1", "7", "different")]
    assert ids(groups_of(JEAN, SOPHIE, sophie_again, decisions=decisions)) == [["1", "8"]]


def test_decisions_about_records_that_are_not_there_are_no_mistake() -> None:
    """A record may be gone, or not be looked at."""
    decisions = [("1", "77", "same"), ("66", "77", "different")]
    assert ids(groups_of(JEAN, THIRD, decisions=decisions)) == [["1", "3"]]


# --- which contacts are compared ------------------------------------------------------------------


def test_within_a_connection() -> None:
    """A merge happens inside one account: records of two are grouped only when asked for."""
    people = (
        replace(JEAN, connection="hubspot-eu"),
        replace(JEAN, connection="hubspot-us"),
        replace(AGAIN, connection="hubspot-us"),
    )
    (inside,) = groups_of(*people, wanted=Wanted(within="connection"))
    (across,) = groups_of(*people)

    assert [str(ref) for ref in inside.refs] == ["hubspot-us:1", "hubspot-us:2"]
    assert len(across.refs) == 3
    assert not across.chained


def test_within_a_connection_the_word_same_does_not_cross_it() -> None:
    """It says who somebody is, not that two accounts can be merged."""
    con = mirror(one.row() for one in (JEAN, replace(SOPHIE, connection="other")))
    con.execute(
        "CREATE TABLE decisions AS SELECT 'crm' AS left_connection, '1' AS left_id, "
        "'other' AS right_connection, '8' AS right_id, 'same' AS verdict"
    )
    assert find_groups(con, Wanted(within="connection")).groups == []
    assert len(find_groups(con, BY_SCORE).groups) == 1


def test_only_those_looked_at_are_grouped() -> None:
    """A rule narrows the contacts by SQL with values."""
    con = mirror(one.row() for one in (JEAN, AGAIN, THIRD))
    narrowed = Narrowed("id <> $without", {"without": "2"})
    assert ids(find_groups(con, BY_SCORE, narrowed).groups) == [["1", "3"]]


def test_nothing_is_left_behind() -> None:
    """The connection holds afterwards what it held before, also after a mistake."""
    con = mirror([JEAN.row(), THIRD.row()])
    tables = "SELECT schema_name, table_name FROM duckdb_tables()"
    before = con.execute(tables).fetchall()
    find_groups(con, BY_SCORE)
    with pytest.raises(duckdb.Error):
        find_groups(con, BY_SCORE, Narrowed("no_such_column = 1"))

    assert con.execute(tables).fetchall() == before


def test_what_is_found_is_written_as_it_is_told() -> None:
    """The table that scans take holds the groups that `find_groups` gives."""
    con = mirror(one.row() for one in (JEAN, AGAIN, THIRD))
    (group,) = find_groups(con, BY_SCORE).groups
    with matched(con, BY_SCORE) as work:
        write_found(work, "found", sure_from=BY_SCORE.sure_from)
    ((refs, score, certainty, level, pairs),) = con.execute(
        "SELECT refs, score, evidence->>'certainty', evidence->>'level', "
        "json_array_length(evidence, 'pairs') FROM found"
    ).fetchall()

    assert [RecordRef(**ref) for ref in refs] == list(group.refs)
    assert score == group.weakest.probability
    assert (certainty, level, pairs) == (
        "sure" if group.sure else "review",
        group.level,
        len(group.pairs),
    )


# --- what too many share --------------------------------------------------------------------------


def _crowd(count: int) -> list[Person]:
    """Return people of different names who share an e-mail and a number."""
    rows = list(town(count))
    return [
        Person(
            f"c{n:03}",
            f"{row['first_name_key']}{'abcdefgh'[n % 8]}",
            row["last_name_key"],
            "none@example.com",
            SHARED,
        )
        for n, row in enumerate(rows)
    ]


def test_what_everybody_shares_is_reported_and_proves_nothing() -> None:
    """A placeholder or a switchboard is not compared, is counted, is not told, and hides nobody."""
    pair = [Person(f"p{n}", "Mila", "Queneau", "mila.queneau@example.com") for n in range(2)]
    found = matches(*_crowd(60), *pair, wanted=Wanted(levels=tuple(LEVELS)))

    assert ids(found.groups) == [["p0", "p1"]]
    assert [(one.key, one.holders, one.value) for one in found.capped] == [
        ("e-mail", 60, True),
        ("phone", 60, True),
    ]
    assert "none@example.com" not in repr(found.capped)


def test_two_of_one_name_among_sixty_of_one_mailbox_are_only_of_one_name() -> None:
    """What sixty share is as if it were not there: no level, and no evidence."""
    crowd = _crowd(58)
    with_it, without = (
        [Person(f"p{n}", "Mila", "Queneau", mailbox) for n in range(2)]
        for mailbox in ("none@example.com", None)
    )
    (shared,) = groups_of(*crowd, *with_it, wanted=Wanted(levels=tuple(LEVELS)))
    (bare,) = groups_of(*crowd, *without, wanted=Wanted(levels=tuple(LEVELS)))

    assert shared.level == bare.level == ALL_EVIDENCE
    assert shared.weakest.probability == pytest.approx(bare.weakest.probability, abs=0.01)
    assert not shared.sure


def test_the_cap_counts_holders_within_the_scope() -> None:
    """Where only one connection is compared, holders in another do not count."""
    people = [replace(one, connection=f"crm{n % 2}") for n, one in enumerate(_crowd(60))]

    assert {one.holders for one in matches(*people, wanted=Wanted(within="connection")).capped} == {
        30
    }
    assert {one.holders for one in matches(*people).capped} == {60}


def test_more_holders_than_any_counter_of_blocks_holds() -> None:
    """A placeholder in 70,000 contacts is one line of the report, not an overflow."""
    count = 70_000
    columns: dict[str, object] = {
        name: pa.nulls(count, SCHEMA.field(name).type) for name in COLUMNS
    }
    columns |= {
        "connection": ["crm"] * count,
        "id": [str(n) for n in range(count)],
        "email_key": ["none@example.com"] * count,
    }
    con = duckdb.connect(config={"threads": 1})
    con.register("contacts", pa.table(columns, schema=SCHEMA))
    (one,) = find_groups(con, BY_SCORE).capped

    assert (one.key, one.holders) == ("e-mail", count)


# --- what is not a value --------------------------------------------------------------------------


def test_hostile_names_are_data() -> None:
    """Quotes and SQL in values are compared like any other text."""
    name = "'; DROP TABLE contacts; --"
    con = mirror([replace(JEAN, id=name).row(), AGAIN.row()])
    con.execute(
        "UPDATE contacts SET first_name_key = $n, last_name_key = $n, company_key = $n", {"n": name}
    )
    assert ids(find_groups(con, BY_SCORE).groups) == [[name, "2"]]


@pytest.mark.parametrize(
    "odd",
    ["", " ", "@", "a" * 10_000, "é\u0301\u202e\ufeff", "\U0001f600" * 30, "%,%", '["', "ае ж"],  # noqa: RUF001 -- Cyrillic on purpose
    ids=["empty", "space", "at", "long", "marks", "emoji", "pattern", "json", "cyrillic"],
)
def test_odd_values_are_no_mistake(odd: str) -> None:
    """Whatever stands in a key, in one contact or in several, is compared or passed over."""
    rows = [replace(JEAN, id=str(n)).row() for n in range(4)]
    texts = [
        name
        for name in COLUMNS
        if name not in {"connection", "id", "birth_date", "email_keys", "phone_keys"}
    ]
    rows[0] |= dict.fromkeys(texts, odd)
    rows[1] |= dict.fromkeys(texts, odd)
    rows[2] |= dict.fromkeys(texts[::2], f"{odd}x")
    groups = find_groups(mirror(rows), Wanted(levels=tuple(LEVELS))).groups

    assert all(0 <= pair.probability <= 1 for group in groups for pair in group.pairs)
    assert all(one != other for group in groups for one, other in combinations(group.refs, 2))


# --- many -----------------------------------------------------------------------------------------


def test_a_hundred_thousand_contacts_are_grouped() -> None:
    """One in twenty is written twice: none is lost, and none is invented."""
    count = 100_000
    numbers = [n if n % 10 else n // 2 for n in range(count)]
    words = [
        f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676 % 26)}" for n in range(count)
    ]
    columns: dict[str, object] = {
        name: pa.nulls(count, SCHEMA.field(name).type) for name in COLUMNS
    }
    columns |= {
        "connection": ["crm"] * count,
        "id": [f"{n:06}" for n in range(count)],
        "email_key": [f"{words[n]}.dupont{n}@example.com" for n in numbers],
        "phone_key": [f"+331{n:08}" for n in numbers],
        "first_name_key": [words[n] for n in numbers],
        "last_name_key": [f"dupont{words[n * 7 % count]}" for n in numbers],
        "country_code": ["FR"] * count,
    }
    con = duckdb.connect(config={"threads": 2})
    con.register("contacts", pa.table(columns, schema=SCHEMA))
    groups = find_groups(con, BY_SCORE).groups
    people: dict[int, list[str]] = {}
    for row, number in enumerate(numbers):
        people.setdefault(number, []).append(f"{row:06}")

    assert ids(groups) == [same for same in people.values() if len(same) > 1]
