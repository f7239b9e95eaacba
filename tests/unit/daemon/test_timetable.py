"""The timetable: a job never runs twice at once, and whoever calls for one is heard."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.schedulers.base import BaseScheduler

from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.runner import Job, Runner
from crm_steward.daemon.schedule import Cadence
from crm_steward.daemon.timetable import Timetable, _Again
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

    def __init__(self, database: Database, ahead: timedelta = timedelta(0)) -> None:
        self.stop = threading.Event()
        self.metrics = Metrics(database)
        self.rested = 0
        self.ahead = ahead
        self.table = Timetable(
            Runner(Jobs(database), self.metrics, self._now, self.stop),
            self.metrics,
            self._now,
            self.stop,
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


def test_a_call_that_waits_is_heard_after_a_reload(going: Going, database: Database) -> None:
    """What begins anew with the same database knows of it: it does not wait for its next turn."""
    began, hold, runs = threading.Event(), threading.Event(), list[str]()

    def other() -> None:
        began.set()
        hold.wait(PATIENCE_SECONDS)

    going.add("scan", lambda: runs.append("before"), HOUR, "default")
    going.table.start(lambda: None)
    assert within(lambda: runs == ["before"])
    going.add("apply", other, HOUR, "default")
    assert began.wait(PATIENCE_SECONDS)
    going.table.nudge("scan")
    going.stop.set()
    hold.set()
    assert going.end()
    assert runs == ["before"]

    anew = Going(database)
    anew.add("scan", lambda: runs.append("after"), HOUR, "default")
    anew.table.start(lambda: None)
    assert within(lambda: runs == ["before", "after"])
    assert anew.end()


def test_its_end_does_not_wait_for_what_waited_for_a_thread(
    going: Going, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that was called for twice while it waited is woken up once more, just as all ends.

    The scheduler holds its locks while it shuts down and waits for its threads: whoever wakes a
    job up then waits for those locks. The moment is held open for as long as it takes.
    """
    began, hold, at_work, locked = (threading.Event() for _ in range(4))
    shut = BaseScheduler.shutdown

    def slowly(scheduler: BaseScheduler, wait: bool) -> None:
        with scheduler._executors_lock, scheduler._jobstores_lock:
            locked.set()
            time.sleep(0.5)
            shut(scheduler, wait)

    def first() -> None:
        began.set()
        hold.wait(PATIENCE_SECONDS)

    def last() -> None:
        at_work.set()
        going.stop.wait(PATIENCE_SECONDS)

    def ended(event: JobExecutionEvent) -> None:
        if event.job_id == "report":
            locked.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(BaseScheduler, "shutdown", slowly)
    going.table._scheduler.add_listener(ended, EVENT_JOB_EXECUTED)
    going.add("apply", first, HOUR, "default")
    going.table.start(lambda: None)
    assert began.wait(PATIENCE_SECONDS)
    ran = list[int]()
    going.add("scan", lambda: ran.append(1), HOUR, "default")
    going.add("report", last, HOUR, "default")
    time.sleep(0.2)  # both wait for the thread
    going.table.nudge("scan")
    time.sleep(0.2)  # and the first of them once more
    hold.set()
    assert at_work.wait(PATIENCE_SECONDS)
    ending = threading.Thread(target=going.end, daemon=True)
    ending.start()
    ending.join(PATIENCE_SECONDS)
    assert not ending.is_alive()
    assert ran == [1]


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe"])
def test_the_next_turn_comes_after_its_interval_also_where_an_hour_comes_twice(zone: str) -> None:
    """Nor an hour late or early, which would keep the scheduler from all else for that hour."""
    year = datetime(2026, 1, 1, tzinfo=UTC)
    for tens in range(6 * 24 * 365):
        now = (year + timedelta(minutes=10 * tens, seconds=58)).astimezone(ZoneInfo(zone))
        following = _Again(SECOND * 5).get_next_fire_time(None, now)
        assert following.timestamp() - now.timestamp() == 5, now


def test_the_scheduler_counts_in_the_zone_in_which_no_hour_comes_twice(going: Going) -> None:
    """It compares moments of its zone by their digits."""
    assert going.table._scheduler.timezone == UTC


def test_a_machine_that_begins_in_1970_and_is_set_right_goes_on_at_once(database: Database) -> None:
    """Fifty-six years of missed seconds are one turn: they are not listed, which takes all memory."""
    began = Going(database, ahead=datetime(1970, 1, 1, 0, 5, tzinfo=UTC) - utc_now())
    runs = list[float]()
    began.add("purge", lambda: runs.append(time.monotonic()), SECOND, "default")
    began.ahead = timedelta(0)
    began.table.start(lambda: None)
    try:
        assert within(lambda: len(runs) >= 2)
    finally:
        began.end()
