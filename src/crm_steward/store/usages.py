"""What was used of the accounts' quotas, by the hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_steward.connect.calls import Calls, Usage
from crm_steward.model import BusyError, Clock, StewardError, StoreError
from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import usages

_KEPT = timedelta(days=400)


class Usages:
    """Writes what was used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, connection: str, used: Usage, now: datetime) -> None:
        """Add to what was used in this hour; what is older than 400 days is forgotten."""
        if used == Usage():
            return
        u = usages.c
        row = {
            "connection": connection,
            "hour": now.replace(minute=0, second=0, microsecond=0),
            "calls": used.calls,
            "points": used.points,
            "share": used.share,
        }
        more = {"calls": u.calls + used.calls, "points": u.points + used.points}
        if used.share is not None:
            higher = u.share.is_(None) | (u.share < used.share)
            more["share"] = sa.case((higher, used.share), else_=u.share)
        add = upsert(self._database, usages, ["connection", "hour"], update=[], assign=more)
        with self._database.write() as writing:
            writing.execute(add, row)
            old = (u.connection == connection) & (u.hour < now - _KEPT)
            writing.execute(sa.delete(usages).where(old))


@contextmanager
def counting(database: Database, calls: Mapping[str, Calls], clock: Clock) -> Iterator[None]:
    """Write down what was used of quotas in a block, also when a CRM ended it.

    What a process used that was killed is not known; nor is it where the database failed, or
    belongs to another process by then.

    Args:
        database: The store.
        calls: Connection → what paces its calls; one that is opened in the block may be added.
        clock: The time.
    """
    try:
        yield
    except (BusyError, StoreError):
        raise
    except StewardError:
        _keep(database, calls, clock)
        raise
    _keep(database, calls, clock)


def _keep(database: Database, calls: Mapping[str, Calls], clock: Clock) -> None:
    for connection, paced in calls.items():
        Usages(database).add(connection, paced.take_usage(), clock())
