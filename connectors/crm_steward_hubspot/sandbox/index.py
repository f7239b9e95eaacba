"""The search index, which learns of changes late."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]


class SearchIndex:
    """The active records as search knows them.

    Args:
        lag: How long a change stays invisible.
    """

    def __init__(self, lag: timedelta) -> None:
        self.lag = lag
        self._rows: dict[int, Row] = {}
        self._ids: list[int] = []
        self._pending: deque[tuple[datetime, int, Row | None]] = deque()

    def fill(self, rows: Iterable[Row]) -> None:
        """Know exactly these records, with nothing on its way."""
        self._rows = {int(row["id"]): row for row in rows}
        self._ids = sorted(self._rows)
        self._pending.clear()

    def note(self, now: datetime, record_id: int, row: Row | None) -> None:
        """Learn later that a record is now `row`, or gone."""
        self._pending.append((now + self.lag, record_id, row))

    def rows(self, now: datetime) -> list[Row]:
        """Return what search sees now, in the order of numeric ids."""
        while self._pending and self._pending[0][0] <= now:
            _, record_id, row = self._pending.popleft()
            if row is None:
                self._rows.pop(record_id, None)
                drop(self._ids, record_id)
            else:
                self._rows[record_id] = row
                place(self._ids, record_id)
        return [self._rows[record_id] for record_id in self._ids]


def place(ids: list[int], record_id: int) -> None:
    """Put an id into a sorted list, once."""
    at = bisect_left(ids, record_id)
    if at == len(ids) or ids[at] != record_id:
        ids.insert(at, record_id)


def drop(ids: list[int], record_id: int) -> None:
    """Take an id out of a sorted list, if it is there."""
    at = bisect_left(ids, record_id)
    if at < len(ids) and ids[at] == record_id:
        del ids[at]
