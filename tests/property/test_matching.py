"""Groups of duplicates depend on the contacts alone: not on their order, nor on how records are named.

One thing does change with bystanders: what a name or a city is worth follows from how many bear it,
so probabilities move with the size of the base, and pairs that are as likely as not come and go.
What rules ask for by level does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.matching.contacts import SCHEMA, Person, Row

from crm_steward.matching import ALL_EVIDENCE, LEVELS, Group, Pair, Wanted, find_groups, matched
from crm_steward.matching.clustering import CONTRADICTS, SAID
from crm_steward.model import RecordRef

_CON = duckdb.connect(config={"threads": 1})

EVERYTHING = Wanted(levels=tuple(LEVELS), at_least=0.3, sure_from=0.9)
BY_LEVEL = Wanted(levels=tuple(LEVELS), at_least=None)

CONTACT = st.builds(
    Person,
    id=st.just(""),
    first=st.sampled_from(
        [None, "Jean", "Jaen", "Jeanne", "Marie", "Martine", "Jean-Pierre", "JP", "X"]
    ),
    last=st.sampled_from([None, "Dupont", "Duponnt", "Durand", "Jean", "Dupont-Durand"]),
    email=st.sampled_from([None, "jean.dupont@example.com", "nous@free.fr", "info@example.com"]),
    more_emails=st.sampled_from([(), (), ("nous@free.fr",), ("info@example.com",)]),
    phone=st.sampled_from([None, None, "01 23 45 67 89", "06 12 34 56 78"]),
    mobile=st.sampled_from([None, None, "06 12 34 56 78"]),
    company=st.sampled_from([None, "Acme SA", "Brume"]),
    city=st.sampled_from([None, "Paris", "Lyon"]),
    born=st.sampled_from([None, None, "1950-01-02", "1987-10-30"]),
    connection=st.sampled_from(["h", "s"]),
)
CONTACTS = st.lists(CONTACT, min_size=2, max_size=9).map(
    lambda people: [{**one.row(), "id": str(number)} for number, one in enumerate(people)]
)
DECISIONS = st.dictionaries(
    st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] < pair[1]),
    st.just("different"),
    max_size=3,
)
"""`same` is left to examples: with `different` it can contradict itself, which the store refuses."""

Decisions = dict[tuple[int, int], str]
Found = list[Group]


def load(rows: Iterable[Row], decisions: Decisions | None = None) -> duckdb.DuckDBPyConnection:
    """Put `rows` into the table `contacts`, and what people decided beside it."""
    rows = list(rows)
    connections = {row["id"]: row["connection"] for row in rows}
    _CON.register("contacts", pa.Table.from_pylist(rows, schema=SCHEMA))
    _CON.execute(
        "CREATE OR REPLACE TABLE decisions (left_connection VARCHAR, left_id VARCHAR, "
        "right_connection VARCHAR, right_id VARCHAR, verdict VARCHAR)"
    )
    for (left, right), verdict in (decisions or {}).items():
        if str(right) in connections:
            sides = [connections[str(left)], str(left), connections[str(right)], str(right)]
            _CON.execute("INSERT INTO decisions VALUES (?, ?, ?, ?, ?)", [*sides, verdict])
    return _CON


def groups(
    rows: Iterable[Row], wanted: Wanted = EVERYTHING, decisions: Decisions | None = None
) -> Found:
    """Return the groups among `rows`."""
    return find_groups(load(rows, decisions), wanted).groups


def pairs(rows: Iterable[Row], wanted: Wanted) -> dict[frozenset[str], tuple[int, float]]:
    """Return every pair found, before chains are cut: its ids, its level, its bits."""
    with matched(load(rows), wanted) as work:
        found = work.run(
            "SELECT a.id, b.id, level, bits FROM matching.pairs JOIN matching.records a ON a.n = l "
            "JOIN matching.records b ON b.n = r"
        ).fetchall()
    return {frozenset((left, right)): (level, round(bits, 2)) for left, right, level, bits in found}


def linked(group: Group) -> set[RecordRef]:
    """Return who is reached from the first member by the pairs of its group."""
    reached = {group.refs[0]}
    for _ in group.refs:
        for pair in group.pairs:
            if {pair.left, pair.right} & reached:
                reached |= {pair.left, pair.right}
    return reached


@given(data=st.data(), rows=CONTACTS)
@settings(max_examples=15)
def test_order_makes_no_difference(data: st.DataObject, rows: list[Row]) -> None:
    """Whatever order the contacts come in, groups and pairs are the same, to the last digit."""
    assert groups(data.draw(st.permutations(rows))) == groups(rows)


@given(data=st.data(), rows=CONTACTS)
@settings(max_examples=20)
def test_names_of_records_make_no_difference(data: st.DataObject, rows: list[Row]) -> None:
    """Under other ids the same pairs are found, with the same evidence: no side of a pair is special.

    Where a chain has to be cut between two pairs that are as good as each other, it is cut somewhere,
    and that may be elsewhere: so pairs are compared, not groups.
    """
    new = dict(
        zip([row["id"] for row in rows], data.draw(st.permutations(range(len(rows)))), strict=True)
    )
    renamed = pairs(({**row, "id": f"r{new[row['id']]}"} for row in rows), EVERYTHING)
    straight = {
        frozenset(f"r{new[one]}" for one in ids): said
        for ids, said in pairs(rows, EVERYTHING).items()
    }
    assert renamed == straight


@given(rows=CONTACTS, decisions=DECISIONS)
@settings(max_examples=25)
def test_groups_are_a_partition_held_together_by_their_pairs(
    rows: list[Row], decisions: Decisions
) -> None:
    """Nobody is in two groups; everybody in one is reached by its pairs; what is sure is wholly sure."""
    found = groups(rows, decisions=decisions)
    members = Counter(ref for group in found for ref in group.refs)

    assert all(count == 1 for count in members.values())
    assert [group.refs[0] for group in found] == sorted(group.refs[0] for group in found)
    for group in found:
        every_two = set(combinations(group.refs, 2))
        held = {(pair.left, pair.right) for pair in group.pairs}
        assert list(group.refs) == sorted(group.refs)
        assert len(group.refs) > 1
        assert linked(group) == set(group.refs)
        assert held <= every_two
        assert group.chained == (held != every_two)
        assert group.sure == (held == every_two and all(pair.sure for pair in group.pairs))
        assert all(_reason(pair) for pair in group.pairs)


def _reason(pair: Pair) -> bool:
    if pair.level == ALL_EVIDENCE:
        return pair.probability >= 0.3
    return pair.level in LEVELS and 0 <= pair.probability <= 1


@given(rows=CONTACTS, decisions=DECISIONS)
@settings(max_examples=20)
def test_no_group_holds_two_who_are_different(rows: list[Row], decisions: Decisions) -> None:
    """Neither by what a person said nor, in a group of three and more, by the evidence.

    Two that a level finds are found, whatever the rest says: a level is its author's word.
    """
    with matched(load(rows, decisions), EVERYTHING) as work:
        against = work.value(
            "SELECT count(*) FROM (SELECT l, r, bits FROM matching.scored UNION ALL "
            "SELECT l, r, bits FROM matching.decided) s JOIN matching.members a ON a.n = s.l "
            "JOIN matching.members b ON b.n = s.r JOIN matching.groups g ON g.group_n = a.group_n "
            f"WHERE a.group_n = b.group_n AND bits <= {CONTRADICTS} "
            f"AND (size > 2 OR bits <= {-SAID} OR level = {len(LEVELS)})"
        )
    assert against == 0


@given(rows=CONTACTS, bystanders=st.integers(1, 40))
@settings(max_examples=20)
def test_bystanders_change_no_level(rows: list[Row], bystanders: int) -> None:
    """People who share nothing with anyone leave what was found by level, and are in no group."""
    letters = "bcdfghjklmnpqrstvwxz"
    strangers = [
        Person(
            f"z{number:02}",
            f"{letters[number % 20] * 3}a{letters[number // 20] * 3}",
            f"{letters[number // 20] * 4}o{letters[number % 20] * 4}",
            f"{letters[number % 20] * 5}{letters[number // 20] * 5}@{letters[number % 20]}{number}.example",
            country="SE",
            connection="h",
        ).row()
        for number in range(bystanders)
    ]
    alone, among = (
        {ids: level for ids, (level, _) in pairs(some, BY_LEVEL).items()}
        for some in (rows, rows + strangers)
    )
    assert among == alone


@given(rows=CONTACTS)
@settings(max_examples=15)
def test_one_connection_at_a_time_is_what_each_would_give_alone(rows: list[Row]) -> None:
    """By level; what names are worth is counted over all connections."""
    within = pairs(rows, Wanted(levels=tuple(LEVELS), at_least=None, within="connection"))
    alone: dict[frozenset[str], Any] = {}
    for connection in "hs":
        alone |= pairs([row for row in rows if row["connection"] == connection], BY_LEVEL)
    assert {ids: level for ids, (level, _) in within.items()} == {
        ids: level for ids, (level, _) in alone.items()
    }
