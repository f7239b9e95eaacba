"""Pacing and retry, on a clock that only moves when somebody waits."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.pacing import Pace
from crm_steward.connect.spec import Quota
from crm_steward.model import AuthError, RetryableError

BURST = Quota(name="burst", calls=100, per=timedelta(seconds=10))
SEARCH = Quota(name="search", calls=5, per=timedelta(seconds=1))
DAILY = Quota(name="daily", calls=250_000, per=timedelta(days=1))


class Waits(threading.Event):
    """A stop event that moves a clock instead of sleeping, and notes how long was asked for."""

    def __init__(self, *, set_after: int | None = None) -> None:
        super().__init__()
        self.now = 1000.0
        self.slept: list[float] = []
        self._set_after = set_after

    def wait(self, timeout: float | None = None) -> bool:
        self.slept.append(timeout or 0.0)
        self.now += timeout or 0.0
        if self._set_after is not None and len(self.slept) >= self._set_after:
            self.set()
        return self.is_set()


def _calls(
    waits: Waits, *quotas: Quota, policy: RetryPolicy | None = None, share: float = 0.6
) -> Calls:
    return Calls(
        "hub",
        quotas,
        burst_share=share,
        daily_share=0.5,
        stop=waits,
        policy=policy,
        monotonic=lambda: waits.now,
    )


def _failing(times: int, error: Callable[[], Exception]) -> tuple[list[int], Callable[[], str]]:
    """A request that fails so many times, then answers; and the list of its attempts."""
    attempts: list[int] = []

    def request() -> str:
        attempts.append(len(attempts))
        if len(attempts) <= times:
            raise error()
        return "answer"

    return attempts, request


def test_only_our_share_of_the_burst_goes_out_in_any_window() -> None:
    """1,000 calls at full speed: no 10-second window ever holds more than 60 of 100."""
    waits = Waits()
    paced = _calls(waits, BURST)
    moments: list[float] = []
    for _ in range(1000):
        paced("burst", lambda: moments.append(waits.now))
    for index, moment in enumerate(moments):
        assert sum(1 for other in moments[index:] if other - moment < 10) <= 60
    assert moments[-1] - moments[0] <= 1000 / 60 * 10 + 10
    assert paced.stats["burst"].calls == 1000
    assert paced.stats["burst"].waits >= 16


def test_each_quota_is_paced_apart() -> None:
    """Waiting for the search quota does not slow down other calls, and vice versa."""
    waits = Waits()
    paced = _calls(waits, BURST, SEARCH)
    for _ in range(3):
        paced("search", lambda: None)
    assert waits.slept == []
    paced("search", lambda: None)
    assert 0.9 < sum(waits.slept) < 1.1
    before = waits.now
    for _ in range(60):
        paced("burst", lambda: None)
    assert waits.now == before


def test_a_daily_quota_counts_every_call_and_is_not_waited_for() -> None:
    """When our part of the day is used up the call is refused at once, saying for how long."""
    waits = Waits()
    paced = _calls(waits, Quota(name="daily", calls=20, per=timedelta(days=1)))
    for index in range(10):
        paced("burst" if index % 2 else "search", lambda: None)
    with pytest.raises(RetryableError) as caught:
        paced("burst", lambda: pytest.fail("the call went out"))
    assert caught.value.retry_after == pytest.approx(86_400, abs=5)
    assert not caught.value.sent
    assert waits.slept == []


def test_the_limit_follows_what_the_crm_says() -> None:
    """An answer that names 190 calls instead of 100 raises our share to 114."""
    waits = Waits()
    paced = _calls(waits, BURST)
    paced.learn(Quota(name="burst", calls=190, per=timedelta(seconds=10)), left=189)
    for _ in range(114):
        paced("burst", lambda: None)
    assert waits.slept == []
    paced("burst", lambda: None)
    assert waits.slept


def test_the_last_fifth_is_left_to_the_others() -> None:
    """When somebody else has used most of the burst, we wait before we make the next call."""
    waits = Waits()
    paced = _calls(waits, BURST)
    paced.learn(BURST, left=15)
    paced("burst", lambda: None)
    assert waits.slept == [pytest.approx(1.0)]


def test_nothing_is_left_to_others_when_all_of_it_was_given_to_us() -> None:
    """With a share of 1, the last call of the window goes out without a wait."""
    waits = Waits()
    paced = _calls(waits, BURST, share=1.0)
    for left in range(BURST.calls - 1, -1, -1):
        paced("burst", lambda: None)
        paced.learn(BURST, left=left)
    assert waits.slept == []


def test_the_day_used_by_others_stops_us() -> None:
    """With less than a fifth of the day left for everybody, no call goes out at all."""
    waits = Waits()
    paced = _calls(waits, BURST, DAILY)
    paced.learn(DAILY, left=49_000)
    with pytest.raises(RetryableError, match="daily") as caught:
        paced("burst", lambda: pytest.fail("the call went out"))
    assert caught.value.retry_after is not None


def test_a_read_is_made_again_with_growing_random_pauses() -> None:
    """Five failures, six attempts; pauses are random, below the doubling bound, and differ."""
    random.seed(1)
    waits = Waits()
    attempts, request = _failing(5, RetryableError)
    assert _calls(waits)("burst", request) == "answer"
    assert len(attempts) == 6
    assert len(set(waits.slept)) == 5
    assert all(pause <= 0.5 * 2**index for index, pause in enumerate(waits.slept))


def test_it_gives_up_after_six_attempts_with_the_crm_s_own_error() -> None:
    """The error that ends it is the last one, not one about retrying."""
    attempts, request = _failing(99, lambda: RetryableError("hub: HubSpot fails (502)"))
    with pytest.raises(RetryableError, match="502"):
        _calls(Waits())("burst", request)
    assert len(attempts) == 6


def test_retry_after_is_waited_out_and_never_shortened() -> None:
    """Told to wait 7 seconds, the next attempt comes after 7 and before 8.1."""
    waits = Waits()
    _attempts, request = _failing(1, lambda: RetryableError(retry_after=7, sent=False))
    paced = _calls(waits, BURST)
    assert paced("burst", request) == "answer"
    assert 7 <= sum(waits.slept) <= 8.1
    assert paced.stats["burst"].refused == 1
    assert paced.stats["burst"].retries == 1


def test_nobody_else_calls_while_the_crm_asked_to_wait() -> None:
    """A 429 on one thread holds the quota for all: one refusal per Retry-After, not one each."""
    waits = Waits()
    paced = _calls(waits, BURST, policy=RetryPolicy(attempts=1))
    with pytest.raises(RetryableError):
        paced("burst", _failing(9, lambda: RetryableError(retry_after=10, sent=False))[1])
    started = waits.now
    paced("burst", lambda: None)
    assert waits.now - started == pytest.approx(10)


def test_a_day_of_migration_makes_no_call_at_all() -> None:
    """HubSpot's 477 asks for up to 24 hours: it is raised at once and no call goes out meanwhile."""
    waits = Waits()
    paced = _calls(waits, BURST, SEARCH)
    attempts, request = _failing(99, lambda: RetryableError(retry_after=86_400, sent=False))
    with pytest.raises(RetryableError):
        paced("burst", request)
    for quota in ("burst", "search"):
        with pytest.raises(RetryableError) as caught:
            paced(quota, request)
        assert caught.value.retry_after == pytest.approx(86_400)
    assert len(attempts) == 1
    assert waits.slept == []
    waits.now += 86_401
    assert paced("burst", lambda: "answer") == "answer"


def test_a_lost_answer_of_a_write_is_never_sent_again() -> None:
    """Not repeatable and possibly done: one attempt only."""
    attempts, request = _failing(1, lambda: RetryableError(sent=True))
    with pytest.raises(RetryableError):
        _calls(Waits())("burst", request, repeatable=False)
    assert len(attempts) == 1


def test_a_write_that_certainly_did_not_happen_is_made_again() -> None:
    """A 429 or a refused connection is no lost answer."""
    attempts, request = _failing(2, lambda: RetryableError(sent=False))
    assert _calls(Waits())("burst", request, repeatable=False) == "answer"
    assert len(attempts) == 3


def test_a_refused_credential_is_not_tried_again() -> None:
    """AuthError ends the call; it is counted as failed."""
    paced = _calls(Waits())
    attempts, request = _failing(1, AuthError)
    with pytest.raises(AuthError):
        paced("burst", request)
    assert len(attempts) == 1
    assert paced.stats["burst"].failed == 1


def test_stop_ends_a_wait_and_no_further_attempt_is_made() -> None:
    """Set during the first pause, the stop event ends the call: one attempt, not six."""
    waits = Waits(set_after=1)
    attempts, request = _failing(99, RetryableError)
    with pytest.raises(RetryableError, match="stopped"):
        _calls(waits)("burst", request)
    assert len(attempts) == 1


def test_a_call_that_need_not_wait_is_made_although_we_stop() -> None:
    """So that the current write can be finished after SIGTERM."""
    waits = Waits()
    waits.set()
    assert _calls(waits, BURST)("burst", lambda: "answer") == "answer"


def test_stop_is_seen_at_once_on_the_real_clock() -> None:
    """A thread waiting 60 real seconds for its turn ends within half a second of SIGTERM."""
    stop = threading.Event()
    paced = Calls("hub", [Quota(name="slow", calls=1, per=timedelta(seconds=60))], stop=stop)
    paced("slow", lambda: None)
    ended = threading.Event()

    def second() -> None:
        with pytest.raises(RetryableError, match="stopped"):
            paced("slow", lambda: None)
        ended.set()

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    stop.set()
    assert ended.wait(0.5)
    thread.join()


def test_threads_share_one_pace() -> None:
    """Eight threads, 20 calls a second allowed: never more than 20 in any second."""
    paced = Calls("hub", [Quota(name="burst", calls=20, per=timedelta(milliseconds=200))])
    moments: list[float] = []

    def work() -> None:
        for _ in range(8):
            paced("burst", lambda: moments.append(time.monotonic()))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments.sort()
    assert len(moments) == 64
    assert moments[-1] - moments[0] >= 0.5, "64 calls at 20 per 200 ms need three full windows"
    assert paced.stats["burst"].calls == 64


def test_points_count_in_long_quotas_only() -> None:
    """A listing that costs ten of the day's points is one call to the burst quota."""
    waits = Waits()
    paced = _calls(waits, BURST, Quota(name="daily", calls=1000, per=timedelta(days=1)))
    for _ in range(50):
        paced("burst", lambda: None, cost=10)
    assert waits.slept == []
    with pytest.raises(RetryableError, match="daily"):
        paced("burst", lambda: pytest.fail("the call went out"), cost=1)


def test_a_call_that_costs_more_than_the_day_is_made_when_nothing_else_was() -> None:
    """It cannot be cut in two: it waits for a whole window of its own."""
    waits = Waits()
    paced = _calls(waits, Quota(name="daily", calls=20, per=timedelta(days=1)))
    assert paced("burst", lambda: "answer", cost=50) == "answer"
    with pytest.raises(RetryableError):
        paced("burst", lambda: pytest.fail("the call went out"), cost=50)


def test_a_day_of_calls_is_remembered_in_little_memory() -> None:
    """A hundred thousand calls over a day take a thousand entries, and none goes over our share."""
    now = [0.0]
    pace = Pace(Quota(name="daily", calls=100_000, per=timedelta(days=1)), 1.0, lambda: now[0])
    taken = []
    for _ in range(150_000):
        now[0] += 1.0
        if pace.take() == 0.0:
            taken.append(now[0])
    assert len(pace._taken) <= 1001
    assert len(taken) > 149_000 * 0.995
    day = 86_400
    starts = range(0, len(taken), 997)
    assert all(
        sum(1 for t in taken[n : n + 100_001] if t - taken[n] < day) <= 100_000 for n in starts
    )
