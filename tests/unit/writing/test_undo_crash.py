"""Undo and crash: whatever the moment at which the process dies, each change is taken back once."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.writing.conftest import NAMES, TASKS, World
from tests.unit.writing.lifted import SILENCES, loosening, silent_soon
from tests.unit.writing.test_undo_archives import ARCHIVES, MERGES, twin
from tests.whole import stride

from crm_steward.connect.protocol import Capability
from crm_steward.model import LimitExceededError
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, State
from crm_steward.testing import FakeCrm, Fault
from crm_steward.testing.mortal import Crash, Mortal, bury, spared

MakeWorld = Callable[[Database], World]
Prepare = Callable[[World], None]
Check = Callable[[World], None]


def _fields_and_tasks(world: World) -> None:
    world.batch = 2
    world.rules(NAMES, TASKS)
    world.crm.add("1", first_name="JEANNE", last_name="MARTIN", email="j@example.com")
    world.crm.add("2", first_name="PIERRE")
    world.crm.add("3", first_name="Anne")
    world.run()
    assert len(world.crm.tasks) == 2


def _fields_are_back_and_tasks_closed(world: World) -> None:
    assert world.crm.records["1"].first_name == "JEANNE"
    assert world.crm.records["1"].last_name == "MARTIN"
    assert world.crm.records["2"].first_name == "PIERRE"
    assert [task.done for task in world.crm.tasks] == [True, True]


def _suppressions(world: World) -> None:
    world.rules(SILENCES)
    for name in ("1", "2"):
        world.crm.add(silent_soon(name))
    world.run()
    assert all(len(one.consents) == 2 for one in world.crm.records.values())


def _suppressions_are_lifted(world: World) -> None:
    assert all(len(one.consents) == 1 for one in world.crm.records.values())


def _archives_and_merges(world: World) -> None:
    world.rules(ARCHIVES, MERGES)
    world.crm.add("9", last_name="Alone")
    world.crm.add(twin("1", 0, job_title="Baker"))
    world.crm.add(twin("2", 1, job_title="Baker", language="fr"))
    world.run("all")
    assert list(world.crm.records) == ["1"]
    assert world.crm.records["1"].language == "fr"


def _everybody_is_back(world: World) -> None:
    assert set(world.crm.records) == {"1", "2", "9"}
    assert world.crm.records["1"].language is None


def _merges_for_good(world: World) -> None:
    world.capabilities = {"crm": frozenset(Capability) - {Capability.UNMERGE}}
    world.rules(MERGES)
    world.crm.add(twin("1", 0, job_title="Baker"))
    world.crm.add(twin("2", 1, job_title="Baker", language="fr"))
    world.run("all")
    assert list(world.crm.records) == ["1"]


def _everybody_is_made_anew(world: World) -> None:
    assert set(world.crm.records) == {"1", "2-anew"}
    assert world.crm.records["1"].language is None


STORIES = {
    "merges for good": (_merges_for_good, _everybody_is_made_anew),
    "archives and merges": (_archives_and_merges, _everybody_is_back),
    "fields and tasks": (_fields_and_tasks, _fields_are_back_and_tasks_closed),
    "suppressions": (_suppressions, _suppressions_are_lifted),
}
FAULTS: dict[str, list[Fault | None]] = {
    "none": [],
    "lost": [Fault.LOST_ANSWER],
    "not sent": [None, Fault.NOT_SENT],
    "partial": [Fault.MISSING_ROW, Fault.SILENT_NOOP],
}


@pytest.mark.parametrize(("turn", "faults"), list(enumerate(FAULTS.values())), ids=FAULTS)
@pytest.mark.parametrize(("prepare", "check"), STORIES.values(), ids=STORIES)
def test_at_every_step(
    make_world: MakeWorld,
    tmp_path: Path,
    clock: Any,
    prepare: Prepare,
    check: Check,
    turn: int,
    faults: list[Fault | None],
) -> None:
    """Dying at each step in turn, then undoing again: each change is taken back exactly once.

    In a share each step is tried with one of the faults.
    """
    template, path = tmp_path / "template.db", tmp_path / "steward.db"
    with Database.open(f"sqlite:///{template}") as database:
        before = make_world(database)
        prepare(before)
        run = before.journal()[-1].run
    step = stride(len(FAULTS))
    at, died = turn % step, True
    while died:
        shutil.copy(template, path)
        path.with_name("steward.db.epoch").unlink(missing_ok=True)  # another world, no older copy
        database = Mortal.open(f"sqlite:///{path}")
        assert isinstance(database, Mortal)
        spared(database)
        world = _again(make_world(database), before)
        died = _die_and_recover(world, database, clock, run, faults, at)

        check(world)
        assert max(world.crm.effects.values()) == 1, at
        back = [line for line in world.journal(state=State.VERIFIED) if line.undoes is not None]
        taken = Counter(line.undoes for line in back)
        done = [line for line in world.journal(run=run) if line.state is State.VERIFIED]
        assert len(taken) == len(done), at
        assert set(taken.values()) == {1}, at
        assert Journal(database).under_way() == [], at
        database.close()
        at += step
    assert at > 20, "the steps were not enumerated"


def _again(world: World, before: World) -> World:
    """Give a world the CRM of another one, as it was left."""
    old = before.crm
    world.book, world.batch = before.book, before.batch
    world.capabilities = before.capabilities
    world.crm = FakeCrm(
        "crm",
        clock=world.clock,
        records=dict(old.records),
        gone=dict(old.gone),
        tasks=list(old.tasks),
        silenced=list(old.silenced),
        bin=dict(old.bin),
    )
    return world


def _die_and_recover(
    world: World, database: Mortal, clock: Any, run: str, faults: list[Fault | None], at: int
) -> bool:
    """Undo until the process dies at step `at`, then again until nothing is left."""
    world.crm.on_call = database.live
    world.crm.fail(*faults)
    database.step, database.dies_at = 0, at
    died = False
    try:
        _undo(world, run)
    except Crash:
        died = True
    database.dead, database.dies_at = False, -1
    bury(database)
    world.crm.faults.clear()
    for _ in range(2):
        clock.forward(seconds=1)
        _undo(world, run)
    return died


def _undo(world: World, run: str) -> None:
    """Undo, lifting what there is to lift; look again when settling has made it another number."""
    for _ in range(2):
        lifts = len(world.would_undo(run).lifts)
        try:
            world.undo(run, loosening=loosening(lifts) if lifts else None)
        except LimitExceededError:
            continue
        return
