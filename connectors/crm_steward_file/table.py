"""A file as a table of contacts: where its header is, what its columns hold, what a row is called."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crm_steward.sdk import MAPPABLE, FieldType, InputError
from crm_steward_file import FileSettings
from crm_steward_file.columns import Column, is_french, recognise, recognised
from crm_steward_file.delimited import Delimited
from crm_steward_file.encoding import Content, Form, inspect
from crm_steward_file.source import Row, Source
from crm_steward_file.values import could_be_both, day_first, read_text
from crm_steward_file.workbook import Workbook

_HEADER_ROWS = 10
_SURVEY = 1000  # rows looked at in any case; more when the order of dates is still open
_HABIT = 0.01  # share of short rows from which on they are this file's way, not damage
_TIMES = frozenset(
    {name for name, field in MAPPABLE.items() if field.type is FieldType.TIME}
    | {"consent_given_at", "consent_withdrawn_at"}
)


@dataclass(frozen=True, slots=True)
class Table:
    """What one look at the file has told; the rows are read anew each time.

    Args:
        source: The rows.
        form: CSV or XLSX.
        columns: What each column holds.
        header: The line the header is on.
        days_first: Column index → whether `03/04` is the third of April, for columns with times.
        short_rows: Whether rows with fewer cells than the header are usual here.
        fingerprint: Changes when the file or the way it is read does.
        sha256: Hash of the file's bytes.
    """

    source: Source
    form: Form
    columns: tuple[Column, ...]
    header: int
    days_first: Mapping[int, bool]
    short_rows: bool
    fingerprint: str
    sha256: str

    @property
    def total(self) -> int | None:
        """About how many contacts there are."""
        return None if self.source.total is None else max(0, self.source.total - self.header)

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the header that hold something; broken ones say why."""
        width = len(self.columns)
        for row in self.source.rows(width):
            if row.line > self.header and not row.blank:
                yield row if row.problem else self._checked(row, width)

    def _checked(self, row: Row, width: int) -> Row:
        count = len(row.cells)
        if count > width and any(read_text(cell) for cell in row.cells[width:]):
            return replace(row, problem=f"it has {count} cells, the header has {width}")
        if count < width and self.form is Form.CSV and not self.short_rows:
            return replace(row, problem=f"it has {count} cells, the header has {width}")
        return row

    def identified(self, known: Mapping[int, str], *, by_line: bool) -> Iterator[tuple[str, Row]]:
        """Yield each row with the id of its record.

        A row whose id an earlier row has is marked as broken.

        Args:
            known: Line → id, where it is decided already (rows of a corrected copy).
            by_line: Without a column of ids, name records by their line, not by their e-mail.
        """
        named = next((c.index for c in self.columns if c.target == "id"), None)
        mails = [c.index for c in self.columns if c.target == "email"]
        seen: set[str] = set(known.values())
        for row in self.rows():
            if row.problem:
                yield f"line {row.line}", row
            elif row.line in known:
                yield known[row.line], row
            elif named is not None:
                yield self._named(row, named, seen)
            else:
                yield _unnamed(row, [] if by_line else mails, seen), row

    @staticmethod
    def _named(row: Row, index: int, seen: set[str]) -> tuple[str, Row]:
        held = _cell(row, index)
        line = f"line {row.line}"
        if held is None:
            return line, replace(row, problem="its id is empty")
        record_id = held.strip()
        if record_id in seen:
            return line, replace(row, problem="its id stands on an earlier line too")
        seen.add(record_id)
        return record_id, row


def _cell(row: Row, index: int) -> str | None:
    return read_text(row.cells[index]) if index < len(row.cells) else None


def _unnamed(row: Row, mails: Sequence[int], seen: set[str]) -> str:
    """Name a record by its e-mail if it is the first to have it, else by its line."""
    for index in mails:
        if address := _cell(row, index):
            digest = hashlib.sha256(address.strip().casefold().encode(errors="replace"))
            name = f"mail-{digest.hexdigest()[:16]}"
            if name not in seen:
                seen.add(name)
                return name
            break
    return f"line {row.line}"


def open_table(path: Path, settings: FileSettings, *, neutralised: bool = False) -> Table:
    """Look at a file: form, encoding, delimiter, header, columns, order of dates.

    Args:
        path: The file.
        settings: What the user says about it.
        neutralised: Whether it is one of our copies.

    Raises:
        InputError: It cannot be used; says why and what to do.
    """
    wanted = dict(settings.columns)
    if settings.id_column is not None:
        wanted["id"] = settings.id_column
    content = inspect(path, settings.encoding)
    source: Source
    if content.form is Form.XLSX:
        source = Workbook(path, settings.sheet, wanted)
    else:
        source = Delimited(path, content, settings.delimiter, wanted, neutralised=neutralised)
    try:
        return _looked_at(source, content, wanted, settings)
    except BaseException:
        source.close()
        raise


def _looked_at(
    source: Source, content: Content, wanted: Mapping[str, str], settings: FileSettings
) -> Table:
    path, header = source.path, _header(source, wanted)
    columns = recognise([read_text(cell) or "" for cell in header.cells], wanted, str(path))
    if not any(column.target for column in columns):
        raise InputError(
            f"{path}: no column is recognised in its first {_HEADER_ROWS} lines.",
            hint="Put headers such as 'E-mail', 'Nom', 'Phone' in the first line, or say which "
            "column is which (--map email=COLUMN, or `columns:` in the settings).",
        )
    looked = Table(
        source=source,
        form=content.form,
        columns=columns,
        header=header.line,
        days_first={},
        short_rows=True,
        fingerprint="",
        sha256=content.sha256,
    )
    return _surveyed(looked, settings)


def _header(source: Source, wanted: Mapping[str, str]) -> Row:
    """Return the row with most known headers among the first ones: titles may stand above it."""
    filled = (row for row in source.rows() if not row.blank)
    rows = list(itertools.islice(filled, _HEADER_ROWS))
    if not rows:
        raise InputError(f"{source.path}: the file holds no rows.", hint="Export it again.")
    return max(
        rows, key=lambda row: recognised([read_text(cell) or "" for cell in row.cells], wanted)
    )


def _surveyed(table: Table, settings: FileSettings) -> Table:
    orders = {column.index: _Order() for column in table.columns if column.target in _TIMES}
    rows = short = 0
    for row in table.rows():
        rows += 1
        short += not row.problem and len(row.cells) < len(table.columns)
        for index, order in orders.items():
            if index < len(row.cells):
                order.look(row.cells[index])
        if rows >= _SURVEY and not any(order.open for order in orders.values()):
            break
    if not rows:
        raise InputError(
            f"{table.source.path}: below the header on line {table.header} there are no rows.",
            hint="Export it again, with the contacts.",
        )
    days_first = _decide(table.columns, orders, settings)
    reading = json.dumps(
        [
            table.sha256,
            [[c.target, c.name] for c in table.columns],
            sorted(days_first.items()),
            settings.ids,
            table.header,
            getattr(table.source, "delimiter", ""),
            getattr(table.source, "sheet", ""),
        ]
    )
    return replace(
        table,
        days_first=days_first,
        short_rows=short > rows * _HABIT,
        fingerprint=hashlib.sha256(reading.encode(errors="replace")).hexdigest()[:32],
    )


class _Order:
    """Gathers what a column's own data says about the order of day and month."""

    def __init__(self) -> None:
        self.days = 0
        self.months = 0
        self.open = False  # there are such dates, and none has told

    def look(self, held: object) -> None:
        if not isinstance(held, str) or not could_be_both(held):
            return
        order = day_first(held)
        self.days += order is True
        self.months += order is False
        self.open = not (self.days or self.months)

    @property
    def verdict(self) -> bool | None:
        return None if self.days == self.months else self.days > self.months


def _decide(
    columns: Sequence[Column], orders: Mapping[int, _Order], settings: FileSettings
) -> dict[int, bool]:
    """Decide each column from its data, else as its neighbours, else by the headers' language.

    English headers alone mean month first; with `;` between cells, a European wrote them.
    """
    if settings.dates != "auto":
        return dict.fromkeys(orders, settings.dates == "day first")
    verdicts = {index: order.verdict for index, order in orders.items()}
    told = [verdict for verdict in verdicts.values() if verdict is not None]
    default = sum(told) * 2 >= len(told) if told else is_french(columns) is not False
    return {i: default if verdict is None else verdict for i, verdict in verdicts.items()}
