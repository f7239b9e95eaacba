"""What comes up in the records of owners: changes to decide about, consents and periods that end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from crm_steward.model import PlannedChange, RecordRef
from crm_steward.report.collect import open_mirror
from crm_steward.report.concerned import Owner
from crm_steward.report.consent import Ending, Ends, Key, ends_within_a_month, in_order, lapsing
from crm_steward.report.digest import Titles, Waiting
from crm_steward.report.findings import Names, Owned
from crm_steward.report.groups import Person
from crm_steward.report.listing import LISTED
from crm_steward.report.retention import (
    Due,
    Retention,
    due_of_owners,
    due_together,
    keeping,
    months,
)
from crm_steward.report.writes import open_plan, undecided, waiting
from crm_steward.rules import RuleBook
from crm_steward.settings import Settings
from crm_steward.store.database import Database

if TYPE_CHECKING:
    import duckdb

_SHOWN = 3
"""Records that are named of each thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """What comes up in the records of an owner.

    Args:
        waiting: Changes of them that wait for somebody's decision, what cannot be taken back first.
        ending: Consents that end within a month, most first.
        retention: Periods that are over, or end this month or the next.
        people: The records that may be named.
    """

    waiting: tuple[Waiting, ...] = ()
    ending: tuple[Ending, ...] = ()
    retention: Retention = field(default_factory=Retention)
    people: Mapping[RecordRef, Person] = field(default_factory=dict, metadata=LISTED)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.waiting or self.ending or self.retention.due)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is read once for all owners.

    Args:
        changes: Owner → changes of the open plan that wait for a decision, in its order.
        ends: Owner → whose consents end.
        due: Owner → what falls due, by connection and rule.
        months: When this month and the next begin.
    """

    changes: Mapping[Owner, Sequence[PlannedChange]]
    ends: Mapping[Owner, Ends]
    due: Mapping[Owner, Sequence[Due]]
    months: tuple[datetime, datetime]


def ahead(
    database: Database, settings: Settings, book: RuleBook, now: datetime, until: datetime
) -> Ahead:
    """Read what comes up at all owners.

    Args:
        database: The store.
        settings: How people are named, and where the months begin.
        book: The rules: what ends and when is asked of them, over the mirror.
        now: The time.
        until: What an earlier week could not know of was planned after this.
    """
    ends: dict[Owner, Ends] = {}
    zone = settings.timezone
    due: dict[Owner, list[Due]] = {}
    lapse, keep = lapsing(book), keeping(book)
    if lapse or keep:
        with closing(open_mirror(database, [*lapse, *keep], frozenset({"owner"}), now)) as con:
            ends = _by_owner(con, ends_within_a_month(con, lapse, now))
            due = due_of_owners(con, book, zone, now, shown=_SHOWN)
    with database.read() as reading:
        changes = _undecided(reading, Names(reading, settings.report.names), now, until)
    return Ahead(changes, ends, due, months(zone, now))


def _undecided(
    reading: sa.Connection, names: Names, now: datetime, until: datetime
) -> dict[Owner, list[PlannedChange]]:
    """Return which changes of the open plan wait for a decision, at the owner of each of their records."""
    found = open_plan(reading, now, until)
    left = undecided(reading, found)[0] if found else []
    owners = names.owned(ref for planned in left for ref in _records(planned))
    changes: dict[Owner, list[PlannedChange]] = {}
    for planned in left:
        for owner in {(ref.connection, owners[ref][1]) for ref in _records(planned)}:
            changes.setdefault(owner, []).append(planned)
    return changes


def _records(planned: PlannedChange) -> tuple[RecordRef, ...]:
    change = planned.change
    return change.ref, *getattr(change, "losers", ())


def _by_owner(con: duckdb.DuckDBPyConnection, found: Ends) -> dict[Owner, Ends]:
    import pyarrow as pa  # noqa: PLC0415 -- a service at rest holds none of it

    refs = sorted({ref for each in found.values() for ref in each})
    wanted = pa.table(  # noqa: F841 -- DuckDB reads it by its name
        {"connection": [ref[0] for ref in refs], "id": [ref[1] for ref in refs]},
        schema=pa.schema([("connection", pa.string()), ("id", pa.string())]),
    )
    rows = con.execute(
        "SELECT connection, id, owner FROM wanted JOIN contacts USING (connection, id) "
        "WHERE owner <> ''"
    ).fetchall()
    owners = {(connection, record): owner for connection, record, owner in rows}
    ends: dict[Owner, dict[Key, set[tuple[str, str]]]] = {}
    for key, each in found.items():
        for ref in each & owners.keys():
            theirs = ends.setdefault((ref[0], owners[ref]), {})
            theirs.setdefault(key, set()).add(ref)
    return dict(ends)


def coming(known: Ahead, owned: Owned, names: Names, titles: Mapping[str, Titles]) -> Coming:
    """Return what comes up in the records of an owner.

    Args:
        known: What was read.
        owned: The owner, in each connection.
        names: How records may be named.
        titles: What each rule is called.
    """
    changes = {one.key: one for owner in owned for one in known.changes.get(owner, ())}
    ends: dict[Key, set[tuple[str, str]]] = {}
    for owner in owned:
        for key, refs in known.ends.get(owner, {}).items():
            ends.setdefault(key, set()).update(refs)
    ending = in_order(ends, most=_SHOWN)
    due = due_together((one for owner in owned for one in known.due.get(owner, ())), shown=_SHOWN)
    this, following = known.months
    return Coming(
        waiting=waiting(changes.values(), titles),
        ending=ending,
        retention=Retention(this_month=this, next_month=following, due=due) if due else Retention(),
        people=names.people(_named(ending, due)),
    )


def _named(ending: Iterable[Ending], due: Iterable[Due]) -> list[RecordRef]:
    return [
        *(ref for one in ending for ref in one.records),
        *(ref for one in due for _, ref in one.records),
    ]
