"""The writer's lease, shared by the jobs of this process, held only while one of them needs it.

Commands that a person starts need the same lease; between jobs they get it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from crm_steward.model import Clock
from crm_steward.store.database import Database
from crm_steward.store.lease import Lease, hold


class SharedLease:
    """Takes the lease for the first job that needs it and releases it after the last.

    Args:
        database: The store.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._users = 0
        self._held = ExitStack()
        self._lease: Lease | None = None

    @contextmanager
    def use(self) -> Iterator[Lease]:
        """Hold the lease while the block runs.

        Raises:
            BusyError: Another process holds it, such as a command that a person started.
        """
        with self._lock:
            if self._lease is None:
                self._lease = self._held.enter_context(hold(self._database, clock=self._clock))
            self._users += 1
            lease = self._lease
        try:
            yield lease
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._lease = None
                    self._held.close()
