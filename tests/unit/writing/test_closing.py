"""Closing: which tasks are closed, when, by whose leave, and that it happens once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.writing.conftest import NAMES, TASKS, WIDE, World

from crm_steward.connect.protocol import Capability
from crm_steward.model import CloseTask, CreateTask, PlannedChange
from crm_steward.store.journal import MAX_ATTEMPTS, State
from crm_steward.store.tasks import settled_tasks
from crm_steward.testing import Fault
from crm_steward.writing import plan_undo, settle

PROPOSED = TASKS.replace("mode: apply", "mode: propose")
REPORTED = TASKS.replace("mode: apply", "mode: report")


@pytest.fixture
def tasked(any_world: World) -> World:
    """Give a world in which a task was made for a contact without an e-mail."""
    made(any_world)
    return any_world


def made(world: World) -> None:
    """Let a contact have no e-mail, and be given a task for it."""
    world.rules(TASKS)
    world.crm.add("1", first_name="Zoé", last_name="Ménard")
    world.run()
    assert [task.done for task in world.crm.tasks] == [False]


def settled(world: World) -> tuple[PlannedChange, ...]:
    """Let a person put the contact right, and return the plan that follows."""
    world.crm.edit("1", email="zoe@example.com")
    return planned(world)


def planned(world: World) -> tuple[PlannedChange, ...]:
    """Return what a new look plans."""
    world.clock.forward(seconds=1)
    world.look()
    return world.plan().plan.changes


def test_a_task_is_closed_once_its_finding_is_resolved(tasked: World) -> None:
    """The contact is put right: the next round closes the task, and no later one comes back to it."""
    assert planned(tasked) == ()
    tasked.crm.edit("1", email="zoe@example.com")

    counts = tasked.run()

    (task,) = tasked.crm.tasks
    assert task.done
    assert counts.states == {State.VERIFIED: 1}
    close = tasked.crm.written[-1]
    assert isinstance(close, CloseTask)
    assert (close.task, close.marker) == (task.id, task.change.marker)
    calls = tasked.crm.calls["apply"]
    for _ in range(2):
        assert tasked.run().states.total() == 0
    assert tasked.withheld(tasked.plan()) == []
    assert tasked.crm.calls["apply"] == calls
    assert list(settled_tasks(tasked.database)) == []


@pytest.mark.parametrize(
    ("rule", "automatic", "reason"),
    [
        (TASKS, True, "what it asked for is settled"),
        (PROPOSED, False, "what it asked for is settled"),
        (REPORTED, False, "what it asked for is settled"),
        (NAMES, False, "its rule no longer exists"),
    ],
)
def test_who_decides(world: World, rule: str, automatic: bool, reason: str) -> None:
    """In mode apply it happens by itself; else, and when the rule is gone, a person approves."""
    made(world)
    world.rules(rule)

    (close,) = settled(world)

    assert isinstance(close.change, CloseTask)
    assert (close.rule, close.automatic, close.change.reason) == ("no-email", automatic, reason)
    counts = world.apply(world.plan().plan)
    assert (counts.states[State.VERIFIED], counts.waiting) == (int(automatic), int(not automatic))
    if not automatic:
        assert world.apply(world.plan().plan, "no-email").states == {State.VERIFIED: 1}
    assert world.crm.tasks[0].done


def test_a_rule_that_is_gone_settles_what_it_asked(world: World) -> None:
    """Nobody put the contact right, but nobody asks for it any more; said in French too."""
    made(world)
    world.rules(NAMES)
    world.language = "fr"

    (close,) = planned(world)

    assert isinstance(close.change, CloseTask)
    assert close.change.reason == "sa règle n'existe plus"


def test_a_connection_that_cannot_close_leaves_it_to_people(world: World) -> None:
    """Nothing is planned, and no plan complains of it for ever."""
    made(world)
    world.capabilities = {"crm": frozenset(Capability) - {Capability.CLOSE_TASK}}

    assert settled(world) == ()
    assert world.withheld(world.plan()) == []


def test_closing_comes_after_what_else_the_rule_asks(world: World) -> None:
    """New tasks first: limits that cut the end cut the closing."""
    made(world)
    world.crm.add("2", first_name="Ines")

    changes = settled(world)

    assert [type(one.change) for one in changes] == [CreateTask, CloseTask]
    world.limits = WIDE.model_copy(update={"max_changes_per_run": 1})
    result = world.plan()
    assert [type(one.change) for one in result.plan.changes] == [CreateTask]
    assert world.withheld(result) == ["run limit"]


def test_an_edited_rule_closes_a_few_first(world: World) -> None:
    """An edit that no longer finds anything would close every task: the canary holds it back."""
    world.rules(TASKS)
    for number in range(8):
        world.crm.add(str(number), first_name="Zoé")
    world.run()
    assert len(world.crm.tasks) == 8
    world.limits = WIDE.model_copy(update={"canary": 3, "canary_pause": timedelta(0)})
    world.rules(TASKS.replace("fields: [email]", "fields: [last_name]"))
    for number in range(8):
        world.crm.edit(str(number), last_name="Ménard")

    world.run()
    assert sum(task.done for task in world.crm.tasks) == 3
    world.run()
    assert all(task.done for task in world.crm.tasks)


def test_a_finding_that_came_back_keeps_its_task(world: World) -> None:
    """Opened again before anything was closed: both tasks stand, and both are closed in the end."""
    made(world)
    settled(world)
    world.crm.edit("1", email=None)
    world.run()
    assert [task.done for task in world.crm.tasks] == [False, False]

    world.crm.edit("1", email="zoe@example.com")
    world.run()
    assert [task.done for task in world.crm.tasks] == [True, True]


def test_a_finding_that_comes_back_after_closing_gets_a_new_task(world: World) -> None:
    """The closed one is not opened again."""
    made(world)
    world.crm.edit("1", email="zoe@example.com")
    world.run()
    world.crm.edit("1", email=None)
    world.run()

    assert [task.done for task in world.crm.tasks] == [True, False]


@pytest.mark.parametrize("hand", ["finish", "drop"])
def test_what_a_person_closed_or_deleted_is_done(world: World, hand: str) -> None:
    """Verified without an effect of ours, and nobody comes back to it."""
    made(world)
    getattr(world.crm, hand)(world.crm.tasks[0].id)
    world.crm.edit("1", email="zoe@example.com")
    effects = world.crm.effects.total()

    assert world.run().states == {State.VERIFIED: 1}
    assert world.run().states.total() == 0
    assert world.crm.effects.total() == effects


def test_a_task_is_closed_whose_record_is_gone(world: World) -> None:
    """A deleted contact resolves its findings: its task is closed though nothing is left to compare."""
    world.rules(TASKS)
    for number in range(30):
        world.crm.add(f"x{number}", email=f"x{number}@example.com")
    made(world)
    world.crm.remove("1")

    assert world.run().states == {State.VERIFIED: 1}
    assert world.crm.tasks[0].done


@pytest.mark.parametrize(
    ("fault", "ended"),
    [(Fault.LOST_ANSWER, State.VERIFIED), (Fault.MISSING_ROW, State.VERIFIED),
     (Fault.SILENT_NOOP, State.ABSENT)],
)  # fmt: skip
def test_a_lost_answer_is_settled(world: World, fault: Fault, ended: State) -> None:
    """The task is looked at; it is closed once, and only what did not happen is tried again."""
    made(world)
    world.settle_after = timedelta(minutes=1)
    (close,) = settled(world)
    world.crm.fail(fault)
    assert world.apply(world.plan().plan).states[State.UNKNOWN] == 1

    world.clock.forward(minutes=2)
    assert settle(world.database, world.targets(), clock=world.clock).settled == {ended: 1}
    if ended is State.ABSENT:
        assert world.run().states == {State.VERIFIED: 1}
    assert world.crm.effects[close.key] == 1
    assert world.run().states.total() == 0


def test_a_crm_that_refuses_is_not_asked_for_ever(world: World) -> None:
    """After so many attempts it is set aside, as any change is."""
    made(world)
    world.crm.edit("1", email="zoe@example.com")
    world.crm.refuses = lambda _change: "no"

    for _ in range(MAX_ATTEMPTS + 2):
        world.run()
        world.clock.forward(days=1)

    rejected = [line for line in world.journal() if line.state is State.REJECTED]
    assert len(rejected) == MAX_ATTEMPTS
    assert world.withheld(world.plan()) == ["set aside"]


def test_undo_says_what_people_can_do(world: World) -> None:
    """A closed task is not opened again by machine: the manager is told where to do it."""
    made(world)
    world.crm.edit("1", email="zoe@example.com")
    counts = world.run()

    result = plan_undo(world.database, counts.run)

    assert result.items == ()
    assert [why for _, why in result.impossible] == [
        "a closed task is not taken back: open it again in the CRM"
    ]


def test_another_connection_or_rule_is_not_asked_for(world: World, clock: Any) -> None:
    """`plan --rule` and `plan --connection` narrow the closing like all else."""
    made(world)
    settled(world)
    clock.forward(seconds=1)

    assert world.plan(rules=["other"]).plan.changes == ()
    assert world.plan(connections=["other"]).plan.changes == ()
    assert len(world.plan(rules=["no-email"], connections=["crm"]).plan.changes) == 1
