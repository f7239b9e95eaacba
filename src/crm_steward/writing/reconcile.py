"""Reconcile: find in the CRMs what an older copy of the database forgot, before anything is written.

The copy's journal ends where the copy was made; tasks, merges and archivings since then are not in
it. What they were can be worked out: rules, mirror and CRM as they stand now ask for the same
changes again. So a connection is first read in full and scanned; then the CRM is asked, as after
any lost answer, about every task, merge and archiving that rules ask for or that the journal last
saw fail, limits or not. What took effect is written into the journal, as if it never forgot.
Updates need none of this: each is compared with the record just before it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta, tzinfo
from functools import partial

from crm_steward.connect.protocol import Status
from crm_steward.model import (
    Ability,
    ArchiveRecord,
    Clock,
    CreateTask,
    MergeRecords,
    PlannedChange,
    RetryableError,
    change_key,
    utc_now,
)
from crm_steward.rules import RuleBook
from crm_steward.store.database import Database
from crm_steward.store.erasures import known_erasures, replay
from crm_steward.store.journal import FRUITLESS, Journal, Line, Standing, State, intent_of, within
from crm_steward.store.lease import Lease
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.restored import Restored
from crm_steward.store.runs import Run, Runs
from crm_steward.store.tombstones import Tombstones
from crm_steward.writing.candidates import candidates, proposer_of, worded
from crm_steward.writing.targets import Target, Targets
from crm_steward.writing.wanted import Candidate

BEFORE = timedelta(hours=24)
"""How far back from the copy the journal's own failures are asked about again."""

FOUND = "found in the CRM after an older copy of the database was restored"


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """What reconciling found.

    Args:
        asked: How many changes the CRMs were asked about.
        found: How many of them had taken effect and were forgotten.
        waiting: Connection → what it still waits for.
        over: Whether everything is reconciled.
    """

    asked: int = 0
    found: int = 0
    waiting: dict[str, str] = field(default_factory=dict)
    over: bool = False


def reconcile(
    database: Database,
    book: RuleBook,
    targets: Targets,
    *,
    abilities: Mapping[str, Ability],
    lease: Lease,
    stones: Tombstones | None = None,
    language: str = "en",
    zone: tzinfo = UTC,
    clock: Clock = utc_now,
) -> Reconciled | None:
    """Look for what a restored database forgot; what earlier runs left open is settled before.

    Args:
        database: The store.
        book: The rules.
        targets: The connections.
        abilities: What each enabled connection holds and can do.
        lease: The writer's.
        stones: Know the erased again, to erase them from a copy that was put there by hand.
        language: In which tasks are written.
        zone: In which the days of due dates begin.
        clock: The time.

    Returns:
        None when the database forgot nothing.

    Raises:
        BusyError: The lease was lost.
        StoreError: The database cannot be read or written.
    """
    restored = Restored.of(database)
    if restored is None:
        return None
    if stones is not None and database.path is not None:
        known = known_erasures(database.path, database.key)
        replay(database, stones, known, lease=lease, now=clock())
    counts = Reconciled()
    runs = Runs(database)
    run = runs.start("reconcile", now=clock())
    now = clock().astimezone(zone)
    active = sorted((rule for rule in book.rules if rule.active), key=lambda rule: rule.id)
    proposer = proposer_of(database, abilities, language=language, now=now, nobody=set())
    found, _ = candidates(database, active, {}, proposer, snoozed=True)
    found = [one for one in found if isinstance(one.made, MergeRecords | ArchiveRecord | None)]
    planned = worded(database, proposer, found)
    search = _Search(database, restored, lease, run, clock, counts)
    done = search.look(targets, abilities, [*_asks(found, planned), *search.failed()])
    counts.over = restored.reconciled(database, done, abilities)
    numbers = {"asked": counts.asked, "found": counts.found, "waiting": counts.waiting}
    runs.finish(run, numbers, now=clock())
    return counts


@dataclass(frozen=True, slots=True)
class _Ask:
    """One change that may have taken effect.

    Args:
        planned: The change and why.
        home: The connection that cannot be done before this is answered.
    """

    planned: PlannedChange
    home: str

    @property
    def where(self) -> str:
        """The connection that is asked."""
        return self.planned.change.ref.connection


def _asks(found: Iterable[Candidate], planned: Iterable[PlannedChange | None]) -> Iterator[_Ask]:
    """Yield what is asked about; the task of a group may stand at any of its records."""
    for one, change in zip(found, planned, strict=True):
        if change is not None:
            home = one.ref.connection
            yield _Ask(change, home)
            for ref in one.others:
                yield _Ask(replace(change, change=replace(change.change, ref=ref)), home)


@dataclass(slots=True)
class _Search:
    """One run of looking."""

    database: Database
    restored: Restored
    lease: Lease
    run: str
    clock: Clock
    counts: Reconciled

    def failed(self) -> list[_Ask]:
        """Return what the journal saw fail shortly before the copy: it may have been tried again."""
        since = (self.restored.made_at or self.restored.at) - BEFORE
        journal = Journal(self.database)
        keys = {line.key for line in journal.each(within(since=since))}
        found: list[_Ask] = []
        for standing in journal.standings(sorted(keys)).values():
            intent, change = standing.intent, standing.intent.change
            if standing.state not in FRUITLESS:
                continue
            if isinstance(change, CreateTask | MergeRecords | ArchiveRecord):
                planned = PlannedChange(change=change, rule=intent.rule, finding=intent.finding)
                found.append(_Ask(planned, change.ref.connection))
        return found

    def look(
        self, targets: Targets, abilities: Mapping[str, Ability], asks: Sequence[_Ask]
    ) -> set[str]:
        """Ask each connection that is ready, and return those that are done."""
        states = Mirror(self.database).states()
        scan = next(iter(Runs(self.database).latest("scan", limit=1)), None)
        known = Journal(self.database).standings({ask.planned.key for ask in asks})
        under_way = {s.intent.ref.connection for s in Journal(self.database).under_way()}
        open_ = [ask for ask in asks if self._forgotten(ask, known)]
        waiting = self.counts.waiting
        for name in sorted(abilities.keys() - self.restored.done):
            if why := self._unready(states.get(name), scan, busy=name in under_way):
                waiting[name] = why
                continue
            here = {ask.planned.key: ask.planned for ask in open_ if ask.where == name}
            asking = partial(self._ask, planned=list(here.values()))
            if not targets.attempt(self.database, name, asking):
                waiting[name] = f"it fails ({type(targets.failures[name]).__name__})"
        for ask in open_:
            if ask.where in waiting:
                waiting.setdefault(ask.home, f"'{ask.where}', where a task of its may stand")
        return set(abilities) - waiting.keys()

    def _forgotten(self, ask: _Ask, known: Mapping[str, Standing]) -> bool:
        standing = known.get(ask.planned.key)
        return standing is None or standing.state in FRUITLESS

    def _unready(self, state: ConnectionState | None, scan: Run | None, *, busy: bool) -> str:
        """Return what must come first, or nothing."""
        read_at = state.last_full_at if state else None
        if read_at is None or read_at < self.restored.at:
            return "a full read"
        if scan is None or scan.status != "done" or scan.started_at < read_at:
            return "a scan after its full read"
        return "the CRM's answer to a change under way" if busy else ""

    def _ask(self, target: Target, planned: Sequence[PlannedChange]) -> None:
        """Ask one CRM, and write down what took effect.

        Raises:
            RetryableError: It is too early, or the CRM does not know yet.
        """
        if self.clock() - self.restored.at < target.settle_after:
            raise RetryableError("What was just written may not be visible yet.")
        unsure = 0
        for start in range(0, len(planned), target.batch):
            batch = planned[start : start + target.batch]
            answers = {
                answer.key: answer for answer in target.connector.settle([p.change for p in batch])
            }
            self.counts.asked += len(batch)
            lines: list[Line] = []
            for one in batch:
                answer = answers.get(change_key(one.change))
                if answer is None or answer.status is Status.UNKNOWN:
                    unsure += 1
                elif answer.status is Status.VERIFIED:
                    lines += self._lines(one, answer.remote_id)
            Journal(self.database).append(lines, self.lease)
            self.counts.found += len(lines) // 2
        if unsure:
            raise RetryableError(f"The CRM gave no answer about {unsure} changes.")

    def _lines(self, one: PlannedChange, remote_id: str) -> list[Line]:
        intent = intent_of(
            one.change,
            key=one.key,
            run=self.run,
            plan="",
            rule=one.rule,
            finding=one.finding,
            at=self.clock(),
        )
        verified = replace(
            intent, state=State.VERIFIED, change=None, reason=FOUND, remote_id=remote_id
        )
        return [intent, verified]
