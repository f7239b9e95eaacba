"""How changes end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

C = TypeVar("C")

GONE = "the contact is gone"
UNREADABLE = "the contact cannot be read"


def of(kind: type[C], changes: Sequence[object]) -> list[C]:
    """Return the changes of one kind, in order."""
    return [change for change in changes if isinstance(change, kind)]
