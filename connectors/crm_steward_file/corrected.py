"""The corrected copy beside the original, and its change log. The original is only ever read."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from crm_steward.sdk import InputError, Value, disarm, rearm
from crm_steward_file.changelog import LOG_HEADER, LOG_SHEET, Entry
from crm_steward_file.delimited import Delimited
from crm_steward_file.encoding import Form, opening
from crm_steward_file.source import LONGEST_CELL, Source
from crm_steward_file.workbook import Workbook, decoded, encoded, library, mending

Cells = Mapping[int, Mapping[int, Value]]
"""Line → column index → what stands there from now on."""

_EXCEL_LONGEST = 32_767  # characters of one cell


class Copy(Protocol):
    """A corrected copy and its change log, in the form of the original."""

    path: Path

    def log(self) -> list[Entry]:
        """Return what was written so far, oldest first."""
        ...

    def refusal(self, source: Source, value: Value) -> str:
        """Return why `value` cannot be written, or nothing."""
        ...

    def write(self, source: Source, cells: Cells, log: Sequence[Entry]) -> None:
        """Put a new copy in place of the old one, all or nothing.

        Args:
            source: What is copied: the original, or the copy so far.
            cells: What differs from it.
            log: The whole change log.

        Raises:
            InputError: The folder cannot be written to.
        """
        ...


def copy_of(original: Path, form: Form) -> Copy:
    """Return the corrected copy of `original`, whether it is there yet or not."""
    if form is Form.XLSX:
        return WorkbookCopy(original.with_name(f"{original.stem}.corrected.xlsx"))
    suffix = original.suffix or ".csv"
    return DelimitedCopy(
        original.with_name(f"{original.stem}.corrected{suffix}"),
        original.with_name(f"{original.stem}.changes.csv"),
    )


class DelimitedCopy:
    """A corrected CSV: the copy in the original's encoding and delimiter, the log in a file."""

    def __init__(self, path: Path, changes: Path) -> None:
        self.path = path
        self._changes = changes

    def log(self) -> list[Entry]:
        """Return what was written so far; see `Copy`."""
        if not self._changes.exists():
            return []
        with opening(self._changes), self._changes.open(encoding="utf-8-sig", newline="") as file:
            return _entries(self._changes, ([*map(rearm, row)] for row in csv.reader(file)))

    def refusal(self, source: Source, value: Value) -> str:
        """Return why `value` cannot be written; see `Copy`."""
        text = _text(value)
        if len(text) > LONGEST_CELL or "\0" in text or "\n" in text or "\r" in text:
            return "the value is too long for a cell, or holds a line break or NUL"
        encoding = source.encoding if isinstance(source, Delimited) else "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            return f"the file's encoding {encoding} cannot hold the value"
        return ""

    def write(self, source: Source, cells: Cells, log: Sequence[Entry]) -> None:
        """Put a new copy in place; see `Copy`.

        The log goes first: should the machine stop between the two, the log speaks of changes
        that are made again next time, and not listed twice.
        """
        if not isinstance(source, Delimited):
            raise TypeError(source)
        with (
            _replacing(self._changes, source.path) as target,
            target.open("w", encoding="utf-8-sig", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(LOG_HEADER)
            writer.writerows([disarm(str(cell)) for cell in entry.cells()] for entry in log)
            _sync(file)
        with (
            _replacing(self.path, source.path) as target,
            target.open("w", encoding=source.encoding, errors=source.errors, newline="") as file,
        ):
            file.writelines(_texts(source, cells))
            _sync(file)


class WorkbookCopy:
    """A corrected XLSX: formats and other sheets are kept, formulas become what they showed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self) -> list[Entry]:
        """Return what was written so far; see `Copy`."""
        if not self.path.exists():
            return []
        openpyxl = library()
        with mending(self.path):
            book = openpyxl.load_workbook(self.path, read_only=True, data_only=True)
        try:
            for sheet in book.worksheets:
                rows = sheet.iter_rows(values_only=True)
                if tuple(next(rows, ())[: len(LOG_HEADER)]) == LOG_HEADER:
                    return _entries(self.path, [LOG_HEADER, *map(_decoded, rows)])
        finally:
            book.close()
        return []

    def refusal(self, source: Source, value: Value) -> str:  # noqa: ARG002 -- see DelimitedCopy
        """Return why `value` cannot be written; see `Copy`."""
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        text = _text(value)
        if len(text) > _EXCEL_LONGEST or ILLEGAL_CHARACTERS_RE.search(text):
            return "the value is too long for a cell, or holds control characters"
        return "" if text.isprintable() or _encodes(text) else "the value holds broken Unicode"

    def write(self, source: Source, cells: Cells, log: Sequence[Entry]) -> None:
        """Put a new copy in place; see `Copy`."""
        if not isinstance(source, Workbook):
            raise TypeError(source)
        openpyxl = library()
        with mending(source.path):
            book = openpyxl.load_workbook(source.path, data_only=True, keep_links=False)
        sheet = book[source.sheet]
        for line, values in cells.items():
            for index, value in values.items():
                _put(sheet.cell(line, index + 1), value)
        _put_log(book, log)
        with _replacing(self.path, source.path) as target, target.open("wb") as file:
            book.save(file)
            _sync(file)


def _put(cell: Any, value: Value) -> None:
    """Write `value` as text, so that `=1+1` is never a formula; None empties the cell."""
    cell.value = None
    if isinstance(value, str):
        cell.number_format = "@"
        cell.value = "'" + value  # whatever stands first, it is text
        cell._value = encoded(value)  # noqa: SLF001 -- openpyxl has no other way to write "=…" as text
        cell.data_type = "s"
        cell.quotePrefix = disarm(value) != value
    elif value is not None:
        cell.value = value


def _decoded(cells: Sequence[Any]) -> list[Any]:
    return [decoded(cell) if isinstance(cell, str) else cell for cell in cells]


def _put_log(book: Any, log: Sequence[Entry]) -> None:
    for sheet in book.worksheets:
        header = next(sheet.iter_rows(max_row=1, values_only=True), ())
        if tuple(header[: len(LOG_HEADER)]) == LOG_HEADER:
            book.remove(sheet)
    sheet = book.create_sheet(LOG_SHEET)  # openpyxl adds a number where the name is taken
    for line, cells in enumerate([LOG_HEADER, *(entry.cells() for entry in log)], start=1):
        for column, value in enumerate(cells, start=1):
            if value != "":
                _put(sheet.cell(line, column), value)
    sheet.freeze_panes = "A2"


def _texts(source: Delimited, cells: Cells) -> Iterator[str]:
    """Yield the copy row by row, each on the line it has in `source`, so that lines stay ids."""
    line = 1
    hinted = False
    for row in source.rows():
        if not hinted and row.line == 2 and line == 1:  # noqa: PLR2004 -- `sep=;` stood on line 1
            yield f"sep={source.delimiter}{source.newline}"
            line += 1
        hinted = True
        while line < row.line:
            yield source.newline
            line += 1
        text = source.newline
        if not row.blank:
            held = [*row.cells]
            for index, value in cells.get(row.line, {}).items():
                held += [""] * (index + 1 - len(held))
                held[index] = _text(value)
            text = _line(held, source)
        yield text
        line += text.count("\n") + text.count("\r") - text.count("\r\n")


def _line(cells: Iterable[str], source: Delimited) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=source.delimiter, lineterminator=source.newline)
    writer.writerow([disarm(cell) for cell in cells])
    return buffer.getvalue()


def _text(value: Value) -> str:
    if value is None:
        return ""
    return str(value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entries(path: Path, rows: Iterable[Sequence[Any]]) -> list[Entry]:
    numbered = enumerate(rows, start=1)
    _, header = next(numbered, (0, ()))
    if tuple(header[: len(LOG_HEADER)]) != LOG_HEADER:
        raise InputError(
            f"{path}: this is no change log of crm-steward.", hint="Move it out of the way."
        )
    entries = []
    for number, cells in numbered:
        if any(cells):
            try:
                entries.append(Entry.of(cells))
            except ValueError as error:
                raise InputError(
                    f"{path}: line {number} of the change log is damaged.",
                    hint="Take that line out, or move the file out of the way.",
                ) from error
    return entries


@contextmanager
def _replacing(path: Path, like: Path) -> Iterator[Path]:
    """Give a file beside `path` that takes its place at the end, or is gone if something fails."""
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        shutil.copymode(like, temporary)
        temporary.chmod(
            temporary.stat().st_mode | 0o600
        )  # a read-only original has a writable copy
        yield temporary
        temporary.replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"{path}: the corrected copy cannot be written ({error.strerror}).",
            hint="Free space, or make the folder writable; the original is untouched.",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
