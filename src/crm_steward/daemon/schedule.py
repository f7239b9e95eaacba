"""When a job is due: computed from what was done, never by counting from the process's start.

A schedule that starts anew with each process never runs what is rarer than the restarts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

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
    if (settings.report.recipients or settings.report.alerts) and settings.mail:
        found["report"] = Cadence(_REPORT_EVERY)
    if settings.service.restore_test:
        found["restore-test"] = Cadence(_TEST_EVERY)
    return found


def next_due(state: JobState, cadence: Cadence, now: datetime, *, chance: float = 0.0) -> datetime:
    """Return when the job is due: at once if it never ran or its time passed while we were away.

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
