"""Scan: look at the mirror with the rules, and see what is new, standing, resolved or reopened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import count

import duckdb
import sqlalchemy as sa

from crm_steward.matching import signature
from crm_steward.model import Clock
from crm_steward.rules import LeftOut, Rule, RuleBook, columns_of
from crm_steward.rules.kinds import Check, SqlCheck
from crm_steward.store.comparing import Comparison, Source
from crm_steward.store.database import Database
from crm_steward.store.edits import Edit, edits, note_edits
from crm_steward.store.findings import Findings, Looked
from crm_steward.store.jobs import Jobs, JobState
from crm_steward.store.jumps import Jumps
from crm_steward.store.keyindex import KeyIndex, forget_keys
from crm_steward.store.learned import Learned
from crm_steward.store.linking import keep_pairs_of_before, linked
from crm_steward.store.mirror import Mirror
from crm_steward.store.people import People, Record
from crm_steward.store.recording import FindingCounts, Look, store
from crm_steward.store.relation import open_relation, relation_of_rows, set_people
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
        waiting: Rule id → why a scan of changes left it to the next whole scan: `groups` (it
            compares contacts), `no keys` (the last whole scan kept none for it), `new or edited`,
            `every` (it does not run at each scan).
        jumped: Rule id → how much it found and what was usual, of those that only report from now on.
    """

    run: str = ""
    contacts: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    not_examined: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    jumped: dict[str, str] = field(default_factory=dict)


def scan(
    database: Database,
    book: RuleBook,
    *,
    clock: Clock,
    only_due: bool = False,
    changed: bool = False,
    progress: Progress | None = None,
) -> ScanCounts:
    """Run the rules on the mirror and store what they find, all or nothing.

    A connection that was never read to the end is left out and named: nothing is inferred from
    half a base. The rules look at the mirror as it stood when the scan began; the database is
    free while they do, and what is pulled meanwhile is for the next scan.

    Args:
        database: The store.
        book: The rules.
        clock: The time.
        only_due: Leave out rules whose `every` says that their day, week, month or quarter has
            had its scan; what they found before stands. A rule that is new, edited or back is
            always due, and so is one that never looked at some connection.
        changed: Look only at contacts that changed since the last scan, with the rules for which
            that is enough. What changes by the passing of time alone is for the next whole scan,
            and so are the rules named in `ScanCounts.waiting`.
        progress: Called before each rule.
    """
    runs = Runs(database)
    counts = ScanCounts()
    # A verb of its own: what the last whole scan could not examine is what the report tells.
    counts.run = runs.start("scan-changed" if changed else "scan", now=clock())
    lacking = (f"{one.connection}: {one.field}" for one in book.skipped if one.field)
    counts.skipped = dict(sorted(Counter(lacking).items()))
    with runs.during(counts.run, clock=clock):
        choose = _those_for_changes if changed else _those_for_all
        chosen = choose(database, book, counts, now=clock(), only_due=only_due)
        _scan(database, book, counts, chosen, now=clock(), progress=progress)
    # New and edited rules wait for a whole scan: until then they have not run.
    if book.texts and not changed:
        Rulebooks(database).save(book.digest, book.texts, now=clock())
    runs.finish(counts.run, asdict(counts), now=clock())
    counts.jumped = {one.rule: one.figures for one in Jumps(database).watch(clock())}
    return counts


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a scan looks at.

    Args:
        rules: The rules.
        examined: The connections.
        since: Only contacts that changed since then; None means all.
        keys: Rule id → where it keeps the keys of contacts.
    """

    rules: Sequence[Rule]
    examined: Collection[str]
    since: datetime | None = None
    keys: Mapping[str, KeyIndex] = field(default_factory=dict)


def _those_for_all(
    database: Database, book: RuleBook, counts: ScanCounts, *, now: datetime, only_due: bool
) -> _Chosen:
    examined, counts.not_examined = _examined(Mirror(database))
    rules = book.rules
    if only_due:
        jobs, looks = Jobs(database).states(), Findings(database).looks()
        rules = tuple(
            rule
            for rule in book.rules
            if _due(rule, jobs, now) or _unseen(rule, examined, looks.get(rule.id, {}))
        )
    waiting = {rule.id for rule in book.rules} - {rule.id for rule in rules}
    if waiting:
        counts.left_out |= _left_out_before(Runs(database), waiting)
    return _Chosen(rules, examined, keys=_keys(database, rules))


def _keys(database: Database, rules: Iterable[Rule]) -> dict[str, KeyIndex]:
    """Return where the rules that look at changes by keys keep them."""
    lesson = Learned(database).newest()
    learned = lesson.version if lesson else ""
    return {
        rule.id: KeyIndex(database, rule.id, signature([rule.sight, learned]))
        for rule in rules
        if rule.every == "scan" and rule.check.by_keys
    }


def _left_out_before(runs: Runs, rules: Collection[str]) -> dict[str, int]:
    """Return what rules that are not asked now could not examine when they were: it still holds."""
    last = next((run for run in runs.latest("scan") if run.status == "done"), None)
    before: Mapping[str, int] = last.counts.get("left_out", {}) if last else {}
    return {what: n for what, n in before.items() if what.partition(": ")[0] in rules}


NEVER_SCANNED = "never scanned yet"
"""Why a scan of changes leaves a connection out."""

_OVERLAP = timedelta(minutes=2)
"""How far a scan of changes looks back beyond the last scan: a page may wait half a minute for the
database after it was given its time."""


def _those_for_changes(
    database: Database, book: RuleBook, counts: ScanCounts, *, now: datetime, only_due: bool
) -> _Chosen:
    """Choose the rules that looked at everything before, as they stand now."""
    del now, only_due
    complete, counts.not_examined = _examined(Mirror(database))
    looks = Findings(database).looks()
    known = {name for by_connection in looks.values() for name in by_connection}
    counts.not_examined |= dict.fromkeys(sorted(complete - known), NEVER_SCANNED)
    examined = complete & known
    rules = []
    keys = _keys(database, book.rules)
    for rule in book.rules:
        looked = looks.get(rule.id, {})
        if rule.every != "scan" or not (rule.check.alone or rule.check.by_keys):
            counts.waiting[rule.id] = "every" if rule.every != "scan" else "groups"
        elif rule.id in keys and not keys[rule.id].valid():
            counts.waiting[rule.id] = "no keys"
        elif _unseen(rule, examined, looked):
            counts.waiting[rule.id] = "new or edited"
        else:
            rules.append(rule)
    ats = [looks[rule.id][name].at for rule in rules for name in _scope(rule, examined)]
    since = min(ats, default=_NEVER) - _OVERLAP
    return _Chosen(rules if ats else [], examined, since, keys=keys)


_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Since when nothing can have changed."""


def _scan(
    database: Database,
    book: RuleBook,
    counts: ScanCounts,
    chosen: _Chosen,
    *,
    now: datetime,
    progress: Progress | None,
) -> None:
    rules, since = chosen.rules, chosen.since
    columns = columns_read(rules, now)
    with open_relation(database, connections=chosen.examined, columns=columns, since=since) as con:
        counts.contacts = con.execute("SELECT count(*) FROM contacts").fetchall()[0][0]
        comparison = Comparison(database, con, since)
        linking = [rule for rule in rules if rule.check.links]
        # What stood of a rule that looks by keys is read once it is known where it looks.
        known = [rule.id for rule in rules if since is None or rule.id not in chosen.keys]
        comparison.begin(known, [rule.id for rule in linking])
        numbers = count(1)

        def ask(some: Iterable[Rule]) -> None:
            for rule in some:
                if progress:
                    progress(rule.id, next(numbers), len(rules))
                _ask(comparison, rule, now, counts, chosen.keys.get(rule.id))

        # Who is one person is known before the others ask.
        ask(linking)
        groups = None if since else _people(database, con, book, linking)
        ask(rule for rule in rules if not rule.check.links)
        comparison.end()
        counts.by_rule = {rule.id: comparison.found[rule.id] for rule in rules}
        findings = Findings(database)
        looks = {rule.id: _look(rule, chosen.examined) for rule in rules}
        retired = findings.known_rules() - {rule.id for rule in book.rules} if not since else set()
        edited = edits(database, looks, retired) if not since else {}
        stored = store(
            database,
            comparison,
            looks,
            now=now,
            retired=retired,
            beside=partial(_keep, database, groups, chosen, edited=edited, now=now),
        )
    if not since and not counts.not_examined:
        jobs = Jobs(database)
        for rule in rules:
            if rule.every != "scan":
                jobs.save(_job(rule), JobState(last_success_at=now, last_attempt_at=now))
        jobs.forget(_RULE, before=now - _LONGEST)
    for name, value in asdict(stored).items():
        setattr(counts, name, value)


def _keep(
    database: Database,
    groups: Sequence[Collection[Record]] | None,
    chosen: _Chosen,
    writing: sa.Connection,
    *,
    edited: Mapping[str, Edit],
    now: datetime,
) -> None:
    """Write who is one person, where it was asked, the keys of contacts, and what edits did."""
    note_edits(database, writing, edited, now)
    if groups is not None:
        People(database).save(groups, writing, now=now)
    for keys in chosen.keys.values():
        keys.save(writing)
    if chosen.since is None:
        forget_keys(writing, but_of=chosen.keys)


def _people(
    database: Database, con: duckdb.DuckDBPyConnection, book: RuleBook, asked: Sequence[Rule]
) -> list[list[Record]] | None:
    """Let the rules to come know who is one person, and return the records of each person.

    None when nobody was asked: what was known stands. Rules that are not due keep what they found;
    where no rule says who is one person any more, nobody is known to be.
    """
    linking = {rule.id for rule in book.rules if rule.check.links}
    if linking and not asked:
        return None
    groups = []
    if linking:
        keep_pairs_of_before(con, database, linking - {rule.id for rule in asked})
        groups = linked(con)
    set_people(con, People(database).named(groups))
    return groups


def columns_read(rules: Sequence[Rule], now: datetime) -> set[str] | None:
    """Return words among which are all columns that the rules read; None means all columns."""
    with closing(_no_contacts().cursor()) as con:
        return columns_of(rules, con, now)


@cache
def _no_contacts() -> duckdb.DuckDBPyConnection:
    """Return an empty relation, once: to open one takes longer than to look into it."""
    return relation_of_rows(())


def _ask(
    comparison: Comparison, rule: Rule, now: datetime, counts: ScanCounts, keys: KeyIndex | None
) -> None:
    """Ask one rule what it finds."""

    def leave_out(left: LeftOut) -> None:
        what = f"{rule.id}: {left.reason}"
        counts.left_out[what] = counts.left_out.get(what, 0) + left.contacts

    check: Check = rule.check
    if not isinstance(check, SqlCheck):
        comparison.take(rule.find(comparison.con, now, leave_out=leave_out), [rule.id])
        return
    scope = rule.scope(comparison.con, now, leave_out=leave_out)
    if keys is not None:
        around = partial(comparison.look_at, rule.id) if comparison.since else None
        scope = replace(scope, keys=keys, changed=around)
    for left in check.not_examined(scope):
        leave_out(left)
    query = check.query(scope)
    comparison.ask(Source(rule.id, rule.kind, rule.severity, query.sql, query.values))


def _examined(mirror: Mirror) -> tuple[set[str], dict[str, str]]:
    states = mirror.states()
    complete = {name for name, state in states.items() if state.last_full_at is not None}
    return complete, dict.fromkeys(set(states) - complete, "never read to the end yet")


def _scope(rule: Rule, examined: Collection[str]) -> set[str]:
    return {name for name in examined if rule.runs_in(name)}


def _look(rule: Rule, examined: Collection[str]) -> Look:
    scope = _scope(rule, examined)
    return Look(rule.sight, scope, left={name for name in examined if not rule.names(name)})


def _job(rule: Rule) -> str:
    return f"{_RULE}{rule.id}:{rule.digest[:12]}"


def _due(rule: Rule, jobs: Mapping[str, JobState], now: datetime) -> bool:
    last = jobs.get(_job(rule), JobState()).last_success_at
    period = _PERIODS.get(rule.every)
    return period is None or last is None or period(last) != period(now)


def _unseen(rule: Rule, examined: Collection[str], looked: Mapping[str, Looked]) -> bool:
    """Whether there is a connection that the rule, as it stands, never looked at."""
    return any(
        name not in looked or looked[name].digest != rule.sight for name in _scope(rule, examined)
    )


_RULE = "rule:"
_LONGEST = timedelta(days=100)
"""Longer than any period: what ran before is due, or its rule was edited or removed since."""
_PERIODS: Mapping[str, Callable[[datetime], object]] = {
    "day": lambda at: at.date(),
    "week": lambda at: at.isocalendar()[:2],
    "month": lambda at: (at.year, at.month),
    "quarter": lambda at: (at.year, (at.month - 1) // 3),
}
"""What names the period of a time, in UTC; `scan` has none: such a rule runs at each scan."""
