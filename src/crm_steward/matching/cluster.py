"""Cluster: groups of contacts that pairs hold together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from crm_steward.matching.levels import LEVELS
from crm_steward.matching.pairs import Pair
from crm_steward.model import RecordRef

_NAME: Final = attrgetter("connection", "id")
_PLACE: Final = attrgetter("left.connection", "left.id", "right.connection", "right.id")
"""Orders of records and pairs; the same as their own, compared without a Python call each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Contacts that are probably one person.

    Args:
        refs: The members, sorted.
        pairs: What holds them together, in order of their records.
    """

    refs: tuple[RecordRef, ...]
    pairs: tuple[Pair, ...]

    @property
    def level(self) -> str:
        """The strongest level any of its pairs qualifies for."""
        return min((pair.level for pair in self.pairs), key=list(LEVELS).index)

    @property
    def weakest(self) -> Pair:
        """The pair that is least certain: what to look at first."""
        return min(self.pairs, key=lambda pair: pair.score)

    @property
    def score(self) -> float:
        """The score of the weakest link: a group is as certain as that."""
        return self.weakest.score

    @property
    def chained(self) -> bool:
        """Whether some two members do not qualify as a pair and hang together by others only.

        Such a group is shown to a person and never merged as a whole.
        """
        size = len(self.refs)
        return len(self.pairs) < size * (size - 1) // 2


def cluster(pairs: Iterable[Pair]) -> list[Group]:
    """Return the groups that `pairs` form, sorted by their first member.

    Args:
        pairs: Each two records at most once, in any order.
    """
    ordered = sorted(pairs, key=_PLACE)
    refs = sorted({ref for pair in ordered for ref in (pair.left, pair.right)}, key=_NAME)
    number = {ref: index for index, ref in enumerate(refs)}
    firsts = _firsts(len(refs), [(number[pair.left], number[pair.right]) for pair in ordered])
    members: defaultdict[int, list[RecordRef]] = defaultdict(list)
    for index, ref in enumerate(refs):
        members[firsts[index]].append(ref)
    links: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in ordered:
        links[firsts[number[pair.left]]].append(pair)
    return [Group(refs=tuple(members[first]), pairs=tuple(links[first])) for first in members]


def _firsts(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """Return, for each of `count` nodes, the lowest node it is connected to (union-find)."""
    parents = list(range(count))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = node = parents[parents[node]]
        return node

    for left, right in links:
        low, high = sorted((root(left), root(right)))
        parents[high] = low
    return [root(node) for node in range(count)]
