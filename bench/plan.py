"""Time and memory of planning: every finding that asks for an action, against limits wide and narrow.

The contacts are those of `bench/rules.py`: invented, seeded and thrown away, in a real SQLite file.
Every shipped rule but those about duplicates looks at them; `--copies` asks each with several
thresholds, so that as many findings ask for something as in a large neglected base. Each plan is
made by a process of its own. The floor is reading the same findings and contacts with the bare
driver, in the same run. Run it alone:

    python bench/plan.py [--contacts 100000] [--copies 8] [--admit 100000 200]
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rules import NOW, book, fill, timed

if TYPE_CHECKING:
    from crm_steward.rules import RuleBook

_CONNECTIONS = ("hubspot-eu", "zoho-fr")


def prepare(folder: Path, contacts: int, copies: int) -> None:
    """Store invented contacts and what the rules find in them."""
    from crm_steward.scan import scan
    from crm_steward.store.database import Database

    with Database.open(f"sqlite:///{folder}/bench.db") as database:
        fill(database, contacts)
        scan(database, asking(folder, copies), clock=lambda: NOW)


def asking(folder: Path, copies: int) -> RuleBook:
    """Return the shipped rules that ask for something, without limits of their own."""
    from crm_steward.rules import RuleBook
    from crm_steward.rules.rule import Limits

    rules = (rule for rule in book(folder, copies).rules if rule.active)
    return RuleBook(tuple(rule.model_copy(update={"limits": Limits()}) for rule in rules))


def floor(folder: Path) -> None:
    """Read what a plan rests on, and make nothing of it."""
    with sqlite3.connect(folder / "bench.db") as connection:
        for table in ("findings", "finding_refs", "contacts"):
            for _ in connection.execute(f"SELECT * FROM {table}"):
                pass


def measure(folder: Path, copies: int, admit: int, *, profile: bool) -> dict[str, float]:
    """Return the figures of one plan, of this process.

    Args:
        folder: Where `prepare` left its database.
        copies: As it was told.
        admit: How many changes the limits admit.
        profile: Whether to say on standard error where the time goes.
    """
    from crm_steward.model import Ability, Capability
    from crm_steward.settings import Limits
    from crm_steward.store.database import Database
    from crm_steward.store.findings import Findings
    from crm_steward.writing import make_plan

    figures: dict[str, float] = {}
    rules = asking(folder, copies)
    limits = Limits.model_construct(
        **Limits().model_dump()
        | {"max_changes_per_run": admit, "max_changes_per_day": admit, "canary": admit}
        | {"max_percent_per_day": 10_000.0}
    )
    able = Ability(fields=None, can=frozenset(Capability))
    with timed(figures, "floor"):
        floor(folder)
    profiler = cProfile.Profile(builtins=False)
    with Database.open(f"sqlite:///{folder}/bench.db") as database:
        figures["findings"] = Findings(database).count()
        with timed(figures, "plan"):
            if profile:
                profiler.enable()
            made = make_plan(
                database,
                rules,
                limits=limits,
                abilities=dict.fromkeys(_CONNECTIONS, able),
                clock=lambda: NOW,
            )
            profiler.disable()
    figures["changes"], figures["withheld"] = len(made.plan.changes), len(made.withheld)
    figures["live"] = sum(made.live.values())
    figures["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    why = Counter(one.why.value for one in made.withheld)
    print(f"  plan {made.plan.hash}, withheld: {dict(why)}", file=sys.stderr)
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    return figures


def _print(figures: dict[str, float]) -> None:
    asked = figures["changes"] + figures["withheld"]
    print(
        f"plan: {figures['live']:,.0f} contacts, {figures['findings']:,.0f} findings: "
        f"{figures['changes']:,.0f} changes planned, {figures['withheld']:,.0f} withheld in "
        f"{figures['plan']:.1f} s (≤ 5), {figures['plan_cpu']:.1f} s CPU, "
        f"peak {figures['peak']:,.0f} MB (≤ 300)"
    )
    print(
        f"  {figures['plan_cpu'] / asked * 1e6:.1f} µs CPU for each change asked for; "
        f"{figures['plan_cpu'] / figures['floor_cpu']:.1f} times what reading costs the bare "
        f"driver ({figures['floor_cpu']:.1f} s CPU)"
    )


def _here(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--copies", type=int, default=8, help="ask each shipped rule so often")
    parser.add_argument("--admit", type=int, nargs="*", default=[100_000, 200])
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    parser.add_argument("--part", choices=["prepare", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part == "prepare":
        prepare(asked.folder, asked.contacts, asked.copies)
        sys.exit()
    if asked.part == "measure":
        (admit,) = asked.admit
        print(json.dumps(measure(asked.folder, asked.copies, admit, profile=asked.profile)))
        sys.exit()
    with tempfile.TemporaryDirectory() as folder:
        here = ("--folder", folder, "--copies", str(asked.copies))
        _here("--part", "prepare", "--contacts", str(asked.contacts), *here)
        for admit in asked.admit:
            options = ("--profile",) if asked.profile else ()
            _print(json.loads(_here("--part", "measure", "--admit", str(admit), *here, *options)))
