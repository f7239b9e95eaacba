"""Writing to HubSpot, and finding out afterwards: each kind of change has a module of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from crm_steward.sdk import (
    ArchiveRecord,
    Change,
    Clock,
    CloseTask,
    CreateTask,
    LiftSuppression,
    MergeRecords,
    Outcome,
    RecreateRecords,
    SuppressChannel,
    TaskState,
    UndeleteRecords,
    UpdateFields,
)
from crm_steward_hubspot.archiving import Archives
from crm_steward_hubspot.closing import Closings
from crm_steward_hubspot.mapping import ContactMap
from crm_steward_hubspot.merging import Merges
from crm_steward_hubspot.optouts import Unsubscriber
from crm_steward_hubspot.outcomes import NEVER_ANEW, NEVER_BACK, NEVER_LIFTED, never, of
from crm_steward_hubspot.reading import Reader
from crm_steward_hubspot.suppressing import Suppressions
from crm_steward_hubspot.tasks import Tasks
from crm_steward_hubspot.updates import Updates
from crm_steward_hubspot.wire import Wire


class Writer:
    """Makes and settles changes in one account.

    Args:
        wire: The account.
        contacts: How our fields are HubSpot's properties.
        reader: Reads contacts by id.
        clock: The time.
    """

    def __init__(self, wire: Wire, contacts: ContactMap, reader: Reader, clock: Clock) -> None:
        self._map = contacts
        self._reader = reader
        unsubscriber = Unsubscriber(wire)
        self._updates = Updates(wire, contacts, reader, unsubscriber)
        self._tasks = Tasks(wire, clock)
        self._closings = Closings(wire)
        self._suppressions = Suppressions(unsubscriber, reader, contacts)
        self._merges = Merges(wire, reader, unsubscriber)
        self._archives = Archives(wire, reader)

    def due_in(self, zone: ZoneInfo) -> None:
        """Let tasks be due in the account's time zone."""
        self._tasks.zone = zone

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes in order; neighbours of one kind share requests."""
        for _, neighbours in groupby(changes, type):
            group = list(neighbours)
            yield from self._updates.apply(of(UpdateFields, group))
            yield from self._tasks.apply(of(CreateTask, group))
            yield from self._closings.apply(of(CloseTask, group))
            yield from self._suppressions.apply(of(SuppressChannel, group))
            yield from never(of(LiftSuppression, group), NEVER_LIFTED)
            yield from never(of(UndeleteRecords, group), NEVER_BACK)
            yield from never(of(RecreateRecords, group), NEVER_ANEW)
            yield from self._merges.apply(of(MergeRecords, group))
            yield from self._archives.apply(of(ArchiveRecord, group))

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks."""
        return self._closings.states(ids)

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether changes took effect whose answer was lost."""
        # A task is closed whatever became of its contact.
        members = [change.ref.id for change in changes if not isinstance(change, CloseTask)]
        members += [loser.id for merge in of(MergeRecords, changes) for loser in merge.losers]
        records: Mapping[str, Any] = self._reader.records(members) if members else {}
        found = {asked: self._map.contact(record) for asked, record in records.items()}
        for _, neighbours in groupby(changes, type):
            group = list(neighbours)
            yield from self._updates.settle(of(UpdateFields, group), found)
            yield from self._tasks.settle(of(CreateTask, group), found)
            yield from self._closings.settle(of(CloseTask, group))
            yield from self._suppressions.settle(of(SuppressChannel, group), records)
            yield from never(of(LiftSuppression, group), NEVER_LIFTED)
            yield from never(of(UndeleteRecords, group), NEVER_BACK)
            yield from never(of(RecreateRecords, group), NEVER_ANEW)
            yield from self._merges.settle(of(MergeRecords, group), found)
            yield from self._archives.settle(of(ArchiveRecord, group), found)
