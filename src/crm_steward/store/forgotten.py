"""Forgotten: what an older copy of the database cannot say of the time before it was put in place.

What was written to the CRMs within the last day, and whether a mail has left: the copy does not
know, and nothing that could be asked does. Both count as done until a person says otherwise. Unlike
`Restored` this outlives reconciling; it is one row in `meta`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.outbox import WEEKLY, Delivery
from crm_steward.store.tables import meta, outbox

FORGOTTEN = "forgotten"
"""The key in `meta`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The time of which the database does not know everything.

    Args:
        until: When the copy was put in place.
        counted: Whether a person said that limits count what the database knows.
    """

    until: datetime
    counted: bool = False

    @classmethod
    def of(cls, database: Database) -> Forgotten | None:
        """Return what an older copy forgot; None when none was ever put in place."""
        with database.read() as reading:
            return cls.within(reading)

    @classmethod
    def within(cls, reading: sa.Connection) -> Forgotten | None:
        """Return the same, in a transaction that reads."""
        said = reading.execute(sa.select(meta.c.value).where(meta.c.key == FORGOTTEN)).scalar()
        if said is None:
            return None
        held = json.loads(said)
        return cls(until=datetime.fromisoformat(held["until"]), counted=held["counted"])

    def hides(self, due: datetime) -> bool:
        """Whether what was due then may have been done without the database's knowing."""
        return due <= self.until

    def save(self, writing: sa.Connection, database: Database) -> None:
        """Write it down."""
        said = json.dumps({"until": self.until.isoformat(), "counted": self.counted})
        writing.execute(upsert(database, meta, ["key"]), {"key": FORGOTTEN, "value": said})

    def count(self, database: Database) -> None:
        """Let limits count what the database knows, and no more: a person says so."""
        with database.write() as writing:
            replace(self, counted=True).save(writing, database)


def forget(writing: sa.Connection, database: Database, until: datetime) -> None:
    """Write down that an older copy was put in place, and let go of the reports that wait in it.

    They may have left since it was made. Alerts stay: one too many is better than one too few.

    Args:
        writing: The transaction.
        database: The store.
        until: When the copy was put in place.
    """
    Forgotten(until=until).save(writing, database)
    ended = (Delivery.SENT.value, Delivery.FAILED.value)
    writing.execute(sa.delete(outbox).where(WEEKLY, outbox.c.status.not_in(ended)))
