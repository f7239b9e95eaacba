"""Plan: from what the rules found to an ordered list of changes without conflicts, within limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

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
from crm_steward.store.clocks import Clocks
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.halts import Halts
from crm_steward.store.jumps import Jumps
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.plans import Plans, PlanStatus, StoredPlan
from crm_steward.store.runs import Runs
from crm_steward.store.snoozes import Snoozes, asleep
from crm_steward.writing.candidates import candidates
from crm_steward.writing.closing import closings
from crm_steward.writing.halting import closed
from crm_steward.writing.limits import Budget
from crm_steward.writing.places import Wishes, contested, places_of, rest_of, wishes_of
from crm_steward.writing.propose import Candidate
from crm_steward.writing.routing import Nobody
from crm_steward.writing.swings import Swings
from crm_steward.writing.timing import aged_rules, untimely
from crm_steward.writing.tried import History
from crm_steward.writing.withheld import Why, Withheld


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
    withheld: tuple[Withheld, ...]
    used: Mapping[str, int]
    live: Mapping[str, int]
    nobody: tuple[Nobody, ...] = ()


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

    Raises:
        StoreError: The database cannot be read or written.
    """
    now = clock()
    mirror = Mirror(database)
    version, states = mirror.version(), mirror.states()
    # In the order of their ids: that of files and of rules in them must not matter.
    active = sorted((rule for rule in book.rules if rule.active), key=lambda rule: rule.id)
    nobody: set[Nobody] = set()
    found, withheld = candidates(
        database,
        active,
        abilities,
        closings(database, book, abilities, language),
        language=language,
        now=now.astimezone(zone),
        nobody=nobody,
    )
    withheld += _snoozed(database, active, zone, now)
    # Rules are held against each other even when only one is asked for.
    wishes = wishes_of(found)

    def asked(rule: str, ref: RecordRef) -> bool:
        here = not connections or ref.connection in connections
        return here and (not rules or rule in rules)

    digests = {rule.id: rule.digest for rule in book.rules}
    budget = Budget.of(database, limits, now=now)
    halts = tuple(h for h in Halts(database, stop_file).standing() if not h.due(now))
    swings = Swings.of(database, {rule.id for rule in active}, now=now)
    aged, clocks = aged_rules(active), Clocks(database).ahead()
    jumps = {rule: jump.figures for rule, jump in Jumps(database).standing().items()}
    sieve = _Sieve(states, budget, wishes, digests, halts, language, swings, aged, clocks, jumps)
    wanted = [c for c in found if asked(c.planned.rule, c.planned.change.ref)]
    changes = sieve.sift(wanted, History.of(database, wanted, now))
    withheld = [w for w in [*withheld, *sieve.withheld] if asked(w.rule, w.ref)]
    plan = Plan(
        changes=changes,
        created_at=now,
        expires_at=now + limits.plan_expires_after,
        mirror=version,
        rules=book.digest,
        digests={p.rule: digests[p.rule] for p in changes if p.rule in digests},
        aged=tuple(sorted(aged.intersection(p.rule for p in changes))),
    )
    result = PlanResult(
        plan=plan,
        withheld=tuple(withheld),
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
    why = Counter(one.why.value for one in result.withheld)
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


@dataclass(slots=True)
class _Sieve:
    """Takes out of candidates, in order, what must not be written now."""

    states: Mapping[str, ConnectionState]
    budget: Budget
    wishes: Wishes
    digests: Mapping[str, str]
    halts: tuple[Halt, ...]
    language: str
    swings: Swings
    aged: frozenset[str]
    clocks: Mapping[str, timedelta]
    jumps: Mapping[str, str]
    withheld: list[Withheld] = field(default_factory=list)

    def sift(self, candidates: Iterable[Candidate], history: History) -> tuple[PlannedChange, ...]:
        """Return what is left."""
        taken: dict[object, str] = {}
        left: list[PlannedChange] = []
        for candidate in candidates:
            planned, rule = rest_of(candidate.planned, taken), candidate.rule
            refused = (
                self._closed(planned)
                or untimely(planned, self.aged, self.clocks)
                or history.forbids(candidate, planned)
                or self.swings.forbids(planned)
                or contested(planned, self.wishes, taken)
                or self.budget.admit(planned, rule, self.digests.get(planned.rule, ""))
            )
            if refused:
                why, detail = refused
                ref = planned.change.ref
                self.withheld.append(Withheld(planned.rule, planned.finding, ref, why, detail))
            else:
                taken.update(dict.fromkeys(places_of(planned), planned.rule))
                left.append(planned)
        return tuple(left)

    def _closed(self, planned: PlannedChange) -> tuple[Why, str] | None:
        connection = planned.change.ref.connection
        halt = stopping(self.halts, connection, planned.rule)
        why = None if halt is None else (Why.HALTED, halt.why(self.language))
        if why is None and planned.rule in self.jumps:
            why = Why.JUMP, self.jumps[planned.rule]
        return why or closed(self.states.get(connection))
