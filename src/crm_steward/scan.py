"""Scan: look at the mirror with the rules, and see what is new, standing, resolved or reopened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import duckdb

from crm_steward.model import Clock, Finding
from crm_steward.rules import LeftOut, Rule, RuleBook
from crm_steward.store.database import Database
from crm_steward.store.findings import FindingCounts, Findings
from crm_steward.store.jobs import Jobs, JobState
from crm_steward.store.mirror import Mirror
from crm_steward.store.relation import open_relation
from crm_steward.store.rulebooks import Rulebooks
from crm_steward.store.runs import Runs

Progress = Callable[[str, int, int], None]
"""Called before each rule with its id, its number and how many there are."""


@dataclass(slots=True)
class ScanCounts(FindingCounts):
    """What a scan did.

    Args:
        run: The run's id.
        contacts: How many contacts were examined.
        by_rule: Rule id → how many findings stand.
        not_examined: Connection → why its contacts were left out.
        left_out: What a rule could not examine → how many contacts.
        skipped: `connection: field` that a connection lacks → how many rules are not run there.
    """

    run: str = ""
    contacts: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    not_examined: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)


def scan(
    database: Database,
    book: RuleBook,
    *,
    clock: Clock,
    only_due: bool = False,
    progress: Progress | None = None,
) -> ScanCounts:
    """Run every rule on the mirror and store what it finds, all or nothing.

    A connection that was never read to the end is left out and named: nothing is inferred from
    half a base.

    Args:
        database: The store.
        book: The rules.
        clock: The time.
        only_due: Leave out rules whose `every` says that their day, week, month or quarter has
            had its scan; what they found before stands. A new or edited rule is always due.
        progress: Called before each rule.
    """
    runs = Runs(database)
    counts = ScanCounts()
    counts.run = runs.start("scan", now=clock())
    lacking = (f"{one.connection}: {one.field}" for one in book.skipped if one.field)
    counts.skipped = dict(sorted(Counter(lacking).items()))
    with runs.during(counts.run, clock=clock):
        _scan(database, book, counts, now=clock(), only_due=only_due, progress=progress)
    if book.texts:
        Rulebooks(database).save(book.digest, book.texts, now=clock())
    runs.finish(counts.run, asdict(counts), now=clock())
    return counts


def _scan(
    database: Database,
    book: RuleBook,
    counts: ScanCounts,
    *,
    now: datetime,
    only_due: bool,
    progress: Progress | None,
) -> None:
    jobs = Jobs(database)
    examined, counts.not_examined = _examined(Mirror(database))
    rules = [rule for rule in book.rules if not only_due or _due(rule, jobs, now)]
    with open_relation(database, connections=examined) as con:
        counts.contacts = con.execute("SELECT count(*) FROM contacts").fetchall()[0][0]
        findings = Findings(database)
        changed = findings.record(
            {rule.id: _scope(rule, examined) for rule in rules},
            _found(con, rules, now, counts, progress),
            now=now,
            retired=findings.rules() - {rule.id for rule in book.rules},
        )
    for rule in rules:
        if rule.every != "scan" and not counts.not_examined:
            jobs.save(_job(rule), JobState(last_success_at=now, last_attempt_at=now))
    for name, value in asdict(changed).items():
        setattr(counts, name, value)


def _examined(mirror: Mirror) -> tuple[set[str], dict[str, str]]:
    states = mirror.states()
    complete = {name for name, state in states.items() if state.last_full_at is not None}
    return complete, dict.fromkeys(set(states) - complete, "never read to the end yet")


def _scope(rule: Rule, examined: set[str]) -> set[str]:
    return {name for name in examined if rule.runs_in(name)}


def _job(rule: Rule) -> str:
    return f"rule:{rule.id}:{rule.digest[:12]}"


def _due(rule: Rule, jobs: Jobs, now: datetime) -> bool:
    last = jobs.state(_job(rule)).last_success_at
    period = _PERIODS.get(rule.every)
    return period is None or last is None or period(last) != period(now)


_PERIODS: Mapping[str, Callable[[datetime], object]] = {
    "day": lambda at: at.date(),
    "week": lambda at: at.isocalendar()[:2],
    "month": lambda at: (at.year, at.month),
    "quarter": lambda at: (at.year, (at.month - 1) // 3),
}
"""What names the period of a time, in UTC; `scan` has none: such a rule runs at each scan."""


def _found(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    now: datetime,
    counts: ScanCounts,
    progress: Progress | None,
) -> Iterator[Finding]:
    for number, rule in enumerate(rules, start=1):
        if progress:
            progress(rule.id, number, len(rules))
        counts.by_rule[rule.id] = 0

        def leave_out(left: LeftOut, rule: str = rule.id) -> None:
            counts.left_out[f"{rule}: {left.reason}"] = left.contacts

        for finding in rule.find(con, now, leave_out=leave_out):
            counts.by_rule[rule.id] += 1
            yield finding
