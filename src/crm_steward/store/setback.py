"""Set back: the clock went back, and what it stamped before lies in its future.

Nothing may wait until that time has come, nor count as done today until then. Whoever takes the
writer's lease notices, by the latest time that was seen before. What is stamped in the future
counts as of that moment then: rows that may be changed are given it. The journal's lines are what
was written and stay; the moment is kept beside them, with the number of the last line that stood
there.

It cannot be told whether the clock was ahead before or is behind now. So nothing here shortens a
limit: a line whose own time lies within the last day counts, and so does one that lies in the future
and was noticed within the last day.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.forgotten import FORGOTTEN, Forgotten
from crm_steward.store.outbox import HELD_FOR
from crm_steward.store.tables import (
    connections,
    contacts,
    examinations,
    findings,
    halts,
    journal,
    learned,
    meta,
    outbox,
    plans,
    rulebooks,
    runs,
)

_LATEST = "clock"
"""The key in `meta` of the latest time that was seen."""
_NOTICED = "clock set back"
_RESTORED, _CANARY = "restored", "canary:"
TOLERATED = timedelta(minutes=1)
"""How far clocks of several machines, or one that is being set right, may be apart."""

_TICK = timedelta(microseconds=1)
_COLUMNS: tuple[tuple[sa.Table, int, tuple[str, ...]], ...] = (
    (contacts, 0, ("seen_at", "changed_at", "gone_at")),
    (halts, 0, ("at", "ended_at", "retry_at")),
    (outbox, 0, ("queued_at", "sent_at")),
    (rulebooks, 0, ("ran_at",)),
    (learned, 0, ("learned_at",)),
    (findings, 1, ("first_seen_at", "last_seen_at", "resolved_at")),
    (examinations, 1, ("looked_at", "whole_at")),
    (plans, 1, ("created_at",)),
    (
        connections,
        1,
        ("pass_started_at", "last_full_at", "last_success_at", "last_attempt_at", "covered_until"),
    ),
    (runs, 2, ("started_at", "ended_at")),
)
"""Tables, how many ticks before the moment they are set, and their columns. What came in which
order is not known any more: so a look counts as before what it looked at, and is made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """That the clock was seen to have gone back.

    Args:
        seq: The number of the journal's last line then.
        at: When, by the clock that had gone back.
    """

    seq: int
    at: datetime

    @classmethod
    def within(cls, reading: sa.Connection) -> Noticed | None:
        """Return the last time that it was; None when it never was."""
        said = reading.execute(sa.select(meta.c.value).where(meta.c.key == _NOTICED)).scalar()
        if said is None:
            return None
        held = json.loads(said)
        return cls(seq=held["seq"], at=datetime.fromisoformat(held["at"]))


def after(moment: datetime, now: datetime, noticed: Noticed | None) -> sa.ColumnElement[bool]:
    """Return the condition that a line of the journal was written after a moment, or may have been.

    Args:
        moment: The moment.
        now: The time.
        noticed: What is known of the clock; of a line that lies in the future and was not noticed
            yet, it is not known when it was written.
    """
    c = journal.c
    if noticed is None or noticed.at > moment:
        return c.at > moment
    return sa.and_(c.at > moment, sa.or_(c.at <= now, c.seq > noticed.seq))


def taken_at(noticed: Noticed | None) -> sa.ColumnElement[datetime]:
    """Return when a line of the journal was written, as findings of that time were stamped anew."""
    c = journal.c
    if noticed is None:
        return c.at
    late = sa.and_(c.seq <= noticed.seq, c.at > noticed.at)
    return sa.case((late, sa.literal(noticed.at, c.at.type)), else_=c.at)


def moment_of(at: datetime, seq: int, now: datetime, noticed: Noticed | None) -> datetime:
    """Return when a line was written, as far as that is known: never later than now.

    Args:
        at: What it says.
        seq: Its number.
        now: The time.
        noticed: What is known of the clock.
    """
    if at <= now:
        return at
    known = noticed is not None and seq <= noticed.seq
    return min(noticed.at, now) if noticed is not None and known else now


def notice_clock(database: Database, now: datetime, *, ahead: bool = False) -> bool:
    """See whether the clock went back, and let what lies in its future count as of now.

    Args:
        database: The store.
        now: What the clock shows.
        ahead: Whether it is known to have shown a later time, though nobody noted that.

    Returns:
        Whether it went back.

    Raises:
        StoreError: The database cannot be written.
    """
    with database.write() as writing:
        said = writing.execute(sa.select(meta.c.value).where(meta.c.key == _LATEST)).scalar()
        # Before anybody noted it, the newest run tells.
        begun = sa.select(sa.func.max(runs.c.started_at))
        latest = datetime.fromisoformat(said) if said else writing.execute(begun).scalar()
        back = ahead or (latest is not None and latest - now > TOLERATED)
        if back:
            _set_right(database, writing, now)
        if back or said is None or latest is None or latest < now:
            row = {"key": _LATEST, "value": now.isoformat()}
            writing.execute(upsert(database, meta, ["key"]), row)
    return back


def _set_right(database: Database, writing: sa.Connection, now: datetime) -> None:
    for table, ticks, names in _COLUMNS:
        for name in names:
            column = table.c[name]
            late = sa.update(table).where(column > now)
            writing.execute(late.values({name: now - ticks * _TICK}))
    _hasten(writing, now)
    for key, value in _documents(writing, now):
        writing.execute(sa.update(meta).where(meta.c.key == key).values(value=value))
    last = writing.execute(sa.select(sa.func.max(journal.c.seq))).scalar() or 0
    said = json.dumps({"seq": last, "at": now.isoformat()})
    writing.execute(upsert(database, meta, ["key"]), {"key": _NOTICED, "value": said})


def _hasten(writing: sa.Connection, now: datetime) -> None:
    """Let mails be tried now that wait; what somebody has claimed is theirs for as long as ever."""
    late = sa.update(outbox).where(outbox.c.next_attempt_at > now)
    claimed = sa.and_(outbox.c.error == "", outbox.c.attempts > 0)
    until = now + HELD_FOR
    writing.execute(late.where(~claimed).values(next_attempt_at=now))
    theirs = late.where(claimed, outbox.c.next_attempt_at > until)
    writing.execute(theirs.values(next_attempt_at=until))


def _documents(writing: sa.Connection, now: datetime) -> list[tuple[str, str]]:
    """Return the facts of `meta` that hold a time in the future, as they are to be."""
    mine = (
        meta.c.key.in_((_RESTORED, FORGOTTEN)),
        meta.c.key.startswith(_CANARY, autoescape=True),
    )
    changed: list[tuple[str, str]] = []
    for key, text in writing.execute(sa.select(meta.c.key, meta.c.value).where(sa.or_(*mine))):
        held: dict[str, Any] = json.loads(text)
        if key == FORGOTTEN:
            # Its own time stays: limits and reports look at both.
            if datetime.fromisoformat(held["until"]) > now:
                changed.append((key, str(replace(Forgotten.parse(text), seen=now))))
            continue
        name = "at" if key == _RESTORED else "began"
        if datetime.fromisoformat(held[name]) > now:
            changed.append((key, json.dumps({**held, name: now.isoformat()})))
    return changed
