"""One installation and one CRM, and what we do there: look, plan, approve, apply, undo, report."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.unit.writing.conftest import sights
from tests.unit.writing.machine.crm import LAG, NAME, Effect, Watched
from tests.unit.writing.machine.post import Postbox

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    Ability,
    BusyError,
    Cause,
    Contact,
    Finding,
    Halt,
    RecordRef,
    Severity,
)
from crm_steward.pull import pull
from crm_steward.report.deliver import deliver
from crm_steward.report.message import message_id
from crm_steward.report.queue import notice_copy
from crm_steward.report.weeks import week_due
from crm_steward.rules import RuleBook
from crm_steward.settings import Halting, Limits, Mail
from crm_steward.store.backup import copy_to
from crm_steward.store.findings import Findings
from crm_steward.store.forgotten import Forgotten
from crm_steward.store.lease import Holder, Lease, hold
from crm_steward.store.outbox import Outbox
from crm_steward.store.plans import Plans, StoredPlan
from crm_steward.store.restored import Restored
from crm_steward.store.restoring import restore
from crm_steward.store.runs import Runs
from crm_steward.store.tables import halts
from crm_steward.store.tombstones import Tombstones
from crm_steward.store.vault import TokenKey
from crm_steward.testing.mortal import Crash, Mortal, spared
from crm_steward.writing import Target, Targets, apply_plan, make_plan, settle, undo
from crm_steward.writing.addresses import suppressed
from crm_steward.writing.reconcile import reconcile

RULES = """version: 1
rules:
  - id: name-case
    about: Names in capitals
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
  - id: email-case
    about: Addresses in capitals
    check: {kind: format, fields: [email], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
  - id: no-email
    about: No e-mail
    check: {kind: required, fields: [email]}
    actions: [task: {title: "Ask {full_name}"}]
    mode: apply
  - id: said-no
    about: Said no on the phone
    check: {kind: required, fields: [job_title]}
    actions: [suppress: {channel: email}]
    mode: apply
  - id: left
    about: Left long ago
    check: {kind: required, fields: [company]}
    actions: [archive: {}]
    mode: propose
"""
NO, LEFT = "said no", "left"
"""What people write into the job title and the company of those whom a rule finds."""
DAILY = 5
ABILITIES = {NAME: Ability(fields=None, can=frozenset(Capability))}
RECIPIENT, SENDER = "manager@example.com", "steward@example.com"
MAIL = Mail(host="mail.example.com", sender=SENDER)
KEY = TokenKey("k" * 32, Path("nowhere"))
BORN = datetime(2026, 11, 16, 8, tzinfo=UTC)


def limits() -> Limits:
    """Return limits that bite."""
    some = Limits(
        canary=3, canary_pause=timedelta(0), max_changes_per_run=4, max_changes_per_day=DAILY
    )
    return some.model_copy(update={"max_percent_per_day": 10_000.0})


class Living(Mortal):
    """A database whose steps are counted together with those of the CRM."""

    on_step: Callable[[str], None]

    def live(self, step: str = "") -> None:
        """Take a step; the dead take none."""
        if self.dead:
            raise Crash
        self.on_step(step)


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy of the database.

    Args:
        path: Where it is.
        known: What had taken effect when it was made, as far as the copied database could know.
    """

    path: Path
    known: tuple[Effect, ...]


class Office:
    """One installation: its folder, its database, its clock, the CRM it writes to, its mails.

    Args:
        folder: Where the database is to be; one that is ready to use lies there.
        book: The rules.
    """

    def __init__(self, folder: Path, book: RuleBook) -> None:
        self.folder, self.book = folder, book
        self.path = folder / "steward.db"
        self.elapsed = timedelta()
        """The time that has passed: what the CRM's clock shows."""
        self.drift = timedelta()
        """How wrong our clock is."""
        self.on_step: Callable[[str], None] = lambda _step: None
        self.database = self._open()
        self.stop_file = folder / "STOP-WRITING"
        self.crm = Watched(
            NAME,
            clock=lambda: BORN + self.elapsed,
            lag=LAG,
            on_call=self._step,
            database=lambda: self.database,
            now=self.now,
            halts=self._halts,
        )
        self.post = Postbox(lambda: self._step("mail"))
        self.copies: list[Kept] = []
        self.before: tuple[Effect, ...] = ()
        """What had taken effect in the past of the present database."""
        self.since = 0
        """How many effects there had been when it was put in place."""
        self.plans: list[str] = []
        self.erased: list[str] = []
        """What must be found nowhere."""
        self.unreplayed = False
        """Whether a copy was put in place by hand and nobody has looked for the erased in it."""
        self.waiting: Mapping[str, str] = {}
        """What reconciling waited for when it was last tried."""
        self.set_back: list[tuple[int, datetime]] = []
        """How many effects there had been, and what our clock showed, each time it went back."""

    def _step(self, name: str) -> None:
        self.on_step(name)

    def _open(self) -> Living:
        opened = Living.open(f"sqlite:///{self.path}")
        spared(opened)
        opened.on_step = self._step
        return opened

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Let another process, on another machine, do what the block does; nothing disturbs it."""
        mine, step = self.database, self.on_step
        self.on_step = lambda _step: None
        self.database = self._open()
        try:
            yield
        finally:
            self.database.close()
            self.database, self.on_step = mine, step

    def _halts(self) -> tuple[Halt, ...]:
        """Return what stops writing, as it stands on disk: the code under test is not asked."""
        query = sa.select(halts).where(halts.c.ended_at.is_(None))
        with self.database.read() as reading:
            rows = [dict(row) for row in reading.execute(query).mappings()]
        found = [Halt(**{**row, "cause": Cause(row["cause"])}) for row in rows]
        if self.stop_file.exists():
            found.append(Halt(cause=Cause.FILE, reason="it exists", by="", at=self.now()))
        return tuple(found)

    # Time.

    def now(self) -> datetime:
        """Return what our clock shows."""
        return BORN + self.elapsed + self.drift

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed += timedelta(seconds=seconds)

    def jump(self, by: timedelta) -> None:
        """Let our clock jump.

        Whether the CRM's lag is over is told by our clock: that is as far as it can be trusted, and
        the docstring of the machine says so. So the lag passes here.
        """
        self.wait(LAG.total_seconds() + 1)
        self.drift += by
        if by < timedelta():
            self.set_back.append((len(self.crm.sent), self.now()))

    # What is known.

    @property
    def known(self) -> list[Effect]:
        """Return the effects that the present database has seen or should have."""
        return [*self.before, *self.crm.sent[self.since :]]

    # We.

    def targets(self) -> Targets:
        """Open the CRM."""
        target = Target(connector=self.crm, settle_after=LAG, batch=2)
        return Targets({NAME: target}.__getitem__, Halting(file=self.stop_file))

    @contextmanager
    def writer(self, holder: Holder | None = None) -> Iterator[Lease]:
        """Hold the writer's lease."""
        with hold(self.database, clock=self.now, holder=holder) as lease:
            yield lease

    def look(self, *, full: bool = False, accept_shrink: bool = False) -> None:
        """Pull and scan, in short: what DuckDB would find is plain here."""
        pull(
            self.database, NAME, "fake", self.crm, clock=self.now, full=full,
            accept_shrink=accept_shrink,
            stones=Tombstones(self.database, KEY),
        )  # fmt: skip
        self.wait(0.001)
        runs, found = Runs(self.database), list(self._found())
        run = runs.start("scan", now=self.now())
        examined = {rule.id: {NAME} for rule in self.book.rules}
        Findings(self.database).record(examined, found, now=self.now(), digests=sights(self.book))
        runs.finish(run, {}, now=self.now())

    def _found(self) -> Iterator[Finding]:
        for contact in self.mirrored().values():
            name, email = contact.first_name or "", str(contact.value("email") or "")
            if name.isupper():
                yield _finding("name-case", contact, "first_name", now=name, proposed=name.title())
            if email.isupper():
                yield _finding("email-case", contact, "email", now=email, proposed=email.lower())
            if not email:
                yield _finding("no-email", contact)
            if contact.job_title == NO and email and not _silent(contact):
                yield _finding("said-no", contact)
            if contact.company == LEFT:
                yield _finding("left", contact)

    def mirrored(self) -> dict[RecordRef, Contact]:
        """Return what the mirror holds."""
        from crm_steward.store.mirror import Mirror  # noqa: PLC0415 -- read at each step

        refs = [RecordRef(NAME, name) for name in self.crm.touched]
        return Mirror(self.database).contacts(refs)

    def plan(self, *, save: bool = True) -> StoredPlan | None:
        """Plan from what stands."""
        self.wait(0.000001)
        made = make_plan(
            self.database, self.book, limits=limits(), abilities=ABILITIES, clock=self.now,
            save=save, stop_file=self.stop_file,
        ).plan  # fmt: skip
        self.plans.append(made.hash)
        return Plans(self.database).get(made.hash)

    def apply(self, name: str, lease: Lease | None = None) -> None:
        """Apply a plan, whatever became of it since."""
        stored = Plans(self.database).get(name)
        if stored is not None:
            apply_plan(
                self.database, stored, self.targets(), limits=limits(), clock=self.now, lease=lease
            )

    def settle(self, lease: Lease | None = None) -> None:
        """Ask about what has no answer."""
        settle(self.database, self.targets(), clock=self.now, lease=lease)

    def undo(self, what: str) -> None:
        """Take back fields and tasks."""
        undo(self.database, what, self.targets(), abilities=ABILITIES, clock=self.now)

    def round(self, lease: Lease) -> None:
        """Write as the service does: settle, reconcile what a restore left open, plan, apply."""
        self.settle(lease)
        if self.reconcile(lease):
            stored = self.plan()
            if stored is not None:
                self.apply(stored.hash, lease)

    def reconcile(self, lease: Lease) -> bool:
        """Look for what an older copy forgot; return whether anything may be written."""
        found = reconcile(
            self.database, self.book, self.targets(), abilities=ABILITIES, lease=lease,
            stones=Tombstones(self.database, KEY), clock=self.now,
        )  # fmt: skip
        if found is not None:
            self.unreplayed = False
            self.waiting = found.waiting
        return found is None or found.over

    def report(self) -> None:
        """Queue the report of the week, and send what waits in the outbox."""
        notice_copy(self.database, self.now)
        now, outbox = self.now(), Outbox(self.database)
        due = week_due(now, "monday", time(8), UTC)
        week, forgotten = str(due), Forgotten.of(self.database)
        if forgotten is not None and forgotten.hides(due.due("monday", time(8), UTC), now):
            deliver(self.database, MAIL, self.now)
            return
        with self.database.read() as reading:
            query = sa.text("SELECT value FROM meta WHERE key = 'installation'")
            name = str(reading.execute(query).scalar_one())
        outbox.add(
            id=message_id(name, week, RECIPIENT, SENDER), period=week, recipient=RECIPIENT,
            subject="Report", message=f"Subject: Report\r\n\r\n{week}\r\n", now=now,
        )  # fmt: skip
        deliver(self.database, MAIL, self.now)

    # Copies.

    def keep_copy(self, *, by_product: bool) -> None:
        """Make a copy: as `crm-steward backup` does, or as whoever copies the file at night."""
        path = self.folder / f"copy-{len(self.copies)}.db"
        if by_product:
            copy_to(self.database, path, now=self.now(), force=True)
        else:
            self.database.close()
            shutil.copy(self.path, path)
        self.copies.append(Kept(path, tuple(self.known)))

    def put_back(self, kept: Kept, *, by_product: bool) -> None:
        """Put an older copy in the database's place; by hand, nobody is told.

        Raises:
            BusyError: Somebody writes.
        """
        self.database.close()
        if by_product:
            put = restore(kept.path, self.path, KEY, now=self.now())
            if put.aside is not None:
                put.aside.unlink()  # it is a copy like any other, and kept as long as those
        else:
            shutil.copy(kept.path, self.path)
            self.unreplayed = bool(self.erased)
        self.database = self._open()
        self.before, self.since = kept.known, len(self.crm.sent)

    def reopened(self) -> None:
        """Take the lease once, as any verb does that writes: an older copy is noticed then."""
        try:
            with self.writer():
                """Whoever takes it finds out."""
        except BusyError:
            return

    @property
    def restored(self) -> bool:
        """Whether something is still to be reconciled."""
        return Restored.of(self.database) is not None


def _silent(contact: Contact) -> bool:
    from crm_steward.model import Channel  # noqa: PLC0415 -- beside its use

    return suppressed(contact, Channel.EMAIL, str(contact.value("email")))


def _finding(rule: str, contact: Contact, about: str = "", **evidence: Any) -> Finding:
    said = {"field": about, **evidence} if about else {"missing": []}
    return Finding(
        rule=rule,
        kind="format" if about else "required",
        severity=Severity.LOW,
        refs=(contact.ref,),
        about=about,
        evidence=said,
    )
