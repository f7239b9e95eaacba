"""Attempts: which records a change was ever tried on."""

from __future__ import annotations

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.store.database import Database
from crm_steward.store.tables import journal


def records_tried(database: Database) -> set[RecordRef]:
    """Return the records that the journal names; of a merge, the survivor."""
    query = sa.select(journal.c.connection, journal.c.id).distinct()
    with database.read() as reading:
        return {RecordRef(*row) for row in reading.execute(query)}
