"""Runs one job: writes down when, sorts what went wrong by who must act, says when it is due again."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog

from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.schedule import Cadence, next_due
from crm_steward.logs import describe
from crm_steward.model import (
    AuthError,
    AwayError,
    BusyError,
    Clock,
    MailError,
    RetryableError,
    StewardError,
    StoreError,
)
from crm_steward.store.jobs import Jobs, JobState
from crm_steward.traces import note, span

_log = structlog.stdlib.get_logger(__name__)

_BUSY_PAUSE = timedelta(minutes=1)
_UNAUTHORIZED_PAUSE = timedelta(hours=1)
"""A refused credential stays refused until a person acts, and asking often can lock an account."""


class Ending(StrEnum):
    """How a job ended."""

    DONE = "done"
    STOPPED = "stopped"
    BUSY = "busy"
    UNAUTHORIZED = "unauthorized"
    FAILED = "failed"
    BUG = "bug"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something the service does again and again.

    Args:
        verb: pull, scan, scan-changed, apply, purge, report, restore-test.
        work: Does it once.
        cadence: How often.
        connection: Which connection it concerns; empty for none.
        pool: Which threads it runs on.
        moment: The next moment at which it must run besides, given the time.
    """

    verb: str
    work: Callable[[], None]
    cadence: Cadence
    connection: str = ""
    pool: str = "default"
    moment: Callable[[datetime], datetime] | None = None

    @property
    def name(self) -> str:
        """`pull:hubspot-eu`, `scan`."""
        return f"{self.verb}:{self.connection}" if self.connection else self.verb


class Runner:
    """Runs jobs and remembers how each stands, on disk and, should that fail, in memory.

    Args:
        jobs: Where the states are kept.
        metrics: What is counted.
        clock: The time.
        stop: Set when the service is asked to stop.
        watched: Whether somebody else looks after the database, and says that it is away.
    """

    def __init__(
        self,
        jobs: Jobs,
        metrics: Metrics,
        clock: Clock,
        stop: threading.Event,
        *,
        watched: bool = False,
    ) -> None:
        self._jobs = jobs
        self._metrics = metrics
        self._clock = clock
        self._stop = stop
        self._watched = watched
        # States are read and written back by whoever runs a job and by whoever calls for one.
        self._lock = threading.Lock()
        self._states = jobs.states()
        self._trouble: dict[str, str] = {}

    def state(self, job: Job) -> JobState:
        """Return where `job` stands."""
        return self._states.get(job.name, JobState())

    def trouble(self) -> dict[str, str]:
        """Return what is wrong with jobs now, by name."""
        return dict(self._trouble)

    def due(self, job: Job) -> datetime:
        """Return when `job` is due."""
        chance = random.random()  # noqa: S311 -- spreads load, guards nothing
        now = self._clock()
        due = next_due(self.state(job), job.cadence, now, chance=chance)
        return min(due, job.moment(now)) if job.moment else due

    def call(self, job: Job) -> None:
        """Let `job` be due until it begins next, also in another process if this one ends."""
        self._change(job, last_attempt_at=None)

    def called(self, job: Job) -> bool:
        """Whether `job` never began, or was called for since."""
        return self.state(job).last_attempt_at is None

    def run(self, job: Job) -> datetime:
        """Run `job` once, whatever comes of it, and return when it is due again."""
        if self._stop.is_set():
            return self.due(job)
        self._change(job, last_attempt_at=self._clock())
        names = {"job": job.name, "job_run": secrets.token_hex(4)}
        begun = time.monotonic()
        with structlog.contextvars.bound_contextvars(**names), span(job.verb, **names):
            ending = self._attempt(job)
            note(outcome=ending.value)
            self._note(job, ending)
        self._metrics.seconds.labels(job.verb).observe(time.monotonic() - begun)
        self._metrics.runs.labels(job.verb, job.connection, ending).inc()
        return self._next(job, ending)

    def _attempt(self, job: Job) -> Ending:
        try:
            job.work()
        except StewardError as error:
            return self._explain(job, error)
        except Exception as error:  # noqa: BLE001 -- one job's bug must not end the others
            # The message of a foreign exception may hold personal data: the log shows its class
            # and where it was raised. The next run goes on.
            said = f"a bug ({describe(error)}): see the log"
            if self._trouble.get(job.name) == said:
                _log.debug("the same bug again", error=describe(error))
            else:
                _log.exception("this is a bug: please report it")
            self._trouble[job.name] = said
            return Ending.BUG
        if self._trouble.pop(job.name, None):
            _log.info("works again")
        return Ending.DONE

    def _explain(self, job: Job, error: StewardError) -> Ending:
        if self._stop.is_set():
            _log.info("stopped; the next run goes on from here")
            return Ending.STOPPED
        if isinstance(error, BusyError):
            _log.info("put off: a command that somebody started is at work", why=str(error))
            return Ending.BUSY
        known = self._trouble.get(job.name) == error.message
        if isinstance(error, StoreError):  # one database for all jobs: one of them says so
            known = error.message in self._trouble.values()
            known = known or (self._watched and isinstance(error, AwayError))
        self._trouble[job.name] = error.message
        if isinstance(error, AuthError):
            _log.debug("the credential is still refused", why=str(error))
            return Ending.UNAUTHORIZED
        say = _log.debug if known else _log.warning
        if not isinstance(error, RetryableError | MailError):
            say = _log.debug if known else _log.error
        say("failed; it is tried again", why=str(error))
        return Ending.FAILED

    def _note(self, job: Job, ending: Ending) -> None:
        if ending is Ending.DONE:
            self._change(job, last_success_at=self._clock(), failures=0)
        elif ending in {Ending.FAILED, Ending.UNAUTHORIZED, Ending.BUG}:
            self._change(job, failures=self.state(job).failures + 1)

    def _next(self, job: Job, ending: Ending) -> datetime:
        pauses = {Ending.BUSY: _BUSY_PAUSE, Ending.UNAUTHORIZED: _UNAUTHORIZED_PAUSE}
        if ending in pauses:
            return self._clock() + pauses[ending]
        return self.due(job)

    def _change(self, job: Job, **parts: Any) -> None:
        with self._lock:
            self._states[job.name] = state = replace(self.state(job), **parts)
            try:
                self._jobs.save(job.name, state)
            except (StoreError, BusyError) as error:
                # The work itself will say so too, once; the state in memory keeps the schedule.
                _log.debug("the job's state could not be written down", why=str(error))
