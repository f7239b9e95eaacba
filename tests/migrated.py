"""Databases that were migrated before: migrations run once per worker, not once per test.

What migrations make is copied. Commands, which are processes of their own, run the migrations
themselves, and so do the tests of migrations.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import sqlalchemy as sa

from crm_steward.store import migrations
from crm_steward.store.database import Database, upsert
from crm_steward.store.migrations import upgrade
from crm_steward.store.tables import meta


@cache
def _statements() -> tuple[str, ...]:
    """Return what makes an empty SQLite database one that was migrated."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        made = connection.exec_driver_sql(
            "SELECT name, type, sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'"
        ).all()
        (head,) = connection.exec_driver_sql("SELECT version_num FROM alembic_version").one()
        for name, kind, _ in made:
            if kind == "table" and name != "alembic_version":
                rows = connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar()
                assert rows == 0, "a migration makes rows: they have to be copied as well"
    engine.dispose()
    return (*(sql for *_, sql in made), f"INSERT INTO alembic_version VALUES ('{head}')")


def _copied(connection: sa.Connection, revision: str = "head") -> None:
    """Bring a database to a revision; an empty one of SQLite to the last, by copying."""
    empty = connection.dialect.name == "sqlite" and not sa.inspect(connection).get_table_names()
    if not empty or revision != "head":
        upgrade(connection, revision)
        return
    for statement in _statements():
        connection.exec_driver_sql(statement)


@contextmanager
def copying() -> Iterator[None]:
    """Let new SQLite databases be copies, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "upgrade", _copied)
        yield


def reborn(database: Database) -> None:
    """Give a copy an id of its own: it is an installation like any other."""
    own = {"key": "installation", "value": secrets.token_hex(16)}
    with database.write() as writing:
        writing.execute(upsert(database, meta, ["key"]), own)
