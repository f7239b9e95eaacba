"""A credential of another account: nothing is read from it or written to it until somebody says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.writing.conftest import NAMES, TASKS, World

from crm_steward.connect.protocol import Account
from crm_steward.model import OtherAccountError, RecordRef
from crm_steward.pull import pull
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import hold
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans, PlanStatus
from crm_steward.testing import FakeCrm, Fault
from crm_steward.writing import Target, Targets, settle


def _people(world: World, count: int = 3) -> None:
    for number in range(count):
        world.crm.add(
            str(number), first_name="JEANNE", last_name="Roux", email=f"{number}@x.example"
        )


def _swap(world: World) -> FakeCrm:
    """Open another portal under the same name: other people under the same ids."""
    world.crm = FakeCrm("crm", clock=world.clock, account="portal-2")
    world.crm.add("1", first_name="JEANNE", last_name="Noir", email="noir@x.example")
    world.crm.add("7", first_name="PAUL", last_name="Blanc")
    return world.crm


def _pull(world: World, *, adopting: bool = False, full: bool = False) -> None:
    with hold(world.database, clock=world.clock) as lease:
        pull(
            world.database,
            "crm",
            "fake",
            world.crm,
            clock=world.clock,
            full=full,
            new_account=lease if adopting else None,
        )


def test_nothing_is_written_to_another_account(any_world: World) -> None:
    """Same ids and same values there: without the guard, all would be written. One error, one call."""
    world = any_world
    _people(world)
    world.look()
    plan = world.plan().plan
    other = _swap(world)
    other.edit("1", last_name="Roux", email="1@x.example")
    counts = world.apply(plan)
    error = counts.failures["crm"]
    assert isinstance(error, OtherAccountError)
    assert "account 'portal-2'" in error.message
    assert "account 'crm'" in error.message
    assert "--new-account" in error.hint
    assert (other.written, counts.states.total(), counts.left) == ([], 0, 3)
    assert (other.calls["account"], other.calls["get"], other.calls["apply"]) == (1, 0, 0)
    assert world.states() == []


def test_the_account_is_asked_once_per_run(world: World) -> None:
    """However many batches a run writes, settling included."""
    _people(world, 12)
    world.batch = 2
    world.look()
    plan, before = world.plan().plan, world.crm.calls["account"]
    assert world.apply(plan).states[State.VERIFIED] == 12
    assert world.crm.calls["account"] == before + 1


def test_lost_answers_are_not_settled_in_another_account(world: World) -> None:
    """It would say that nothing took effect: the task would be made twice. Back home it is settled."""
    world.rules(TASKS)
    world.crm.add("1", first_name="Ada")
    home = world.crm
    home.fail(Fault.LOST_ANSWER)
    world.settle_after = timedelta(hours=1)
    assert world.run().unsettled == 1
    other = _swap(world)
    world.clock.forward(hours=2)
    counts = settle(world.database, world.targets(), clock=world.clock)
    assert (counts.unsettled, other.calls["settle"]) == (1, 0)
    world.crm = home
    counts = settle(world.database, world.targets(), clock=world.clock)
    assert (counts.unsettled, counts.settled[State.VERIFIED]) == (0, 1)


@pytest.mark.parametrize("full", [False, True])
def test_nothing_is_read_from_another_account(any_world: World, full: bool) -> None:
    """Neither changes nor all: no record of ours is gone, and the account that is known stays known."""
    world = any_world
    _people(world)
    world.look()
    other = _swap(world)
    for _ in range(3):
        with pytest.raises(OtherAccountError):
            _pull(world, full=full)
    state = Mirror(world.database).state("crm")
    assert (Mirror(world.database).live("crm"), state.account_id) == (3, "crm")
    assert state.paused_reason is not None
    assert state.pass_started_at is None
    assert other.calls["read"] == 0


def test_an_account_that_cannot_be_told_is_refused(world: World) -> None:
    """A credential that may no longer ask could open any account."""
    _people(world)
    world.look()
    plan = world.plan().plan
    world.crm.account = ""
    assert isinstance(world.apply(plan).failures["crm"], OtherAccountError)
    with pytest.raises(OtherAccountError, match="does not tell"):
        _pull(world)
    assert world.crm.written == []


def test_the_right_account_again_goes_on(world: World) -> None:
    """What was paused by another account's credential goes on with the right one."""
    _people(world)
    world.look()
    home = world.crm
    _swap(world)
    with pytest.raises(OtherAccountError):
        _pull(world)
    world.crm = home
    assert world.run().states[State.VERIFIED] == 3


def test_a_new_account_that_is_meant_starts_anew(any_world: World) -> None:
    """Its records replace the others; nothing planned, under way or done there is done or undone here."""
    world = any_world
    world.rules(NAMES, TASKS)
    _people(world)
    world.crm.add("8", first_name="Bea")
    world.crm.fail(None, None, None, Fault.LOST_ANSWER)
    world.settle_after = timedelta(hours=1)
    done = world.run()
    assert done.unsettled == 1
    plan = world.plan().plan
    other = _swap(world)
    _pull(world, adopting=True)

    mirror = Mirror(world.database)
    assert mirror.live("crm") == 2
    assert mirror.state("crm").account_id == "portal-2"
    assert mirror.state("crm").frozen_reason is None
    stored = Plans(world.database).get(plan.hash)
    assert stored is not None
    assert stored.status is PlanStatus.SUPERSEDED
    assert Journal(world.database).under_way() == []
    assert world.would_undo(done.run).items == ()
    names = {
        ref.id: c.last_name
        for ref, c in mirror.contacts(
            [RecordRef("crm", "1"), RecordRef("crm", "7"), RecordRef("crm", "0")]
        ).items()
    }
    assert names == {"1": "Noir", "7": "Blanc"}

    world.run()
    assert other.records["7"].first_name == "Paul"
    before = other.calls["account"]
    _pull(world, adopting=True)  # harmless when nothing changed
    assert other.calls["account"] == before + 1
    assert mirror.live("crm") == 2


def test_a_connector_that_cannot_tell_by_one_call_is_asked_by_check(world: World) -> None:
    """Connectors of others need no new method."""

    class Older:
        def __init__(self, crm: FakeCrm) -> None:
            self._crm = crm
            self.read, self.get, self.apply = crm.read, crm.get, crm.apply
            self.settle, self.close = crm.settle, crm.close
            self.asked = 0

        def check(self) -> Account:
            self.asked += 1
            return self._crm.check()

    _people(world)
    world.look()
    older = Older(world.crm)
    targets = Targets({"crm": Target(connector=older)}.__getitem__)
    assert world.apply(world.plan().plan, targets=targets).states[State.VERIFIED] == 3
    assert older.asked == 1
