"""Duplicates: block, compare, score, cluster; set-based, in DuckDB, on comparable values.

Each step is a module: `levels` says what makes two contacts duplicates, `pairs` finds the pairs
that qualify, `cluster` makes groups of them.
"""

from __future__ import annotations

from crm_steward.matching.cluster import Group
from crm_steward.matching.levels import LEVELS
from crm_steward.matching.matches import MAX_BLOCK, Matches, find_groups
from crm_steward.matching.pairs import CappedBlock, Pair

__all__ = ["LEVELS", "MAX_BLOCK", "CappedBlock", "Group", "Matches", "Pair", "find_groups"]
