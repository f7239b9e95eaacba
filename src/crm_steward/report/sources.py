"""How well each connection was read, in the digest: what it holds here against what the CRM has."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_steward.report.digest import Source, Trouble
from crm_steward.report.words import Words
from crm_steward.store.lines import SET_ASIDE
from crm_steward.store.live import is_live
from crm_steward.store.tables import connections, contacts, quarantine, runs


def sources(reading: sa.Connection, now: datetime, late: timedelta) -> tuple[Source, ...]:
    """Return what is known of each connection, by name.

    Args:
        reading: A read transaction.
        now: The time.
        late: After which time without a pull a connection needs a look.
    """
    c = contacts.c
    absent = sa.func.sum(sa.case((c.absences > 0, 1), else_=0))
    held = sa.select(c.connection, sa.func.count().label("live"), absent.label("absent"))
    counted = {
        row.connection: (row.live, int(row.absent))
        for row in reading.execute(held.where(is_live).group_by(c.connection))
    }
    unread = _unread(reading)
    rows = reading.execute(sa.select(connections).order_by(connections.c.connection)).mappings()
    return tuple(
        _source(
            row,
            counted.get(row["connection"], (0, 0)),
            unread.get(row["connection"], 0),
            now,
            late,
        )
        for row in rows
    )


def _unread(reading: sa.Connection) -> dict[str, int]:
    """Return how many records of each connection could not be read and are not known from before."""
    q, c = quarantine.c, contacts.c
    known = sa.select(c.id).where(c.connection == q.connection, c.id == q.id, is_live).exists()
    query = (
        sa.select(q.connection, sa.func.count())
        .where(~q.id.startswith(SET_ASIDE, autoescape=True), ~known)
        .group_by(q.connection)
    )
    return {name: int(count) for name, count in reading.execute(query)}


def _source(
    row: sa.RowMapping, held: tuple[int, int], unread: int, now: datetime, late: timedelta
) -> Source:
    read_at: datetime | None = row["last_success_at"]
    troubles = (
        (Trouble.PAUSED, row["paused_reason"]),
        (Trouble.FROZEN, row["frozen_reason"]),
        (Trouble.FAILED, row["last_error"]),
        (Trouble.NEVER, row["last_full_at"] is None or read_at is None),
        (Trouble.LATE, read_at is not None and now - read_at > late),
    )
    trouble, said = next(((one, why) for one, why in troubles if why), (None, ""))
    live, absent = held
    return Source(
        connection=row["connection"],
        contacts=live,
        read_at=read_at,
        full_at=row["last_full_at"],
        there=None if row["last_full_at"] is None else row["live"] + unread,
        unread=unread,
        absent=absent,
        trouble=trouble,
        reason=said.removeprefix(f"{row['connection']}: ") if isinstance(said, str) else "",
    )


def missed(reading: sa.Connection, since: datetime) -> tuple[tuple[str, int], ...]:
    """Return what full reads found that reading changes had missed, by connection."""
    query = sa.select(runs.c.connection, runs.c.counts).where(
        runs.c.verb == "pull", runs.c.status == "done", runs.c.ended_at > since
    )
    found: Counter[str] = Counter()
    for connection, counts in reading.execute(query):
        found[connection] += counts.get("missed", 0) if counts.get("full") else 0
    return tuple(sorted((name, n) for name, n in found.items() if n))


def reconciled(source: Source, words: Words) -> str:
    """Return how the contacts here compare to what the last full read found in the CRM."""
    if source.there is None or source.full_at is None:
        return ""
    said = [words("sources.there", n=source.there, at=words.moment(source.full_at))]
    since = source.since
    differences = (
        (source.unread, "sources.unread"),
        (source.absent, "sources.absent"),
        (since, "sources.more"),
        (-since, "sources.fewer"),
    )
    apart = [words(key, n=count) for count, key in differences if count > 0]
    return ", ".join([*said, *(apart or [words("sources.all")])])
