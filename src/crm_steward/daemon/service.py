"""The service: puts schedule, work, health and signals together, and ends them in order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from crm_steward import __version__
from crm_steward.daemon.alone import alone
from crm_steward.daemon.apart import Apart
from crm_steward.daemon.health import HealthServer
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.notify import Notifier
from crm_steward.daemon.readiness import Readiness
from crm_steward.daemon.runner import Ending, Job, Runner
from crm_steward.daemon.schedule import Setback, cadences, next_report
from crm_steward.daemon.signals import answer
from crm_steward.daemon.trimming import trim
from crm_steward.daemon.waiting import DATABASE, STEP, TURN, Waiting
from crm_steward.daemon.work import Work
from crm_steward.model import (
    AwayError,
    BusyError,
    Clock,
    ConfigError,
    EndedError,
    StoreError,
    utc_now,
)
from crm_steward.settings import Settings, load_settings
from crm_steward.store.database import Database
from crm_steward.store.jobs import Jobs
from crm_steward.store.lease import Lease
from crm_steward.store.rulebooks import Rulebooks
from crm_steward.traces import exporting

_log = structlog.stdlib.get_logger(__name__)

STOP_WITHIN = timedelta(seconds=8)
"""How long jobs have to come to a safe point; the rest of ten seconds is for closing."""

_PULLS_AT_ONCE = 4


class Service:
    """The background service on one database.

    Args:
        settings: What to do.
        config: The file they were read from; None leaves SIGHUP without effect.
        clock: The time.
        notifier: Tells systemd.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        config: Path | None = None,
        clock: Clock = utc_now,
        notifier: Notifier | None = None,
    ) -> None:
        self._settings = settings
        self._config = config
        self._clock = clock
        self._notifier = notifier or Notifier()
        self._stop = threading.Event()
        self._stopped = threading.Event()
        self._hung_up = threading.Event()
        self._renewing = False
        self.clean = True
        """Whether every job came to its end. If not, its threads still wait for an answer; what
        they were writing is settled at the next start."""
        self._waiting = Waiting(
            settings.service.listen, self._notifier, self._stop, renew=self._renew
        )
        self._lock = threading.Condition()
        self._running: set[str] = set()
        self._wanted: set[str] = set()
        self._due: dict[str, Callable[[], datetime]] = {}
        self._planned: dict[str, datetime] = {}
        self._scheduler = BackgroundScheduler(
            timezone=settings.timezone,
            executors={
                "default": ThreadPoolExecutor(1),  # scan, apply, report: one after the other
                "pull": ThreadPoolExecutor(_PULLS_AT_ONCE),
                "heart": ThreadPoolExecutor(1),
            },
            # A job that waited for a thread is still run: when it is due is our own table's word.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def stop(self) -> None:
        """Ask the service to end, also while it ends to begin anew; any thread may."""
        self._stopped.set()
        self._stop.set()

    def reread(self) -> None:
        """Ask the service to take up its settings anew; any thread may."""
        self._hung_up.set()

    @property
    def renewing(self) -> bool:
        """Whether it ended only to begin anew with other settings."""
        return self._renewing and not self._stopped.is_set()

    def run(self) -> None:
        """Work until asked to stop, or until another took over; `clean` says how jobs ended.

        Raises:
            BusyError: Another instance runs on this database, or took over.
            ConfigError: The rules are wrong, or the port may not be opened.
            StoreError: The database cannot be used.
        """
        with ExitStack() as held:
            held.enter_context(exporting(self._settings.service.traces, __version__))
            answer(stop=self.stop, reread=self.reread)
            database = self._waiting.until(lambda: self._open(held), DATABASE, AwayError)
            if database is None:
                return
            database.examine()
            heavy = Apart(
                self._settings, Rulebooks(database).last(), clock=self._clock, stop=self._stop
            )
            try:
                heavy.read()
            except EndedError:
                if self._stop.is_set():
                    return
                raise
            lease = self._lead(held, database)
            if self._stop.is_set():
                return
            metrics = Metrics(
                database,
                clock=self._clock,
                stop_file=self._settings.halt.file,
                cadences=cadences(self._settings),
            )
            runner = Runner(
                Jobs(database), metrics, self._clock, self._stop, watched=lease is not None
            )
            ready = Readiness(
                self._settings, database, heavy, runner, clock=self._clock, stop=self._stop
            )
            health = HealthServer(
                self._settings.service.listen,
                alive=ready.alive,
                ready=ready.ready,
                registry=metrics.registry,
            )
            held.callback(health.stop)
            health.start()
            work = Work(
                self._settings,
                database,
                heavy,
                metrics,
                clock=self._clock,
                stop=self._stop,
                nudge=self._nudge,
            )
            self._schedule(self._jobs(work), runner, metrics, ready, partial(_rest, database))
            self._begin(heavy.rules.count, health.port)
            try:
                self._watch(lease, ready, health)
            finally:
                self.clean = self._end()
        _log.info("stopped", clean=self.clean)

    def _open(self, held: ExitStack) -> Database | None:
        """Open the database; None when asked to stop meanwhile."""
        before = Apart(self._settings, None, clock=self._clock, stop=self._stop)
        try:
            opened = Database.open(self._settings.database, migrate=before.migrate)
        except EndedError:
            if self._stop.is_set():
                return None
            raise
        return held.enter_context(opened)

    def _lead(self, held: ExitStack, database: Database) -> Lease | None:
        """Be the only service at work; where the settings say so, wait for the one that is.

        Returns when asked to stop, too.

        Raises:
            BusyError: Another one works, and this one is not to wait for its end.
        """
        if not self._settings.service.standby:
            return held.enter_context(alone(database, self._clock))
        return self._waiting.until(
            lambda: held.enter_context(alone(database, self._clock)), TURN, BusyError, StoreError
        )

    def _renew(self) -> None:
        """After SIGHUP: end, to begin anew with the settings as they are now, unless they are wrong."""
        if not self._hung_up.is_set() or self._config is None:
            return
        self._hung_up.clear()
        try:
            load_settings(self._config)
        except ConfigError as error:
            _log.error(
                "the settings are wrong; the service goes on with those it has", why=str(error)
            )
            return
        _log.info("the settings were read again; the service begins anew with them")
        self._renewing = True
        self._stop.set()

    def _jobs(self, work: Work) -> Iterator[Job]:
        report = self._settings.report
        verbs: dict[str, Callable[[], None]] = {
            "apply": work.apply,
            "scan": work.scan,
            "scan-changed": work.scan_changed,
            "purge": work.purge,
            "report": work.report,
            "restore-test": work.restore_test,
        }
        for name, cadence in cadences(self._settings).items():
            verb, _, connection = name.partition(":")
            yield Job(
                verb=verb,
                connection=connection,
                work=partial(work.pull, connection) if connection else verbs[verb],
                cadence=cadence,
                pool="pull" if connection else "default",
                moment=partial(next_report, report=report, zone=self._settings.timezone)
                if verb == "report"
                else None,
            )

    def _schedule(
        self,
        jobs: Iterator[Job],
        runner: Runner,
        metrics: Metrics,
        ready: Readiness,
        rest: Callable[[], None],
    ) -> None:
        def fire(job: Job) -> None:
            late = (self._clock() - self._planned[job.name]).total_seconds()
            metrics.lag.labels(job.name).set(max(late, 0))
            with self._lock:
                self._running.add(job.name)
                self._wanted.discard(job.name)
            due = runner.run(job)
            with self._lock:
                self._running.discard(job.name)
                due = self._clock() if job.name in self._wanted else due
                self._lock.notify_all()
                resting = not self._running
            if not self._stop.is_set():
                self._move(job.name, due)
                if resting:
                    rest()

        def skipped(event: JobExecutionEvent) -> None:
            reason = "still running" if event.code == EVENT_JOB_MAX_INSTANCES else "missed"
            metrics.skipped.labels(str(event.job_id).partition(":")[0], reason).inc()

        for job in jobs:
            metrics.expect(job.verb, job.connection, Ending)
            self._due[job.name] = partial(runner.due, job)
            self._planned[job.name] = due = runner.due(job)
            self._scheduler.add_job(
                fire,
                IntervalTrigger(seconds=max(1, int(job.cadence.every.total_seconds()))),
                args=[job],
                id=job.name,
                executor=job.pool,
                next_run_time=due,
            )
        self._scheduler.add_job(
            ready.beat,
            IntervalTrigger(seconds=int(STEP.total_seconds())),
            id="heart",
            executor="heart",
            next_run_time=datetime.now(self._settings.timezone),
        )
        self._scheduler.add_listener(skipped, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)

    def _begin(self, rules: int, port: int | None) -> None:
        self._scheduler.start()
        enabled = [name for name, one in self._settings.connections.items() if one.enabled]
        _log.info(
            "started",
            version=__version__,
            pid=os.getpid(),
            connections=enabled,
            rules=rules,
            port=port,
        )
        if self._settings.report.mailed and not self._settings.mail:
            _log.warning("no report is sent: there are recipients, but no `mail:` server")
        self._notifier.ready()
        connections = "connection" if len(enabled) == 1 else "connections"
        self._notifier.status(f"{len(enabled)} {connections}, {rules} rules")

    def _watch(self, lease: Lease | None, ready: Readiness, health: HealthServer) -> None:
        """Keep the lease and give signs of life until asked to stop."""
        watchdog = self._notifier.watchdog or STEP * 2
        step = min(STEP, watchdog / 2).total_seconds()
        away, setback = False, Setback(self._clock)
        while not self._stop.wait(step):
            if ready.scheduler_beats():
                self._notifier.alive()
            self._renew()
            health.keep()
            if setback.happened():
                self._set_right()
            try:
                if lease:
                    lease.keep()
            except StoreError as error:
                if not away:
                    _log.error("the database is away; the service waits for it", why=str(error))
                away = True
                continue
            if away:
                _log.info("the database is back")
            away = False

    def _end(self) -> bool:
        """Stop the schedule and wait for the jobs under way, as long as there is time."""
        self._stop.set()
        self._notifier.renewing() if self.renewing else self._notifier.stopping()
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

    def _move(self, name: str, due: datetime) -> None:
        self._planned[name] = due
        try:
            self._scheduler.modify_job(name, next_run_time=due)
        except JobLookupError:
            _log.debug("the job is not scheduled any more", job=name)

    def _set_right(self) -> None:
        """Let no job wait for a time that a clock has shown which was set back since."""
        _log.warning("the clock was set back: what waits for a time that it showed waits no longer")
        for name, due in self._due.items():
            self._move(name, due())
        self._move("heart", datetime.now(self._settings.timezone))

    def _nudge(self, name: str) -> None:
        """Let a job run now, or once more if it runs: what it depends on has just changed."""
        with self._lock:
            self._wanted.add(name)
            running = name in self._running
        if not running:
            self._move(name, self._clock())


def _rest(database: Database) -> None:
    """Give back what nobody needs while no job runs."""
    database.rest()
    trim()
