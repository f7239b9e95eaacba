"""The CRM of the state machine: it forgets nothing, and looks over our shoulder at each effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from crm_steward.connect.calls import Calls
from crm_steward.connect.protocol import Cursor, Gone, Outcome, Page
from crm_steward.model import (
    Change,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Halt,
    LiftSuppression,
    RecordRef,
    SuppressChannel,
    UpdateFields,
    Value,
    change_key,
)
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, Line, State
from crm_steward.store.lease import WRITER
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans
from crm_steward.store.tables import journal, leases
from crm_steward.testing import FakeCrm, Fault

NAME = "crm"
LAG = timedelta(seconds=30)
"""How long a new task stays invisible to what looks for it."""
_PAGE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change taking effect, and what could be seen from the CRM at that moment.

    Args:
        at: When, by our clock.
        key: Of the change as it was sent.
        change: The change as it was sent.
        intents: What the database on disk said of the record: the intents without an answer.
        approvals: Of those, the keys that a person had approved in the plan they are from.
        epochs: The leases' epochs under which these were written.
        epoch: The lease's epoch, as the call was let go.
        halts: What stopped writing, as the call was let go.
        frozen: Whether the source had shrunk, and writing to it was frozen.
        over: What stood there and was not what the change expected.
        unseen: How long before the call was let go the record had been read, where a person
            edited it in between; None where nobody did before it was let go.
        loosened: Addresses that could be written to afterwards and could not before.
    """

    at: datetime
    key: str
    change: Change
    intents: tuple[Line, ...]
    approvals: frozenset[str]
    epochs: tuple[int, ...]
    epoch: int
    halts: tuple[Halt, ...]
    frozen: bool
    over: Mapping[str, Value]
    unseen: timedelta | None
    loosened: frozenset[str] = frozenset()

    @property
    def undoes(self) -> bool:
        """Whether it takes something back."""
        return any(line.undoes is not None for line in self.intents)


@dataclass(slots=True)
class _Sent:
    """What was seen as a call was let go."""

    at: datetime
    epoch: int
    halts: tuple[Halt, ...]


@dataclass
class Watched(FakeCrm):
    """A CRM that is read in pages of what changed, and remembers every effect.

    Args:
        database: Gives the database as it is on disk now.
        now: Our clock; the CRM's own is `clock`, and does not jump.
        halts: Gives what stops writing now.
        sent: Everything that took effect, in order.
        hidden: Records that reading leaves out: the source shrank.
    """

    database: Callable[[], Database] = field(kw_only=True)
    now: Callable[[], datetime] = field(kw_only=True)
    halts: Callable[[], tuple[Halt, ...]] = field(kw_only=True)
    sent: list[Effect] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    touched: dict[str, int] = field(default_factory=dict)
    """Id → number of the edit that touched it last, gone ones included."""

    def __post_init__(self) -> None:
        self._calls_out = Calls(self.connection)
        self._read_at: dict[str, tuple[datetime, int]] = {}
        self._persons: dict[str, int] = {}
        self._let_go: _Sent | None = None

    # People.

    def edit(self, record_id: str, **values: Value) -> Contact:
        """Edit a record, and remember that a person did."""
        edited = super().edit(record_id, **values)
        self._persons[record_id] = self._edits
        return edited

    def object(self, record_id: str) -> None:
        """Let the person say no to marketing mail."""
        held = self.records[record_id]
        no = Consent(
            channel=Channel.EMAIL,
            status=ConsentStatus.WITHDRAWN,
            address=str(held.value("email") or ""),
        )
        self.records[record_id] = replace(held, consents=(*held.consents, no))
        self.edit(record_id)

    def remove(self, record_id: str, *, survivor: str | None = None) -> None:
        """Archive a record, or merge it into another."""
        super().remove(record_id, survivor=survivor)
        self._touch(record_id)

    def show(self) -> None:
        """Let reading bring again what it left out; it comes as changed."""
        for record_id in sorted(self.hidden):
            self._touch(record_id)
        self.hidden.clear()

    # The connector.

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring what was touched after the cursor, in pages, oldest first."""
        self._call("read")
        after, last = int(since or 0), self._edits
        numbers = {n: at for n, at in self.touched.items() if at > after and n not in self.hidden}
        names = sorted(numbers, key=lambda name: numbers[name])
        for start in range(0, len(names), _PAGE):
            page = names[start : start + _PAGE]
            over = start + _PAGE >= len(names)
            yield self._page(page, last if over else numbers[page[-1]], over=over)
            self.on_call("page")
        if not names:
            yield self._page([], last, over=True)

    def _page(self, names: Sequence[str], cursor: int, *, over: bool) -> Page:
        return Page(
            cursor=Cursor(str(cursor)),
            contacts=tuple(self.records[name] for name in names if name in self.records),
            gone=tuple(
                Gone(self._ref(name), self._ref(kept) if kept else None)
                for name in names
                if name in self.gone
                for kept in (self.gone[name],)
            ),
            complete=over,
        )

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring records fresh, and remember when."""
        found = super().get(refs)
        for ref in refs:
            self._read_at[ref.id] = (self.now(), self._edits)
        return found

    def _attempt(self, change: Change, fault: Fault | None) -> Outcome | None:
        # Just before each call: what has become stale by now is not sent.
        self._calls_out("change", lambda: None, repeatable=False)
        with self.database().read() as reading:
            held = sa.select(leases.c.epoch).where(leases.c.name == WRITER)
            epoch = reading.execute(held).scalar_one()
        self._let_go = _Sent(self.now(), epoch, self.halts())
        return super()._attempt(change, fault)

    def _do(self, change: Change) -> str:
        """Do it, and write down what could be seen meanwhile."""
        before = self._silent()
        seen = self._look(change)
        done = super()._do(change)
        loosened = {one for one in before if self._reachable(*one)}
        self.sent.append(replace(seen, loosened=frozenset(map(str, loosened))))
        return done

    def _look(self, change: Change) -> Effect:
        database, let_go, ref = self.database(), self._let_go, change.ref
        if let_go is None:
            raise TypeError(change)
        standing = [s for s in Journal(database).under_way() if s.state is State.INTENT]
        intents = tuple(one.intent for one in standing if one.intent.ref == ref)
        with database.read() as reading:
            written = sa.select(journal.c.epoch).where(
                journal.c.seq.in_([line.seq for line in intents])
            )
            epochs = tuple(reading.execute(written).scalars())
        plans = Plans(database)
        return Effect(
            at=self.now(),
            key=change_key(change),
            change=change,
            intents=intents,
            approvals=frozenset(i.key for i in intents if i.key in plans.approvals(i.plan)),
            epochs=epochs,
            epoch=let_go.epoch,
            halts=let_go.halts,
            frozen=bool(Mirror(database).state(self.connection).frozen_reason),
            over=self._over(change),
            unseen=self._unseen(change, let_go),
        )

    def _over(self, change: Change) -> Mapping[str, Value]:
        if not isinstance(change, UpdateFields):
            return {}
        held = {name: self.records[change.ref.id].value(name) for name in change.values}
        return {name: value for name, value in held.items() if value != change.expected.get(name)}

    def _unseen(self, change: Change, let_go: _Sent) -> timedelta | None:
        if change.ref.id not in self._read_at:
            return timedelta.max
        at, edits = self._read_at[change.ref.id]
        edited = self._persons.get(change.ref.id, 0) > edits
        return abs(let_go.at - at) if edited else None

    # Who may be written to.

    def _silent(self) -> set[tuple[str, str]]:
        """Return record and address of everybody who said no."""
        return {
            (name, email.address)
            for name, contact in self.records.items()
            for email in contact.emails
            if not self._reachable(name, email.address)
        }

    def _reachable(self, record_id: str, address: str) -> bool:
        """Whether a record's address, however it is written now, may be written to."""
        contact = self.records.get(record_id)
        if contact is None:
            return False
        held = {email.address.casefold() for email in contact.emails}
        refused = (
            consent.status >= ConsentStatus.WITHDRAWN
            and consent.address.casefold() in ("", address.casefold())
            for consent in contact.consents
        )
        return address.casefold() in held and not any(refused)

    # How it works inside.

    def _set(self, record_id: str, values: Mapping[str, Value]) -> None:
        super()._set(record_id, values)
        self.touched[record_id] = self._edits

    def _turn(self, change: SuppressChannel | LiftSuppression) -> None:
        super()._turn(change)
        self._touch(change.ref.id)

    def _touch(self, record_id: str) -> None:
        if record_id in self.records:
            self._set(record_id, {})
        else:
            self._edits += 1
            self.touched[record_id] = self._edits
