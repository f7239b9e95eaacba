"""A state machine of everything that can happen between a CRM, its people, and us.

Invariants, after each step: no change is verified twice; no change takes effect twice; nothing is
sent without a durable intent; nobody's edit is overwritten; the limits hold.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.unit.writing.conftest import sights

from crm_steward.connect.protocol import Capability, Page
from crm_steward.model import (
    Ability,
    Change,
    CreateTask,
    Finding,
    LimitExceededError,
    Plan,
    Severity,
    UpdateFields,
)
from crm_steward.rules import RuleBook, load_rules
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.journal import Journal, State
from crm_steward.store.lease import Holder
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans
from crm_steward.store.tables import leases
from crm_steward.testing import FakeCrm, Fault
from crm_steward.writing import Target, Targets, apply_plan, make_plan, undo

RULES = """version: 1
rules:
  - id: name-case
    about: Names in capitals
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
  - id: no-email
    about: No e-mail
    check: {kind: required, fields: [email]}
    actions: [task: {title: "Ask {full_name}"}]
    mode: apply
"""
ABILITIES = {"crm": Ability(fields=None, can=frozenset(Capability))}
DAILY = 5
LAG = timedelta(seconds=30)
IDS = ("1", "2", "3", "4")
Edit = tuple[str, str, str | None]
EDITS = st.tuples(
    st.sampled_from(IDS),
    st.sampled_from(["ANNE", "Anne", "JEANNE", "Zoé"]),
    st.sampled_from([None, "a@example.com"]),
)


NO_FAULTS = [None] * len(Fault)


class Crash(BaseException):
    """The process dies."""


class Watched(FakeCrm):
    """A CRM that looks over our shoulder at each effect."""

    database: Database
    times: list[datetime]

    def _do(self, change: Change) -> str:
        standing = Journal(self.database).under_way()
        ours = [
            s.intent for s in standing if s.state is State.INTENT and s.intent.ref == change.ref
        ]
        assert ours, "sent without a durable intent"
        if isinstance(change, UpdateFields):
            held = {name: self.records[change.ref.id].value(name) for name in change.values}
            assert held == dict(change.expected), "somebody's edit is overwritten"
        if isinstance(change, CreateTask):
            assert change.marker not in {t.change.marker for t in self.tasks}, (
                "a task is made twice"
            )
        if not any(line.undoes for line in ours):
            self.times.append(self.clock())
        return super()._do(change)


class Machine(RuleBasedStateMachine):
    """What people, the CRM, the machine and we may do, in any order."""

    template: Path
    book: RuleBook

    @initialize()
    def start(self) -> None:
        self.now = datetime(2026, 11, 16, 8, tzinfo=UTC)
        self.folder = Path(tempfile.mkdtemp(dir=self.template.parent))
        shutil.copy(self.template, self.folder / "steward.db")
        self.database = Database.open(f"sqlite:///{self.folder}/steward.db")
        self.crm = Watched("crm", clock=lambda: self.now, lag=LAG)
        self.crm.database, self.crm.times = self.database, []
        self.dies_in = -1
        self.crm.on_call = self._live
        for record_id in IDS:
            self.crm.add(record_id, first_name="ANNE")
        self.look_and_plan()

    def _live(self, step: str) -> None:
        if step == "before effect":
            self.now += timedelta(seconds=20)
        self.dies_in -= 1
        if self.dies_in == 0:
            raise Crash

    def _targets(self) -> Targets:
        target = Target(connector=self.crm, settle_after=LAG, batch=2)
        return Targets({"crm": target}.__getitem__)

    # People.

    @rule(edit=EDITS)
    def person_edits(self, edit: Edit) -> None:
        record_id, name, email = edit
        if record_id in self.crm.records:
            self.crm.edit(record_id, first_name=name, email=email)

    @rule(record_id=st.sampled_from(IDS[2:]), survivor=st.sampled_from([None, "1"]))
    def person_removes(self, record_id: str, survivor: str | None) -> None:
        if record_id in self.crm.records:
            self.crm.remove(record_id, survivor=survivor)

    # The machine and the network.

    @rule(seconds=st.sampled_from([1, 20, 40, 100_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # We.

    @rule()
    def look(self) -> None:
        """Pull and scan, in short: what DuckDB would find is plain here."""
        found = []
        page = next(iter(self.crm.read(None)))
        Mirror(self.database).save_page(
            "crm",
            "fake",
            Page(cursor=page.cursor, contacts=page.contacts, gone=page.gone),
            now=self.now,
            full=True,
        )
        for ref, contact in ((c.ref, c) for c in page.contacts):
            name, email = contact.first_name or "", contact.value("email")
            if name.isupper():
                evidence = {"field": "first_name", "now": name, "proposed": name.title()}
                found.append(self._finding("name-case", ref, "first_name", evidence))
            if not email:
                found.append(self._finding("no-email", ref, "", {"missing": ["email"]}))
        examined = {one.id: {"crm"} for one in self.book.rules}
        Findings(self.database).record(examined, found, now=self.now, digests=sights(self.book))

    def _finding(self, name: str, ref: Any, about: str, evidence: Any) -> Finding:
        return Finding(
            rule=name,
            kind="format",
            severity=Severity.LOW,
            refs=(ref,),
            about=about,
            evidence=evidence,
        )

    def look_and_plan(self) -> None:
        """Begin a round of the service."""
        self.look()
        self.make_plan()

    def make_plan(self) -> None:
        self.now += timedelta(microseconds=1)
        self.plan: Plan = make_plan(
            self.database,
            self.book,
            limits=_limits(),
            abilities=ABILITIES,
            clock=lambda: self.now,
        ).plan

    @rule(
        fresh=st.sampled_from([True, True, False]),
        meanwhile=st.lists(EDITS, max_size=2),
        faults=st.lists(st.sampled_from([*NO_FAULTS, *Fault]), max_size=4),
        dies_in=st.one_of(st.just(-1), st.integers(1, 20)),
    )
    def apply(
        self, *, fresh: bool, meanwhile: list[Edit], faults: list[Fault | None], dies_in: int
    ) -> None:
        """Apply a fresh plan or the old one, while people edit, and network and process fail."""
        if fresh:
            self.look_and_plan()
        for edit in meanwhile:
            self.person_edits(edit)
        self.crm.faults.clear()
        self.crm.fail(*faults)
        stored = Plans(self.database).get(self.plan.hash)
        assert stored is not None
        self.dies_in = dies_in
        try:
            apply_plan(
                self.database,
                stored,
                self._targets(),
                limits=_limits(),
                clock=lambda: self.now,
            )
        except Crash:
            self._bury()
        except LimitExceededError:
            # Used up, or too old: as it should be.
            pass
        self.dies_in = -1

    @rule(
        what=st.sampled_from(["name-case", "no-email", "crm:1", "crm:2"]),
        faults=st.lists(st.sampled_from([*NO_FAULTS, *Fault]), max_size=4),
        dies_in=st.one_of(st.just(-1), st.integers(1, 20)),
    )
    def undo(self, what: str, faults: list[Fault | None], dies_in: int) -> None:
        """Take back fields and tasks, while network and process fail."""
        self.crm.faults.clear()
        self.crm.fail(*faults)
        self.dies_in = dies_in
        try:
            undo(
                self.database,
                what,
                self._targets(),
                abilities=ABILITIES,
                clock=lambda: self.now,
            )
        except Crash:
            self._bury()
        self.dies_in = -1

    def _bury(self) -> None:
        here = Holder.here()
        dead = str(Holder(here.host, here.pid, here.place, "0"))
        with self.database.write() as writing:
            writing.execute(sa.update(leases).values(holder=dead))

    # What holds whatever happens.

    @invariant()
    def nothing_is_verified_twice(self) -> None:
        if hasattr(self, "database"):
            lines = Journal(self.database).lines(state=State.VERIFIED)
            again = Counter((line.key, line.undoes) for line in lines)
            assert all(number == 1 for number in again.values())

    @invariant()
    def limits_hold(self) -> None:
        if hasattr(self, "crm"):
            since = self.now - timedelta(hours=24)
            assert sum(moment > since for moment in self.crm.times) <= DAILY

    def teardown(self) -> None:
        """When everything is well again, what was left open is settled and what is due is done."""
        if not hasattr(self, "crm"):
            return
        for _ in range(8):
            self.now += timedelta(hours=25)
            self.look_and_plan()
            self.apply(fresh=False, meanwhile=[], faults=[], dies_in=-1)
        self.now += timedelta(hours=25)
        self.look_and_plan()
        assert Journal(self.database).under_way() == []
        assert self.plan.changes == ()
        self.nothing_is_verified_twice()
        self.limits_hold()
        self.database.close()
        shutil.rmtree(self.folder)


def _limits() -> Limits:
    limits = Limits(
        canary=3, canary_pause=timedelta(0), max_changes_per_run=4, max_changes_per_day=DAILY
    )
    return limits.model_copy(update={"max_percent_per_day": 10_000.0})


def test_whatever_happens(tmp_path: Path) -> None:
    """People, faults, crashes, lost answers, undo and time, in any order: the invariants hold."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES, encoding="utf-8")
    Machine.template = tmp_path / "empty.db"
    Machine.book = load_rules([rules])
    Database.open(f"sqlite:///{Machine.template}").close()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


pytestmark = pytest.mark.timeout(600)
