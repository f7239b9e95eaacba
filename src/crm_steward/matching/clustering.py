"""Cluster: groups of contacts that the pairs which were found hold together, and where to cut them.

Most groups are two contacts and one pair, or a few of which every two are a pair. Where pairs form
chains (a resembles b, b resembles c), the surest pairs are joined first, and two parts are only
joined when, all in all, their members speak for it and no two of them contradict each other:
correlation clustering, greedily, by average linkage (Bansal, Blum and Chawla, Correlation
Clustering, Machine Learning 56, 2004).

Contacts that a person said are one stay together whatever they hold, and stand for each other: she
who married and moved resembles none of her own other records but the one that was named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from crm_steward.matching.comparing import compare
from crm_steward.matching.levels import LEVELS
from crm_steward.matching.scoring import score
from crm_steward.matching.weights import Weights
from crm_steward.matching.work import Work

CONTRADICTS: Final = -12.0
"""Bits at which two contacts contradict each other: one to four thousand that they are one person."""
_MOST: Final = 8.0
_LEAST: Final = -6.0
"""Bits beyond which one pair weighs no more: no pair outvotes all others."""
_LARGEST: Final = 60
"""Contacts in a chain beyond which the pairs that were not compared are not asked for."""
_UNKNOWN: Final = -3.0
"""What a pair weighs that was not compared."""

SAID: Final = 99.0
"""Bits of a pair that a person decided, for or against."""

_Pair = tuple[int, int]
_Edge = tuple[int, int, float]

_SEEN: Final = f"""
CREATE OR REPLACE TABLE matching.seen AS
SELECT n, least(n, min(other)) AS group_n, count(*) + 1 AS size,
    bit_xor(hash(other)) AS others, bool_and(agrees) AS agrees
FROM (
    SELECT unnest([l, r]) AS n, unnest([r, l]) AS other,
        bits >= 0 OR (level < {len(LEVELS)} AND bits > {CONTRADICTS}) AS agrees
    FROM matching.pairs
) GROUP BY n
"""
"""Each contact with those it makes pairs with."""

_WHOLE: Final = """
CREATE OR REPLACE TABLE matching.members AS
WITH whole AS (
    SELECT group_n, size, xor(others, hash(n)) AS all_ FROM matching.seen
    GROUP BY ALL HAVING count(*) = size AND (bool_and(agrees) OR size = 2)
)
SELECT n::INTEGER AS n, group_n::INTEGER AS group_n FROM matching.seen
JOIN whole USING (group_n, size) WHERE xor(others, hash(n)) = all_
"""
"""Where contacts make pairs with each other and with nobody else, and no pair speaks against it,
nothing is to be cut: nearly all groups are of that kind, and only the rest are chains."""

_KNOTTED: Final = """
SELECT l, r, bits FROM matching.pairs ANTI JOIN matching.members ON members.n = pairs.l
ORDER BY bits DESC, l, r
"""


@dataclass(slots=True)
class Parts:
    """The parts that contacts were joined into so far."""

    of: dict[int, int] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)

    def part(self, n: int) -> int:
        """Return the part that a contact is in; at first it is one of its own."""
        if n not in self.of:
            self.of[n] = n
            self.members[n] = [n]
        return self.of[n]

    def join(self, left: int, right: int) -> None:
        """Make one part of those that two contacts are in."""
        one, other = self.part(left), self.part(right)
        if one == other:
            return
        if len(self.members[one]) < len(self.members[other]):
            one, other = other, one
        for n in self.members[other]:
            self.of[n] = one
        self.members[one] += self.members.pop(other)


def cluster(work: Work, weights: Weights) -> None:
    """Make `matching.members` (n, group_n) of `matching.pairs`; a group is named by its first member.

    Args:
        work: Holds `matching.pairs` (l, r, bits), `matching.decided` (l, r, bits: what a person said)
            and, of all pairs compared, `matching.scored`.
        weights: What the pairs were scored with: some are compared only now.
    """
    work.run(_SEEN)
    work.run(_WHOLE)
    work.run("DROP TABLE matching.seen")
    edges = work.run(_KNOTTED).fetchall()
    if not edges:
        return
    chained = Parts()
    for l, r, _ in edges:  # noqa: E741 -- left and right
        chained.join(l, r)
    known = _known(work, chained, weights)
    parts = _joined(edges, known, _said(edges))
    _store(work, parts)
    work.run("DROP TABLE matching.chained")


_KNOWN: Final = f"""
SELECT l, r, bits FROM (
    SELECT l, r, bits, 0 AS word FROM matching.scored_too
    UNION ALL SELECT l, r, bits, 0 FROM matching.scored
    JOIN matching.chained a ON a.n = l JOIN matching.chained b ON b.n = r WHERE a.chain = b.chain
    -- A level is somebody's word: it speaks for its pair, however little the rest says.
    UNION ALL SELECT l, r, greatest(bits, 1), 1 FROM matching.pairs
    SEMI JOIN matching.chained ON chained.n = pairs.l
    WHERE level < {len(LEVELS)} AND bits > {CONTRADICTS}
    -- What a person decided comes last, and counts.
    UNION ALL SELECT l, r, bits, 2 FROM matching.decided
) ORDER BY word
"""


def _known(work: Work, chained: Parts, weights: Weights) -> Mapping[_Pair, float]:
    """Return the bits of every two contacts of a chain, comparing those that were not compared."""
    import pyarrow as pa  # noqa: PLC0415 -- a service at rest holds none of it

    table = pa.table(
        {
            "n": pa.array(chained.of.keys(), pa.int32()),
            "chain": pa.array(chained.of.values(), pa.int32()),
        }
    )
    work.con.register("steward_chained", table)
    work.run("CREATE TABLE matching.chained AS SELECT * FROM steward_chained")
    work.con.unregister("steward_chained")
    work.run(
        "CREATE OR REPLACE TABLE matching.candidates AS SELECT a.n AS l, b.n AS r, 0 AS shared, "
        "NULL::INTEGER AS email_holders, NULL::INTEGER AS number_holders, "
        "NULL::INTEGER AS local_holders "
        "FROM matching.chained a JOIN matching.chained b ON a.chain = b.chain AND a.n < b.n "
        "ANTI JOIN matching.scored s ON s.l = a.n AND s.r = b.n "
        f"WHERE a.chain IN (SELECT chain FROM matching.chained GROUP BY chain HAVING count(*) BETWEEN 3 AND {_LARGEST})"
    )
    compare(work, all_=True)
    score(work, weights, into="scored_too")
    rows = work.run(_KNOWN).fetchall()
    return {(l, r): bits for l, r, bits in rows}  # noqa: E741 -- left and right


def _said(edges: Iterable[_Edge]) -> Parts:
    """Return the parts that a person joined."""
    said = Parts()
    for l, r, bits in edges:  # noqa: E741 -- left and right
        one, other = said.part(l), said.part(r)
        if bits >= SAID and one != other:
            said.join(one, other)
    return said


def _joined(edges: Iterable[_Edge], known: Mapping[_Pair, float], said: Parts) -> Parts:
    """Return the parts; those of `said` are joined as the one contact that they are."""
    between: dict[_Pair, float] = {}
    for (l, r), bits in known.items():  # noqa: E741 -- left and right
        one, other = sorted((said.part(l), said.part(r)))
        so_far = between.get((one, other), bits)
        # The best that any two say holds for all, unless a person said no.
        between[one, other] = min(so_far, bits) if -SAID in (so_far, bits) else max(so_far, bits)
    parts = Parts()
    for l, r, _ in edges:  # noqa: E741 -- left and right
        one, other = parts.part(said.of[l]), parts.part(said.of[r])
        if one != other and _belong(parts.members[one], parts.members[other], between):
            parts.join(one, other)
    for n, stands_for in said.of.items():
        if n != stands_for:
            parts.join(parts.part(stands_for), parts.part(n))
    return parts


def _belong(left: Iterable[int], right: Iterable[int], known: Mapping[_Pair, float]) -> bool:
    total = 0.0
    others = list(right)
    for one in left:
        for other in others:
            bits = known.get((one, other) if one < other else (other, one), _UNKNOWN)
            if bits <= CONTRADICTS:
                return False
            total += min(max(bits, _LEAST), _MOST)
    return total >= 0


def _store(work: Work, parts: Parts) -> None:
    import pyarrow as pa  # noqa: PLC0415 -- a service at rest holds none of it

    first = {part: min(members) for part, members in parts.members.items() if len(members) > 1}
    rows = [(n, first[part]) for n, part in parts.of.items() if part in first]
    table = pa.table(
        {
            "n": pa.array([n for n, _ in rows], pa.int32()),
            "group_n": pa.array([group for _, group in rows], pa.int32()),
        }
    )
    work.con.register("steward_parts", table)
    work.run("INSERT INTO matching.members SELECT * FROM steward_parts")
    work.con.unregister("steward_parts")
