"""Time and memory of planning: a plan that holds 100,000 changes, and a base that asks for far more.

The contacts are those of `bench/rules.py`: invented, seeded and thrown away, in a real SQLite file.
Two cases, each planned by a process of its own:

* `demanded`: every shipped rule but those about duplicates, once, with limits raised so that the
  plan holds 100,000 fixes and tasks;
* `hard`: each rule asked eight times with other thresholds, so that as many findings ask for
  something as in a large neglected base, and limits that admit 200.

Storing the plan counts in; reading it back, as `apply` does, is told apart. The floor is reading the
same findings and contacts with the bare driver, in the same run. Run it alone:

    python bench/plan.py [--cases demanded hard] [--scale 1.0] [--profile]
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rules import NOW, book, fill, timed

if TYPE_CHECKING:
    from crm_steward.rules import RuleBook

_CONNECTIONS = ("hubspot-eu", "zoho-fr")


@dataclass(frozen=True, slots=True)
class _Case:
    """What is planned.

    Args:
        contacts: How many there are.
        copies: How often each shipped rule is asked.
        admit: How many changes the limits admit.
        words: What it stands for.
    """

    contacts: int
    copies: int
    admit: int
    words: str


_CASES = {
    "demanded": _Case(230_000, 1, 100_000, "a plan that holds 100,000 changes"),
    "hard": _Case(100_000, 8, 200, "far more is asked for than limits admit"),
}


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
    from crm_steward.store.plans import Plans
    from crm_steward.writing import make_plan, summary

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
        figures["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures["changes"], figures["withheld"] = len(made.plan.changes), len(made.withheld)
        figures["live"] = sum(made.live.values())
        why = Counter[str]()
        for (_, reason, _), count in summary(made.withheld).items():
            why[reason.value] += count
        name = made.plan.hash
        print(f"  plan {name}, withheld: {dict(why)}", file=sys.stderr)
        del made
        with timed(figures, "back"):
            stored = Plans(database).get(name)
            assert stored is not None and not stored.altered  # noqa: S101, PT018 -- the bench itself
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    return figures


def _print(case: _Case, figures: dict[str, float]) -> None:
    asked = figures["changes"] + figures["withheld"]
    print(
        f"plan, {case.words}: {figures['live']:,.0f} contacts, {figures['findings']:,.0f} findings, "
        f"{figures['changes']:,.0f} changes planned, {figures['withheld']:,.0f} withheld"
    )
    print(
        f"  planned and stored in {figures['plan']:.1f} s (≤ 5), {figures['plan_cpu']:.1f} s CPU, "
        f"peak {figures['peak']:,.0f} MB (≤ 300); "
        f"read back and checked in {figures['back']:.1f} s, {figures['back_cpu']:.1f} s CPU"
    )
    print(
        f"  {figures['plan_cpu'] / asked * 1e6:.0f} µs CPU for each change asked for; "
        f"{figures['plan_cpu'] / figures['floor_cpu']:.1f} times what reading costs the bare "
        f"driver ({figures['floor_cpu']:.1f} s CPU); "
        f"{figures['plan_cpu'] / 5:.1f} times the bound"
    )


def _here(*arguments: str) -> str:
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", choices=_CASES, default=list(_CASES))
    parser.add_argument("--scale", type=float, default=1.0, help="of contacts and of the limits")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    parser.add_argument("--part", choices=["prepare", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for name in asked.cases:
        case, scale = _CASES[name], asked.scale
        contacts, admit = int(case.contacts * scale), int(case.admit * scale)
        if asked.part == "prepare":
            prepare(asked.folder, contacts, case.copies)
        elif asked.part == "measure":
            figures = measure(asked.folder, case.copies, admit, profile=asked.profile)
            print(json.dumps(figures))
        else:
            with tempfile.TemporaryDirectory() as folder:
                here = ("--folder", folder, "--cases", name, "--scale", str(scale))
                _here("--part", "prepare", *here)
                options = ("--profile",) if asked.profile else ()
                _print(case, json.loads(_here("--part", "measure", *here, *options)))
