"""Statements that were compiled before: once per worker, not once per database that a test opens.

SQLAlchemy keeps what it compiled with the engine, for its dialect. Here all engines on SQLite files
share one dialect, and so what they compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from crm_steward.store import database

_STATEMENTS = 5_000


@contextmanager
def sharing() -> Iterator[None]:
    """Let engines on SQLite files share what they compile, in this process."""
    first = sa.create_engine("sqlite://", query_cache_size=_STATEMENTS)
    first.connect().close()  # a dialect learns from its first connection what the library can do
    make = database._sqlite

    def made(url: sa.URL, key: str) -> sa.Engine:
        engine = make(url, key)
        if not key:  # an encrypted file has another library
            engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_sqlite", made)
        yield
    first.dispose()
