"""Rules: YAML that a CRM manager owns, checked with positions, compiled to DuckDB.

Knows no database but a DuckDB connection that holds the table `contacts`.
"""

from __future__ import annotations

from crm_steward.rules.actions import (
    Action,
    ArchiveAction,
    SuppressAction,
    TagAction,
    TaskAction,
    UpdateAction,
)
from crm_steward.rules.durations import Duration
from crm_steward.rules.kinds import LeftOut
from crm_steward.rules.loading import RuleBook, Skipped, load_rules, pack_path, packs
from crm_steward.rules.merging import Criterion, InFront, MergeAction
from crm_steward.rules.periods import Period
from crm_steward.rules.register import Register, load_register, shipped_register
from crm_steward.rules.rule import Limits, Rule, columns_of
from crm_steward.rules.tasks import Due, Routing
from crm_steward.rules.texts import Template, Text

__all__ = [
    "Action",
    "ArchiveAction",
    "Criterion",
    "Due",
    "Duration",
    "InFront",
    "LeftOut",
    "Limits",
    "MergeAction",
    "Period",
    "Register",
    "Routing",
    "Rule",
    "RuleBook",
    "Skipped",
    "SuppressAction",
    "TagAction",
    "TaskAction",
    "Template",
    "Text",
    "UpdateAction",
    "columns_of",
    "load_register",
    "load_rules",
    "pack_path",
    "packs",
    "shipped_register",
]
