"""The runner: what goes wrong is sorted by who must act, said once, and never stops the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.runner import Job, Runner
from crm_steward.daemon.schedule import Cadence
from crm_steward.model import (
    AuthError,
    BusyError,
    ConfigError,
    MailError,
    Problem,
    RetryableError,
    StewardError,
    StoreError,
)
from crm_steward.store.database import Database
from crm_steward.store.jobs import Jobs


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def metrics(database: Database) -> Metrics:
    """Give counters of our own."""
    return Metrics(database)


@pytest.fixture
def stop() -> threading.Event:
    """Give what a signal would set."""
    return threading.Event()


@pytest.fixture
def runner(database: Database, metrics: Metrics, clock: Any, stop: threading.Event) -> Runner:
    """Give a runner on an empty database."""
    return Runner(Jobs(database), metrics, clock, stop)


def job(work: Callable[[], None], **parts: Any) -> Job:
    """Return an hourly pull of hubspot-eu that does `work`."""
    cadence = Cadence(timedelta(hours=1), jitter=0)
    return Job(verb="pull", connection="hubspot-eu", work=work, cadence=cadence, **parts)


def failing(error: Exception) -> Callable[[], None]:
    """Return work that raises `error`."""

    def work() -> None:
        raise error

    return work


def outcome(metrics: Metrics, ending: str) -> float:
    """Return how often a pull ended so."""
    labels = {"verb": "pull", "connection": "hubspot-eu", "outcome": ending}
    return metrics.registry.get_sample_value("crm_steward_job_runs_total", labels) or 0


def test_a_success_is_written_down_and_due_again_after_the_interval(
    runner: Runner, database: Database, metrics: Metrics, clock: Any
) -> None:
    """A later process reads it and goes on from there."""
    due = runner.run(job(lambda: None))
    assert due == clock.now + timedelta(hours=1)
    state = Jobs(database).state("pull:hubspot-eu")
    assert (state.last_success_at, state.failures) == (clock.now, 0)
    assert outcome(metrics, "done") == 1


def test_a_new_process_catches_up_with_what_was_due_while_it_was_away(
    database: Database, metrics: Metrics, clock: Any, stop: threading.Event
) -> None:
    """Overdue: at once. Not yet due: at its own time, not at the start's."""
    Runner(Jobs(database), metrics, clock, stop).run(job(lambda: None))
    clock.forward(minutes=20)
    again = Runner(Jobs(database), metrics, clock, stop)
    assert again.due(job(lambda: None)) == clock.now + timedelta(minutes=40)
    clock.forward(days=3)
    assert again.due(job(lambda: None)) == clock.now


@pytest.mark.parametrize(
    ("error", "ending", "level", "pause"),
    [
        (RetryableError("CRM away."), "failed", "warning", timedelta(minutes=1)),
        (MailError("SMTP away."), "failed", "warning", timedelta(minutes=1)),
        (StoreError("Disk full."), "failed", "error", timedelta(minutes=1)),
        (ConfigError([Problem("no SDK.")]), "failed", "error", timedelta(minutes=1)),
        (AuthError("Token refused."), "unauthorized", "debug", timedelta(hours=1)),
        (BusyError("Another one."), "busy", "info", timedelta(minutes=1)),
    ],
)
def test_each_error_has_its_ending_its_level_and_its_pause(
    runner: Runner,
    metrics: Metrics,
    clock: Any,
    *,
    error: StewardError,
    ending: str,
    level: str,
    pause: timedelta,
) -> None:
    """Retry soon what passes by itself; ask rarely where a person must act."""
    with capture_logs() as logs:
        due = runner.run(job(failing(error)))
    assert due == clock.now + pause
    assert outcome(metrics, ending) == 1
    assert [line["log_level"] for line in logs] == [level]
    assert str(error) in logs[0]["why"]


def test_a_standing_trouble_is_said_once_and_its_end_too(runner: Runner) -> None:
    """One alarm when it begins, one line when it is over; repeated alarms teach to look away."""
    with capture_logs() as logs:
        for _ in range(5):
            runner.run(job(failing(StoreError("Disk full."))))
        assert runner.trouble() == {"pull:hubspot-eu": "Disk full."}
        runner.run(job(lambda: None))
    loud = [line["event"] for line in logs if line["log_level"] in {"error", "info"}]
    assert loud == ["failed; it is tried again", "works again"]
    assert runner.trouble() == {}


def test_failures_in_a_row_wait_longer_and_longer(runner: Runner, clock: Any) -> None:
    """1, 2, 4 … minutes, and never longer than the interval."""
    waits = [runner.run(job(failing(RetryableError("x.")))) - clock.now for _ in range(9)]
    minutes = [wait.total_seconds() / 60 for wait in waits]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_bug_is_logged_without_its_message_counted_and_the_next_run_goes_on(
    runner: Runner, metrics: Metrics
) -> None:
    """A foreign exception's message may hold a contact; one job's bug is not the service's end."""
    with capture_logs() as logs:
        for _ in range(2):
            runner.run(job(failing(KeyError("ann@example.com"))))
        runner.run(job(failing(IndexError("ann@example.com"))))
        runner.run(job(lambda: None))
    # The same one again is no news, another one is.
    assert [line["log_level"] for line in logs] == ["error", "debug", "error", "info"]
    assert "ann@example.com" not in str([{**line, "exc_info": None} for line in logs])
    assert outcome(metrics, "bug") == 3
    assert outcome(metrics, "done") == 1


def test_what_stopping_interrupts_is_no_failure(
    runner: Runner, metrics: Metrics, database: Database, stop: threading.Event
) -> None:
    """SIGTERM in the middle of a pull leaves no failure behind, and the next start goes on soon."""

    def work() -> None:
        stop.set()
        raise RetryableError("stopped while waiting", sent=False)

    runner.run(job(work))
    assert outcome(metrics, "stopped") == 1
    assert Jobs(database).state("pull:hubspot-eu").failures == 0


def test_nothing_begins_after_stop(runner: Runner, stop: threading.Event) -> None:
    """A job that waited for a thread does not start when the service is ending."""
    began = []
    stop.set()
    runner.run(job(lambda: began.append(1)))
    assert began == []


def test_a_moment_comes_before_the_interval(runner: Runner, clock: Any) -> None:
    """The report is nudged exactly when it falls due, whatever its interval."""

    def in_five(now: datetime) -> datetime:
        return now + timedelta(minutes=5)

    assert runner.run(job(lambda: None, moment=in_five)) == clock.now + timedelta(minutes=5)


def test_the_schedule_survives_a_database_that_is_away(
    runner: Runner, database: Database, clock: Any
) -> None:
    """The state is kept in memory: an hourly job stays hourly, and nothing is raised."""
    with database.write() as writing:
        writing.exec_driver_sql("ALTER TABLE jobs RENAME TO away")
    assert runner.run(job(lambda: None)) == clock.now + timedelta(hours=1)
    assert runner.due(job(lambda: None)) == clock.now + timedelta(hours=1)


def test_who_is_called_for_is_due_until_it_begins_also_in_another_process(
    runner: Runner, database: Database, metrics: Metrics, clock: Any, stop: threading.Event
) -> None:
    """It ran a moment ago; whatever ends the process before it runs again, the call stands."""
    scan = job(lambda: None)
    runner.run(scan)
    assert runner.due(scan) == clock.now + timedelta(hours=1)
    runner.call(scan)
    assert runner.due(scan) == clock.now
    later = Runner(Jobs(database), metrics, clock, stop)
    assert later.due(scan) == clock.now
    later.run(scan)
    assert later.due(scan) == clock.now + timedelta(hours=1)


def test_a_call_while_it_runs_is_not_taken_back_by_its_end(
    runner: Runner, database: Database, clock: Any
) -> None:
    """The run that goes on may have looked before what it is called for."""
    scan = job(lambda: runner.call(scan))
    runner.run(scan)
    assert Jobs(database).state(scan.name).last_success_at == clock.now
    assert runner.due(scan) == clock.now


def test_a_lease_that_somebody_else_took_ends_no_job_half_way(
    runner: Runner, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the job stands cannot be written then: it is known in memory, and the job does its work."""

    def taken(*_: Any) -> None:
        raise BusyError("Another process took over.")

    monkeypatch.setattr(Jobs, "save", taken)
    ran = list[int]()
    runner.run(job(lambda: ran.append(1)))
    assert ran == [1]
    assert outcome(metrics, "done") == 1
