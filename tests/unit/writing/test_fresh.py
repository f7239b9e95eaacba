"""What is compared is fresh, however long the CRM's quota lets a write wait for its turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.writing.conftest import NAMES, TASKS, World

from crm_steward.connect.calls import Calls
from crm_steward.connect.protocol import Outcome
from crm_steward.connect.spec import Quota
from crm_steward.model import Change, Contact, RecordRef
from crm_steward.store.journal import State
from crm_steward.testing import FakeCrm
from crm_steward.writing import Target, Targets


class Waits(threading.Event):
    """A stop event that moves the clock instead of sleeping."""

    def __init__(self, clock: Any) -> None:
        super().__init__()
        self._clock = clock
        self.meanwhile: Callable[[], None] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass, and let somebody else do something in it."""
        self._clock.forward(seconds=timeout or 0)
        self.meanwhile()
        return self.is_set()


class Paced(FakeCrm):
    """A CRM whose calls wait for their turn: four in ten seconds."""

    def __init__(self, clock: Any) -> None:
        super().__init__("crm", clock=clock)
        self.waits = Waits(clock)
        quota = Quota(name="burst", calls=4, per=timedelta(seconds=10))
        self.paced = Calls("crm", [quota], stop=self.waits, monotonic=lambda: clock().timestamp())

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Read in one call."""
        return self.paced("burst", lambda: FakeCrm.get(self, refs))

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Write in one call per change."""
        for change in changes:
            yield from self.paced(
                "burst", lambda one=change: list(FakeCrm.apply(self, [one])), repeatable=False
            )

    def targets(self) -> Targets:
        """Open it."""
        return Targets({"crm": Target(connector=self)}.__getitem__)


@pytest.fixture
def paced(world: World, clock: Any) -> Paced:
    """A paced CRM in the small world."""
    world.crm = Paced(clock)
    return world.crm


@pytest.mark.parametrize("used", range(1, 5))
def test_an_edit_made_while_a_write_waits_for_its_turn_is_not_overwritten(
    world: World, paced: Paced, used: int
) -> None:
    """Wherever in the quota's window it falls: who edits during the wait keeps what they wrote."""
    for number in range(3):
        paced.add(str(number), first_name="JEANNE")
    world.look()
    plan = world.plan().plan
    for _ in range(used):
        paced.paced("burst", lambda: None)
    paced.waits.meanwhile = lambda: [
        paced.edit(one, first_name="Ines")
        for one, held in paced.records.items()
        if held.first_name == "JEANNE"
    ]
    world.apply(plan, targets=paced.targets())

    sent = [change.ref.id for change in paced.written]
    held = {one: contact.first_name for one, contact in paced.records.items()}
    assert held == {one: "Jeanne" if one in sent else "Ines" for one in held}
    assert len(sent) < 3


def test_waiting_for_the_quota_costs_time_and_nothing_else(world: World, paced: Paced) -> None:
    """Every change arrives once, none counts as failed, although the quota lets few through."""
    world.rules(NAMES, TASKS)
    for number in range(9):
        paced.add(str(number), first_name="JEANNE")
    world.look()
    counts = world.apply(world.plan().plan, targets=paced.targets())

    assert counts.states == {State.VERIFIED: 18}
    assert set(paced.effects.values()) == {1}
    assert len(paced.tasks) == 9
