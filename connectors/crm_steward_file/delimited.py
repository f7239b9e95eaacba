"""CSV, row by row: a broken row is named and the next one is read as if nothing had happened."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from crm_steward.sdk import rearm
from crm_steward_file.columns import recognised
from crm_steward_file.encoding import Content, opening
from crm_steward_file.source import LONGEST_CELL, Row

_LONGEST_ROW = 32_000_000  # characters; bounds the memory that one row can take
_DELIMITERS = (";", ",", "\t", "|")
_NAMED = {"\t": "tab"}
_UNDECODED = re.compile("[\udc80-\udcff]")
_END = "\n"
"""Parsed after a row: it comes out as a row of its own only if no quote is open."""

# A long cell is refused by `_too_long`, which can name it; the parser must first get past it.
csv.field_size_limit(_LONGEST_ROW)


class Delimited:
    """A CSV file.

    Args:
        path: The file.
        content: What `inspect` found.
        delimiter: What stands between two cells; None to find out.
        wanted: Columns the user named: they help to find out.
        neutralised: Whether it is one of our copies, whose cells `disarm` has gone over.
    """

    def __init__(
        self,
        path: Path,
        content: Content,
        delimiter: str | None,
        wanted: Mapping[str, str],
        *,
        neutralised: bool = False,
    ) -> None:
        self.path = path
        self._neutralised = neutralised
        self.encoding = content.encoding
        self.total: int | None = content.lines
        self.delimiter = delimiter or self._sniff(wanted)
        self.newline = self._newline()

    def rows(self, width: int | None = None) -> Iterator[Row]:
        """Yield every row; see `Source`."""
        with opening(self.path), self.open() as stream:
            lines = _Lines(stream)
            while (line := lines.take()) is not None:
                row = self._row(lines, lines.number, line, width)
                if row.line == 1 and _is_hint(row):
                    continue
                yield replace(row, cells=[*map(rearm, row.cells)]) if self._neutralised else row

    def open(self) -> TextIO:
        """Open it for reading; bytes that are not in its encoding become lone surrogates."""
        return self.path.open(encoding=self.encoding, errors=self.errors, newline="")

    @property
    def about(self) -> str:
        """Name the form, the encoding and what stands between cells."""
        return f"CSV, {self.encoding}, {_NAMED.get(self.delimiter, self.delimiter)}"

    @property
    def errors(self) -> str:
        """How bytes that are not in the encoding are carried through."""
        return "replace" if self.encoding.startswith("utf-16") else "surrogateescape"

    def close(self) -> None:
        """Let go of the file: nothing is held between rows."""

    def split(self, lines: Iterable[str], *, strict: bool = False) -> list[list[str]]:
        """Parse `lines` as CSV."""
        return list(csv.reader(lines, delimiter=self.delimiter, strict=strict))

    def _row(self, lines: _Lines, number: int, line: str, width: int | None) -> Row:
        problem = self._problem(line)
        if problem:
            return Row(number, self._roughly(line), problem)
        if '"' not in line:
            return _measured(number, self._roughly(line), len(line))
        parsed = self.split((line, _END))
        if len(parsed) > 1:
            return _measured(number, parsed[0], len(line))
        return self._continued(lines, number, line, width)

    def _problem(self, line: str) -> str:
        if "\0" in line:
            return "it holds NUL characters"
        if line.isascii():
            return ""
        if _UNDECODED.search(line) or (self.errors == "replace" and "\ufffd" in line):
            return f"it holds bytes that are not {self.encoding}"
        return ""

    def _roughly(self, line: str) -> list[str]:
        return line.rstrip("\r\n").split(self.delimiter)

    def _continued(self, lines: _Lines, number: int, first: str, width: int | None) -> Row:
        """Read on to the line where the open quote closes; if it never does, `first` is broken."""
        taken = [first]
        size = len(first)
        while size < _LONGEST_ROW and (line := lines.take()) is not None:
            taken.append(line)
            size += len(line)
            if '"' not in line.replace('""', ""):
                continue
            if len(self.split([*taken, _END])) == 1:
                continue  # that quote closed one cell and the next opened another
            cells = self._closed(taken, width)
            if cells is None:
                break
            problem = next(filter(None, map(self._problem, taken)), "")
            return Row(number, cells, problem) if problem else _measured(number, cells, size)
        lines.give_back(taken[1:], number)
        return Row(number, self._roughly(first), "a quote is opened and not closed")

    def _closed(self, taken: list[str], width: int | None) -> list[str] | None:
        """Return the cells if they are what someone quoted on purpose, else None."""
        try:
            cells = self.split(taken, strict=True)[0]
        except csv.Error:
            return None
        return cells if width is None or len(cells) <= width else None

    def _newline(self) -> str:
        with opening(self.path), self.open() as stream:
            line = stream.readline(LONGEST_CELL)
        return "\r\n" if line.endswith("\r\n") else "\r" if line.endswith("\r") else "\n"

    def _sniff(self, wanted: Mapping[str, str]) -> str:
        """Return the delimiter under which the first lines make most sense as contacts."""
        with opening(self.path), self.open() as stream:
            head = [line for _ in range(50) if (line := stream.readline(LONGEST_CELL))]
        if head and (told := re.fullmatch(r"sep=(.)\s*", head[0].lstrip("\ufeff"))):
            return told[1]
        return max(_DELIMITERS, key=lambda delimiter: _sense(head, delimiter, wanted))


def _sense(head: list[str], delimiter: str, wanted: Mapping[str, str]) -> tuple[int, int, int]:
    """Score a delimiter: headers known, rows as wide as the most common width, that width."""
    rows = [row for row in csv.reader(head, delimiter=delimiter) if row]
    known = max((recognised(row, wanted) for row in rows[:10]), default=0)
    widths = [len(row) for row in rows]
    usual = max(set(widths), key=widths.count, default=1)
    return known, widths.count(usual) if usual > 1 else 0, usual


def _is_hint(row: Row) -> bool:
    """Whether it is the line `sep=;` by which Excel is told the delimiter."""
    first = str(row.cells[0]) if row.cells else ""
    return first.lstrip("\ufeff").startswith("sep=") and "".join(row.cells[1:]).strip() == ""


def _measured(number: int, cells: Sequence[str], size: int) -> Row:
    if size > LONGEST_CELL and max(map(len, cells)) > LONGEST_CELL:
        return Row(number, cells, f"a cell holds more than {LONGEST_CELL:,} characters")
    return Row(number, cells)


class _Lines:
    """Numbered lines of a text, which can be given back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ahead: deque[str] = deque()
        self.number = 0

    def take(self) -> str | None:
        """Return the next line with its line end, or None at the end of the file."""
        self.number += 1
        if self._ahead:
            return self._ahead.popleft()
        line = self._stream.readline(_LONGEST_ROW)
        if len(line) == _LONGEST_ROW:
            self._skip_rest(line)
        return line or None

    def give_back(self, lines: list[str], number: int) -> None:
        """Have `lines`, which follow line `number`, come again."""
        self._ahead.extendleft(reversed(lines))
        self.number = number

    def _skip_rest(self, line: str) -> None:
        """Pass over what exceeds the longest row; the cell in it is too long in any case."""
        while line and not line.endswith(("\n", "\r")):
            line = self._stream.readline(_LONGEST_ROW)
