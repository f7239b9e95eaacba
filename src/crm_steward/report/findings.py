"""Findings in the digest: how they moved, by rule with examples, by connection and owner."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from crm_steward.model import RecordRef, Severity
from crm_steward.report.concerned import Concerned
from crm_steward.report.digest import (
    ConnectionShare,
    Example,
    Movement,
    OwnerShare,
    RuleShare,
    Sleep,
    Titles,
)
from crm_steward.report.groups import Person
from crm_steward.report.standing import opened, snoozed, stands
from crm_steward.store.database import chunked
from crm_steward.store.live import is_live
from crm_steward.store.owners import known_owners
from crm_steward.store.tables import contacts, finding_refs, findings, snoozes

_EXAMPLES, _MEMBERS = 5, 3


class Names:
    """How records and owners may be named.

    Args:
        reading: A read transaction.
        shown: `off` shows ids, `initials` and `on` what they say.
    """

    def __init__(self, reading: sa.Connection, shown: Literal["off", "initials", "on"]) -> None:
        self._reading = reading
        self._shown = shown
        self._owners = known_owners(reading)

    def owner(self, connection: str, owner: str) -> str:
        """Return the owner's name where the CRM told it, else an empty text."""
        known = self._owners.get((connection, owner))
        return known.name if known else ""

    def people(self, refs: Iterable[RecordRef]) -> dict[RecordRef, Person]:
        """Return each record as the report may show it."""
        return {ref: person for ref, (person, _) in self.owned(refs).items()}

    def owned(self, refs: Iterable[RecordRef]) -> dict[RecordRef, tuple[Person, str]]:
        """Return each record as the report may show it, with its owner's id; empty for nobody."""
        wanted = list(dict.fromkeys(refs))
        found = {ref: (Person(connection=ref.connection, id=ref.id), "") for ref in wanted}
        c = contacts.c
        for connection in {ref.connection for ref in wanted}:
            ids = [ref.id for ref in wanted if ref.connection == connection]
            for chunk in chunked(ids):
                query = sa.select(
                    c.id, c.url, c.first_name, c.last_name, c.full_name, c.owner
                ).where(c.connection == connection, c.id.in_(chunk))
                for row in self._reading.execute(query):
                    person = Person(
                        connection=connection, id=row.id, name=self._name(row), url=row.url
                    )
                    found[RecordRef(connection, row.id)] = person, row.owner or ""
        return found

    def _name(self, row: Any) -> str:
        if self._shown == "off":
            return ""
        parts = [part for part in (row.first_name, row.last_name) if part] or [row.full_name or ""]
        if self._shown == "on":
            return " ".join(parts)
        return " ".join(f"{word[0]}." for part in parts for word in part.split())


Owned = Collection[tuple[str, str]]
"""Owners: connection, id there."""


def movement(
    reading: sa.Connection, since: datetime, until: datetime, *, owned: Owned | None = None
) -> Movement:
    """Return how all findings, or those of these owners' records, moved between two moments."""
    row = reading.execute(sa.select(*_moves(since, until)).where(_of(owned))).one()
    return _movement(row)


def sleep(reading: sa.Connection, until: datetime) -> Sleep:
    """Return how many findings were open at `until` and snoozed, and how many wake up soon."""
    soon = snoozes.c.until <= until + timedelta(days=7)
    query = (
        sa.select(sa.func.count(), _count(soon, "ending"))
        .join_from(findings, snoozes, snoozes.c.fingerprint == findings.c.fingerprint)
        .where(opened(until), snoozed(until))
    )
    asleep_now, ending = reading.execute(query).one()
    return Sleep(snoozed=int(asleep_now), ending=int(ending))


def rule_shares(
    reading: sa.Connection,
    names: Names,
    titles: Mapping[str, Titles],
    since: datetime,
    until: datetime,
    *,
    owned: Owned | None = None,
) -> tuple[RuleShare, ...]:
    """Return what each rule found, worst and most first, with a few examples.

    With `owned`, only in the records of these owners, and no other records are named.
    """
    f = findings.c
    query = (
        sa.select(f.rule, sa.func.max(f.severity).label("severity"), *_moves(since, until))
        .where(_of(owned))
        .group_by(f.rule)
    )
    rows = [row for row in reading.execute(query) if _movement(row).open]
    rows.sort(key=lambda row: (-row.severity, -_movement(row).open, row.rule))
    examples = _examples(reading, names, since, until, owned)
    return tuple(
        RuleShare(
            rule=row.rule,
            titles=titles.get(row.rule, {"en": row.rule}),
            severity=Severity(row.severity),
            movement=_movement(row),
            examples=tuple(examples.get(row.rule, ())),
        )
        for row in rows
    )


def connection_shares(found: Concerned) -> list[ConnectionShare]:
    """Return what stands about the contacts of each connection, most first."""
    ordered = sorted(found.connections.items(), key=lambda item: (-item[1].findings, item[0]))
    return [
        ConnectionShare(
            connection=name, findings=count.findings, serious=count.serious, records=count.records
        )
        for name, count in ordered
    ]


def owner_shares(found: Concerned, names: Names) -> list[OwnerShare]:
    """Return what waits at each owner, most first."""
    ordered = sorted(found.owners.items(), key=lambda item: (-item[1].findings, item[0]))
    return [
        OwnerShare(
            connection=connection,
            owner=owner,
            name=names.owner(connection, owner),
            findings=count.findings,
            serious=count.serious,
            records=count.records,
        )
        for (connection, owner), count in ordered
    ]


def _moves(since: datetime, until: datetime) -> Sequence[sa.Label[int]]:
    f = findings.c
    opened = (f.first_seen_at > since) & (f.first_seen_at <= until)
    standing = stands(until)
    resolved = (f.state == "resolved") & (f.resolved_at > since) & (f.resolved_at <= until)
    return (
        _count(standing & opened & (f.openings == 1), "new"),
        _count(standing & opened & (f.openings > 1), "reopened"),
        _count(standing & (f.first_seen_at <= since), "standing"),
        _count(resolved, "resolved"),
    )


def _of(owned: Owned | None) -> sa.ColumnElement[bool]:
    """Whether a finding is about a record of one of these owners."""
    if owned is None:
        return sa.true()
    theirs = (
        sa.select(finding_refs.c.fingerprint)
        .join(contacts, _CONTACT)
        .where(_belongs(owned), is_live)
    )
    return findings.c.fingerprint.in_(theirs)


_CONTACT = (contacts.c.connection == finding_refs.c.connection) & (
    contacts.c.id == finding_refs.c.id
)


def _belongs(owned: Owned) -> sa.ColumnElement[bool]:
    c = contacts.c
    either = [(c.connection == connection) & (c.owner == owner) for connection, owner in owned]
    return sa.or_(sa.false(), *either)


def _count(condition: sa.ColumnElement[bool], name: str) -> sa.Label[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0).label(name)


def _movement(row: Any) -> Movement:
    return Movement(
        new=int(row.new),
        reopened=int(row.reopened),
        standing=int(row.standing),
        resolved=int(row.resolved),
    )


def _examples(
    reading: sa.Connection,
    names: Names,
    since: datetime,
    until: datetime,
    owned: Owned | None,
) -> dict[str, list[Example]]:
    """Return the newest open findings of each rule."""
    f = findings.c
    place = sa.func.row_number().over(
        partition_by=f.rule,
        order_by=(f.severity.desc(), f.first_seen_at.desc(), f.fingerprint),
    )
    ranked = (
        sa.select(f.fingerprint, place.label("place")).where(stands(until), _of(owned)).subquery()
    )
    query = (
        sa.select(f.fingerprint, f.rule, f.kind, f.evidence, f.first_seen_at, f.openings)
        .join(ranked, ranked.c.fingerprint == f.fingerprint)
        .where(ranked.c.place <= _EXAMPLES)
        .order_by(f.rule, ranked.c.place)
    )
    rows = reading.execute(query).all()
    members = _members(reading, [row.fingerprint for row in rows], owned)
    people = names.people(ref for refs, _ in members.values() for ref in refs[:_MEMBERS])
    shown: dict[str, list[Example]] = {}
    for row in rows:
        refs, total = members.get(row.fingerprint, ([], 0))
        example = Example(
            kind=row.kind,
            people=tuple(people[ref] for ref in refs[:_MEMBERS]),
            more=total - len(refs[:_MEMBERS]),
            evidence=row.evidence,
            new=row.openings == 1 and row.first_seen_at > since,
        )
        shown.setdefault(row.rule, []).append(example)
    return shown


def _members(
    reading: sa.Connection, marks: Sequence[str], owned: Owned | None
) -> dict[str, tuple[list[RecordRef], int]]:
    """Return of each finding the records that may be named, and how many it has."""
    refs, own = finding_refs.c, sa.true() if owned is None else _belongs(owned)
    found: dict[str, tuple[list[RecordRef], int]] = {}
    for chunk in chunked(marks):
        query = (
            sa.select(refs.fingerprint, refs.connection, refs.id, own)
            .outerjoin(contacts, _CONTACT)
            .where(refs.fingerprint.in_(chunk))
            .order_by(refs.connection, refs.id)
        )
        for mark, connection, record_id, named in reading.execute(query):
            members, total = found.get(mark, ([], 0))
            if named:
                members.append(RecordRef(connection, record_id))
            found[mark] = members, total + 1
    return found
