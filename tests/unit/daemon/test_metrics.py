"""What the service shows of the store to Prometheus."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.schedule import Cadence
from crm_steward.model import Finding, RecordRef, Severity
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.jobs import Jobs, JobState
from crm_steward.store.runs import Runs
from crm_steward.store.snoozes import Snooze, Snoozes


def test_what_the_last_plan_left_out_is_counted_by_reason(database: Database, clock: Any) -> None:
    """Of the last plan only; nothing before there was one."""
    registry = Metrics(database, clock=clock).registry

    def gauge(reason: str) -> float | None:
        return registry.get_sample_value("crm_steward_changes_withheld", {"reason": reason})

    assert gauge("undone") is None
    runs = Runs(database)
    for withheld in ({"conflict": 5}, {"undone": 2, "swing": 1}):
        runs.finish(runs.start("plan", now=clock()), {"withheld": withheld}, now=clock())
        clock.forward(hours=1)
    assert (gauge("undone"), gauge("swing"), gauge("conflict")) == (2, 1, None)


def test_snoozed_findings_are_counted_by_rule(database: Database, clock: Any) -> None:
    """Those that stand and sleep now; nobody's words among the labels."""
    found = [
        Finding(
            rule=rule, kind="stale", severity=Severity.LOW, refs=(RecordRef("crm", str(number)),)
        )
        for rule, number in (("r", 1), ("r", 2), ("r", 3), ("s", 1))
    ]
    examined = {"r": {"crm"}, "s": {"crm"}}
    Findings(database).record(examined, found, now=clock())
    Snoozes(database).snooze(
        Snooze(
            fingerprint=one.fingerprint,
            rule=one.rule,
            until=clock() + timedelta(days=days),
            reason="canary",
            by="canary",
            at=clock(),
        )
        for one, days in zip(found, (1, 7, 7, 7), strict=True)
    )
    Findings(database).record(examined, [found[0], found[1], found[3]], now=clock())
    registry = Metrics(database, clock=clock).registry

    def gauge(name: str, rule: str) -> float | None:
        return registry.get_sample_value(f"crm_steward_findings_{name}", {"rule": rule})

    assert (gauge("snoozed", "r"), gauge("snoozed", "s"), gauge("open", "r")) == (2, 1, 2)
    clock.forward(days=1)
    assert gauge("snoozed", "r") == 1
    clock.forward(days=6)
    assert gauge("snoozed", "r") is None


def test_jobs_of_a_connection_that_was_removed_alarm_nobody(database: Database, clock: Any) -> None:
    """What failed when it was taken out of the settings never succeeds again."""
    failing = JobState(last_attempt_at=clock(), failures=7)
    for job in ("pull:gone", "pull:kept", "rule:stale:0123456789ab"):
        Jobs(database).save(job, failing)
    planned = {"pull:kept": Cadence(timedelta(minutes=15)), "scan": Cadence(timedelta(hours=1))}
    registry = Metrics(database, clock=clock, cadences=planned).registry

    def shown(metric: str, label: str) -> dict[str, float]:
        return {
            sample.labels[label]: sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == f"crm_steward_{metric}"
        }

    assert shown("job_failures", "name") == {"pull:kept": 7}
    assert shown("pull_interval_seconds", "connection") == {"kept": 900}
