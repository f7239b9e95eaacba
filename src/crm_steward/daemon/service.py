"""The service: puts schedule, work, health and signals together, and ends them in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import structlog

from crm_steward import __version__
from crm_steward.daemon.alone import alone
from crm_steward.daemon.apart import Apart
from crm_steward.daemon.health import HealthServer
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.notify import Notifier
from crm_steward.daemon.readiness import Readiness
from crm_steward.daemon.runner import Job, Runner
from crm_steward.daemon.schedule import Setback, cadences, next_report
from crm_steward.daemon.signals import answer
from crm_steward.daemon.timetable import Timetable
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
            timetable = Timetable(
                runner,
                metrics,
                self._clock,
                self._stop,
                rest=partial(_rest, database),
            )
            work = Work(
                self._settings,
                database,
                heavy,
                metrics,
                clock=self._clock,
                stop=self._stop,
                nudge=timetable.nudge,
            )
            for job in self._jobs(work):
                timetable.add(job)
            work.take_up()
            timetable.start(ready.beat)
            try:
                self._say_started(heavy.rules.count, health.port)
                self._watch(lease, ready, health, timetable)
            finally:
                self.clean = self._end(timetable)
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

    def _say_started(self, rules: int, port: int | None) -> None:
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

    def _watch(
        self, lease: Lease | None, ready: Readiness, health: HealthServer, timetable: Timetable
    ) -> None:
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
                timetable.set_right()
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

    def _end(self, timetable: Timetable) -> bool:
        """Tell that it ends; return whether every job came to its end."""
        self._stop.set()
        self._notifier.renewing() if self.renewing else self._notifier.stopping()
        return timetable.end()


def _rest(database: Database) -> None:
    """Give back what nobody needs while no job runs."""
    database.rest()
    trim()
