"""What writing costs and how fast it is, against emulated CRMs that enforce their limits.

The whole way is gone: pull, scan, plan, apply. The emulator, the pacing of calls and the writing
share a clock that only waiting moves (and `--latency`, per call), so that hours pass in seconds.

* **rate**: while writing at the full share of the vendor's limit, calls made as a share of what is
  allowed. The safety protocol's own readings count in the same quota. Where the vendor limits a
  short window, it is windows that are counted; where it limits the day only, what of the day is
  used when the quota closes.
* **requests**: calls for each change, with the safety protocol (read again, compare, write, settle)
  and without (the connector alone, handed the same changes), by kind of change.
* **journal**: CPU and commits for each change, against a CRM in memory that costs next to nothing.

    .venv/bin/python bench/apply.py [KIND …] [--part rate requests journal] [--latency 0.1]
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.connect.discovery import spec_of
from crm_steward.logs import setup_logging
from crm_steward.model import Ability, MergeRecords, Plan, RecordRef
from crm_steward.pull import pull
from crm_steward.rules import load_rules
from crm_steward.scan import scan
from crm_steward.sdk import Connector, Status
from crm_steward.settings.models import Log
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, Line, State
from crm_steward.store.lease import Lease
from crm_steward.store.plans import Plans
from crm_steward.testing import FakeCrm
from crm_steward.testing.account import Hurry
from crm_steward.writing import Target, Targets, apply_plan, make_plan
from crm_steward.writing.items import Item, batches
from emulated_crms import CRM, GENEROUS, RULES, SANDBOXES, WIDE, World, emulated

# -- rate ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Used:
    """How much of a limit was used.

    Args:
        share: Of what is allowed.
        refused: Calls that the CRM refused.
        said: The same in words.
    """

    share: float
    refused: int
    said: str


def windows(kind: str, changes: int, batch: int, latency: float) -> Used:
    """Write until many short windows were filled, and say how full they were."""
    with emulated(kind, changes, latency, **GENEROUS[kind]) as world:
        plan = world.planned("update", changes)
        quotas = [replace(one, calls=10**7) if one.daily else one for one in spec_of(kind).quotas]
        with closing(world.open(quotas)) as connector:
            connector.check()
            began, real = world.hurry.seconds, time.monotonic()
            seen = _watched(world)
            counts = world.apply(plan, connector, batch)
            real = time.monotonic() - real
        stats, passed = world.calls.stats["burst"], world.hurry.seconds - began
        limit = world.calls._paces["burst"].quota  # noqa: SLF001 -- what the answers said
    # From the first wait to the last: windows that were begun full and those cut off are left out.
    (since, before), (until, after) = seen[0], seen[-1]
    allowed = limit.calls * (until - since) / limit.per.total_seconds()
    share, written = (after - before) / allowed, counts.states[State.VERIFIED]
    said = (
        f"{after - before:,} calls in {until - since:,.0f} s = {share:.1%} of {limit.calls} in "
        f"{limit.per.total_seconds():.0f} s, {stats.refused} refused; {written:,} changes by "
        f"{batch}, {written / passed:,.1f} a second (computing took {real:.0f} s)"
    )
    return Used(share, stats.refused, said)


def _watched(world: World) -> list[tuple[float, int]]:
    """Return a list that grows with each moment at which a call begins to wait or to be made."""
    seen: list[tuple[float, int]] = []
    wait, answer = world.hurry.wait, world.server.emulator.answer

    def note() -> None:
        stats = world.calls.stats.get("burst")
        seen.append((world.hurry.seconds, stats.calls if stats else 0))

    def waiting(seconds: float | None = None) -> bool:
        if seconds:
            note()
        return wait(seconds)

    def answering(request: Any) -> Any:
        if world.latency:  # else nothing passes between two waits
            note()
        return answer(request)

    world.hurry.wait = waiting  # type: ignore[method-assign] # watched
    world.server.emulator.answer = answering  # type: ignore[method-assign] # watched
    return seen


def day(kind: str, changes: int, quota: str, calls: int, latency: float) -> Used:
    """Write until the day's quota closes, and say what of it was used."""
    with emulated(kind, changes, latency, **GENEROUS[kind]) as world:
        plan = world.planned("update", changes)
        emulator = world.server.emulator
        used = _narrow(kind, emulator, calls)
        world.told |= {"credits": calls} if kind == "zoho" else {}
        quotas = [
            replace(one, calls=calls) if one.name == quota else one for one in spec_of(kind).quotas
        ]
        with closing(world.open(quotas)) as connector:
            counts = world.apply(plan, connector, spec_of(kind).batch)
        share = used() / calls
        refused = sum(one.refused for one in world.calls.stats.values())
    if not counts.failures:
        raise SystemExit(f"{kind}: {changes} changes are too few to use up {calls}")
    written, open_ = counts.states[State.VERIFIED], counts.states[State.UNKNOWN]
    said = (
        f"{share:.1%} of {calls:,} of a day used when it closed, {refused} refused; {written:,} "
        f"changes, and {open_:,} whose answer is asked for when it opens again"
    )
    return Used(share, refused, said)


def _narrow(kind: str, emulator: Any, calls: int) -> Any:
    """Let a day hold `calls` from now on; gives what says how many of them are used."""
    now = emulator.now()
    if kind == "zoho":
        emulator.credits.take(0, now)
        emulator.credits.total = calls
        return lambda: emulator.credits.used
    if kind == "salesforce":
        emulator.used.clear()
        emulator.daily = calls
        return lambda: len(emulator.used)
    emulator.limits.daily = calls
    return lambda: emulator.limits.used_today


def rate(kind: str, latency: float) -> None:
    """Print how much of what is allowed is used."""
    if kind == "hubspot":
        print(f"rate     {kind:10} {windows(kind, 1_200, 2, latency).said}")
    if kind == "pipedrive":
        print(f"rate     {kind:10} {windows(kind, 300, 1, latency).said}")
    daily = {"salesforce": ("daily", 300), "zoho": ("credits", 300), "pipedrive": ("daily", 2_000)}
    if kind in daily:
        quota, calls = daily[kind]
        changes = {"salesforce": 600, "zoho": 600, "pipedrive": 500}[kind]
        print(f"rate     {kind:10} {day(kind, changes, quota, calls, latency).said}")


# -- requests -----------------------------------------------------------------------------------

READING = re.compile(r"^GET |/search$|/batch/read$|/coql$|/token$|/access-token-info$")
_IDS = re.compile(r"/[^/]*%40[^/]*|/[0-9A-Za-z]{18}$|/\d{2,}")


def requests(kind: str, *, shown: bool) -> None:
    """Print the calls for each change, with the protocol and without, by kind of change."""
    for rule in RULES:
        with emulated(kind, 400, **GENEROUS[kind]) as world:
            plan = world.planned(rule, 100)
            with closing(world.open()) as connector:
                since = _warm(connector, world)
                counts = world.apply(plan, connector, spec_of(kind).batch)
            safe = _called(world, since)
            keys = {planned.key for planned in plan.changes}
            done = sum(one.key in keys and one.state is State.VERIFIED for one in counts.lines)
        if not done:
            print(f"requests {kind:10} {rule:9} nothing was written: {dict(counts.states)}")
            continue
        with emulated(kind, 400, **GENEROUS[kind]) as world:
            world.planned(rule, 1)
            with closing(world.open()) as connector:
                since = _warm(connector, world)
                ended = _bare(connector, plan, spec_of(kind).batch)
            bare = _called(world, since)
        reads, writes = _split(safe, done)
        bare_reads, bare_writes = _split(bare, ended)
        print(
            f"requests {kind:10} {rule:9} a change: {reads:.3f} read + {writes:.3f} write = "
            f"{reads + writes:.3f}; the connector alone {bare_reads:.3f} + {bare_writes:.3f}; "
            f"{(reads + writes) / bare_writes:.2f} times what only writes "
            f"({done} and {ended} of {len(plan.changes)} written)"
        )
        for path in sorted(safe | bare) if shown else ():
            print(f"{safe[path]:18} {bare[path]:5}  {path}")


def _warm(connector: Connector, world: World) -> int:
    """Let it ask for what it asks but once (token, schema, owners); return how much it called."""
    connector.check()
    with world.database.read() as reading:
        name = reading.execute(sa.text("SELECT id FROM contacts LIMIT 1")).scalar_one()
    connector.get([RecordRef(CRM, name)])
    return len(world.server.log)


def _called(world: World, since: int) -> Counter[str]:
    """Return what was called since, how often."""
    made = list(world.server.log)[since:]
    paths = (f"{one['method']} {one['path'].partition('?')[0]}" for one in made)
    return Counter(_IDS.sub("/…", path) for path in paths)


def _split(called: Counter[str], changes: int) -> tuple[float, float]:
    """Return how many calls read and how many wrote, for each change."""
    reads = sum(number for path, number in called.items() if READING.search(path))
    return reads / changes, (called.total() - reads) / changes


def _bare(connector: Connector, plan: Plan, batch: int) -> int:
    """Hand the connector the changes of a plan as they are; return how many it wrote."""
    ended = 0
    for some in batches([Item(planned=one, plan="") for one in plan.changes], batch):
        changes = [item.planned.change for item in some]
        fillings = [
            change.filling for change in changes if isinstance(change, MergeRecords) and change.fill
        ]
        list(connector.apply([filling for filling in fillings if filling]))
        ended += sum(o.status is Status.VERIFIED for o in connector.apply(changes))
    return ended


# -- journal ------------------------------------------------------------------------------------


def journal(changes: int) -> None:
    """Print CPU and commits for each change, of all writing and of the journal alone."""
    for batch in (100, 10, 1):
        with (
            tempfile.TemporaryDirectory() as folder,
            Database.open(f"sqlite:///{folder}/bench.db") as database,
        ):
            print(f"journal  by {batch:<4} {_journalled(database, Path(folder), changes, batch)}")


def _journalled(database: Database, folder: Path, changes: int, batch: int) -> str:
    hurry = Hurry()
    crm = FakeCrm(CRM, clock=hurry.now)
    for number in range(changes):
        crm.add(str(number), first_name="JEANNE", email=f"{number}@example.com")
    path = folder / "rules.yaml"
    path.write_text(f"version: 1\nrules:{RULES['update']}", "utf-8")
    book = load_rules([path])
    pull(database, CRM, "fake", crm, clock=hurry.now, full=True)
    scan(database, book, clock=hurry.now)
    able = {CRM: Ability(fields=None, can=spec_of("hubspot").can)}
    plan = make_plan(database, book, limits=WIDE, abilities=able, clock=hurry.now).plan
    stored = Plans(database).get(plan.hash)
    if stored is None:
        raise SystemExit("the plan is gone")
    commits = Counter[str]()

    def committed(connection: sa.Connection) -> None:
        commits["writing"] += bool(connection.get_execution_options().get("steward_write"))

    sa.event.listen(database.engine, "commit", committed)
    spent = Counter[str]()
    append = Journal.append

    def timed(self: Journal, lines: Sequence[Line], lease: Lease) -> Any:
        cpu = time.process_time()
        try:
            return append(self, lines, lease)
        finally:
            spent["cpu"] += time.process_time() - cpu  # type: ignore[assignment] # seconds
            spent["appends"] += bool(lines)

    Journal.append = timed  # type: ignore[method-assign] # watched
    cpu, wall = time.process_time(), time.monotonic()
    try:
        targets = Targets({CRM: Target(connector=crm, batch=batch)}.__getitem__)
        counts = apply_plan(database, stored, targets, limits=WIDE, clock=hurry.now)
    finally:
        Journal.append = append  # type: ignore[method-assign] # as it was
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    done = counts.states[State.VERIFIED]
    return (
        f"{done:,} changes: {cpu / done * 1000:.2f} ms CPU each, of it the journal "
        f"{spent['cpu'] / done * 1000:.2f}; {commits['writing'] / done:.3f} commits each, of it the "
        f"journal {spent['appends'] / done:.3f}; {done / wall:,.0f} a second"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=list(SANDBOXES))
    parser.add_argument("--part", nargs="*", default=["rate", "requests", "journal"])
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each call takes")
    parser.add_argument("--calls", action="store_true", help="list what is called")
    asked = parser.parse_args()
    setup_logging(Log(level="error"))
    for each in asked.kinds:
        if "rate" in asked.part:
            rate(each, asked.latency)
        if "requests" in asked.part:
            requests(each, shown=asked.calls)
    if "journal" in asked.part:
        journal(2_000)
