"""Evaluate: how well groups of records agree with what is known of who is one person.

Pairwise figures count pairs: how many of those found are right, how many of the right ones were
found. One group of fifty outweighs a thousand pairs there. B³ (Bagga and Baldwin, Algorithms for
Scoring Coreference Chains, LREC 1998) asks each record instead how much of its group is right, and
takes the mean: every record counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

R = TypeVar("R", bound=Hashable)

THRESHOLDS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""The probabilities that a threshold curve shows."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good what was found is.

    Args:
        precision: The share of what was found that is right; None when nothing was found.
        recall: The share of what is right that was found; None when there is nothing to find.
    """

    precision: float | None
    recall: float | None

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 when one of them is 0 or says nothing."""
        if not self.precision or not self.recall:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def pairwise(found: Mapping[R, Hashable], true: Mapping[R, Hashable]) -> Quality:
    """Compare pair by pair.

    Args:
        found: Record → its group. Who is in no group is alone; records that `true` does not
            know do not count.
        true: Record → the person.
    """
    cells, groups, people = _counted(found, true)
    right = sum(map(_pairs, cells.values()))
    return _quality(right, sum(map(_pairs, groups.values())), sum(map(_pairs, people.values())))


def b_cubed(found: Mapping[R, Hashable], true: Mapping[R, Hashable]) -> Quality:
    """Compare record by record; see `pairwise` for the arguments."""
    cells, groups, people = _counted(found, true)
    if not true:
        return Quality(None, None)
    precision = sum(n * n / groups[group] for (group, _), n in cells.items())
    recall = sum(n * n / people[person] for (_, person), n in cells.items())
    return Quality(precision / len(true), recall / len(true))


def of_pairs(found: Mapping[R, Hashable], same: Mapping[tuple[R, R], bool]) -> Quality:
    """Compare the pairs of which somebody said what they are; of all others nothing is known.

    Args:
        found: Record → its group.
        same: Pair → whether it is one person.
    """
    together = [
        is_same
        for (left, right), is_same in same.items()
        if left in found and found[left] == found.get(right)
    ]
    return _quality(sum(together), len(together), sum(same.values()))


def _counted(
    found: Mapping[R, Hashable], true: Mapping[R, Hashable]
) -> tuple[Counter[tuple[Hashable, Hashable]], Counter[Hashable], Counter[Hashable]]:
    """Return how many records each group and person share, each group has, each person has."""
    # Alone, a record is its own group: a tuple of one, which no group is named by.
    placed = [(found.get(record, (record,)), person) for record, person in true.items()]
    return Counter(placed), _firsts(placed), Counter(true.values())


def _firsts(placed: Iterable[tuple[Hashable, Hashable]]) -> Counter[Hashable]:
    return Counter(group for group, _ in placed)


def _pairs(records: int) -> int:
    return records * (records - 1) // 2


def _quality(right: int, found: int, true: int) -> Quality:
    return Quality(right / found if found else None, right / true if true else None)
