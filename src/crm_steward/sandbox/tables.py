"""What an emulated CRM holds: plain JSON values by id, and which of them changed."""

from __future__ import annotations

from typing import Any


class Table(dict[str, Any]):
    """Rows by id; values are JSON-ready and replaced, never changed in place.

    Remembers which ids were written since the last `drain`, for the state file.
    """

    def __init__(self) -> None:
        super().__init__()
        self._touched: dict[str, None] = {}

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._touched[key] = None

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._touched[key] = None

    def fill(self, rows: dict[str, Any]) -> None:
        """Replace everything by `rows`, without counting it as a change."""
        self.clear()
        self.update(rows)
        self._touched.clear()

    def drain(self) -> list[tuple[str, Any]]:
        """Return `(id, value or None when gone)` written since the last call, in order."""
        changed = [(key, self.get(key)) for key in self._touched]
        self._touched.clear()
        return changed
