"""A CRM in memory, with the faults of real ones: to test rules, writing and connectors without one.

`FakeCrm` is a correct connector on an unreliable CRM. What goes wrong is scripted, so that a test
says what it proves; what happened is recorded in `effects`, so that a test can count.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from crm_steward.model import with_value
from crm_steward.sdk import (
    Account,
    ArchiveRecord,
    Change,
    Clock,
    CloseTask,
    Consent,
    ConsentStatus,
    Contact,
    CreateTask,
    Cursor,
    Gone,
    LiftSuppression,
    MergeRecords,
    Outcome,
    Page,
    RecordRef,
    RecreateRecords,
    RetryableError,
    Revision,
    Status,
    SuppressChannel,
    TaskState,
    UndeleteRecords,
    UpdateFields,
    Value,
    change_key,
    utc_now,
)
from crm_steward.testing.faults import Fault
from crm_steward.testing.folding import folded
from crm_steward.testing.values import anew, holds, recreated, silent_by


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeTask:
    """A task in the fake CRM."""

    id: str
    change: CreateTask
    made_at: datetime
    done: bool = False


@dataclass(slots=True)
class FakeCrm:
    """A CRM account in memory, and the connector to it.

    Args:
        connection: The connection's name; every record belongs to it.
        clock: The time.
        lag: How long a new task stays invisible to `settle`.
        conditional: Whether an update is refused by the CRM itself when the record is no longer
            what was expected (few CRMs can).
        on_call: Called at each step with its name (`get`, `apply`, `before effect`,
            `after effect`, `answer`, `settle`): let a person edit meanwhile, or crash.
    """

    connection: str
    clock: Clock = utc_now
    lag: timedelta = timedelta(0)
    conditional: bool = False
    on_call: Callable[[str], None] = lambda _step: None
    records: dict[str, Contact] = field(default_factory=dict)
    gone: dict[str, str | None] = field(default_factory=dict)
    """Id → the survivor's id, or None for an archived record."""
    bin: dict[str, Contact] = field(default_factory=dict)
    """What is gone and can come back."""
    tasks: list[FakeTask] = field(default_factory=list)
    effects: Counter[str] = field(default_factory=Counter)
    """Key of a change (as it was sent) → how often it took effect."""
    written: list[Change] = field(default_factory=list)
    """Every change that took effect, in order."""
    calls: Counter[str] = field(default_factory=Counter)
    silenced: list[Consent] = field(default_factory=list)
    """What suppressions wrote."""
    faults: deque[Fault | None] = field(default_factory=deque)
    """What happens to the changes to come, one by one; None and an empty queue mean nothing."""
    refuses: Callable[[Change], str] = lambda _change: ""
    """Returns why the CRM refuses a change for good; empty when it does not."""
    account: str | None = None
    """The account's id; None: the connection's name."""
    _edits: int = 0

    # What people and tests do.

    def add(self, contact: Contact | str, **values: Value) -> Contact:
        """Add a contact, or one of this id with canonical field values."""
        if isinstance(contact, str):
            contact = Contact(ref=RecordRef(self.connection, contact))
        self.records[contact.ref.id] = contact
        return self.edit(contact.ref.id, **values)

    def edit(self, record_id: str, **values: Value) -> Contact:
        """Edit a record, as a salesperson does in the CRM."""
        self._set(record_id, values)
        return self.records[record_id]

    def remove(self, record_id: str, *, survivor: str | None = None) -> None:
        """Archive a record, or merge it into another."""
        self.bin[record_id] = self.records.pop(record_id)
        self.gone[record_id] = survivor

    def finish(self, task_id: str) -> None:
        """Mark a task as done."""
        self.tasks = [replace(t, done=t.done or t.id == task_id) for t in self.tasks]

    def drop(self, task_id: str) -> None:
        """Delete a task."""
        self.tasks = [task for task in self.tasks if task.id != task_id]

    def fail(self, *faults: Fault | None) -> None:
        """Script what happens to the next changes."""
        self.faults.extend(faults)

    @property
    def _account(self) -> str:
        return self.connection if self.account is None else self.account

    # What a connector does.

    def check(self) -> Account:
        """Describe the account."""
        self._call("check")
        return Account(id=self._account, name=f"Fake CRM {self.connection}")

    def account_id(self) -> str:
        """Tell which account it is."""
        self._call("account")
        return self._account

    def read(self, since: Cursor | None) -> Iterator[Page]:  # noqa: ARG002 -- a fake reads it all each time
        """Bring everything in one page."""
        self._call("read")
        yield Page(
            cursor=Cursor(str(self._edits)),
            contacts=tuple(self.records.values()),
            gone=tuple(
                Gone(self._ref(lost), self._ref(kept) if kept else None)
                for lost, kept in self.gone.items()
            ),
            complete=True,
            total=len(self.records),
        )

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring records fresh; one merged into another comes back as the survivor."""
        self._call("get")
        found = {ref: self._resolve(ref.id) for ref in refs}
        return {ref: contact for ref, contact in found.items() if contact is not None}

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes one by one, with whatever fault is scripted for each."""
        self._call("apply")
        for change in changes:
            fault = self.faults.popleft() if self.faults else None
            outcome = self._attempt(change, fault)
            self.on_call("answer")
            if outcome is not None:
                yield outcome

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Look whether changes took effect."""
        self._call("settle")
        for change in changes:
            yield self._seen(change)

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Tell what became of tasks."""
        self._call("tasks")
        done = {task.id: task.done for task in self.tasks}
        told = {False: TaskState.OPEN, True: TaskState.DONE, None: TaskState.DELETED}
        return {one: told[done.get(one)] for one in ids}

    def close(self) -> None:
        """Nothing is open."""

    # How it works inside.

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        self.on_call(name)

    def _ref(self, record_id: str) -> RecordRef:
        return RecordRef(self.connection, record_id)

    def _resolve(self, record_id: str) -> Contact | None:
        seen: set[str] = set()
        at: str | None = record_id
        while at is not None and at not in self.records and at not in seen:
            seen.add(at)
            at = self.gone.get(at)
        return None if at is None else self.records.get(at)

    def _attempt(self, change: Change, fault: Fault | None) -> Outcome | None:
        key = change_key(change)
        reason = "refused by script" if fault is Fault.REJECTED else self.refuses(change)
        if reason:
            return Outcome(key=key, status=Status.REJECTED, reason=reason)
        if fault is Fault.NOT_SENT:
            raise RetryableError("The connection broke before the request took effect.")
        if fault is Fault.CLOSED:
            raise RetryableError("The quota is closed for now.", sent=False)
        if fault is Fault.SILENT_NOOP:
            return None
        self.on_call("before effect")
        outcome = self._effect(change, key)
        self.on_call("after effect")
        if fault is Fault.LOST_ANSWER:
            raise RetryableError("The connection broke before the answer.")
        return None if fault is Fault.MISSING_ROW else outcome

    def _effect(self, change: Change, key: str) -> Outcome:
        early = self._early(change, key)
        if early is not None:
            return early
        remote_id = self._do(change)
        self.effects[key] += 1
        self.written.append(change)
        revision = self.records[change.ref.id].revision if change.ref.id in self.records else ""
        return Outcome(
            key=key, status=Status.VERIFIED, remote_id=remote_id, revision=Revision(revision)
        )

    def _early(self, change: Change, key: str) -> Outcome | None:
        """Return how a change ends that has nothing to do, or must not be done; or None."""
        if isinstance(change, UndeleteRecords):
            unreachable = self._unreachable(change)
            return Outcome(key=key, status=unreachable) if unreachable else None
        if isinstance(change, CloseTask | RecreateRecords):  # they do not hang on the record
            done, remote_id = self._looks(change)
            settled = Outcome(key=key, status=done, remote_id=remote_id)
            return settled if done is Status.VERIFIED else None
        why = self._conflict(change)
        return Outcome(key=key, status=Status.CONFLICT, reason=why) if why else None

    def _conflict(self, change: Change) -> str:
        if change.ref.id not in self.records:
            return "the record is gone"
        moved = isinstance(change, UpdateFields) and self.conditional and not self._expected(change)
        opposed = isinstance(change, LiftSuppression) and self._opposed(change)
        return "changed meanwhile" if moved or opposed else ""

    def _unreachable(self, change: UndeleteRecords) -> Status | None:
        """Return how a change ends that brings nothing back, or None."""
        ids = {ref.id for ref in change.records}
        if ids <= self.records.keys():
            return Status.VERIFIED
        return None if ids <= self.records.keys() | self.bin.keys() else Status.REJECTED

    def _stands(self, change: CloseTask) -> bool:
        return any(task.id == change.task and not task.done for task in self.tasks)

    def _do(self, change: Change) -> str:
        match change:
            case UpdateFields():
                self._set(change.ref.id, change.values)
                return ""
            case CreateTask():
                task = FakeTask(
                    id=f"task-{len(self.tasks) + 1}", change=change, made_at=self.clock()
                )
                self.tasks.append(task)
                return task.id
            case CloseTask():
                self.finish(change.task)
                return change.task
            case MergeRecords():
                for loser in change.losers:
                    kept, lost = self.records[change.ref.id], self.records[loser.id]
                    self.records[change.ref.id] = folded(kept, lost)
                    self.remove(loser.id, survivor=change.ref.id)
                return change.ref.id
            case RecreateRecords():
                for old in self._lacking(change):
                    self.records[f"{old.id}-anew"] = recreated(
                        self._ref(f"{old.id}-anew"), change.held[old.id]
                    )
                return anew(change)
            case _:
                self._move(change)
                return ""

    def _lacking(self, change: RecreateRecords) -> list[RecordRef]:
        return [old for old in change.records if f"{old.id}-anew" not in self.records]

    def _move(self, change: Change) -> None:
        match change:
            case ArchiveRecord():
                self.remove(change.ref.id)
            case UndeleteRecords():
                for ref in change.records:
                    if ref.id in self.bin:
                        self.records[ref.id] = self.bin.pop(ref.id)
                        del self.gone[ref.id]
            case SuppressChannel() | LiftSuppression():
                self._turn(change)
            case _:
                raise TypeError("these are done elsewhere")

    def _turn(self, change: SuppressChannel | LiftSuppression) -> None:
        """Silence an address, or take back what silenced it."""
        contact = self.records[change.ref.id]
        if isinstance(change, LiftSuppression):
            silent = silent_by(contact, change)
            said = tuple(one for one in contact.consents if one not in silent)
            self.records[change.ref.id] = replace(contact, consents=said)
            return
        consent = Consent(
            channel=change.channel,
            status=ConsentStatus.OBJECTED,
            address=change.address,
            withdrawn_at=self.clock(),
        )
        self.records[change.ref.id] = replace(contact, consents=(*contact.consents, consent))
        self.silenced.append(consent)

    def _opposed(self, change: LiftSuppression) -> bool:
        """Whether the address is silent for another reason, or not for ours."""
        silent = silent_by(self.records.get(change.ref.id), change)
        return not silent or any(one not in self.silenced for one in silent)

    def _expected(self, change: UpdateFields) -> bool:
        held = self.records[change.ref.id]
        return all(held.value(name) == value for name, value in change.expected.items())

    def _seen(self, change: Change) -> Outcome:
        status, remote_id = self._looks(change)
        return Outcome(key=change_key(change), status=status, remote_id=remote_id)

    def _looks(self, change: Change) -> tuple[Status, str]:
        """Return what can be seen of a change, as a connector would ask for it."""
        here = self.records.get(change.ref.id)
        match change:
            case CreateTask():
                return self._looks_for_task(change)
            case CloseTask():
                return _done(not self._stands(change)), change.task
            case MergeRecords():
                gone = all(loser.id not in self.records for loser in change.losers)
                return _done(gone), change.ref.id
            case UpdateFields():
                return holds(here, change), ""
            case RecreateRecords():
                return _done(not self._lacking(change)), anew(change)
            case _:
                return _done(self._moved(change, here)), ""

    def _moved(
        self,
        change: ArchiveRecord | UndeleteRecords | SuppressChannel | LiftSuppression,
        here: Contact | None,
    ) -> bool:
        match change:
            case ArchiveRecord():
                return here is None
            case UndeleteRecords():
                return all(ref.id in self.records for ref in change.records)
            case SuppressChannel():
                return bool(silent_by(here, change))
            case LiftSuppression():
                return not silent_by(here, change)
            case _:
                assert_never(change)

    def _looks_for_task(self, change: CreateTask) -> tuple[Status, str]:
        visible = self.clock() - self.lag
        for task in self.tasks:
            if task.change.marker == change.marker and task.made_at <= visible:
                return Status.VERIFIED, task.id
        return Status.ABSENT, ""

    def _set(self, record_id: str, values: Mapping[str, Value]) -> None:
        contact = self.records[record_id]
        for name, value in values.items():
            contact = with_value(contact, name, value)
        self._edits += 1
        self.records[record_id] = replace(
            contact, revision=Revision(str(self._edits)), updated_at=self.clock()
        )


def _done(done: bool) -> Status:  # noqa: FBT001 -- it says what its only argument is
    return Status.VERIFIED if done else Status.ABSENT
