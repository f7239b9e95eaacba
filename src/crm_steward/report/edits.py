"""Edits of rules in the digest: what each did to findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.edits import Edit
from crm_steward.store.tables import rule_edits

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEdit:
    """What edits of one rule did since the last report.

    Args:
        rule: The rule.
        titles: Its title, language → text; its id where the rule is gone.
        edit: What became of it in all.
        at: When it last was looked with after an edit.
        opened: Findings that the first scans after each edit opened.
        resolved: Findings that they resolved.
        open: What stood after the last of them.
    """

    rule: str
    titles: Mapping[str, str]
    edit: Edit
    at: datetime
    opened: int = 0
    resolved: int = 0
    open: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEdits:
    """What edits of rules did since the last report.

    Args:
        edits: By rule, those that moved most first.
        more: Edited rules that are not in `edits`.
    """

    edits: tuple[RuleEdit, ...] = ()
    more: int = 0


def rule_edits_between(
    reading: sa.Connection,
    titles: Mapping[str, Mapping[str, str]],
    since: datetime,
    until: datetime,
    *,
    shown: int = _SHOWN,
) -> RuleEdits:
    """Return what edits of rules did between two moments, `shown` of them one by one."""
    e = rule_edits.c
    query = sa.select(rule_edits).where(e.at > since, e.at <= until).order_by(e.at, e.rule)
    by_rule: dict[str, list[sa.RowMapping]] = {}
    for row in reading.execute(query).mappings():
        by_rule.setdefault(row["rule"], []).append(row)
    found = [_together(rule, rows, titles) for rule, rows in by_rule.items()]
    found.sort(key=lambda one: (-(one.opened + one.resolved), one.rule))
    return RuleEdits(edits=tuple(found[:shown]), more=len(found[shown:]))


def _together(
    rule: str, rows: list[sa.RowMapping], titles: Mapping[str, Mapping[str, str]]
) -> RuleEdit:
    last = rows[-1]
    return RuleEdit(
        rule=rule,
        titles=titles.get(rule, {"en": rule}),
        edit=_in_all(Edit(rows[0]["edit"]), Edit(last["edit"])),
        at=last["at"],
        opened=sum(row["opened"] for row in rows),
        resolved=sum(row["resolved"] for row in rows),
        open=last["open"],
    )


def _in_all(first: Edit, last: Edit) -> Edit:
    """Return what became of a rule: one that was new stays so, one that came back was edited."""
    if last is Edit.REMOVED or first is Edit.ADDED:
        return last if last is Edit.REMOVED else first
    return Edit.EDITED
