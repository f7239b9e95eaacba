"""The quarantine: records that cannot be read, and changes that the CRM did not take five times.

A record leaves it when a pull can read it. A change leaves it when somebody releases it: then it
is tried once more, and set aside again if that fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.store.database import Database, chunked
from crm_steward.store.journal import Journal
from crm_steward.store.lines import SET_ASIDE, Standing
from crm_steward.store.tables import quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One thing that is set aside.

    Args:
        connection: Where.
        record: The record's id, or the line of a file.
        reason: Why, without values.
        attempts: How often it was tried.
        first_seen_at: Since when.
        last_seen_at: When it was last tried.
        key: The change's key; empty for a record that cannot be read.
        rule: The rule that asks for the change, else empty.
        kind: The kind of change, else empty.
        fields: Which fields it writes.
    """

    connection: str
    record: str
    reason: str
    attempts: int
    first_seen_at: datetime
    last_seen_at: datetime
    key: str = ""
    rule: str = ""
    kind: str = ""
    fields: tuple[str, ...] = ()

    @property
    def ref(self) -> RecordRef:
        """The record."""
        return RecordRef(self.connection, self.record)


class Quarantine:
    """Reads the quarantine, and lets changes out of it.

    Args:
        database: The store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def changes(self) -> frozenset[str]:
        """Return the keys of the changes that are set aside."""
        query = sa.select(quarantine.c.id).where(_CHANGES)
        with self._database.read() as reading:
            return frozenset(
                one.removeprefix(SET_ASIDE) for one in reading.execute(query).scalars()
            )

    def listed(self, connection: str | None = None) -> list[Quarantined]:
        """Return what is set aside, changes first, what was tried last first."""
        query = sa.select(quarantine)
        if connection is not None:
            query = query.where(quarantine.c.connection == connection)
        with self._database.read() as reading:
            rows = reading.execute(query).mappings().all()
        keys = [row["id"].removeprefix(SET_ASIDE) for row in rows if _is_change(row["id"])]
        standings = Journal(self._database).standings(keys)
        found = [_one(row, standings) for row in rows]
        return sorted(
            found, key=lambda one: (not one.key, -one.last_seen_at.timestamp(), one.record)
        )

    def release(self, keys: Iterable[str]) -> int:
        """Let changes be tried once more, and return how many were set aside."""
        released = 0
        with self._database.write() as writing:
            for chunk in chunked([SET_ASIDE + key for key in keys]):
                these = sa.delete(quarantine).where(quarantine.c.id.in_(chunk))
                released += writing.execute(these).rowcount
        return released


_COLUMNS = ("connection", "reason", "attempts", "first_seen_at", "last_seen_at")
_CHANGES = quarantine.c.id.startswith(SET_ASIDE, autoescape=True)


def _is_change(name: str) -> bool:
    return name.startswith(SET_ASIDE)


def _one(row: sa.RowMapping, standings: Mapping[str, Standing]) -> Quarantined:
    about = {name: row[name] for name in _COLUMNS}
    key = row["id"].removeprefix(SET_ASIDE) if _is_change(row["id"]) else ""
    if not key:
        return Quarantined(**about, record=row["id"])
    if key not in standings:
        return Quarantined(**about, record="", key=key)
    intent = standings[key].intent
    return Quarantined(
        **about,
        record=intent.ref.id,
        key=key,
        rule=intent.rule,
        kind=intent.kind,
        fields=intent.fields,
    )
