"""Zoho's credits: so many per organisation in any 24 hours, different calls cost differently."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from datetime import datetime

from crm_steward.sandbox import Refusal, Request
from crm_steward_zoho.sandbox.answers import too_many_requests

_WINDOW = 86_400.0
_TELLING = 0.5
_ROWS_PER_CREDIT = 10
_TAGS_PER_CREDIT = 50
_LIMIT = re.compile(rb"limit\s+(?:\d+\s*,\s*)?(\d+)", re.IGNORECASE)
_QUERY_STEPS = ((200, 1), (1_000, 2), (2_000, 3))
"""Rows a query may bring → credits."""


class Credits:
    """Counts credits in a rolling window of the emulator's own time.

    Args:
        total: Credits of 24 hours.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._spent: deque[tuple[float, int]] = deque()

    def take(self, cost: int, now: datetime) -> Mapping[str, str]:
        """Spend credits, and return the header that appears once half of them are gone.

        Raises:
            Refusal: 429 when too few are left; it says neither why nor until when.
        """
        moment = now.timestamp()
        while self._spent and self._spent[0][0] <= moment - _WINDOW:
            self.used -= self._spent.popleft()[1]
        if self.used + cost > self.total:
            raise Refusal(too_many_requests().with_headers(self._told()))
        self._spent.append((moment, cost))
        self.used += cost
        return self._told()

    def _told(self) -> Mapping[str, str]:
        if self.used < self.total * _TELLING:
            return {}
        return {"X-API-CREDITS-REMAINING": str(self.total - self.used)}


def cost_of(kind: str, request: Request) -> int:
    """Return what a call costs.

    Args:
        kind: `none`, `call`, `deleted`, `query`, `rows` or `tags`.
        request: The call, whose rows and limit may count.
    """
    match kind:
        case "none":
            return 0
        case "deleted":
            return 2
        case "query":
            found = _LIMIT.search(request.body)
            limit = int(found[1]) if found else 200
            return next((cost for most, cost in _QUERY_STEPS if limit <= most), 3)
        case "rows":
            return -(-max(_length(request, "data"), 1) // _ROWS_PER_CREDIT)
        case "tags":
            return -(-max(_length(request, "ids"), 1) // _TAGS_PER_CREDIT)
        case _:
            return 1


def _length(request: Request, name: str) -> int:
    try:
        content = request.json.get(name)
    except (ValueError, AttributeError):
        return 1
    return len(content) if isinstance(content, list) else 1
