"""Data protection in the digest: who was erased and is back, and what was changed in the register."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_steward.report.weeks import Week
from crm_steward.rules import Duration, RuleBook
from crm_steward.store.database import Database, upsert
from crm_steward.store.edits import Edit
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import findings, meta, runs

_KEPT = "periods:"
"""The register's periods as the report of a week found them."""
_RETURNED = "erasure-reappeared"
"""The shipped rule that notices people who were erased and are back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A period of retention, as the register has it.

    Args:
        length: How long.
        clock: What it is counted from.
        bound: Whether it is the longest or the shortest time.
        then: What is due at its end.
    """

    length: Duration
    clock: str
    bound: str
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodEdit:
    """A period of retention that is not what it was.

    Args:
        period: Its id.
        edit: How it was changed.
        before: As it was; None for a new one.
        after: As it is now; None for one that is gone.
    """

    period: str
    edit: Edit
    before: Kept | None = None
    after: Kept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What happened to erasures and to the register.

    Args:
        erased: People who were erased since the last report.
        returned: Records of people who were erased and are back, now.
        periods: Periods of the register that were edited since the last report, by id.
    """

    erased: int = 0
    returned: int = 0
    periods: tuple[PeriodEdit, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.erased or self.returned or self.periods)


def keep_periods(database: Database, book: RuleBook, week: Week) -> None:
    """Keep the periods of the register as they are in a week, to be compared with in the next."""
    said = {
        one.id: [str(one.length), one.clock, one.bound, one.then] for one in book.periods.values()
    }
    row = {"key": f"{_KEPT}{week}", "value": json.dumps(said, sort_keys=True)}
    with database.write() as writing:
        writing.execute(upsert(database, meta, ["key"]), [row])


def protection(reading: sa.Connection, week: Week, since: datetime, until: datetime) -> Protection:
    """Return what happened to erasures and to the register.

    Args:
        reading: A read transaction.
        week: The report's; the register is compared with that of the report before.
        since: The last report.
        until: The end.
    """
    erased = sa.select(sa.func.count()).where(
        runs.c.verb == "erase",
        runs.c.status == "done",
        runs.c.ended_at > since,
        runs.c.ended_at <= until,
    )
    back = sa.select(sa.func.count()).where(
        findings.c.rule == _RETURNED, findings.c.state == "open", ~asleep(until)
    )
    return Protection(
        erased=reading.execute(erased).scalar_one(),
        returned=reading.execute(back).scalar_one(),
        periods=tuple(_edits(*_last_two(reading, week))),
    )


_Periods = Mapping[str, Sequence[str]]


def _last_two(reading: sa.Connection, week: Week) -> tuple[_Periods, _Periods]:
    """Return the periods of the report before and of this week's; none when one is missing."""
    query = (
        sa.select(meta.c.value)
        .where(meta.c.key.startswith(_KEPT), meta.c.key <= f"{_KEPT}{week}")
        .order_by(meta.c.key.desc())
        .limit(2)
    )
    kept: list[_Periods] = [json.loads(value) for value in reading.execute(query).scalars()]
    return (kept[1], kept[0]) if len(kept) > 1 else ({}, {})


def _edits(before: _Periods, after: _Periods) -> Iterator[PeriodEdit]:
    for period in sorted({*before, *after}):
        then, now = before.get(period), after.get(period)
        if then == now:
            continue
        edit = Edit.ADDED if then is None else Edit.REMOVED if now is None else Edit.EDITED
        yield PeriodEdit(period=period, edit=edit, before=_kept(then), after=_kept(now))


def _kept(said: Sequence[str] | None) -> Kept | None:
    if said is None:
        return None
    length, clock, bound, then = said
    return Kept(length=Duration.parse(length), clock=clock, bound=bound, then=then)
