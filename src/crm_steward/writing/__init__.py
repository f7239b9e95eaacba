"""Writing: from findings to changes in the CRMs, each explained, bounded, journaled, undoable.

`make_plan` → `approve` → `apply_plan` → `settle` → `undo`.
"""

from __future__ import annotations

from crm_steward.writing.apply import apply_plan
from crm_steward.writing.approve import Selection, approve, refuse_unfit, select
from crm_steward.writing.compare import members
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.inverse import Loosening
from crm_steward.writing.limits import Budget, share
from crm_steward.writing.plan import PlanResult, make_plan
from crm_steward.writing.settle import settle
from crm_steward.writing.targets import Target, Targets
from crm_steward.writing.undo import UndoResult, plan_undo, undo
from crm_steward.writing.withheld import Why, Withheld, explain, summary

__all__ = [
    "ApplyCounts",
    "Budget",
    "Loosening",
    "PlanResult",
    "Selection",
    "Target",
    "Targets",
    "UndoResult",
    "Why",
    "Withheld",
    "apply_plan",
    "approve",
    "explain",
    "make_plan",
    "members",
    "plan_undo",
    "refuse_unfit",
    "select",
    "settle",
    "share",
    "summary",
    "undo",
]
