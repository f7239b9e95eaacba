"""Writing to Zoho: each kind of change by the call that fits it, and finding out afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

from crm_steward.sdk import (
    ArchiveRecord,
    Change,
    CloseTask,
    Contact,
    Context,
    CreateTask,
    LiftSuppression,
    MergeRecords,
    Outcome,
    RecreateRecords,
    Status,
    SuppressChannel,
    TaskState,
    UndeleteRecords,
    UpdateFields,
    ended,
)
from crm_steward_zoho import ZohoSettings
from crm_steward_zoho.batches import MOST, Batches
from crm_steward_zoho.closing import Closings
from crm_steward_zoho.lifting import Lifter
from crm_steward_zoho.mapping import ContactMap
from crm_steward_zoho.merging import Merger
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.tasks import Tasks
from crm_steward_zoho.undeleting import Undeleter
from crm_steward_zoho.updates import Memory, Updater
from crm_steward_zoho.wire import Wire

_NEVER_ANEW = "merged contacts come back under their own ids here"


class Writer:
    """Makes and settles changes in one organisation.

    Args:
        settings: The connection's settings.
        context: What the core gives.
        wire: The organisation.
        contacts: How our fields are Zoho's.
        reader: Reads records by id.
        memory: What `get` has just brought.
    """

    def __init__(
        self,
        settings: ZohoSettings,
        context: Context,
        *,
        wire: Wire,
        contacts: ContactMap,
        reader: Reader,
        memory: Memory,
    ) -> None:
        triggers = None if settings.workflows else ()
        self._reader = reader
        self._map = contacts
        self._updater = Updater(
            wire, contacts, reader, memory=memory, clock=context.clock, triggers=triggers
        )
        self._tasks = Tasks(wire, triggers)
        self._closings = Closings(wire, triggers)
        self._batches = Batches(wire, reader, triggers)
        self._undeleter = Undeleter(wire, reader)
        self._lifter = Lifter(wire, contacts, reader, triggers)
        self._merger = Merger(wire, contacts, reader, self._batches, context.stop)

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes in order; opt-outs and deletions of different records share a request."""
        for group in _groups(changes):
            match group[0]:
                case SuppressChannel():
                    yield from self._batches.suppress(
                        [c for c in group if isinstance(c, SuppressChannel)]
                    )
                case ArchiveRecord():
                    yield from self._batches.archive(
                        [c for c in group if isinstance(c, ArchiveRecord)]
                    )
                case CloseTask():
                    yield from self._closings.apply([c for c in group if isinstance(c, CloseTask)])
                case _:
                    yield from (self._one(change) for change in group)

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks."""
        return self._closings.states(ids)

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether changes took effect whose answer was lost."""
        plain = [c for c in changes if not isinstance(c, CreateTask | CloseTask | MergeRecords)]
        ids = [change.ref.id for change in plain]
        records = self._reader.records(list(dict.fromkeys(map(self._reader.survivor_of, ids))))
        closed = self._closings.settle([c for c in changes if isinstance(c, CloseTask)])
        for change in changes:
            record = records.get(self._reader.survivor_of(change.ref.id))
            match change:
                case CreateTask():
                    yield self._tasks.settle(change)
                case CloseTask():
                    yield next(closed)
                case MergeRecords():
                    yield self._merger.settle(change)
                case UndeleteRecords():
                    yield self._undeleter.settle(change)
                case RecreateRecords():
                    yield ended(change, Status.REJECTED, _NEVER_ANEW)
                case _:
                    yield self._settled(change, record)

    def _settled(
        self,
        change: UpdateFields | SuppressChannel | LiftSuppression | ArchiveRecord,
        record: Mapping[str, Any] | None,
    ) -> Outcome:
        """Look whether a change of the record itself took effect."""
        read = self._map.contact(record) if record is not None else None
        contact = read if isinstance(read, Contact) else None
        match change:
            case UpdateFields():
                return self._updater.settle(change, contact)
            case SuppressChannel():
                return self._batches.settle_suppression(change, record)
            case LiftSuppression():
                return self._lifter.settle(change, record)
            case ArchiveRecord():
                return self._batches.settle_archiving(change, contact)

    def _one(self, change: Change) -> Outcome:
        match change:
            case UpdateFields():
                return self._updater.apply(change)
            case CreateTask():
                return self._tasks.create(change)
            case MergeRecords():
                return self._merger.apply(change)
            case LiftSuppression():
                return self._lifter.apply(change)
            case UndeleteRecords():
                return self._undeleter.apply(change)
            case RecreateRecords():
                return ended(change, Status.REJECTED, _NEVER_ANEW)
            case CloseTask() | SuppressChannel() | ArchiveRecord():
                raise TypeError("these share requests")
            case _:
                assert_never(change)


def _groups(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Cut changes into runs of one kind, of different records, that one request carries."""
    waiting: list[Change] = []
    for change in changes:
        if waiting and not _joins(change, waiting):
            yield waiting
            waiting = []
        waiting.append(change)
    if waiting:
        yield waiting


def _joins(change: Change, waiting: Sequence[Change]) -> bool:
    alike = type(change) is type(waiting[0])
    fresh = all(change.ref != other.ref for other in waiting)
    return alike and fresh and len(waiting) < MOST
