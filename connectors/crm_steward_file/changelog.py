"""What was changed in a corrected copy, line by line, and the tasks people were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Self

LOG_SHEET = "Changes"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the change log.

    Args:
        at: When, ISO 8601.
        change: `update` or `task`.
        record: The record's id.
        line: The line it stands on.
        column: The column's header; empty for a task.
        field: The canonical field.
        before: What stood there.
        after: What stands there now.
        title: A task's title.
        body: A task's text.
        due: The day it is due.
        owner: Who it is for.
        marker: What tells a task from every other.
        key: The change's idempotency key.
        original: Hash of the file that was corrected.
    """

    at: str
    change: str
    record: str
    line: int
    column: str = ""
    field: str = ""
    before: str = ""
    after: str = ""
    title: str = ""
    body: str = ""
    due: str = ""
    owner: str = ""
    marker: str = ""
    key: str = ""
    original: str = ""

    def cells(self) -> tuple[Any, ...]:
        """Return it as cells, in the order of `LOG_HEADER`."""
        return astuple(self)

    @classmethod
    def of(cls, cells: Sequence[Any]) -> Self:
        """Read back what `cells` returned.

        Raises:
            ValueError: It is no line of a change log.
        """
        texts = ["" if cell is None else str(cell) for cell in cells[: len(LOG_HEADER)]]
        texts += [""] * (len(LOG_HEADER) - len(texts))
        at, change, record, line, *rest = texts
        return cls(at, change, record, int(line), *rest)


LOG_HEADER = tuple(field.name for field in fields(Entry))
