"""Restored: an older copy of the database doubles nothing in the CRM."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.unit.writing.conftest import NAMES, TASKS, World

from crm_steward.model import LimitExceededError
from crm_steward.store.database import Database
from crm_steward.store.forgotten import Forgotten
from crm_steward.store.lease import hold
from crm_steward.store.restored import Restored
from crm_steward.writing import Why
from crm_steward.writing.limits import DAY
from crm_steward.writing.reconcile import Reconciled, reconcile
from crm_steward.writing.withheld import explain

MERGES = """
  - id: twins
    about: Twins
    check: {kind: duplicates, levels: [same e-mail]}
    actions: [merge: {keep: [most complete]}]
    mode: propose
"""


def reconciled(world: World) -> Reconciled | None:
    """Look for what was forgotten."""
    with hold(world.database, clock=world.clock) as lease:
        return reconcile(
            world.database,
            world.book,
            world.targets(),
            abilities=world.abilities,
            lease=lease,
            clock=world.clock,
        )


@pytest.fixture
def travelled(world: World, tmp_path: Path) -> World:
    """Give a world whose database is a copy from before everything that was written to the CRM."""
    world.rules(NAMES, TASKS)
    for n in range(30):
        world.crm.add(str(n), first_name="JEANNE", last_name=f"Martin{n}")
    world.look()
    plan = world.plan().plan  # stands open in the copy
    world.database.close()
    copy = shutil.copy(tmp_path / "steward.db", tmp_path / "copy.db")
    world.apply(plan, "all")
    assert len(world.crm.tasks) == 30
    world.clock.forward(hours=24)
    world.database.close()
    shutil.copy(copy, tmp_path / "steward.db")
    world.database = Database.open(f"sqlite:///{tmp_path}/steward.db")
    with hold(world.database, clock=world.clock):
        """Whoever wants to write finds out that an older copy stands there."""
    assert Restored.of(world.database) is not None
    return world


def test_no_task_is_made_twice(travelled: World) -> None:
    """A day later: every task that the copy forgot is found in the CRM, and none is made again."""
    world = travelled
    world.clock.forward(seconds=1)
    world.look()

    found = reconciled(world)
    counts = world.run("all")

    assert found is not None
    assert (found.over, found.asked, found.found) == (True, 30, 30)
    assert len(world.crm.tasks) == 30
    assert Counter(world.crm.effects.values()) == Counter({1: 60}), "30 tasks and 30 updates, once"
    assert counts.lines == []
    assert Restored.of(world.database) is None


def test_what_was_never_made_is_made_afterwards(travelled: World) -> None:
    """A task that is not in the CRM is made once, when all is reconciled."""
    world = travelled
    world.crm.add("new", last_name="Neuf")
    world.clock.forward(seconds=1)
    world.look()
    reconciled(world)
    world.clock.forward(hours=24)

    world.run("all")

    assert len(world.crm.tasks) == 31


@pytest.mark.parametrize("how", ["a day passes", "a person says so"])
def test_the_days_limit_counts_as_used_up(travelled: World, how: str) -> None:
    """What was written before is not known: for a day nothing is, in plans and when one is applied."""
    world = travelled
    world.crm.add("new", last_name="Neuf")
    world.clock.forward(seconds=1)
    world.look()
    reconciled(world)
    assert Restored.of(world.database) is None

    closed = world.plan(save=False)
    assert (closed.plan.changes, set(world.withheld(closed))) == (
        (),
        {"restored copy", "task stands"},
    )
    (said,) = {one.detail for one in closed.withheld if one.why is Why.RESTORED}
    assert said == f"{Forgotten.of(world.database).until + DAY:%Y-%m-%d %H:%M} UTC"  # type: ignore[union-attr] # it stands
    for language, words in (("en", "the day's limit counts"), ("fr", "la limite du jour compte")):
        assert words in explain(Why.RESTORED, said, language)

    if how == "a day passes":
        world.clock.forward(hours=23, minutes=59)
        assert world.plan(save=False).plan.changes == ()
        world.clock.forward(minutes=1)
        world.look()
    else:
        forgotten = Forgotten.of(world.database)
        assert forgotten is not None
        forgotten.count(world.database)
    world.run("all")
    assert len(world.crm.tasks) == 31


def test_a_plan_made_meanwhile_is_refused_as_a_whole(travelled: World) -> None:
    """Made when a person had said so, applied after another copy came: nothing is written."""
    world = travelled
    world.crm.add("new", last_name="Neuf")
    world.clock.forward(seconds=1)
    world.look()
    reconciled(world)
    forgotten = Forgotten.of(world.database)
    assert forgotten is not None
    forgotten.count(world.database)
    plan = world.plan().plan
    with world.database.write() as writing:
        forgotten.save(writing, world.database)
    with pytest.raises(LimitExceededError, match="restored copy") as raised:
        world.apply(plan, "all")
    assert "accept --after-restore" in (raised.value.hint or "")
    assert len(world.crm.tasks) == 30


def test_before_it_nothing_is_written(travelled: World) -> None:
    """Neither a plan of the copy nor a new one, nor undoing: the gate is where writing begins."""
    world = travelled
    before = list(world.crm.written)
    world.clock.forward(hours=24)
    world.look()
    plan = world.plan().plan
    assert plan.changes

    with pytest.raises(LimitExceededError, match="older copy"):
        world.apply(plan, "all")

    assert world.crm.written == before


def test_it_waits_for_a_full_read_and_a_scan(travelled: World) -> None:
    """The mirror of the copy says nothing about today."""
    first = reconciled(travelled)

    assert first is not None
    assert not first.over
    assert first.waiting == {"crm": "a full read"}
    assert Restored.of(travelled.database) is not None


def test_a_crm_that_does_not_answer_keeps_it_closed(travelled: World) -> None:
    """Nothing counts as absent because a search failed."""
    world = travelled
    world.clock.forward(seconds=1)
    world.look()

    def broken(step: str) -> None:
        if step == "settle":
            from crm_steward.model import RetryableError  # noqa: PLC0415 -- only here

            raise RetryableError("down")

    world.crm.on_call = broken
    found = reconciled(world)

    assert found is not None
    assert not found.over
    assert "RetryableError" in found.waiting["crm"]


def test_no_merge_is_repeated(world: World, tmp_path: Path) -> None:
    """A merge that the copy forgot is seen in the fresh mirror; it is not asked for again."""
    world.rules(MERGES)
    for n in ("1", "2"):
        world.crm.add(n, email="j@example.com", first_name="Jeanne", last_name="Martin")
    world.crm.edit("1", company="Essai")
    for n in range(20):  # a source that shrank by half would be frozen
        world.crm.add(f"other-{n}", email=f"other-{n}@example.com", last_name=f"Autre{n}")
    world.look()
    plan = world.plan().plan
    assert plan.changes, world.plan().withheld
    world.database.close()
    copy: Any = shutil.copy(tmp_path / "steward.db", tmp_path / "copy.db")
    world.apply(plan, "all")
    merged = Counter(world.crm.effects)
    world.clock.forward(hours=24)
    world.database.close()
    shutil.copy(copy, tmp_path / "steward.db")
    world.database = Database.open(f"sqlite:///{tmp_path}/steward.db")
    with hold(world.database, clock=world.clock):
        """Whoever wants to write finds out that an older copy stands there."""
    world.clock.forward(seconds=1)
    world.look()

    found = reconciled(world)
    world.run("all")

    assert found is not None
    assert found.over
    assert world.crm.effects == merged
    assert max(merged.values()) == 1
