"""What each level is worth in this base: a rare value in common proves more than a common one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Final

from crm_steward.matching.comparing import COMPARISONS, Comparison
from crm_steward.matching.rows import EVERYBODY, Narrowed, prepare
from crm_steward.matching.scoring import CHANCE
from crm_steward.matching.weights import LEAST, Weights
from crm_steward.matching.work import Work, working

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What one level of one comparison is worth.

    Args:
        comparison: Its name.
        level: The level's.
        same: How often two contacts of one person show it.
        family: How often two of a family do.
        rare: Bits against two strangers where nobody else bears the value.
        typical: Bits where it is as common as half of the contacts' values here.
    """

    comparison: str
    level: str
    same: float
    family: float
    rare: float
    typical: float


_TWO: Final = "2 AS email_holders, 2 AS number_holders, 2 AS local_holders"
"""An address and a number are hardly ever anybody else's."""
_RAREST: Final = f"""
SELECT max(base_bits) AS base_bits, max(first_bits) AS first_bits, max(last_bits) AS last_bits,
    max(first_bits) + max(last_bits) AS swapped_bits, 2 AS company_holders, 2 AS domain_holders,
    2 AS address_holders, 2 AS city_holders, 2 AS postcode_holders, {_TWO} FROM matching.rows
"""
_TYPICAL: Final = f"""
SELECT median(base_bits) AS base_bits, median(first_bits) AS first_bits,
    median(last_bits) AS last_bits, median(first_bits) + median(last_bits) AS swapped_bits,
    greatest(2, median(company_holders) FILTER (company IS NOT NULL)) AS company_holders,
    greatest(2, median(domain_holders) FILTER (NOT private)) AS domain_holders,
    greatest(2, median(address_holders) FILTER (address IS NOT NULL)) AS address_holders,
    greatest(2, median(city_holders) FILTER (city IS NOT NULL)) AS city_holders,
    greatest(2, median(postcode_holders) FILTER (postcode IS NOT NULL)) AS postcode_holders, {_TWO}
FROM matching.rows
"""
"""A value that two contacts share has two bearers at least."""
_HOLDERS: Final[Mapping[tuple[str, int], str]] = {
    ("company", 2): "domain_holders",
    ("company", 3): "4 * company_holders",
    ("place", 1): "address_holders",
    ("place", 2): "postcode_holders",
    ("place", 3): "city_holders",
    ("place", 4): "postcode_holders",
    ("place", 5): "city_holders",
}
"""Column and level → who counts as bearing what is shared, where it is not said by its name."""


def worths(
    con: duckdb.DuckDBPyConnection, weights: Weights, narrowed: Narrowed = EVERYBODY
) -> list[Worth]:
    """Return what every level is worth.

    Args:
        con: Holds `contacts`, as for `matches.matched`.
        weights: What evidence weighs.
        narrowed: Which contacts are looked at.
    """
    levels = [(one, level) for one in COMPARISONS for level in one.levels]
    with working(con) as work:
        prepare(work, narrowed)
        rarest, typical = (_chances(work, levels, how) for how in (_RAREST, _TYPICAL))
    found = []
    for (one, level), rare, usual in zip(levels, rarest, typical, strict=True):
        name = one.levels[level]
        same = weights.same[one.name][name]
        bits = log2(max(same, LEAST))
        found.append(
            Worth(
                comparison=one.name,
                level=name,
                same=same,
                family=weights.family[one.name][name],
                rare=bits - rare,
                typical=bits - usual,
            )
        )
    return found


def _chances(work: Work, levels: list[tuple[Comparison, int]], how: str) -> list[float]:
    """Return log2 of how often two strangers show each level, where values are as common as `how`."""
    columns = [f"coalesce({_chance(one, level)}, 0)::DOUBLE" for one, level in levels]
    return list(work.run(f"SELECT {', '.join(columns)} FROM ({how})").fetchall()[0])


def _chance(one: Comparison, level: int) -> str:
    sql = CHANCE[one.name.removesuffix(", other company")].get(level, "0")
    column = one.column.removesuffix("_moved")
    holders = _HOLDERS.get((column, level), "company_holders")
    named = sql.replace("place_holders", holders)
    return named.replace("company_holders", holders) if column == "company" else named
