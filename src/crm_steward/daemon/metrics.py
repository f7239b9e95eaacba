"""What the service counts, for Prometheus. Labels are names from the settings, never a contact."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from crm_steward import __version__
from crm_steward.connect.calls import Calls
from crm_steward.daemon.schedule import Cadence
from crm_steward.model import Clock, StoreError, utc_now
from crm_steward.store.database import Database
from crm_steward.store.halts import Halts
from crm_steward.store.jobs import Jobs
from crm_steward.store.lines import State
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.outbox import WEEKLY, Delivery
from crm_steward.store.runs import Runs
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import findings, outbox, quarantine

_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400)


class Metrics:
    """The counters of one service, in a registry of their own.

    Args:
        database: Where the figures are read that outlive the process.
        clock: The time.
        stop_file: While it exists, nothing is written.
        cadences: Job → how often it runs, for each that the settings ask for. How often a connection
            is read is shown, so that an alarm knows what is late. Other jobs that the store knows,
            of connections that were removed, are not: nobody could put them right.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock = utc_now,
        stop_file: Path | None = None,
        cadences: Mapping[str, Cadence] = MappingProxyType({}),
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped in the library
        self.registry = CollectorRegistry(auto_describe=False)
        version = Gauge(
            "crm_steward_info", "The running version.", ["version"], registry=self.registry
        )
        version.labels(__version__).set(1)
        self.runs = Counter(
            "crm_steward_job_runs",
            "Jobs that ended, by how.",
            ["verb", "connection", "outcome"],
            registry=self.registry,
        )
        self.lag = Gauge(
            "crm_steward_job_lag_seconds",
            "How long after it was due the job last began: it waited for others.",
            ["name"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "crm_steward_job_duration_seconds",
            "How long jobs took.",
            ["verb"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.skipped = Counter(
            "crm_steward_job_skipped",
            "Runs that were left out because the last one still ran or the moment had passed.",
            ["verb", "reason"],
            registry=self.registry,
        )
        self.records = Counter(
            "crm_steward_pulled_records",
            "Records that pulls brought, by what became of them.",
            ["connection", "outcome"],
            registry=self.registry,
        )
        self.changes = Counter(
            "crm_steward_changes",
            "Changes sent to the CRMs, by how they ended.",
            ["outcome"],
            registry=self.registry,
        )
        for state in set(State) - {State.INTENT}:
            self.changes.labels(str(state))  # from zero on: the first of them is seen as growth
        self.rules = Gauge("crm_steward_rules", "Rules that run.", registry=self.registry)
        self.rules_broken = Gauge(
            "crm_steward_rules_broken",
            "1 while the rules on disk are wrong and the last good ones run on.",
            registry=self.registry,
        )
        every = Gauge(
            "crm_steward_pull_interval_seconds",
            "How often the connection is read.",
            ["connection"],
            registry=self.registry,
        )
        for job, cadence in cadences.items():
            verb, _, connection = job.partition(":")
            if verb == "pull":
                every.labels(connection).set(cadence.every.total_seconds())
        self.registry.register(_Stored(database, clock, stop_file, cadences))

    def expect(self, verb: str, connection: str, outcomes: Iterable[str]) -> None:
        """Count the runs of a job from zero on, so that Prometheus sees the first of them as growth.

        Args:
            verb: The job's.
            connection: Which connection it concerns; empty for none.
            outcomes: How a run may end.
        """
        for outcome in outcomes:
            self.runs.labels(verb, connection, outcome)

    def watch(self, calls: Mapping[str, Calls]) -> None:
        """Show what the connections' calls use of the CRMs' quotas, which belong to everybody.

        Args:
            calls: Connection → what paces its calls.
        """
        self.registry.register(_Called(calls))


class _Called(Collector):
    """Reads what was called, at each scrape."""

    def __init__(self, calls: Mapping[str, Calls]) -> None:
        self._calls = calls

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for name, about, figure in (
            ("", "Calls to a CRM, repeated ones included.", "calls"),
            ("_failed", "Calls to a CRM that ended in an error.", "failed"),
            ("_refused", "Calls that a CRM put off because its quota was used up.", "refused"),
            ("_repeated", "Calls to a CRM that were made again.", "retries"),
            ("_waited_seconds", "Time that calls waited for their turn.", "waited"),
        ):
            family = CounterMetricFamily(
                f"crm_steward_calls{name}", about, labels=["connection", "quota"]
            )
            for connection, calls in self._calls.items():
                for quota, stats in calls.stats.items():
                    family.add_metric([connection, quota], getattr(stats, figure))
            yield family
        used = GaugeMetricFamily(
            "crm_steward_quota_used_ratio",
            "Share of a day's quota that is gone, whoever used it, as the CRM last told.",
            labels=["connection", "quota"],
        )
        for connection, calls in self._calls.items():
            for quota, share in calls.gone.items():
                used.add_metric([connection, quota], share)
        yield used


class _Stored(Collector):
    """Reads the figures that the database holds, at each scrape."""

    def __init__(
        self, database: Database, clock: Clock, stop_file: Path | None, planned: Collection[str]
    ) -> None:
        self._database = database
        self._clock = clock
        self._stop_file = stop_file
        self._planned = planned

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("crm_steward_database_up", "1 while the database can be read.")
        try:
            stored = [
                *self._connections(),
                *self._halted(),
                *self._jobs(),
                *self._findings(),
                *self._waiting(),
                self._withheld(),
            ]
        except StoreError:
            stored = []
        up.add_metric([], 1 if stored else 0)
        yield up
        yield from stored

    def _connections(self) -> Iterator[GaugeMetricFamily]:
        states = Mirror(self._database).states()
        yield _family(
            "crm_steward_contacts",
            "Live contacts after the last full read.",
            ["connection"],
            {(name,): state.live for name, state in states.items()},
        )
        yield _family(
            "crm_steward_last_pull_timestamp_seconds",
            "When the connection was last read to the end.",
            ["connection"],
            {
                (name,): _seconds(state.last_success_at)
                for name, state in states.items()
                if state.last_success_at
            },
        )
        for word, about in (
            (
                "paused",
                "1 while the connection waits for a person: its credential is refused or opens another account.",
            ),
            ("frozen", "1 while nothing is written to the connection: its source shrank."),
        ):
            values = {(name,): float(bool(_reason(state, word))) for name, state in states.items()}
            yield _family(f"crm_steward_connection_{word}", about, ["connection"], values)

    def _halted(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "crm_steward_writing_stopped",
            "1 while nothing is written: by a pause, the stop file or refusals; all stands for all.",
            labels=["connection", "rule", "cause"],
        )
        halts = Halts(self._database, self._stop_file).standing()
        # Several may have the same labels.
        for labels in dict.fromkeys(
            (h.connection or "all", h.rule or "all", h.cause.value) for h in halts
        ):
            family.add_metric(labels, 1.0)
        yield family

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        known = Jobs(self._database).states()
        states = {name: state for name, state in known.items() if name in self._planned}
        yield _family(
            "crm_steward_job_last_success_timestamp_seconds",
            "When the job last ended well.",
            ["name"],
            {
                (name,): _seconds(state.last_success_at)
                for name, state in states.items()
                if state.last_success_at
            },
        )
        yield _family(
            "crm_steward_job_failures",
            "How often the job failed in a row.",
            ["name"],
            {(name,): state.failures for name, state in states.items()},
        )

    def _findings(self) -> Iterator[GaugeMetricFamily]:
        query = (
            sa.select(findings.c.rule, sa.func.count())
            .where(findings.c.state == "open")
            .group_by(findings.c.rule)
        )
        with self._database.read() as reading:
            rows = {(rule,): count for rule, count in reading.execute(query)}
            snoozed = reading.execute(query.where(asleep(self._clock())))
            sleeping = {(rule,): count for rule, count in snoozed}
        yield _family("crm_steward_findings_open", "Findings that stand.", ["rule"], rows)
        yield _family(
            "crm_steward_findings_snoozed",
            "Findings that stand and are left alone until a date.",
            ["rule"],
            sleeping,
        )

    def _waiting(self) -> Iterator[GaugeMetricFamily]:
        held = sa.select(quarantine.c.connection, sa.func.count()).group_by(quarantine.c.connection)
        queued = sa.select(outbox.c.status, sa.func.count()).group_by(outbox.c.status)
        sent = sa.select(sa.func.max(outbox.c.sent_at)).where(WEEKLY)
        with self._database.read() as reading:
            aside = {(name,): count for name, count in reading.execute(held)}
            mails = {(str(status),): 0.0 for status in Delivery}  # as with the changes
            mails |= {(status,): count for status, count in reading.execute(queued)}
            last = reading.execute(sent).scalar()
        yield _family(
            "crm_steward_quarantined",
            "Set aside: records that cannot be read, changes the CRM did not take.",
            ["connection"],
            aside,
        )
        yield _family("crm_steward_outbox", "Reports and alerts in the outbox.", ["status"], mails)
        report = GaugeMetricFamily(
            "crm_steward_last_report_timestamp_seconds", "When a report was last sent."
        )
        if last is not None:
            report.add_metric([], _seconds(last))
        yield report

    def _withheld(self) -> GaugeMetricFamily:
        last = next(iter(Runs(self._database).latest("plan", limit=1)), None)
        counts = last.counts.get("withheld", {}) if last else {}
        return _family(
            "crm_steward_changes_withheld",
            "Changes that rules ask for and the last plan left out, by reason.",
            ["reason"],
            {(reason,): number for reason, number in counts.items()},
        )


def _family(
    name: str, about: str, labels: list[str], values: dict[tuple[str], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family


def _reason(state: ConnectionState, word: str) -> str | None:
    return state.paused_reason if word == "paused" else state.frozen_reason


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
