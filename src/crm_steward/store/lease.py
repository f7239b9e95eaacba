"""Who may write: a lease in the database, with an epoch that fences off whoever lost it.

A row in a table, because a session lock of PostgreSQL has no fencing token and does not survive a
connection pooler, and because the same rule then holds on SQLite. The epoch grows at each taking.
While a process holds a lease, every write transaction of its checks the epoch, and so does every
call that writes to a CRM: one that slept through the end of its lease finds out before it writes
or sends anything.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.model import BusyError, Clock, utc_now
from crm_steward.store.database import BUSY_TIMEOUT_MS, Database, upsert
from crm_steward.store.epoch import note, notice, remembered
from crm_steward.store.setback import TOLERATED, notice_clock
from crm_steward.store.tables import leases

WRITER = "writer"
"""The lease under which changes are made to the CRMs."""

HELD_UP_MS = 120_000
"""PostgreSQL ends a transaction under a lease that stands still for so long: its process is stopped.

Long enough for what a scan of a million contacts works out between two statements.
"""

_PROGRAM = secrets.token_hex(4)
"""Stands for what this process does since its program was last loaded (`execv` keeps its pid)."""

_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, named so that another on the same machine can see whether it still lives.

    Args:
        host: Name of the machine.
        pid: Process id.
        place: Stands for this boot of the kernel and this pid namespace; empty where the system
            does not tell. Only within one place does a pid mean the same process.
        born: The process's start, in ticks since boot; a pid used again has another. After a dot
            what stands for its program: one that began anew in the same process has another.
    """

    host: str
    pid: int
    place: str = ""
    born: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.place}:{self.born}"

    @classmethod
    def parse(cls, text: str) -> Holder:
        """Read back what `str` wrote; the host may hold colons."""
        host, pid, place, born = text.rsplit(":", 3)
        return cls(host, int(pid), place, born)

    @classmethod
    def here(cls) -> Holder:
        """Return this process."""
        pid = os.getpid()
        born = _born(pid)
        return cls(socket.gethostname(), pid, _place(), f"{born}.{_PROGRAM}" if born else "")

    def alive(self) -> bool | None:
        """Return whether the process lives; None when that cannot be known from here."""
        if not self.place or not self.born or self.place != _place():
            return None
        born, _, program = self.born.partition(".")
        if self.pid == os.getpid() and program not in ("", _PROGRAM):
            return False
        return _born(self.pid) == born


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:12]


def _born(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return ""
    # proc(5): the name, in parentheses, may hold anything; what follows it counts from field 3.
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


@dataclass(frozen=True, slots=True)
class Loan:
    """What a process that the holder of a lease started needs to write under it. Use `borrow`.

    Args:
        name: What the lease is for.
        holder: Who holds it, and goes on doing so.
        epoch: Grew when it was taken.
        ttl: How long it lasts without a sign of life.
    """

    name: str
    holder: Holder
    epoch: int
    ttl: timedelta


@dataclass(slots=True)
class Lease:
    """A lease being held. Use `hold`.

    Args:
        database: The store.
        name: What it is for.
        holder: Who holds it.
        epoch: Grew when it was taken.
        ttl: How long it lasts without a sign of life.
        clock: The time.
    """

    database: Database
    name: str
    holder: Holder
    epoch: int
    ttl: timedelta
    clock: Clock
    renewed_at: datetime = field(default=_LONG_AGO)

    @property
    def loan(self) -> Loan:
        """What a process of ours needs to write under it."""
        return Loan(self.name, self.holder, self.epoch, self.ttl)

    def confirm(self, reading: sa.Connection) -> None:
        """See that the lease is still ours; inside a write transaction it then stays so to the end.

        Transactions of ours do not wait for each other; whoever takes the lease waits for them all.
        One whose process is stopped in the midst of it does not last: see `HELD_UP_MS`.

        Raises:
            BusyError: Somebody else took it meanwhile; the transaction must not commit.
        """
        mine = sa.select(leases.c.epoch, *_not_for_ever(self.database)).where(*self._mine())
        query = mine.with_for_update(read=True, key_share=True)
        if reading.execute(query).one_or_none() is None:
            raise _lost()

    def held(self) -> None:
        """See that the lease is still ours, now.

        Raises:
            BusyError: Somebody else took it meanwhile; nothing more may be sent.
        """
        if not self.ours():
            raise _lost()

    def check(self, writing: sa.Connection) -> None:
        """Renew the lease inside a write transaction, so that it commits only under our epoch.

        Raises:
            BusyError: Somebody else took it meanwhile; the transaction must not commit.
        """
        now = self.clock()
        mine = sa.update(leases).where(*self._mine())
        if writing.execute(mine.values(expires_at=now + self.ttl)).rowcount != 1:
            raise _lost()
        self.renewed_at = now

    def renew(self) -> None:
        """Give a sign of life, in a transaction of its own.

        Other leases that this process holds are not asked: whoever lost one may keep this one.

        Raises:
            BusyError: Somebody else took it meanwhile.
        """
        with self.database.write(fenced=False) as writing:
            self.confirm(writing)
            self.check(writing)

    def ours(self) -> bool:
        """Return whether nobody else took it meanwhile; nothing is renewed."""
        query = sa.select(leases.c.epoch).where(leases.c.name == self.name)
        with self.database.read() as reading:
            return reading.execute(query).scalar() == self.epoch

    def keep(self) -> None:
        """Renew when a quarter of the time is over; cheap to call often.

        Raises:
            BusyError: Somebody else took it meanwhile.
        """
        if abs(self.clock() - self.renewed_at) > self.ttl / 4:
            self.renew()

    def release(self) -> None:
        """Let others take it at once; the epoch stays, so that it only ever grows.

        Raises:
            StoreError: The database is away. This process may take the lease again all the same.
        """
        left = (self.name, self.epoch)
        self.database.unreleased.add(left)
        with self.database.write(fenced=False) as writing:
            if limits := _not_for_ever(self.database):
                writing.execute(sa.select(*limits))
            mine = sa.update(leases).where(*self._mine())
            writing.execute(mine.values(holder="", expires_at=_LONG_AGO))
        self.database.unreleased.discard(left)

    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            leases.c.name == self.name,
            leases.c.epoch == self.epoch,
            leases.c.holder == str(self.holder),
        )


@contextmanager
def hold(
    database: Database,
    name: str = WRITER,
    *,
    clock: Clock = utc_now,
    ttl: timedelta = timedelta(minutes=5),
    holder: Holder | None = None,
) -> Iterator[Lease]:
    """Hold a lease while the block runs.

    A lease left by a process of this machine that no longer lives is taken over at once. Whether
    it lives is known by its pid *and* its start, within one boot and one pid namespace, so neither
    a pid used twice nor another container is mistaken for it. As long as such a process lives
    (stopped, or waiting for a slow CRM) it keeps the lease even past its end: it could wake up
    between its last check and its next call. A holder elsewhere loses it after `ttl` without a
    sign of life. One that this process could not let go of, because the database was away just
    then, is held by nobody: it is taken again at once.

    While it is held, every write transaction of `database`, in whatever thread, checks it: after
    another took over, nothing of this process is committed any more.

    Whoever takes the writer's finds out whether the database is an older copy (see `epoch`), and
    whether the clock went back (see `setback`).

    Args:
        database: The store.
        name: What the lease is for.
        clock: The time.
        ttl: How long the lease lasts without a sign of life.
        holder: Who takes it; this process by default.

    Raises:
        BusyError: Somebody else holds it; says who.
        StoreError: The database, or the file beside it, cannot be written.
    """
    lease, ahead = _take(database, name, holder or Holder.here(), clock, ttl)
    try:
        with database.fenced(lease.confirm):
            if name == WRITER:
                notice_clock(database, clock(), ahead=ahead)
                known = remembered(database)
                # Whoever took over since we took it has noted a later epoch: that is no older copy.
                lease.renew()
                notice(database, known, lease.epoch - 1, now=clock())
                note(database, lease.epoch)
            yield lease
            if name == WRITER and lease.ours():
                notice_clock(database, clock())
                note(database, lease.epoch)
    finally:
        lease.release()


@contextmanager
def borrow(database: Database, loan: Loan, *, clock: Clock = utc_now) -> Iterator[Lease]:
    """Write under a lease that the process holds which started this one, while the block runs.

    It is neither taken nor released here. Once it is not the lender's any more, because that was
    overtaken or has died and another came, nothing of this process is committed either.

    Args:
        database: The store, opened by this process.
        loan: The lease's.
        clock: The time.
    """
    lease = Lease(database, loan.name, loan.holder, loan.epoch, loan.ttl, clock)
    with database.fenced(lease.confirm):
        yield lease


def _take(
    database: Database, name: str, holder: Holder, clock: Clock, ttl: timedelta
) -> tuple[Lease, bool]:
    """Take the lease; return it, and whether a clock that is later than ours gave its last time."""
    now = clock()
    with _in_doubt(database) as doubted, database.write() as writing:
        if database.dialect == "postgresql":
            # Whoever holds it may be stopped in the midst of a transaction.
            writing.execute(sa.text(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS}"))
            writing.execute(sa.select(*_not_for_ever(database)))
        row = lock(database, writing, name, taking=True)
        ahead = row.expires_at > now + ttl + TOLERATED
        mine = sa.update(leases).where(leases.c.name == name)
        busy = Holder.parse(row.holder) if row.holder else None
        left = row.holder == str(holder) and (name, row.epoch) in database.unreleased
        if busy is not None and not left and _held(busy, row.expires_at, now):
            if ahead:  # it lasts no longer than any, from now, unless its holder renews it
                writing.execute(mine.values(expires_at=now + ttl))
        else:
            busy = None
            taken = {"holder": str(holder), "epoch": row.epoch + 1, "expires_at": now + ttl}
            before, after = (name, row.epoch), (name, row.epoch + 1)
            doubted.update({before} & database.unreleased)
            # Before the commit: from then on it is ours, for other threads of this process as well.
            database.unreleased.difference_update((before, after))
            writing.execute(mine.values(taken))
            doubted.add(after)  # only the commit is still to come
    if busy is not None:
        raise _busy(busy)
    return Lease(database, name, holder, row.epoch + 1, ttl, clock, now), ahead


@contextmanager
def _in_doubt(database: Database) -> Iterator[set[tuple[str, int]]]:
    """Give a set for leases that nobody holds should the transaction in the block fail.

    It may have been committed all the same, where only the answer to the commit was lost.
    """
    doubted: set[tuple[str, int]] = set()
    try:
        yield doubted
    except BaseException:
        database.unreleased.update(doubted)
        raise


def _not_for_ever(database: Database) -> list[sa.ColumnElement[str]]:
    """Return what lets PostgreSQL end a transaction that it is selected in, should that stand still."""
    if database.dialect != "postgresql":
        return []
    name = "idle_in_transaction_session_timeout"
    return [sa.func.set_config(name, str(HELD_UP_MS), True)]  # noqa: FBT003 -- for this transaction


def lock(
    database: Database, writing: sa.Connection, name: str, *, taking: bool = False
) -> sa.Row[Any]:
    """Hold up, until this transaction ends, whoever renews or takes the lease; return its row.

    Args:
        database: The store.
        writing: The transaction.
        name: The lease.
        taking: Wait also for every other write transaction of whoever holds it.
    """
    free = {"name": name, "holder": "", "epoch": 0, "expires_at": _LONG_AGO}
    writing.execute(upsert(database, leases, ["name"], update=[]), free)
    row = sa.select(leases).where(leases.c.name == name)
    return writing.execute(row.with_for_update(key_share=not taking)).one()


def _held(holder: Holder, expires_at: datetime, now: datetime) -> bool:
    alive = holder.alive()
    return expires_at > now if alive is None else alive


def _lost() -> BusyError:
    return BusyError(
        "Another crm-steward took over while this one was held up.",
        hint="Nothing more is written by this one; the other settles what was under way.",
    )


def _busy(holder: Holder) -> BusyError:
    who = f"{holder.host}:{holder.pid}"
    return BusyError(
        f"Another crm-steward ({who}) is writing on this database.",
        hint="Wait until it is done, or stop it; then try again.",
    )
