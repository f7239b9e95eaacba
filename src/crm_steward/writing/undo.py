"""Undo: give records back what they held, newest change first, unless somebody edited them since."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from crm_steward.model import Ability, Clock, PlannedChange, RecordRef, StewardError, utc_now
from crm_steward.store.database import Database
from crm_steward.store.journal import FRUITLESS, Journal, Line, State
from crm_steward.store.lease import Lease, hold
from crm_steward.store.runs import Runs
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.inverse import Kept, inverses
from crm_steward.writing.items import Item
from crm_steward.writing.settle import Settler
from crm_steward.writing.targets import Targets
from crm_steward.writing.write import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoResult:
    """What undoing would do.

    Args:
        items: The writes, newest change first.
        impossible: What cannot be undone, and why.
    """

    items: tuple[Item, ...] = ()
    impossible: tuple[tuple[Line, Kept], ...] = ()


NOTHING_KNOWN: Mapping[str, Ability] = MappingProxyType({})


def plan_undo(
    database: Database, what: str, abilities: Mapping[str, Ability] = NOTHING_KNOWN
) -> UndoResult:
    """Look up what undoing `what` would write. Writes nothing.

    Args:
        database: The store.
        what: A run's id, a rule's id, a record (`connection:id`), or a change's key (or its
            beginning).
        abilities: What each enabled connection can do; without, only fields are given back.
    """
    journal = Journal(database)
    intents = _named(journal, what)
    verified = journal.took_effect(intents)
    undone = journal.undone(verified)
    busy = {standing.intent.ref for standing in journal.under_way()}
    effective = [
        line
        for line in intents
        if line.seq in verified and undone.get(line.seq, State.ABSENT) in FRUITLESS
    ]
    known = inverses(database, effective, abilities)
    items: list[Item] = []
    impossible: list[tuple[Line, Kept]] = []
    for line in effective:
        back = Kept.BUSY if line.ref in busy else known.of(line)
        if isinstance(back, Kept):
            impossible.append((line, back))
        else:
            planned = PlannedChange(change=back, rule=line.rule, finding=line.finding)
            items.append(Item(planned=planned, plan="", undoes=line.seq))
    return UndoResult(items=tuple(items), impossible=tuple(impossible))


def undo(
    database: Database,
    what: str,
    targets: Targets,
    *,
    abilities: Mapping[str, Ability] = NOTHING_KNOWN,
    clock: Clock = utc_now,
    stop: threading.Event | None = None,
    patience: timedelta = timedelta(0),
    lease: Lease | None = None,
) -> ApplyCounts:
    """Undo `what`, through the same protocol as any write, and journal it.

    Limits do not apply: undoing gives back what they protect, and never more than was written.

    Args:
        database: The store.
        what: See `plan_undo`.
        targets: The connections.
        abilities: See `plan_undo`.
        clock: The time.
        stop: When set, the batch under way is finished and nothing more is begun.
        patience: How long to wait at the end for what cannot be settled at once.
        lease: A lease held already; None takes one.

    Raises:
        BusyError: Another process is writing, or took over.
        StoreError: The database cannot be written; nothing was sent after that.
    """
    if lease is None:
        with hold(database, clock=clock) as taken:
            return undo(
                database,
                what,
                targets,
                abilities=abilities,
                clock=clock,
                stop=stop,
                patience=patience,
                lease=taken,
            )
    stop = stop or threading.Event()
    runs, journal = Runs(database), Journal(database)
    counts = ApplyCounts(run=runs.start("undo", now=clock()), failures=targets.failures)
    settler = Settler(journal, lease, clock, stop, counts)
    writer = Writer(
        journal=journal, lease=lease, clock=clock, stop=stop, counts=counts, halt=targets.halt
    )
    try:
        settler.settle(targets)
        result = plan_undo(database, what, abilities)
        writer.write_all(targets, result.items)
        settler.settle(targets, patience=patience)
        counts.left = len(plan_undo(database, what, abilities).items) - counts.halted.total()
    except StewardError as error:
        runs.finish(counts.run, counts.to_json(), now=clock(), error=type(error).__name__)
        raise
    runs.finish(counts.run, counts.to_json(), now=clock())
    return counts


def _named(journal: Journal, what: str) -> Sequence[Line]:
    """Return the intents that `what` names, newest first.

    What undid something is undone itself only when its run or its key is named; otherwise undoing
    a rule twice would do it all again.
    """
    by_run = journal.lines(run=what, state=State.INTENT)
    if by_run:
        return by_run
    try:
        wider = journal.lines(ref=RecordRef.parse(what), state=State.INTENT)
    except ValueError:
        wider = journal.lines(rule=what, state=State.INTENT)
    if wider:
        return [line for line in wider if line.undoes is None]
    return journal.lines(key=what, state=State.INTENT)
