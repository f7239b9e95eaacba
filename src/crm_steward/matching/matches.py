"""The whole way: from a table of contacts to groups of duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm_steward.matching.cluster import Group, cluster
from crm_steward.matching.levels import LEVELS, Level
from crm_steward.matching.pairs import CappedBlock, Scope, capped_blocks, qualifying_pairs

if TYPE_CHECKING:
    import duckdb

MAX_BLOCK: Final = 50
"""Holders of one value beyond which it identifies nobody: a switchboard, a placeholder. Two or three
are a family; comparing all pairs of fifty is 1,225 comparisons, of five thousand twelve million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What matching found.

    Args:
        groups: Probable duplicates, sorted by their first member.
        capped: What was not compared, and why it cannot be said that there are no duplicates there.
    """

    groups: list[Group]
    capped: list[CappedBlock]


def find_groups(
    con: duckdb.DuckDBPyConnection,
    levels: Sequence[str],
    *,
    within: Scope = "everywhere",
    max_block: int = MAX_BLOCK,
) -> Matches:
    """Group the rows of table `contacts` that are probably one person.

    Args:
        con: Holds `contacts` with connection, id, email_key, phone_key, mobile_key,
            first_name_key, last_name_key, name_key. Nothing is left behind in it.
        levels: Names out of LEVELS; a pair that qualifies for several counts for the strongest.
        within: `connection` never groups records of two connections.
        max_block: Values with more holders are not compared but reported in `capped`.

    Raises:
        ValueError: A level is unknown, or none is given.
    """
    wanted = _ordered(levels)
    pairs = qualifying_pairs(con, wanted, within=within, max_block=max_block)
    capped = capped_blocks(con, wanted, within=within, max_block=max_block)
    return Matches(groups=cluster(pairs), capped=capped)


def _ordered(levels: Sequence[str]) -> list[Level]:
    unknown = [name for name in levels if name not in LEVELS]
    if unknown or not levels:
        known = ", ".join(f"'{name}'" for name in LEVELS)
        raise ValueError(f"levels are among {known}; got {list(levels)}")
    return [level for name, level in LEVELS.items() if name in levels]
