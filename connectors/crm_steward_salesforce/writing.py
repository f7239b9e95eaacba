"""Writing to Salesforce: each kind of change by the call that suits it, in the order given.

Nothing whose answer was lost is sent again from here: it ends as UNKNOWN, and is settled by reading
the record, the tasks of the contact, or where the losers of a merge went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

from crm_steward.sdk import (
    ArchiveRecord,
    Change,
    CloseTask,
    CreateTask,
    LiftSuppression,
    MergeRecords,
    Outcome,
    RecreateRecords,
    Status,
    StewardError,
    SuppressChannel,
    TaskState,
    UndeleteRecords,
    UpdateFields,
    change_key,
    ended,
)
from crm_steward_salesforce.closing import Closings
from crm_steward_salesforce.guarded import Memory, Updater
from crm_steward_salesforce.lifting import Lifter
from crm_steward_salesforce.mapping import ContactMap
from crm_steward_salesforce.merging import Merger
from crm_steward_salesforce.records import Records
from crm_steward_salesforce.removing import Remover
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.tasks import Tasks
from crm_steward_salesforce.undeleting import Undeleter
from crm_steward_salesforce.wire import Wire

C = TypeVar("C", bound=Change)


class Writer:
    """Makes and settles changes in one org.

    Args:
        wire: The org.
        schema: What our user can see.
        contacts: How our fields are Salesforce's.
        records: Brings records by id.
        memory: What `get` brought last.
    """

    def __init__(
        self,
        wire: Wire,
        schema: Schema,
        contacts: ContactMap,
        records: Records,
        memory: Memory,
    ) -> None:
        self._records = records
        self._updater = Updater(wire, contacts, records, memory)
        self._tasks = Tasks(wire, schema, records)
        self._closings = Closings(wire, schema, records)
        self._remover = Remover(wire, schema, records)
        self._undeleter = Undeleter(wire, records)
        self._lifter = Lifter(wire, schema, records)
        self._merger = Merger(wire, schema, contacts, records)

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes in order; neighbours of one kind share requests where they can."""
        for _, run in groupby(changes, type):
            group = list(run)
            yield from self._applied(group)

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks."""
        return self._closings.states(ids)

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether changes took effect whose answer was lost."""
        done: dict[str, Outcome] = {}
        for outcome in (
            *self._tasks.settled(_of(CreateTask, changes)),
            *self._closings.settled(_of(CloseTask, changes)),
            *self._remover.archived(_of(ArchiveRecord, changes)),
            *map(self._merger.settled, _of(MergeRecords, changes)),
            *map(_never, _of(RecreateRecords, changes)),
            *map(self._undeleter.settled, _of(UndeleteRecords, changes)),
            *self._settled_fields(changes),
        ):
            done[outcome.key] = outcome
        yield from (done[key] for key in map(change_key, changes))

    def _applied(self, group: Sequence[Change]) -> Iterator[Outcome]:
        if isinstance(group[0], UpdateFields):
            for part in _distinct(_of(UpdateFields, group)):
                yield from self._updater.update(part)
            return
        yield from _ordered(_of(CreateTask, group), self._tasks.create)
        yield from _ordered(_of(CloseTask, group), self._closings.close)
        yield from _ordered(_of(SuppressChannel, group), self._remover.suppress)
        yield from map(self._lifter.lift, _of(LiftSuppression, group))
        yield from _ordered(_of(ArchiveRecord, group), self._remover.archive)
        yield from map(_never, _of(RecreateRecords, group))
        yield from map(self._undeleter.undelete, _of(UndeleteRecords, group))
        yield from map(self._merger.merge, _of(MergeRecords, group))

    def _settled_fields(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        kinds = UpdateFields | SuppressChannel | LiftSuppression
        wanted = [c for c in changes if isinstance(c, kinds)]
        found = self._records.found([change.ref.id for change in wanted]) if wanted else {}
        for change in wanted:
            held = found.get(change.ref.id)
            if held is None:
                yield ended(change, Status.REJECTED, "the contact is gone")
            elif isinstance(change, UpdateFields):
                yield self._updater.settled(change, held)
            elif isinstance(change, LiftSuppression):
                yield self._lifter.settled(change, held)
            else:
                yield self._remover.suppressed(change, held)


def _never(change: RecreateRecords) -> Outcome:
    """Refuse to make anew what can be brought back."""
    return ended(change, Status.REJECTED, "merged contacts come back under their own ids here")


def _of(kind: type[C], changes: Iterable[Change]) -> list[C]:
    return [change for change in changes if isinstance(change, kind)]


def _distinct(changes: Sequence[UpdateFields]) -> Iterator[list[UpdateFields]]:
    """Cut updates into parts in which no record comes twice: the later one meets what it left."""
    part: list[UpdateFields] = []
    for change in changes:
        if any(change.ref == other.ref for other in part):
            yield part
            part = []
        part.append(change)
    if part:
        yield part


def _ordered(
    changes: Sequence[C], make: Callable[[Sequence[C]], Iterator[Outcome]]
) -> Iterator[Outcome]:
    """Make changes that share requests, and tell of them in their own order.

    Raises:
        StewardError: What has no outcome was not sent.
    """
    if not changes:
        return
    done: dict[str, Outcome] = {}
    failure: StewardError | None = None
    try:
        for outcome in make(changes):
            done[outcome.key] = outcome
    except StewardError as error:
        failure = error
    yield from (done[key] for key in map(change_key, changes) if key in done)
    if failure:
        raise failure
