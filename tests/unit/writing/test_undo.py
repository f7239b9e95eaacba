"""Undo: records get back what they held, unless somebody edited them since."""

from __future__ import annotations

import pytest
from tests.unit.writing.conftest import World

from crm_steward.model import RecordRef
from crm_steward.store.journal import State
from crm_steward.testing import Fault
from crm_steward.writing import plan_undo


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


def test_a_task_is_reported_as_not_undone(world: World) -> None:
    """No silence about what stays behind."""
    world.rules("""
  - id: no-email
    about: No e-mail
    check: {kind: required, fields: [email]}
    actions: [task: {title: "Ask"}]
    mode: apply
""")
    world.crm.add("1", first_name="Zoé")
    world.run()

    result = plan_undo(world.database, "no-email")

    assert result.items == ()
    ((line, why),) = result.impossible
    assert line.ref == RecordRef("crm", "1")
    assert "close it in the CRM" in why


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
