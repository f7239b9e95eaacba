"""Undo: give records back what they held, newest change first, unless somebody edited them since.

Undoing a suppression loosens. It is left out unless a person says how many they were shown, and why
they were a mistake; and nothing at all is written when that number is not the right one, or when a
CRM, read again, knows another ground for one of them.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from crm_steward.model import (
    Ability,
    Change,
    Clock,
    Contact,
    LiftSuppression,
    LimitExceededError,
    PlannedChange,
    RecordRef,
    StewardError,
    SuppressChannel,
    utc_now,
)
from crm_steward.rules import RuleBook
from crm_steward.store.database import Database
from crm_steward.store.journal import FRUITLESS, Journal, Line, State
from crm_steward.store.lease import Lease, hold
from crm_steward.store.runs import Runs
from crm_steward.store.tables import journal as journal_table
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.grounds import Grounds
from crm_steward.writing.inverse import Loosening, inverses
from crm_steward.writing.items import Item
from crm_steward.writing.kept import Kept, Reason
from crm_steward.writing.settle import Settler
from crm_steward.writing.targets import Target, Targets
from crm_steward.writing.write import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoResult:
    """What undoing would do.

    Args:
        items: The writes, newest change first.
        impossible: What cannot be undone, and why.
    """

    items: tuple[Item, ...] = ()
    impossible: tuple[tuple[Line, Reason], ...] = ()

    @property
    def lifts(self) -> tuple[Item, ...]:
        """Those that lift a suppression: a person has to ask for them."""
        return tuple(i for i in self.items if isinstance(i.planned.change, LiftSuppression))

    @property
    def plain(self) -> tuple[Item, ...]:
        """The others."""
        return tuple(i for i in self.items if not isinstance(i.planned.change, LiftSuppression))


NOTHING_KNOWN: Mapping[str, Ability] = MappingProxyType({})


def plan_undo(
    database: Database,
    what: str,
    abilities: Mapping[str, Ability] = NOTHING_KNOWN,
    *,
    book: RuleBook | None = None,
    loosening: Loosening | None = None,
    now: datetime | None = None,
) -> UndoResult:
    """Look up what undoing `what` would write. Writes nothing.

    Args:
        database: The store.
        what: A run's id, a rule's id, a record (`connection:id`), or a change's key (or its
            beginning).
        abilities: What each enabled connection can do; without, only fields are given back.
        book: The rules that run; without, no suppression is lifted.
        loosening: Who lifts suppressions and why, where that is known.
        now: The time.
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
    known = inverses(
        database,
        effective,
        abilities,
        grounds=Grounds(database, book),
        loosening=loosening,
        now=now or utc_now(),
    )
    items: list[Item] = []
    impossible: list[tuple[Line, Reason]] = []
    for line in effective:
        back = Kept.BUSY if line.ref in busy else known.of(line)
        if isinstance(back, Change):
            planned = PlannedChange(change=back, rule=line.rule, finding=line.finding)
            items.append(Item(planned=planned, plan="", undoes=line.seq))
        else:
            impossible.append((line, back))
    return UndoResult(items=tuple(items), impossible=tuple(impossible))


def undo(
    database: Database,
    what: str,
    targets: Targets,
    *,
    abilities: Mapping[str, Ability] = NOTHING_KNOWN,
    book: RuleBook | None = None,
    loosening: Loosening | None = None,
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
        book: See `plan_undo`.
        loosening: A person's word that suppressions are to be lifted; without, they are left out.
        clock: The time.
        stop: When set, the batch under way is finished and nothing more is begun.
        patience: How long to wait at the end for what cannot be settled at once.
        lease: A lease held already; None takes one.

    Raises:
        BusyError: Another process is writing, or took over.
        LimitExceededError: Suppressions are to be lifted, and they are not those that the person was
            shown, or one has another ground by now; nothing was written.
        StoreError: The database cannot be written; nothing was sent after that.
    """
    if lease is None:
        with hold(database, clock=clock) as taken:
            return undo(
                database,
                what,
                targets,
                abilities=abilities,
                book=book,
                loosening=loosening,
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
        plan = partial(plan_undo, database, what, abilities, book=book, loosening=loosening)
        result = plan(now=clock())
        if loosening is not None:
            refuse_unasked(result, loosening)
            _refuse_grounds(Grounds(database, book), result, targets)
        writer.write_all(targets, result.items if loosening else result.plain)
        settler.settle(targets, patience=patience)
        _write_what_follows(writer, targets, result, plan(now=clock()))
        settler.settle(targets, patience=patience)
        left = plan(now=clock())
        counts.left = len(left.items if loosening else left.plain) - counts.halted.total()
    except StewardError as error:
        runs.finish(counts.run, counts.to_json(), now=clock(), error=type(error).__name__)
        raise
    runs.finish(counts.run, counts.to_json(), now=clock())
    return counts


def _write_what_follows(
    writer: Writer, targets: Targets, before: UndoResult, after: UndoResult
) -> None:
    """Write what could not be taken back before something else was: what a merge rested on."""
    waited = {line.seq for line, why in before.impossible if why is Kept.FILLED}
    items = [item for item in after.plain if item.undoes in waited]
    if items and not writer.stop.is_set():
        writer.write_all(targets, items)


def refuse_unasked(result: UndoResult, loosening: Loosening) -> None:
    """Refuse to lift other suppressions than a person was shown.

    Raises:
        LimitExceededError: There are more, or fewer.
    """
    if loosening.count != len(result.lifts):
        raise LimitExceededError(
            f"{len(result.lifts)} suppressions could be lifted, not {loosening.count}: nothing was "
            "written.",
            hint="Look at them first: crm-steward undo without --yes says how many there are.",
        )


def _refuse_grounds(grounds: Grounds, result: UndoResult, targets: Targets) -> None:
    """Read every record again that speaks of an address, and refuse what the mirror did not show.

    Raises:
        LimitExceededError: There is another ground, or a CRM could not be asked.
    """
    journal = Journal(grounds.database)
    for item in result.lifts:
        lift = item.planned.change
        (line,) = journal.lines(only=[journal_table.c.seq == item.undoes])
        if not isinstance(line.change, SuppressChannel):
            raise TypeError("only a suppression is lifted")
        fresh = _fresh(grounds.database, grounds.kin(line, line.change).refs, targets)
        if fresh is None:
            why = "a CRM that knows the person could not be asked"
        else:
            against = grounds.against(line, line.change, fresh)
            why = against.value if against is not None else ""
        if why:
            raise LimitExceededError(
                f"The suppression at {lift.ref} has another ground: {why}. Nothing was written.",
                hint="Fetch what changed with crm-steward pull, then look again: crm-steward undo.",
            )


def _fresh(
    database: Database, refs: Collection[RecordRef], targets: Targets
) -> dict[RecordRef, Contact] | None:
    """Return records as they are now; None when a connection could not be asked."""
    found: dict[RecordRef, Contact] = {}

    def read(target: Target, asked: Sequence[RecordRef]) -> None:
        found.update(target.connector.get(asked))

    by_connection: dict[str, list[RecordRef]] = {}
    for ref in sorted(refs):
        by_connection.setdefault(ref.connection, []).append(ref)
    told = [
        targets.attempt(database, name, partial(read, asked=asked))
        for name, asked in by_connection.items()
    ]
    return found if all(told) else None


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
