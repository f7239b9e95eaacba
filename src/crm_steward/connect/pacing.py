"""Keeps to one of a vendor's quotas: our share of it, and less when the others need it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from crm_steward.connect.spec import Quota

RESERVE = 0.2
"""The share of a quota that is left to everybody else, whoever used the rest.

Where more than the rest of it was given to us, only what was not given is left.
"""

_SLOTS = 1000
"""How finely a window is remembered: a day of calls costs no more memory than a second of them."""


_JITTER = 0.05
_MOST_JITTER = 0.03
"""How much longer than the vendor's our window is, in seconds, and at most as a share of it."""


class Pace:
    """The pace of one quota, shared by all threads of the process.

    A sliding window: at no moment do the last `per` hold more than our share. Calls of one
    thousandth of the window are remembered together, at the time of the last of them.

    Args:
        quota: The vendor's published limit.
        share: The part of it that may be used, above 0 and up to 1.
        monotonic: Seconds that never go back.
    """

    def __init__(self, quota: Quota, share: float, monotonic: Callable[[], float]) -> None:
        self._share = share
        self._reserve = min(RESERVE, 1.0 - share)
        self._now = monotonic
        self._lock = threading.Lock()
        self._held_until = 0.0
        self._taken: deque[list[float]] = deque()
        self._sum = 0.0
        self.quota = quota

    @property
    def allowed(self) -> int:
        """How much of the quota is ours per window."""
        return max(int(self.quota.calls * self._share), 1)

    def take(self, cost: int = 1) -> float:
        """Take one call.

        Args:
            cost: What it counts for; one that costs more than our whole share takes all of it.

        Returns:
            0 when it may be made, else the seconds after which to ask again.
        """
        with self._lock:
            now = self._now()
            if now < self._held_until:
                return self._held_until - now
            self._forget(now)
            cost = min(cost, self.allowed)
            if self._sum + cost <= self.allowed:
                self._note(now, cost)
                return 0.0
            return max(self._free_at(cost) - now, 0.001)

    def hold(self, until: float) -> None:
        """Allow no call before `until` (monotonic seconds)."""
        with self._lock:
            self._held_until = max(self._held_until, until)

    def learn(self, quota: Quota, left: int | None) -> bool:
        """Follow what the CRM says about its quota.

        Args:
            quota: The limit that is in force for this account.
            left: What is left of it in the current window, whoever used the rest.

        Returns:
            Whether the limit was news.
        """
        with self._lock:
            news = quota != self.quota and quota.calls > 0 and quota.per > timedelta(0)
            if news:
                self.quota = quota
        if left is not None and left < quota.calls * self._reserve:
            self.hold(self._now() + quota.per.total_seconds() / 10)
        return news

    def _note(self, now: float, cost: int) -> None:
        last = self._taken[-1] if self._taken else None
        if last is not None and now - last[0] < self._window / _SLOTS:
            last[1], last[2] = now, last[2] + cost
        else:
            self._taken.append([now, now, cost])  # first and last moment of the slot, what it holds
        self._sum += cost

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0][1] + self._window <= now:
            self._sum -= self._taken.popleft()[2]

    def _free_at(self, cost: int) -> float:
        """Return when enough of the window will have passed for `cost` more."""
        over = self._sum + cost - self.allowed
        for _, last, held in self._taken:
            over -= held
            if over <= 0:
                return last + self._window
        return self._now() + self._window

    @property
    def _window(self) -> float:
        """The vendor counts when calls arrive: on their way they draw together and apart."""
        seconds = self.quota.per.total_seconds()
        return seconds + min(_JITTER, seconds * _MOST_JITTER)
