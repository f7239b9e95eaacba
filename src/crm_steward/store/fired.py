"""How often each rule fired: what stands, what was ever found, what was written because of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from crm_steward.store.database import Database
from crm_steward.store.tables import findings, journal


@dataclass(frozen=True, slots=True)
class Fired:
    """What one rule came to.

    Args:
        open: Findings that stand now.
        ever: How often a finding of it was opened, reopenings included.
        written: Its changes that took effect in a CRM.
    """

    open: int = 0
    ever: int = 0
    written: int = 0


NEVER = Fired()


def fired(database: Database) -> Mapping[str, Fired]:
    """Return what each rule came to that ever found something: rule id → counts."""
    standing = sa.func.sum(sa.case((findings.c.state == "open", 1), else_=0))
    found = sa.select(findings.c.rule, standing, sa.func.sum(findings.c.openings))
    written = sa.select(journal.c.rule, sa.func.count()).where(journal.c.state == "verified")
    with database.read() as reading:
        changes = {row[0]: row[1] for row in reading.execute(written.group_by(journal.c.rule))}
        rows = reading.execute(found.group_by(findings.c.rule)).all()
    counts = {row[0]: Fired(int(row[1]), int(row[2]), changes.get(row[0], 0)) for row in rows}
    return {rule: Fired(written=n) for rule, n in changes.items()} | counts
