"""Brings a database from any earlier schema to the present one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from crm_steward.model import StoreError

if TYPE_CHECKING:
    import sqlalchemy as sa


def configuration() -> Config:
    """Return alembic's configuration; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


_ONE_AT_A_TIME = 0x63726D73
"""The advisory lock under which a PostgreSQL database gets its schema; any number would do."""


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Bring the database behind `connection` to `revision`, in its transaction.

    Of two that start at once on PostgreSQL, the second waits until the first has done it. On SQLite
    their write transactions wait for each other anyway.

    Raises:
        StoreError: The database was written by a newer crm-steward.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 -- beside its only use

    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise StoreError(
            f"The database is at schema {current}, which this version does not know.",
            hint="It was written by a newer crm-steward: install that version, or restore the "
            "backup made before the upgrade.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
