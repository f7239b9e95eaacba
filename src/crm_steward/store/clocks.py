"""Clocks: how far each CRM's clock is from this machine's, as its answers last said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import meta

TOLERATED = timedelta(minutes=5)
"""How far the two may be apart."""

_CLOCK = "clock:"


class Clocks:
    """Reads and writes how far the CRMs' clocks are from ours.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, connection: str, ahead: timedelta) -> None:
        """Write down how far a CRM's clock is ahead of this machine's; behind is less than nothing."""
        row = {"key": _CLOCK + connection, "value": json.dumps(ahead.total_seconds())}
        with self._database.write() as writing:
            writing.execute(upsert(self._database, meta, ["key"]), row)

    def ahead(self) -> Mapping[str, timedelta]:
        """Return connection → how far its clock is ahead, of those that told."""
        with self._database.read() as reading:
            return clocks_within(reading)


def clocks_within(reading: sa.Connection) -> dict[str, timedelta]:
    """Return the same, inside the caller's transaction."""
    query = sa.select(meta).where(meta.c.key.startswith(_CLOCK, autoescape=True))
    return {
        row.key.removeprefix(_CLOCK): timedelta(seconds=json.loads(row.value))
        for row in reading.execute(query.order_by(meta.c.key))
    }


def off(ahead: timedelta | None) -> bool:
    """Whether a clock that is so far ahead is wrong, or ours is; not where nobody knows."""
    return ahead is not None and abs(ahead) > TOLERATED


def said(ahead: timedelta) -> str:
    """Return how far a clock is ahead, in plain figures: `+1:00:00`."""
    sign = "+" if ahead >= timedelta(0) else "-"
    return f"{sign}{timedelta(seconds=round(abs(ahead).total_seconds()))}"
