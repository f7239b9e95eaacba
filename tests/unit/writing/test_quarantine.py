"""What the CRM does not take is tried five times, then waits for a person and holds up nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import Cli
from tests.unit.writing.conftest import NAMES, World

from crm_steward.connect.protocol import Cursor, Page, Poison
from crm_steward.report.writes import coverage
from crm_steward.settings import Halting
from crm_steward.store.journal import MAX_ATTEMPTS, State
from crm_steward.store.mirror import Mirror
from crm_steward.store.quarantine import Quarantine
from crm_steward.testing import Fault
from crm_steward.writing import Target, Targets, Why, settle
from crm_steward.writing.aside import WAITS

PATIENT = Halting(failures_in_a_row=1000, percent=99)
PEOPLE, POISON = 200, frozenset({"50", "150"})


def _run(world: World) -> None:
    target = Target(connector=world.crm, batch=world.batch)
    world.look()
    plan = world.plan().plan
    if plan.changes:
        world.apply(plan, targets=Targets({"crm": target}.__getitem__, PATIENT))


def _poisoned(world: World) -> None:
    world.rules(NAMES)
    for number in range(PEOPLE):
        world.crm.add(str(number), first_name="JEANNE")
    world.crm.refuses = lambda c: "the field takes no such value" if c.ref.id in POISON else ""


def _set_aside(world: World) -> None:
    _poisoned(world)
    for wait in (*WAITS, WAITS[0]):
        _run(world)
        world.clock.forward(seconds=wait.total_seconds() + 1)


def test_one_poisoned_change_in_a_hundred_holds_up_nobody(any_world: World) -> None:
    """All others are written in the first run; the poisoned are tried five times, ever more slowly."""
    world = any_world
    _poisoned(world)
    _run(world)
    assert len(world.crm.written) == PEOPLE - len(POISON)
    for number, wait in enumerate(WAITS, start=1):
        world.look()
        withheld = world.plan().withheld
        assert {(one.ref.id, one.why, one.detail) for one in withheld} == {
            (name, Why.RETRY, f"{number}/5") for name in POISON
        }
        world.clock.forward(seconds=wait.total_seconds())
        _run(world)
    rejected = world.journal(state=State.REJECTED)
    assert len(rejected) == MAX_ATTEMPTS * len(POISON)
    world.clock.forward(days=30)
    _run(world)
    assert len(world.journal(state=State.REJECTED)) == len(rejected)
    listed = Quarantine(world.database).listed()
    assert {(one.record, one.attempts, one.reason, one.rule, one.fields) for one in listed} == {
        (name, 5, "the field takes no such value", "name-case", ("first_name",)) for name in POISON
    }
    with world.database.read() as reading:
        said = coverage(reading, world.clock(), world.clock(), late=WAITS[-1], enabled={"crm"})
    assert said.set_aside == (("crm", "the field takes no such value", 2),)
    assert said.quarantined == ()


def test_what_is_released_is_tried_once_more(any_world: World) -> None:
    """Refused again it is set aside again; put right it is written."""
    world = any_world
    _set_aside(world)
    quarantine = Quarantine(world.database)
    keys = quarantine.changes()
    assert len(keys) == len(POISON)
    assert quarantine.release([next(iter(keys)), "nobody"]) == 1
    _run(world)
    assert quarantine.changes() == keys
    world.clock.forward(days=1)
    assert quarantine.release(keys) == 2
    world.crm.refuses = lambda _change: ""
    _run(world)
    assert len(world.crm.written) == PEOPLE
    assert quarantine.changes() == frozenset()


def test_a_crm_that_is_down_sets_nothing_aside(world: World) -> None:
    """What was certainly not sent says nothing of the change, however often."""
    world.rules(NAMES)
    world.crm.add("1", first_name="JEANNE")

    def down(step: str) -> None:
        if step == "get":
            raise ConnectionError

    for _ in range(MAX_ATTEMPTS + 3):
        world.crm.on_call = down
        world.look()
        with pytest.raises(ConnectionError):
            world.apply(world.plan().plan)
        world.clock.forward(minutes=1)
    world.crm.on_call = lambda _step: None
    world.run()
    assert world.crm.records["1"].first_name == "Jeanne"


def test_a_record_that_breaks_each_call_is_set_aside(world: World) -> None:
    """Its answer is lost every time and it never took effect: five times, then no more."""
    world.rules(NAMES)
    world.crm.add("1", first_name="JEANNE")
    for _ in range(MAX_ATTEMPTS + 3):
        world.crm.faults.clear()
        world.crm.fail(Fault.NOT_SENT)
        _run(world)
        settle(world.database, world.targets(), clock=world.clock)
        world.clock.forward(days=1)
    assert len(world.journal(state=State.UNKNOWN)) == MAX_ATTEMPTS
    assert world.withheld(world.plan()) == ["set aside"]


def test_it_is_listed_and_released_from_the_command_line(
    world: World, steward: Cli, tmp_path: Path
) -> None:
    """Both kinds, with reasons and no values; only changes can be released, by digits or rule."""
    world.crm.add("1", first_name="JEANNE")
    world.crm.refuses = lambda _change: "the field takes no such value"
    for _ in range(MAX_ATTEMPTS):
        _run(world)
        world.clock.forward(days=1)
    page = Page(cursor=Cursor("1"), poison=(Poison("line 7", "a field is too long"),))

    Mirror(world.database).save_page("crm", "fake", page, now=world.clock(), full=False)
    (tmp_path / "crm-steward.yaml").write_text(
        "version: 1\ndatabase: sqlite:///steward.db\n", "utf-8"
    )
    listed = json.loads(steward("quarantine", "--json").stdout)
    assert [(one["record"], one["reason"], bool(one["key"])) for one in listed] == [
        ("1", "the field takes no such value", True),
        ("line 7", "a field is too long", False),
    ]
    shown = steward("quarantine").stdout
    for said in ("crm:1", "name-case: update first_name", "5x", "line 7", "cannot be read"):
        assert said in shown
    assert "JEANNE" not in shown
    assert json.loads(steward("quarantine", "--connection", "other", "--json").stdout) == []

    digits = listed[0]["key"][:8]
    assert steward("release").returncode == 2
    assert steward("release", "ffffffff").returncode == 2
    assert json.loads(steward("release", "--rule", "other", "--json").stdout) == {"released": []}
    done = steward("release", digits)
    assert (done.returncode, "1" in done.stdout) == (0, True)
    (left,) = json.loads(steward("quarantine", "--json").stdout)
    assert left["record"] == "line 7"
