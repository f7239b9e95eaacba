"""Learned: what evidence for duplicates weighs, version after version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import learned


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Weights that were learned once.

    Args:
        version: What tells them from others.
        content: The weights, as JSON holds them.
        learned_at: When.
        contacts: From how many.
    """

    version: str
    content: Mapping[str, Any]
    learned_at: datetime
    contacts: int


class Learned:
    """Writes and reads learned weights."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, lesson: Lesson) -> None:
        """Keep what was learned; the same again becomes the newest."""
        row = {
            "version": lesson.version,
            "content": dict(lesson.content),
            "learned_at": lesson.learned_at,
            "contacts": lesson.contacts,
        }
        with self._database.write() as writing:
            writing.execute(upsert(self._database, learned, ["version"]), [row])

    def newest(self) -> Lesson | None:
        """Return what was learned last; None before anything was."""
        query = sa.select(learned).order_by(learned.c.learned_at.desc(), learned.c.version).limit(1)
        with self._database.read() as reading:
            row = reading.execute(query).mappings().one_or_none()
        return None if row is None else Lesson(**row)
