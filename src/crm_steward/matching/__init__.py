"""Duplicates: block, compare, score, cluster; set-based, in DuckDB, on comparable values.

Each step is a module and a query: `rows` makes contacts comparable, `blocking` says which pairs are
worth comparing, `comparing` names what they have in common, `scoring` weighs it with the `weights`,
`levels` are what rules may ask for by name, `clustering` makes groups of pairs. `matches` is the
whole way, `nearby` the shorter one around contacts that changed. `training` learns weights from a base, `worth` says what they come to there; `explaining`
says why two contacts are one person or not, `evaluating` how good it all is where somebody knows.
"""

from __future__ import annotations

from crm_steward.matching.blocking import CappedBlock, capped
from crm_steward.matching.explaining import explain_weakest
from crm_steward.matching.levels import ALL_EVIDENCE, DECIDED, LEVELS
from crm_steward.matching.matches import (
    Group,
    Matches,
    Pair,
    Wanted,
    find_groups,
    matched,
    write_found,
)
from crm_steward.matching.nearby import Index, matched_nearby
from crm_steward.matching.rows import COLUMNS, Narrowed
from crm_steward.matching.signing import signature
from crm_steward.matching.weights import SHIPPED, Weights
from crm_steward.matching.work import Work

__all__ = [
    "ALL_EVIDENCE",
    "COLUMNS",
    "DECIDED",
    "LEVELS",
    "SHIPPED",
    "CappedBlock",
    "Group",
    "Index",
    "Matches",
    "Narrowed",
    "Pair",
    "Wanted",
    "Weights",
    "Work",
    "capped",
    "explain_weakest",
    "find_groups",
    "matched",
    "matched_nearby",
    "signature",
    "write_found",
]
