"""The contract's part on dying: whenever the process dies, each change takes effect exactly once.

A change is applied by the whole of crm-steward, from a stored plan, through the connector and over
whatever it speaks to. The process dies between two events, for every two that follow each other: an
event is a commit of our database, a call to the CRM, or a step of a connector that makes no calls
(`SandboxAccount.steps`). That covers every moment: between two events nothing changes that would
outlive the process. The call that makes the change is answered, or, in turn from one moment to the next, not sent
or its answer lost; with STEWARD_WHOLE in the environment each moment is tried with all three. Then the
next process settles what was left open, and goes on with the same plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from pathlib import Path
from typing import Any, TypeVar

import pytest

from crm_steward.model import MergeRecords, Plan, PlannedChange
from crm_steward.sdk import (
    Calls,
    Change,
    Connector,
    Cursor,
    Outcome,
    Page,
    RetryableError,
    RetryPolicy,
    change_key,
)
from crm_steward.settings import Limits
from crm_steward.store.journal import Journal, State
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans, PlanStatus
from crm_steward.store.verifying import verify
from crm_steward.testing.account import Contract, Hurry, SandboxAccount, Trouble, has, needs
from crm_steward.testing.killable import KINDS, Kind, Supply
from crm_steward.testing.mortal import Crash, Mortal, spared
from crm_steward.writing import Target, Targets, apply_plan, members

T = TypeVar("T")

LOST = (Trouble.LOST_BEFORE, Trouble.LOST_AFTER)
OUTCOMES: Sequence[Trouble | None] = (None, *LOST)
"""What becomes of the call that makes the change: answered, not sent, answer lost."""
_WHOLE = "STEWARD_WHOLE" in os.environ
_FEWEST = 8
"""Events there are at least when one change is written: fewer, and they were not enumerated."""
_MOST = 4
"""How often a plan is gone on with at most."""
_BORN = datetime(2026, 3, 2, 9, tzinfo=UTC)
_LIMITS = Limits().model_copy(update={"max_percent_per_day": 10_000.0})


class Dying(Mortal):
    """A process that dies between two events that outlive it."""

    def live(self, step: str = "") -> None:
        """Count commits and calls; what is between them leaves no trace."""
        if self.dead or step not in ("begin", "committed"):
            super().live(step)


class CountedCalls(Calls):
    """Calls that are events of a process, and of which one may fail.

    Args:
        name: The connection's name.
        process: Whose events they are.
        fails: Which call fails, counted from 0, and how.
        closes_at: Before which call the quota closes: it is not made, nor any other.

    Attributes:
        events: The number, among the events of the process, of each call that was made.
        made: How many were made.
    """

    def __init__(
        self,
        name: str,
        process: Dying,
        fails: tuple[int, Trouble] | None = None,
        closes_at: int | None = None,
    ) -> None:
        short = timedelta(milliseconds=1)
        super().__init__(name, policy=RetryPolicy(first=short, longest=short), stop=Hurry())
        self._process, self._fails, self._closes_at = process, fails, closes_at
        self.events: list[int] = []
        self.made = 0

    def __call__(
        self, quota: str, request: Callable[[], T], *, repeatable: bool = True, cost: int = 1
    ) -> T:
        """Make a call."""
        if self._closes_at is not None and self.made >= self._closes_at:
            raise RetryableError("The quota is closed for now.", retry_after=3600, sent=False)

        def counted() -> T:
            self._process.live("call")
            number, self.made = self.made, self.made + 1
            self.events.append(self._process.step)
            trouble = self._fails[1] if self._fails and self._fails[0] == number else None
            return troubled(request, trouble)

        return super().__call__(quota, counted, repeatable=repeatable, cost=cost)


def troubled(request: Callable[[], T], trouble: Trouble | None) -> T:
    """Do something over a line that may break."""
    if trouble is Trouble.LOST_BEFORE:
        raise RetryableError("The connection broke before the call took effect.")
    answer = request()
    if trouble is Trouble.LOST_AFTER:
        raise RetryableError("The connection broke before the answer.")
    return answer


@dataclass
class Unsure:
    """A connector that makes no calls of its own, on a line that may break.

    Args:
        connector: The connector.
        trouble: What becomes of the next changes.
    """

    connector: Connector
    trouble: Trouble | None

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Hand the changes over, or lose what comes back."""
        trouble, self.trouble = self.trouble, None
        yield from troubled(lambda: list(self.connector.apply(changes)), trouble)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connector, name)


@dataclass(slots=True)
class Ticks:
    """A clock on which every look takes a millisecond: what is fresh does not hang on the machine."""

    now: datetime = _BORN

    def __call__(self) -> datetime:
        """Return the time."""
        self.now += timedelta(milliseconds=1)
        return self.now


class Lives:
    """Changes that are written by processes that may die, and by those that come after them.

    All share one database, as they do in an installation; each is over before the next one begins.

    Args:
        account: The CRM.
        kind: The kind of changes.
        path: Where the database is to be.
    """

    def __init__(self, account: SandboxAccount, kind: Kind, path: Path) -> None:
        self.account, self.kind = account, kind
        self.supply = Supply.of(account)
        self.database = Dying.open(f"sqlite:///{path}")
        spared(self.database)
        self.clock = Ticks()
        self.events: list[int] = []
        """Which events of the last process were calls, or steps in their place."""
        self.calls = 0
        """How many calls it made."""

    def begin(self) -> None:
        """Plan a change."""
        database, kind = self.database, self.account.spec.kind
        self.change = self.kind.make(self.supply)
        self._arrived = self.account.requests(self.kind.verb)
        contacts = tuple(
            self.supply.connector.get(members(self.change) or (self.change.ref,)).values()
        )
        now = self.clock()
        page = Page(cursor=Cursor("1"), contacts=contacts, complete=True)
        Mirror(database).save_page(self.change.ref.connection, kind, page, now=now, full=True)
        planned = PlannedChange(change=self.change, rule="rule", finding="", automatic=True)
        plan = Plan(
            changes=(planned,),
            created_at=now,
            expires_at=now + timedelta(days=1),
            mirror=Mirror(database).version(),
            rules="",
        )
        Plans(database).save(plan)
        self._name = plan.hash

    def live(
        self,
        *,
        dies_at: int = -1,
        trouble: Trouble | None = None,
        fails: tuple[int, Trouble] | None = None,
        closes_at: int | None = None,
    ) -> bool:
        """Apply the plan in a new process, and return whether it died.

        Args:
            dies_at: Before which event.
            trouble: What becomes of the call that makes the change.
            fails: Which other call fails, and how.
            closes_at: Before which call the CRM's quota closes.
        """
        database, account = self.database, self.account
        database.step, database.dies_at = 0, dies_at
        calls = CountedCalls(self.change.ref.connection, database, fails, closes_at)
        connector = account.open(calls=calls)
        if trouble is not None and has(account, "trouble"):
            account.trouble(trouble, self.kind.verb)
        elif trouble is not None:
            connector = Unsure(connector, trouble)
        targets = Targets({self.change.ref.connection: Target(connector=connector)}.__getitem__)
        stored = Plans(database).get(self._name)
        assert stored is not None

        def step(name: str) -> None:
            calls.events.append(database.step)
            database.live(name)

        try:
            with closing(connector), account.steps(step):
                apply_plan(database, stored, targets, limits=_LIMITS, clock=self.clock)
        except Crash:
            return True
        finally:
            self.events, self.calls = calls.events, calls.made
            if database.dead:
                database.rise()
            database.dies_at = -1
        return False

    def said(self) -> list[State]:
        """Return what the journal says of the change, oldest first."""
        return [line.state for line in Journal(self.database).lines(key=change_key(self.change))][
            ::-1
        ]

    def stands(self) -> int:
        """Return how often the change stands in the CRM."""
        return self.kind.stands(self.account, self.supply.connector, self.change)

    def arrived(self) -> int:
        """Return how many calls that make the change have arrived."""
        return self.account.requests(self.kind.verb) - self._arrived

    def end(self, story: str) -> None:
        """Let new processes go on until the plan is used up, and look what became of it all.

        Args:
            story: What happened, should anything be wrong.
        """
        for _ in range(_MOST):
            stored = Plans(self.database).get(self._name)
            assert stored is not None
            if stored.status is PlanStatus.APPLIED:
                break
            assert not self.live(), story
        else:
            pytest.fail(f"{story}: the plan does not come to an end")
        assert self.stands() == 1, story
        journal = Journal(self.database)
        assert journal.under_way() == [], story
        keys = self._keys()
        lines = [line for key in keys for line in journal.lines(key=key)]
        said = [f"{line.kind} {line.state}: {line.reason}" for line in lines]
        assert [line.key for line in lines if line.state is State.VERIFIED] == keys, (story, said)

    def _keys(self) -> list[str]:
        filling = self.change.filling if isinstance(self.change, MergeRecords) else None
        return [change_key(change) for change in (self.change, filling) if change is not None]


class CrashContract(Contract):
    """What holds whenever the process dies."""

    @pytest.fixture
    def few(self, account: SandboxAccount) -> SandboxAccount:
        """Give an account that is small, where the usual one takes long to read: 120 contacts do."""
        return account

    @pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
    def lives(
        self,
        few: SandboxAccount,
        tmp_path: Path,
        request: pytest.FixtureRequest,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[Lives]:
        """Give what writes changes of one kind after the other, and waits for no disk."""
        monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
        kind: Kind = request.param
        needs(few, kind.needs)
        lives = Lives(few, kind, tmp_path / "steward.db")
        yield lives
        assert verify(lives.database).sound
        lives.supply.connector.close()
        lives.database.close()

    def test_dying_between_any_two_events_loses_and_doubles_nothing(self, lives: Lives) -> None:
        """Every moment, with each outcome of the call: in the end the change was made once."""
        once, events = _smooth(lives)
        unmade: list[int] = []
        for trouble in OUTCOMES:
            lost = once if trouble is Trouble.LOST_BEFORE else 0
            # Before it is made, nothing has become of the call yet.
            first = 0 if trouble is None else _sent_at(events, unmade) + 1
            for at in count(first) if trouble is None else _taken(trouble, first):
                story = f"{trouble}; died before event {at}"
                lives.begin()
                died = lives.live(dies_at=at, trouble=trouble)
                if trouble is None and died and not lives.arrived():
                    unmade.append(at)
                lives.end(story)
                assert lives.arrived() <= once + lost, story
                if not died:
                    assert at >= _FEWEST, "the events were not enumerated"
                    break

    @pytest.mark.parametrize("how", LOST)
    def test_any_call_that_fails_loses_and_doubles_nothing(
        self, lives: Lives, how: Trouble
    ) -> None:
        """Each call of a run in turn is not sent, or loses its answer: the change is made once."""
        once, _ = _smooth(lives)
        for number in takewhile(lives.calls.__gt__, _taken(how, 0)):
            story = f"call {number}: {how}"
            lives.begin()
            lives.live(fails=(number, how))
            lives.end(story)
            assert lives.arrived() <= once, story

    def test_a_quota_that_closes_before_any_call_leaves_no_needless_doubt(
        self, lives: Lives
    ) -> None:
        """What was certainly not sent waits and is no doubt; what is called unsent is not there."""
        once, _ = _smooth(lives)
        for number in range(lives.calls):
            story = f"closed before call {number}"
            lives.begin()
            lives.live(closes_at=number)
            said, sent = lives.said()[-1:], lives.arrived()
            if said == [State.UNKNOWN]:
                assert sent, f"{story}: it is in doubt, and was never sent"
            elif said == [State.ABSENT]:
                assert lives.stands() == 0, f"{story}: it is called unsent, and stands"
            lives.end(story)
            assert lives.arrived() <= once, story


def _taken(trouble: Trouble, first: int) -> Iterator[int]:
    """Return the moments, from the first on, at which this trouble is tried: one in two, or all."""
    return count(first) if _WHOLE else count(first + LOST.index(trouble), len(LOST))


def _smooth(lives: Lives) -> tuple[int, list[int]]:
    """Write one change without trouble; return how many calls made it, and which events were calls."""
    lives.begin()
    assert not lives.live()
    events, calls = lives.events, lives.calls
    lives.end("no trouble")
    lives.calls = calls
    return lives.arrived(), events


def _sent_at(events: list[int], unmade: list[int]) -> int:
    """Return the event that is the call which makes the change.

    Args:
        events: Which events are calls.
        unmade: The events before which dying leaves it unmade; the call is the last of them.
    """
    before = set(events).intersection(unmade)
    assert before, "the change was made before any call"
    return max(before)
