"""Pull: bring what changed in a CRM into the mirror. At least once, resumable, page by page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crm_steward.connect.identity import account_of, refuse_other
from crm_steward.connect.protocol import Account, Connector, Cursor, TaskTeller
from crm_steward.model import AuthError, Clock, StewardError
from crm_steward.store.database import Database
from crm_steward.store.following import Following
from crm_steward.store.lease import Lease
from crm_steward.store.leaving import leave
from crm_steward.store.mirror import ConnectionState, Mirror, PageCounts
from crm_steward.store.runs import Runs
from crm_steward.store.tombstones import Tombstones

_SKEW = timedelta(minutes=15)
"""How far the CRM's clock may be behind ours before a change looks older than it is."""

_ABSENCES = 2
"""A record counts as gone after this many full reads in a row without it: one may be truncated."""

Progress = Callable[[int, int | None], None]
"""Called after each page with how many contacts were read and how many there are, if known."""


@dataclass(slots=True)
class PullCounts(PageCounts):
    """What a pull did.

    Args:
        run: The run's id.
        full: Whether everything was read.
        pages: How many pages were stored.
        live: How many contacts the connection has now.
        absent: How many count as gone because two full reads did not bring them.
        frozen: Why nothing may be written to the connection, or empty.
        missing: What the CRM lacks to do all that the connector can, each with its remedy.
        tasks: Of how many tasks that we made there the CRM told what became of them.
        tasks_unread: Why it did not, or empty.
    """

    run: str = ""
    full: bool = False
    pages: int = 0
    live: int = 0
    absent: int = 0
    frozen: str = ""
    missing: tuple[str, ...] = ()
    tasks: int = 0
    tasks_unread: str = ""


@dataclass(slots=True)
class _Pull:
    """One pull of one connection in progress."""

    mirror: Mirror
    connection: str
    kind: str
    clock: Clock
    country: str | None
    min_source_percent: float
    accept_shrink: bool
    progress: Progress | None
    counts: PullCounts = field(default_factory=PullCounts)
    covered_until: datetime | None = None
    """What changed before this was to be brought by earlier reads; None when there was none."""
    stones: Tombstones | None = None
    covers: datetime | None = None
    """What this read will have covered when it is complete."""

    def note(self, **values: Any) -> None:
        self.mirror.note(self.connection, self.kind, **values)

    def start(self, state: ConnectionState, *, full: bool) -> Cursor | None:
        """Decide what to read: go on with an interrupted full read, begin one, or only changes."""
        now = self.clock()
        self.note(last_attempt_at=now)
        self.covered_until = state.covered_until - _SKEW if state.covered_until else None
        # Without a cursor everything is read, be it because a full read ended before its first page.
        resuming = state.pass_started_at is not None and state.cursor is not None
        self.counts.full = resuming or full or state.cursor is None or state.last_full_at is None
        if self.counts.full and not resuming:
            self.covers = now
            self.note(pass_started_at=now, cursor=None)
            return None
        self.covers = state.pass_started_at if resuming else self._goes_on(state, now)
        return state.cursor

    @staticmethod
    def _goes_on(state: ConnectionState, now: datetime) -> datetime | None:
        """Return what a read of changes will cover; after one that broke off, no more than before."""
        whole = state.last_success_at is not None and not state.broke_off
        return now if whole else state.covered_until

    def learn(self, account: Account) -> None:
        """Keep what the CRM says of itself: owners are colleagues, whom reports may name."""
        self.counts.missing = (*account.missing, *self._not_recognised())
        owners = {
            owner.id: {"name": owner.name, "email": owner.email, "active": owner.active}
            for owner in account.owners.values()
        }
        facts = {"id": account.id, "name": account.name, "time_zone": account.time_zone}
        # By both names: settings may give the one on screen.
        fixed = {n for one in account.fields.values() if not one.writable for n in one.names}
        self.note(account={**facts, "owners": owners, "read_only": sorted(fixed)})

    def _not_recognised(self) -> tuple[str, ...]:
        unreadable = self.stones.unreadable() if self.stones else 0
        if not unreadable:
            return ()
        said = (
            f"{unreadable} hashes of erased people were made with another token_key, so that their "
            "return is not noticed: give the former key again, after the present one"
        )
        return (said,)

    def read(self, connector: Connector, since: Cursor | None) -> None:
        """Store each page with its cursor as it comes."""
        for page in connector.read(since):
            self.counts.pages += 1
            saved = self.mirror.save_page(
                self.connection,
                self.kind,
                page,
                now=self.clock(),
                full=self.counts.full,
                country=self.country,
                covered_until=self.covered_until if self.counts.full else None,
            )
            self.counts += saved
            if self.progress:
                self.progress(self.counts.read, page.total)
            if page.complete:
                self.complete()

    def complete(self) -> None:
        """End the read: absences count only after a full one that did not shrink."""
        now = self.clock()
        if self.counts.full:
            self._complete_full()
        self.counts.live = self.mirror.live(self.connection)
        self.note(
            last_success_at=now,
            covered_until=self.covers,
            last_error=None,
            paused_reason=None,
        )

    def _complete_full(self) -> None:
        state = self.mirror.state(self.connection)
        started_at = state.pass_started_at or self.clock()
        if started_at > self.clock():
            # The clock went back meanwhile: who was not seen cannot be told. It is read anew.
            self.note(pass_started_at=None, cursor=None)
            return
        seen = self.mirror.seen_since(self.connection, started_at)
        floor = state.live * self.min_source_percent / 100
        if seen < floor and not self.accept_shrink:
            self.counts.frozen = (
                f"the last full read brought {seen} contacts, the one before {state.live}"
            )
            self.note(pass_started_at=None, frozen_reason=self.counts.frozen)
            return
        self.counts.absent = self.mirror.close_pass(
            self.connection, started_at=started_at, now=self.clock(), absences=_ABSENCES
        )
        self.note(pass_started_at=None, last_full_at=started_at, live=seen, frozen_reason=None)


def pull(
    database: Database,
    connection: str,
    kind: str,
    connector: Connector,
    *,
    clock: Clock,
    full: bool = False,
    country: str | None = None,
    min_source_percent: float = 90.0,
    accept_shrink: bool = False,
    progress: Progress | None = None,
    stones: Tombstones | None = None,
    new_account: Lease | None = None,
) -> PullCounts:
    """Bring what changed since the last pull into the mirror.

    The first pull, and one with `full`, reads everything; one that was interrupted goes on where
    its last stored page ended.

    Args:
        database: The store.
        connection: The configured name.
        kind: The connector's kind.
        connector: The open connection.
        clock: The time.
        full: Read everything, so that absence can be seen.
        country: ISO code assumed for contacts without one.
        min_source_percent: A full read that brings less than this share of the last one freezes
            all writes to the connection, and nothing is inferred from it.
        accept_shrink: The shrinking is known and right.
        progress: Called after each page.
        stones: Notices people who were erased here; None looks for nobody.
        new_account: Under which lease the account that was read before is left, when the credential
            opens another one and that is right; None refuses another one.

    Raises:
        AuthError: The credential is refused, or opens another account; the connection is paused.
        RetryableError: The CRM cannot be reached; the next pull goes on from here.
    """
    mirror, runs = Mirror(database, stones), Runs(database)
    pulling = _Pull(
        mirror, connection, kind, clock, country, min_source_percent, accept_shrink, progress
    )
    pulling.stones = stones
    run = pulling.counts.run = runs.start("pull", connection, now=clock())
    try:
        state = _recognised(database, connector, mirror.state(connection), new_account, clock)
        since = pulling.start(state, full=full)
        if pulling.counts.full or not state.account:
            pulling.learn(connector.check())
        pulling.read(connector, since)
    except StewardError as error:
        paused = {"paused_reason": error.message} if isinstance(error, AuthError) else {}
        pulling.note(last_error=error.message, **paused)
        runs.finish(run, asdict(pulling.counts), now=clock(), error=error.message)
        raise
    _follow(database, connection, connector, pulling.counts, clock)
    runs.finish(run, asdict(pulling.counts), now=clock())
    return pulling.counts


def _follow(
    database: Database, connection: str, connector: Connector, counts: PullCounts, clock: Clock
) -> None:
    """Ask what became of the tasks that we made there; what fails is told, and tried the next time.

    The contacts are read by now: tasks that cannot be read do not make them unread.
    """
    following = Following(database)
    wanted = following.wanted(connection, clock()) if isinstance(connector, TaskTeller) else {}
    if not wanted or not isinstance(connector, TaskTeller):
        return
    try:
        told = connector.task_states(list(wanted))
    except StewardError as error:
        counts.tasks_unread = error.message
        return
    following.save(connection, told, wanted, clock())
    counts.tasks = len(told)


def _recognised(
    database: Database,
    connector: Connector,
    state: ConnectionState,
    new_account: Lease | None,
    clock: Clock,
) -> ConnectionState:
    """Return where the connection stands with the account that its credential opens.

    Raises:
        OtherAccountError: It is not the one that was read, and nobody said that this is right.
    """
    if not state.account_id:
        return state
    found = account_of(connector)
    if new_account is not None and found and found != state.account_id:
        leave(database, state.connection, new_account, clock())
        return Mirror(database).state(state.connection)
    refuse_other(state.connection, state.account_id, found)
    return state
