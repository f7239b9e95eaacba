"""A process that can die at each of its steps, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from crm_steward.store.database import Database
from crm_steward.store.lease import Holder
from crm_steward.store.tables import leases


class Crash(BaseException):
    """The process dies: no `except Exception` of ours sees it."""


class Mortal(Database):
    """A database of a process that can die at its n-th step.

    Attributes:
        dies_at: The step at which it dies, counted from 0; -1: never.
        step: How many steps it has taken.
        dead: Whether it died: from then on it takes no step, and commits nothing.
    """

    dies_at: int = -1
    step: int = 0
    dead: bool = False

    def live(self, _step: str = "") -> None:
        """Take a step, or die; the dead take no step.

        Raises:
            Crash: It is dead.
        """
        if self.dead or self.step == self.dies_at:
            self.dead = True
            raise Crash
        self.step += 1

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[sa.Connection]:
        """Give a write transaction, with a step at its beginning, before its commit and after."""
        with super().write(fenced=fenced) as connection:
            self.live("begin")
            yield connection
            self.live("commit")
        if self.dead:
            raise Crash
        self.live("committed")

    def rise(self) -> None:
        """Begin anew, as the next process: the lease is left to one that no longer lives."""
        self.dead, self.dies_at = False, -1
        bury(self)


def spared(database: Database) -> None:
    """Spare the disk: what dies here is a process, not the machine."""
    sa.event.listen(database.engine, "connect", unsynced)
    database.engine.dispose()  # those that are open already


def unsynced(connection: Any, _record: object) -> None:
    """Let one connection wait for no disk, as a listener of an engine's `connect`.

    What it has to undo is kept in memory: the process that is said to die undoes it itself.
    """
    connection.execute("PRAGMA synchronous = OFF").close()
    connection.execute("PRAGMA journal_mode = MEMORY").close()


def bury(database: Database) -> None:
    """Leave the lease to a process that no longer lives."""
    here = Holder.here()
    dead = Holder(here.host, here.pid, here.place, "0")
    with database.write() as writing:
        writing.execute(sa.update(leases).where(leases.c.holder != "").values(holder=str(dead)))
