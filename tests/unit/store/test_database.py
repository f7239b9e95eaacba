"""The database: created, migrated, guarded; every refusal says what to do."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests.elsewhere import writing_elsewhere

import crm_steward.store.matchingtables  # noqa: F401 -- its tables are part of the metadata
from crm_steward.model import AwayError, BusyError, StoreError
from crm_steward.store import database as database_module
from crm_steward.store.database import HEAD, Database
from crm_steward.store.migrations import configuration, upgrade
from crm_steward.store.refusals import refused
from crm_steward.store.runs import Runs
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


def test_two_that_open_an_empty_database_at_once_do_not_meet(database_url: str) -> None:
    """Two replicas that start together: the second waits for the first one's schema, and takes it."""
    first = Database(sa.create_engine(database_url))
    begun = "BEGIN IMMEDIATE" if first.dialect == "sqlite" else "SELECT 1"
    with ThreadPoolExecutor() as pool, first, first.engine.connect() as connection:
        connection.exec_driver_sql(begun)
        upgrade(connection)
        second = pool.submit(Database.open, database_url)
        wait([second], timeout=1)
        assert not second.done()
        connection.commit()
        with second.result(timeout=30) as opened:
            assert opened.version() == HEAD


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


def test_opening_again_takes_no_lock_away(tmp_path: Path) -> None:
    """One thread writes, another opens the database, as the vault does: other processes still wait."""
    path = tmp_path / "steward.db"
    url = f"sqlite:///{path}"
    with Database.open(url) as database, database.write() as writing:
        writing.execute(sa.text("INSERT INTO meta VALUES ('half', 'written')"))
        assert writing_elsewhere(path) == "database is locked"
        with ThreadPoolExecutor(1) as threads:
            threads.submit(lambda: Database.open(url).close()).result(timeout=60)
        assert writing_elsewhere(path) == "database is locked"
    assert writing_elsewhere(path) == "written"


def test_whoever_creates_the_file_takes_no_lock_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads open a new database at once: what one of them writes is not cut short by the other."""
    path, began, over = tmp_path / "steward.db", Event(), Event()
    close, threads = os.close, ThreadPoolExecutor(1)

    def write() -> None:
        with Database.open(f"sqlite:///{path}") as database, database.write():
            began.set()
            assert over.wait(60)

    def late(descriptor: int) -> None:
        """Let the other thread open the database first, if it gets that far."""
        monkeypatch.undo()
        threads.submit(write)
        began.wait(1)
        close(descriptor)

    with threads:
        monkeypatch.setattr(os, "close", late)
        database_module._create(path)
        assert began.wait(60)
        try:
            assert writing_elsewhere(path) == "database is locked"
        finally:
            over.set()


def test_what_stands_in_the_way_is_named(tmp_path: Path) -> None:
    """A folder, a file for a folder, links in a circle; a link to nothing is made good, privately."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "link").symlink_to(tmp_path / "made.db")
    for name, says in (
        ("folder", "is a directory"),
        ("circle", "too many levels of symbolic links"),
        ("file/steward.db", "exists"),
    ):
        with pytest.raises(StoreError, match=f"{name}: .*{says}.*Check that the folder exists"):
            Database.open(f"sqlite:///{tmp_path}/{name}")
    Database.open(f"sqlite:///{tmp_path}/link").close()
    assert stat.S_IMODE((tmp_path / "made.db").stat().st_mode) == 0o600


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """It is there, and belongs to the service's account, say. Root is asked without its powers."""
    url = f"sqlite:///{tmp_path / 'steward.db'}"
    Database.open(url).close()
    (tmp_path / "steward.db").chmod(0o400)
    powers = "-dac_override,-dac_read_search"
    plainly = ["setpriv", f"--bounding-set={powers}"] if os.geteuid() == 0 else []
    code = f"from crm_steward.store.database import Database; Database.open({url!r})"
    ended = subprocess.run(
        [*plainly, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert re.search(r"StoreError: .*permission denied.*this user may write", ended.stderr)


class _Crossing(Database):
    """A database in which another thread adds or takes away a fence while one is about to."""

    meanwhile: Any = None

    @property
    def _fences(self) -> Any:
        fences = self._kept
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return fences

    @_fences.setter
    def _fences(self, fences: Any) -> None:
        self._kept = fences


@pytest.mark.parametrize("crossing", ["begins", "ends"])
def test_fences_of_two_threads_do_not_meet(database_url: str, crossing: str) -> None:
    """Each counts from when its block begins until it ends, whatever the other thread does just then."""
    inside, leave, ended = Event(), Event(), Event()

    def refuse(_connection: sa.Connection) -> None:
        raise BusyError("lost")

    def other(database: Database) -> None:
        with database.fenced(refuse):
            inside.set()
            assert leave.wait(60)
            if crossing == "begins":
                with pytest.raises(BusyError), database.write():
                    pytest.fail("its fence was lost")
        ended.set()

    with _Crossing.open(database_url) as database, ThreadPoolExecutor(1) as threads:

        def begin() -> None:
            started.append(threads.submit(other, database))
            inside.wait(1)

        def end() -> None:
            leave.set()
            ended.wait(1)

        started: list[Any] = []
        if crossing == "ends":
            begin()
        database.meanwhile = begin if crossing == "begins" else end
        with database.fenced(lambda _connection: None):
            leave.set()
            started[0].result(timeout=60)
            with database.write():
                """The other's fence is gone."""


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


@pytest.mark.parametrize(
    "said",
    [
        'connection to server at "db" (10.0.0.1), port 5432 failed: Connection refused',
        'connection to server at "db", port 5432 failed: No route to host\n\tIs the server running on that host?',
        "failed to resolve host 'db': [Errno -3] Temporary failure in name resolution",
        "connection timeout expired",
        "consuming input failed: could not receive data from server: Connection timed out",
        "sending query failed: could not send data to server: Broken pipe",
        "consuming input failed: SSL SYSCALL error: EOF detected",
        "consuming input failed: server closed the connection unexpectedly",
        "database is locked",
    ],
)
def test_what_passes_by_itself_is_worth_waiting_for(said: str) -> None:
    """A service waits for it; what an edit must mend, it does not."""
    error = refused("postgresql://db/steward", Exception(said))
    assert isinstance(error, AwayError)
    assert "bug" not in str(error)
    wrong = refused("postgresql://db/steward", Exception('password authentication failed for "u"'))
    assert not isinstance(wrong, AwayError)


def test_a_database_whose_connections_all_wait_is_away(tmp_path: Path) -> None:
    """Pages and jobs say so; it is no bug of theirs."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database, ExitStack() as held:
        pool = database.engine.pool
        assert isinstance(pool, sa.QueuePool)
        pool._timeout = 0.01
        with pytest.raises(AwayError, match="does not answer"):
            for _ in range(50):
                held.enter_context(database.read())


def test_a_server_that_does_not_answer_is_noticed(postgres_url: str) -> None:
    """Within half a minute, as the driver is told; what the database's URL says wins."""
    with Database.open(f"{postgres_url}&connect_timeout=3") as database, database.read() as reading:
        driver = reading.connection.driver_connection
        assert driver is not None
        given = driver.info.get_parameters()
    assert (given["tcp_user_timeout"], given["connect_timeout"]) == ("30000", "3")


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


@pytest.mark.usefixtures("durable")
def test_no_write_ahead_log_whatever_sqlite(tmp_path: Path) -> None:
    """Before SQLite 3.51.3 it can corrupt: there is a rollback journal, synced, and no mapped file."""
    path = tmp_path / "steward.db"
    Database.open(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    with Database.open(f"sqlite:///{path}") as opened:
        for write in (opened.write, opened.read):
            with write() as connection:
                asked = [
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                    for name in ("journal_mode", "synchronous", "mmap_size", "foreign_keys")
                ]
            assert asked == ["truncate", 2, 0, 1]
    assert not path.with_name("steward.db-wal").exists()


def test_a_write_ahead_log_in_use_is_refused(tmp_path: Path) -> None:
    """As long as another program has the database open so, it is not written."""
    path = tmp_path / "steward.db"
    Database.open(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN")
        other.execute("SELECT * FROM meta").fetchall()
        with pytest.raises(StoreError, match="Another program holds the database"):
            Database.open(f"sqlite:///{path}?timeout=0.1")


def test_text_that_was_damaged_is_not_a_bug_and_is_not_shown(tmp_path: Path) -> None:
    """Bytes that are no text, in the schema or in a value: damage, with its remedy, without the text."""
    path = tmp_path / "steward.db"
    Database.open(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as held:
        text = "CAST(x'636172616d656cff' AS TEXT)"
        held.execute(
            "INSERT INTO runs (id, verb, connection, started_at, status, counts) "
            f"VALUES ('a', {text}, '', 0, 'done', '{{}}')"
        )
        held.commit()

    with (
        pytest.raises(StoreError, match=r"malformed.*crm-steward restore") as caught,
        Database.open(f"sqlite:///{path}") as opened,
    ):
        Runs(opened).latest()

    assert "caramel" not in str(caught.value)
    whole = path.read_bytes()
    path.write_bytes(
        whole.replace(b"CREATE TABLE alembic_version", b"\xff\xfe\xfd\xfcTE TABLE alembic_version")
    )
    with pytest.raises(StoreError, match=r"malformed.*crm-steward restore"):
        Database.open(f"sqlite:///{path}")


def test_what_fails_on_a_damaged_database_is_damage(tmp_path: Path) -> None:
    """An error that looks like a bug is looked into: 7 and restore, not 70 and a report."""
    path = tmp_path / "steward.db"
    with pytest.raises(KeyError), Database.open(f"sqlite:///{path}"):
        raise KeyError  # on a whole database a bug stays a bug
    with (
        pytest.raises(StoreError, match=r"crm-steward restore"),
        Database.open(f"sqlite:///{path}"),
    ):
        content = path.read_bytes()
        path.write_bytes(content[: 8 * 4096] + bytes(len(content) - 8 * 4096))
        raise KeyError
