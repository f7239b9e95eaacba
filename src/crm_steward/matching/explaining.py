"""Explain: why two contacts are taken for one person, or not, comparison by comparison.

The evidence of a pair is a sum: what was likely before anything was compared, and what each
comparison adds or takes, weighed against the likeliest other thing that the two may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from crm_steward.matching.comparing import COMPARISONS, Comparison, compare
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
OTHERS: Final = ("strangers", "family", "colleagues")
"""What two contacts may be who are not one person."""


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
    source = f"(SELECT * FROM matching.{'scored' if compared else 'asked'} WHERE {_HERE})"
    asked = work.run(_said(source, wanted.weights), **ends)
    names = [column[0] for column in asked.description or ()]
    said = dict(zip(names, asked.fetchall()[0], strict=True))
    parts = tuple(Part(**part) for part in said["parts"])
    verdict, group = _verdict(work, ends)
    if apart:
        verdict, group = "apart", 0
    elif verdict == "below" and not compared:
        verdict = "not compared"
    return Explained(
        bits=said["bits"],
        against=said["against"],
        prior=said["prior"],
        parts=parts,
        others=said["bits"] - said["prior"] - sum(part.bits for part in parts),
        levels=tuple(said["levels"]),
        verdict=verdict,
        sure=said["bits"] >= bits_of(wanted.sure_from),
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


def _said(source: str, weights: Weights) -> str:
    """Return SQL for what each comparison says of pairs: `l`, `r`, `bits`, `against`, `prior`, `parts`, `levels`.

    Args:
        source: Scored pairs, as SQL that stands after FROM.
        weights: What they were scored with.
    """
    worth = [
        f'({sql})::DOUBLE AS "{hypothesis} {name}"'
        for hypothesis, by_comparison in contributions(weights).items()
        for name, sql in by_comparison.items()
    ]
    rare = [f'({chance(one.name)})::DOUBLE AS "rare {one.name}"' for one in COMPARISONS]
    levels = [f"CASE WHEN {sql} THEN '{name}' END" for name, sql in LEVELS.items()]
    parts = ", ".join(_part(one) for one in COMPARISONS)
    return (
        f"SELECT l, r, bits::DOUBLE AS bits, against, -{_against(PRIOR)} AS prior, "
        f"[part FOR part IN [{parts}] IF part IS NOT NULL] AS parts, levels FROM (SELECT *, "
        "CASE WHEN strangers >= greatest(family, colleagues) THEN 'strangers' "
        "WHEN family >= colleagues THEN 'family' ELSE 'colleagues' END AS against, "
        f"[level FOR level IN [{', '.join(levels)}] IF level IS NOT NULL] AS levels, "
        f"{', '.join([*worth, *rare])} FROM {source})"
    )


def _part(one: Comparison) -> str:
    """Return SQL for what a comparison says, as `Part` holds it; NULL where it says nothing."""
    says = f"{one.column} > 0" + (" AND swapped = 0" if one.name in NAMES else "")
    names = " ".join(f"WHEN {level} THEN '{name}'" for level, name in one.levels.items())
    return (
        f"CASE WHEN {says} THEN {{'comparison': '{one.name}', 'level': CASE {one.column} {names} END, "
        f"'bits': \"same {one.name}\" - {_against(one.name)}, "
        f"'one_in': pow(2, -least(\"rare {one.name}\", 0))}} END"
    )


def _against(name: str) -> str:
    """Return SQL for what a comparison is worth for the likeliest other thing."""
    others = " ".join(f"WHEN '{other}' THEN \"{other} {name}\"" for other in OTHERS)
    return f"(CASE against {others} END)"


_WEAKEST: Final = """
CREATE TABLE matching.weakest AS
SELECT m.group_n, p.l, p.r
FROM matching.pairs p JOIN matching.members m ON m.n = p.l
JOIN matching.members o ON o.n = p.r AND o.group_n = m.group_n
JOIN matching.groups g ON g.group_n = m.group_n
WHERE NOT g.sure
QUALIFY row_number() OVER (PARTITION BY m.group_n ORDER BY p.bits, p.l, p.r) = 1
"""
_EXPLAINED: Final = """
INSERT INTO matching.explained
SELECT f.connection, f.id, to_json({{
    'against': against, 'bits': round(e.bits, 1),
    'others': round(e.bits - prior - coalesce(list_sum([part.bits FOR part IN parts]), 0), 1),
    'parts': [{{
        'bits': round(part.bits, 1), 'comparison': part.comparison, 'level': part.level,
        'one_in': round(part.one_in, 1 - floor(log10(part.one_in))::INTEGER)::BIGINT
    }} FOR part IN parts],
    'prior': round(prior, 1)
}})::VARCHAR AS weakest
FROM ({said}) e JOIN matching.weakest w ON w.l = e.l AND w.r = e.r
JOIN (SELECT group_n, min(n) AS n FROM matching.members GROUP BY group_n) m
    ON m.group_n = w.group_n
JOIN matching.records f ON f.n = m.n
"""
_ADDED: Final = """
CREATE OR REPLACE TABLE {table} AS
SELECT refs, about, score,
    left(evidence, length(evidence) - 1) || ',"weakest":' || coalesce(weakest, 'null') || '}}'
        AS evidence
FROM {table} LEFT JOIN matching.explained
    ON connection = refs[1].connection AND id = refs[1].id
"""


def explain_weakest(work: Work, table: str, wanted: Wanted) -> None:
    """Add to the evidence of what was found why the weakest pair of each group is taken for one person.

    Only of groups that a person looks at: `weakest` is null of those that are sure, and where no
    comparison was made, as a person decided or another engine found. Figures are rounded to what is
    shown of them: a finding is not written anew because the base grew by a contact.

    Args:
        work: What `matched` gave.
        table: What `write_found` made of it.
        wanted: What was searched for.
    """
    work.run("CREATE TABLE matching.explained (connection VARCHAR, id VARCHAR, weakest VARCHAR)")
    if wanted.engine == "sql":
        work.run(_WEAKEST)
        source = (
            "(SELECT s.* FROM matching.scored s SEMI JOIN matching.weakest USING (l, r) "
            "ANTI JOIN matching.decided USING (l, r))"
        )
        # Planning the statement takes longer than all the rest where there is nothing to say.
        if work.value(f"SELECT count(*) FROM {source}"):
            said = _said(source, wanted.weights)
            work.run(_EXPLAINED.format(said=said))
    work.run(_ADDED.format(table=table))


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
