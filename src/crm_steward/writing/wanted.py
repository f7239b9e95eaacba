"""Wanted: what a rule asks for, with as little about it as decides whether it is planned.

Most of what a large base asks for exceeds limits. So a candidate holds what other rules, the
journal and the limits have to know; the words of a task, a person's name in them, are written once
it is in the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    Ability,
    ArchiveRecord,
    Change,
    CreateTask,
    MergeRecords,
    PlannedChange,
    RecordRef,
    change_key,
    task_key,
)
from crm_steward.rules import Action, Rule, TaskAction
from crm_steward.rules.fitting import capability
from crm_steward.writing.routing import People
from crm_steward.writing.tasking import marker
from crm_steward.writing.withheld import Why


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a rule for each of its findings, made ready once.

    Args:
        name: The rule's id.
        rule: The rule; None where it no longer exists.
        title: What it finds, in the language of the plan.
        actions: Its actions but for tasks, each with what a connection must be able to do for it.
        tasks: Its tasks, each with the day on which it is due.
        fact: The fact that names what a contact is, for a tag without a word.
        instead: Whether its tasks stand in for what a connection cannot do.
    """

    name: str
    rule: Rule | None
    title: str
    actions: tuple[tuple[Action, Capability], ...] = ()
    tasks: tuple[tuple[TaskAction, date], ...] = ()
    fact: str = ""
    instead: bool = False
    _asks: dict[str, bool] = field(default_factory=dict, init=False)
    _alone: dict[str, bool] = field(default_factory=dict, init=False)
    _strangers: dict[str, bool] = field(default_factory=dict, init=False)
    _lacks: dict[str, tuple[Why | None, ...]] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, rule: Rule, language: str, now: datetime) -> Terms:
        """Make those of a rule ready."""
        entries = rule.actions
        tasks = tuple((e, e.due.day(now)) for e in entries if isinstance(e, TaskAction))
        return cls(
            name=rule.id,
            rule=rule,
            title=rule.title(language),
            actions=tuple((e, capability(e)) for e in entries if not isinstance(e, TaskAction)),
            tasks=tasks,
            fact=rule.check.names,
            instead=rule.if_unable == "task",
        )

    def asks_in(self, connection: str) -> bool:
        """Whether the rule looks at a connection and does not only report what it finds there."""
        asks = self._asks.get(connection)
        if asks is None:
            asks = self._asks[connection] = self.rule is not None and self.rule.asks_in(connection)
        return asks

    def alone_in(self, connection: str) -> bool:
        """Whether the rule writes to a connection without being asked."""
        alone = self._alone.get(connection)
        if alone is None:
            alone = self.rule is not None and self.rule.mode_in(connection) == "apply"
            self._alone[connection] = alone
        return alone

    def lacks_in(self, connection: str, ability: Ability | None) -> tuple[Why | None, ...]:
        """Return for each action, and at last for tasks, why a connection cannot do it, or None."""
        lacks = self._lacks.get(connection)
        if lacks is None:
            wanted = [*(capability for _, capability in self.actions), Capability.TASK]
            lacks = (Why.UNKNOWN,) * len(wanted)
            if ability is not None:
                lacks = tuple(None if one in ability.can else Why.CANNOT for one in wanted)
            self._lacks[connection] = lacks
        return lacks

    def names_strangers(self, connection: str, people: People) -> bool:
        """Whether the rule names somebody for a task whom nobody active in a connection is called."""
        known = self._strangers.get(connection)
        if known is None:
            named = {name for action, _ in self.tasks for name in action.to.people}
            known = self._strangers[connection] = any(people.named(n) is None for n in named)
        return known


class Candidate(NamedTuple):
    """A change that a rule asks for.

    Args:
        terms: Those of the rule.
        finding: The fingerprint of the finding behind it.
        ref: The record it is attached to.
        made: The change; None for a task, whose words are not written yet.
        detail: What more a person should know who approves it.
        others: The other records of a group, at which the same task may stand.
        since: When the finding was first seen, in microseconds.
        openings: How often it was opened.
        number: The task's place among those of the rule.
    """

    terms: Terms
    finding: str
    ref: RecordRef
    made: Change | None
    detail: str = ""
    others: tuple[RecordRef, ...] = ()
    since: int = 0
    openings: int = 1
    number: int = 0

    @property
    def rule(self) -> str:
        """The id of the rule that asks for it."""
        return self.terms.name

    @property
    def records(self) -> tuple[RecordRef, ...]:
        """The records it counts for; closing a task counts for the one it is about."""
        if isinstance(self.made, MergeRecords):
            return (self.ref, *self.made.losers)
        return (self.ref,)

    @property
    def marker(self) -> str:
        """What names its task in the CRM."""
        return marker(self.finding, self.openings, self.number)

    @property
    def key(self) -> str:
        """The change's idempotency key."""
        return task_key(self.ref, self.marker) if self.made is None else change_key(self.made)

    @property
    def instead(self) -> tuple[str, ...]:
        """The keys under which the same task may stand at another record of the group."""
        if not self.others:
            return ()
        mark = self.marker
        return tuple(task_key(ref, mark) for ref in self.others)

    @property
    def change(self) -> Change:
        """The change; a task lacks its words, and whom it is for."""
        if self.made is not None:
            return self.made
        due = self.terms.tasks[self.number][1]
        return CreateTask(ref=self.ref, title="", body="", due=due, marker=self.marker)

    def planned(self, change: Change) -> PlannedChange:
        """Return it as a change of a plan.

        Args:
            change: The change with all that it says.
        """
        lasting = isinstance(change, MergeRecords | ArchiveRecord)
        return PlannedChange(
            change=change,
            rule=self.terms.name,
            finding=self.finding,
            why=self.terms.title,
            # Whatever a rule says, merging and archiving need a person.
            automatic=self.terms.alone_in(self.ref.connection) and not lasting,
            detail=self.detail,
        )
