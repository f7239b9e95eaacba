"""What `crm-steward status` shows: how each part of the work stands, from the database alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_steward.daemon.readiness import trouble_of
from crm_steward.daemon.schedule import cadences, next_due, next_report
from crm_steward.model import Severity
from crm_steward.report.reminders import RESTORE_TEST, RESTORE_TEST_BESIDE
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.halts import Halts
from crm_steward.store.jobs import Jobs
from crm_steward.store.lease import WRITER, Holder
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.outbox import OF_A_WEEK, Delivery
from crm_steward.store.plans import Plans, PlanStatus
from crm_steward.store.reminders import Duty, Reminders
from crm_steward.store.restored import RECONCILING, Restored
from crm_steward.store.rulebooks import broken_rules
from crm_steward.store.runs import Runs
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import findings, leases, outbox, runs
from crm_steward.writing import select

_SILENT = timedelta(hours=2)
"""A service that begins no job for so long does not run: it settles every hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How one part of the work stands.

    Args:
        name: Which part.
        text: How it stands.
        ok: Whether nobody needs to act.
        remedy: What to do next, if anything.
        facts: The same for programs, JSON-ready.
    """

    name: str
    text: str
    ok: bool = True
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        said = {"name": self.name, "ok": self.ok, "text": self.text, "remedy": self.remedy}
        return {**said, "facts": self.facts}


def parts(settings: Settings, database: Database, *, now: datetime) -> Iterator[Part]:
    """Look at each part of the work; nothing is changed and no CRM is called.

    Args:
        settings: What is to be done.
        database: The store.
        now: The time.

    Raises:
        StoreError: The database cannot be read.
    """
    look = _Look(settings, database, now)
    yield look.database_itself()
    yield from look.stopped()
    states = Mirror(database).states()
    for name, one in settings.connections.items():
        if one.enabled:
            yield look.connection(name, states.get(name, ConnectionState(connection=name)))
    yield look.rules()
    yield look.plan()
    if settings.report.mailed:
        yield look.report()
    yield look.service()
    if settings.reminders.restore_test:
        yield look.restore_test()


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at everything."""

    settings: Settings
    store: Database
    now: datetime

    def database_itself(self) -> Part:
        """Say where the database is, how large, at which schema, and who writes on it."""
        path = self.store.path
        with self.store.read() as reading:
            if path is None and self.store.dialect == "postgresql":
                of = sa.text("SELECT pg_database_size(current_database())")
                size = int(reading.execute(of).scalar_one())
            else:
                size = path.stat().st_size if path else 0
            query = sa.select(leases.c.holder).where(leases.c.name == WRITER)
            held = reading.execute(query).scalar() or ""
        holder = Holder.parse(held) if held else None
        # Of one that is elsewhere nobody here can tell whether it lives.
        writer = f"{holder.host}:{holder.pid}" if holder and holder.alive() is not False else None
        schema = self.store.version() or ""
        text = f"{self.store.place}: {_size(size)}, schema {schema}, "
        return Part(
            name="database",
            text=text + (f"{writer} writes to it" if writer else "nobody writes to it now"),
            facts={"place": self.store.place, "bytes": size, "schema": schema, "writer": writer},
        )

    def stopped(self) -> Iterator[Part]:
        """Say what stops writing: an older copy, pauses, the stop file, refusals."""
        restored = Restored.of(self.store)
        if restored is not None:
            waiting = restored.waiting(self.settings.abilities)
            yield Part(
                name="restored",
                ok=False,
                text=restored.said(self.settings.abilities),
                remedy=RECONCILING,
                facts={"since": restored.at.isoformat(), "waiting": list(waiting)},
            )
        halts = Halts(self.store, self.settings.halt.file).standing()
        for halt in halts:
            yield Part(
                name="writing",
                ok=False,
                text=f"{halt.sentence('en')}.",
                remedy=halt.remedy("en"),
                facts=halt.to_json(),
            )
        if not halts:
            yield Part(name="writing", text="nothing stops it")

    def connection(self, name: str, state: ConnectionState) -> Part:
        """Say when a connection was read, how many contacts it has, and what is wrong with it."""
        trouble = trouble_of(self.settings.connections[name], state, self.now)
        live = Mirror(self.store).live(name)
        read, full = self._when(state.last_success_at), self._when(state.last_full_at)
        text = f"{live:,} contacts, read {read}, in full {full}"
        return Part(
            name=f"connection {name}",
            ok=not trouble,
            text=f"{trouble} ({text})" if trouble else text,
            remedy=_remedy(name, state) if trouble else "",
            facts={
                "contacts": live,
                "read_at": _iso(state.last_success_at),
                "read_in_full_at": _iso(state.last_full_at),
                "paused": state.paused_reason,
                "frozen": state.frozen_reason,
                "last_error": state.last_error,
            },
        )

    def rules(self) -> Part:
        """Say when the rules last ran, what stands, and whether those on disk can be used."""
        with self.store.read() as reading:
            broken = broken_rules(reading)
            standing = (
                sa.select(findings.c.severity, sa.func.count())
                .where(findings.c.state == "open", ~asleep(self.now))
                .group_by(findings.c.severity)
            )
            counted = {Severity(level): n for level, n in reading.execute(standing)}
            snoozed = sa.select(sa.func.count()).where(findings.c.state == "open", asleep(self.now))
            sleeping = reading.execute(snoozed).scalar_one()
        runs = [run for verb in ("scan", "scan-changed") for run in Runs(self.store).latest(verb)]
        done = [run.ended_at for run in runs if run.status == "done" and run.ended_at]
        scanned_at = max(done, default=None)
        levels = ", ".join(
            f"{counted[level]:,} {level.label}" for level in sorted(counted, reverse=True)
        )
        text = f"ran {self._when(scanned_at)}; {sum(counted.values()):,} findings stand"
        text += f" ({levels})" if levels else ""
        text += f", {sleeping:,} are snoozed" if sleeping else ""
        remedy = "" if scanned_at else "crm-steward pull, then crm-steward scan"
        if broken:
            text = f"those on disk cannot be used, the former ones run on ({text})"
            remedy = "crm-steward check names each mistake with its place."
        return Part(
            name="rules",
            ok=broken is None and scanned_at is not None,
            text=text,
            remedy=remedy,
            facts={
                "scanned_at": _iso(scanned_at),
                "standing": {level.label: n for level, n in sorted(counted.items())},
                "snoozed": sleeping,
                "broken": list(broken.problems) if broken else [],
            },
        )

    def plan(self) -> Part:
        """Say which plan waits, what of it, and how it is looked at and approved."""
        stored = Plans(self.store).latest()
        usable = stored is not None and stored.status in (PlanStatus.OPEN, PlanStatus.APPLYING)
        if stored is None or not usable or stored.plan.expires_at <= self.now:
            return Part(name="plan", text="none waits", remedy="crm-steward plan makes one")
        chosen = select(self.store, stored, now=self.now, stop_file=self.settings.halt.file)
        waiting, ready = len(chosen.waiting), len(chosen.ready)
        shown = f"crm-steward apply {stored.hash}"
        how = f"{shown} shows it; {shown} --approve RULE --yes approves and writes"
        return Part(
            name="plan",
            text=f"{stored.hash} until {self._moment(stored.plan.expires_at)}: "
            f"{len(stored.plan.changes):,} changes, {waiting:,} wait for approval, {ready:,} ready",
            remedy=how if waiting or ready else "",
            facts={
                "hash": stored.hash,
                "changes": len(stored.plan.changes),
                "waiting_for_approval": waiting,
                "ready": ready,
                "halted": len(chosen.halted),
                "expires_at": stored.plan.expires_at.isoformat(),
            },
        )

    def report(self) -> Part:
        """Say whether the newest report and its digests have left."""
        newest = sa.select(sa.func.max(outbox.c.period)).where(OF_A_WEEK)
        query = sa.select(outbox.c.status, outbox.c.sent_at)
        with self.store.read() as reading:
            period = reading.execute(newest).scalar() or ""
            week = period[: len("2026-W47")]  # that of a digest goes on with its name
            rows = reading.execute(query.where(OF_A_WEEK, outbox.c.period.startswith(week))).all()
        if not week:
            return Part(name="report", text="none was sent yet", facts={"week": None})
        sent = [row.sent_at for row in rows if row.status == Delivery.SENT and row.sent_at]
        failed = sum(row.status == Delivery.FAILED for row in rows)
        text = f"{week}: sent to {len(sent)} of {len(rows)}"
        text += f", last {self._when(max(sent))}" if sent else ""
        return Part(
            name="report",
            ok=not failed,
            text=f"{text}; {failed} given up" if failed else text,
            remedy="See the log for what the mail server said; once mended: crm-steward report --send --again"
            if failed
            else "",
            facts={
                "week": week,
                "sent": len(sent),
                "of": len(rows),
                "failed": failed,
                "sent_at": _iso(max(sent, default=None)),
            },
        )

    def service(self) -> Part:
        """Say when the service last began something, what failed, and what is due next."""
        planned = cadences(self.settings)
        states = {name: s for name, s in Jobs(self.store).states().items() if name in planned}
        attempts = [s.last_attempt_at for s in states.values() if s.last_attempt_at]
        last = max(attempts, default=None)
        if last is None:
            remedy = "crm-steward run, or by hand: crm-steward pull"
            return Part(name="service", text="never ran here", remedy=remedy, facts={"due": {}})
        due = {name: next_due(state, planned[name], self.now) for name, state in states.items()}
        if "report" in due:
            zone = self.settings.timezone
            due["report"] = next_report(self.now, self.settings.report, zone)
        failing = {name: state.failures for name, state in states.items() if state.failures}
        silent = self.now - last > _SILENT
        coming = sorted(due.items(), key=lambda one: one[1])
        text = f"last at work {self._when(last)}; next: " + ", ".join(
            f"{name} {self._moment(at) if at > self.now else 'now'}" for name, at in coming
        )
        wrong = [f"{name} failed {n} times in a row" for name, n in sorted(failing.items())]
        wrong += ["it does not run"] if silent else []
        remedy = "Its log says why; /readyz and crm-steward check say more." if failing else ""
        return Part(
            name="service",
            ok=not wrong,
            text=f"{'; '.join(wrong)} ({text})" if wrong else text,
            remedy="Start it: crm-steward run, or its unit or container." if silent else remedy,
            facts={
                "last_at_work": last.isoformat(),
                "failures": failing,
                "due": {name: at.isoformat() for name, at in coming},
            },
        )

    def restore_test(self) -> Part:
        """Say when a backup was last restored for a test, how that went, and who does the next."""
        every, itself = self.settings.reminders.restore_test, self.settings.service.restore_test
        (one,) = Reminders(self.store).standing({Duty.RESTORE_TEST: every})
        oldest = sa.select(sa.func.min(runs.c.started_at))
        with self.store.read() as reading:
            begun = reading.execute(oldest).scalar() or self.now
        last, due = one.done, one.due or begun + every
        text = f"a backup was restored {self._when(last.at)}" if last else "none was made yet"
        text += f", the next is due {self._moment(due)}"
        if one.failed:
            failed = f"{self._when(one.failed.at)} it failed: {one.failed.result} {one.failed.note}"
            text = f"{failed.rstrip()} ({text})"
        sqlite = self.store.dialect == "sqlite"
        by_hand = RESTORE_TEST if sqlite else f"pg_restore, then {RESTORE_TEST_BESIDE}"
        how = f"{by_hand}; schedule it"
        how += ", or set service.restore_test" if sqlite else " (deploy/README.md, Restore test)"
        if itself:
            how = f"The service tests the newest of {itself}. By hand: {by_hand}"
        return Part(
            name="restore test",
            ok=one.failed is None and self.now < due,
            text=text,
            remedy=how if last is None or one.failed or self.now >= due else "",
            facts={
                "done_at": _iso(last.at if last else None),
                "failed_at": _iso(one.failed.at if one.failed else None),
                "due": due.isoformat(),
                "by_the_service": itself is not None,
            },
        )

    def _when(self, at: datetime | None) -> str:
        """Return a moment and how long ago it was."""
        return "never" if at is None else f"{_ago(self.now - at)} ({self._moment(at)})"

    def _moment(self, at: datetime) -> str:
        return f"{at.astimezone(self.settings.timezone):%Y-%m-%d %H:%M %Z}"


def _remedy(name: str, state: ConnectionState) -> str:
    if state.paused_reason:
        return f"Renew the credential, then: crm-steward pull --connection {name}"
    if state.frozen_reason:
        shrunk = f"crm-steward pull --connection {name} --full --accept-shrink"
        return f"Find out where the contacts went; if they are meant to be gone: {shrunk}"
    return f"crm-steward pull --connection {name}"


def _ago(passed: timedelta) -> str:
    seconds = max(int(passed.total_seconds()), 0)
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 -- decimal units
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
