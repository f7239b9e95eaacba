"""The mirror as DuckDB sees it: only what is asked for, and a clear word when it cannot be read."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import Clock, Contact, RecordRef, StoreError
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward.store.relation import open_relation, relation_of_rows
from crm_steward.store.tables import contacts


@pytest.fixture(autouse=True, params=["here", "apart"])
def read_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite be read in this process, and as large files are, in one of its own."""
    if request.param == "apart":
        monkeypatch.setattr("crm_steward.store.arrow._LARGE", 0)


def save(database: Database, clock: Clock, *ids: str, gone: tuple[str, ...] = ()) -> None:
    """Let a pull of the connection `it's 100%` bring contacts and say which are gone."""
    name = "it's 100%"
    page = Page(
        cursor=Cursor("c"),
        contacts=[Contact(ref=RecordRef(name, one), company="Acme") for one in ids],
        gone=[Gone(RecordRef(name, one), None) for one in gone],
        complete=True,
    )
    Mirror(database).save_page(name, "fake", page, now=clock(), full=False)


def test_only_the_columns_and_connections_asked_for_are_read(
    database: Database, clock: Clock
) -> None:
    """Words that are no columns do no harm; quotes and percent signs in names neither."""
    save(database, clock, "1", "2")
    names = {"company", "lower", "coalesce"}
    with closing(open_relation(database, columns=names, connections=["it's 100%"])) as con:
        assert con.execute("SELECT * FROM contacts ORDER BY id").fetchall() == [
            ("it's 100%", "1", "Acme"),
            ("it's 100%", "2", "Acme"),
        ]
    with closing(open_relation(database, columns=names, connections=["other"])) as con:
        assert con.execute("SELECT count(*) FROM contacts").fetchall() == [(0,)]


def test_what_changed_is_read_with_what_is_gone_beside_it(database: Database, clock: Clock) -> None:
    """What is gone is known to have been looked at, and is no contact any more."""
    save(database, clock, "old", "lost")
    since = clock() + timedelta(hours=1)
    clock.forward(hours=2)  # type: ignore[attr-defined] # the clock of the tests can be moved
    save(database, clock, "new", gone=("lost",))
    with closing(open_relation(database, columns=["company"], since=since)) as con:
        looked = con.execute("SELECT id FROM looked_at ORDER BY id").fetchall()
        assert looked == [("lost",), ("new",)]
        assert con.execute("SELECT id FROM contacts").fetchall() == [("new",)]


def test_columns_that_begin_empty_keep_their_type(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite tells no types: batches of empty values before the first do not make it a number."""
    monkeypatch.setattr("crm_steward.store.arrow._BATCH", 500)
    many = [str(number) for number in range(2_000)]
    save(database, clock, *many)
    with database.write() as writing:
        last = sa.update(contacts).where(contacts.c.id == "1999")
        writing.execute(last.values(owner="00123", purchases=1.5, legal_hold=True))
    query = "SELECT owner, purchases, legal_hold FROM contacts WHERE owner IS NOT NULL"
    with closing(open_relation(database)) as con:
        assert con.execute(query).fetchall() == [("00123", 1.5, True)]


def test_a_damaged_file_is_named(tmp_path: Path, clock: Clock) -> None:
    """What the driver says in the middle of reading is no bug of DuckDB's."""
    path = tmp_path / "steward.db"
    with Database.open(f"sqlite:///{path}") as database:
        save(database, clock, *(str(number) for number in range(2_000)))
        with database.read() as reading:
            query = sa.text("SELECT rootpage FROM sqlite_master WHERE name = 'contacts'")
            root = reading.execute(query).scalar_one()
            size = reading.execute(sa.text("PRAGMA page_size")).scalar_one()
    content = bytearray(path.read_bytes())
    start = (root - 1) * size + 8
    last = (int.from_bytes(content[start : start + 4], "big") - 1) * size
    content[last : last + size] = bytes(size)
    path.write_bytes(content)

    with (
        Database.open(f"sqlite:///{path}") as database,
        pytest.raises(StoreError, match="malformed"),
    ):
        open_relation(database)


def test_a_database_locked_for_too_long_is_said(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan waits for a pull's page as long as everybody waits, and then says what to do."""
    monkeypatch.setattr("crm_steward.store.database.BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr("crm_steward.store.arrow.BUSY_TIMEOUT_MS", 50)
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database:
        save(database, clock, "1")
        with _locked(database), pytest.raises(StoreError, match="locked"):
            open_relation(database)


@contextmanager
def _locked(database: Database) -> Iterator[None]:
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("BEGIN EXCLUSIVE")
        yield
        raw.execute("ROLLBACK")


def test_a_reading_process_that_is_ended_is_no_end_of_the_contacts(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between two batches, as for want of memory: half a base is no base."""
    killed = "import os, sys; sys.stdin.read(); os.kill(os.getpid(), 9)"
    monkeypatch.setattr("crm_steward.store.arrow._LARGE", 0)
    monkeypatch.setattr(
        "crm_steward.store.arrow._command", lambda _: [sys.executable, "-c", killed]
    )
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database:
        save(database, clock, "1")
        with pytest.raises(StoreError, match=r"steward\.db"):
            open_relation(database)


def test_text_of_any_kind_comes_as_it_is(database: Database, clock: Clock) -> None:
    """Emoji, other scripts and a note of ten million characters."""
    save(database, clock, "1")
    text = "🙂 مرحبا" + "x" * 10_000_000
    with database.write() as writing:
        writing.execute(sa.update(contacts).values(company=text))
    with closing(open_relation(database, columns=["company"])) as con:
        assert con.execute("SELECT company FROM contacts").fetchall() == [(text,)]


def test_what_memory_cannot_hold_is_in_a_folder_of_its_own_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contacts that are spilled are never left in the working directory, nor for others to read."""
    monkeypatch.chdir(tmp_path)
    with closing(relation_of_rows([], memory_limit="60MB")) as con:
        ((told,),) = con.execute("SELECT current_setting('temp_directory')").fetchall()
        spill = Path(told)
        con.execute(
            "CREATE TABLE large AS SELECT i, hash(i)::VARCHAR || repeat('x', 20) AS x FROM range(2000000) r(i)"
        )
        assert any(spill.iterdir())
        assert spill.parent.stat().st_mode & 0o077 == 0
    assert not spill.exists()
    del con
    gc.collect()
    assert not spill.parent.exists()
    assert not any(tmp_path.iterdir())
