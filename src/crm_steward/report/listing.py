"""What the workbook lists line by line, and the rest of a report only counts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MOST: Final = 5_000
"""Things in one list. A mail must stay small enough for every mail server."""
LISTED: Final[Mapping[str, bool]] = MappingProxyType({"listed": True})
"""Metadata of the parts of a digest that hold records for the workbook, at most MOST of them: the
JSON document and the CSV leave them out."""
