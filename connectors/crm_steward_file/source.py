"""The two forms a file can have, seen as one: numbered rows of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

LONGEST_CELL = 131_072  # characters, Salesforce's longest text field; a longer cell breaks its row


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file.

    Args:
        line: The line it starts on, from 1, as an editor or Excel numbers it.
        cells: Its cells; of a broken row, as far as they could be told apart.
        problem: What is wrong with it, without its values; empty when it is whole.
    """

    line: int
    cells: Sequence[Any]
    problem: str = ""

    @property
    def blank(self) -> bool:
        """Whether nothing is in it."""
        return not self.problem and not any(
            cell is not None and not (isinstance(cell, str) and not cell.strip())
            for cell in self.cells
        )


class Source(Protocol):
    """A file as numbered rows."""

    path: Path
    total: int | None
    """About how many rows there are, where that is known beforehand."""

    @property
    def about(self) -> str:
        """How the file is written: `CSV, cp1252, ;` or `XLSX, Contacts`."""
        ...

    def rows(self, width: int | None = None) -> Iterator[Row]:
        """Yield every row from the first line on, blank and broken ones included.

        Args:
            width: How many cells a row has, once the header is known: tells a quoted line break
                from a quote that was never closed.

        Raises:
            InputError: The file is broken as a whole.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
