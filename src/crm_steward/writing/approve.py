"""Approve: which changes of a plan a person agreed to, and which of them may run now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crm_steward.model import (
    Clock,
    CloseTask,
    Halt,
    LimitExceededError,
    PlannedChange,
    stopping,
    utc_now,
)
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.halts import Halts
from crm_steward.store.journal import Journal, Standing, State
from crm_steward.store.lifted import found_anew
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Approval, Plans, PlanStatus, StoredPlan
from crm_steward.store.snoozes import Snoozes
from crm_steward.writing.aside import Aside
from crm_steward.writing.compare import members, touched
from crm_steward.writing.halting import closed

_AGAIN = "Make a new one: crm-steward plan"


def refuse_unfit(stored: StoredPlan, *, rules: str | None, now: datetime) -> None:
    """Refuse a plan that was altered, used up, superseded, is too old, or of other rules.

    Args:
        stored: The plan.
        rules: The digest of the rules as they are now; None when nobody knows.
        now: The time.

    Raises:
        LimitExceededError: Nothing was written. A plan runs once, as it was approved, while it is
            fresh.
    """
    name, plan = stored.hash, stored.plan
    if stored.status is PlanStatus.APPLIED:
        raise LimitExceededError(f"Plan {name} was applied already.", hint=_AGAIN)
    if stored.status is PlanStatus.SUPERSEDED:
        raise LimitExceededError(f"Plan {name} was replaced by a newer one.", hint=_AGAIN)
    if stored.altered:
        raise LimitExceededError(f"Plan {name} was altered since it was made.", hint=_AGAIN)
    if now >= plan.expires_at:
        raise LimitExceededError(
            f"Plan {name} expired on {plan.expires_at:%Y-%m-%d at %H:%M} UTC.", hint=_AGAIN
        )
    if now < plan.created_at:
        raise LimitExceededError(
            f"Plan {name} was made in the future ({plan.created_at:%Y-%m-%d %H:%M} UTC).",
            hint="Set the clock of this machine right.",
        )
    if rules is not None and rules != plan.rules:
        raise LimitExceededError(f"The rules changed since plan {name} was made.", hint=_AGAIN)


def approve(
    database: Database,
    stored: StoredPlan,
    what: str,
    *,
    by: str,
    note: str = "",
    clock: Clock = utc_now,
) -> list[PlannedChange]:
    """Write down that a person agrees to changes of a plan.

    Args:
        database: The store.
        stored: The plan.
        what: `all`, a rule's id, or a change's key (or its beginning, 6 digits at least).
        by: Who agrees.
        note: Why, in their words.
        clock: The time.

    Returns:
        The changes that are approved now; empty when nothing in the plan is called so.
    """
    now = clock()
    chosen = [planned for planned in stored.plan.changes if _named(planned, what)]
    Plans(database).approve(
        Approval(plan=stored.hash, key=planned.key, approved_by=by, approved_at=now, note=note)
        for planned in chosen
    )
    return chosen


_SHORTEST_KEY = 6


def _named(planned: PlannedChange, what: str) -> bool:
    by_key = len(what) >= _SHORTEST_KEY and planned.key.startswith(what)
    return by_key or what in ("all", planned.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a plan may run now, and what not.

    Args:
        ready: Approved or automatic, and not tried yet.
        waiting: Waits for a person's approval.
        tried: Was tried before; how that ended is in the journal.
        under_way: An earlier write to the record is not settled.
        resolved: Their finding was resolved since the plan was made: nothing is left to do about it.
        snoozed: Their finding was snoozed since the plan was made.
        held: Connection → why nothing is written to it.
        halted: What a halt stops, and the halt.
        failed_before: Keys of changes whose earlier attempts failed at the CRM.
    """

    ready: tuple[PlannedChange, ...] = ()
    waiting: tuple[PlannedChange, ...] = ()
    tried: tuple[PlannedChange, ...] = ()
    under_way: tuple[PlannedChange, ...] = ()
    resolved: tuple[PlannedChange, ...] = ()
    snoozed: tuple[PlannedChange, ...] = ()
    held: tuple[tuple[PlannedChange, str], ...] = ()
    halted: tuple[tuple[PlannedChange, Halt], ...] = ()
    failed_before: frozenset[str] = frozenset()

    @property
    def finished(self) -> bool:
        """Whether nothing is left that a later run of the same plan could write."""
        later = self.waiting or self.under_way or self.snoozed or self.held or self.halted
        return not (self.ready or later)


def select(
    database: Database, stored: StoredPlan, *, now: datetime, stop_file: Path | None = None
) -> Selection:
    """Sort the changes of a plan by whether they may run at `now`.

    Args:
        database: The store.
        stored: The plan.
        now: The time.
        stop_file: While it exists, nothing may run.
    """
    journal, changes = Journal(database), stored.plan.changes
    standings = journal.standings([planned.key for planned in changes])
    anew = found_anew(database, standings)
    standings = {key: one for key, one in standings.items() if key not in anew}
    busy = touched(standing.intent.change for standing in journal.under_way())
    approvals = Plans(database).approvals(stored.hash)
    aside = Aside.of(database, now)
    snoozes, shut = Snoozes(database).active(now), _closed(database)
    # Tasks are closed because their finding is resolved.
    asking = (p.finding for p in changes if not isinstance(p.change, CloseTask))
    resolved = Findings(database).resolved(asking)
    sorted_: dict[str, list[PlannedChange]] = {}
    held: list[tuple[PlannedChange, str]] = []
    for planned in changes:
        standing = standings.get(planned.key)
        if standing is not None and _over(standing, stored.hash, aside):
            sorted_.setdefault("tried", []).append(planned)
        elif any(ref in busy for ref in members(planned.change)):
            sorted_.setdefault("under_way", []).append(planned)
        elif planned.finding in resolved and not isinstance(planned.change, CloseTask):
            sorted_.setdefault("resolved", []).append(planned)
        elif planned.finding in snoozes:
            sorted_.setdefault("snoozed", []).append(planned)
        elif not planned.automatic and planned.key not in approvals:
            sorted_.setdefault("waiting", []).append(planned)
        elif planned.change.ref.connection in shut:
            held.append((planned, shut[planned.change.ref.connection]))
        else:
            sorted_.setdefault("ready", []).append(planned)
    halts = Halts(database, stop_file).standing()
    free = sorted_.pop("ready", [])
    halted = [(p, halt) for p in free if (halt := _halt(halts, p, now))]
    sorted_["ready"] = [p for p in free if not _halt(halts, p, now)]
    return Selection(
        **{name: tuple(members) for name, members in sorted_.items()},
        held=tuple(held),
        halted=tuple(halted),
        failed_before=frozenset(key for key, one in standings.items() if one.attempts),
    )


def _halt(halts: tuple[Halt, ...], planned: PlannedChange, now: datetime) -> Halt | None:
    return stopping(halts, planned.change.ref.connection, planned.rule, planned.key, now)


def _over(standing: Standing, plan: str, aside: Aside) -> bool:
    """Return whether a change is not to be tried (again) under this plan."""
    match standing.state:
        case State.VERIFIED:
            return True
        case State.INTENT | State.UNKNOWN:
            return False
        case State.ABSENT:
            return aside.holds(standing)
        case State.REJECTED:
            return standing.intent.plan == plan or aside.forbids(standing) is not None
        case State.CONFLICT | State.ALREADY:
            return standing.intent.plan == plan


def _closed(database: Database) -> dict[str, str]:
    found = {name: closed(state) for name, state in Mirror(database).states().items()}
    return {name: why[1] for name, why in found.items() if why}
