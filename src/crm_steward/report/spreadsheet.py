"""Writes sheets as an XLSX file (ECMA-376, part 1): text, numbers, dates and links, never a formula.

Written here because a report has few seconds, and openpyxl takes several times as long for the same
cells, of which a workbook with a sheet for each list has many.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from string import ascii_uppercase
from typing import Final, Self
from xml.sax.saxutils import escape, quoteattr

_LONGEST: Final = 32_767
"""Characters that a cell may hold: Excel's limit, as all here are."""
_LONGEST_NAME: Final = 31
"""Characters that a sheet's name may have."""
_NO_NAME = re.compile(r"[\[\]:*?/\\]|^'|'$")
"""What a sheet's name may not have."""
_FIRST_DAY: Final = date(1899, 12, 30).toordinal()
"""The day from which days are counted, right for all after February 1900."""
_HEAD, _DAY, _LINK, _SHARE = range(1, 5)
"""Styles, by their place in `_STYLES`; 0 is plain."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""
_CODED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
"""What readers would take for the code of a character (ST_Xstring)."""

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


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


@dataclass(frozen=True, slots=True)
class Share:
    """A number from 0 to 1 that is shown in per cent."""

    value: float


Cell = str | float | date | Linked | Share | None
"""What a cell may hold; None leaves it empty."""
_Link = tuple[str, Linked]
"""Where a link stands, and the link."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A sheet as the file names it: what it is called, which part it is, where its cells are."""

    name: str
    number: int
    area: str


class Spreadsheet:
    """An XLSX file, written sheet by sheet."""

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self._sheets: list[_Sheet] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(
        self,
        name: str,
        head: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        widths: Sequence[float],
        first: bool = False,
    ) -> int:
        """Add a sheet whose head stays in sight and filters the rows.

        Args:
            name: What it is called.
            head: The titles of its columns, at most 26.
            rows: The cells below them, as many in each row.
            widths: How wide each column is, in characters.
            first: Whether it stands before the others.

        Returns:
            How many rows it has, without the head.

        Raises:
            ValueError: Excel takes no sheet of such a name, or there is one already; or a row has
                other columns than the head.
        """
        taken = {known.name.casefold() for known in self._sheets}
        if not 0 < len(name) <= _LONGEST_NAME or _NO_NAME.search(name) or name.casefold() in taken:
            raise ValueError(f"no name for a sheet: {name}")
        number, columns = len(self._sheets) + 1, ascii_uppercase[: len(head)]
        links: list[_Link] = []
        last = 1
        with self._zip.open(f"xl/worksheets/sheet{number}.xml", "w") as out:
            out.write(f"{_opening(widths)}{_head(columns, head)}".encode())
            for last, cells in enumerate(rows, start=2):
                out.write(_row(columns, last, cells, links).encode())
            out.write(_closing(f"A1:{columns[-1]}{last}", links).encode())
        away = "".join(_relation(place, "hyperlink", one.url) for place, one in links if one.url)
        if away:
            self._write(f"xl/worksheets/_rels/sheet{number}.xml.rels", _relations(away))
        made = _Sheet(name, number, f"$A$1:${columns[-1]}${last}")
        self._sheets.insert(0 if first else len(self._sheets), made)
        return last - 1

    def content(self) -> bytes:
        """Return the file. Nothing can be added to it afterwards."""
        numbers = sorted(sheet.number for sheet in self._sheets)
        self._write("[Content_Types].xml", _types(numbers))
        self._write("_rels/.rels", _relations(_relation("r1", "officeDocument", "xl/workbook.xml")))
        self._write("xl/workbook.xml", _book(self._sheets))
        parts = [_relation(f"r{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in numbers]
        styles = _relation("styles", "styles", "styles.xml")
        self._write("xl/_rels/workbook.xml.rels", _relations("".join([*parts, styles])))
        self._write("xl/styles.xml", _STYLES)
        self._zip.close()
        return self._file.getvalue()

    def _write(self, name: str, text: str) -> None:
        self._zip.writestr(name, f"{_DECLARED}{text}")


def _head(columns: str, head: Sequence[str]) -> str:
    titles = zip(columns, head, strict=True)
    return f'<row r="1">{"".join(_text(f"{name}1", title, _HEAD) for name, title in titles)}</row>'


def _row(columns: str, number: int, cells: Sequence[Cell], links: list[_Link]) -> str:
    """Return a row, and note its links."""
    made = []
    for column, value in zip(columns, cells, strict=True):
        place = f"{column}{number}"
        if isinstance(value, Linked) and (value.url or value.sheet):
            links.append((place, value))
        made.append(_cell(place, value))
    return f'<row r="{number}">{"".join(made)}</row>'


def _cell(place: str, value: Cell) -> str:
    style, number = 0, 0.0
    match value:
        case None | "":
            return ""
        case str():
            return _text(place, value, 0)
        case Linked(text=text):
            return _text(place, text, _LINK if value.url or value.sheet else 0)
        case date():  # of a time its day
            style, number = _DAY, value.toordinal() - _FIRST_DAY
        case Share(value=share):
            style, number = _SHARE, share
        case int():  # what is true counts one
            number = int(value)
        case float():
            number = value
    return f'<c r="{place}" s="{style}"><v>{number!r}</v></c>'


def _text(place: str, text: str, style: int) -> str:
    """Return a cell that is text, whatever it begins with."""
    shown = escape(_CODED.sub("_x005F_", _legal(text)[:_LONGEST]))
    return (
        f'<c r="{place}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>'
    )


def _legal(text: str) -> str:
    return text if text.isprintable() else _FORBIDDEN.sub("", text)


def _opening(widths: Sequence[float]) -> str:
    columns = "".join(
        f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>'
        for n, width in enumerate(widths, start=1)
    )
    return (
        f'{_DECLARED}<worksheet xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheetViews>'
        '<sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" '
        f'state="frozen"/></sheetView></sheetViews><cols>{columns}</cols><sheetData>'
    )


def _closing(area: str, links: Sequence[_Link]) -> str:
    there = "".join(f'<hyperlink ref="{place}" {_target(place, one)}/>' for place, one in links)
    leading = f"<hyperlinks>{there}</hyperlinks>" if there else ""
    return f'</sheetData><autoFilter ref="{area}"/>{leading}</worksheet>'


def _target(place: str, link: Linked) -> str:
    if link.url:
        return f'r:id="{place}"'
    return f"location={quoteattr(_inside(link.sheet, 'A1'))}"


def _inside(sheet: str, area: str) -> str:
    named = sheet.replace("'", "''")
    return f"'{named}'!{area}"


def _relation(name: str, kind: str, target: str) -> str:
    mode = ' TargetMode="External"' if kind == "hyperlink" else ""
    return (
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target={quoteattr(_legal(target))}'
        f"{mode}/>"
    )


def _relations(each: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{each}</Relationships>'


def _types(numbers: Iterable[int]) -> str:
    parts = {f"worksheets/sheet{number}": "worksheet" for number in numbers}
    parts |= {"workbook": "sheet.main", "styles": "styles"}
    each = "".join(
        f'<Override PartName="/xl/{name}.xml" ContentType="{_KIND}.{kind}+xml"/>'
        for name, kind in parts.items()
    )
    return (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{each}</Types>'
    )


def _book(sheets: Sequence[_Sheet]) -> str:
    each = "".join(
        f'<sheet name={quoteattr(one.name)} sheetId="{one.number}" r:id="r{one.number}"/>'
        for one in sheets
    )
    # Spreadsheets keep what a filter is of under this name, and look for it there.
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{place}" hidden="1">'
        f"{escape(_inside(one.name, one.area))}</definedName>"
        for place, one in enumerate(sheets)
    )
    return (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{each}</sheets><definedNames>{filters}</definedNames></workbook>"
    )


_FACE = '<sz val="11"/><name val="Calibri"/>'
_USUAL = 'fillId="0" borderId="0"'
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}">'
    f'<fonts count="3"><font>{_FACE}</font><font><b/>{_FACE}</font>'
    '<font><u/><sz val="11"/><color rgb="FF0B5394"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    f'<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" {_USUAL}/></cellStyleXfs>'
    f'<cellXfs count="5"><xf numFmtId="0" fontId="0" {_USUAL} xfId="0"/>'
    f'<xf numFmtId="0" fontId="1" {_USUAL} xfId="0" applyFont="1"/>'
    f'<xf numFmtId="14" fontId="0" {_USUAL} xfId="0" applyNumberFormat="1"/>'
    f'<xf numFmtId="0" fontId="2" {_USUAL} xfId="0" applyFont="1"/>'
    f'<xf numFmtId="10" fontId="0" {_USUAL} xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
"""Fonts, and the formats of cells: plain, head, day as the reader's country writes it, link, share."""
