"""Write: the protocol every change goes through, in this order and without shortcuts.

1. The intent is durable in the journal, under our lease, before anything is sent.
2. The record is read fresh and compared, field by field, with what the plan expects.
3. A record that differs is left alone. The rest is sent, at most five seconds after it was read,
   however long the CRM's quota let it wait: what comes too late is read and compared again.
4. The answer is taken apart row by row. What it does not show is `unknown`, and is settled by
   asking the CRM, never by sending again.

A merge takes two such writes: its survivor is first given what the CRM's own merge would lose. The
merge expects it there, so that it does not happen without. Afterwards the survivor is read back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from crm_steward.connect.calls import TooLateError, before_each_call
from crm_steward.connect.protocol import Outcome
from crm_steward.model import (
    BusyError,
    Change,
    Clock,
    CloseTask,
    Contact,
    CreateTask,
    MergeRecords,
    PlannedChange,
    RecordRef,
    StewardError,
    StoreError,
    UpdateFields,
    change_key,
)
from crm_steward.store.journal import Journal, Line, State, intent_of
from crm_steward.store.lease import Lease
from crm_steward.store.restored import refuse_restored
from crm_steward.writing.compare import difference, members
from crm_steward.writing.readback import read_back, unread
from crm_steward.writing.targets import Target, Targets
from crm_steward.writing.tried import first_keys

FRESH = timedelta(seconds=5)
"""How old the reading may be that a write is compared with."""

_TRIES = 3
"""How often one change is read anew when its turn to be written comes too late."""
_TOO_EARLY = "nothing was sent: what the survivor is given before has no answer yet"
_TOO_SLOW = "nothing was sent: the CRM answers too slowly to compare just before writing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One change on its way, and where it comes from.

    Args:
        planned: The change and why.
        plan: The plan's hash; empty when it undoes something.
        undoes: The seq of the intent that it takes back.
        alone: It failed before: it travels alone, so that it cannot spoil another.
    """

    planned: PlannedChange
    plan: str
    undoes: int | None = None
    alone: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.planned.key)


@dataclass(frozen=True, slots=True)
class Written:
    """One write and the items it carries: updates of one record travel together."""

    change: Change
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes items under a lease, as one run.

    Args:
        journal: Where intents and outcomes are written down.
        lease: Held while this runs.
        run: The run's id.
        clock: The time.
        stop: When set, the batch under way is finished and nothing more is begun.
        seen: Told the outcomes of a batch after they were committed.
    """

    journal: Journal
    lease: Lease
    run: str
    clock: Clock
    stop: threading.Event
    seen: Callable[[Sequence[Line]], None]
    _unsent: dict[str, Item] = field(default_factory=dict, init=False)
    """What of the batch under way was certainly not handed over to the connector."""
    _doubtful: set[str] = field(default_factory=set, init=False)
    """Keys of what was sent in this run and has no answer yet."""

    def write_all(self, targets: Targets, items: Iterable[Item]) -> None:
        """Write `items`, connection by connection; one that fails does not stop the others.

        Raises:
            LimitExceededError: One was not reconciled since the database was restored; nothing was
                written.
        """
        by_connection: dict[str, list[Item]] = {}
        for item in items:
            by_connection.setdefault(item.planned.change.ref.connection, []).append(item)
        refuse_restored(self.journal.database, by_connection)
        for connection, group in by_connection.items():
            targets.attempt(connection, partial(self.write, items=group))

    def write(self, target: Target, items: Sequence[Item]) -> None:
        """Write `items` to `target`, in order. Ends early when asked to stop.

        Raises:
            StewardError: The connection failed; what was under way is `unknown` in the journal.
            StoreError: The journal cannot be written; nothing was sent after that.
            BusyError: Another process took over.
        """
        for batch in batches(self._with_fillings(items), target.batch):
            if self.stop.is_set():
                return
            self.journal.append([self._intent(item) for item in batch], self.lease)
            self._unsent.update((item.key, item) for item in batch)
            try:
                self._send(target, batch)
            except (BusyError, StoreError):
                raise
            except Exception as error:
                why = f"nothing was sent ({type(error).__name__})"
                self._note([self._line(i, State.ABSENT, why) for i in self._unsent.values()])
                raise
            finally:
                self._unsent.clear()

    def _with_fillings(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield `items`, before each merge what its survivor is to be given and was not yet."""
        for item in items:
            change = item.planned.change
            filling = change.filling if isinstance(change, MergeRecords) else None
            if filling is not None:
                first = replace(item, planned=replace(item.planned, change=filling), alone=False)
                standing = self.journal.standings([first.key]).get(first.key)
                if standing is None or standing.state is not State.VERIFIED:
                    yield first
            yield item

    def _send(self, target: Target, batch: Sequence[Item], tries: int = _TRIES) -> None:
        """Read, compare, and send what still holds."""
        read_at, fresh = self._read(target, batch)
        early = [item for item in batch if self._doubtful.intersection(first_keys(item.planned))]
        self._end([(item, _TOO_EARLY) for item in early], State.ABSENT)
        batch = [item for item in batch if item not in early]
        differing = {
            item.key: why for item in batch if (why := difference(item.planned.change, fresh))
        }
        sound = [item for item in batch if item.key not in differing]
        self._end([(i, differing[i.key]) for i in batch if i.key in differing], State.CONFLICT)
        if sound:
            self.lease.renew()
            self._send_late(target, self._deliver(target, sound, read_at), tries)

    def _send_late(self, target: Target, late: Sequence[Item], tries: int) -> None:
        """Begin again with what was not sent because too much time had passed, in halves."""
        half = len(late) // 2
        if half:
            self._send(target, late[:half])
            self._send(target, late[half:])
        elif late and tries > 1:
            self._send(target, late, tries - 1)
        else:
            self._end([(item, _TOO_SLOW) for item in late], State.ABSENT)

    def _read(
        self, target: Target, batch: Sequence[Item]
    ) -> tuple[datetime, Mapping[RecordRef, Contact]]:
        """Return the records as they are now, and when the first call for them went out."""
        calls: list[datetime] = []
        refs = dict.fromkeys(ref for item in batch for ref in members(item.planned.change))
        asked = self.clock()
        if not refs:
            return asked, {}
        with before_each_call(lambda: calls.append(self.clock())):
            fresh = target.connector.get(list(refs))
        return (calls or [asked])[0], fresh

    def _deliver(self, target: Target, sound: Sequence[Item], read_at: datetime) -> list[Item]:
        """Send what was compared; what overwrites goes first, while the comparison is fresh.

        Returns:
            What was not sent, because waiting for the CRM's quota had taken too long.
        """

        def fresh() -> None:
            if abs(self.clock() - read_at) > FRESH:
                raise TooLateError

        def held() -> None:
            if abs(self.clock() - self.lease.renewed_at) > self.lease.ttl / 2:
                raise TooLateError

        if abs(self.clock() - read_at) > FRESH:
            return list(sound)
        tasks = [i for i in sound if isinstance(i.planned.change, CreateTask | CloseTask)]
        rest = [i for i in sound if not isinstance(i.planned.change, CreateTask | CloseTask)]
        return [*self._transmit(target, rest, fresh), *self._transmit(target, tasks, held)]

    def _transmit(
        self, target: Target, items: Sequence[Item], check: Callable[[], None]
    ) -> list[Item]:
        """Hand `items` over and write down what comes back; `check` runs before each call."""
        if not items:
            return []
        for item in items:
            self._unsent.pop(item.key)
        writes = combined(items)
        changes = [write.change for write in writes]
        told, error = self._ask(target, changes, check)
        answers = self._read_back(target, changes, told)
        late = [
            item
            for write in writes
            for item in write.items
            if isinstance(error, TooLateError) and change_key(write.change) not in answers
        ]
        self._unsent.update((item.key, item) for item in late)
        silence = "no answer" if error is None else f"no answer ({type(error).__name__})"
        self._note(
            [
                self._outcome(item, answers.get(change_key(write.change)), silence)
                for write in writes
                for item in write.items
                if item.key not in self._unsent
            ]
        )
        if error is not None and not late:
            raise error
        return late

    def _ask(
        self, target: Target, changes: Sequence[Change], check: Callable[[], None]
    ) -> tuple[dict[str, Outcome], Exception | None]:
        """Send, and keep every answer that came, even when the call failed half way."""
        answers: dict[str, Outcome] = {}
        try:
            with before_each_call(check):
                for outcome in target.connector.apply(changes):
                    answers.setdefault(outcome.key, outcome)
                    self.lease.keep()
        except Exception as error:  # noqa: BLE001 -- raised again once the journal says what is unknown
            return answers, error
        return answers, None

    def _read_back(
        self, target: Target, changes: Sequence[Change], answers: Mapping[str, Outcome]
    ) -> Mapping[str, Outcome]:
        """Look at the survivors of merges that took effect; what cannot be read is settled later."""
        try:
            return read_back(target.connector, changes, answers)
        except StewardError:
            return unread(changes, answers)

    def _end(self, items: Sequence[tuple[Item, str]], state: State) -> None:
        """Write down why items were not sent."""
        for item, _ in items:
            self._unsent.pop(item.key)
        self._note([self._line(item, state, why) for item, why in items])

    def _outcome(self, item: Item, answer: Outcome | None, silence: str) -> Line:
        if answer is None:
            return self._line(item, State.UNKNOWN, silence)
        return self._line(item, State(answer.status.value), answer.reason, answer.remote_id)

    def _note(self, lines: Sequence[Line]) -> None:
        self.journal.append(lines, self.lease)
        self._doubtful.update(line.key for line in lines if line.state is State.UNKNOWN)
        self.seen(lines)

    def _intent(self, item: Item) -> Line:
        return intent_of(
            item.planned.change,
            key=item.key,
            run=self.run,
            plan=item.plan,
            rule=item.planned.rule,
            finding=item.planned.finding,
            undoes=item.undoes,
            at=self.clock(),
        )

    def _line(self, item: Item, state: State, why: str = "", remote_id: str = "") -> Line:
        intent = self._intent(item)
        return replace(intent, state=state, change=None, reason=why, remote_id=remote_id)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut `items` into batches in which no field of a record is written twice, in order.

    What comes later on the same field (undoing several changes, newest first) waits for the next
    batch, where it is compared with what the earlier one wrote.

    Args:
        items: What is to be written, in order.
        size: How many one batch may hold.
    """
    batch: list[Item] = []
    taken: dict[RecordRef, set[str]] = {}
    for item in items:
        parts = _parts(item)
        refs = members(item.planned.change) or (item.planned.change.ref,)
        if len(batch) >= size or any(_clash(taken.get(ref, set()), parts) for ref in refs):
            yield batch
            batch, taken = [], {}
        batch.append(item)
        for ref in refs:
            taken.setdefault(ref, set()).update(parts)
    if batch:
        yield batch


_WHOLE = "*"


def _parts(item: Item) -> set[str]:
    """Return which parts of its record an item touches: fields, one task, or all of it."""
    change = item.planned.change
    if isinstance(change, UpdateFields) and not item.alone:
        return set(change.values)
    if isinstance(change, CreateTask | CloseTask) and not item.alone:
        return {change.marker}
    return {_WHOLE}


def _clash(taken: set[str], parts: set[str]) -> bool:
    return bool(taken) and (_WHOLE in taken or _WHOLE in parts or bool(taken & parts))


def combined(items: Sequence[Item]) -> list[Written]:
    """Join updates of one record into one write, at the place of the first."""
    groups: dict[RecordRef | str, list[Item]] = {}
    for item in items:
        change = item.planned.change
        place = change.ref if isinstance(change, UpdateFields) else item.key
        groups.setdefault(place, []).append(item)
    return [
        Written(_joined([item.planned.change for item in group]), tuple(group))
        for group in groups.values()
    ]


def _joined(changes: Sequence[Change]) -> Change:
    updates = [change for change in changes if isinstance(change, UpdateFields)]
    if len(changes) == 1 or len(updates) != len(changes):
        return changes[0]
    return UpdateFields(
        ref=updates[0].ref,
        values={name: value for update in updates for name, value in update.values.items()},
        expected={name: value for update in updates for name, value in update.expected.items()},
    )
