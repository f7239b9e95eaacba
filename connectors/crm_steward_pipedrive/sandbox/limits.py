"""Pipedrive's limits: requests per token and 2 seconds, tokens per company and day, and the block.

Source: pipedrive.readme.io/docs/core-api-concepts-rate-limiting. The headers about the day are
undocumented and recorded; how many ignored 429s lead to the block, and for how long, is not
published.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from crm_steward.sandbox import Refusal
from crm_steward_pipedrive.sandbox.answers import blocked, too_many

_WINDOW = 2.0
_MINUTE = 60.0


class Limits:
    """Counts calls by the emulator's own time.

    Args:
        burst: Requests per token in any 2 seconds.
        daily: Tokens of the whole company per day, from midnight UTC.
        patience: How many 429s within a minute are forgiven before the credential is blocked.
        block: For how long.
        day_headers: Whether answers tell what is left of the day.
    """

    def __init__(
        self, *, burst: int, daily: int, patience: int, block: timedelta, day_headers: bool
    ) -> None:
        self.burst = burst
        self.daily = daily
        self.patience = patience
        self.block = block.total_seconds()
        self.day_headers = day_headers
        self.used_today = 0
        self._day = ""
        self._calls: dict[str, deque[float]] = {}
        self._refused: dict[str, deque[float]] = {}
        self._blocked_until: dict[str, float] = {}

    def take(self, token: str, cost: int, now: datetime) -> Mapping[str, str]:
        """Count one call, and return the headers that Pipedrive answers with.

        Raises:
            Refusal: 429, or 403 with a web page while the credential is blocked.
        """
        moment = now.timestamp()
        if moment < self._blocked_until.get(token, 0.0):
            raise Refusal(blocked())
        self._turn_day(now)
        calls = self._calls.setdefault(token, deque())
        _slide(calls, moment - _WINDOW)
        if len(calls) >= self.burst:
            self._refuse(token, moment, 0)
        if self.used_today + cost > self.daily:
            self._refuse(token, moment, self.burst - len(calls))
        calls.append(moment)
        self.used_today += cost
        return self._headers(self.burst - len(calls))

    def _refuse(self, token: str, moment: float, left: int) -> None:
        refused = self._refused.setdefault(token, deque())
        _slide(refused, moment - _MINUTE)
        refused.append(moment)
        if len(refused) > self.patience:
            self._blocked_until[token] = moment + self.block
            refused.clear()
        raise Refusal(too_many().with_headers(self._headers(left)))

    def _turn_day(self, now: datetime) -> None:
        day = now.astimezone(UTC).date().isoformat()
        if day != self._day:
            self._day, self.used_today = day, 0

    def _headers(self, left: int) -> Mapping[str, str]:
        headers = {
            "x-ratelimit-limit": str(self.burst),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": "2",
        }
        if self.day_headers:
            headers |= {
                "x-daily-ratelimit-token-limit": str(self.daily),
                "x-daily-ratelimit-token-remaining": str(max(self.daily - self.used_today, 0)),
            }
        return headers


def _slide(calls: deque[float], oldest: float) -> None:
    while calls and calls[0] <= oldest:
        calls.popleft()
