"""An invented world of contacts with a known person behind each record.

`World` says what it is like, `write` writes it, `exact_keys` is what any better way to find duplicates has to beat.
"""

from __future__ import annotations

from world.baseline import Score, exact_keys
from world.knobs import World
from world.written import write

__all__ = ["Score", "World", "exact_keys", "write"]
