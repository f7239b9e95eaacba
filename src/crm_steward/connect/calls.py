"""Every call to a CRM goes through here: paced, timed, and retried only when that is safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from crm_steward.connect.spec import Quota
from crm_steward.model import Clock, RetryableError, StewardError, utc_now
from crm_steward.traces import span

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying

    from crm_steward.connect.pacing import Pace

T = TypeVar("T")


class TooLateError(RetryableError):
    """A call was not made: while it waited for its turn, what it rests on grew too old."""

    def __init__(self) -> None:
        super().__init__(sent=False)


_before: ContextVar[Callable[[], None]] = ContextVar("before", default=lambda: None)


@contextmanager
def before_each_call(action: Callable[[], None]) -> Iterator[None]:
    """Do something just before each call of this thread goes out, when all waiting is over.

    Args:
        action: May raise TooLateError: then the call is not made, and not tried again.
    """
    token = _before.set(action)
    try:
        yield
    finally:
        _before.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How persistent a call is.

    Args:
        attempts: How often it is made at most.
        budget: How long it may take in all; a longer wait is refused at once and left to the
            caller, who comes back later.
        first, longest: Bounds of the full jitter, which doubles from attempt to attempt.
    """

    attempts: int = 6
    budget: timedelta = timedelta(minutes=2)
    first: timedelta = timedelta(seconds=0.5)
    longest: timedelta = timedelta(seconds=60)


@dataclass(slots=True)
class QuotaStats:
    """What was done on one quota since the connection was opened.

    Args:
        calls: Requests that went out, repeated ones included.
        failed: Requests that ended in an error.
        refused: Requests the CRM put off (429 and its kin).
        retries: Requests made again.
        waits: How often a call waited for its turn.
        waited: Seconds spent on that.
        seconds: Seconds spent in requests.
    """

    calls: int = 0
    failed: int = 0
    refused: int = 0
    retries: int = 0
    waits: int = 0
    waited: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What was used of an account's quota in some time.

    Args:
        calls: Requests that we sent, repeated ones included.
        points: What they cost, where the vendor counts points (Zoho's credits, Pipedrive's tokens);
            elsewhere one each.
        share: The highest share of the day's quota that was gone, whoever used it, as the CRM told;
            None: it did not tell.
    """

    calls: int = 0
    points: int = 0
    share: float | None = None


class Calls:
    """Paces and retries the calls of one connection; safe to share between threads.

    Args:
        connection: Its name, for log lines and messages.
        quotas: The vendor's published limits; a quota that is not named is not paced.
        burst_share: The part of each short quota that may be used.
        daily_share: The part of each daily quota that may be used.
        stop: Ends every wait at once when set; a call that need not wait is still made, so that
            a write can be finished.
        policy: How persistent a call is.
        monotonic: Seconds that never go back.
        clock: This machine's time of day, with which the CRM's is compared.
    """

    def __init__(
        self,
        connection: str = "",
        quotas: Sequence[Quota] = (),
        *,
        burst_share: float = 1.0,
        daily_share: float = 1.0,
        stop: threading.Event | None = None,
        policy: RetryPolicy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Clock = utc_now,
    ) -> None:
        self._connection = connection
        self._stop = stop or threading.Event()
        self._policy = policy or RetryPolicy()
        self._now = monotonic
        self._lock = threading.Lock()
        self._stats: dict[str, QuotaStats] = {}
        self._paces = _paces(quotas, burst_share, daily_share, monotonic)
        self._closed_until = 0.0
        self._clock = clock
        self._ahead: timedelta | None = None
        self._used = Usage()
        self._gone: dict[str, float] = {}

    def __call__(
        self, quota: str, request: Callable[[], T], *, repeatable: bool = True, cost: int = 1
    ) -> T:
        """Make one call.

        A call whose answer was lost is made again only if it is repeatable; one that certainly
        did not take effect (`RetryableError.sent` is False) is made again in any case.

        Args:
            quota: Which of the vendor's quotas it counts against.
            request: Makes the call; raises RetryableError, AuthError, … as the connector maps them.
            repeatable: Whether it may be made again when its answer is lost (reads: yes).
            cost: What it counts for in quotas of a day or longer, which some vendors keep in
                points; in shorter ones every call counts as one.

        Raises:
            RetryableError: It failed as often as the policy allows, the wait would be too long
                (`retry_after` says how long), or the service was asked to stop.
        """
        answer: T = self._retrying(quota, repeatable=repeatable)(self._once, quota, request, cost)
        return answer

    def learn(self, quota: Quota, left: int | None = None) -> None:
        """Follow what an answer says about a quota.

        Args:
            quota: The limit in force for this account, by the name under which it is published.
            left: Calls left in its current window, whoever made the others; when few are, we
                leave them to the others for a tenth of the window.
        """
        if quota.daily and quota.calls > 0 and left is not None:
            share = min(max(1 - left / quota.calls, 0.0), 1.0)
            self._use(share=share)
            with self._lock:
                self._gone[quota.name] = share
        pace = self._paces.get(quota.name)
        if pace and pace.learn(quota, left):
            _logger().debug(
                "the CRM names another limit",
                connection=self._connection,
                quota=quota.name,
                limit=quota.calls,
            )

    def note_date(self, headers: Mapping[str, Any] | None) -> None:
        """Follow what time it is at the CRM, as the `Date` of an answer says; other answers say nothing.

        Args:
            headers: Of the answer that just came.
        """
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            there = parsedate_to_datetime((headers or {})["Date"])
            self._ahead = (there if there.tzinfo else there.replace(tzinfo=UTC)) - self._clock()

    @property
    def ahead(self) -> timedelta | None:
        """How far the CRM's clock is ahead of ours, by its last answer; None: it did not tell."""
        return self._ahead

    @property
    def stats(self) -> Mapping[str, QuotaStats]:
        """Quota → what was done on it, as it stands now."""
        with self._lock:
            copies = {name: QuotaStats(**asdict(stats)) for name, stats in self._stats.items()}
        return MappingProxyType(copies)

    @property
    def gone(self) -> Mapping[str, float]:
        """Quota of a day → which share of it is gone, whoever used it, as the CRM last told."""
        with self._lock:
            return MappingProxyType(dict(self._gone))

    def take_usage(self) -> Usage:
        """Return what was used since this was last asked: whoever keeps it asks."""
        with self._lock:
            used, self._used = self._used, Usage()
        return used

    def _use(self, *, points: int | None = None, share: float | None = None) -> None:
        with self._lock:
            before = self._used
            shares = [one for one in (before.share, share) if one is not None]
            self._used = Usage(
                calls=before.calls + (points is not None),
                points=before.points + (points or 0),
                share=max(shares, default=None),
            )

    def _retrying(self, quota: str, *, repeatable: bool) -> Retrying:
        from tenacity import (  # noqa: PLC0415 - keeps `--help` quick
            Retrying,
            retry_if_exception,
            wait_random_exponential,
        )

        policy = self._policy
        deadline = self._now() + policy.budget.total_seconds()
        jitter = wait_random_exponential(
            multiplier=policy.first.total_seconds(), max=policy.longest.total_seconds()
        )

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, RetryableError) else None
            return jitter(state) if asked is None else asked + min(jitter(state), 1.0)

        def enough(state: RetryCallState) -> bool:
            late = self._now() + state.upcoming_sleep >= deadline
            return late or state.attempt_number >= policy.attempts or self._stop.is_set()

        def note(state: RetryCallState) -> None:
            self._count(quota, retries=1)
            _logger().info(
                "call is made again",
                connection=self._connection,
                quota=quota,
                attempt=state.attempt_number,
                wait=round(state.upcoming_sleep, 1),
                error=str(state.outcome.exception() if state.outcome else ""),
            )

        return Retrying(
            retry=retry_if_exception(lambda error: _again(error, repeatable=repeatable)),
            stop=enough,
            wait=pause,
            sleep=self._sleep,
            before_sleep=note,
            reraise=True,
        )

    def _once(self, quota: str, request: Callable[[], T], cost: int) -> T:
        self._take_turn(quota, cost)
        _before.get()()
        self._use(points=cost)
        started = self._now()
        try:
            with span("call", connection=self._connection, quota=quota):
                answer = request()
        except RetryableError as error:
            self._note_failure(quota, started, error)
            asked = error.retry_after or 0.0
            if asked > self._policy.budget.total_seconds() and not (error.hint or error.sent):
                raise _closed(error.message, asked) from error
            raise
        except StewardError:
            self._count(quota, calls=1, failed=1, seconds=self._now() - started)
            raise
        self._count(quota, calls=1, seconds=self._now() - started)
        return answer

    def _take_turn(self, quota: str, cost: int) -> None:
        if (closed := self._closed_until - self._now()) > 0:
            self._wait(quota, closed, "the account")
        for name, pace in self._paces.items():
            if name == quota or pace.quota.daily:
                while seconds := pace.take(cost if pace.quota.daily else 1):
                    self._wait(quota, seconds, f"its quota '{name}'")

    def _wait(self, quota: str, seconds: float, closed: str) -> None:
        if seconds > self._policy.budget.total_seconds():
            raise _closed(f"{self._connection}: {closed} is closed for now", seconds)
        self._count(quota, waits=1, waited=seconds)
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise RetryableError(f"{self._connection}: stopped while waiting", sent=False)

    def _note_failure(self, quota: str, started: float, error: RetryableError) -> None:
        """Count it; when the CRM asked us to wait, nobody calls before that."""
        now = self._now()
        asked = error.retry_after or 0.0
        self._count(quota, calls=1, failed=1, refused=int(asked > 0), seconds=now - started)
        if asked > self._policy.budget.total_seconds():
            self._closed_until = max(self._closed_until, now + asked)
        elif asked and quota in self._paces:
            self._paces[quota].hold(now + asked)

    def _count(self, quota: str, **more: float) -> None:
        with self._lock:
            stats = self._stats.setdefault(quota, QuotaStats())
            for name, value in more.items():
                setattr(stats, name, getattr(stats, name) + value)


def _closed(what: str, seconds: float) -> RetryableError:
    """Return our error for a call that was not made or not taken, and is not for so long.

    How long that is stands in the hint: who has said it once need not say it every minute anew.
    """
    return RetryableError(
        what,
        hint=f"Try again in {timedelta(seconds=round(seconds))}: our share is used up, the others "
        "need the rest, or the CRM asked to wait. See burst_share and daily_share.",
        retry_after=seconds,
        sent=False,
    )


def _again(error: BaseException, *, repeatable: bool) -> bool:
    if isinstance(error, TooLateError) or not isinstance(error, RetryableError):
        return False
    return repeatable or not error.sent


def _paces(
    quotas: Sequence[Quota], burst_share: float, daily_share: float, now: Callable[[], float]
) -> dict[str, Pace]:
    from crm_steward.connect.pacing import Pace  # noqa: PLC0415 - keeps `--help` quick

    return {q.name: Pace(q, daily_share if q.daily else burst_share, now) for q in quotas}


def _logger() -> Any:
    import structlog  # noqa: PLC0415 - keeps `--help` quick

    return structlog.get_logger("crm_steward.connect")
