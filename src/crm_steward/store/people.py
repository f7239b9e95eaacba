"""People: which records, across connections, are one person; each person keeps its id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.store.columns import from_micros, to_micros
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.identity import heirs
from crm_steward.store.tables import contacts, meta, people

Record = tuple[str, str]
"""A record as DuckDB hands it over: connection, id."""


class People:
    """Writes and reads the identity map."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[Record, str]:
        """Return the person of each record that is there and has others."""
        there = (people.c.connection == contacts.c.connection) & (people.c.id == contacts.c.id)
        query = (
            sa.select(people.c.connection, people.c.id, people.c.person)
            .join(contacts, there)
            .where(contacts.c.gone_at.is_(None))
        )
        with self._database.read() as reading:
            rows = reading.execute(query).all()
        records = Counter(person for _, _, person in rows)
        return {(name, one): person for name, one, person in rows if records[person] > 1}

    def by_person(self) -> dict[str, list[RecordRef]]:
        """Return the records of each person, the oldest person first."""
        found: dict[str, list[RecordRef]] = {}
        for record, person in sorted(self.all().items()):
            found.setdefault(person, []).append(RecordRef(*record))
        return dict(sorted(found.items(), key=lambda one: _number(one[0])))

    def made_at(self) -> datetime | None:
        """Return when rules last said who is one person; None when they never did."""
        with self._database.read() as reading:
            value = _fact(reading, _MADE_AT)
        return from_micros(int(value)) if value else None

    def named(self, groups: Sequence[Collection[Record]]) -> dict[Record, str]:
        """Return the person of each record, as `save` would write it now."""
        with self._database.read() as reading:
            return _named(groups, _stored(reading), _next(reading))

    def save(
        self, groups: Sequence[Collection[Record]], writing: sa.Connection, *, now: datetime
    ) -> None:
        """Write the map anew: only what differs is touched.

        Args:
            groups: The records of each person, at least two.
            writing: The transaction to write in.
            now: When rules said so.
        """
        before, number = _stored(writing), _next(writing)
        after = _named(groups, before, number)
        lost = [record for record in before if record not in after]
        for connection in {name for name, _ in lost}:
            ids = [one for name, one in lost if name == connection]
            for chunk in chunked(ids):
                here = (people.c.connection == connection) & people.c.id.in_(chunk)
                writing.execute(sa.delete(people).where(here))
        rows = [
            {"connection": name, "id": one, "person": person}
            for (name, one), person in after.items()
            if before.get((name, one)) != person
        ]
        if rows:
            writing.execute(upsert(self._database, people, ["connection", "id"]), rows)
        highest = max((_number(person) for person in after.values()), default=0)
        for key, value in ((_NEXT, max(number, highest + 1)), (_MADE_AT, to_micros(now))):
            noted = {"key": key, "value": str(value)}
            writing.execute(upsert(self._database, meta, ["key"]), noted)


_NEXT, _MADE_AT = "people_next", "people_made_at"


def joined(
    pairs: Iterable[tuple[Record, Record]], apart: Iterable[tuple[Record, Record]]
) -> list[list[Record]]:
    """Return the groups that pairs make, each in order; nobody decided to be apart is in one group.

    Args:
        pairs: Two records that are one person, the most certain first.
        apart: Two records that are not one person: a pair that would join them joins nobody.
    """
    foes: dict[Record, set[Record]] = {}
    for left, right in apart:
        foes.setdefault(left, set()).add(right)
        foes.setdefault(right, set()).add(left)
    groups: dict[Record, list[Record]] = {}
    for pair in pairs:
        small, large = sorted((groups.get(one, [one]) for one in pair), key=len)
        if small is large or any(foes[one].intersection(large) for one in small if one in foes):
            continue
        large.extend(small)
        groups.update(dict.fromkeys(small, large))
        groups[large[0]] = large
    return sorted(
        sorted(group) for group in {id(group): group for group in groups.values()}.values()
    )


def _named(
    groups: Sequence[Collection[Record]], before: Mapping[Record, str], number: int
) -> dict[Record, str]:
    """Give each group the id of the person with whom it shares most records, or a new one."""
    common: Counter[tuple[int, str]] = Counter(
        (place, before[record])
        for place, group in enumerate(groups)
        for record in group
        if record in before
    )
    claims = sorted(common, key=lambda one: (-common[one], _number(one[1]), one[0]))
    ids = heirs(claims)
    named: dict[Record, str] = {}
    for place, group in enumerate(groups):
        if place not in ids:
            ids[place] = f"p{number}"
            number += 1
        named.update(dict.fromkeys(group, ids[place]))
    return named


def _number(person: str) -> int:
    return int(person[1:])


def _stored(connection: sa.Connection) -> dict[Record, str]:
    query = sa.select(people.c.connection, people.c.id, people.c.person)
    return {(name, one): person for name, one, person in connection.execute(query)}


def _next(connection: sa.Connection) -> int:
    return int(_fact(connection, _NEXT) or 1)


def _fact(connection: sa.Connection, key: str) -> str | None:
    return connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
