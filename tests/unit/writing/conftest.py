"""A small world to write in: one fake CRM, rules of our own, a real database, a clock that stands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_steward.connect.protocol import Capability
from crm_steward.model import Ability, Plan
from crm_steward.pull import pull
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, Line, State
from crm_steward.store.plans import Plans
from crm_steward.testing import FakeCrm
from crm_steward.writing import (
    ApplyCounts,
    PlanResult,
    Target,
    Targets,
    UndoResult,
    apply_plan,
    approve,
    make_plan,
    plan_undo,
    undo,
)

NAMES = """
  - id: name-case
    about: {en: Names in capitals, fr: Noms en majuscules}
    check: {kind: format, fields: [first_name, last_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
"""
PHONES = """
  - id: phone
    about: Phones not in international form
    check: {kind: format, fields: [phone], only: fixable}
    actions: [update: {normalise: true}]
    mode: propose
"""
TASKS = """
  - id: no-email
    about: Nobody can write to them
    severity: high
    check: {kind: required, fields: [email]}
    actions:
      - task:
          to: owner
          due: 14 days
          title: {en: "Ask {full_name} for an e-mail", fr: "Demander un e-mail à {full_name}"}
          body: "{company}"
    mode: apply
"""
WIDE = Limits(canary=1000).model_copy(update={"max_percent_per_day": 10_000.0})
"""Limits that do not bite, for tests about something else."""


def sights(book: RuleBook) -> dict[str, str]:
    """Return what tells whether each rule of a book finds as it did."""
    return {rule.id: rule.sight for rule in book.rules}


class World:
    """Everything between a fake CRM and what is written to it."""

    def __init__(self, database: Database, folder: Path, clock: Any) -> None:
        self.database = database
        self.folder = folder
        self.clock = clock
        self.crm = FakeCrm("crm", clock=clock)
        self.settle_after = timedelta(0)
        self.batch = 100
        self.limits = WIDE
        self.language = "en"
        self.capabilities = {"crm": frozenset(Capability)}
        self.keeps_optouts = False
        self.stop = threading.Event()
        self.book = self.rules(NAMES)

    def rules(self, *texts: str) -> RuleBook:
        """Use these rules from now on."""
        path = self.folder / "rules.yaml"
        path.write_text("version: 1\nrules:" + "".join(texts), encoding="utf-8")
        self.book = load_rules([path])
        return self.book

    def look(self) -> None:
        """Pull and scan."""
        pull(self.database, "crm", "fake", self.crm, clock=self.clock, full=True)
        scan(self.database, self.book, clock=self.clock)

    def plan(self, **options: Any) -> PlanResult:
        """Plan from what stands."""
        return make_plan(
            self.database,
            self.book,
            limits=self.limits,
            abilities=self.abilities,
            language=self.language,
            clock=self.clock,
            **options,
        )

    @property
    def abilities(self) -> dict[str, Ability]:
        """What the connections hold and can do."""
        return {
            name: Ability(fields=None, can=can, keeps_optouts=self.keeps_optouts)
            for name, can in self.capabilities.items()
        }

    def targets(self) -> Targets:
        """Open the CRM."""
        target = Target(connector=self.crm, settle_after=self.settle_after, batch=self.batch)
        return Targets({"crm": target}.__getitem__)

    def apply(self, plan: Plan, *approved: str, **options: Any) -> ApplyCounts:
        """Approve and apply."""
        stored = Plans(self.database).get(plan.hash)
        assert stored is not None
        for what in approved:
            approve(self.database, stored, what, by="tester", clock=self.clock)
        options.setdefault("limits", self.limits)
        options.setdefault("rules", self.book.digest)
        targets = options.pop("targets", None) or self.targets()
        return apply_plan(
            self.database, stored, targets, clock=self.clock, stop=self.stop, **options
        )

    def run(self, *approved: str) -> ApplyCounts:
        """Look, plan and apply, a second later: one round of the service."""
        self.clock.forward(seconds=1)
        self.look()
        return self.apply(self.plan().plan, *approved)

    def undo(self, what: str, **options: Any) -> ApplyCounts:
        """Undo."""
        options.setdefault("abilities", self.abilities)
        options.setdefault("book", self.book)
        return undo(self.database, what, self.targets(), clock=self.clock, **options)

    def would_undo(self, what: str) -> UndoResult:
        """Return what undoing would write."""
        return plan_undo(self.database, what, self.abilities, book=self.book, now=self.clock())

    def journal(self, **where: Any) -> list[Line]:
        """Return journal lines, oldest first."""
        return Journal(self.database).lines(**where)[::-1]

    def states(self) -> list[State]:
        """Return what the journal says, oldest first."""
        return [line.state for line in self.journal()]

    def withheld(self, result: PlanResult) -> Collection[str]:
        """Return why changes were left out."""
        return [one.why.value for one in result.withheld]


MakeWorld = Callable[[Database], World]


@pytest.fixture
def make_world(tmp_path: Path, clock: Any) -> MakeWorld:
    """Give a function that makes a world on a database."""
    return lambda database: World(database, tmp_path, clock)


@pytest.fixture
def world(tmp_path: Path, clock: Any) -> Iterator[World]:
    """Give a world on SQLite."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database:
        yield World(database, tmp_path, clock)


@pytest.fixture
def any_world(database: Database, make_world: MakeWorld) -> World:
    """Give a world on SQLite, then on PostgreSQL."""
    return make_world(database)
