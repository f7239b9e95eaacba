"""When a job is due: computed from what was done, never by counting from the process's start.

A schedule that starts anew with each process never runs what is rarer than the restarts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from crm_steward.model import Clock
from crm_steward.report.weeks import Week
from crm_steward.settings import Report, Settings
from crm_steward.store.jobs import JobState

_MAX_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a job runs.

    Args:
        every: The time from one success to the next run.
        retry: The pause after a first failure; doubled with each further one, up to `every`.
        jitter: How much may be added to `every`, as a share of it, so that many services do not
            ask at the same second.
    """

    every: timedelta
    retry: timedelta = timedelta(minutes=1)
    jitter: float = 0.05


_TOLERATED = timedelta(minutes=1)
"""How far a clock may be set back that is being set right bit by bit."""


@dataclass(slots=True)
class Setback:
    """Notices that the clock was set back, by one that does not jump.

    Args:
        clock: The time.
        steady: Seconds since some moment; only ever grows, second by second.
    """

    clock: Clock
    steady: Callable[[], float] = time.monotonic
    _shown: datetime = field(init=False)
    _passed: float = field(init=False)

    def __post_init__(self) -> None:
        self._shown, self._passed = self.clock(), self.steady()

    def happened(self) -> bool:
        """Whether it was set back since this was last asked."""
        shown, passed = self.clock(), self.steady()
        back = self._shown + timedelta(seconds=passed - self._passed) - shown
        self._shown, self._passed = shown, passed
        return back > _TOLERATED


_REPORT_EVERY = timedelta(minutes=10)
_SETTLE_EVERY = timedelta(hours=1)
_PURGE_EVERY = timedelta(days=1)
_TEST_EVERY = timedelta(days=1)
"""How often the service looks whether a backup is to be tested."""


def cadences(settings: Settings) -> dict[str, Cadence]:
    """Return how often each job of the service runs, by its name."""
    scans = Cadence(settings.service.scan_every)
    found = {
        f"pull:{name}": Cadence(one.pull_every)
        for name, one in settings.connections.items()
        if one.enabled
    }
    found |= {
        # Settles at the start what a crash left open; later the scans call it.
        "apply": Cadence(_SETTLE_EVERY),
        "scan": scans,
        # Called for by the pulls that changed something.
        "scan-changed": scans,
        "purge": Cadence(_PURGE_EVERY),
    }
    if settings.report.mailed and settings.mail:
        found["report"] = Cadence(_REPORT_EVERY)
    if settings.service.restore_test:
        found["restore-test"] = Cadence(_TEST_EVERY)
    return found


def next_due(state: JobState, cadence: Cadence, now: datetime, *, chance: float = 0.0) -> datetime:
    """Return when the job is due: at once if it never ran, is called for, or its time has passed.

    Args:
        state: What was done.
        cadence: How often it runs.
        now: The time.
        chance: Between 0 and 1: which part of the jitter is added.
    """
    whole = cadence.every * (1 + cadence.jitter * chance)
    if state.last_attempt_at is None:
        return now
    succeeded = state.last_success_at
    if state.failures == 0 and succeeded is not None and succeeded >= state.last_attempt_at:
        due = succeeded + whole
    else:
        # Failed, or interrupted by a crash: a job that kills the process must not do so in a loop.
        doublings = min(max(state.failures - 1, 0), _MAX_DOUBLINGS)
        due = state.last_attempt_at + min(cadence.retry * 2**doublings, whole)
    # A clock that was set back must not leave the job waiting for the time it showed before.
    return max(now, min(due, now + whole))


def next_report(now: datetime, report: Report, zone: tzinfo) -> datetime:
    """Return the next moment, in UTC, at which a weekly report falls due."""
    week = Week.of(now.astimezone(zone).date())
    return next(
        due
        for shift in (-1, 0, 1, 2)
        if (due := week.shifted(shift).due(report.day, report.at, zone)) > now
    )
