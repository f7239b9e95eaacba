"""Plan: from what the rules found to an ordered list of changes without conflicts, within limits."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import sqlalchemy as sa

from crm_steward.model import (
    Ability,
    Clock,
    Halt,
    Plan,
    PlannedChange,
    RecordRef,
    stopping,
    utc_now,
)
from crm_steward.rules import Rule, RuleBook
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.halts import Halts
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.plans import Plans, PlanStatus, StoredPlan
from crm_steward.store.runs import Runs
from crm_steward.store.snoozes import Snoozes, asleep
from crm_steward.store.tables import findings
from crm_steward.writing.candidates import candidates, proposer_of, worded
from crm_steward.writing.closing import closings
from crm_steward.writing.guards import Guards
from crm_steward.writing.halting import closed
from crm_steward.writing.limits import Budget
from crm_steward.writing.places import Place, Wishes, contested, places_of, rest_of, wishes_of
from crm_steward.writing.routing import Nobody
from crm_steward.writing.tried import History
from crm_steward.writing.wanted import Candidate
from crm_steward.writing.withheld import LeftOut, Why, Withheld, summary


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """A plan, and what was left out of it.

    Args:
        plan: What would be written.
        withheld: What the rules ask for and the plan leaves out, each with its reason.
        used: Connection → changes that took effect within the last 24 hours.
        live: Connection → live contacts, which percentages are counted from.
        nobody: Whom rules name and nobody active is called; their tasks are for nobody in particular.
    """

    plan: Plan
    withheld: Sequence[Withheld]
    used: Mapping[str, int]
    live: Mapping[str, int]
    nobody: tuple[Nobody, ...] = ()


Progress = Callable[[int, int], None]
"""Told how many findings and changes were gone through, and of how many as far as is known."""


@dataclass(slots=True)
class _Way:
    """How far a plan has come: first through the findings, then through what is planned.

    Args:
        progress: Told each time.
        total: Findings, and changes once they are known.
        done: How many of them were gone through.
    """

    progress: Progress | None
    total: int = 0
    done: int = 0

    @classmethod
    def of(
        cls, database: Database, rules: Sequence[Rule], now: datetime, progress: Progress | None
    ) -> _Way:
        """Return the way through the findings of some rules; they are counted if anybody asks."""
        if progress is None:
            return cls(None)
        asked = findings.c.rule.in_([rule.id for rule in rules])
        return cls(progress, Findings(database).count(only=sa.and_(asked, ~asleep(now))))

    def go(self, count: int) -> None:
        """Tell that `count` more were gone through."""
        self.done += count
        if self.progress is not None:
            self.progress(self.done, max(self.done, self.total))

    def more(self, count: int) -> None:
        """Lengthen the way by `count` changes; all findings are behind."""
        self.total = self.done + count


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Let the garbage collector rest: what is gathered stays, and it would look at all of it again.

    With some hundred thousand candidates that is a seventh of the time.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@_nothing_collected()
def make_plan(
    database: Database,
    book: RuleBook,
    *,
    limits: Limits,
    abilities: Mapping[str, Ability],
    language: str = "en",
    zone: tzinfo = UTC,
    clock: Clock = utc_now,
    rules: Collection[str] = (),
    connections: Collection[str] = (),
    save: bool = True,
    stop_file: Path | None = None,
    progress: Progress | None = None,
) -> PlanResult:
    """Plan what the rules in mode `propose` and `apply` ask for, and store the plan.

    The rules take turns, each with what stands longest, so that limits leave something to all of
    them. Nothing is left out without a reason.

    Args:
        database: The store.
        book: The rules.
        limits: The settings' limits.
        abilities: What each enabled connection holds and can do.
        language: In which tasks and reasons are written.
        zone: In which the days of due dates and of snoozes begin.
        clock: The time.
        rules: Only these rules; none means all.
        connections: Only records of these connections; none means all.
        save: Whether to store the plan, which supersedes the one before it.
        stop_file: While it exists, everything is left out.
        progress: Called now and then; what it raises ends it, and nothing is stored.

    Raises:
        StoreError: The database cannot be read or written.
    """
    now = clock()
    mirror = Mirror(database)
    version, states = mirror.version(), mirror.states()
    # In the order of their ids: that of files and of rules in them must not matter.
    active = sorted((rule for rule in book.rules if rule.active), key=lambda rule: rule.id)
    nobody: set[Nobody] = set()
    proposer = proposer_of(
        database, abilities, language=language, now=now.astimezone(zone), nobody=nobody
    )
    settled = closings(database, book, abilities, language)
    way = _Way.of(database, active, now, progress)
    found, unable = candidates(database, active, settled, proposer, told=way.go)
    unable += _snoozed(database, active, zone, now)
    # Rules are held against each other even when only one is asked for.
    wishes = wishes_of(found)

    def asked(rule: str, ref: RecordRef) -> bool:
        here = not connections or ref.connection in connections
        return here and (not rules or rule in rules)

    digests = {rule.id: rule.digest for rule in book.rules}
    budget = Budget.of(database, limits, now=now)
    halts = tuple(h for h in Halts(database, stop_file).standing() if not h.due(now))
    guards = Guards.of(database, active, now)
    if rules or connections:
        found = [one for one in found if asked(one.rule, one.ref)]
    withheld = LeftOut(one for one in unable if asked(one.rule, one.ref))
    sieve = _Sieve(states, budget, wishes, digests, halts, language, withheld, guards)
    left = sieve.sift(found, History.of(database, found, now))
    way.more(len(left))
    changes = tuple(_said(left, worded(database, proposer, left, way.go), withheld))
    del left, sieve, wishes  # the plan as text needs the room
    plan = Plan(
        changes=changes,
        created_at=now,
        expires_at=now + limits.plan_expires_after,
        mirror=version,
        rules=book.digest,
        digests={p.rule: digests[p.rule] for p in changes if p.rule in digests},
        aged=tuple(sorted(guards.aged.intersection(p.rule for p in changes))),
    )
    result = PlanResult(
        plan=plan,
        withheld=withheld,
        used=dict(budget.written),
        live=dict(budget.live),
        nobody=tuple(sorted(n for n in nobody if not rules or n.rule in rules)),
    )
    if save:
        store_plan(database, result, clock=clock)
    return result


def store_plan(database: Database, result: PlanResult, *, clock: Clock = utc_now) -> StoredPlan:
    """Store a plan, which supersedes the one before it, and what it leaves out, for the report."""
    plan = result.plan
    Plans(database).save(plan)
    runs = Runs(database)
    why: Counter[str] = Counter()
    for (_, reason, _), count in summary(result.withheld).items():
        why[reason.value] += count
    runs.finish(
        runs.start("plan", now=plan.created_at),
        {"changes": len(plan.changes), "withheld": dict(why)},
        now=clock(),
    )
    return StoredPlan(plan=plan, hash=plan.hash, status=PlanStatus.OPEN)


def _snoozed(
    database: Database, rules: Sequence[Rule], zone: tzinfo, now: datetime
) -> list[Withheld]:
    """Return the findings that are left alone until a date: nothing is proposed for them."""
    snoozes = Snoozes(database).active(now)
    withheld: list[Withheld] = []
    for rule in rules if snoozes else ():
        for stored in Findings(database).open(rule=rule.id, only=asleep(now)):
            mark = stored.finding.fingerprint
            if mark in snoozes:  # else woken since the line above
                until = snoozes[mark].until.astimezone(zone).date()
                detail = f"{until}: {snoozes[mark].reason}"
                ref = stored.finding.refs[0]
                withheld.append(Withheld(rule.id, mark, ref, Why.SNOOZED, detail))
    return withheld


def _said(
    wanted: Iterable[Candidate], planned: Iterable[PlannedChange | None], withheld: LeftOut
) -> Iterator[PlannedChange]:
    """Yield the changes of candidates; what is about a record that went away is left out."""
    for one, change in zip(wanted, planned, strict=True):
        if change is None:
            withheld.add(one.rule, one.finding, one.ref, Why.GONE)
        else:
            yield change


@dataclass(slots=True)
class _Sieve:
    """Takes out of candidates, in order, what must not be written now."""

    states: Mapping[str, ConnectionState]
    budget: Budget
    wishes: Wishes
    digests: Mapping[str, str]
    halts: tuple[Halt, ...]
    language: str
    withheld: LeftOut
    guards: Guards
    _closings: dict[str, dict[str, tuple[Why, str] | None]] = field(default_factory=dict)

    def sift(self, candidates: list[Candidate], history: History) -> list[Candidate]:
        """Return what is left, and empty `candidates`: most of them are needed no more."""
        taken: dict[Place, str] = {}
        left: list[Candidate] = []
        candidates.reverse()
        while candidates:
            candidate = candidates.pop()
            rest = rest_of(candidate, taken)
            places, rule = places_of(rest), rest.terms.name
            refused = (
                self._closed(rest.ref.connection, rule)
                or self.guards.forbids(rest)
                or history.forbids(candidate, rest)
                or self.guards.swings.forbids(rest)
                or (places and contested(rest, places, self.wishes, taken))
                or self.budget.admit(rest, self.digests.get(rule, ""))
            )
            if refused:
                self.withheld.add(rule, rest.finding, rest.ref, *refused)
            else:
                taken.update(dict.fromkeys(places, rule))
                left.append(rest)
        return left

    def _closed(self, connection: str, rule: str) -> tuple[Why, str] | None:
        known = self._closings.get(connection)
        if known is None:
            known = self._closings[connection] = {}
        if rule not in known:
            halt = stopping(self.halts, connection, rule)
            why = None if halt is None else (Why.HALTED, halt.why(self.language))
            known[rule] = why or closed(self.states.get(connection))
        return known[rule]
