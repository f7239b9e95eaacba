"""Explain: why two contacts are taken for one person, or not, comparison by comparison.

The evidence of a pair is a sum: what was likely before anything was compared, and what each
comparison adds or takes, weighed against the likeliest other thing that the two may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from crm_steward.matching.comparing import COMPARISONS, compare
from crm_steward.matching.levels import LEVELS
from crm_steward.matching.matches import Wanted, bits_of, matched
from crm_steward.matching.rows import EVERYBODY, Narrowed
from crm_steward.matching.scoring import NAMES, chance, phone_of_colleagues, score, seen
from crm_steward.matching.weights import Weights
from crm_steward.matching.work import Work
from crm_steward.model import RecordRef

if TYPE_CHECKING:
    import duckdb

Verdict = Literal["found", "grouped", "parted", "below", "not compared", "apart"]
"""found: they are a pair of one group. grouped: others hold them in one group. parted: a pair, but
others of their group contradict it. below: they were compared, and too little speaks for them. not
compared: they share nothing for which they would be. apart: the search keeps to one connection."""

PRIOR: Final = ""
"""The name of what is likely before anything is compared."""
_AT: Final = {comparison.name: f"_at{number}" for number, comparison in enumerate(COMPARISONS)}
"""Comparison → the column that keeps how rare what is seen of it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one comparison says.

    Args:
        comparison: Its name.
        level: What is seen.
        bits: What that adds, or takes where it is below 0.
        one_in: It is seen of one in so many pairs of strangers.
    """

    comparison: str
    level: str
    bits: float
    one_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why a pair is taken for one person, or not: `prior`, `parts` and `others` make up `bits`.

    Args:
        bits: log2 of the odds that they are one person.
        against: The likeliest other thing they may be: strangers, family, colleagues.
        prior: Bits before anything is compared.
        parts: What each comparison says where both have a value.
        others: What is taken because they may be yet other things.
        levels: Names of the levels that they qualify for.
        verdict: What became of the pair.
        sure: Whether the pair is sure enough to be merged.
        group: How many records their group has; 0 when they are not in one.
    """

    bits: float
    against: str
    prior: float
    parts: tuple[Part, ...]
    others: float
    levels: tuple[str, ...]
    verdict: Verdict
    sure: bool
    group: int

    @property
    def probability(self) -> float:
        """How likely it is that they are one person."""
        return float(1 / (1 + 2**-self.bits))


def contributions(weights: Weights) -> Mapping[str, Mapping[str, str]]:
    """Return each of the four `scoring.hypotheses` as a sum: comparison → SQL, and PRIOR.

    A company is at an address: against strangers only the rarer of both counts, the other is 0.
    """
    unswapped = {name: f"(CASE WHEN swapped > 0 THEN 0 ELSE {chance(name)} END)" for name in NAMES}
    names = {**unswapped, "swapped names": chance("swapped names")}
    there = f"({chance('place')} + {chance('place, other company')})"
    of_places = f"{chance('company')} > {there}"
    strangers = {one.name: chance(one.name) for one in COMPARISONS} | names
    strangers["company"] = f"(CASE WHEN {of_places} THEN 0 ELSE {chance('company')} END)"
    for name in ("place", "place, other company"):
        strangers[name] = f"(CASE WHEN {of_places} THEN {chance(name)} ELSE 0 END)"
    colleagues = _related(weights, "colleagues") | names
    colleagues |= {"phone": phone_of_colleagues(weights), "birth date": chance("birth date")}
    return {
        "same": {PRIOR: "0", **_related(weights, "same")},
        "strangers": {PRIOR: f"base_bits + log2({weights.strangers_odds})", **strangers},
        "family": {PRIOR: f"log2({weights.family_odds})", **_related(weights, "family")},
        "colleagues": {PRIOR: "log2(company_holders)", **colleagues},
    }


def _related(weights: Weights, relation: str) -> dict[str, str]:
    parts = {one.name: seen(weights, relation, one.name) or "0" for one in COMPARISONS}
    return parts | {
        name: f"(CASE WHEN swapped > 0 THEN 0 ELSE {parts[name]} END)" for name in NAMES
    }


def explain(
    con: duckdb.DuckDBPyConnection,
    wanted: Wanted,
    left: RecordRef,
    right: RecordRef,
    narrowed: Narrowed = EVERYBODY,
) -> Explained:
    """Say why two contacts are taken for one person, or not.

    The whole base is searched: how common a value is, and which group a pair ends in, is not to be
    had of two contacts.

    Args:
        con: As for `matches.matched`.
        wanted: What makes two contacts duplicates.
        left: One of the two.
        right: The other.
        narrowed: Which contacts are looked at.

    Raises:
        LookupError: One of them is not looked at; it is its argument.
    """
    apart = wanted.within == "connection" and left.connection != right.connection
    # What they have in common is to be seen although the search would not look there.
    searched = replace(wanted, within="everywhere") if apart else wanted
    with matched(con, searched, narrowed) as work:
        ends = [_number(work, ref) for ref in (left, right)]
        return _explained(work, wanted, (min(ends), max(ends)), apart=apart)


def _number(work: Work, ref: RecordRef) -> int:
    rows = work.run(
        "SELECT n FROM matching.records WHERE connection = $connection AND id = $id",
        connection=ref.connection,
        id=ref.id,
    ).fetchall()
    if not rows:
        raise LookupError(ref)
    return int(rows[0][0])


def _explained(work: Work, wanted: Wanted, pair: tuple[int, int], *, apart: bool) -> Explained:
    ends = {"l": pair[0], "r": pair[1]}
    compared = work.value(f"SELECT count(*) FROM matching.scored WHERE {_HERE}", **ends) > 0
    if not compared:
        _compare(work, wanted.weights, pair)
    source = "scored" if compared else "asked"
    seen_of = _row(work, source, wanted.weights, ends)
    against = max(("strangers", "family", "colleagues"), key=lambda name: seen_of[name])
    parts = tuple(
        Part(
            comparison=one.name,
            level=one.levels[seen_of[one.column]],
            bits=seen_of[f"same {one.name}"] - seen_of[f"{against} {one.name}"],
            one_in=2.0 ** -min(seen_of[_AT[one.name]], 0),
        )
        for one in COMPARISONS
        if seen_of[one.column] and not (seen_of["swapped"] and one.name in NAMES)
    )
    prior = -seen_of[f"{against} {PRIOR}"]
    bits = seen_of["bits"]
    verdict, group = _verdict(work, ends)
    if apart:
        verdict, group = "apart", 0
    elif verdict == "below" and not compared:
        verdict = "not compared"
    return Explained(
        bits=bits,
        against=against,
        prior=prior,
        parts=parts,
        others=bits - prior - sum(part.bits for part in parts),
        levels=tuple(name for name in LEVELS if seen_of[f"level {name}"]),
        verdict=verdict,
        sure=bits >= bits_of(wanted.sure_from),
        group=group,
    )


_HERE: Final = "l = $l AND r = $r"


def _compare(work: Work, weights: Weights, pair: tuple[int, int]) -> None:
    """Make `matching.asked` of a pair that nothing led to."""
    work.run(
        f"CREATE OR REPLACE TABLE matching.candidates AS SELECT {pair[0]} AS l, {pair[1]} AS r, "
        "0 AS shared, NULL::INTEGER AS email_holders, NULL::INTEGER AS number_holders, "
        "NULL::INTEGER AS local_holders"
    )
    compare(work, all_=True)
    score(work, weights, into="asked")


def _row(work: Work, source: str, weights: Weights, ends: Mapping[str, int]) -> dict[str, Any]:
    """Return what is seen of one pair, with what each comparison is worth for each hypothesis."""
    parts = [
        f'({sql})::DOUBLE AS "{hypothesis} {name}"'
        for hypothesis, by_comparison in contributions(weights).items()
        for name, sql in by_comparison.items()
    ]
    levels = [f'coalesce({sql}, false) AS "level {name}"' for name, sql in LEVELS.items()]
    rare = [f"({chance(name)})::DOUBLE AS {column}" for name, column in _AT.items()]
    columns = ", ".join([*parts, *levels, *rare])
    asked = work.run(f"SELECT *, {columns} FROM matching.{source} WHERE {_HERE}", **ends)
    names = [column[0] for column in asked.description or ()]
    return dict(zip(names, asked.fetchall()[0], strict=True))


def _verdict(work: Work, ends: Mapping[str, int]) -> tuple[Verdict, int]:
    """Return what became of a pair, and the size of the group that both are in, if any."""
    found = work.value(f"SELECT count(*) FROM matching.pairs WHERE {_HERE}", **ends) > 0
    together = work.run(
        "SELECT size FROM matching.groups JOIN matching.members a USING (group_n) "
        "JOIN matching.members b USING (group_n) WHERE a.n = $l AND b.n = $r",
        **ends,
    ).fetchall()
    if together:
        return "found" if found else "grouped", int(together[0][0])
    return "parted" if found else "below", 0
