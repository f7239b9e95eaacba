"""Whether the service lives and can do its work, with the reason for each thing that is wrong."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from crm_steward.connect.spec import ConnectionSettings
from crm_steward.daemon.health import Check
from crm_steward.daemon.heavy import Heavy
from crm_steward.daemon.runner import Runner
from crm_steward.model import Clock, StoreError
from crm_steward.settings import Settings
from crm_steward.store.database import HEAD, Database
from crm_steward.store.halts import Halts
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.restored import RECONCILING, Restored

_SILENCE_SECONDS = 60.0
_LATE = 3
"""A connection is late when this many pulls in a row brought nothing to an end."""
_LATE_AT_LEAST = timedelta(hours=1)


class Readiness:
    """Looks at the service from outside its jobs.

    Args:
        settings: Which connections there are.
        database: The store.
        heavy: Knows the rules that run.
        runner: Knows which jobs are in trouble.
        clock: The time.
        stop: Set when the service is ending.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        heavy: Heavy,
        runner: Runner,
        *,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._database = database
        self._heavy = heavy
        self._runner = runner
        self._clock = clock
        self._stop = stop
        self._beat_at = time.monotonic()

    def beat(self) -> None:
        """Note that the scheduler fires; called by the scheduler itself."""
        self._beat_at = time.monotonic()

    def scheduler_beats(self) -> bool:
        """Return whether the scheduler fired lately."""
        return time.monotonic() - self._beat_at < _SILENCE_SECONDS

    def alive(self) -> list[Check]:
        """Check the process itself: what only a restart would mend."""
        beats = self.scheduler_beats()
        return [Check("scheduler", beats, "" if beats else "it does not fire", vital=True)]

    def ready(self) -> list[Check]:
        """Check what the work needs; what a person must mend degrades, but does not fail."""
        stopping = self._stop.is_set()
        checks = self.alive()
        checks.append(Check("running", not stopping, "stopping" if stopping else "", vital=True))
        broken = self._heavy.rules.broken
        checks.append(Check("rules", not broken, broken))
        try:
            version, states = self._database.version(), Mirror(self._database).states()
            restored = Restored.of(self._database)
        except StoreError as error:
            return [*checks, Check("database", ok=False, why=str(error), vital=True)]
        at_head = version == HEAD
        why = "" if at_head else f"its schema is {version}, this program needs {HEAD}"
        checks.append(Check("database", at_head, why, vital=True))
        why = (
            "" if restored is None else f"{restored.said(self._settings.abilities)}. {RECONCILING}"
        )
        checks.append(Check("reconciled", not why, why))
        halts = Halts(self._database, self._settings.halt.file).standing()
        said = "; ".join(f"{halt.sentence('en')}. {halt.remedy('en')}" for halt in halts)
        checks.append(Check("writing", not halts, said))
        for name, one in self._settings.connections.items():
            if one.enabled:
                state = states.get(name, ConnectionState(connection=name))
                why = trouble_of(one, state, self._clock())
                checks.append(Check(f"connection {name}", not why, why))
        for name, why in self._runner.trouble().items():
            checks.append(Check(f"job {name}", ok=False, why=why))
        return checks


def trouble_of(one: ConnectionSettings, state: ConnectionState, now: datetime) -> str:
    """Return what is wrong with a connection, or nothing.

    Args:
        one: How often it is read.
        state: When it was, and what stands in its way.
        now: The time.
    """
    if state.paused_reason:
        return f"paused: {state.paused_reason}"
    if state.frozen_reason:
        return f"nothing is written to it: {state.frozen_reason}"
    if state.last_success_at is None:
        return "never read to the end yet"
    if now - state.last_success_at > max(one.pull_every * _LATE, _LATE_AT_LEAST):
        return f"last read to the end at {state.last_success_at:%Y-%m-%d %H:%M} UTC"
    return ""
