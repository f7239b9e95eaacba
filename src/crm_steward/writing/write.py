"""Write: the protocol every change goes through, in this order and without shortcuts.

1. The intent is durable in the journal, under our lease, before anything is sent.
2. The record is read fresh and compared, field by field, with what the plan expects.
3. A record that differs is left alone, and so is one that holds what is wanted. The rest is sent,
   at most five seconds after it was read, however long the CRM's quota let it wait: what comes too
   late is read and compared again.
4. The answer is taken apart row by row. What it does not show is `unknown`, and is settled by
   asking the CRM, never by sending again. What was certainly not sent, because a quota closed in
   the midst of it, is `absent`, and goes out when its plan is applied again.

A merge takes two such writes: its survivor is first given what the CRM's own merge would lose. The
merge expects it there, so that it does not happen without. Afterwards the survivor is read back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from crm_steward.connect.calls import TooLateError, before_each_call
from crm_steward.connect.protocol import Outcome
from crm_steward.model import (
    AuthError,
    BusyError,
    Change,
    Clock,
    CloseTask,
    Contact,
    CreateTask,
    Halt,
    HaltedError,
    MergeRecords,
    RecordRef,
    RetryableError,
    StewardError,
    StoreError,
    change_key,
    stopping,
)
from crm_steward.settings import Halting
from crm_steward.store.halts import Halts
from crm_steward.store.journal import Journal, Line, State, intent_of
from crm_steward.store.lease import Lease
from crm_steward.store.restored import refuse_restored
from crm_steward.writing.compare import difference, held_already, members
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.halting import Breaker
from crm_steward.writing.items import Item, batches, combined
from crm_steward.writing.readback import read_back, unread
from crm_steward.writing.snapshot import moved_since, with_snapshot
from crm_steward.writing.targets import Target, Targets
from crm_steward.writing.tried import first_keys

FRESH = timedelta(seconds=5)
"""How old the reading may be that a write is compared with."""

_TRIES = 3
"""How often one change is read anew when its turn to be written comes too late."""
_HALTED = "nothing was sent: writing was stopped"
_TOO_EARLY = "nothing was sent: what the survivor is given before has no answer yet"
_TOO_SLOW = "nothing was sent: the CRM answers too slowly to compare just before writing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes items under a lease, as one run.

    Args:
        journal: Where intents and outcomes are written down.
        lease: Held while this runs.
        clock: The time.
        stop: When set, the batch under way is finished and nothing more is begun.
        counts: The run, and what became of its changes after that was committed.
        halt: What stops writing.
    """

    journal: Journal
    lease: Lease
    clock: Clock
    stop: threading.Event
    counts: ApplyCounts
    halt: Halting
    _unsent: dict[str, Item] = field(default_factory=dict, init=False)
    """What of the batch under way was certainly not handed over to the connector."""
    _doubtful: set[str] = field(default_factory=set, init=False)
    """Keys of what was sent in this run and has no answer yet."""
    _ended: dict[str, State] = field(default_factory=dict, init=False)
    """How the changes of the batch under way ended."""

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
            targets.attempt(self.journal.database, connection, partial(self.write, items=group))

    def write(self, target: Target, items: Sequence[Item]) -> None:
        """Write `items` to `target`, in order. Ends early when asked to stop.

        Raises:
            StewardError: The connection failed; what may have been sent is `unknown` in the journal,
                what certainly was not is `absent`.
            StoreError: The journal cannot be written; nothing was sent after that.
            BusyError: Another process took over.
        """
        pending = self._with_fillings(items)
        breaker = self._breaker(items[0].planned.change.ref.connection)
        first = next(pending)
        trial = breaker.trial(first.planned.rule, first.key)
        if trial is not None:
            self._write_batch(target, [first])
            breaker.tried(trial, self._ended.get(first.key))
        for batch in batches(pending if trial else chain([first], pending), target.batch):
            if self.stop.is_set():
                return
            self._write_batch(target, batch)
            breaker.count((i.undoes is not None, self._ended.get(i.key)) for i in batch)

    def _breaker(self, connection: str) -> Breaker:
        return Breaker(
            connection=connection,
            journal=self.journal,
            lease=self.lease,
            bounds=self.halt,
            clock=self.clock,
            turned=self.counts.turned.append,
        )

    def _write_batch(self, target: Target, batch: Sequence[Item]) -> None:
        """Write what of `batch` no halt stops."""
        self._ended.clear()
        batch = self._begin(target, batch)
        if not batch:
            return
        self._unsent.update((item.key, item) for item in batch)
        try:
            self._send(target, batch)
        except (BusyError, StoreError):
            raise
        except Exception as error:
            why = _unsent_because(error)
            self._note([self._line(i, State.ABSENT, why) for i in self._unsent.values()])
            raise
        finally:
            self._unsent.clear()

    def _begin(self, target: Target, batch: Sequence[Item]) -> list[Item]:
        """Make the intents durable of what no halt stops, and return it.

        Those of merges hold what every member held, read for it.
        """
        going, _ = self._sift(batch)
        going = [self._snapped(target, item) for item in going]
        while going:
            try:
                self.journal.append([self._intent(item) for item in going], self.lease)
            except HaltedError as error:  # since the line above
                self.counts.halted.update(error.held.values())
                going = [item for item in going if item.key not in error.held]
            else:
                break
        return going

    def _snapped(self, target: Target, item: Item) -> Item:
        change = item.planned.change
        if not isinstance(change, MergeRecords):
            return item
        held = with_snapshot(change, target.connector.get(list(members(change))))
        return replace(item, planned=replace(item.planned, change=held))

    def _sift(self, items: Sequence[Item]) -> tuple[list[Item], list[tuple[Item, Halt]]]:
        """Return what may be written now, and what not; what not is counted."""
        halts = Halts(self.journal.database, self.halt.file).standing()
        held = [(item, halt) for item in items if (halt := _stopping(halts, item))]
        self.counts.halted.update(halt for _, halt in held)
        return [item for item in items if not _stopping(halts, item)], held

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
        early = [
            item for item in batch if self._doubtful.intersection(first_keys(item.planned.change))
        ]
        self._end([(item, _TOO_EARLY) for item in early], State.ABSENT)
        batch = [item for item in batch if item not in early]
        for state, found in ((State.CONFLICT, _difference), (State.ALREADY, held_already)):
            over = [(i, why) for i in batch if (why := found(i.planned.change, fresh))]
            self._end(over, state)
            done = {item.key for item, _ in over}
            batch = [item for item in batch if item.key not in done]
        if batch:
            self.lease.renew()
            self._send_late(target, self._deliver(target, batch, read_at), tries)

    def _send_late(self, target: Target, late: Sequence[Item], tries: int) -> None:
        """Begin again with what was not sent in time, in halves, unless a halt stops it now."""
        late, held = self._sift(late)
        self._end([(item, f"{_HALTED}: {halt.why('en')}") for item, halt in held], State.ABSENT)
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

        def leased() -> None:
            if abs(self.clock() - self.lease.renewed_at) > self.lease.ttl / 2:
                raise TooLateError

        if abs(self.clock() - read_at) > FRESH:
            return list(sound)
        tasks = [i for i in sound if isinstance(i.planned.change, CreateTask | CloseTask)]
        rest = [i for i in sound if not isinstance(i.planned.change, CreateTask | CloseTask)]
        return [*self._transmit(target, rest, fresh), *self._transmit(target, tasks, leased)]

    def _transmit(
        self, target: Target, items: Sequence[Item], check: Callable[[], None]
    ) -> list[Item]:
        """Hand `items` over and write down what comes back; `check` runs before each call.

        What an error says was certainly not sent stays among what was not handed over.
        """
        if not items:
            return []
        for item in items:
            self._unsent.pop(item.key)
        writes = combined(items)
        changes = [write.change for write in writes]
        told, error = self._ask(target, items, changes, check)
        answers = self._read_back(target, changes, told)
        unsent = [
            item
            for write in writes
            for item in write.items
            if _never_sent(error) and change_key(write.change) not in answers
        ]
        self._unsent.update((item.key, item) for item in unsent)
        silence = "no answer" if error is None else f"no answer ({type(error).__name__})"
        self._note(
            [
                self._outcome(item, answers.get(change_key(write.change)), silence)
                for write in writes
                for item in write.items
                if item.key not in self._unsent
            ]
        )
        if error is not None and not (isinstance(error, TooLateError) and unsent):
            raise error
        return unsent

    def _ask(
        self,
        target: Target,
        items: Sequence[Item],
        changes: Sequence[Change],
        check: Callable[[], None],
    ) -> tuple[dict[str, Outcome], Exception | None]:
        """Send, and keep every answer that came, even when the call failed half way."""
        answers: dict[str, Outcome] = {}

        def going() -> None:
            halts = Halts(self.journal.database, self.halt.file).standing()
            if any(_stopping(halts, item) for item in items):
                raise TooLateError
            self.lease.held()
            check()

        try:
            going()  # a connector may write without a call that is paced
            with before_each_call(going):
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
        self._ended.update((line.key, line.state) for line in lines)
        self.counts.add(lines)

    def _intent(self, item: Item) -> Line:
        return intent_of(
            item.planned.change,
            key=item.key,
            run=self.counts.run,
            plan=item.plan,
            rule=item.planned.rule,
            finding=item.planned.finding,
            undoes=item.undoes,
            at=self.clock(),
        )

    def _line(self, item: Item, state: State, why: str = "", remote_id: str = "") -> Line:
        intent = self._intent(item)
        return replace(intent, state=state, change=None, reason=why, remote_id=remote_id)


def _never_sent(error: Exception | None) -> bool:
    """Whether what has no answer certainly did not happen: it only has to be tried later.

    A quota that closed and a credential that is refused say so; what else goes wrong does not.
    """
    if isinstance(error, RetryableError):
        return not error.sent
    return isinstance(error, AuthError)


def _unsent_because(error: Exception) -> str:
    """Return why nothing was sent; what a foreign exception says may name a person."""
    known = isinstance(error, StewardError) and error.message
    return f"nothing was sent: {known or type(error).__name__}"


def _difference(change: Change, fresh: Mapping[RecordRef, Contact]) -> str:
    """Return why the records as they are now forbid a change, snapshots included."""
    why = difference(change, fresh)
    if not why and isinstance(change, MergeRecords):
        moved = moved_since(change, fresh)
        return f"changed meanwhile: {', '.join(moved)}" if moved else ""
    return why


def _stopping(halts: tuple[Halt, ...], item: Item) -> Halt | None:
    return stopping(halts, item.planned.change.ref.connection, item.planned.rule, item.key)
