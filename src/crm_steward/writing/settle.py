"""Settle: find out whether changes took effect whose answer was lost, before doing anything else."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from crm_steward.connect.protocol import Outcome
from crm_steward.model import Clock, change_key, utc_now
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, Line, Standing, State
from crm_steward.store.lease import Lease, hold
from crm_steward.store.runs import Runs
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.readback import read_back
from crm_steward.writing.targets import Target, Targets

LOST = "the process ended before the answer was written down"


def settle(
    database: Database,
    targets: Targets,
    *,
    clock: Clock = utc_now,
    stop: threading.Event | None = None,
    patience: timedelta = timedelta(0),
    lease: Lease | None = None,
) -> ApplyCounts:
    """Settle everything that is due, as a run of its own.

    Args:
        database: The store.
        targets: The connections.
        clock: The time.
        stop: Ends the waiting.
        patience: How long to wait for what is not due yet.
        lease: A lease held already; None takes one.

    Raises:
        BusyError: Another process is writing.
    """
    if lease is None:
        with hold(database, clock=clock) as taken:
            return settle(database, targets, clock=clock, stop=stop, patience=patience, lease=taken)
    runs = Runs(database)
    counts = ApplyCounts(run=runs.start("settle", now=clock()), failures=targets.failures)
    settler = Settler(Journal(database), lease, clock, stop or threading.Event(), counts)
    settler.settle(targets, patience=patience)
    runs.finish(counts.run, counts.to_json(), now=clock())
    return counts


@dataclass(slots=True)
class Settler:
    """Settles under a lease held by the caller, counting into the caller's counts."""

    journal: Journal
    lease: Lease
    clock: Clock
    stop: threading.Event
    counts: ApplyCounts

    def settle(self, targets: Targets, *, patience: timedelta = timedelta(0)) -> None:
        """Ask the CRMs about everything that is due; wait at most `patience` for the rest.

        A bare intent of a process that ended is first marked unknown, now: the write may have gone
        out at any moment until then, so that the CRM's lag counts from here and not from the
        intent. A search that comes too early finds nothing, and the task would be made twice.
        """
        self._mark_lost()
        waits = self._ask_all(targets)
        # Until the last that patience allows for: answers are lost at different moments.
        if bearable := [wait for wait in waits if wait <= patience.total_seconds()]:
            self.stop.wait(max(bearable))
            self._ask_all(targets)

    def _mark_lost(self) -> None:
        now = self.clock()
        bare = [s.intent for s in self.journal.under_way() if s.state is State.INTENT]
        self.journal.append([_line(i, State.UNKNOWN, LOST, at=now) for i in bare], self.lease)

    def _ask_all(self, targets: Targets) -> Sequence[float]:
        """Settle what is due; return in how many seconds each of the rest will be."""
        by_connection: dict[str, list[Standing]] = {}
        for standing in self.journal.under_way():
            by_connection.setdefault(standing.intent.ref.connection, []).append(standing)
        waits: list[float] = []
        for connection, standings in by_connection.items():
            asking = partial(self._ask, standings=standings, waits=waits)
            targets.attempt(self.journal.database, connection, asking)
        self.counts.unsettled = len(self.journal.under_way())
        self.counts.wait = min(waits, default=0.0)
        return waits

    def _ask(self, target: Target, standings: Sequence[Standing], waits: list[float]) -> None:
        """Settle what is due; note in how many seconds the rest will be."""
        now = self.clock()
        due = {s.intent.seq: s.since(now) + target.settle_after for s in standings}
        waits.extend((moment - now).total_seconds() for moment in due.values() if moment > now)
        ripe = [s.intent for s in standings if due[s.intent.seq] <= now]
        for batch in _chunks(ripe, target.batch):
            changes = [intent.change for intent in batch if intent.change is not None]
            answers = {answer.key: answer for answer in target.connector.settle(changes)}
            answers = read_back(target.connector, changes, answers)
            lines = list(_settled(batch, answers, self.clock))
            self.journal.append(lines, self.lease)
            self.counts.resettle(lines)


def _settled(batch: Iterable[Line], answers: dict[str, Outcome], clock: Clock) -> Iterator[Line]:
    for intent in batch:
        answer = answers.get(change_key(intent.change)) if intent.change else None
        if answer is not None and answer.status.value != State.UNKNOWN:
            yield _line(
                intent,
                State(answer.status.value),
                answer.reason,
                at=clock(),
                remote_id=answer.remote_id,
            )


def _line(intent: Line, state: State, why: str, *, at: datetime, remote_id: str = "") -> Line:
    return replace(intent, state=state, change=None, reason=why, remote_id=remote_id, at=at)


def _chunks(intents: Sequence[Line], size: int) -> Iterator[list[Line]]:
    iterator = iter(intents)
    while chunk := list(islice(iterator, size)):
        yield chunk
