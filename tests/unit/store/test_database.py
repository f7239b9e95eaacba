"""The database: created, migrated, guarded; every refusal says what to do."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from crm_steward.model import StoreError
from crm_steward.store.database import HEAD, Database
from crm_steward.store.migrations import configuration, upgrade
from crm_steward.store.tables import metadata


def test_an_empty_database_is_brought_to_the_present_schema(database: Database) -> None:
    """Opening creates every table; nothing differs between migrations and `tables`."""
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    assert [] == differences
    assert HEAD == database.version()


def test_head_is_the_last_migration() -> None:
    """The constant that spares loading alembic names alembic's own head."""
    assert ScriptDirectory.from_config(configuration()).get_current_head() == HEAD


def test_each_migration_keeps_what_was_there(database_url: str) -> None:
    """Going up one migration at a time from an empty database keeps the rows of earlier ones."""
    script = ScriptDirectory.from_config(configuration())
    steps = [step.revision for step in script.walk_revisions()][::-1]
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        upgrade(connection, steps[0])
        connection.execute(sa.text("INSERT INTO meta VALUES ('installation', 'before')"))
        for step in steps[1:]:
            upgrade(connection, step)
    engine.dispose()

    with Database.open(database_url) as opened, opened.read() as connection:
        kept = connection.execute(sa.text("SELECT value FROM meta WHERE key='installation'"))
        assert kept.scalar() == "before"


def test_opening_again_changes_nothing(database_url: str) -> None:
    """The installation's id is made once."""
    ids = []
    for _ in range(2):
        with Database.open(database_url) as opened, opened.read() as connection:
            ids.append(connection.execute(sa.text("SELECT value FROM meta")).scalar_one())

    assert ids[0] == ids[1]
    assert len(ids[0]) == 32


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    """Nothing is read or written in a schema this version does not know."""
    with Database.open(database_url) as opened, opened.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num='9999'"))

    with pytest.raises(StoreError, match="newer crm-steward"):
        Database.open(database_url)


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    """What is written before an error is undone."""

    class Crash(BaseException): ...

    with pytest.raises(Crash), database.write() as connection:
        connection.execute(sa.text("INSERT INTO meta VALUES ('half', 'written')"))
        raise Crash

    with database.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM meta")).scalar() == 1


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    """The SQLite file is created with mode 0600, in a folder made for it."""
    path = tmp_path / "new" / "steward.db"
    Database.open(f"sqlite:///{path}").close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////proc/nowhere/steward.db", "Check that the folder exists"),
        ("sqlite:////", "Check that the folder exists"),
        ("not a url", "Write sqlite:///path"),
        ("oracle://user:secret@host/db", "Write sqlite:///path"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/db", "Check that the database server runs"),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_with_a_remedy(url: str, says: str) -> None:
    """One line says where and what to do, and never shows a password."""
    with pytest.raises(StoreError) as caught:
        Database.open(url)

    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_a_database_is_refused_untouched(tmp_path: Path) -> None:
    """A wrong path never destroys the file that stands there."""
    path = tmp_path / "notes.txt"
    path.write_text("dear diary " * 500)
    before = path.read_bytes()

    with pytest.raises(StoreError, match="something else"):
        Database.open(f"sqlite:///{path}")

    assert before == path.read_bytes()


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    """A file whose pages were overwritten is not used."""
    path = tmp_path / "steward.db"
    Database.open(f"sqlite:///{path}").close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with (
        pytest.raises(StoreError, match="damaged"),
        Database.open(f"sqlite:///{path}") as opened,
        opened.write() as connection,
    ):
        connection.execute(sa.text("INSERT INTO meta VALUES ('a', 'b')"))


def test_a_full_disk_undoes_the_transaction(tmp_path: Path) -> None:
    """When the disk is full, the error says so and what stood before still stands."""
    path = tmp_path / "steward.db"
    with Database.open(f"sqlite:///{path}") as opened:
        with opened.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        sa.event.listen(
            opened.engine,
            "checkout",
            lambda raw, *_: raw.execute(f"PRAGMA max_page_count = {pages}"),
        )
        with pytest.raises(StoreError, match="Free disk space"), opened.write() as connection:
            for number in range(1000):
                row = {"key": str(number), "value": "x" * 4000}
                connection.execute(sa.text("INSERT INTO meta VALUES (:key, :value)"), row)

    kept = sqlite3.connect(path)
    assert kept.execute("SELECT count(*) FROM meta").fetchone() == (1,)
    kept.close()
