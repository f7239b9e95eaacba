"""Restored: an older copy stands in the database's place, and its journal forgot what came after.

Until what it may have forgotten was looked for in a CRM, nothing is written to that CRM. The state
is one row in `meta`; it is gone once every connection was reconciled.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import LimitExceededError
from crm_steward.store.backup import BACKUP
from crm_steward.store.database import Database, upsert
from crm_steward.store.forgotten import forget
from crm_steward.store.plans import PlanStatus
from crm_steward.store.tables import meta, plans

_RESTORED = "restored"

RECONCILING = (
    "The service does so by itself; by hand: crm-steward pull --full, scan, then apply --yes."
)
"""How writing begins again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """That an older copy was put in place.

    Args:
        at: Since when it stands there.
        made_at: When the copy was made; None when that is not known.
        done: The connections that were reconciled since.
    """

    at: datetime
    made_at: datetime | None = None
    done: frozenset[str] = frozenset()

    @classmethod
    def of(cls, database: Database) -> Restored | None:
        """Return what still holds; None when nothing is forgotten."""
        with database.read() as reading:
            return cls.within(reading)

    @classmethod
    def within(cls, reading: sa.Connection) -> Restored | None:
        """Return the same, in a transaction that reads."""
        query = sa.select(meta.c.value).where(meta.c.key == _RESTORED)
        said = reading.execute(query).scalar()
        if said is None:
            return None
        held = json.loads(said)
        made_at = held["made_at"]
        return cls(
            at=datetime.fromisoformat(held["at"]),
            made_at=None if made_at is None else datetime.fromisoformat(made_at),
            done=frozenset(held["done"]),
        )

    def waiting(self, enabled: Iterable[str]) -> tuple[str, ...]:
        """Return those of the enabled connections that nothing is written to yet."""
        return tuple(sorted(set(enabled) - self.done))

    def said(self, enabled: Iterable[str]) -> str:
        """Return in one line what is not written yet, and why."""
        names = ", ".join(self.waiting(enabled))
        made = f" of {self.made_at:%Y-%m-%d %H:%M} UTC" if self.made_at else ""
        return f"a copy{made} was restored: nothing is written to {names} until it is reconciled"

    def save(self, writing: sa.Connection, database: Database) -> None:
        """Write it down."""
        document: dict[str, Any] = asdict(self) | {"done": sorted(self.done)}
        row = {"key": _RESTORED, "value": json.dumps(document, default=datetime.isoformat)}
        writing.execute(upsert(database, meta, ["key"]), row)

    def reconciled(self, database: Database, done: Iterable[str], enabled: Iterable[str]) -> bool:
        """Note connections that are reconciled, and end it all when every enabled one is.

        Returns:
            Whether it ended.
        """
        now = replace(self, done=self.done | frozenset(done))
        over = now.done >= frozenset(enabled)
        with database.write() as writing:
            if over:
                writing.execute(sa.delete(meta).where(meta.c.key == _RESTORED))
            else:
                now.save(writing, database)
        return over


def begin(database: Database, *, made_at: datetime | None, now: datetime) -> Restored:
    """Write down that the database is an older copy, and let go of its plans, approvals and reports.

    A plan that was open then may have been applied since: it is made anew, and approved anew.

    Args:
        database: The store.
        made_at: When the copy was made; None when that is not known.
        now: When it was put in place.
    """
    restored = Restored(at=now, made_at=made_at)
    open_ = plans.c.status.in_([PlanStatus.OPEN.value, PlanStatus.APPLYING.value])
    with database.write() as writing:
        restored.save(writing, database)
        forget(writing, database, now)
        writing.execute(sa.delete(meta).where(meta.c.key == BACKUP))
        writing.execute(sa.update(plans).where(open_).values(status=PlanStatus.SUPERSEDED.value))
    return restored


def refuse_restored(database: Database, connections: Collection[str]) -> None:
    """Refuse to write to connections that were not reconciled since an older copy was restored.

    Raises:
        LimitExceededError: One was not.
    """
    restored = Restored.of(database)
    if restored is not None and not restored.done.issuperset(connections):
        names = ", ".join(sorted(set(connections) - restored.done))
        raise LimitExceededError(
            f"Nothing is written to {names} yet: the database is an older copy, and what it forgot "
            "is still being looked for in the CRM.",
            hint=RECONCILING,
        )
