"""Apply: write what was approved of a plan, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from crm_steward.model import Clock, PlannedChange, StewardError, utc_now
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal
from crm_steward.store.lease import Lease, hold
from crm_steward.store.plans import Plans, PlanStatus, StoredPlan, mark
from crm_steward.store.runs import Runs
from crm_steward.writing.approve import Selection, refuse_unfit, select
from crm_steward.writing.canary import begin, read_back
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.items import Item
from crm_steward.writing.limits import Budget, check_limits
from crm_steward.writing.settle import Settler
from crm_steward.writing.targets import Target, Targets
from crm_steward.writing.timing import counts_by_age, refuse_untimely
from crm_steward.writing.write import Writer


def apply_plan(
    database: Database,
    stored: StoredPlan,
    targets: Targets,
    *,
    limits: Limits,
    rules: str | None = None,
    clock: Clock = utc_now,
    stop: threading.Event | None = None,
    patience: timedelta = timedelta(0),
    lease: Lease | None = None,
) -> ApplyCounts:
    """Write the changes of a plan that are automatic or approved.

    First settles what earlier runs left open. A plan that was begun and interrupted goes on where
    it stopped; no change of it is written twice. One connection failing does not stop the others.

    Args:
        database: The store.
        stored: The plan, from the store.
        targets: The connections.
        limits: The settings' limits, checked again on all that would be written.
        rules: The digest of the rules as they are now, to refuse a plan of other rules.
        clock: The time.
        stop: When set, the batch under way is finished and nothing more is begun.
        patience: How long to wait at the end for what cannot be settled at once.
        lease: A lease held already; None takes one.

    Raises:
        LimitExceededError: The plan is unfit, or a limit would be exceeded; nothing was written.
        BusyError: Another process is writing, or took over.
        StoreError: The database cannot be written; nothing was sent after that.
    """
    if lease is None:
        with hold(database, clock=clock) as taken:
            return apply_plan(
                database,
                stored,
                targets,
                limits=limits,
                rules=rules,
                clock=clock,
                stop=stop,
                patience=patience,
                lease=taken,
            )
    # As it stands now that nobody else can move it.
    stored = Plans(database).get(stored.hash) or stored
    refuse_unfit(stored, rules=rules, now=clock())
    runs = Runs(database)
    counts = ApplyCounts(run=runs.start("apply", now=clock()), failures=targets.failures)
    run = _Application(database, stored, targets, lease, clock, stop or threading.Event(), counts)
    try:
        run.apply(limits, patience)
    except StewardError as error:
        runs.finish(counts.run, counts.to_json(), now=clock(), error=type(error).__name__)
        raise
    runs.finish(counts.run, counts.to_json(), now=clock())
    return counts


@dataclass(frozen=True, slots=True)
class _Application:
    """One run of apply."""

    database: Database
    stored: StoredPlan
    targets: Targets
    lease: Lease
    clock: Clock
    stop: threading.Event
    counts: ApplyCounts

    def apply(self, limits: Limits, patience: timedelta) -> None:
        """Settle, check, write, settle."""
        journal = Journal(self.database)
        settler = Settler(journal, self.lease, self.clock, self.stop, self.counts)
        settler.settle(self.targets)
        selection = self._select()
        self.counts.waiting = len(selection.waiting)
        self.counts.resolved = len(selection.resolved)
        self.counts.snoozed = len(selection.snoozed)
        self.counts.halted.update(halt for _, halt in selection.halted)
        self.counts.held = {p.change.ref.connection: reason for p, reason in selection.held}
        budget = Budget.of(self.database, limits, now=self.clock())
        check_limits(budget, selection.ready)
        if selection.ready:
            self._mark(PlanStatus.APPLYING)
            self._begin(selection.ready)
            self._write(journal, selection)
            settler.settle(self.targets, patience=patience)
            self._read_back(limits, selection.ready)
        after = self._select()
        self.counts.left = len(after.ready)
        if after.finished:
            self._mark(PlanStatus.APPLIED)

    def _select(self) -> Selection:
        file = self.targets.halt.file
        return select(self.database, self.stored, now=self.clock(), stop_file=file)

    def _begin(self, ready: Iterable[PlannedChange]) -> None:
        digests = self.stored.plan.digests
        asking = {p.rule: digests[p.rule] for p in ready if p.rule in digests}
        begin(self.database, asking, self.lease, self.clock())

    def _write(self, journal: Journal, selection: Selection) -> None:
        writer = Writer(
            journal=journal,
            lease=self.lease,
            clock=self.clock,
            stop=self.stop,
            counts=self.counts,
            halt=self.targets.halt,
        )
        aged = self.stored.plan.aged
        timely = [p for p in selection.ready if not counts_by_age(p, aged)]
        by_age = [p for p in selection.ready if counts_by_age(p, aged)]
        writer.write_all(self.targets, self._items(timely, selection))
        for connection, ref in {p.change.ref.connection: p.change.ref for p in by_age}.items():
            self.targets.attempt(self.database, connection, partial(refuse_untimely, ref=ref))
        writer.write_all(self.targets, self._items(by_age, selection))

    def _items(self, planned: Iterable[PlannedChange], selection: Selection) -> list[Item]:
        name, failed = self.stored.hash, selection.failed_before
        return [Item(planned=p, plan=name, alone=p.key in failed) for p in planned]

    def _read_back(self, limits: Limits, ready: Iterable[PlannedChange]) -> None:
        """Look at what new and edited rules wrote, as far as it was left alone for long enough."""

        def look(target: Target, connection: str) -> None:
            read_back(
                self.database,
                connection,
                target.connector,
                self.lease,
                limits=limits,
                percent=self.targets.halt.percent,
                settle_after=target.settle_after,
                now=self.clock(),
            )

        for connection in sorted({planned.change.ref.connection for planned in ready}):
            self.targets.attempt(self.database, connection, partial(look, connection=connection))

    def _mark(self, status: PlanStatus) -> None:
        with self.database.write() as writing:
            self.lease.check(writing)
            mark(writing, self.stored.hash, status, now=self.clock())
