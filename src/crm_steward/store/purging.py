"""Purges what was kept long enough: values in the journal, used plans, sent mails, old evidence.

What was done stays known: which record, which rule, when, who approved it, how it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.store.chain import outline
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal
from crm_steward.store.lease import Lease
from crm_steward.store.outbox import Delivery
from crm_steward.store.plans import PlanStatus
from crm_steward.store.setback import Noticed, after
from crm_steward.store.tables import approvals, consent_evidence, journal, outbox, plans

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a purge forgot.

    Args:
        lines: Lines of the journal that lost their values.
        plans: Plans that lost their changes.
        mails: Reports that lost their text.
        evidence: Pieces of evidence of suppressions that were removed.
    """

    lines: int
    plans: int
    mails: int
    evidence: int


def purge(
    database: Database,
    *,
    values_before: datetime,
    evidence_before: datetime,
    now: datetime,
    lease: Lease,
) -> Purged:
    """Forget what is older; what is under way keeps what it needs to be settled.

    Args:
        database: The store.
        values_before: The values of what was written before this moment go.
        evidence_before: So does evidence of suppressions from before this one.
        now: When.
        lease: The writer's.

    Raises:
        BusyError: The lease was lost; what was purged until then stays so.
        StoreError: The database refuses.
    """
    with database.read() as reading:
        old = ~after(values_before, now, Noticed.within(reading))
    return Purged(
        lines=_lines(database, old, now, lease),
        plans=_plans(database, values_before, now, lease),
        mails=_mails(database, values_before, lease),
        evidence=_evidence(database, evidence_before, lease),
    )


def purge_connection(database: Database, connection: str, now: datetime, lease: Lease) -> int:
    """Take the values out of all lines about one connection, and return out of how many.

    Raises:
        BusyError: The lease was lost; what was purged until then stays so.
        StoreError: The database refuses.
    """
    return _lines(database, journal.c.connection == connection, now, lease)


def _lines(database: Database, these: sa.ColumnElement[bool], now: datetime, lease: Lease) -> int:
    under_way = {standing.intent.key for standing in Journal(database).under_way()}
    old = (these, journal.c.values_salt.is_not(None))
    query = sa.select(journal.c.seq, journal.c.key, journal.c.change).where(*old)
    purged, last = 0, -1
    while True:
        here = query.where(journal.c.seq > last).order_by(journal.c.seq).limit(_AT_ONCE)
        with database.write() as writing:
            lease.check(writing)
            rows = writing.execute(here).all()
            if not rows:
                return purged
            last = rows[-1].seq
            done = [row for row in rows if row.key not in under_way]
            for row in done:
                writing.execute(take_values(row.seq, outline(row.change), now))
            purged += len(done)


def take_values(seq: int, change: dict[str, Any] | None, now: datetime) -> sa.Update:
    """Return the statement that takes the values out of a line of the journal.

    Args:
        seq: The line.
        change: What stays of its change.
        now: When.
    """
    gone = {"change": change, "reason": "", "values_salt": None, "purged_at": now}
    return sa.update(journal).where(journal.c.seq == seq).values(gone)


def _plans(database: Database, before: datetime, now: datetime, lease: Lease) -> int:
    """Take the changes out of plans that nobody can use any more; approvals stay, without notes."""
    used = plans.c.status.in_((PlanStatus.APPLIED.value, PlanStatus.SUPERSEDED.value))
    old = (plans.c.created_at < before, used | (plans.c.expires_at <= now))
    with database.write() as writing:
        lease.check(writing)
        rows = writing.execute(sa.select(plans.c.hash, plans.c.content).where(*old)).all()
        full = [row for row in rows if row.content["changes"]]
        for row in full:
            emptied = {
                "content": {**row.content, "changes": []},
                "status": PlanStatus.SUPERSEDED.value,
            }
            writing.execute(sa.update(plans).where(plans.c.hash == row.hash).values(emptied))
            notes = sa.update(approvals).where(approvals.c.plan == row.hash)
            writing.execute(notes.values(note=""))
    return len(full)


def _mails(database: Database, before: datetime, lease: Lease) -> int:
    over = outbox.c.status.in_((Delivery.SENT.value, Delivery.FAILED.value))
    old = (outbox.c.queued_at < before, over, outbox.c.message != "")
    with database.write() as writing:
        lease.check(writing)
        return writing.execute(sa.update(outbox).where(*old).values(message="")).rowcount


def _evidence(database: Database, before: datetime, lease: Lease) -> int:
    with database.write() as writing:
        lease.check(writing)
        old = sa.delete(consent_evidence).where(consent_evidence.c.at < before)
        return writing.execute(old).rowcount
