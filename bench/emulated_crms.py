"""Emulated CRMs that enforce their limits, with the whole way to them, for bench/apply.py."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crm_steward.connect.calls import Calls
from crm_steward.connect.discovery import open_connection, spec_of
from crm_steward.model import Plan
from crm_steward.pull import pull
from crm_steward.rules import RuleBook, load_rules
from crm_steward.sandbox import Server, serve
from crm_steward.scan import scan
from crm_steward.sdk import Connector, Quota
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.plans import Plans
from crm_steward.testing.account import Hurry
from crm_steward.writing import ApplyCounts, Target, Targets, apply_plan, approve, make_plan

SANDBOXES = {
    "hubspot": "HubSpotSandbox",
    "salesforce": "SalesforceSandbox",
    "zoho": "ZohoSandbox",
    "pipedrive": "PipedriveSandbox",
}
SEED = 7
DAY = 86_400
CRM = "crm"
RULES = {
    "update": """
  - id: update
    about: Everybody is called the same
    where: {field: email, is: set}
    check: {kind: condition, holds: {not: {field: first_name, equals: Everybody}}}
    actions: [update: {set: {first_name: Everybody}}]
    mode: apply
""",
    "task": """
  - id: task
    about: Somebody has to look
    check: {kind: condition, holds: {field: email, is: set}}
    actions: [task: {to: owner, due: 14 days, title: Look}]
    mode: apply
""",
    "suppress": """
  - id: suppress
    about: Nobody is written to any more
    check: {kind: condition, holds: {field: email, is: set}}
    actions: [suppress: {channel: email}]
    mode: apply
""",
    "merge": """
  - id: merge
    about: The same person twice
    check: {kind: duplicates, levels: [same e-mail, same phone and similar name]}
    actions: [merge: {keep: [most complete, oldest]}]
    mode: propose
""",
}
WIDE = Limits.model_construct(
    **Limits().model_dump()
    | {"max_changes_per_run": 10**6, "max_changes_per_day": 10**6, "canary": 10**6}
    | {"max_percent_per_day": 100_000.0}
)


@dataclass(slots=True)
class World:
    """One emulated CRM, a database, and the clock they share.

    Args:
        kind: Which CRM.
        server: It, served.
        database: The store.
        hurry: The time.
        folder: For files.
        latency: How long each call takes, in seconds of the shared time.
        told: Settings of the connection beside those that it needs.
    """

    kind: str
    server: Server
    database: Database
    hurry: Hurry
    folder: Path
    latency: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)
    book: RuleBook = field(init=False)
    calls: Calls = field(init=False)

    @property
    def settings(self) -> Any:
        """The connection's."""
        given = {**self.server.emulator.connection(self.server.url), **self.told}
        return spec_of(self.kind).settings.model_validate({"kind": self.kind, **given})

    def open(self, quotas: Sequence[Quota] = ()) -> Connector:
        """Open the connection; without quotas nothing is paced."""
        self.calls = Calls(CRM, quotas, stop=self.hurry, monotonic=self.hurry.monotonic)
        return open_connection(
            CRM, self.settings, clock=self.hurry.now, stop=self.hurry, calls=self.calls
        )

    def planned(self, rule: str, most: int) -> Plan:
        """Pull, scan and plan at most `most` changes of one rule, the next day."""
        path = self.folder / "rules.yaml"
        path.write_text(f"version: 1\nrules:{RULES[rule]}", "utf-8")
        self.book = load_rules([path])
        with closing(self.open()) as connector:
            pull(self.database, CRM, self.kind, connector, clock=self.hurry.now, full=True)
        # What reading used of the day's quota is over.
        self.hurry.seconds += 2 * DAY
        scan(self.database, self.book, clock=self.hurry.now)
        limits = WIDE.model_copy(update={"max_changes_per_run": most})
        able = spec_of(self.kind).ability(self.settings)
        made = make_plan(
            self.database, self.book, limits=limits, abilities={CRM: able}, clock=self.hurry.now
        )
        return made.plan

    def apply(self, plan: Plan, connector: Connector, batch: int) -> ApplyCounts:
        """Approve all and write it."""
        stored = Plans(self.database).get(plan.hash)
        if stored is None:
            raise SystemExit("the plan is gone")
        approve(self.database, stored, "all", by="bench", clock=self.hurry.now)
        target = Target(
            connector=connector, settle_after=spec_of(self.kind).settle_after, batch=batch
        )
        return apply_plan(
            self.database,
            stored,
            Targets({CRM: target}.__getitem__),
            limits=WIDE,
            rules=self.book.digest,
            clock=self.hurry.now,
            stop=self.hurry,
        )


@contextmanager
def emulated(kind: str, contacts: int, latency: float = 0.0, **limits: Any) -> Iterator[World]:
    """Serve a CRM of which each call takes `latency` seconds of the shared time."""
    hurry = Hurry()
    made = getattr(importlib.import_module(f"crm_steward_{kind}.sandbox"), SANDBOXES[kind])
    emulator = made(contacts=contacts, seed=SEED, clock=hurry.now, born=hurry.now(), **limits)
    answer = emulator.answer

    def slowly(request: Any) -> Any:
        hurry.seconds += latency
        return answer(request)

    emulator.answer = slowly
    with (
        serve(emulator) as server,
        tempfile.TemporaryDirectory() as folder,
        Database.open(f"sqlite:///{folder}/bench.db") as database,
    ):
        yield World(kind, server, database, hurry, Path(folder), latency)


GENEROUS: dict[str, dict[str, Any]] = {
    "hubspot": {"daily": 10**7},
    "salesforce": {"daily": 10**7},
    "zoho": {"credits": 10**7},
    "pipedrive": {"daily": 10**7},
}
"""Limits of the day that do not bite, for what is about something else."""
