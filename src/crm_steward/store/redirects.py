"""Redirects: where a record lives on that was merged away, for systems that know its old id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_steward.model import MergeRecords, RecordRef, RecreateRecords
from crm_steward.store.database import Database, chunked
from crm_steward.store.journal import Journal, State
from crm_steward.store.tables import contacts, journal

OVERLAP = timedelta(minutes=15)
"""How long before `since` what we learnt is told once more."""


@dataclass(frozen=True, slots=True, order=True)
class Redirect:
    """An old id, and the record that stands for it now.

    Args:
        at: When we learnt of the last merge on the way from one to the other.
        old: The record that is gone.
        survivor: The record it lives on in; in the same connection.
    """

    at: datetime
    old: RecordRef
    survivor: RecordRef


def redirects(
    database: Database, *, since: datetime | None = None, connections: Iterable[str] = ()
) -> list[Redirect]:
    """Return every redirect, those we learnt of first coming first.

    Merges that people made are known as far as the CRM tells of them; of our own the journal
    tells as well. A chain leads to its end. A record that is there (again) leads nowhere else.

    Args:
        database: The store.
        since: Only those that are new or lead elsewhere since then, and a little longer: what one
            process learns may become visible after what another learnt later.
        connections: Only of these; none means all.

    Raises:
        StoreError: The database cannot be read.
    """
    steps = _steps(database)
    only = set(connections)
    found = (followed(old, steps) for old in steps if not only or old.connection in only)
    return sorted(
        one for one in found if one is not None and (since is None or one.at >= since - OVERLAP)
    )


def merged_away(database: Database) -> frozenset[RecordRef]:
    """Return the records that live on in another, as far as we know, and were not seen since.

    Where a CRM does not tell of deletions, the mirror still holds some of them for a while.
    """
    return frozenset(_steps(database))


Steps = Mapping[RecordRef, tuple[RecordRef, datetime]]


def _steps(database: Database) -> Steps:
    """Return by record the one it went into, and when we learnt it: the latest word counts."""
    known = [*_mirrored(database), *_merged(database), *_recreated(database)]
    known.sort(key=lambda step: (step[2], step[0], step[1]))
    steps: dict[RecordRef, tuple[RecordRef, datetime]] = {}
    for old, into, at in known:
        if old != into and (old not in steps or steps[old][0] != into):  # else nothing new
            steps[old] = (into, at)
    for old, seen in _there(database).items():
        if old in steps and seen > steps[old][1]:
            del steps[old]
    return steps


_Step = tuple[RecordRef, RecordRef, datetime]


def _mirrored(database: Database) -> Iterator[_Step]:
    """Yield what the CRMs told."""
    c = contacts.c
    query = sa.select(c.connection, c.id, c.survivor, c.gone_at).where(
        c.survivor.is_not(None), c.gone_at.is_not(None)
    )
    with database.read() as reading:
        for connection, old, survivor, at in reading.execute(query):
            yield RecordRef(connection, old), RecordRef(connection, survivor), at


def _merged(database: Database) -> Iterator[_Step]:
    """Yield what we merged ourselves: some CRMs do not tell afterwards who went into whom.

    A merge that was taken back leads nowhere.
    """
    query = sa.select(journal.c.key, journal.c.remote_id, journal.c.at).where(
        journal.c.kind == "merge", journal.c.state == State.VERIFIED.value
    )
    with database.read() as reading:
        done = reading.execute(query).all()
    standings = Journal(database).standings(row.key for row in done)
    undone = Journal(database).undone(one.intent.seq for one in standings.values())
    for row in done:
        intent = standings[row.key].intent
        change = intent.change
        if isinstance(change, MergeRecords) and undone.get(intent.seq) is not State.VERIFIED:
            # Some CRMs give what is left a new id, to which the survivor's own old one leads too.
            into = RecordRef(change.ref.connection, row.remote_id or change.ref.id)
            for old in (change.ref, *change.losers):
                yield old, into, row.at


def _recreated(database: Database) -> Iterator[_Step]:
    """Yield what we made anew: its old id leads to the new one."""
    query = sa.select(journal.c.key, journal.c.remote_id, journal.c.at).where(
        journal.c.kind == "recreate", journal.c.state == State.VERIFIED.value
    )
    with database.read() as reading:
        done = reading.execute(query).all()
    standings = Journal(database).standings(row.key for row in done)
    for row in done:
        change = standings[row.key].intent.change
        if isinstance(change, RecreateRecords) and row.remote_id:
            new = row.remote_id.split(",")
            for old, into in zip(change.records, new, strict=True):
                yield old, RecordRef(old.connection, into), row.at


def _there(database: Database) -> dict[RecordRef, datetime]:
    """Return when each record was last seen that the mirror holds and that we merged away."""
    merged = {old for old, _, _ in _merged(database)}
    c = contacts.c
    query = sa.select(c.connection, c.id, c.seen_at).where(c.gone_at.is_(None))
    found: dict[RecordRef, datetime] = {}
    with database.read() as reading:
        for chunk in chunked(merged):
            ids = [ref.id for ref in chunk]
            for connection, name, seen in reading.execute(query.where(c.id.in_(ids))):
                found[RecordRef(connection, name)] = seen
    return found


def followed(old: RecordRef, steps: Steps) -> Redirect | None:
    """Follow a record to where its way ends; one that leads back to itself leads nowhere."""
    into, at = steps[old]
    passed = {old}
    while into in steps:
        if into in passed:
            return None
        passed.add(into)
        into, learnt = steps[into]
        at = max(at, learnt)
    return Redirect(at, old, into)
