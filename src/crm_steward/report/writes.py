"""Writes in the digest: what was fixed, what waits for a decision, what could not be examined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.model import (
    CloseTask,
    MergeRecords,
    Plan,
    PlannedChange,
    Reversibility,
    kind_of,
)
from crm_steward.report.digest import (
    Coverage,
    Decision,
    Fixes,
    Titles,
    Waiting,
)
from crm_steward.report.listing import MOST
from crm_steward.report.sources import missed, sources
from crm_steward.store.halts import standing as standing_halts
from crm_steward.store.halts import stop_file as stop_file_halt
from crm_steward.store.lines import SET_ASIDE
from crm_steward.store.restored import Restored
from crm_steward.store.rulebooks import broken_rules
from crm_steward.store.tables import (
    approvals,
    findings,
    journal,
    plans,
    quarantine,
    runs,
    snoozes,
)

_UNDOABLE = frozenset({"update", "task", "suppress", "lift", "archive"})
"""Kinds of change that can be taken back by machine, tasks and suppressions where the CRM lets us."""


def fixes(
    reading: sa.Connection, titles: Mapping[str, Titles], since: datetime, until: datetime
) -> tuple[Fixes, ...]:
    """Return the changes that the CRMs confirmed, by run, newest first."""
    each = confirmed(since, until).subquery()
    query = sa.select(
        each.c.run,
        each.c.kind,
        each.c.rule,
        sa.func.count().label("n"),
        sa.func.max(each.c.at).label("at"),
        sa.func.count(each.c.undone).label("undone"),
    ).group_by(each.c.run, each.c.kind, each.c.rule)
    by_run: dict[str, list[sa.Row[Any]]] = {}
    for row in reading.execute(query):
        by_run.setdefault(row.run, []).append(row)
    found = [_fixes(run, rows, titles) for run, rows in by_run.items()]
    return tuple(sorted(found, key=lambda one: (one.at, one.run), reverse=True))


def confirmed(since: datetime, until: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Return each change that a CRM confirmed: its intent, when, and what took it back or NULL."""
    line, intent, begun = journal.alias("line"), journal.alias("intent"), _last_intents()
    return (
        sa.select(
            intent.c.seq,
            intent.c.run,
            intent.c.key,
            intent.c.kind,
            intent.c.rule,
            intent.c.connection,
            intent.c.id,
            line.c.at,
            _undone().c.undoes.label("undone"),
        )
        .select_from(line)
        .join(begun, begun.c.key == line.c.key)
        .join(intent, intent.c.seq == begun.c.seq)
        .outerjoin(_undone(), _undone().c.undoes == intent.c.seq)
        .where(
            line.c.state == "verified",
            line.c.seq > intent.c.seq,
            line.c.at > since,
            line.c.at <= until,
            intent.c.undoes.is_(None),
        )
    )


def _fixes(run: str, rows: list[sa.Row[Any]], titles: Mapping[str, Titles]) -> Fixes:
    kinds: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    for row in rows:
        kinds[row.kind] += row.n
        rules[row.rule] += row.n
    return Fixes(
        run=run,
        at=max(row.at for row in rows),
        by_kind=dict(kinds.most_common()),
        by_rule=tuple(
            (rule, titles.get(rule, {"en": rule}), n) for rule, n in rules.most_common(5)
        ),
        undone=sum(row.undone for row in rows),
        undoable=any(kind in _UNDOABLE for kind in kinds),
    )


def _last_intents() -> sa.Subquery:
    return (
        sa.select(journal.c.key, sa.func.max(journal.c.seq).label("seq"))
        .where(journal.c.state == "intent")
        .group_by(journal.c.key)
        .subquery()
    )


_TAKEN_BACK = journal.alias("taken_back")
_CONFIRMED = journal.alias("confirmed")
_UNDONE = (
    sa.select(_TAKEN_BACK.c.undoes)
    .join(_CONFIRMED, _CONFIRMED.c.key == _TAKEN_BACK.c.key)
    .where(
        _TAKEN_BACK.c.undoes.is_not(None),
        _TAKEN_BACK.c.state == "intent",
        _CONFIRMED.c.state == "verified",
        _CONFIRMED.c.seq > _TAKEN_BACK.c.seq,
    )
    .distinct()
    .subquery()
)


def _undone() -> sa.Subquery:
    """Intents that were taken back, by the sequence number of what they took back."""
    return _UNDONE


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPlan:
    """A plan that can be used.

    Args:
        plan: Its hash.
        created_at: When it was made.
        expires_at: After that it is refused.
        changes: What of it is neither begun nor idle.
    """

    plan: str
    created_at: datetime
    expires_at: datetime
    changes: tuple[PlannedChange, ...]


def decision(
    reading: sa.Connection, titles: Mapping[str, Titles], found: OpenPlan | None
) -> Decision | None:
    """Return what of the open plan waits for a decision, or None."""
    if found is None:
        return None
    left, agreed = undecided(reading, found)
    if not left and not agreed:
        return None
    return Decision(
        plan=found.plan,
        created_at=found.created_at,
        expires_at=found.expires_at,
        changes=tuple(left[:MOST]),
        waiting=waiting(left, titles),
        approved=agreed,
    )


def undecided(reading: sa.Connection, found: OpenPlan) -> tuple[list[PlannedChange], int]:
    """Return what of a plan waits for a decision, in its order, and how many changes are approved."""
    approved = set(
        reading.execute(sa.select(approvals.c.key).where(approvals.c.plan == found.plan)).scalars()
    )
    left = [one for one in found.changes if not one.automatic and one.key not in approved]
    return left, sum(one.key in approved for one in found.changes)


def waiting(left: Iterable[PlannedChange], titles: Mapping[str, Titles]) -> tuple[Waiting, ...]:
    """Return what waits by rule and kind, what cannot be taken back first."""
    counted = Counter(
        (planned.rule, kind_of(planned.change), str(planned.change.reversibility))
        for planned in left
    )
    ordered = sorted(counted.items(), key=lambda item: -_weight(item[0][2]))
    return tuple(
        Waiting(
            rule=rule,
            titles=titles.get(rule, {"en": rule}),
            kind=kind,
            count=count,
            reversibility=reversibility,
        )
        for (rule, kind, reversibility), count in ordered
    )


def merges(found: OpenPlan | None) -> frozenset[str]:
    """Return the fingerprints of the findings whose records the open plan would merge."""
    changes = found.changes if found else ()
    return frozenset(one.finding for one in changes if isinstance(one.change, MergeRecords))


def open_plan(reading: sa.Connection, now: datetime, until: datetime) -> OpenPlan | None:
    """Return the newest plan that can be used, or None.

    Args:
        reading: A read transaction.
        now: The time.
        until: What an earlier week could not know of was made after this.
    """
    query = (
        sa.select(plans)
        .where(
            plans.c.status.in_(("open", "applying")),
            plans.c.expires_at > now,
            plans.c.created_at <= until,
        )
        .order_by(plans.c.created_at.desc(), plans.c.hash)
        .limit(1)
    )
    row = reading.execute(query).mappings().one_or_none()
    if row is None:
        return None
    begun = set(
        reading.execute(sa.select(journal.c.key).where(journal.c.plan == row["hash"])).scalars()
    )
    asleep = set(
        reading.execute(sa.select(snoozes.c.fingerprint).where(snoozes.c.until > now)).scalars()
    )
    gone = sa.select(findings.c.fingerprint).where(
        findings.c.state == "resolved", findings.c.resolved_at >= row["created_at"]
    )
    resolved = set(reading.execute(gone).scalars())
    unwritten = (
        planned
        for planned in Plan.from_json(row["content"]).changes
        if planned.key not in begun
        and planned.finding not in asleep
        and not _settled(planned, resolved)
    )
    return OpenPlan(
        plan=row["hash"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        changes=tuple(unwritten),
    )


def _settled(planned: PlannedChange, resolved: Collection[str]) -> bool:
    """Whether nothing is left to do; a task is closed because its finding is resolved."""
    return planned.finding in resolved and not isinstance(planned.change, CloseTask)


def _weight(reversibility: str) -> int:
    """Order by impact: what cannot be taken back comes first, then as in the plan: worst first."""
    return [Reversibility.REVERSIBLE, Reversibility.PARTLY, Reversibility.IRREVERSIBLE].index(
        Reversibility(reversibility)
    )


def coverage(
    reading: sa.Connection,
    since: datetime,
    now: datetime,
    *,
    late: timedelta,
    enabled: Collection[str],
    stop_file: Path | None = None,
) -> Coverage:
    """Return what was examined and what was not, and what stops writing."""
    file, restored = stop_file_halt(stop_file), Restored.within(reading)
    unwritten = quarantine.c.id.startswith(SET_ASIDE, autoescape=True)
    scanned = sa.select(sa.func.max(runs.c.ended_at)).where(
        runs.c.verb == "scan", runs.c.status == "done"
    )
    last = journal.alias("last")
    newest = sa.select(sa.func.max(journal.c.seq)).group_by(journal.c.key)
    recent = sa.func.sum(sa.case((last.c.at > since, 1), else_=0))
    states = (
        sa.select(last.c.state, sa.func.count(), recent)
        .where(last.c.seq.in_(newest))
        .group_by(last.c.state)
    )
    ended = {state: (int(ever), int(lately)) for state, ever, lately in reading.execute(states)}
    none = (0, 0)
    return Coverage(
        sources=sources(reading, now, late),
        quarantined=_quarantined(reading, ~unwritten),
        set_aside=_quarantined(reading, unwritten),
        withheld=_counted(reading, "plan", "withheld"),
        left_out=_counted(reading, "scan", "left_out"),
        skipped=_counted(reading, "scan", "skipped"),
        broken=broken_rules(reading),
        missed=missed(reading, since),
        unsettled=ended.get("intent", none)[0] + ended.get("unknown", none)[0],
        refused=ended.get("rejected", none)[1],
        conflicts=ended.get("conflict", none)[1],
        scanned_at=reading.execute(scanned).scalar_one(),
        halts=(*([file] if file else []), *standing_halts(reading)),
        restored=restored.waiting(enabled) if restored else (),
    )


def _quarantined(
    reading: sa.Connection, these: sa.ColumnElement[bool]
) -> tuple[tuple[str, str, int], ...]:
    """Return how many are set aside of each connection and for each reason, most first."""
    query = (
        sa.select(quarantine.c.connection, quarantine.c.reason, sa.func.count().label("n"))
        .where(these)
        .group_by(quarantine.c.connection, quarantine.c.reason)
    )
    found = [(row.connection, row.reason, row.n) for row in reading.execute(query)]
    return tuple(sorted(found, key=lambda one: (-one[2], one[0], one[1])))


def _counted(reading: sa.Connection, verb: str, name: str) -> tuple[tuple[str, int], ...]:
    """Return what the last run of `verb` counted under `name`, most first."""
    query = (
        sa.select(runs.c.counts)
        .where(runs.c.verb == verb, runs.c.status == "done")
        .order_by(runs.c.started_at.desc())
        .limit(1)
    )
    counts = reading.execute(query).scalar()
    reasons = counts.get(name) if isinstance(counts, dict) else None
    if not isinstance(reasons, dict):
        return ()
    numbers = {str(why): n for why, n in reasons.items() if isinstance(n, int)}
    return tuple(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))
