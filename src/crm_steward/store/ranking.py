"""Ranks groups of duplicates by what putting them right is worth, without reading them all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from crm_steward.model import Stage
from crm_steward.store.database import Database
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import contacts, finding_refs, findings

LATELY: Final = timedelta(days=365)
"""How long a person's act weighs."""
_CUSTOMER: Final = 3
_ACTED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """An open finding about a group of duplicates.

    Args:
        fingerprint: The finding's.
        size: How many records.
        probability: That the two least likely of them are one person.
        sure: Whether its evidence says so of every two members.
        customer: Whether a member is a customer.
        acted: Whether a member did something lately.
    """

    fingerprint: str
    size: int
    probability: float
    sure: bool
    customer: bool
    acted: bool

    @property
    def impact(self) -> float:
        """Surplus records, times the probability, thrice for a customer, twice for who acted lately."""
        weight = _CUSTOMER if self.customer else _ACTED if self.acted else 1
        return (self.size - 1) * self.probability * weight


def ranked(database: Database, *, now: datetime) -> list[Ranked]:
    """Return every open group of duplicates that is not snoozed, in the order of its fingerprint."""
    there = (contacts.c.connection == finding_refs.c.connection) & (
        contacts.c.id == finding_refs.c.id
    )
    customer = sa.case((contacts.c.stage == Stage.CUSTOMER.value, 1), else_=0)
    acted = sa.case((contacts.c.last_person_act >= now - LATELY, 1), else_=0)
    members = (
        sa.select(
            finding_refs.c.fingerprint,
            sa.func.count().label("size"),
            sa.func.max(customer).label("customer"),
            sa.func.max(acted).label("acted"),
        )
        .outerjoin(contacts, there)
        .group_by(finding_refs.c.fingerprint)
        .subquery()
    )
    query = (
        sa.select(findings.c.fingerprint, findings.c.score, findings.c.evidence, members)
        .join(members, members.c.fingerprint == findings.c.fingerprint)
        .where(findings.c.state == "open", findings.c.kind == "duplicates", ~asleep(now))
        .order_by(findings.c.fingerprint)
    )
    with database.read() as reading:
        return [
            Ranked(
                fingerprint=row.fingerprint,
                size=row.size,
                probability=row.score or 0.0,
                sure=row.evidence.get("certainty") == "sure",
                customer=bool(row.customer),
                acted=bool(row.acted),
            )
            for row in reading.execute(query)
        ]
