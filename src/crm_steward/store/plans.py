"""Plans and approvals, as they were made: what was approved is what runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from crm_steward.model import Plan
from crm_steward.store.database import Database, upsert
from crm_steward.store.tables import approvals, meta, plans


class PlanStatus(StrEnum):
    """Where a plan stands."""

    OPEN = "open"
    APPLYING = "applying"
    """Some of it was written; the rest waits for approval, or for the next try."""
    APPLIED = "applied"
    """Every change of it was tried. It is used up."""
    SUPERSEDED = "superseded"
    """A newer plan was made."""


_SHOWN = "plan_shown"
_USABLE = (PlanStatus.OPEN, PlanStatus.APPLYING)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """A plan and where it stands."""

    plan: Plan
    hash: str
    status: PlanStatus
    applied_at: datetime | None = None

    @property
    def altered(self) -> bool:
        """Whether its content no longer makes the hash under which it was stored."""
        return self.plan.hash != self.hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's consent to one change of one plan."""

    plan: str
    key: str
    approved_by: str
    approved_at: datetime
    note: str = ""


class Plans:
    """Writes and reads plans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, plan: Plan) -> None:
        """Store `plan`; every plan before it is superseded."""
        text = plan.to_text()  # makes the hash, too
        row = {
            "hash": plan.hash,
            "created_at": plan.created_at,
            "expires_at": plan.expires_at,
            "status": PlanStatus.OPEN.value,
            "content": text,
            "applied_at": None,
        }
        with self._database.write() as writing:
            supersede(writing, but=plan.hash)
            content = sa.bindparam("content", type_=sa.Text())
            statement = upsert(self._database, plans, ["hash"], update=[])
            writing.execute(statement.values(content=content), row)

    def get(self, name: str) -> StoredPlan | None:
        """Return the plan whose hash is, or begins with, `name`; None when none or several do."""
        query = sa.select(*_COLUMNS).where(plans.c.hash.startswith(name, autoescape=True)).limit(2)
        with self._database.read() as reading:
            rows = reading.execute(query).all()
        return _stored(rows[0]) if len(rows) == 1 else None

    def latest(self) -> StoredPlan | None:
        """Return the newest plan that was not superseded, used up or not."""
        query = (
            sa.select(*_COLUMNS)
            .where(plans.c.status != PlanStatus.SUPERSEDED.value)
            .order_by(plans.c.created_at.desc(), plans.c.hash)
            .limit(1)
        )
        with self._database.read() as reading:
            row = reading.execute(query).one_or_none()
        return None if row is None else _stored(row)

    def shown(self) -> str:
        """Return the hash of the plan that a person looked at last; empty when nobody did."""
        query = sa.select(meta.c.value).where(meta.c.key == _SHOWN)
        with self._database.read() as reading:
            return reading.execute(query).scalar() or ""

    def show(self, name: str) -> None:
        """Write down that the plan whose hash is `name` is shown to a person."""
        with self._database.write() as writing:
            writing.execute(upsert(self._database, meta, ["key"]), {"key": _SHOWN, "value": name})

    def approve(self, approved: Iterable[Approval]) -> None:
        """Write down approvals; a change approved twice keeps the first."""
        rows = [
            {
                "plan": one.plan,
                "key": one.key,
                "approved_by": one.approved_by,
                "approved_at": one.approved_at,
                "note": one.note,
            }
            for one in approved
        ]
        if rows:
            with self._database.write() as writing:
                statement = upsert(self._database, approvals, ["plan", "key"], update=[])
                writing.execute(statement, rows)

    def approvals(self, name: str) -> dict[str, Approval]:
        """Return the approvals of the plan whose hash is `name`, by the change's key."""
        query = sa.select(approvals).where(approvals.c.plan == name)
        with self._database.read() as reading:
            rows = reading.execute(query).mappings().all()
        return {row["key"]: Approval(**row) for row in rows}


def supersede(writing: sa.Connection, *, but: str = "") -> None:
    """Make all plans unusable but the one whose hash is `but`, inside the caller's transaction."""
    usable = plans.c.status.in_([status.value for status in _USABLE])
    others = sa.update(plans).where(usable, plans.c.hash != but)
    writing.execute(others.values(status=PlanStatus.SUPERSEDED.value))


def mark(
    writing: sa.Connection,
    name: str,
    status: PlanStatus,
    *,
    now: datetime,
    only_from: Collection[PlanStatus] = _USABLE,
) -> None:
    """Move a plan on, inside the caller's transaction."""
    this = sa.update(plans).where(
        plans.c.hash == name, plans.c.status.in_([one.value for one in only_from])
    )
    applied_at = now if status is PlanStatus.APPLIED else None
    writing.execute(this.values(status=status.value, applied_at=applied_at))


_COLUMNS = (
    plans.c.hash,
    plans.c.status,
    plans.c.applied_at,
    sa.type_coerce(plans.c.content, sa.Text).label("content"),
)


def _stored(row: sa.Row[tuple[object, ...]]) -> StoredPlan:
    return StoredPlan(
        plan=Plan.from_text(row.content),
        hash=row.hash,
        status=PlanStatus(row.status),
        applied_at=row.applied_at,
    )
