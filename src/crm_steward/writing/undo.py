"""Undo: give records back what they held, newest change first, unless somebody edited them since."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from crm_steward.model import (
    ArchiveRecord,
    Clock,
    CloseTask,
    CreateTask,
    MergeRecords,
    PlannedChange,
    RecordRef,
    StewardError,
    SuppressChannel,
    UpdateFields,
    utc_now,
)
from crm_steward.store.database import Database
from crm_steward.store.journal import FRUITLESS, Journal, Line, State
from crm_steward.store.lease import Lease, hold
from crm_steward.store.runs import Runs
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.items import Item
from crm_steward.writing.settle import Settler
from crm_steward.writing.targets import Targets
from crm_steward.writing.write import Writer

BUSY = "an earlier write to this record is not settled yet"
TASK = "a task is not taken back: close it in the CRM"
SUPPRESSED = "nothing is loosened by machine: a person lifts it in the CRM, if they may"
ARCHIVED = "restore the record from the CRM's recycle bin"
FILLED = "the record was merged with others that held this; a merge cannot be taken back"
PURGED = "what it held before is no longer kept: keep_values in the settings, or an erasure"
MERGED = "a merge cannot be taken back"
CLOSED = "a closed task is not taken back: open it again in the CRM"
_WHY_NOT: Mapping[type, str] = MappingProxyType(
    {
        UpdateFields: "",
        CreateTask: TASK,
        CloseTask: CLOSED,
        SuppressChannel: SUPPRESSED,
        ArchiveRecord: ARCHIVED,
        MergeRecords: MERGED,
    }
)
"""Why a change is not taken back by machine; nothing for what is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoResult:
    """What undoing would do.

    Args:
        items: The writes, newest change first.
        impossible: What cannot be undone, and why.
    """

    items: tuple[Item, ...] = ()
    impossible: tuple[tuple[Line, str], ...] = ()


def plan_undo(database: Database, what: str) -> UndoResult:
    """Look up what undoing `what` would write. Writes nothing.

    Args:
        database: The store.
        what: A run's id, a rule's id, a record (`connection:id`), or a change's key (or its
            beginning).
    """
    journal = Journal(database)
    intents = _named(journal, what)
    effective = journal.took_effect(intents)
    undone = journal.undone(effective)
    busy = {standing.intent.ref for standing in journal.under_way()}
    merged = journal.merged(line.finding for line in intents if line.seq in effective)
    items: list[Item] = []
    impossible: list[tuple[Line, str]] = []
    for line in intents:
        if line.seq not in effective or undone.get(line.seq, State.ABSENT) not in FRUITLESS:
            continue
        why = BUSY if line.ref in busy else _impossible(line, merged)
        if why:
            impossible.append((line, why))
        else:
            items.append(_item(line))
    return UndoResult(items=tuple(items), impossible=tuple(impossible))


def undo(
    database: Database,
    what: str,
    targets: Targets,
    *,
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
        result = plan_undo(database, what)
        writer.write_all(targets, result.items)
        settler.settle(targets, patience=patience)
        counts.left = len(plan_undo(database, what).items) - counts.halted.total()
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


def _impossible(line: Line, merged: Collection[tuple[str, RecordRef]]) -> str:
    """Return why a change is not taken back; of a group's records only a merge writes fields."""
    if line.purged_at is not None and (
        line.change is None or isinstance(line.change, UpdateFields)
    ):
        return PURGED
    if isinstance(line.change, UpdateFields) and (line.finding, line.ref) in merged:
        return FILLED
    return _WHY_NOT[type(line.change)]


def _item(line: Line) -> Item:
    change = line.change
    if not isinstance(change, UpdateFields):
        raise TypeError(line.kind)
    back = UpdateFields(ref=change.ref, values=change.expected, expected=change.values)
    planned = PlannedChange(change=back, rule=line.rule, finding=line.finding)
    return Item(planned=planned, plan="", undoes=line.seq)
