"""Alone: one service works on a database at a time, and its death is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from crm_steward.model import AwayError, BusyError, Clock, StoreError
from crm_steward.store.database import Database
from crm_steward.store.lease import Lease, hold

_log = structlog.stdlib.get_logger(__name__)

LEASE = timedelta(seconds=20)
"""With a step of waiting it makes less than the 30 seconds within which another takes over."""


@contextmanager
def alone(database: Database, clock: Clock) -> Iterator[Lease | None]:
    """Be the only service on this database while the block runs.

    On SQLite the operating system's lock on a file beside the database tells, which a crash
    releases at once; on PostgreSQL a lease, which a crash elsewhere releases within half a minute.

    Raises:
        BusyError: Another one runs.
    """
    if database.dialect != "sqlite":
        with ExitStack() as held:
            lease = held.enter_context(hold(database, "service", clock=clock, ttl=LEASE))
            yield lease
            try:
                held.close()
            except AwayError as error:
                # Who comes next waits for its end, as after a crash.
                _log.warning("the lease of the service is left to run out", why=error.message)
        return
    if database.path is None:
        yield None
        return
    with locked(database.path):
        yield None


_NO_LOCK = "The lock file {path} cannot be written: {said}."
_RIGHT = "Give this user the right to write in the database's folder."


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the lock beside a SQLite file, whether or not that can be opened.

    Raises:
        BusyError: A service runs on it.
        StoreError: The lock cannot be written.
    """
    path = f"{database}.lock"
    try:
        lock = FileLock(path, timeout=0, mode=0o600)
        lock.acquire()
    except Timeout as error:
        if not Path(path).exists():
            raise StoreError(
                _NO_LOCK.format(path=path, said="it is not made"), hint=_RIGHT
            ) from error
        raise BusyError(
            f"Another crm-steward runs on this database ({path} is locked).",
            hint="Stop it first; one service per database is enough.",
        ) from error
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise StoreError(_NO_LOCK.format(path=path, said=said), hint=_RIGHT) from error
    try:
        yield
    finally:
        lock.release()
