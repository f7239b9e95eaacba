"""Whoever undoes what we write: at most three writes of one field a week, and nobody else is held up."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.conftest import SetClock
from tests.unit.writing.conftest import NAMES, PHONES, TASKS, World
from tests.unit.writing.test_fighting import PING_PONG

from crm_steward.model import CreateTask, UpdateFields
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.journal import State
from crm_steward.writing import Why
from crm_steward.writing.swings import MOST, WITHIN

SPELT = ["JEANNE", "jeanne", "PAUL", "paul", "ZOE", "zoe", "ANNE-MARIE", "anne-marie"]
OTHER = PHONES.replace("propose", "apply")


def _add(world: World) -> None:
    world.crm.add("1", first_name="JEANNE", language="en", phone="01 42 68 53 00", country="FR")


def _undo_each(world: World, rounds: int) -> list[list[str]]:
    """Let an automation of the CRM write names in capitals, another name each time."""
    held: list[list[str]] = []
    for number in range(rounds):
        world.crm.edit("1", first_name=f"NAME{'ABCDEF'[number]}")
        world.clock.forward(hours=5)
        world.look()
        result = world.plan()
        held.append([f"{one.why} {one.detail}" for one in result.withheld])
        if result.plan.changes:
            world.apply(result.plan)
    return held


def test_an_automation_that_undoes_each_change_ends_it_after_three_writes(
    any_world: World,
) -> None:
    """Three writes, then none within the week; it is said why, and other fields are still written."""
    world = any_world
    world.rules(NAMES, OTHER)
    _add(world)
    held = _undo_each(world, 6)
    names = [
        c for c in world.crm.written if isinstance(c, UpdateFields) and "first_name" in c.values
    ]
    assert len(names) == MOST
    assert [one for one in held if "undone first_name" in one] == held[MOST:]
    world.crm.edit("1", phone="01 42 68 53 01")
    world.crm.add("2", first_name="PAUL")
    before = len(world.crm.written)
    world.run()
    assert len(world.crm.written) == before + 2
    world.clock.forward(days=7)
    world.crm.edit("1", first_name="NAMEZ")
    world.run()
    assert world.crm.records["1"].first_name == "Namez"


def test_a_task_that_is_made_and_taken_away_again_is_made_three_times_a_week(world: World) -> None:
    """Its finding comes and goes with the address that somebody empties and fills."""
    world.rules(TASKS)
    world.crm.add("1", first_name="Ada", last_name="Roux")
    for number in range(5):
        world.run()
        world.crm.edit("1", email=f"a{number}@x.example")
        world.run()
        world.crm.edit("1", email=None)
    assert sum(isinstance(change, CreateTask) for change in world.crm.written) == MOST
    world.clock.forward(seconds=1)
    world.look()
    assert [(one.why, one.detail) for one in world.plan().withheld] == [(Why.UNDONE, "task")]


def test_two_rules_that_fight_stop_at_the_second_swing(any_world: World) -> None:
    """Loaded past the check that refuses them: the first writes once, the other is named and waits."""
    world = any_world
    world.rules(*PING_PONG)
    _add(world)
    for _ in range(3):
        world.run()
    assert len(world.crm.written) == 1
    world.look()
    assert [(one.rule, one.why, one.detail) for one in world.plan().withheld] == [
        ("to-en", Why.SWING, "to-fr")
    ]


def test_a_rule_that_puts_right_what_a_former_rule_wrote_is_not_held_back(world: World) -> None:
    """The other was taken out: it fights nobody. Nor does somebody's undo count as a write."""
    world.rules(PING_PONG[0])
    _add(world)
    done = world.run()
    world.rules(PING_PONG[1])
    assert world.run().states[State.VERIFIED] == 1
    assert world.crm.records["1"].language == "en"
    world.undo(done.run)
    assert world.withheld(world.plan()) == []


def test_three_rules_in_a_ring_are_stopped_and_named(world: World) -> None:
    """No two of them take each other back; the fourth write of the week would be the fourth swing."""
    rules = [
        PING_PONG[0]
        .replace("to-fr", f"r{n}")
        .replace("equals: en", f"equals: {a}")
        .replace("language: fr", f"language: {b}")
        for n, (a, b) in enumerate([("en", "fr"), ("fr", "de"), ("de", "it"), ("it", "en")])
    ]
    world.rules(*rules)
    _add(world)
    for _ in range(5):
        world.run()
    assert len(world.crm.written) == MOST
    world.look()
    (held,) = world.plan().withheld
    assert (held.rule, held.why, held.detail) == ("r3", Why.SWING, "r0, r1, r2")


class Antagonist(RuleBasedStateMachine):
    """An office that changes back, in any way, what we write; and time that goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.database = Database.open(f"sqlite:///{self.folder}/steward.db")
        self.clock = SetClock()
        self.world = World(self.database, self.folder, self.clock)
        self.world.rules(NAMES, OTHER, *PING_PONG)
        self.world.limits = Limits(
            canary=1000, max_percent_per_day=100.0, max_changes_per_day=10**6
        )
        self.writes: list[tuple[datetime, str, str]] = []
        for number in range(40):
            self.world.crm.add(str(number), first_name="Ada", country="FR")

    @rule(record=st.integers(0, 2), name=st.sampled_from(SPELT))
    def respell(self, record: int, name: str) -> None:
        """Somebody writes a name in one case."""
        self.world.crm.edit(str(record), first_name=name)

    @rule(record=st.integers(0, 2), number=st.integers(10, 99))
    def redial(self, record: int, number: int) -> None:
        """Somebody writes a number as people do."""
        self.world.crm.edit(str(record), phone=f"01 42 68 53 {number}")

    @rule(record=st.integers(0, 2), language=st.sampled_from(["en", "fr", "de"]))
    def translate(self, record: int, language: str) -> None:
        """Somebody says in which language a person is written to."""
        self.world.crm.edit(str(record), language=language)

    @rule(hours=st.sampled_from([1, 12, 30, 100]))
    def work(self, hours: int) -> None:
        """A round of the service."""
        self.clock.forward(hours=hours)
        before = len(self.world.crm.written)
        self.world.look()
        plan = self.world.plan().plan
        if plan.changes:
            self.world.apply(plan)
        for change in self.world.crm.written[before:]:
            assert isinstance(change, UpdateFields)
            self.writes += [(self.clock.now, change.ref.id, name) for name in change.values]

    @invariant()
    def no_field_is_written_more_than_three_times_a_week(self) -> None:
        """Whatever the office does in between."""
        recent = Counter(
            (record, name) for at, record, name in self.writes if at > self.clock.now - WITHIN
        )
        assert max(recent.values(), default=0) <= MOST

    def teardown(self) -> None:
        """Forget it."""
        self.database.close()
        shutil.rmtree(self.folder)


TestAntagonist = Antagonist.TestCase
TestAntagonist.settings = settings(max_examples=4, stateful_step_count=20, deadline=None)


@given(
    st.lists(
        st.sampled_from([*SPELT, "01 42 68 53 00", " a@EXAMPLE.com ", "Le  Havre"]), min_size=1
    )
)
@settings(max_examples=6, deadline=None)
def test_what_fixers_wrote_they_leave_alone(values: list[str]) -> None:
    """rule(rule(x)) = rule(x): a second round without anybody's edit writes nothing."""
    folder = Path(mkdtemp())
    with Database.open(f"sqlite:///{folder}/steward.db") as database:
        world = World(database, folder, SetClock())
        fields = "[first_name, last_name, email, phone, company, city]"
        world.rules(NAMES.replace("[first_name, last_name]", fields))
        for number, value in enumerate(values):
            world.crm.add(
                str(number),
                first_name=value,
                last_name=value,
                company=value,
                city=value,
                email=value,
                phone=value,
                country="FR",
            )
        world.run()
        written = len(world.crm.written)
        world.run()
        assert len(world.crm.written) == written
    shutil.rmtree(folder)
