"""After a clock that was years ahead is set right: nothing waits for that time, or counts until then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.writing.conftest import TASKS, WIDE, World
from tests.unit.writing.test_canary import LIMITS
from tests.unit.writing.test_reconcile import reconciled

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Cause, LimitExceededError
from crm_steward.pull import pull
from crm_steward.scan import scan
from crm_steward.settings import Halting
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.halts import Halts
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import hold
from crm_steward.store.mirror import Mirror
from crm_steward.store.outbox import HELD_FOR, Outbox
from crm_steward.store.purging import purge
from crm_steward.store.restored import Restored, begin
from crm_steward.testing import FakeCrm, Fault
from crm_steward.writing import Target, Targets, settle
from crm_steward.writing.canary import read_back
from crm_steward.writing.limits import DAY

AHEAD = timedelta(days=5 * 365)


def people(world: World, count: int, first: int = 0) -> None:
    """Let there be contacts with something to correct."""
    for number in range(first, first + count):
        world.crm.add(str(number), first_name="JEANNE")


def ahead(world: World) -> None:
    """Let the clock jump five years ahead."""
    world.clock.forward(days=AHEAD.days)


def back(world: World) -> None:
    """Set it right, and let a verb that writes begin, as the service does within minutes."""
    world.clock.forward(days=-AHEAD.days, seconds=5)
    with hold(world.database, clock=world.clock):
        """Whoever takes the lease notices."""


class Halves:
    """Reads a CRM in two pages, between which something happens.

    Args:
        crm: The CRM.
        meanwhile: What happens.
    """

    def __init__(self, crm: FakeCrm, meanwhile: Callable[[], None]) -> None:
        self._crm, self._meanwhile = crm, meanwhile

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring the first half, then the other."""
        for page in self._crm.read(since):
            half = len(page.contacts) // 2
            yield replace(page, contacts=page.contacts[:half], complete=False)
            self._meanwhile()
            yield replace(page, contacts=page.contacts[half:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._crm, name)


def work(world: World, halt: Halting | None = None) -> Any:
    """Do one round of the service, and return what became of it."""
    world.clock.forward(seconds=1)
    with hold(world.database, clock=world.clock) as lease:
        pull(world.database, "crm", "fake", world.crm, clock=world.clock, full=True)
        read_back(
            world.database,
            "crm",
            world.crm,
            lease,
            limits=world.limits,
            percent=10,
            settle_after=world.settle_after,
            now=world.clock(),
        )
        scan(world.database, world.book, clock=world.clock)
    target = Target(connector=world.crm, settle_after=world.settle_after, batch=world.batch)
    targets = Targets({"crm": target}.__getitem__, halt or Halting())
    return world.apply(world.plan().plan, "all", targets=targets)


def test_what_was_refused_is_tried_again_in_minutes(any_world: World) -> None:
    """Not in five years: the pause counts from when the clock was set right."""
    world = any_world
    people(world, 1)
    ahead(world)
    world.crm.refuses = lambda _change: "maintenance"
    assert work(world).states == {State.REJECTED: 1}
    world.crm.refuses = lambda _change: ""
    back(world)
    assert work(world).states.total() == 0
    world.clock.forward(minutes=5)
    assert work(world).states == {State.VERIFIED: 1}


def test_a_lost_answer_is_asked_for_after_the_lag(any_world: World) -> None:
    """Not at once, when the CRM may not show it yet; and not in five years."""
    world = any_world
    world.rules(TASKS)
    world.crm.add("1", last_name="Martin")
    world.settle_after = timedelta(seconds=30)
    right = world.clock()
    world.crm.clock = lambda: right
    ahead(world)
    world.crm.fail(Fault.LOST_ANSWER)
    work(world)
    assert [one.state for one in Journal(world.database).under_way()] == [State.UNKNOWN]
    back(world)
    early = settle(world.database, world.targets(), clock=world.clock)
    assert (early.unsettled, early.wait) == (1, 30.0)
    world.clock.forward(seconds=30)
    late = settle(world.database, world.targets(), clock=world.clock)
    assert (late.unsettled, late.settled) == (0, {State.VERIFIED: 1})
    assert len(world.crm.tasks) == 1


def test_the_days_limit_counts_it_for_a_day(any_world: World) -> None:
    """Written by a clock that was ahead: today's limit is used up, tomorrow's is not."""
    world = any_world
    world.limits = WIDE.model_copy(update={"max_changes_per_day": 3})
    people(world, 7)
    ahead(world)
    assert work(world).states == {State.VERIFIED: 3}
    back(world)
    assert work(world).states.total() == 0
    world.clock.forward(hours=23)
    assert work(world).states.total() == 0
    world.clock.forward(hours=1)
    assert work(world).states == {State.VERIFIED: 3}
    assert work(world).states.total() == 0


def test_a_clock_that_was_behind_for_a_while_gives_no_day_twice(world: World) -> None:
    """It cannot be told from one that was ahead: what was written an hour ago still counts."""
    world.limits = WIDE.model_copy(update={"max_changes_per_day": 3})
    people(world, 7)
    assert work(world).states == {State.VERIFIED: 3}
    world.clock.forward(days=-3)
    assert work(world).states.total() == 0
    world.clock.forward(days=3, hours=1)
    assert work(world).states.total() == 0
    world.clock.forward(hours=23)
    assert work(world).states == {State.VERIFIED: 3}


def test_a_canary_is_read_back_after_its_day(world: World) -> None:
    """Begun and written while the clock was ahead; it neither begins anew nor waits for years."""
    world.limits = LIMITS
    people(world, 60)
    ahead(world)
    assert work(world).states == {State.VERIFIED: 3}
    back(world)
    assert work(world).states.total() == 0
    world.clock.forward(hours=24)
    assert work(world).states == {State.VERIFIED: 30}


def test_a_plan_made_before_anybody_noticed_gives_a_canary_no_second_step(world: World) -> None:
    """Planning takes no lease."""
    world.limits = LIMITS
    people(world, 60)
    ahead(world)
    work(world)
    world.clock.forward(days=-AHEAD.days)
    assert world.plan(save=False).plan.changes == ()


def test_writing_that_stopped_by_itself_is_tried_again(world: World) -> None:
    """One change, at the next round; and failures since then are counted."""
    halting = Halting(failures_in_a_row=3)
    world.batch = 1
    people(world, 5)
    with hold(world.database, clock=world.clock) as lease:
        Journal(world.database).prove({one.id: one.digest for one in world.book.rules}, lease)
    ahead(world)
    world.crm.refuses = lambda _change: "maintenance"
    assert [halt.cause for halt in work(world, halting).turned] == [Cause.ROW]
    world.crm.refuses = lambda _change: ""
    back(world)
    well = work(world, halting)
    assert well.states[State.VERIFIED] >= 1
    assert Halts(world.database).standing() == ()

    people(world, 5, first=10)
    world.crm.refuses = lambda _change: "maintenance"
    assert [halt.cause for halt in work(world, halting).turned] == [Cause.ROW]


def test_what_is_read_is_known_to_have_changed(world: World) -> None:
    """Records that were read while the clock was ahead are neither stale for years nor overlooked."""
    world.crm.add("1", first_name="JEANNE")
    ahead(world)
    world.look()
    world.crm.edit("1", last_name="Martin")
    world.crm.add("2", first_name="PAUL")
    world.clock.forward(seconds=1)
    pull(world.database, "crm", "fake", world.crm, clock=world.clock)
    back(world)
    world.crm.add("3", first_name="ANNE")
    world.clock.forward(minutes=5)
    pull(world.database, "crm", "fake", world.crm, clock=world.clock)
    counts = scan(world.database, world.book, clock=world.clock, changed=True)
    assert counts.contacts == 3
    assert {one.finding.refs[0].id for one in Findings(world.database).open()} == {"1", "2", "3"}
    assert world.withheld(world.plan(save=False)) == []


def test_a_read_during_which_the_clock_goes_back_infers_nothing(world: World) -> None:
    """Nobody counts as gone and the source not as shrunk: the next pull reads all of it."""
    people(world, 40)
    world.look()
    ahead(world)
    halves = Halves(world.crm, lambda: world.clock.forward(days=-AHEAD.days))
    counts = pull(world.database, "crm", "fake", halves, clock=world.clock, full=True)
    assert (counts.frozen, counts.absent, counts.live) == ("", 0, 40)
    again = pull(world.database, "crm", "fake", world.crm, clock=world.clock)
    assert (again.full, again.frozen, again.absent, again.live) == (True, "", 0, 40)
    assert Mirror(world.database).state("crm").last_full_at == world.clock()


def test_a_copy_that_was_restored_then_is_reconciled(world: World) -> None:
    """After a full read and a scan of now; the day's limit counts as used up for one day from then."""
    people(world, 3)
    world.look()
    ahead(world)
    begin(world.database, made_at=world.clock(), now=world.clock())
    world.look()
    back(world)
    before = reconciled(world)
    assert before is not None
    assert before.waiting == {"crm": "a full read"}
    world.clock.forward(seconds=1)
    world.look()
    found = reconciled(world)
    assert found is not None
    assert found.over
    assert Restored.of(world.database) is None
    assert world.withheld(world.plan(save=False)) == ["restored copy"] * 3
    world.clock.forward(hours=24)
    assert work(world).states == {State.VERIFIED: 3}


def test_mails_are_tried_now_but_for_those_that_somebody_sends(world: World) -> None:
    """One that waits after a failure is due; one that was claimed stays so for as long as ever."""
    outbox = Outbox(world.database)
    ahead(world)
    with hold(world.database, clock=world.clock):
        """The clock is seen."""
    for name in ("waits", "claimed", "fresh"):
        outbox.add(
            id=name, period=f"alert-{name}", recipient="a@example.org", subject="", message="",
            now=world.clock(),
        )  # fmt: skip
    waits = outbox.claim("waits", world.clock())
    assert waits is not None
    outbox.postpone(waits, world.clock() + timedelta(hours=4), "down")
    assert outbox.claim("claimed", world.clock()) is not None
    back(world)
    assert set(outbox.due(world.clock())) == {"waits", "fresh"}
    assert set(outbox.due(world.clock() + HELD_FOR)) == {"waits", "fresh", "claimed"}


def test_what_was_written_then_is_forgotten_in_time(world: World) -> None:
    """Values leave the journal after their time, counted from when the clock was set right."""
    people(world, 1)
    ahead(world)
    work(world)
    back(world)

    def purged() -> int:
        with hold(world.database, clock=world.clock) as lease:
            now = world.clock()
            before = now - timedelta(days=90)
            return purge(
                world.database, values_before=before, evidence_before=before, now=now, lease=lease
            ).lines

    world.clock.forward(days=89)
    assert purged() == 0
    world.clock.forward(days=2)
    assert purged() == 2


def test_an_open_plan_of_that_time_hinders_no_new_one(world: World) -> None:
    """It is refused, and the newest one is the one that was made since."""
    people(world, 1)
    ahead(world)
    world.look()
    old = world.plan().plan
    back(world)
    with pytest.raises(LimitExceededError):
        world.apply(old)
    assert work(world).states == {State.VERIFIED: 1}


def test_time_that_goes_on_as_ever_changes_nothing(database: Database, clock: Any) -> None:
    """Neither does a clock that is set right by seconds."""
    with hold(database, clock=clock):
        Mirror(database).note("crm", "fake", last_full_at=clock())
    read_at = clock()
    clock.forward(seconds=-30)
    with hold(database, clock=clock):
        assert Mirror(database).state("crm").last_full_at == read_at
    clock.forward(hours=2)
    with hold(database, clock=clock):
        assert Mirror(database).state("crm").last_full_at == read_at
    people_wrote = Journal(database).written_since(clock() - DAY, clock())
    assert people_wrote == {}
