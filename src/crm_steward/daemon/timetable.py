"""Timetable: when each job runs next; it never runs twice at once, and no call for it gets lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.runner import Ending, Job, Runner
from crm_steward.daemon.waiting import STEP
from crm_steward.model import Clock

_log = structlog.stdlib.get_logger(__name__)

STOP_WITHIN = timedelta(seconds=8)
"""How long jobs have to come to a safe point; the rest of ten seconds is for closing."""

_PULLS_AT_ONCE = 4
_HEART = "heart"


class _Again(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Wakes a job up again some time after it did, once, however often that time has passed since.

    APScheduler's own interval lists each moment that was missed: of a machine that starts with the
    clock of 1970 and is set right, so many that memory runs out.
    """

    def __init__(self, every: timedelta) -> None:
        self._every = max(every, timedelta(seconds=1))

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Return when, given the time, in UTC: elsewhere an hour comes twice, or not at all."""
        return now.astimezone(UTC) + self._every


class Timetable:
    """Runs jobs at their times, in threads.

    The scheduler wakes jobs up; whether one runs is decided here, under one lock, for a job may be
    woken up twice for one reason: by its interval, by a call, while it runs or waits for a thread.

    Args:
        runner: Runs a job, and says when it is due.
        metrics: What is counted.
        clock: The time.
        stop: Set when the service is asked to stop: no job begins any more.
        rest: Called when no job runs any more.
    """

    def __init__(
        self,
        runner: Runner,
        metrics: Metrics,
        clock: Clock,
        stop: threading.Event,
        *,
        rest: Callable[[], None],
    ) -> None:
        self._runner = runner
        self._metrics = metrics
        self._clock = clock
        self._stop = stop
        self._rest = rest
        # Taken before the scheduler's own locks, never while one of them is held.
        self._lock = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._planned: dict[str, datetime] = {}
        self._running: set[str] = set()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={
                "default": ThreadPoolExecutor(1),  # scan, apply, report: one after the other
                "pull": ThreadPoolExecutor(_PULLS_AT_ONCE),
                _HEART: ThreadPoolExecutor(1),
            },
            # A job that waited for a thread is still run: when it is due is our own table's word.
            # Two at once, of which one does nothing: a run that has just ended still counts for the
            # scheduler, which would drop a wake-up at that moment.
            job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._dropped, EVENT_JOB_MAX_INSTANCES)

    def add(self, job: Job) -> None:
        """Take up a job; it runs when it is due, from the start on."""
        self._metrics.expect(job.verb, job.connection, Ending)
        self._jobs[job.name] = job
        self._planned[job.name] = due = self._runner.due(job)
        self._scheduler.add_job(
            self._fire,
            _Again(job.cadence.every),
            args=[job],
            id=job.name,
            executor=job.pool,
            next_run_time=due,
        )

    def start(self, beat: Callable[[], None]) -> None:
        """Begin; `beat` is called every few seconds, as a sign that jobs are woken up."""
        self._scheduler.add_job(
            beat,
            _Again(STEP),
            id=_HEART,
            executor=_HEART,
            next_run_time=datetime.now(UTC),
        )
        self._scheduler.start()

    def nudge(self, name: str) -> None:
        """Let a job run now, or once more if it runs: what it depends on has just changed.

        The call is kept until the job begins, also beyond the end of the service.
        """
        job = self._jobs.get(name)
        if job is None:  # it is not scheduled with these settings
            return
        self._runner.call(job)
        with self._lock:
            if name not in self._running:
                self._plan(job, self._clock())

    def set_right(self) -> None:
        """Let no job wait for a time that a clock has shown which was set back since."""
        _log.warning("the clock was set back: what waits for a time that it showed waits no longer")
        with self._lock:
            for job in self._jobs.values():
                self._plan(job, self._runner.due(job))
        self._wake(_HEART, datetime.now(UTC))

    def end(self) -> bool:
        """Stop, and wait for the jobs under way as long as there is time; return whether all ended."""
        if not self._scheduler.running:
            return True
        _log.info("stopping; jobs come to their next safe point")
        self._scheduler.pause()
        begun = time.monotonic()
        # Not while the scheduler shuts down: it holds its lock then, and a job that ends wants it.
        with self._lock:
            ended = self._lock.wait_for(lambda: not self._running, STOP_WITHIN.total_seconds())
        self._scheduler.shutdown(wait=ended)
        _log.debug("jobs ended", seconds=round(time.monotonic() - begun, 2))
        return ended

    def _fire(self, job: Job) -> None:
        """Run a job that was woken up, if it is its turn."""
        with self._lock:
            # From here on nothing is planned any more: who shuts the scheduler down holds the lock
            # that this takes, and waits for this thread.
            if self._stop.is_set() or not self._begins(job):
                return
        due: datetime | None = None
        try:
            due = self._runner.run(job)
        finally:
            with self._lock:
                self._running.discard(job.name)
                if not self._stop.is_set():
                    self._plan(job, self._runner.due(job) if due is None else due)
                resting = not self._running
                self._lock.notify_all()
        if resting and not self._stop.is_set():
            self._rest()

    def _begins(self, job: Job) -> bool:
        """Note that a job runs, unless it does already or has run while this waited for a thread."""
        if job.name in self._running:
            self._skip(job)
            return False
        planned = self._planned[job.name]
        late = (self._clock() - planned).total_seconds()
        if late < 0:
            self._wake(job.name, planned)
            return False
        self._metrics.lag.labels(job.name).set(late)
        self._running.add(job.name)
        return True

    def _plan(self, job: Job, due: datetime) -> None:
        """Let a job run when it is due, or now if it is called for."""
        self._planned[job.name] = due = self._clock() if self._runner.called(job) else due
        self._wake(job.name, due)

    def _wake(self, name: str, at: datetime) -> None:
        try:
            self._scheduler.modify_job(name, next_run_time=at)
        except JobLookupError:
            _log.debug("the job is not scheduled any more", job=name)

    def _dropped(self, event: JobSubmissionEvent) -> None:
        if job := self._jobs.get(event.job_id):
            self._skip(job)

    def _skip(self, job: Job) -> None:
        self._metrics.skipped.labels(job.verb, "still running").inc()
