"""Train: the weights of one base, learned from its own pairs without anybody saying what they are.

Expectation maximisation (Dempster, Laird and Rubin, Maximum Likelihood from Incomplete Data via the
EM Algorithm, Journal of the Royal Statistical Society B 39, 1977): the present weights say how
likely each pair is to be one person, strangers, a family or colleagues; the shares of what is seen,
each pair counted by that, are the next weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log2
from typing import TYPE_CHECKING, Final

from crm_steward.matching.blocking import block, hold
from crm_steward.matching.comparing import COMPARISONS, compare
from crm_steward.matching.rows import EVERYBODY, Narrowed, prepare
from crm_steward.matching.scoring import score
from crm_steward.matching.weights import LEAST, SHIPPED, Shares, Weights
from crm_steward.matching.work import Work, working

if TYPE_CHECKING:
    from datetime import date

    import duckdb

ENOUGH: Final = 1_000
"""Pairs of one person below which nothing is learned."""
_SAMPLE: Final = 400_000
"""Pairs that are looked at, at most."""
_ROUNDS: Final = 10
_STILL: Final = 0.001
"""When no share moves by more, nothing more is learned."""
_FEW: Final = 20
"""Pairs below which a comparison's shares are left as they are."""
_SMOOTHED: Final = 0.5
"""Pairs that every level is given: what was not seen yet is rare, not impossible."""
_EXACT: Final = 1_000_000_000
"""Parts of a pair that are counted: sums of whole numbers do not hang on their order."""

_ANCHORED: Final = frozenset({"swapped names", "e-mail, other company", "place, other company"})
"""What stays as shipped of pairs of one person: who changed companies is not told from a stranger
without labels, so that only those would be learned from who kept their address.

All of families and colleagues stays, but for how many families there are: without labels nothing
else keeps a family from being whoever differs a little, and it takes in the pairs of one person
that are misspelt."""


class TooFewPairsError(Exception):
    """There is too little to learn from.

    Args:
        pairs: About how many pairs of one person were found.
    """

    def __init__(self, pairs: int) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def train(con: duckdb.DuckDBPyConnection, on: date, narrowed: Narrowed = EVERYBODY) -> Weights:
    """Return the weights of a base.

    The same contacts give the same weights.

    Args:
        con: Holds `contacts`, as for `matches.matched`.
        on: The day, for `Weights.source`.
        narrowed: Which contacts are looked at.

    Raises:
        TooFewPairsError: There are not `ENOUGH` pairs of one person.
    """
    with working(con) as work:
        prepare(work, narrowed)
        hold(work, apart=False)
        block(work)
        compare(work)
        contacts = work.value("SELECT count(*) FROM matching.records")
        taken = _sample(work)
        weights = replace(SHIPPED, source=f"learned from {contacts} contacts on {on.isoformat()}")
        for _ in range(_ROUNDS):
            learned = _round(work, weights, contacts, taken)
            moved, weights = _moved(weights, learned), learned
            if moved <= _STILL:
                break
        return weights


def _sample(work: Work) -> float:
    """Make `matching.sample` of `matching.compared`; return the share that was taken."""
    pairs: int = work.value("SELECT count(*) FROM matching.compared")
    taken = min(1.0, _SAMPLE / max(pairs, 1))
    work.run(
        "CREATE TABLE matching.sample AS SELECT * FROM matching.compared "
        "WHERE hash(l, r) % 1000000 < $most",
        most=round(taken * 1_000_000),
    )
    return taken


def _round(work: Work, weights: Weights, contacts: int, taken: float) -> Weights:
    """Return the weights that the present ones, put to the pairs, lead to."""
    score(work, weights, source="sample", into="sampled")
    counted, family = _counted(work)
    same = sum(counted[""].values())
    if same / taken < ENOUGH:
        raise TooFewPairsError(round(same / taken))
    return replace(
        weights,
        same=_shares(weights.same, counted),
        # Every two contacts are a pair, nearly all of strangers: contacts² / 2.
        strangers_odds=round(contacts / 2 * taken / same, 5),
        family_odds=round(max(family, 1.0) / same, 5),
    )


_COLUMNS: Final = {one.name: one.column for one in COMPARISONS if one.name not in _ANCHORED}

_COUNTED: Final = f"""
WITH odds AS (
    SELECT {", ".join(_COLUMNS.values())}, greatest(same, strangers, family, colleagues) AS most,
        pow(2, same - most) AS s, pow(2, family - most) AS f,
        s + f + pow(2, strangers - most) + pow(2, colleagues - most) AS total
    FROM matching.sampled WHERE swapped = 0
)
SELECT {", ".join(_COLUMNS.values())}, grouping({", ".join(_COLUMNS.values())}) AS kept,
    sum(round(s / total * {_EXACT})::BIGINT) / {_EXACT},
    sum(round(f / total * {_EXACT})::BIGINT) / {_EXACT}
FROM odds GROUP BY GROUPING SETS ({", ".join(f"({column})" for column in _COLUMNS.values())}, ())
"""


def _counted(work: Work) -> tuple[dict[str, dict[int, float]], float]:
    """Return comparison → level → pairs of one person, all of them as "", 0; and those of a family."""
    columns = list(_COLUMNS)
    every = (1 << len(columns)) - 1
    found: dict[str, dict[int, float]] = {"": {0: 0.0}}
    families = 0.0
    for *levels, kept, same, family in work.run(_COUNTED).fetchall():
        if kept == every:
            found[""][0], families = float(same or 0), float(family or 0)
        else:
            # `grouping` sets a bit for each column a row is not of, the first column's the highest.
            place = len(columns) - (every - kept).bit_length()
            found.setdefault(columns[place], {})[levels[place]] = float(same)
    return found, families


def _shares(before: Shares, counted: Mapping[str, Mapping[int, float]]) -> Shares:
    found = {name: dict(shares) for name, shares in before.items()}
    for one in COMPARISONS:
        here = counted.get(one.name, {})
        seen = {level: here.get(level, 0.0) for level in one.levels}
        total = sum(seen.values())
        if total > _FEW:
            whole = total + _SMOOTHED * len(seen)
            found[one.name] = {
                name: round((seen[level] + _SMOOTHED) / whole, 5)
                for level, name in one.levels.items()
            }
    return found


def _moved(before: Weights, after: Weights) -> float:
    """Return by how much the share that moved most did."""
    return max(abs(new - old) for _, _, old, new in changes(before, after))


def changes(before: Weights, after: Weights) -> list[tuple[str, str, float, float]]:
    """Return the shares of pairs of one person, what changed most first.

    What counts is by how many bits a level weighs otherwise, times how often it is seen.

    Returns:
        Comparison, level, the share before, the share after.
    """
    found = [
        (name, level, share, after.same[name][level])
        for name, shares in before.same.items()
        for level, share in shares.items()
    ]
    return sorted(found, key=lambda one: -_matters(*one[2:]))


def _matters(before: float, after: float) -> float:
    return max(before, after) * abs(log2(max(after, LEAST) / max(before, LEAST)))
