"""Cluster: groups of contacts that pairs hold together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from crm_steward.matching.levels import LEVELS
from crm_steward.matching.pairs import Pair
from crm_steward.model import RecordRef


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
        pairs: Each two records at most once.
    """
    ordered = sorted(pairs, key=lambda pair: (pair.left, pair.right))
    parents: dict[RecordRef, RecordRef] = {}

    def root(ref: RecordRef) -> RecordRef:
        while (parent := parents.setdefault(ref, ref)) != ref:
            parents[ref] = ref = parents[parent]
        return ref

    for pair in ordered:
        low, high = sorted((root(pair.left), root(pair.right)))
        parents[high] = low
    members: defaultdict[RecordRef, set[RecordRef]] = defaultdict(set)
    links: defaultdict[RecordRef, list[Pair]] = defaultdict(list)
    for pair in ordered:
        first = root(pair.left)
        members[first].update((pair.left, pair.right))
        links[first].append(pair)
    return [
        Group(refs=tuple(sorted(members[first])), pairs=tuple(links[first]))
        for first in sorted(members)
    ]
