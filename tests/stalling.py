"""A database of a process, or a thread, that is held up at the worst moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from crm_steward.store.database import Database


class Stalls(Database):
    """Stands still once, right after a commit of its own, while `meanwhile` is called."""

    meanwhile: Any = None

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[sa.Connection]:
        """Commit, and let others do something before anything else is done."""
        with super().write(fenced=fenced) as writing:
            yield writing
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
