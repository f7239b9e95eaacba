"""The lists behind the report as an XLSX workbook: a sheet for each, and one that names them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Final

from crm_steward.report.collect import titles_of
from crm_steward.report.digest import Digest
from crm_steward.report.lists.base import Asking, Sheet
from crm_steward.report.lists.sheets import sheets
from crm_steward.report.spreadsheet import Cell, Linked, Spreadsheet
from crm_steward.report.words import Words
from crm_steward.rules import RuleBook
from crm_steward.settings import Settings
from crm_steward.store.database import Database

_WIDTH: Final = 14
_WIDTHS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "rule": 40,
        "record": 34,
        "found": 60,
        "reason": 50,
        "owner": 24,
        "connection": 20,
        "level": 30,
        "ground": 30,
        "before": 50,
        "after": 50,
        "list": 34,
        "about": 70,
    }
)
"""Characters that a column has room for; the others have `_WIDTH`."""


def file_name(digest: Digest) -> str:
    """Return what the workbook of a week is called."""
    return f"crm-steward-{digest.week}.xlsx"


def workbook(
    database: Database, settings: Settings, book: RuleBook, digest: Digest, language: str
) -> bytes:
    """Return the workbook that goes with a report.

    A list with nothing in it has no sheet; the first sheet names it all the same, with how much
    each holds and leaves out.

    Args:
        database: The store.
        settings: Time zone, how records may be named.
        book: The rules, for their titles.
        digest: The report.
        language: The reader's.
    """
    words, columns = Words(language, digest.zone), ("list", "about", "lines", "more")
    with Spreadsheet() as made, database.read() as reading:
        asking = Asking(
            reading=reading, digest=digest, settings=settings, titles=titles_of(book), words=words
        )
        front = made.sheet(words("workbook.contents"))
        contents = [_added(made, words, sheet) for sheet in sheets(asking)]
        head = [words(f"workbook.{name}") for name in columns]
        made.fill(front, head, contents, widths=_widths(columns))
        return made.content()


def _added(made: Spreadsheet, words: Words, sheet: Sheet) -> Sequence[Cell]:
    """Add the sheet of a list if it holds anything; return its line in the sheet of contents."""
    name, about = words(f"workbook.{sheet.name}"), words(f"workbook.{sheet.name}.about")
    rows = _begun(sheet.rows)
    if rows is None:
        return Linked(name), about, 0, sheet.more
    head = [words(f"workbook.{column}") for column in sheet.columns]
    lines = made.fill(made.sheet(name), head, rows, widths=_widths(sheet.columns))
    return Linked(name, sheet=name), about, lines, sheet.more


def _begun(rows: Iterable[Sequence[Cell]]) -> Iterator[Sequence[Cell]] | None:
    """Return the rows, or None where there are none."""
    each = iter(rows)
    first = next(each, None)
    return None if first is None else chain((first,), each)


def _widths(columns: Sequence[str]) -> list[float]:
    return [_WIDTHS.get(column, _WIDTH) for column in columns]
