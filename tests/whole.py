"""How much is done of what repeats itself: a share in `make test`, all of it in `make test-whole`.

A share is the same each time. Where two things are combined, a share holds each of either once.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

WHOLE = "STEWARD_WHOLE" in os.environ
"""Whether all is done."""


def stride(steps: int) -> int:
    """Return by how much to go on where each of so many moments in turn is tried."""
    return 1 if WHOLE else steps


def some(whole: int, few: int) -> int:
    """Return how many examples to try, of those there are."""
    return whole if WHOLE else few


def portion(items: Sequence[T], name: str, *, one_in: int) -> Sequence[T]:
    """Return one in so many; which, the name says."""
    return items if WHOLE else items[zlib.crc32(name.encode()) % one_in :: one_in]


def drawn(name: str, *, one_in: int) -> bool:
    """Return whether what bears this name is of the share."""
    return WHOLE or zlib.crc32(name.encode()) % one_in == 0
