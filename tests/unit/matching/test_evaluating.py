"""How good groups are, against cases that are worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.matching.evaluating import Quality, b_cubed, of_pairs, pairwise


def groups(*members: str) -> dict[str, int]:
    """Return letter → number of its group."""
    return {letter: number for number, letters in enumerate(members) for letter in letters}


def exactly(precision: Fraction | int, recall: Fraction | int) -> Quality:
    """Return a quality as floats."""
    return Quality(pytest.approx(float(precision)), pytest.approx(float(recall)))


TRUE = groups("abcde", "fg", "hijkl")


def test_bagga_and_baldwin() -> None:
    """The example of their paper: joining the two large chains is worse than a large and the small."""
    large_and_small = groups("abcde", "fghijkl")
    both_large = groups("abcdehijkl", "fg")
    assert b_cubed(large_and_small, TRUE) == exactly(Fraction(16, 21), 1)
    assert b_cubed(both_large, TRUE) == exactly(Fraction(7, 12), 1)


def test_pairs() -> None:
    """10 + 1 + 10 true pairs; joining f, g with the five of h makes 10 wrong ones."""
    assert pairwise(groups("abcde", "fghijkl"), TRUE) == exactly(Fraction(21, 31), 1)
    assert pairwise(groups("abc", "fg"), TRUE) == exactly(1, Fraction(4, 21))
    assert pairwise(groups("abf"), TRUE) == exactly(Fraction(1, 3), Fraction(1, 21))


def test_whoever_is_in_no_group_is_alone() -> None:
    """Of five found apart: each group is right, and holds a fifth of the person."""
    alone = b_cubed({}, groups("abcde"))
    assert alone == exactly(1, Fraction(1, 5))
    assert alone.f1 == pytest.approx(1 / 3)
    nothing = pairwise({}, groups("abcde"))
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, 0, 0)


def test_strangers_to_the_truth_do_not_count() -> None:
    """That x and y were found says nothing of what is known."""
    assert pairwise(groups("abx", "yz"), groups("ab")) == exactly(1, 1)
    assert b_cubed(groups("abx", "yz"), groups("ab")) == exactly(1, 1)
    assert b_cubed(groups("ab"), {}) == Quality(None, None)


def test_pairs_of_which_something_is_known() -> None:
    """Only those count: one of two found is right, one of two right ones is found."""
    known = {("a", "b"): True, ("a", "c"): False, ("d", "e"): True, ("d", "f"): False}
    assert of_pairs(groups("abc"), known) == exactly(Fraction(1, 2), Fraction(1, 2))
    assert of_pairs({}, known) == Quality(None, 0.0)
    assert of_pairs(groups("ab"), {("a", "b"): False}) == Quality(0.0, None)


@given(st.dictionaries(st.integers(0, 30), st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_what_agrees_is_perfect_and_turning_it_round_swaps_both(
    records: dict[int, tuple[int, int]],
) -> None:
    """Precision of one against the other is recall of the other against the one."""
    one = {record: left for record, (left, _) in records.items()}
    other = {record: right for record, (_, right) in records.items()}
    for measure in (pairwise, b_cubed):
        there, back = measure(one, other), measure(other, one)
        assert there.precision == pytest.approx(back.recall)
        assert {measure(one, one).precision, measure(one, one).recall} <= {None, 1.0}
