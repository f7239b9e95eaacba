"""When jobs are due: after downtime, failures, clock jumps, and across the change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.daemon.schedule import Cadence, Setback, next_due, next_report
from crm_steward.settings import Report
from crm_steward.store.jobs import JobState

NOW = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
HOURLY = Cadence(timedelta(hours=1), jitter=0)


def ago(**amount: float) -> datetime:
    """Return the time so long before NOW."""
    return NOW - timedelta(**amount)


def done(at: datetime) -> JobState:
    """Return the state of a job that succeeded at `at`."""
    return JobState(last_success_at=at, last_attempt_at=at)


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (JobState(), NOW),
        (done(ago(minutes=20)), NOW + timedelta(minutes=40)),
        (done(ago(days=9)), NOW),  # it was due while we were away
        (done(NOW + timedelta(days=400)), NOW + timedelta(hours=1)),  # the clock was set back
        (JobState(last_attempt_at=ago(seconds=30), failures=1), NOW + timedelta(seconds=30)),
        (JobState(last_attempt_at=NOW, failures=3), NOW + timedelta(minutes=4)),
        (JobState(last_attempt_at=NOW, failures=60), NOW + timedelta(hours=1)),
        # Interrupted by a crash: soon again, but not in a loop.
        (JobState(last_attempt_at=NOW), NOW + timedelta(minutes=1)),
        (
            JobState(last_attempt_at=NOW, last_success_at=ago(hours=1)),
            NOW + timedelta(minutes=1),
        ),
    ],
)
def test_a_job_is_due_by_what_was_done(state: JobState, due: datetime) -> None:
    """Not by when the process started: restarts neither starve nor repeat a job."""
    assert next_due(state, HOURLY, NOW) == due


@pytest.mark.parametrize(
    ("passed", "shown", "back"),
    [
        (5, timedelta(seconds=5), False),
        (3600, timedelta(hours=1), False),  # asleep, with the machine
        (5, timedelta(days=2000), False),  # ahead: everything is due
        (5, timedelta(seconds=-20), False),  # set right by seconds
        (5, timedelta(days=-2000), True),
        (7200, timedelta(seconds=1), True),
    ],
)
def test_a_clock_that_is_set_back_is_noticed_once(
    passed: float, shown: timedelta, back: bool
) -> None:
    """By one that does not jump."""
    now, seconds = [NOW], [0.0]
    setback = Setback(lambda: now[0], lambda: seconds[0])
    assert not setback.happened()
    now[0] += shown
    seconds[0] += passed
    assert [setback.happened(), setback.happened()] == [back, False]


def test_restarts_every_twenty_hours_do_not_starve_a_daily_job() -> None:
    """A schedule that begins anew at each start would never run it."""
    state, runs, now = done(NOW), 0, NOW
    for _ in range(10):
        now += timedelta(hours=20)  # a restart
        if next_due(state, Cadence(timedelta(days=1), jitter=0), now) <= now + timedelta(hours=4):
            state, runs = done(now), runs + 1
    assert runs >= 8


@given(
    minutes=st.integers(-10_000, 10_000),
    failures=st.integers(0, 200),
    every=st.integers(1, 100_000),
    chance=st.floats(0, 1),
)
def test_a_job_is_never_due_in_the_past_nor_later_than_its_interval(
    minutes: int, failures: int, every: int, chance: float
) -> None:
    """Whatever the clock did and however often it failed."""
    cadence = Cadence(timedelta(seconds=every))
    at = NOW + timedelta(minutes=minutes)
    due = next_due(JobState(last_attempt_at=at, failures=failures), cadence, NOW, chance=chance)
    assert NOW <= due <= NOW + cadence.every * (1 + cadence.jitter) + timedelta(seconds=1)


def test_jitter_spreads_and_only_delays() -> None:
    """Two services started together drift apart by at most the jitter's share."""
    cadence = Cadence(timedelta(hours=10), jitter=0.05)
    assert next_due(done(NOW), cadence, NOW, chance=0) == NOW + timedelta(hours=10)
    assert next_due(done(NOW), cadence, NOW, chance=1) == NOW + timedelta(hours=10, minutes=30)


@pytest.mark.parametrize(
    ("zone", "day", "at"),
    [
        ("Europe/Paris", "monday", time(7, 30)),
        ("Europe/Paris", "sunday", time(2, 30)),  # skipped in March, twice in October
        ("America/New_York", "sunday", time(1, 30)),
        ("Australia/Lord_Howe", "sunday", time(2, 15)),  # half an hour of summer time
        ("Pacific/Apia", "friday", time(12, 0)),
        ("UTC", "friday", time(0, 0)),
    ],
)
def test_the_report_falls_due_once_a_week_across_the_change_of_clocks(
    zone: str, day: str, at: time
) -> None:
    """Exactly once per ISO week for six years, at the local hour, never stepping from the last."""
    report = Report.model_validate({"day": day, "at": at})
    now = datetime(2024, 12, 30, tzinfo=UTC)
    seen = []
    while now.year < 2031:
        now = next_report(now, report, ZoneInfo(zone))
        seen.append(now.astimezone(ZoneInfo(zone)))
    weeks = [moment.isocalendar()[:2] for moment in seen]
    assert len(set(weeks)) == len(weeks)
    assert 313 <= len(weeks) <= 315
    assert {moment.strftime("%A").lower() for moment in seen} == {day}
    usual = [moment for moment in seen if moment.time() == at]
    assert len(usual) >= len(seen) - 7  # once a year the local time may not exist


@given(st.integers(0, 16 * 365 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds)))
def test_the_next_report_is_within_a_week_and_an_hour(now: datetime) -> None:
    """From any moment on, nothing is left out."""
    due = next_report(now, Report(), ZoneInfo("Europe/Paris"))
    assert now < due <= now + timedelta(days=7, hours=1)
