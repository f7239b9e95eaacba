"""Crash: whatever the moment at which the process dies, nothing is lost and nothing is doubled.

The moments are enumerated, not drawn: before and after every commit to the database, and at
every step of every call to the CRM. After the crash nothing of the old process runs any more: it
cannot even let go of its lease.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.writing.conftest import World
from tests.whole import stride

from crm_steward.model import Plan
from crm_steward.rules import RuleBook
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, State
from crm_steward.testing import Fault
from crm_steward.testing.mortal import Crash, Mortal, bury, spared

MakeWorld = Callable[[Database], World]

RULES = """
  - id: name-case
    about: Names in capitals
    check: {kind: format, fields: [first_name, last_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
  - id: no-email
    about: No e-mail
    check: {kind: required, fields: [email]}
    actions: [task: {title: "Ask {full_name}"}]
    mode: apply
"""


def _contacts(world: World) -> None:
    world.batch = 2
    world.crm.add("1", first_name="JEANNE", last_name="MARTIN", email="j@example.com")
    world.crm.add("2", first_name="PIERRE")
    world.crm.add("3", first_name="Anne")


def _planned(make_world: MakeWorld, path: Path) -> tuple[Plan, RuleBook]:
    """Make a database in which everything is found and planned, to be copied."""
    with Database.open(f"sqlite:///{path}") as database:
        world = make_world(database)
        world.rules(RULES)
        _contacts(world)
        world.look()
        plan: Plan = world.plan().plan
    assert len(plan.changes) == 5
    return plan, world.book


def _die_and_recover(
    world: World, clock: Any, plan: Plan, faults: list[Fault | None], at: int
) -> bool:
    """Apply until the process dies at step `at`, then again until nothing is left."""
    database = world.database
    _contacts(world)
    world.crm.on_call = database.live
    world.crm.fail(*faults)
    database.step, database.dies_at = 0, at
    died = False
    try:
        world.apply(plan)
    except Crash:
        died = True
    database.dead, database.dies_at = False, -1
    bury(database)
    world.crm.faults.clear()
    for _ in range(2):
        clock.forward(seconds=1)
        world.apply(world.plan().plan)
    return died


FAULTS: list[list[Fault | None]] = [
    [],
    [Fault.LOST_ANSWER],
    [None, Fault.NOT_SENT],
    [Fault.MISSING_ROW, Fault.SILENT_NOOP],
]


@pytest.mark.parametrize(
    ("turn", "faults"), list(enumerate(FAULTS)), ids=["none", "lost", "not sent", "partial"]
)
def test_at_every_step(
    make_world: MakeWorld, tmp_path: Path, clock: Any, turn: int, faults: list[Fault | None]
) -> None:
    """Dying at each step in turn, then starting again: every change takes effect exactly once.

    In a share each step is tried with one of the faults.
    """
    template, path = tmp_path / "template.db", tmp_path / "steward.db"
    plan, book = _planned(make_world, template)
    step = stride(len(FAULTS))
    at, died = turn % step, True
    while died:
        shutil.copy(template, path)
        path.with_name("steward.db.epoch").unlink(missing_ok=True)  # another world, no older copy
        database = Mortal.open(f"sqlite:///{path}")
        assert isinstance(database, Mortal)
        spared(database)
        world = make_world(database)
        world.book = book
        died = _die_and_recover(world, clock, plan, faults, at)

        assert world.crm.records["1"].first_name == "Jeanne", at
        assert world.crm.records["1"].last_name == "Martin", at
        assert world.crm.records["2"].first_name == "Pierre", at
        tasks = Counter(task.change.ref.id for task in world.crm.tasks)
        assert tasks == {"2": 1, "3": 1}, at
        assert max(world.crm.effects.values()) == 1, at
        verified = Counter(line.key for line in world.journal(state=State.VERIFIED))
        assert list(verified.values()) == [1] * 5, at
        assert Journal(database).under_way() == [], at
        database.close()
        at += step
    assert at > 20, "the steps were not enumerated"
