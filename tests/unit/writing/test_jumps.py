"""A rule that suddenly finds far more than it used to only reports until a person accepts that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import Cli
from tests.unit.writing.conftest import NAMES, PHONES, World

from crm_steward.pull import pull
from crm_steward.scan import ScanCounts, scan
from crm_steward.store.jumps import RUNS, Jumps
from crm_steward.writing import Why

PEOPLE = 200


def _people(world: World, wrong: int) -> None:
    for number in range(PEOPLE):
        world.crm.add(str(number), first_name="JEANNE" if number < wrong else "Jeanne")


def _scans(world: World, times: int = 1) -> ScanCounts:
    for _ in range(times):
        world.clock.forward(hours=6)
        world.look()
    return scan(world.database, world.book, clock=world.clock, changed=True)


def _held(world: World) -> set[tuple[str, Why, str]]:
    return {(one.rule, one.why, one.detail) for one in world.plan(save=False).withheld}


def test_a_rule_that_jumps_only_reports_until_it_is_accepted(any_world: World) -> None:
    """It stays so however often it is scanned; other rules go on; what is accepted is usual then."""
    world = any_world
    world.rules(NAMES, PHONES)
    _people(world, 3)
    _scans(world, RUNS + 1)
    assert _held(world) == set()
    _people(world, 30)
    world.crm.edit("199", phone="01 42 68 53 00", country="FR")
    _scans(world)
    for _ in range(RUNS):
        result = world.plan(save=False)
        assert {planned.rule for planned in result.plan.changes} == {"phone"}
        assert _held(world) == {("name-case", Why.JUMP, "30 / 3")}
        _scans(world)

    jumps = Jumps(world.database)
    assert jumps.accept("phone", world.clock()) is False
    assert jumps.accept("name-case", world.clock()) is True
    for _ in range(2):
        assert _scans(world).jumped == {}
        assert _held(world) == set()


def test_a_scan_of_changes_notices_it_too(world: World) -> None:
    """Before the service acts on it."""
    _people(world, 3)
    _scans(world, RUNS + 1)
    _people(world, 100)

    world.clock.forward(minutes=5)
    pull(world.database, "crm", "fake", world.crm, clock=world.clock, full=True)
    counts = scan(world.database, world.book, clock=world.clock, changed=True)
    assert counts.jumped == {"name-case": "100 / 3"}
    assert world.plan(save=False).plan.changes == ()


@pytest.mark.parametrize(
    ("before", "after", "scans", "jumps"),
    [
        (4, 13, RUNS + 1, True),
        (4, 12, RUNS + 1, False),
        (0, 11, RUNS + 1, True),
        (0, 10, RUNS + 1, False),
        (60, 200, RUNS + 1, True),
        (70, 200, RUNS + 1, False),
        (3, 200, RUNS - 2, False),
    ],
    ids=["over", "three times", "from none", "a handful", "most", "not three times", "new"],
)
def test_what_is_a_jump(world: World, before: int, after: int, scans: int, jumps: bool) -> None:
    """More than three times the median of four scans, more than 1 % of the base, and no handful."""
    _people(world, before)
    _scans(world, scans)
    _people(world, after)
    _scans(world)
    assert (Jumps(world.database).standing() != {}) is jumps


def test_one_whose_cause_is_gone_acts_again(world: World) -> None:
    """The source is mended: what it finds is what it used to find."""
    _people(world, 3)
    _scans(world, RUNS + 1)
    _people(world, 200)
    _scans(world)
    assert Jumps(world.database).standing()
    _people(world, 4)
    _scans(world)
    assert Jumps(world.database).standing() == {}
    assert len(world.plan(save=False).plan.changes) == 4


def test_it_is_accepted_from_the_command_line(world: World, steward: Cli, tmp_path: Path) -> None:
    """By the rule's name; a rule that nothing holds back is named as such."""
    _people(world, 3)
    _scans(world, RUNS + 1)
    _people(world, 50)
    _scans(world)
    (tmp_path / "crm-steward.yaml").write_text(
        "version: 1\ndatabase: sqlite:///steward.db\n", "utf-8"
    )
    assert steward("accept", "other").returncode == 2
    done = steward("accept", "name-case", "--json")
    assert json.loads(done.stdout) == {"rule": "name-case", "jump": True, "canary": False}
    assert steward("accept", "name-case").returncode == 2
    assert Jumps(world.database).standing() == {}
