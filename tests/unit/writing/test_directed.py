"""Directed scenarios of the state machine, and the mistakes that they must find.

Hypothesis draws what happens; these walk the three ways along which a change is most easily made
twice, at every step of a round: a process that is overtaken, an answer that is lost, a process that
dies. Each is shown to be worth its time: with the mistake it watches for planted into the code, it
fails.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.writing.machine.disturbed import SAFE, Script
from tests.unit.writing.machine.office import RULES
from tests.unit.writing.machine.post import Postbox
from tests.unit.writing.test_machine import Machine

from crm_steward.rules import load_rules
from crm_steward.store.database import Database
from crm_steward.store.journal import Standing, State
from crm_steward.store.lease import Lease
from crm_steward.testing import Fault
from crm_steward.writing.settle import Settler

Scenario = Callable[[], None]
Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ready what all machines begin with."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES, encoding="utf-8")
    monkeypatch.setattr(Machine, "template", tmp_path / "empty.db", raising=False)
    monkeypatch.setattr(Machine, "book", load_rules([rules]), raising=False)
    Database.open(f"sqlite:///{Machine.template}").close()
    sending = importlib.import_module("crm_steward.report.deliver")
    monkeypatch.setattr(sending, "open_session", lambda _mail: Postbox.present)


def _began() -> Machine:
    """Return a machine at its start: four tasks are due, and five names."""
    machine = Machine()
    machine.start()
    return machine


def _ended(machine: Machine) -> None:
    """Look, and put the machine away."""
    machine.everything_holds()
    machine.office.database.close()
    shutil.rmtree(machine.office.folder)


def _steps() -> Sequence[tuple[int, str]]:
    """Return number and name of the steps around the first two calls that write in a round."""
    machine, names = _began(), list[str]()
    office = machine.office
    office.on_step = names.append
    office.look()
    with office.writer() as lease:
        office.round(lease)
    office.on_step = lambda _step: None
    _ended(machine)
    calls = [number for number, name in enumerate(names, start=1) if name == "apply"]
    assert len(calls) >= 2, "what is written is written in several calls"
    return [(n, name) for n, name in enumerate(names, start=1) if calls[0] - 4 <= n <= calls[1] + 8]


def overtaken() -> None:
    """At each step at which nothing is under way, the process sleeps until another took over."""
    for at, name in _steps():
        if name in SAFE:
            machine = _began()
            machine.sleeps(at=at, faults=[])
            _ended(machine)


def answers_lost() -> None:
    """Each answer of a round is lost, and a second later the next round begins."""
    for lost in range(4):
        machine = _began()
        machine.writes(script=[], faults=[*[None] * lost, Fault.LOST_ANSWER])
        for _ in range(2):
            machine.time_passes(seconds=1)
            machine.writes(script=[], faults=[])
            machine.everything_holds()
        _ended(machine)


def died() -> None:
    """The process dies at each step, and the next rounds begin at once and when the lag is over."""
    for at, name in _steps():
        if name not in {*SAFE, "before effect", "after effect"}:
            continue  # the step before was the same moment
        machine = _began()
        death: Script = [(at, ("die", None))]
        machine.writes(script=death, faults=[])
        for seconds in (1, 40):
            machine.time_passes(seconds=seconds)
            machine.writes(script=[], faults=[])
        _ended(machine)


SCENARIOS: dict[str, Scenario] = {"overtaken": overtaken, "lost": answers_lost, "died": died}


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_holds_at_every_step(scenario: str) -> None:
    """Overtaken, unanswered or dead at each step in turn: I1 to I10 hold."""
    SCENARIOS[scenario]()


def _blind_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no check of the lease ever raise."""
    for name in ("confirm", "check", "held", "renew", "keep"):
        checked = getattr(Lease, name)

        def blind(lease: Lease, *given: Any, checked: Any = checked) -> None:
            try:
                checked(lease, *given)
            except Exception:  # noqa: BLE001 -- the mistake that is planted
                lease.renewed_at = lease.clock()

        monkeypatch.setattr(Lease, name, blind)


def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let settling not wait for the connection's lag."""
    asked = Settler._ask

    def early(
        self: Settler, target: Any, standings: Sequence[Standing], waits: list[float]
    ) -> None:
        object.__setattr__(target, "settle_after", timedelta(0))
        asked(self, target, standings, waits)

    monkeypatch.setattr(Settler, "_ask", early)


def _sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a bare intent be called absent without looking."""

    def absent(self: Settler) -> None:
        now = self.clock()
        bare = [s.intent for s in self.journal.under_way() if s.state is State.INTENT]
        gone: dict[str, Any] = {"state": State.ABSENT, "change": None, "at": now}
        self.journal.append([replace(line, **gone) for line in bare], self.lease)

    monkeypatch.setattr(Settler, "_mark_lost", absent)


PLANTS: dict[str, tuple[Plant, str, str]] = {
    "the lease's checks never raise": (_blind_lease, "overtaken", "I[124]"),
    "settled before the lag is over": (_hasty, "lost", "I[26]"),
    "a bare intent is called absent": (_sure, "died", "I[26]"),
}
"""The mistake → how it is planted, which scenario finds it, which invariant it breaks."""


@pytest.mark.long
@pytest.mark.parametrize("mistake", PLANTS)
def test_a_planted_mistake_is_found(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario is no comfort without this: it fails when the code is wrong in the way it fears."""
    plant, scenario, broken = PLANTS[mistake]
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=broken):
        SCENARIOS[scenario]()
