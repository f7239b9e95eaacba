"""Plan: from what the rules found to an ordered list of changes without conflicts, within limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo

from crm_steward.model import (
    Ability,
    ArchiveRecord,
    Clock,
    CloseTask,
    CreateTask,
    MergeRecords,
    Plan,
    PlannedChange,
    RecordRef,
    SuppressChannel,
    UpdateFields,
    Value,
    utc_now,
)
from crm_steward.rules import Rule, RuleBook
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.plans import Plans, PlanStatus, StoredPlan
from crm_steward.store.runs import Runs
from crm_steward.store.snoozes import Snoozes, asleep
from crm_steward.writing.candidates import candidates
from crm_steward.writing.closing import closings
from crm_steward.writing.compare import canonical, members
from crm_steward.writing.limits import Budget
from crm_steward.writing.propose import Candidate
from crm_steward.writing.routing import Nobody
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
    wishes = _wishes(found)

    def asked(rule: str, ref: RecordRef) -> bool:
        here = not connections or ref.connection in connections
        return here and (not rules or rule in rules)

    digests = {rule.id: rule.digest for rule in book.rules}
    budget = Budget.of(database, limits, now=now)
    sieve = _Sieve(states, budget, wishes, digests)
    wanted = [c for c in found if asked(c.planned.rule, c.planned.change.ref)]
    changes = sieve.sift(wanted, History.of(database, wanted))
    withheld = [w for w in [*withheld, *sieve.withheld] if asked(w.rule, w.ref)]
    plan = Plan(
        changes=changes,
        created_at=now,
        expires_at=now + limits.plan_expires_after,
        mirror=version,
        rules=book.digest,
        digests={p.rule: digests[p.rule] for p in changes if p.rule in digests},
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


_Wishes = Mapping[tuple[RecordRef, str], Mapping[Value, str]]


@dataclass(slots=True)
class _Sieve:
    """Takes out of candidates, in order, what must not be written now."""

    states: Mapping[str, ConnectionState]
    budget: Budget
    wishes: _Wishes
    digests: Mapping[str, str]
    withheld: list[Withheld] = field(default_factory=list)

    def sift(self, candidates: Iterable[Candidate], history: History) -> tuple[PlannedChange, ...]:
        """Return what is left."""
        taken: dict[object, str] = {}
        left: list[PlannedChange] = []
        for candidate in candidates:
            planned, rule = _rest(candidate.planned, taken), candidate.rule
            refused = (
                self._closed(planned)
                or history.forbids(candidate, planned)
                or _contested(planned, self.wishes, taken)
                or self.budget.admit(planned, rule, self.digests.get(planned.rule, ""))
            )
            if refused:
                why, detail = refused
                ref = planned.change.ref
                self.withheld.append(Withheld(planned.rule, planned.finding, ref, why, detail))
            else:
                taken.update(dict.fromkeys(_places(planned), planned.rule))
                left.append(planned)
        return tuple(left)

    def _closed(self, planned: PlannedChange) -> tuple[Why, str] | None:
        state = self.states.get(planned.change.ref.connection)
        if state is not None and state.frozen_reason:
            return Why.FROZEN, state.frozen_reason
        if state is not None and state.paused_reason:
            return Why.PAUSED, state.paused_reason
        return None


def _wishes(candidates: Iterable[Candidate]) -> _Wishes:
    """Return, by record and field, each value that is wanted and the first rule that wants it.

    A merge or an archiving wants the whole of each of its records.
    """
    wishes: dict[tuple[RecordRef, str], dict[Value, str]] = {}
    for candidate in candidates:
        change = candidate.planned.change
        if isinstance(change, UpdateFields):
            wanted = {(change.ref, name): canonical(value) for name, value in change.values.items()}
        elif isinstance(change, MergeRecords | ArchiveRecord):
            wanted = dict.fromkeys(_places(candidate.planned), candidate.planned.key)
        else:
            continue
        for place, value in wanted.items():
            wishes.setdefault(place, {}).setdefault(value, candidate.planned.rule)
    return wishes


def _rest(planned: PlannedChange, taken: Mapping[object, str]) -> PlannedChange:
    """Return an update without the fields that another one in the plan sets already."""
    change = planned.change
    if not isinstance(change, UpdateFields):
        return planned
    rest = [name for name in change.values if (change.ref, name) not in taken]
    if not rest or len(rest) == len(change.values):
        return planned
    values = {name: change.values[name] for name in rest}
    expected = {name: change.expected[name] for name in rest}
    return replace(planned, change=replace(change, values=values, expected=expected))


def _contested(
    planned: PlannedChange, wishes: _Wishes, taken: Mapping[object, str]
) -> tuple[Why, str] | None:
    """Return the rule that wants something else of the same place, or that asked for the same."""
    whole = isinstance(planned.change, MergeRecords | ArchiveRecord)
    for place in _places(planned):
        wanted = wishes.get(place, {})
        if len(wanted) > 1:
            others = sorted({rule for rule in wanted.values() if rule != planned.rule})
            return Why.CLASH if whole else Why.CONFLICT, ", ".join(others) or planned.rule
        if place in taken:
            return Why.TWICE, taken[place]
    return None


_WHOLE = "*"


def _places(planned: PlannedChange) -> list[tuple[RecordRef, str]]:
    """Return what a change claims for itself: fields, a channel's address, a record, its key."""
    change = planned.change
    match change:
        case UpdateFields():
            return [(change.ref, name) for name in change.values]
        case MergeRecords() | ArchiveRecord():
            return [(ref, _WHOLE) for ref in members(change)]
        case SuppressChannel():
            return [(change.ref, f"{change.channel}:{change.address}")]
        case CreateTask():
            return [(change.ref, change.marker)]
        case CloseTask():
            return [(change.ref, planned.key)]
