"""Halting: what must not be written now, and stopping by itself when too many changes fail.

A CRM that refuses change after change, or records that were edited since the plan was made, say
that something is wrong which a limit does not see: writing to that connection stops, and one
change is tried again later. Undoing is judged by refusals only: that somebody edited a record since
is what undo is meant to respect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from crm_steward.model import Cause, Clock, Halt, stopping
from crm_steward.settings import Halting
from crm_steward.store.halts import Halts
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import Lease
from crm_steward.store.mirror import ConnectionState
from crm_steward.store.setback import Noticed, after
from crm_steward.store.tables import journal as lines
from crm_steward.writing.withheld import Why

OURSELVES = "crm-steward"
"""Who stops and resumes when no person does."""
_TAKEN = "one change was taken"


def closed(state: ConnectionState | None) -> tuple[Why, str] | None:
    """Return why nothing is written to a connection that needs a look, or None."""
    if state is not None and state.frozen_reason:
        return Why.FROZEN, state.frozen_reason
    if state is not None and state.paused_reason:
        return Why.PAUSED, state.paused_reason
    return None


@dataclass(slots=True)
class Breaker:
    """Watches how the changes of one connection end, and stops writing to it.

    Args:
        connection: The connection.
        journal: What became of earlier changes.
        lease: Held while this runs.
        bounds: How many failures are too many.
        clock: The time.
        turned: Told when it stops or resumes.
    """

    connection: str
    journal: Journal
    lease: Lease
    bounds: Halting
    clock: Clock
    turned: Callable[[Halt], None]
    _halts: Halts = field(init=False)
    _day: list[bool] = field(default_factory=list, init=False)
    """Of the window: whether each change failed, in the order they were begun."""
    _run: list[bool] = field(default_factory=list, init=False)
    """Of this run, the same."""

    def __post_init__(self) -> None:
        self._halts = Halts(self.journal.database, self.bounds.file)
        self._day += _ended(self.journal, self.connection, self.bounds, self._halts, self.clock)
        self._judge()

    def trial(self, rule: str, key: str) -> Halt | None:
        """Let one change go while writing is stopped, when it is time, and nothing else stops it.

        Args:
            rule: The rule that asks for it.
            key: Its key.

        Returns:
            The halt that it is tried under; None when there is nothing to try.
        """
        now = self.clock()
        halts = self._halts.standing()
        due = next((h for h in halts if h.connection == self.connection and h.due(now)), None)
        others = tuple(halt for halt in halts if halt is not due)
        if due is None or stopping(others, self.connection, rule, key):
            return None
        # The next trial is put off before this one: a crash in it must not make it endless.
        self._halts.claim(due, key, now + self.bounds.retry_after, self.lease)
        return due

    def tried(self, halt: Halt, state: State | None) -> None:
        """Resume when the change that was tried took effect."""
        if state is State.VERIFIED:
            self._day.clear()
            self._run.clear()
            now = self.clock()
            ended = self._halts.end(
                self.connection, "", by=OURSELVES, reason=_TAKEN, at=now, only=halt
            )
            for one in ended:
                self.turned(one)
        else:
            self._halts.claim(halt, "", self.clock() + self.bounds.retry_after, self.lease)

    def count(self, ended: Iterable[tuple[bool, State | None]]) -> None:
        """Count how changes ended, in the order they were begun, and stop when too many failed.

        Args:
            ended: Of each, whether it took something back, and how it ended; None: not tried.
        """
        judged = [
            failed for undo, state in ended if (failed := _failed(state, undo=undo)) is not None
        ]
        self._day += judged
        self._run += judged
        if judged:
            self._judge()

    def _judge(self) -> None:
        found = self._too_many()
        if found is None:
            return
        stopped = (h.automatic and h.connection == self.connection for h in self._halts.standing())
        if any(stopped):
            return
        cause, figures = found
        now = self.clock()
        halt = Halt(
            connection=self.connection,
            cause=cause,
            reason=figures,
            by=OURSELVES,
            at=now,
            retry_at=now + self.bounds.retry_after,
        )
        self._halts.stop(halt)
        self.turned(halt)

    def _too_many(self) -> tuple[Cause, str] | None:
        """Return which bound the failures exceed, with the figures, or None."""
        row = self.bounds.failures_in_a_row
        if len(self._day) >= row and all(self._day[-row:]):
            return Cause.ROW, str(row)
        for ended in (self._run, self._day):
            failed, whole = sum(ended), len(ended)
            if whole >= self.bounds.counted_from and failed * 100 > self.bounds.percent * whole:
                return Cause.SHARE, f"{failed}/{whole}"
        return None


def _failed(state: State | None, *, undo: bool) -> bool | None:
    """Return whether a change failed; None where its end says nothing of the connection."""
    if state is State.VERIFIED:
        return False
    if state is State.REJECTED or (state is State.CONFLICT and not undo):
        return True
    return None


def _ended(
    journal: Journal, connection: str, bounds: Halting, halts: Halts, clock: Clock
) -> Sequence[bool]:
    """Return how the changes of the window ended, since writing was last resumed."""
    now = clock()
    since = max(
        [
            now - bounds.window,
            *(
                halt.ended_at
                for halt in halts.all()
                if halt.connection == connection and halt.automatic and halt.ended_at is not None
            ),
        ]
    )
    query = (
        sa.select(lines.c.key, lines.c.state, lines.c.undoes)
        .where(lines.c.connection == connection)
        .order_by(lines.c.seq)
    )
    ends: dict[str, bool | None] = {}
    with journal.database.read() as reading:
        recent = after(since, now, Noticed.within(reading))
        for key, state, undoes in reading.execute(query.where(recent)):
            if state == State.INTENT:
                ends.pop(key, None)  # at its new place in the order
            ends[key] = _failed(State(state), undo=undoes is not None)
    return [failed for failed in ends.values() if failed is not None]
