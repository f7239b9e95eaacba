"""HubSpot's published limits: per app and 10 seconds, per account and second for search, per day."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from crm_steward.sandbox import Refusal
from crm_steward_hubspot.sandbox.answers import rate_limited

_INTERVAL = 10.0
BURST = 190
"""Calls per 10 seconds of a Professional account's own app."""
OAUTH_BURST = 110
"""Calls per 10 seconds of an app that many accounts install; it has no daily limit."""


class Limits:
    """Counts calls in rolling windows of the emulator's own time.

    Args:
        burst: Calls per app and 10 seconds.
        search: Search calls per account and second.
        daily: Calls per account and day, from midnight in the account's time zone.
        time_zone: The account's.
    """

    def __init__(self, *, burst: int, search: int, daily: int, time_zone: str) -> None:
        self.burst = burst
        self.search = search
        self.daily = daily
        self.zone = ZoneInfo(time_zone)
        self._bursts: dict[str, deque[float]] = {}
        self._searches: deque[float] = deque()
        self._day = ""
        self.used_today = 0

    def take(self, quota: str, app: str, now: datetime, *, oauth: bool) -> Mapping[str, str]:
        """Count one call of an app, and return the headers HubSpot answers with.

        Search answers carry no rate headers.

        Raises:
            Refusal: 429 with HubSpot's body.
        """
        self._turn_day(now)
        moment = now.timestamp()
        if self.used_today >= self.daily and not oauth:
            raise Refusal(rate_limited("DAILY"))
        if quota == "search":
            _slide(self._searches, moment - 1)
            if len(self._searches) >= self.search:
                raise Refusal(rate_limited("SECONDLY"))
            self._searches.append(moment)
            self.used_today += not oauth
            return {}
        calls = self._bursts.setdefault(app, deque())
        _slide(calls, moment - _INTERVAL)
        if len(calls) >= self.burst:
            headers = self._headers(0, oauth=oauth)
            raise Refusal(rate_limited("TEN_SECONDLY_ROLLING").with_headers(headers))
        calls.append(moment)
        self.used_today += not oauth
        return self._headers(self.burst - len(calls), oauth=oauth)

    def resets_at(self, now: datetime) -> datetime:
        """Return the next midnight of the account, in UTC."""
        local = now.astimezone(self.zone)
        tomorrow = local.date() + timedelta(days=1)
        return datetime.combine(tomorrow, time.min, self.zone).astimezone(UTC)

    def _turn_day(self, now: datetime) -> None:
        day = now.astimezone(self.zone).date().isoformat()
        if day != self._day:
            self._day, self.used_today = day, 0

    def _headers(self, remaining: int, *, oauth: bool) -> Mapping[str, str]:
        headers = {
            "X-HubSpot-RateLimit-Max": str(self.burst),
            "X-HubSpot-RateLimit-Remaining": str(remaining),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        }
        if oauth:
            return headers
        left = self.daily - self.used_today
        return headers | {
            "X-HubSpot-RateLimit-Daily": str(self.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(left),
        }


def _slide(calls: deque[float], oldest: float) -> None:
    while calls and calls[0] <= oldest:
        calls.popleft()
