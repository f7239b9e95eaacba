"""When each job of the service last ran and last succeeded: what makes it catch up after downtime."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Where one job stands.

    Args:
        last_success_at: When it last ended well.
        last_attempt_at: When it last began; later than the success while it runs, after a failure
            and after a crash. None when it never did, and while it is called for.
        failures: How often it failed in a row.
    """

    last_success_at: datetime | None = None
    last_attempt_at: datetime | None = None
    failures: int = 0


class Jobs:
    """Writes and reads the states of jobs, by name (`pull:hubspot-eu`, `scan`, `report`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def states(self) -> dict[str, JobState]:
        """Return every job that ever began or was called for, by name."""
        with self._database.read() as reading:
            return {
                row["name"]: JobState(
                    last_success_at=row["last_success_at"],
                    last_attempt_at=row["last_attempt_at"],
                    failures=row["failures"],
                )
                for row in reading.execute(sa.select(jobs)).mappings()
            }

    def state(self, name: str) -> JobState:
        """Return where the job stands; all empty when it never began."""
        return self.states().get(name, JobState())

    def save(self, name: str, state: JobState) -> None:
        """Write down where the job stands."""
        row = {
            "name": name,
            "last_success_at": state.last_success_at,
            "last_attempt_at": state.last_attempt_at,
            "failures": state.failures,
        }
        with self._database.write() as writing:
            writing.execute(upsert(self._database, jobs, ["name"]), row)

    def forget(self, prefix: str, *, before: datetime) -> None:
        """Forget the jobs whose name begins so, and that succeeded last before this moment."""
        old = jobs.c.name.startswith(prefix, autoescape=True) & (jobs.c.last_success_at < before)
        with self._database.write() as writing:
            writing.execute(sa.delete(jobs).where(old))
