"""XLSX, row by row, in openpyxl's read-only mode: memory does not grow with the file."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from crm_steward.sdk import ConfigError, InputError, Problem
from crm_steward_file.changelog import LOG_HEADER
from crm_steward_file.columns import recognised
from crm_steward_file.source import LONGEST_CELL, Row

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_MOST_ROWS = 1_048_576  # Excel's own limit; a row number above it is an attack or damage
_MOST_UNPACKED = 4 << 30  # bytes of all parts
_SUSPECT = 64 << 20  # bytes of one part, from which on its compression is looked at
_MOST_RATIO = 300  # worksheets reach 10 to 60
_HEADER_ROWS = 10
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    ET.ParseError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
"""What openpyxl raises on files that are not what they claim to be."""


@contextmanager
def mending(path: Path) -> Iterator[None]:
    """Turn what openpyxl raises on a damaged workbook into an InputError."""
    try:
        yield
    except _BROKEN as error:
        raise InputError(
            f"{path}: the workbook is damaged or is no XLSX ({type(error).__name__}).",
            hint="Open it in Excel or LibreOffice and save it again as .xlsx, or as CSV.",
        ) from error
    except OSError as error:
        raise InputError(
            f"{path}: it cannot be read ({error.strerror or type(error).__name__}).",
            hint="Copy it to a local disk.",
        ) from error


class Workbook:
    """One worksheet of an XLSX file.

    Args:
        path: The file.
        sheet: The worksheet's name; None for the first one with a header that is recognised.
        wanted: Columns the user named: they help to recognise it.
    """

    def __init__(self, path: Path, sheet: str | None, wanted: Mapping[str, str]) -> None:
        self.path = path
        _refuse_bomb(path)
        openpyxl = library()
        with mending(path), ExitStack() as opened:
            # openpyxl leaves a file open that it cannot load, so it is ours to close.
            self._file = opened.enter_context(path.open("rb"))
            self._book = openpyxl.load_workbook(
                self._file, read_only=True, data_only=True, keep_links=False
            )
            self._sheet = self._choose(sheet, wanted)
            dimension = self._sheet.max_row
            self._sheet.reset_dimensions()  # some exports state a wrong one
            opened.pop_all()
        self.total: int | None = dimension

    @property
    def about(self) -> str:
        """Name the form and the worksheet."""
        return f"XLSX, {self.sheet}"

    @property
    def sheet(self) -> str:
        """The worksheet's name."""
        return str(self._sheet.title)

    def rows(self, width: int | None = None) -> Iterator[Row]:  # noqa: ARG002 -- of CSV only
        """Yield every row; see `Source`."""
        with mending(self.path):
            for line, cells in enumerate(self._sheet.iter_rows(values_only=True), start=1):
                if line > _MOST_ROWS:
                    raise ValueError("row number out of range")
                held = _trimmed(cells)
                yield Row(line, held, _problem(held))

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()
        self._file.close()

    def _choose(self, name: str | None, wanted: Mapping[str, str]) -> Any:
        sheets = [sheet for sheet in self._book.worksheets if not _is_log(sheet)]
        if name is not None:
            found = next((sheet for sheet in sheets if sheet.title == name), None)
            if found is None:
                titles = ", ".join(f"'{sheet.title}'" for sheet in sheets)
                raise InputError(
                    f"{self.path}: there is no worksheet '{name}'.", hint=f"There are: {titles}."
                )
            return found
        if not sheets:
            raise ValueError("no worksheet")
        return max(sheets, key=lambda sheet: _sense(sheet, wanted))


def library() -> Any:
    """Return openpyxl, without its remarks on parts of a workbook that it does not read.

    Raises:
        ConfigError: It is not installed; CSV works without it.
    """
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        problem = Problem(
            "reading .xlsx needs openpyxl.", hint="Install it: pip install 'crm-steward[file]'"
        )
        raise ConfigError([problem]) from error
    warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\.")
    return openpyxl


def _sense(sheet: Any, wanted: Mapping[str, str]) -> int:
    """Return how many headers are recognised in the first rows of `sheet`."""
    sheet.reset_dimensions()
    best = 0
    for number, cells in enumerate(sheet.iter_rows(values_only=True)):
        if number >= _HEADER_ROWS:
            break
        best = max(best, recognised([c for c in cells if isinstance(c, str)], wanted))
    return best


def _is_log(sheet: Any) -> bool:
    """Whether it is the sheet in which a corrected copy lists its changes."""
    first = next(sheet.iter_rows(max_row=1, values_only=True), ())
    return tuple(first[: len(LOG_HEADER)]) == LOG_HEADER


def _trimmed(cells: tuple[Any, ...]) -> tuple[Any, ...]:
    end = len(cells)
    while end and cells[end - 1] is None:
        end -= 1
    return tuple([decoded(c) if isinstance(c, str) and "_x" in c else c for c in cells[:end]])


def decoded(text: str) -> str:
    """Read `_x000D_` as the character it stands for (ECMA-376 part 1, 22.9.2.19, ST_Xstring)."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def encoded(text: str) -> str:
    """Write what XML cannot hold, or would read back as something else, as `decoded` reads it."""
    return _ESCAPE.sub(lambda found: "_x005F" + found[0], text).replace("\r", "_x000D_")


def _problem(cells: tuple[Any, ...]) -> str:
    for cell in cells:
        if isinstance(cell, str):
            if len(cell) > LONGEST_CELL:
                return f"a cell holds more than {LONGEST_CELL:,} characters"
            if "\0" in cell:
                return "it holds NUL characters"
    return ""


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that unpacks to more than a workbook can be, before unpacking it."""
    with mending(path), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if "xl/workbook.xml" not in {part.filename for part in parts} and not any(
            part.filename.startswith("xl/") for part in parts
        ):
            raise InputError(
                f"{path}: this archive is no XLSX workbook.",
                hint="Save the contacts as .xlsx or CSV.",
            )
    unpacked = sum(part.file_size for part in parts)
    dense = [
        part
        for part in parts
        if part.file_size > _SUSPECT and part.file_size > _MOST_RATIO * max(1, part.compress_size)
    ]
    if unpacked > _MOST_UNPACKED or dense:
        raise InputError(
            f"{path}: it unpacks to {unpacked >> 20:,} MB, more than a contact list can hold.",
            hint="Delete unused sheets and rows, or save it as CSV.",
        )
