"""Groups of duplicates depend on the contacts alone: not on order, names of records or bystanders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_steward.matching import LEVELS, Matches, find_groups
from crm_steward.matching.names import similarity
from crm_steward.normalize import person_key

Row = tuple[str, str, str | None, str | None, str | None, str | None, str | None, str | None]

_COLUMNS = [
    "connection",
    "id",
    "email_key",
    "phone_key",
    "mobile_key",
    "first_name_key",
    "last_name_key",
    "name_key",
]
_CON = duckdb.connect(config={"threads": 1})

FIRST = st.sampled_from([None, "jean", "jaen", "jeanne", "marie", "martine", "jean pierre", "x"])
LAST = st.sampled_from([None, "dupont", "duponnt", "durand", "jean", "d"])
EMAIL = st.sampled_from([None, "a@example.com", "b@example.com", "info@example.com"])
PHONE = st.sampled_from([None, "+33123456789", "+33612345678"])
WORDS = st.text("aeijlmnot ", max_size=12).map(str.split).map(" ".join)


@st.composite
def contact(draw: st.DrawFn) -> Row:
    """One row of the mirror, but for its id."""
    first, last = draw(FIRST), draw(LAST)
    names = (first, last, person_key(first, last))
    return (draw(st.sampled_from("hs")), "", draw(EMAIL), draw(PHONE), draw(PHONE), *names)


CONTACTS = st.lists(contact(), max_size=9).map(
    lambda rows: [(row[0], str(number), *row[2:]) for number, row in enumerate(rows)]
)


def matches(rows: Iterable[Sequence[str | None]], **options: object) -> Matches:
    """Return what matching finds among `rows`."""
    definition = ", ".join(f"{name} VARCHAR" for name in _COLUMNS)
    _CON.execute(f"CREATE OR REPLACE TABLE contacts ({definition})")
    values = [value for row in rows for value in row]
    if values:
        places = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * (len(values) // len(_COLUMNS)))
        _CON.execute(f"INSERT INTO contacts VALUES {places}", values)
    return find_groups(_CON, list(LEVELS), **options)  # type: ignore[arg-type] -- each test knows its options


def alike(left: Sequence[str | None], right: Sequence[str | None]) -> float | None:
    """Return how alike two (first, last) names are."""
    sides = [
        f"(SELECT ${n}a AS first_name_key, ${n}b AS last_name_key, ${n}c AS name_key) AS {alias}"
        for n, alias in (("l", "l"), ("r", "r"))
    ]
    values = {
        f"{n}{part}": value
        for n, name in (("l", left), ("r", right))
        for part, value in zip("abc", (*name, person_key(*name)), strict=True)
    }
    sql = f"SELECT {similarity('l', 'r')} FROM {', '.join(sides)}"
    found: tuple[float | None] | None = _CON.execute(sql, values).fetchone()
    assert found is not None
    return found[0]


@given(data=st.data(), rows=CONTACTS)
@settings(max_examples=20)
def test_order_makes_no_difference(data: st.DataObject, rows: list[Row]) -> None:
    """Whatever order the contacts come in, groups and pairs are the same, to the last digit."""
    assert matches(data.draw(st.permutations(rows))) == matches(rows)


@given(rows=CONTACTS)
@settings(max_examples=20)
def test_groups_are_a_partition_held_together_by_their_pairs(rows: list[Row]) -> None:
    """Nobody is in two groups, everybody in a group is reached by its pairs, scores are in range."""
    groups = matches(rows).groups
    members = [ref for group in groups for ref in group.refs]
    assert len(members) == len(set(members))
    assert [group.refs[0] for group in groups] == sorted(group.refs[0] for group in groups)
    for group in groups:
        assert list(group.refs) == sorted(group.refs)
        assert {ref for pair in group.pairs for ref in (pair.left, pair.right)} == set(group.refs)
        assert len(group.pairs) >= len(group.refs) - 1
        assert group.chained == (
            {(pair.left, pair.right) for pair in group.pairs} != set(combinations(group.refs, 2))
        )
        assert group.score == min(pair.score for pair in group.pairs)
        for pair in group.pairs:
            assert pair.left < pair.right
            assert 0 < pair.score <= 1


@given(rows=CONTACTS)
@settings(max_examples=20)
def test_a_stranger_changes_nothing(rows: list[Row]) -> None:
    """A contact that shares no value with anyone leaves every group as it was."""
    name = ("jean", "dupont", "dupont jean")
    stranger = ("h", "stranger", "new@example.org", "+33711111111", None, *name)
    assert matches([*rows, stranger]) == matches(rows)


@given(rows=CONTACTS)
@settings(max_examples=20)
def test_names_of_records_make_no_difference(rows: list[Row]) -> None:
    """The same contacts under other ids form the same groups (no side of a pair is special)."""
    size = len(rows)
    renamed = [(row[0], str(size - 1 - int(row[1])), *row[2:]) for row in rows]
    back = [
        sorted((ref.connection, str(size - 1 - int(ref.id))) for ref in group.refs)
        for group in matches(renamed).groups
    ]
    straight = [[(ref.connection, ref.id) for ref in group.refs] for group in matches(rows).groups]
    assert sorted(back) == sorted(straight)


@given(rows=CONTACTS)
@settings(max_examples=20)
def test_one_connection_at_a_time_is_the_same_as_each_alone(rows: list[Row]) -> None:
    """Comparing within connections gives what each connection would give by itself."""
    within = matches(rows, within="connection").groups
    alone = [
        group
        for connection in "hs"
        for group in matches([row for row in rows if row[0] == connection]).groups
    ]
    assert within == alone


@given(rows=CONTACTS, cap=st.integers(2, 5))
@settings(max_examples=20)
def test_what_is_capped_is_said(rows: list[Row], cap: int) -> None:
    """Every pair lost to the cap shares a value that is reported."""
    limited, free = matches(rows, max_block=cap), matches(rows, max_block=len(rows) + 1)
    shared = {row[1]: set(row[2:5]) - {None} for row in rows}
    reported = {block.value for block in limited.capped}
    kept = {(pair.left, pair.right) for group in limited.groups for pair in group.pairs}
    for pair in (pair for group in free.groups for pair in group.pairs):
        if (pair.left, pair.right) not in kept:
            assert shared[pair.left.id] & shared[pair.right.id] & reported
    assert free.capped == []
    assert all(block.holders > cap for block in limited.capped)


@given(left=st.tuples(WORDS, WORDS), right=st.tuples(WORDS, WORDS))
@settings(max_examples=40)
def test_likeness_is_symmetric_and_forgives_a_swap(
    left: tuple[str, str], right: tuple[str, str]
) -> None:
    """Neither which record comes first nor which field holds which name makes a difference."""
    one, other = ([name or None for name in names] for names in (left, right))
    found = alike(one, other)
    assert found == alike(other, one)
    assert found == alike(one[::-1], other)
    assert alike(one, one) == (1 if any(one) else None)
    assert found is None or 0 <= found <= 1
