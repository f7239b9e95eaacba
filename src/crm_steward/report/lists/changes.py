"""The lists of changes: those that wait for a decision, those that were made, those that were not."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from crm_steward.model import MergeRecords, RecordRef, kind_of
from crm_steward.report.listing import MOST
from crm_steward.report.lists.base import RECORD, Asking, Line, Sheet
from crm_steward.report.render import undoable
from crm_steward.report.words import plain
from crm_steward.report.writes import confirmed
from crm_steward.store.lines import SET_ASIDE, State
from crm_steward.store.tables import journal, quarantine

_KEY = 10
"""Signs of a change's key: enough for every command that takes one."""
_FRUITLESS = (State.REJECTED.value, State.CONFLICT.value)
_UNSETTLED = (State.INTENT.value, State.UNKNOWN.value)


def waiting(asking: Asking) -> Sheet:
    """Return each change of the open plan that nobody decided about, in the plan's order."""
    decision = asking.digest.decision
    found = decision.changes if decision else ()

    def lines() -> Iterator[Line]:
        for planned in found:
            change = planned.change
            kind, ref = kind_of(change), change.ref
            records = 1 + len(change.losers) if isinstance(change, MergeRecords) else 1
            undo = asking.words(f"undo.{undoable(kind, change.reversibility)}")
            before = (asking.rule(planned.rule), asking.words(f"workbook.change.{kind}"))
            yield Line(before, ref, (records, undo, planned.key[:_KEY]))

    columns = ("rule", "change", *RECORD, "records", "undo", "key")
    more = decision.total - len(found) if decision else 0
    return Sheet(name="waiting", columns=columns, rows=asking.lines(lines()), more=more)


def made(asking: Asking) -> Sheet:
    """Return each change that a CRM confirmed since the last report, newest first."""
    each = confirmed(asking.digest.since, asking.digest.until)
    total = asking.reading.execute(sa.select(sa.func.count()).select_from(each.subquery()))

    def lines() -> Iterator[Line]:
        ordered = each.order_by(sa.desc("at"), sa.desc("seq")).limit(MOST)
        for row in asking.reading.execute(ordered):
            before = (
                asking.day(row.at),
                asking.rule(row.rule),
                asking.words.known("workbook.change", row.kind),
            )
            after = (asking.yes(row.undone is not None), row.run, row.key[:_KEY])
            yield Line(before, RecordRef(row.connection, row.id), after)

    columns = ("at", "rule", "change", *RECORD, "undone", "run", "key")
    more = max(0, int(total.scalar_one()) - MOST)
    return Sheet(name="made", columns=columns, rows=asking.lines(lines()), more=more)


def unmade(asking: Asking) -> Sheet:
    """Return each change that did not take effect: refused, met by an edit, unsettled, set aside."""
    each = _unmade(asking)
    rows = asking.reading.execute(each.order_by(sa.desc("at"), sa.desc("seq")).limit(MOST)).all()
    total = asking.reading.execute(sa.select(sa.func.count()).select_from(each.subquery()))
    more = max(0, int(total.scalar_one()) - len(rows))

    def lines() -> Iterator[Line]:
        for row in rows:
            state = "set_aside" if row.aside else _said(row.state)
            before = (
                asking.words(f"workbook.ended.{state}"),
                asking.rule(row.rule),
                asking.words.known("workbook.change", row.kind),
            )
            after = (asking.day(row.at), row.run, row.key[:_KEY])
            yield Line(before, RecordRef(row.connection, row.id), after)

    columns = ("ended", "rule", "change", *RECORD, "at", "run", "key")
    return Sheet(name="unmade", columns=columns, rows=asking.lines(lines()), more=more)


def _said(state: str) -> str:
    return "unsettled" if state in _UNSETTLED else state


def _unmade(asking: Asking) -> sa.Select[*tuple[object, ...]]:
    """Return the last lines of changes that failed since the last report, or are not settled."""
    last = journal.alias("last")
    newest = sa.select(sa.func.max(journal.c.seq)).group_by(journal.c.key)
    aside = quarantine.c.id == SET_ASIDE + last.c.key
    lately = last.c.state.in_(_FRUITLESS) & (last.c.at > asking.digest.since)
    return (
        sa.select(
            last.c.seq,
            last.c.state,
            last.c.kind,
            last.c.connection,
            last.c.id,
            last.c.rule,
            last.c.run,
            last.c.key,
            last.c.at,
            quarantine.c.id.is_not(None).label("aside"),
        )
        .outerjoin(quarantine, aside & (quarantine.c.connection == last.c.connection))
        .where(
            last.c.seq.in_(newest),
            sa.or_(lately, last.c.state.in_(_UNSETTLED), quarantine.c.id.is_not(None)),
        )
    )


def unread(asking: Asking) -> Sheet:
    """Return each record that could not be read, those that fail for longest first."""
    q = quarantine.c
    these = ~q.id.startswith(SET_ASIDE, autoescape=True)
    query = sa.select(quarantine).where(these)
    total = asking.reading.execute(sa.select(sa.func.count()).where(these))

    def lines() -> Iterator[Line]:
        ordered = query.order_by(q.first_seen_at, q.connection, q.id).limit(MOST)
        for row in asking.reading.execute(ordered):
            since, lately = asking.day(row.first_seen_at), asking.day(row.last_seen_at)
            after = (plain(row.reason), since, lately, row.attempts)
            yield Line((), RecordRef(row.connection, row.id), after)

    columns = (*RECORD, "reason", "since", "lately", "attempts")
    more = max(0, int(total.scalar_one()) - MOST)
    return Sheet(name="unread", columns=columns, rows=asking.lines(lines()), more=more)
