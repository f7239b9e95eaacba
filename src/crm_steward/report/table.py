"""The digest as a table of figures, one per line: for a spreadsheet, or a chart over many weeks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from crm_steward.connect.neutral import disarm
from crm_steward.report.digest import Digest
from crm_steward.report.document import as_document
from crm_steward.report.owners import OwnerDigest

COLUMNS = ("week", "section", "item", "measure", "value")
_NAMES = frozenset(
    {
        "by",
        "category",
        "channel",
        "connection",
        "country",
        "duty",
        "field",
        "finding",
        "ground",
        "kind",
        "name",
        "owner",
        "period",
        "plan",
        "rule",
        "run",
    }
)
"""Parts of the digest that say what a line is about; together they are its item."""
_NAMES_IN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "delays": _NAMES | {"length"},
        "ending": _NAMES | {"length"},
        "waiting": _NAMES | {"reversibility"},
    }
)
"""Where further parts say so: what holds them, and all of them."""
_ASIDE = frozenset(
    {
        "better",
        "examples",
        "groups",
        "halts",
        "next",
        "people",
        "person",
        "problems",
        "share",
        "titles",
        "worst",
        "zone",
    }
)
"""Parts that name records, hold sentences or say how to show a figure: the JSON document has them.
Where they are numbers they count."""


def as_table(digest: Digest | OwnerDigest, *, privacy: bool = False) -> str:
    """Return the figures of a digest as CSV, safe to open in a spreadsheet.

    The columns are always the same: a line added to another week's stays comparable.

    Args:
        digest: One week.
        privacy: Only what the digest of data protection says of it.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    document = as_document(digest, privacy=privacy)
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
        names = _NAMES_IN.get(measure[-1], _NAMES) if measure else _NAMES
        named = tuple(text for key, text in value.items() if key in names and isinstance(text, str))
        for key, inner in value.items():
            if key not in names and (key not in _ASIDE or _number(inner)):
                yield from _figures(inner, (*item, *named), (*measure, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _line(inner, item, measure)
    elif value is not None:
        yield " ".join(filter(None, item)), " ".join(measure), value


def _line(value: Any, item: _Path, measure: _Path) -> Iterator[tuple[str, str, Any]]:
    """Yield one element of a list; of plain values the texts say about what it is.

    A text alone is there, or is not: it counts one.
    """
    if isinstance(value, str):
        yield from _figures(1, (*item, value), measure)
        return
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = tuple(one for one in value if isinstance(one, str))
        numbers = [one for one in value if isinstance(one, int | float)]
        for number in numbers:
            yield from _figures(number, (*item, *texts), measure)
    else:
        yield from _figures(value, item, measure)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
