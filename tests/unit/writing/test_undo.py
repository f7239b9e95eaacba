"""Undo: records get back what they held, unless somebody edited them since."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.writing.conftest import TASKS, World

from crm_steward.connect.protocol import Capability
from crm_steward.model import CreateTask, RecordRef
from crm_steward.store.journal import State
from crm_steward.store.lease import hold
from crm_steward.store.purging import purge
from crm_steward.testing import Fault
from crm_steward.writing import UndoResult, plan_undo
from crm_steward.writing.inverse import Kept


@pytest.mark.parametrize("by", ["run", "rule", "ref", "key"])
def test_undo_restores_what_was_there(any_world: World, by: str) -> None:
    """Named by run, rule, record or key, a field gets back its value, and it is journaled."""
    any_world.crm.add("1", first_name="JEANNE")
    counts = any_world.run()
    (intent,) = any_world.journal(state=State.INTENT)
    what = {"run": counts.run, "rule": "name-case", "ref": "crm:1", "key": intent.key[:12]}[by]

    any_world.undo(what)

    assert any_world.crm.records["1"].first_name == "JEANNE"
    last = any_world.journal()[-1]
    assert (last.state, last.undoes, last.rule) == (State.VERIFIED, intent.seq, "name-case")


def test_undoing_twice_changes_nothing_more(world: World) -> None:
    """What was undone is neither undone again, nor done again by undoing or by the next plan."""
    world.crm.add("1", first_name="JEANNE")
    world.run()
    world.undo("name-case")
    world.undo("name-case")
    world.undo("crm:1")
    world.run()

    assert world.crm.records["1"].first_name == "JEANNE"
    assert world.crm.effects.total() == 2
    assert world.withheld(world.plan()) == ["done"]


def test_undo_leaves_a_human_edit_alone(world: World) -> None:
    """A field that somebody set since keeps what they wrote."""
    world.crm.add("1", first_name="JEANNE")
    world.run()
    world.crm.edit("1", first_name="Jeannette")

    counts = world.undo("name-case")

    assert world.crm.records["1"].first_name == "Jeannette"
    assert counts.states == {State.CONFLICT: 1}


def test_newest_first(world: World) -> None:
    """Two changes of one field are taken back in turn, down to the first value."""
    world.crm.add("1", first_name="JEANNE")
    world.run()
    world.crm.edit("1", first_name="Jeanne")
    world.rules("""
  - id: name-case
    about: Names
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
""")
    world.crm.edit("1", first_name="PAULA")
    world.run()
    world.crm.edit("1", first_name="Paula")
    first, second = world.journal(state=State.INTENT)
    chain = plan_undo(world.database, "name-case")

    assert [item.undoes for item in chain.items] == [second.seq, first.seq]
    world.undo("name-case")
    assert world.crm.records["1"].first_name == "PAULA"


def test_undoing_an_undo_by_its_run_does_it_again(world: World) -> None:
    """Named explicitly, an undo is itself a run that can be taken back."""
    world.crm.add("1", first_name="JEANNE")
    world.run()
    back = world.undo("name-case")

    world.undo(back.run)

    assert world.crm.records["1"].first_name == "Jeanne"


@pytest.fixture
def tasked(any_world: World) -> World:
    """Give a world in which a task was made for a contact without an e-mail."""
    any_world.rules(TASKS)
    any_world.crm.add("1", first_name="Zoé")
    any_world.run()
    assert [task.done for task in any_world.crm.tasks] == [False]
    return any_world


def test_an_open_task_is_closed(tasked: World) -> None:
    """Undone once, journaled as taking the task back, and no new one is made for the finding."""
    (made,) = tasked.journal(state=State.INTENT)

    tasked.undo("no-email")

    assert [task.done for task in tasked.crm.tasks] == [True]
    last = tasked.journal()[-1]
    assert (last.state, last.kind, last.undoes) == (State.VERIFIED, "close_task", made.seq)
    assert tasked.would_undo("no-email") == UndoResult()
    tasked.run()
    assert len(tasked.crm.tasks) == 1
    tasked.crm.edit("1", email="zoe@example.com")
    assert tasked.run().states.total() == 0


def test_a_task_that_a_person_finished_is_left_as_it_is(tasked: World) -> None:
    """Nothing is written to it."""
    tasked.crm.finish(tasked.crm.tasks[0].id)

    counts = tasked.undo("no-email")

    assert counts.states == {State.VERIFIED: 1}
    assert [type(change) for change in tasked.crm.written] == [CreateTask]


def test_a_task_is_closed_whose_record_is_gone(tasked: World) -> None:
    """Somebody deleted the contact: what hangs on it still asks for work."""
    tasked.crm.remove("1")

    tasked.undo("no-email")

    assert [task.done for task in tasked.crm.tasks] == [True]


def test_a_task_is_named_where_the_crm_closes_none(tasked: World) -> None:
    """No silence about what stays behind, nor where nothing is known of the connection."""
    tasked.capabilities = {"crm": frozenset(Capability) - {Capability.CLOSE_TASK}}

    for result in (tasked.would_undo("no-email"), plan_undo(tasked.database, "no-email")):
        assert result.items == ()
        ((line, why),) = result.impossible
        assert line.ref == RecordRef("crm", "1")
        assert "close it in the CRM" in why


def test_a_task_that_we_closed_is_not_closed_again(tasked: World) -> None:
    """Its finding was resolved before: whoever opened it again since meant it."""
    tasked.crm.edit("1", email="zoe@example.com")
    tasked.run()
    tasked.crm.tasks = [replace(task, done=False) for task in tasked.crm.tasks]

    result = tasked.would_undo("no-email")

    assert result.items == ()
    assert [line.kind for line, _ in result.impossible] == ["close_task", "task"]
    assert [why for _, why in result.impossible] == [Kept.CLOSED, Kept.TASK_CLOSED]


def test_a_task_is_closed_after_its_text_was_purged(tasked: World) -> None:
    """The journal keeps the mark of a task as long as the line stands."""
    tasked.clock.forward(days=100)
    with hold(tasked.database, clock=tasked.clock) as lease:
        now = tasked.clock()
        purge(tasked.database, values_before=now, evidence_before=now, now=now, lease=lease)
    (made,) = tasked.journal(state=State.INTENT)
    assert isinstance(made.change, CreateTask)
    assert made.change.title == ""

    tasked.undo("no-email")

    assert [task.done for task in tasked.crm.tasks] == [True]


def test_closing_whose_answer_was_lost_is_settled(tasked: World) -> None:
    """The same protocol holds for a task: asked about, not sent again."""
    tasked.crm.fail(Fault.LOST_ANSWER)

    tasked.undo("no-email")
    tasked.undo("no-email")

    assert tasked.crm.effects.total() == 2
    assert tasked.states()[-2:] == [State.UNKNOWN, State.VERIFIED]


def test_what_did_not_take_effect_is_not_undone(world: World) -> None:
    """Refused changes and conflicts leave nothing to take back."""
    world.crm.add("1", first_name="JEANNE")
    world.crm.fail(Fault.REJECTED)
    world.run()

    assert plan_undo(world.database, "name-case").items == ()


def test_an_undo_whose_answer_was_lost_is_settled(world: World) -> None:
    """The same protocol holds: asked, not sent again."""
    world.crm.add("1", first_name="JEANNE")
    world.run()
    world.crm.fail(Fault.LOST_ANSWER)

    world.undo("name-case")
    world.undo("name-case")

    assert world.crm.effects.total() == 2
    assert world.states()[-2:] == [State.UNKNOWN, State.VERIFIED]


def test_why_something_is_kept_is_said_in_both_languages() -> None:
    """A French manager reads French, of every reason there is."""
    for why in Kept:
        assert why.said("en") == why.value
        assert why.said("fr") not in ("", why.value)
