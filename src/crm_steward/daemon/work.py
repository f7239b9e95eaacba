"""What the jobs do: each opens what it needs, calls one verb, and counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime

import structlog

from crm_steward.connect.discovery import open_connection, paced_calls, spec_of
from crm_steward.connect.protocol import Connector
from crm_steward.connect.spec import ConnectionSettings
from crm_steward.daemon.heavy import Heavy, stamps_of
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.pulling import pull_pages
from crm_steward.daemon.telling import tell_applied, tell_pulled
from crm_steward.daemon.trimming import trim
from crm_steward.daemon.writer import SharedLease
from crm_steward.model import (
    AuthError,
    Clock,
    MailError,
    OtherAccountError,
    RetryableError,
    StewardError,
)
from crm_steward.report import deliver, in_turn, notice_copy, queue_alerts, wanting
from crm_steward.settings import Settings, key_of, vault_of
from crm_steward.store.database import Database
from crm_steward.store.lease import Lease
from crm_steward.store.mirror import Mirror
from crm_steward.store.outbox import Outbox
from crm_steward.store.plans import Plans
from crm_steward.store.purging import purge
from crm_steward.store.restored import Restored
from crm_steward.store.rulebooks import Rulebooks
from crm_steward.store.runs import Runs
from crm_steward.store.tombstones import Tombstones
from crm_steward.store.usages import counting
from crm_steward.writing.apply import apply_plan
from crm_steward.writing.counts import ApplyCounts
from crm_steward.writing.reconcile import reconcile
from crm_steward.writing.revisit import revisit
from crm_steward.writing.settle import settle
from crm_steward.writing.targets import Target, Targets

_log = structlog.stdlib.get_logger(__name__)


class Work:
    """The verbs of a running service.

    Args:
        settings: What to do.
        database: The store.
        heavy: Does the heavy verbs, and knows the rules that run.
        metrics: What is counted.
        clock: The time.
        stop: Set when the service is asked to stop: each step ends at its next safe point.
        nudge: Lets a job run now, because what it depends on has changed.
        monotonic: Seconds that never go back: calls are paced by them.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        heavy: Heavy,
        metrics: Metrics,
        *,
        clock: Clock,
        stop: threading.Event,
        nudge: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._database = database
        self._heavy = heavy
        self._metrics = metrics
        self._clock = clock
        self._stop = stop
        self._nudge = nudge
        self._writer = SharedLease(database, clock)
        self._vault = vault_of(settings, clock=clock)
        self._calls = {
            name: paced_calls(name, one, stop=stop, clock=clock, monotonic=monotonic)
            for name, one in self._enabled().items()
        }
        metrics.watch(self._calls)
        self._measure()

    def pull(self, name: str) -> None:
        """Bring what changed in one connection into the mirror; all of it when that is due."""
        with (
            self._pausing(name),
            self._writer.use() as lease,
            counting(self._database, {name: self._calls[name]}, self._clock),
            closing(self._open(name, self._settings.connections[name])) as connector,
        ):
            counts = pull_pages(
                self._database,
                self._settings,
                name,
                connector,
                lease,
                clock=self._clock,
                stop=self._stop,
                nudge=self._nudge,
            )
            for outcome in ("new", "changed", "gone", "merged", "poison", "missed", "reappeared"):
                self._metrics.records.labels(name, outcome).inc(getattr(counts, outcome))
            tell_pulled(name, counts)
            if counts.read:
                trim()
            self._revisit(name, connector, lease)

    def take_up(self) -> None:
        """Call for the scan of what pulls had stored that were cut off with the process."""
        states = Mirror(self._database).states().values()
        if any(state.broke_off for state in states):
            self._nudge("scan-changed")

    def _revisit(self, name: str, connector: Connector, lease: Lease) -> None:
        """Compare clocks and read canaries back; one alarm when the clocks begin to be apart."""
        apart = revisit(
            self._database,
            name,
            connector,
            lease,
            settings=self._settings,
            spec=spec_of(self._settings.connections[name].kind),
            ahead=self._calls[name].ahead,
            now=self._clock(),
        )
        if apart:
            why = f"ahead by {apart}; set this machine's clock right (NTP)"
            _log.error("the clocks are apart: what counts by age waits", connection=name, why=why)
            self._nudge("report")

    @contextmanager
    def _rules_read(self) -> Iterator[None]:
        """What is wrong with the rules that the block reads goes into the metrics and the report."""
        try:
            yield
        finally:
            self._measure()
            Rulebooks(self._database).note(self._heavy.rules.problems, now=self._clock())

    def _measure(self) -> None:
        self._metrics.rules.set(self._heavy.rules.count)
        self._metrics.rules_broken.set(bool(self._heavy.rules.problems))

    def scan(self) -> None:
        """Look at the mirror with the rules as they stand on disk."""
        self._scan(changed=False)

    def scan_changed(self) -> None:
        """Look at the contacts that changed since the last scan, for what must not wait."""
        self._scan(changed=True)

    def _scan(self, *, changed: bool) -> None:
        if changed and not any(run.status == "done" for run in Runs(self._database).latest("scan")):
            return  # all of it changed: the first pull calls for a scan of everything
        if not any(state.last_full_at for state in Mirror(self._database).states().values()):
            _log.info("nothing to scan yet: the first pull calls for it when it is done")
            return
        with self._rules_read(), self._writer.use() as lease:
            scanned = self._heavy.scan(lease, changed=changed)
        _log.info("scanned changes" if changed else "scanned", **scanned.figures)
        for rule, figures in scanned.jumped.items():
            why = f"it found {figures}; if that is right: crm-steward accept {rule}"
            _log.error("a rule that found far more than usual only reports now", rule=rule, why=why)
            self._nudge("report")
        if not changed or scanned.moved:
            self._nudge("apply")

    def apply(self) -> None:
        """Settle what was left open, then write what rules in mode `apply` ask for, within limits.

        A new plan is stored only when it holds something automatic: one that a person is looking
        at is not replaced for nothing.
        """
        with (
            self._writer.use() as lease,
            counting(self._database, self._calls, self._clock),
            closing(self._targets()) as targets,
        ):
            settled = settle(
                self._database, targets, clock=self._clock, stop=self._stop, lease=lease
            )
            self._count(settled)
            if self._reconciled(targets, lease) and self._settings.service.apply_automatic:
                self._write(targets, lease)
            failures = dict(targets.failures)
        self._fail(failures)

    def _write(self, targets: Targets, lease: Lease) -> None:
        """Plan, and write what is automatic of it."""
        with self._rules_read():
            made = self._heavy.plan(lease)
        stored = Plans(self._database).get(made.hash) if made else None
        if made is None or stored is None:
            return
        counts = apply_plan(
            self._database,
            stored,
            targets,
            limits=self._settings.limits,
            rules=made.rules,
            clock=self._clock,
            stop=self._stop,
            lease=lease,
        )
        self._count(counts)

    def _reconciled(self, targets: Targets, lease: Lease) -> bool:
        """Look for what a restored database forgot; return whether anything may be written."""
        if Restored.of(self._database) is None:
            return True
        settings = self._settings
        found = reconcile(
            self._database,
            self._heavy.book(),
            targets,
            abilities=settings.abilities,
            lease=lease,
            stones=Tombstones(self._database, key_of(settings)),
            language=settings.language,
            zone=settings.timezone,
            clock=self._clock,
        )
        if found is None:
            return True
        _log.warning(
            "reconciled" if found.over else "reconciling: nothing is written yet",
            asked=found.asked,
            found=found.found,
            waiting=found.waiting,
        )
        return found.over

    def purge(self) -> None:
        """Forget what the settings no longer keep of what was written."""
        now, keep = self._clock(), self._settings.journal
        with self._writer.use() as lease:
            purged = purge(
                self._database,
                values_before=now - keep.keep_values,
                evidence_before=now - keep.keep_consent_evidence,
                now=now,
                lease=lease,
            )
        counts = asdict(purged)
        if any(counts.values()):
            _log.info("purged", **counts)

    def restore_test(self) -> None:
        """Look whether the newest backup can be restored, when it is time; a failure is an alert."""
        if self._heavy.restore_test(self._clock()):
            self._nudge("report")

    def report(self) -> None:
        """Write the weekly report when it is due, and alerts, and send what waits in the outbox.

        Both do nothing when there is nothing to do, so that this can be called at any time.

        Raises:
            MailError: The mail server did not take mails; as long as they wait in the outbox.
        """
        notice_copy(self._database, self._clock)
        now, database, settings = self._clock(), self._database, self._settings
        in_turn(
            [
                lambda: self._weekly(now),
                lambda: queue_alerts(database, settings, now),
                self._deliver,
            ]
        )

    def _weekly(self, now: datetime) -> None:
        """Queue what is missing of this week's mails; read the rules only then, or when edited."""
        edited = stamps_of(self._settings) != self._heavy.rules.stamps
        if edited or wanting(self._database, self._settings, now):
            with self._rules_read():
                self._heavy.weekly(now)

    def _deliver(self) -> None:
        mail = self._settings.mail
        if mail is None:
            return
        if deliver(self._database, mail, self._clock, stop=self._stop).left:
            raise RetryableError("Stopped; what was not sent waits in the outbox.", sent=False)
        # Also where none is due right now: it works again when nothing waits any more.
        if reasons := Outbox(self._database).complaints():
            raise MailError(f"{mail.host}:{mail.port}: {min(reasons)}.")

    def _enabled(self) -> dict[str, ConnectionSettings]:
        return {name: one for name, one in self._settings.connections.items() if one.enabled}

    def _target(self, name: str) -> Target:
        configured = self._settings.writable(name)
        if paused := self._paused(name):
            raise AuthError(paused, hint="The next pull tries the credential again.")
        spec = spec_of(configured.kind)
        connector = self._open(name, configured)
        return Target(
            connector=connector,
            settle_after=spec.settle_after,
            batch=spec.batch,
            ahead=lambda: self._calls[name].ahead,
        )

    def _targets(self) -> Targets:
        return Targets(self._target, self._settings.halt)

    def _count(self, counts: ApplyCounts) -> None:
        if counts.turned:
            self._nudge("report")
        for state, number in counts.states.items():
            if number:
                self._metrics.changes.labels(str(state)).inc(number)
        tell_applied(counts)

    def _fail(self, failures: Mapping[str, StewardError]) -> None:
        """Raise the first of what failed, when the connections that work have had their turn.

        A refused credential pauses its connection and holds up nobody else: its next pull asks again.
        """
        for name, error in failures.items():
            if isinstance(error, AuthError):
                self._pause(name, error, self._paused(name))
        for error in failures.values():
            if not isinstance(error, AuthError):
                raise error

    @contextmanager
    def _pausing(self, name: str) -> Iterator[None]:
        """Write down that the connection waits for a person when its credential is refused."""
        before = self._paused(name)
        try:
            yield
        except AuthError as error:
            self._pause(name, error, before)
            raise

    def _paused(self, name: str) -> str | None:
        return Mirror(self._database).state(name).paused_reason

    def _pause(self, name: str, error: AuthError, before: str | None) -> None:
        """Pause a connection; one alarm when that begins: repeated ones teach to look away."""
        kind = self._settings.connections[name].kind
        Mirror(self._database).note(
            name, kind, paused_reason=error.message, last_error=error.message
        )
        if before is None:
            other = isinstance(error, OtherAccountError)
            what = "paused: it is another account" if other else "paused: the credential is refused"
            _log.error(what, why=str(error), connection=name)
            self._nudge("report")

    def _open(self, name: str, configured: ConnectionSettings) -> Connector:
        return open_connection(
            name,
            configured,
            clock=self._clock,
            stop=self._stop,
            calls=self._calls[name],
            vault=self._vault,
        )
