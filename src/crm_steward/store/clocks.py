"""Clocks: how far each CRM's clock is from this machine's, as its answers last said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import meta

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
        query = sa.select(meta).where(meta.c.key.startswith(_CLOCK, autoescape=True))
        with self._database.read() as reading:
            return {
                row.key.removeprefix(_CLOCK): timedelta(seconds=json.loads(row.value))
                for row in reading.execute(query)
            }
