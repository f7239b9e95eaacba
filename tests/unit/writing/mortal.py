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
    """The process dies."""


class Mortal(Database):
    """A database of a process that can die at its n-th step."""

    dies_at: int = -1
    step: int = 0
    dead: bool = False

    def live(self, _step: str = "") -> None:
        """Take a step, or die; the dead take no step."""
        if self.dead or self.step == self.dies_at:
            self.dead = True
            raise Crash
        self.step += 1

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with super().write() as connection:
            self.live()
            yield connection
            self.live()
        if self.dead:
            raise Crash
        self.live()


def unsynced(connection: Any, _record: object) -> None:
    """Spare the disk: what dies here is a process, not the machine."""
    connection.execute("PRAGMA synchronous = OFF")


def bury(database: Database) -> None:
    """Leave the lease to a process that no longer lives."""
    here = Holder.here()
    dead = Holder(here.host, here.pid, here.place, "0")
    with database.write() as writing:
        writing.execute(sa.update(leases).where(leases.c.holder != "").values(holder=str(dead)))
