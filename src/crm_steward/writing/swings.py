"""Swings: what we wrote and would write again and again, because somebody or something undoes it.

Two automations that undo each other would go on for ever, and each write of ours tells the CRM's
people nothing but noise (n8n PR 29107 and twenty#11322 are such ping-pongs). So a field that one of
our rules wrote is not written back by another, and one that we wrote three times within a week is
left alone until the week has passed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_steward.model import (
    RecordRef,
    UpdateFields,
    Value,
    change_from_json,
)
from crm_steward.store.database import Database
from crm_steward.store.lines import FRUITLESS, State
from crm_steward.store.setback import Noticed, after
from crm_steward.store.tables import journal
from crm_steward.writing.compare import same
from crm_steward.writing.wanted import Candidate
from crm_steward.writing.withheld import Why

WITHIN = timedelta(days=7)
MOST = 3
"""How often one field of one record, or one finding's task, is written within that time."""

_KINDS = ("update", "task")
_TASK = "task"

Place = tuple[RecordRef | str, str]
"""A record and a field, or a finding and that it is about its task."""


@dataclass(frozen=True, slots=True)
class Written:
    """One write of ours that took effect, or may have.

    Args:
        rule: The rule that asked for it.
        before: What the field held.
        after: What it was given.
    """

    rule: str
    before: Value = None
    after: Value = None


@dataclass(frozen=True, slots=True)
class Swings:
    """What we wrote lately, by place, oldest first.

    Args:
        written: What was written where.
        active: The rules that still ask for something: one that was taken out fights nobody.
    """

    written: Mapping[Place, Sequence[Written]]
    active: Collection[str]

    @classmethod
    def of(cls, database: Database, active: Collection[str], *, now: datetime) -> Swings:
        """Read what was written within the last week; what was undone on purpose does not count."""
        query = (
            sa.select(
                journal.c.key,
                journal.c.state,
                journal.c.rule,
                journal.c.finding,
                journal.c.change,
            )
            .where(
                journal.c.kind.in_(_KINDS),
                journal.c.undoes.is_(None),
            )
            .order_by(journal.c.seq)
        )
        begun: dict[str, list[tuple[Place, Written]]] = {}
        written: dict[Place, list[Written]] = {}
        with database.read() as reading:
            recent = after(now - WITHIN, now, Noticed.within(reading))
            for key, state, rule, finding, change in reading.execute(query.where(recent)):
                if state == State.INTENT:
                    begun[key] = _writes(change, rule, finding)
                elif State(state) in FRUITLESS:
                    begun.pop(key, None)
                elif state == State.VERIFIED:
                    _add(written, begun.pop(key, []))
        for left in begun.values():
            _add(written, left)
        return cls(written, active)

    def forbids(self, candidate: Candidate) -> tuple[Why, str] | None:
        """Return why a change would only swing to and fro, or None."""
        if not self.written:
            return None
        change = candidate.made
        if change is None:  # a task
            past = self.written.get((candidate.finding, _TASK), ())
            return (Why.UNDONE, _TASK) if len(past) >= MOST else None
        if not isinstance(change, UpdateFields):
            return None
        for name, value in change.values.items():
            past = self.written.get((change.ref, name), ())
            if other := self._undoes(past, candidate.rule, change.expected.get(name), value):
                return Why.SWING, other
            if len(past) >= MOST:
                return self._why(past, candidate.rule, name, change.expected.get(name))
        return None

    def _undoes(self, past: Sequence[Written], rule: str, held: Value, value: Value) -> str:
        """Return the rule whose last write a change would take back."""
        if not past:
            return ""
        last = past[-1]
        back = same(last.after, held) and same(last.before, value)
        return last.rule if back and last.rule != rule and last.rule in self.active else ""

    def _why(self, past: Sequence[Written], rule: str, name: str, held: Value) -> tuple[Why, str]:
        """Say who undid it: whoever changed the field between two writes, or rules of ours."""
        held_later = [*(one.before for one in past[1:]), held]
        ours = all(same(one.after, then) for one, then in zip(past, held_later, strict=True))
        others = sorted({one.rule for one in past} - {rule})
        return (Why.SWING, ", ".join(others)) if ours and others else (Why.UNDONE, name)


def _writes(
    change: Mapping[str, object] | None, rule: str, finding: str
) -> list[tuple[Place, Written]]:
    """Return what the line of an intent writes where; nothing once its values are gone."""
    if change is None:
        return []
    read = change_from_json(dict(change))
    if isinstance(read, UpdateFields):
        return [
            ((read.ref, name), Written(rule, read.expected.get(name), value))
            for name, value in read.values.items()
        ]
    return [((finding, _TASK), Written(rule))]


def _add(written: dict[Place, list[Written]], more: Sequence[tuple[Place, Written]]) -> None:
    for place, one in more:
        written.setdefault(place, []).append(one)
