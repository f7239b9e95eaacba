"""Writes sheets as an XLSX file: text, numbers, dates and links, never a formula."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

_LONGEST: Final = 32_767
"""Characters that a cell may hold: Excel's limit, as all here are."""
_LONGEST_URL: Final = 2_000
_FIRST_DAY: Final = date(1899, 12, 30).toordinal()
"""The day from which days are counted, right for all after February 1900."""
_DATE_FORMAT: Final = 14
"""A day as the reader's country writes it."""
_SHARE_FORMAT: Final = 10
_LINE = re.compile("\r\n?")
"""Ends of lines that a cell would show as a code."""
_FORBIDDEN = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


@dataclass(frozen=True, slots=True)
class Linked:
    """Text that leads somewhere.

    Args:
        text: What is shown.
        url: The address; None for text that leads nowhere.
        sheet: The name of a sheet of the same file that it leads to instead.
    """

    text: str
    url: str | None = None
    sheet: str = ""

    @property
    def target(self) -> str:
        """Where it leads, as XlsxWriter says it; empty for nowhere."""
        if self.sheet:
            named = self.sheet.replace("'", "''")
            return f"internal:'{named}'!A1"
        url = self.url or ""
        return url if url.startswith(("https://", "http://")) and len(url) <= _LONGEST_URL else ""


@dataclass(frozen=True, slots=True)
class Share:
    """A number from 0 to 1 that is shown in per cent."""

    value: float


Cell = str | float | date | Linked | Share | None
"""What a cell may hold; None leaves it empty."""


class Spreadsheet:
    """An XLSX file in memory, written sheet by sheet.

    Args:
        folder: Where rows wait until they are all there, so that memory does not grow with them;
            None: what it holds goes into no other file.
    """

    def __init__(self, folder: Path | None = None) -> None:
        from xlsxwriter import Workbook  # noqa: PLC0415 -- a service at rest does not keep it

        self._file = io.BytesIO()
        waiting = (
            {"constant_memory": True, "tmpdir": str(folder)} if folder else {"in_memory": True}
        )
        self._book = Workbook(self._file, waiting)
        self._head = self._book.add_format({"bold": True})
        self._link = self._book.add_format({"font_color": "#0B5394", "underline": 1})
        self._day = self._book.add_format({"num_format": _DATE_FORMAT})
        self._share = self._book.add_format({"num_format": _SHARE_FORMAT})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def sheet(self, name: str) -> Worksheet:
        """Add an empty sheet behind the others, see `fill`.

        Raises:
            ValueError: Excel takes no sheet of such a name, or there is one already.
        """
        from xlsxwriter.exceptions import XlsxWriterException  # noqa: PLC0415 -- the same

        try:
            if not name:
                raise ValueError("no name for a sheet: it is empty")
            return self._book.add_worksheet(name)
        except XlsxWriterException as error:
            raise ValueError(f"no name for a sheet: {name}") from error

    def fill(
        self,
        sheet: Worksheet,
        head: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        widths: Sequence[float],
    ) -> int:
        """Fill a sheet whose head stays in sight and filters the rows.

        Args:
            sheet: An empty one.
            head: The titles of its columns.
            rows: The cells below them, as many in each row.
            widths: How wide each column is, in characters.

        Returns:
            How many rows it has, without the head.

        Raises:
            ValueError: A row has other columns than the head.
        """
        sheet.freeze_panes(1, 0)
        for column, (title, width) in enumerate(zip(head, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, _legal(title), self._head)
        last = 0
        for last, cells in enumerate(rows, start=1):
            for column, (_, value) in enumerate(zip(head, cells, strict=True)):
                self._write(sheet, last, column, value)
        sheet.autofilter(0, 0, last, len(head) - 1)
        return last

    def content(self) -> bytes:
        """Return the file. Nothing can be added to it afterwards."""
        self._book.close()
        return self._file.getvalue()

    def _write(self, sheet: Worksheet, row: int, column: int, value: Cell) -> None:
        match value:
            case None:
                pass
            case str():
                self._say(sheet, row, column, Linked(value))
            case Linked():
                self._say(sheet, row, column, value)
            case date():  # of a time its day
                sheet.write_number(row, column, value.toordinal() - _FIRST_DAY, self._day)
            case Share(value=share):
                sheet.write_number(row, column, share, self._share)
            case int() | float():  # what is true counts one
                sheet.write_number(row, column, float(value))

    def _say(self, sheet: Worksheet, row: int, column: int, said: Linked) -> None:
        shown, target = _legal(said.text), _legal(said.target)
        if shown and target:
            sheet.write_url(row, column, target, self._link, shown)
        elif shown:  # else a cell that looks empty would not count as empty
            sheet.write_string(row, column, shown)


def _legal(text: str) -> str:
    shown = text if text.isprintable() else _FORBIDDEN.sub("", _LINE.sub("\n", text))
    return shown[:_LONGEST]
