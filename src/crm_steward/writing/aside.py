"""Aside: changes that the CRM did not take wait longer each time, then for a person.

One that is refused every time must neither be sent for ever nor hold up the others.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_steward.store.database import Database
from crm_steward.store.journal import MAX_ATTEMPTS, Standing, State
from crm_steward.store.quarantine import Quarantine
from crm_steward.writing.withheld import Why

WAITS = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
)
"""How long after its first, second, … refusal a change is tried again."""


@dataclass(frozen=True, slots=True)
class Aside:
    """What is set aside at a moment.

    Args:
        keys: The changes that are in quarantine.
        now: The moment.
    """

    keys: Collection[str]
    now: datetime

    @classmethod
    def of(cls, database: Database, now: datetime) -> Aside:
        """Read it."""
        return cls(Quarantine(database).changes(), now)

    def holds(self, standing: Standing) -> bool:
        """Whether a change waits for a person."""
        untouched = standing.state in (State.CONFLICT, State.ALREADY)
        return standing.intent.key in self.keys and not untouched

    def forbids(self, standing: Standing) -> tuple[Why, str] | None:
        """Return why a change that failed is not tried now, or None."""
        if self.holds(standing):
            return Why.SET_ASIDE, str(standing.attempts)
        waits = standing.state is State.REJECTED and 0 < standing.attempts <= len(WAITS)
        if waits and self.now < standing.since(self.now) + WAITS[standing.attempts - 1]:
            return Why.RETRY, f"{standing.attempts}/{MAX_ATTEMPTS}"
        return None
