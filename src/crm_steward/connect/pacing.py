"""Keeps to one of a vendor's quotas: our share of it, and less when the others need it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import cast

from pyrate_limiter import InMemoryBucket, Rate, RateItem

from crm_steward.connect.spec import Quota

RESERVE = 0.2
"""The share of a quota that is left to everybody else, whoever used the rest."""


class Pace:
    """The pace of one quota, shared by all threads of the process.

    Args:
        quota: The vendor's published limit.
        share: The part of it that may be used, above 0 and up to 1.
        monotonic: Seconds that never go back.
    """

    def __init__(self, quota: Quota, share: float, monotonic: Callable[[], float]) -> None:
        self._share = share
        self._now = monotonic
        self._lock = threading.Lock()
        self._held_until = 0.0
        self._bucket = InMemoryBucket([_rate(quota, share)])
        self.quota = quota

    def take(self) -> float:
        """Take one call.

        Returns:
            0 when it may be made, else the seconds after which to ask again.
        """
        with self._lock:
            now = self._now()
            if now < self._held_until:
                return self._held_until - now
            item = RateItem(self.quota.name, round(now * 1000))
            self._bucket.leak(item.timestamp)
            if self._bucket.put(item):
                return 0.0
            wait = cast("int", self._bucket.waiting(item))  # a coroutine in remote buckets only
            return max(wait, 1) / 1000

    def hold(self, until: float) -> None:
        """Allow no call before `until` (monotonic seconds)."""
        with self._lock:
            self._held_until = max(self._held_until, until)

    def learn(self, quota: Quota, left: int | None) -> bool:
        """Follow what the CRM says about its quota.

        Args:
            quota: The limit that is in force for this account.
            left: Calls that are left in the current window, whoever made the others.

        Returns:
            Whether the limit was news.
        """
        with self._lock:
            news = quota != self.quota and quota.calls > 0 and quota.per > timedelta(0)
            if news:
                self.quota = quota
                self._bucket.rates = [_rate(quota, self._share)]
        if left is not None and left < quota.calls * RESERVE:
            self.hold(self._now() + quota.per.total_seconds() / 10)
        return news


def _rate(quota: Quota, share: float) -> Rate:
    return Rate(max(int(quota.calls * share), 1), round(quota.per.total_seconds() * 1000))
