"""What queries see: the active records, with changes that may show late."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]


class QueryIndex:
    """The active records of one module as COQL knows them.

    Args:
        lag: How long a change stays invisible; Zoho documents none.
    """

    def __init__(self, lag: timedelta) -> None:
        self.lag = lag
        self._rows: dict[str, Row] = {}
        self._ids: list[str] = []
        self._pending: deque[tuple[datetime, str, Row | None]] = deque()

    def fill(self, rows: Iterable[Row]) -> None:
        """Know exactly these records, with nothing on its way."""
        self._rows = {row["id"]: row for row in rows}
        self._ids = sorted(self._rows)
        self._pending.clear()

    def note(self, now: datetime, record_id: str, row: Row | None) -> None:
        """Learn in time that a record is now `row`, or gone."""
        self._pending.append((now + self.lag, record_id, row))

    def rows(self, now: datetime) -> list[Row]:
        """Return what a query sees now, in the order of ids."""
        late: deque[tuple[datetime, str, Row | None]] = deque()
        for due, record_id, row in self._pending:
            if due > now:
                late.append((due, record_id, row))
            elif row is None:
                self._drop(record_id)
            else:
                self._put(record_id, row)
        self._pending = late
        return [self._rows[record_id] for record_id in self._ids]

    def _put(self, record_id: str, row: Row) -> None:
        if record_id not in self._rows:
            self._ids.insert(bisect_left(self._ids, record_id), record_id)
        self._rows[record_id] = row

    def _drop(self, record_id: str) -> None:
        if self._rows.pop(record_id, None) is not None:
            del self._ids[bisect_left(self._ids, record_id)]
