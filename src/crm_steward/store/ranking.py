"""Ranks groups of duplicates by what putting them right is worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from crm_steward.model import Stage
from crm_steward.store.live import is_live
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import contacts, decisions, examinations, finding_refs, findings

LATELY: Final = timedelta(days=365)
"""How long a person's act weighs."""
_CUSTOMER: Final = 3
_ACTED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """An open finding about a group of duplicates.

    Args:
        fingerprint: The finding's.
        size: How many records, without those that are gone.
        probability: That the two least likely of them are one person.
        sure: Whether its evidence says so of every two members.
        customer: Whether a member is a customer.
        acted: Whether a member did something lately.
        findings: The fingerprints of all findings about these records.
    """

    fingerprint: str
    size: int
    probability: float
    sure: bool
    customer: bool
    acted: bool
    findings: tuple[str, ...] = ()

    @property
    def impact(self) -> float:
        """Surplus records, times the probability, thrice for a customer, twice for who acted lately."""
        weight = _CUSTOMER if self.customer else _ACTED if self.acted else 1
        return (self.size - 1) * self.probability * weight


_Ref = tuple[str, str]
"""Connection and id: plain, for there may be hundreds of thousands."""


@dataclass(frozen=True, slots=True)
class _Members:
    """The records of a group that are not known to be gone, in their order."""

    refs: tuple[_Ref, ...]
    customer: bool
    acted: bool


def ranked(reading: sa.Connection, *, now: datetime) -> list[Ranked]:
    """Return the groups of duplicates that stand, in the order of their fingerprints.

    Left out are those that are snoozed, those about which a person decided something since the
    scan, and those of which one record is left since. Where several rules found the same records
    the group counts once: the surest finding speaks for it.

    Args:
        reading: A read transaction.
        now: The time.
    """
    f = findings.c
    query = sa.select(f.fingerprint, f.rule, f.score, f.evidence, f.last_seen_at)
    members, looked, decided = _members(reading, now), looks(reading), _decided(reading)
    groups: dict[tuple[_Ref, ...], Ranked] = {}
    for row in reading.execute(query.where(*_standing(now)).order_by(f.fingerprint)):
        group = members.get(row.fingerprint)
        if group is None or len(group.refs) < 2:  # noqa: PLR2004 -- one record is no group
            continue
        if decided and _decided_since(group.refs, decided, looked.get(row.rule, row.last_seen_at)):
            continue
        one = _ranked(row, group)
        twin = groups.get(group.refs)
        groups[group.refs] = one if twin is None else _joined(twin, one)
    return sorted(groups.values(), key=lambda one: one.fingerprint)


def looks(reading: sa.Connection) -> dict[str, datetime]:
    """Return when each rule last looked at all its connections."""
    e = examinations.c
    query = sa.select(e.rule, sa.func.min(e.looked_at).label("at")).group_by(e.rule)
    return {row.rule: row.at for row in reading.execute(query)}


def _ranked(row: Any, here: _Members) -> Ranked:
    return Ranked(
        fingerprint=row.fingerprint,
        size=len(here.refs),
        probability=row.score or 0.0,
        sure=row.evidence.get("certainty") == "sure",
        customer=here.customer,
        acted=here.acted,
        findings=(row.fingerprint,),
    )


def _joined(twin: Ranked, other: Ranked) -> Ranked:
    surest = max(twin, other, key=lambda one: (one.sure, one.probability))
    return replace(surest, findings=(*twin.findings, *other.findings))


def _standing(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return findings.c.state == "open", findings.c.kind == "duplicates", ~asleep(now)


def _members(reading: sa.Connection, now: datetime) -> dict[str, _Members]:
    """Return the live records of each group, by fingerprint."""
    refs, c = finding_refs.c, contacts.c
    customer = sa.case((c.stage == Stage.CUSTOMER.value, 1), else_=0)
    acted = sa.case((c.last_person_act >= now - LATELY, 1), else_=0)
    query = (
        sa.select(refs.fingerprint, refs.connection, refs.id, customer, acted)
        .join(findings, findings.c.fingerprint == refs.fingerprint)
        .outerjoin(contacts, (c.connection == refs.connection) & (c.id == refs.id))
        .where(*_standing(now), is_live)
        .order_by(refs.fingerprint, refs.connection, refs.id)
    )
    found: dict[str, _Members] = {}
    rows = (tuple(row) for row in reading.execute(query))
    for mark, held in groupby(rows, key=itemgetter(0)):
        _, names, ids, customers, actors = zip(*held, strict=True)
        refs_held = tuple(zip(names, ids, strict=True))
        found[mark] = _Members(refs_held, customer=any(customers), acted=any(actors))
    return found


def _decided(reading: sa.Connection) -> dict[_Ref, list[tuple[_Ref, datetime]]]:
    """Return what was decided, by the lower record: the other one, and when."""
    found: dict[_Ref, list[tuple[_Ref, datetime]]] = {}
    for row in reading.execute(sa.select(decisions)):
        left, right = (row.left_connection, row.left_id), (row.right_connection, row.right_id)
        found.setdefault(left, []).append((right, row.at))
    return found


def _decided_since(
    refs: Collection[_Ref],
    decided: Mapping[_Ref, Sequence[tuple[_Ref, datetime]]],
    since: datetime,
) -> bool:
    return any(other in refs and at > since for ref in refs for other, at in decided.get(ref, ()))
