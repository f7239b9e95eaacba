"""Forgotten: what an older copy of the database cannot say of the time before it was put in place.

What was written to the CRMs within the last day, and whether a mail has left: the copy does not
know, and nothing that could be asked does. Both count as done until a person says otherwise. Unlike
`Restored` this outlives reconciling; it is one row in `meta`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.outbox import ALERT, Delivery
from crm_steward.store.tables import meta, outbox

FORGOTTEN = "forgotten"
"""The key in `meta`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The time of which the database does not know everything.

    Args:
        until: When the copy was put in place.
        seen: When it was noticed that the clock had shown `until` too early, or shows too little
            now; None while that was not noticed.
        counted: Whether a person said that limits count what the database knows.
    """

    until: datetime
    seen: datetime | None = None
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
        return None if said is None else cls.parse(said)

    @classmethod
    def parse(cls, text: str) -> Forgotten:
        """Read back what `str` wrote."""
        held = json.loads(text)
        seen = held["seen"]
        return cls(
            until=datetime.fromisoformat(held["until"]),
            seen=None if seen is None else datetime.fromisoformat(seen),
            counted=held["counted"],
        )

    def __str__(self) -> str:
        return json.dumps(asdict(self), default=datetime.isoformat)

    def hides(self, due: datetime, now: datetime) -> bool:
        """Whether what was due then may have been done without the database's knowing."""
        return due <= (self.until if self.until <= now else self.seen or now)

    def closed_until(self, now: datetime, length: timedelta) -> datetime | None:
        """Return until when what may be written within a length of time counts as used up.

        None when it does not any more, or a person said so.
        """
        known = [moment for moment in (self.until, self.seen) if moment and moment <= now]
        latest = max(known, default=now)
        return latest + length if latest + length > now and not self.counted else None

    def save(self, writing: sa.Connection, database: Database) -> None:
        """Write it down."""
        writing.execute(upsert(database, meta, ["key"]), {"key": FORGOTTEN, "value": str(self)})

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
    writing.execute(sa.delete(outbox).where(~ALERT, outbox.c.status.not_in(ended)))
