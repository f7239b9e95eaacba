"""What was done when, and how it ended: one row per pull, scan, plan, apply, report."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Clock, StewardError
from crm_steward.store.database import Database
from crm_steward.store.tables import runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one verb."""

    id: str
    verb: str
    connection: str | None
    started_at: datetime
    ended_at: datetime | None
    status: str
    counts: Mapping[str, Any]
    error: str | None


class Runs:
    """Writes and reads runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, verb: str, connection: str | None = None, *, now: datetime) -> str:
        """Open a run and return its id: verb, day and six random digits."""
        run = f"{verb}-{now:%Y%m%d}-{secrets.token_hex(3)}"
        row: dict[str, Any] = {
            "id": run,
            "verb": verb,
            "connection": connection,
            "started_at": now,
            "status": "running",
            "counts": {},
        }
        with self._database.write() as writing:
            writing.execute(sa.insert(runs), row)
        return run

    def finish(
        self, run: str, counts: Mapping[str, Any], *, now: datetime, error: str | None = None
    ) -> None:
        """Close a run with what it counted; `error` (no personal data) means it failed."""
        values = {
            "ended_at": now,
            "status": "failed" if error else "done",
            "counts": dict(counts),
            "error": error,
        }
        with self._database.write() as writing:
            writing.execute(sa.update(runs).where(runs.c.id == run).values(values))

    @contextmanager
    def during(self, run: str, *, clock: Clock) -> Iterator[None]:
        """Close the run as failed when the block raises, naming the error without its values."""
        try:
            yield
        except Exception as error:
            said = error.message if isinstance(error, StewardError) else type(error).__name__
            self.finish(run, {}, now=clock(), error=said)
            raise

    def latest(self, verb: str | None = None, *, limit: int = 20) -> list[Run]:
        """Return the last runs, newest first, of `verb` or of all verbs."""
        query = sa.select(runs).order_by(runs.c.started_at.desc()).limit(limit)
        if verb is not None:
            query = query.where(runs.c.verb == verb)
        with self._database.read() as reading:
            return [Run(**row) for row in reading.execute(query).mappings()]
