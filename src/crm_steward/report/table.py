"""The digest as a table of figures, one per line: for a spreadsheet, or a chart over many weeks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crm_steward.connect.neutral import disarm
from crm_steward.report.digest import Digest
from crm_steward.report.document import as_document
from crm_steward.report.owners import OwnerDigest

COLUMNS = ("week", "section", "item", "measure", "value")
_NAMES = frozenset(
    {"rule", "kind", "connection", "owner", "name", "run", "plan", "finding", "country", "field"}
)
"""Parts of the digest that say what a line is about; together they are its item."""
_ASIDE = frozenset(
    {"examples", "groups", "people", "titles", "problems", "halts", "share", "better", "zone"}
)
"""Parts that name records, hold sentences or say how to show a figure: the JSON document has them."""


def as_table(digest: Digest | OwnerDigest) -> str:
    """Return the figures of a digest as CSV, safe to open in a spreadsheet.

    The columns are always the same: a line added to another week's stays comparable.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    document = as_document(digest)
    week = document.pop("week")
    for section, value in document.items():
        if section in _ASIDE:
            continue
        for item, measure, figure in _figures(value, (), ()):
            writer.writerow([week, section, disarm(item), disarm(measure), disarm(str(figure))])
    return text.getvalue()


_Path = tuple[str, ...]


def _figures(value: Any, item: _Path, measure: _Path) -> Iterator[tuple[str, str, Any]]:
    """Yield what a part of the document counts: about what, what of it, how much."""
    if isinstance(value, Mapping):
        named = tuple(
            text for key, text in value.items() if key in _NAMES and isinstance(text, str)
        )
        for key, inner in value.items():
            if key not in _NAMES and key not in _ASIDE:
                yield from _figures(inner, (*item, *named), (*measure, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _line(inner, item, measure)
    elif value is not None:
        yield " ".join(filter(None, item)), " ".join(measure), value


def _line(value: Any, item: _Path, measure: _Path) -> Iterator[tuple[str, str, Any]]:
    """Yield one element of a list; of plain values the texts say about what it is."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = tuple(one for one in value if isinstance(one, str))
        numbers = [one for one in value if isinstance(one, int | float)]
        for number in numbers:
            yield from _figures(number, (*item, *texts), measure)
    else:
        yield from _figures(value, item, measure)
