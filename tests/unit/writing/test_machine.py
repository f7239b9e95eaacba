"""A state machine of everything that can happen between a CRM, its people, and us.

People edit, object, delete, approve, pause, put old copies back and ask to be erased; the network
loses answers, clocks jump, processes die, or sleep until another one has taken over. After each step
the invariants of `machine/invariants.py` hold. At the end, when everything is well again, nothing is
left open and what is due is done.

What the machine takes for granted: our clock is not wrong by a jump within the half minute after an
answer was lost, which is how long the CRM may hide a new task from us.

`HYPOTHESIS_PROFILE=soak` makes it run for 20 000 steps.
"""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    run_state_machine_as_test,
)
from tests.unit.writing.machine.disasters import MARKS, Disasters
from tests.unit.writing.machine.invariants import INVARIANTS
from tests.unit.writing.machine.office import RULES, Office
from tests.unit.writing.machine.people import ERASABLE, IDS, People
from tests.unit.writing.machine.post import Postbox
from tests.unit.writing.machine.steward import Steward
from tests.whole import some

from crm_steward.rules import RuleBook, load_rules
from crm_steward.store.database import Database
from crm_steward.store.halts import Halts
from crm_steward.store.journal import Journal
from crm_steward.writing import approve

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


class Machine(People, Steward, Disasters, RuleBasedStateMachine):
    """What people, the CRM, the machine and we may do, in any order."""

    template: ClassVar[Path]
    book: ClassVar[RuleBook]

    @initialize()
    def start(self) -> None:
        """Five contacts, one of whom will ask to be erased; everything is read once."""
        folder = Path(tempfile.mkdtemp(dir=self.template.parent))
        shutil.copy(self.template, folder / "steward.db")
        self.office = Office(folder, self.book)
        for record_id in IDS:
            self.office.crm.add(record_id, first_name="ANNE", last_name="Martin")
        self.office.crm.edit(ERASABLE, last_name=MARKS[0], email=MARKS[1].upper())
        self.office.look(full=True)
        self.office.plan()

    @invariant()
    def everything_holds(self) -> None:
        """Check I1 to I10."""
        if hasattr(self, "office"):
            for holds in INVARIANTS:
                holds(self.office)

    def teardown(self) -> None:
        """When everything is well again, what was left open is settled and what is due is done."""
        if not hasattr(self, "office"):
            return
        self._all_is_well()
        left = [self._left_after_a_day() for _ in range(2)]
        while left[-1] and len(left) < 8:
            left.append(self._left_after_a_day())
        assert not left[-1], left[-1]
        self.everything_holds()
        self.office.database.close()
        shutil.rmtree(self.office.folder)

    def _all_is_well(self) -> None:
        office = self.office
        office.jump(-office.drift)
        office.stop_file.unlink(missing_ok=True)
        for halt in Halts(office.database).standing():
            Halts(office.database).end(
                halt.connection, halt.rule, by="ann", reason="done", at=office.now()
            )
        office.crm.show()

    def _left_after_a_day(self) -> str:
        """Do what is due in a day without troubles, and return what was left to do before."""
        office = self.office
        office.wait(timedelta(hours=25).total_seconds())
        office.look(full=True, accept_shrink=True)
        with office.writer() as lease:
            office.round(lease)
        stored = office.plan()
        if stored is None or office.restored:
            return f"an older copy is not reconciled: {office.waiting}"
        approve(office.database, stored, "all", by="bob", clock=office.now)
        office.apply(stored.hash)
        office.report()
        open_ = [one.intent.key for one in Journal(office.database).under_way()]
        rules = [planned.rule for planned in stored.plan.changes]
        return f"no answer about {open_}, planned {rules}" if open_ or rules else ""


@pytest.mark.long
def test_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever people, network, clocks and processes do, in any order: I1 to I10 hold."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES, encoding="utf-8")
    Machine.template = tmp_path / "empty.db"
    Machine.book = load_rules([rules])
    Database.open(f"sqlite:///{Machine.template}").close()
    sending = importlib.import_module("crm_steward.report.deliver")
    monkeypatch.setattr(sending, "open_session", lambda _mail: Postbox.present)
    long = settings.default.max_examples if SOAK else some(20, 10)
    steps = settings.default.stateful_step_count if SOAK else 25
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=long,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )
