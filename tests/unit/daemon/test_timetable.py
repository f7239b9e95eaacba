"""The timetable: a job never runs twice at once, and whoever calls for one is heard."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.runner import Job, Runner
from crm_steward.daemon.schedule import Cadence
from crm_steward.daemon.timetable import Timetable
from crm_steward.model import utc_now
from crm_steward.store.database import Database
from crm_steward.store.jobs import Jobs

PATIENCE_SECONDS = 30
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
CALLS = 300
LONGEST_END_SECONDS = 0.006


@pytest.fixture
def _many_switches() -> Iterator[None]:
    """Let threads take turns within microseconds: what may happen in between does."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


class Going:
    """A timetable at work."""

    def __init__(self, database: Database) -> None:
        self.stop = threading.Event()
        self.metrics = Metrics(database)
        self.rested = 0
        self.ahead = timedelta(0)
        self.table = Timetable(
            Runner(Jobs(database), self.metrics, self._now, self.stop),
            self.metrics,
            self._now,
            self.stop,
            zone=UTC,
            rest=self._rest,
        )

    def _now(self) -> datetime:
        return utc_now() + self.ahead

    def _rest(self) -> None:
        self.rested += 1

    def add(self, verb: str, work: Callable[[], None], every: timedelta, pool: str) -> None:
        """Schedule a job."""
        cadence = Cadence(every, retry=every, jitter=0)
        self.table.add(Job(verb=verb, work=work, cadence=cadence, pool=pool))

    def skipped(self, verb: str) -> float:
        """Return how many runs were left out."""
        labels = {"verb": verb, "reason": "still running"}
        return (
            self.metrics.registry.get_sample_value("crm_steward_job_skipped_total", labels) or 0.0
        )

    def end(self) -> bool:
        """End it as the service does."""
        self.stop.set()
        return self.table.end()


@pytest.fixture
def going(database: Database) -> Iterator[Going]:
    """Give a timetable without jobs, not started."""
    made = Going(database)
    yield made
    made.end()


def within(true: Callable[[], bool]) -> bool:
    """Return whether something comes true before patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


@pytest.mark.usefixtures("_many_switches")
@pytest.mark.parametrize("pool", ["default", "pull"])
def test_a_call_is_heard_also_in_the_moment_in_which_the_job_ends(going: Going, pool: str) -> None:
    """Calls at all moments of the end of a run that an earlier one brought about: none is lost.

    A pull that ends just as the first scan says that there is nothing to scan yet calls so.
    """
    asked, seen, heard = 0, -1, threading.Condition()

    def work() -> None:
        nonlocal seen
        with heard:
            seen = asked
            heard.notify_all()

    def up_to_date() -> bool:
        return seen == asked

    going.add("scan", work, HOUR, pool)
    going.table.start(lambda: None)
    moments = random.Random(7)  # noqa: S311 -- spreads calls, guards nothing
    for call in range(1, CALLS + 1):
        time.sleep(moments.uniform(0, LONGEST_END_SECONDS))
        with heard:
            asked = call
        going.table.nudge("scan")
        with heard:
            assert heard.wait_for(up_to_date, PATIENCE_SECONDS), (call, seen)


@pytest.mark.parametrize("pool", ["default", "pull"])
def test_a_job_runs_once_at_a_time_and_once_more_for_all_calls_meanwhile(
    going: Going, pool: str
) -> None:
    """Several threads call for it while it runs: it runs once more after that, not beside it."""
    began, go_on = threading.Semaphore(0), threading.Semaphore(0)
    at_once, most, runs = 0, 0, 0

    def work() -> None:
        nonlocal at_once, most, runs
        at_once += 1
        most, runs = max(most, at_once), runs + 1
        began.release()
        go_on.acquire()
        at_once -= 1

    going.add("scan", work, SECOND * 30, pool)
    going.table.start(lambda: None)
    assert began.acquire(timeout=PATIENCE_SECONDS)
    callers = [threading.Thread(target=going.table.nudge, args=("scan",)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    go_on.release()
    assert began.acquire(timeout=PATIENCE_SECONDS)
    go_on.release()
    assert within(lambda: at_once == 0)
    assert not began.acquire(timeout=1)
    assert (runs, most) == (2, 1)


@pytest.mark.parametrize("pool", ["default", "pull"])
def test_intervals_that_pass_while_a_job_runs_are_left_out_and_counted(
    going: Going, pool: str
) -> None:
    """It takes several of its intervals: one run, then the next an interval after it, none piled up."""
    ends, hold = list[float](), threading.Event()
    starts = list[float]()

    def work() -> None:
        starts.append(time.monotonic())
        if len(starts) == 1:
            hold.wait(PATIENCE_SECONDS)
        ends.append(time.monotonic())

    going.add("purge", work, SECOND, pool)
    going.table.start(lambda: None)
    assert within(lambda: going.skipped("purge") >= 2)
    assert len(starts) == 1
    hold.set()
    assert within(lambda: len(starts) >= 3)
    assert starts[1] - ends[0] >= 0.9, "what was woken up while it ran does not run after it"
    assert starts[2] - ends[1] >= 0.9


def test_a_job_whose_run_breaks_off_runs_again(going: Going) -> None:
    """Not an error but an exit, which nothing in a thread catches: it is neither lost nor in the way."""
    runs = 0

    def work() -> None:
        nonlocal runs
        runs += 1
        raise SystemExit

    going.add("scan", work, SECOND, "default")
    going.table.start(lambda: None)
    assert within(lambda: runs >= 2)
    assert going.end()


def test_a_call_survives_a_clock_that_is_set_right(going: Going) -> None:
    """What was called for while it waited for a thread runs now, not when it would be due anyway."""
    runs, hold = list[str](), threading.Event()

    def other() -> None:
        runs.append("other")
        hold.wait(PATIENCE_SECONDS)

    going.add("apply", other, HOUR, "default")
    going.add("scan", lambda: runs.append("scan"), HOUR, "default")
    going.table.start(lambda: None)
    assert within(lambda: "other" in runs)
    going.table.nudge("scan")
    going.table.set_right()
    hold.set()
    assert within(lambda: "scan" in runs)


def test_calls_for_what_is_not_scheduled_change_nothing(going: Going) -> None:
    """There is no report without recipients, and who calls for one need not know."""
    ran = threading.Event()
    going.add("scan", ran.set, HOUR, "default")
    going.table.start(lambda: None)
    going.table.nudge("report")
    assert ran.wait(PATIENCE_SECONDS)
    assert within(lambda: going.rested == 1)
    assert going.end()
