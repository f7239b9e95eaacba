"""A new or edited rule goes on only when its first records were read back and nobody changed them back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.unit.writing.conftest import NAMES, TASKS, WIDE, World

from crm_steward.model import UpdateFields
from crm_steward.pull import pull
from crm_steward.scan import scan
from crm_steward.store.canaries import Canaries
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import hold
from crm_steward.testing import Fault
from crm_steward.writing import Why
from crm_steward.writing.canary import read_back

PAUSE = timedelta(hours=24)
LIMITS = WIDE.model_copy(update={"canary": 3, "canary_pause": PAUSE, "max_changes_per_day": 100})


def _people(world: World, count: int = 60) -> None:
    world.limits = LIMITS
    for number in range(count):
        world.crm.add(str(number), first_name="JEANNE")


def _look_back(world: World) -> None:
    """Pull as the service does, and read back what canaries wrote."""
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


def _work(world: World) -> int:
    """Return how many changes one round of the service writes."""
    world.clock.forward(seconds=1)
    _look_back(world)
    before = len(world.crm.written)
    result = world.plan()
    if result.plan.changes:
        world.apply(result.plan)
    return len(world.crm.written) - before


def _written(world: World) -> list[str]:
    return [change.ref.id for change in world.crm.written]


def _waits(world: World) -> set[tuple[Why, str]]:
    return {(one.why, one.detail) for one in world.plan(save=False).withheld}


def test_ten_then_ten_times_as_many_a_day_then_all(any_world: World) -> None:
    """Nothing more within the day, however often it runs; the plan says what it waits for."""
    world = any_world
    _people(world)
    assert [_work(world) for _ in range(3)] == [3, 0, 0]
    assert _waits(world) == {(Why.CANARY_WAITS, "3, 2026-11-17 08:00 UTC")}
    world.clock.forward(hours=24)
    assert [_work(world), _work(world)] == [30, 0]
    world.clock.forward(hours=24)
    assert _work(world) == 27
    assert Journal(world.database).proven().keys() == {"name-case"}
    assert Canaries(world.database).all() == {}


def test_it_is_the_crm_that_proves_it_not_its_answer(world: World) -> None:
    """What the answer called done, and the CRM does not show afterwards, proves nothing."""
    _people(world)
    _work(world)
    world.clock.forward(hours=24)
    settled = world.crm.calls["settle"]
    world.crm.edit(_written(world)[0], first_name="JEANNE")
    assert _work(world) == 0
    assert world.crm.calls["settle"] == settled + 1
    assert (Why.CANARY_FAILED, "1/3") in _waits(world)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda w: w.crm.edit(_written(w)[0], first_name="JEANNE"), "1/3"),
        (lambda w: w.undo(f"crm:{_written(w)[0]}"), "1/3"),
        (lambda w: [w.crm.edit(n, first_name="Léa") for n in _written(w)[:2]], "2/3"),
        (lambda w: w.crm.edit(_written(w)[0], first_name="Léa"), ""),
    ],
    ids=["changed back", "undone", "edited by people", "one edited"],
)
def test_what_somebody_changed_back_stops_the_rule(
    world: World, spoil: Callable[[World], object], fault: str
) -> None:
    """One is enough; an edit to something else says nothing unless there are several."""
    _people(world)
    _work(world)
    spoil(world)
    world.clock.forward(hours=24)
    assert _work(world) == (0 if fault else 30)
    waits = _waits(world)
    assert {detail for why, detail in waits if why is Why.CANARY_FAILED} == ({fault} - {""})


def test_refusals_keep_it_with_few_and_then_stop_it(world: World) -> None:
    """Above the share at which writing to a connection stops, too."""
    _people(world)
    world.limits = LIMITS.model_copy(update={"canary": 10})
    world.crm.fail(Fault.REJECTED, None, Fault.REJECTED)
    assert _work(world) == 8
    world.clock.forward(hours=24)
    assert _work(world) == 0
    assert (Why.CANARY_FAILED, "2/10") in _waits(world)


def test_an_edited_rule_begins_anew(world: World) -> None:
    """With few, whatever it had come to; and so does one whose fault was accepted."""
    _people(world)
    _work(world)
    world.clock.forward(hours=24)
    assert _work(world) == 30
    world.rules(NAMES.replace("[first_name, last_name]", "[last_name, first_name]"))
    assert [_work(world), _work(world)] == [3, 0]
    world.undo(f"crm:{_written(world)[0]}")
    world.clock.forward(hours=24)
    _work(world)
    assert (
        Canaries(world.database).all()["name-case"].fault == ""
    )  # what it wrote before is not its own


def test_what_an_older_rule_wrote_is_not_held_against_the_new_one(world: World) -> None:
    """Only what was written since it was edited counts."""
    _people(world, 20)
    _work(world)
    world.rules(NAMES.replace("[first_name, last_name]", "[last_name, first_name]"))
    world.crm.edit(_written(world)[0], first_name="JEANNE")
    _work(world)
    world.clock.forward(hours=24)
    assert _work(world) == 14


def test_tasks_are_read_back_too_when_the_crm_shows_them(world: World) -> None:
    """A task that somebody finished is there; one that is not visible yet is asked about later."""
    world.rules(TASKS)
    _people(world, 10)
    world.limits = LIMITS.model_copy(update={"canary_pause": timedelta(0)})
    world.settle_after = timedelta(minutes=10)
    world.crm.lag = timedelta(minutes=9)
    assert [_work(world), _work(world)] == [3, 0]
    world.crm.finish("task-1")
    world.clock.forward(minutes=11)
    assert _work(world) == 7


def test_without_a_pause_it_goes_on_once_it_was_read_back(any_world: World) -> None:
    """In the same run, for whoever tries things out; still not by the answer alone."""
    world = any_world
    _people(world, 20)
    world.limits = LIMITS.model_copy(update={"canary_pause": timedelta(0)})
    settled = world.crm.calls["settle"]
    assert [_work(world), _work(world)] == [3, 17]
    assert world.crm.calls["settle"] == settled + 1
    assert {type(change) for change in world.crm.written} == {UpdateFields}
    assert world.states().count(State.VERIFIED) == 20
