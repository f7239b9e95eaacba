"""Suppressions that were lifted, and that are asked for once more because somebody said no since."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from crm_steward.model import SuppressChannel
from crm_steward.store.database import Database, chunked
from crm_steward.store.journal import Standing, State
from crm_steward.store.setback import Noticed, taken_at
from crm_steward.store.tables import findings, journal


def found_anew(database: Database, standings: Mapping[str, Standing]) -> set[str]:
    """Return which suppressions were lifted before their finding stood as it does now.

    A change takes effect once, ever. A suppression that was a mistake is no reason to leave out the
    one that is right: what a rule finds anew after that, it may suppress again.

    Args:
        database: The store.
        standings: Key of a change → where it stands.
    """
    made = {
        standing.intent.seq: key
        for key, standing in standings.items()
        if standing.state is State.VERIFIED and isinstance(standing.intent.change, SuppressChannel)
    }
    anew: set[str] = set()
    for chunk in chunked(made):
        with database.read() as reading:
            when = taken_at(Noticed.within(reading))
        lifted = sa.select(journal.c.undoes, sa.func.max(when).label("at")).where(
            journal.c.undoes.in_(chunk), journal.c.state == State.VERIFIED.value
        )
        intent = journal.alias("intent")
        by_seq = lifted.group_by(journal.c.undoes).subquery()
        query = (
            sa.select(by_seq.c.undoes)
            .join(intent, intent.c.seq == by_seq.c.undoes)
            .join(findings, findings.c.fingerprint == intent.c.finding)
            .where(findings.c.state != "resolved", findings.c.first_seen_at > by_seq.c.at)
        )
        with database.read() as reading:
            anew |= {made[seq] for seq in reading.execute(query).scalars()}
    return anew
