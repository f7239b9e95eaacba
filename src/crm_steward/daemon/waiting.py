"""Waiting: for a database that is away, or for another service's end; it answers and obeys meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Gauge

from crm_steward import __version__
from crm_steward.daemon.health import Check, HealthServer
from crm_steward.daemon.notify import Notifier
from crm_steward.model import StewardError

_log = structlog.stdlib.get_logger(__name__)

STEP: Final = timedelta(seconds=5)
"""How often it is tried again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What is waited for, and how that is told.

    Args:
        status: In one line, for systemd.
        event: What the log says of it.
        alarming: Whether somebody must act; else all is as it should be.
        check: What `/healthz` and `/readyz` name it.
        why: What they say of it; empty: what was raised.
        over: What the log says once it does; empty: what begins then says so itself.
        gauge: A figure for `/metrics`, what it means, and its value.
    """

    status: str
    event: str
    alarming: bool
    check: str
    why: str = ""
    over: str = ""
    gauge: tuple[str, str, int]


DATABASE = Cause(
    status="waiting for the database",
    event="the database is away; the service waits for it",
    alarming=True,
    check="database",
    over="the database is back",
    gauge=("crm_steward_database_up", "1 while the database can be read.", 0),
)
TURN = Cause(
    status="standing by",
    event="standing by, to take over when it ends",
    alarming=False,
    check="standby",
    why="standing by: another instance works, and this one takes over when it ends",
    gauge=("crm_steward_standby", "1 while another one works.", 1),
)


class Waiting:
    """Tries something until it succeeds.

    Args:
        listen: Where it answers meanwhile.
        notifier: Tells systemd.
        stop: Set when the service is asked to end.
        renew: Called now and then, for what else the service may be asked.
    """

    def __init__(
        self,
        listen: str,
        notifier: Notifier,
        stop: threading.Event,
        renew: Callable[[], None],
    ) -> None:
        self._listen = listen
        self._notifier = notifier
        self._stop = stop
        self._renew = renew

    def until(self, begin: Callable[[], T], cause: Cause, *errors: type[StewardError]) -> T | None:
        """Return what `begin` returns once it does, or None when asked to end.

        Args:
            begin: What is tried.
            cause: Why it may not succeed yet.
            errors: What it raises then. Anything else is passed on.
        """
        said, health = "", None
        with ExitStack() as answering:
            while not self._stop.is_set():
                try:
                    begun = begin()
                except errors as error:
                    if health is None:
                        health = self._answer(answering, cause, error)
                    if error.message != said:
                        say = _log.error if cause.alarming else _log.info
                        why = str(error) if cause.alarming else error.message
                        say(cause.event, why=why)
                    said = error.message
                else:
                    if said and cause.over:
                        _log.info(cause.over)
                    return begun
                if health is not None:
                    health.keep()
                self._notifier.alive()
                self._renew()
                self._stop.wait(STEP.total_seconds())
        return None

    def _answer(self, answering: ExitStack, cause: Cause, error: StewardError) -> HealthServer:
        """Answer that it is well, and waits."""
        name, about, value = cause.gauge
        registry = CollectorRegistry()
        Gauge(name, about, registry=registry).set(value)
        if cause.alarming:  # it is there to be asked; who stands by leaves that to the one at work
            shown = Gauge(
                "crm_steward_info", "The running version.", ["version"], registry=registry
            )
            shown.labels(__version__).set(1)
        why = cause.why or str(error)
        waits = Check(cause.check, ok=not cause.alarming, why=why, vital=True)
        lives = Check(cause.check, ok=True, why=why, vital=True)
        health = HealthServer(
            self._listen, alive=lambda: [lives], ready=lambda: [waits], registry=registry
        )
        answering.callback(health.stop)
        health.start()
        self._notifier.ready()
        self._notifier.status(cause.status)
        return health
