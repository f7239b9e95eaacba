"""A restore test says of a whole backup that it is whole, and of every other what is wrong with it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.elsewhere import writing_elsewhere

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, CreateTask, InputError, RecordRef, StoreError
from crm_steward.store import rehearsing
from crm_steward.store.backup import copy_to
from crm_steward.store.database import HEAD, Database
from crm_steward.store.journal import Journal, State, intent_of
from crm_steward.store.lease import hold
from crm_steward.store.mirror import Mirror
from crm_steward.store.rehearsing import newest_of, rehearse, rehearsed
from crm_steward.store.reminders import Duty, Reminders, Result

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a database with three contacts and a journal."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as opened:
        people = tuple(Contact(ref=RecordRef("crm", str(n)), full_name="Ada") for n in range(3))
        page = Page(cursor=Cursor("1"), contacts=people, complete=True)
        Mirror(opened).save_page("crm", "fake", page, now=NOW, full=True)
        write_task(opened, "1")
        yield opened


def write_task(database: Database, number: str) -> None:
    """Write a task for a record, as the journal keeps it."""
    change = CreateTask(
        ref=RecordRef("crm", number),
        title="Call",
        body="",
        owner=None,
        due=NOW.date(),
        marker=f"m{number}",
    )
    intent = intent_of(
        change, key=f"k{number}", run="apply-1", plan="p", rule="r", finding="f", at=NOW
    )
    with hold(database) as lease:
        done = replace(intent, state=State.VERIFIED, change=None)
        Journal(database).append([intent, done], lease)


def _copy(database: Database, tmp_path: Path, name: str = "copy.db") -> Path:
    file = tmp_path / name
    copy_to(database, file, now=NOW)
    return file


def _edit(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as held, held:
        guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'"
        for (name,) in held.execute(guards).fetchall():
            held.execute(f"DROP TRIGGER {name}")
        held.execute(statement)


def test_a_whole_backup_passes(database: Database, tmp_path: Path, temporary: Path) -> None:
    """It is restored, compared and written down; the present database and the file stand as they were."""
    file = _copy(database, tmp_path)
    before = file.read_bytes()
    write_task(database, "2")  # the service goes on meanwhile
    deed, error = rehearsed(file, database, by="Ada", now=NOW)
    assert (deed.result, error) == (Result.DONE, None)
    assert "copy of 2026-11-16 08:00 UTC" in deed.note
    assert "3 contacts (3 now), 2 journal lines" in deed.note
    assert Reminders(database).deeds(Duty.RESTORE_TEST, 5) == [deed]
    assert file.read_bytes() == before
    assert list(temporary.iterdir()) == []


def test_a_damaged_backup_is_told(database: Database, tmp_path: Path, temporary: Path) -> None:
    """Half a file, and something else, cannot be restored; that is written down and raised."""
    file = _copy(database, tmp_path)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"something else" * 100):
        file.write_bytes(content)
        deed, error = rehearsed(file, database, by="Ada", now=NOW)
        assert deed.result is Result.UNREADABLE
        assert isinstance(error, InputError)
    with pytest.raises(InputError):
        rehearse(tmp_path / "absent.db", database)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("statement", "result"),
    [
        ("UPDATE journal SET rule = 'another' WHERE seq = 1", Result.ALTERED),
        ("DELETE FROM journal WHERE seq = 2", Result.DONE),  # an older copy: still the beginning
    ],
    ids=["altered", "shorter"],
)
def test_the_journal_of_a_backup_is_verified(
    database: Database, tmp_path: Path, temporary: Path, statement: str, result: Result
) -> None:
    """A line that is not what was written is found; one that is not there yet is no fault."""
    file = _copy(database, tmp_path)
    _edit(file, statement)
    assert rehearse(file, database).result is result
    assert list(temporary.iterdir()) == []


def test_a_backup_of_another_database_is_foreign(database: Database, tmp_path: Path) -> None:
    """Its journal is whole, and not the beginning of ours."""
    (tmp_path / "other").mkdir()
    with Database.open(f"sqlite:///{tmp_path}/other/steward.db") as other:
        write_task(other, "9")
        file = _copy(other, tmp_path)
    assert rehearse(file, database).result is Result.FOREIGN


def test_rows_that_are_lost_are_told(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables of which restoring loses rows are named."""
    file = _copy(database, tmp_path)
    usual = rehearsing.stage

    def losing(source: Path, staged: Path, key: str) -> None:
        usual(source, staged, key)
        _edit(staged, "DELETE FROM contacts WHERE id = '1'")

    monkeypatch.setattr(rehearsing, "stage", losing)
    found = rehearse(file, database)
    assert (found.result, found.unequal) == (Result.UNEQUAL, ("contacts",))


def test_an_older_backup_is_brought_to_the_present_schema(
    database: Database, tmp_path: Path
) -> None:
    """A copy of an earlier version is restored as `restore` would do it."""
    file = _copy(database, tmp_path)
    _edit(file, "DROP TABLE reminders")
    _edit(file, f"UPDATE alembic_version SET version_num = '{int(HEAD) - 1:04}'")
    found = rehearse(file, database)
    assert (found.result, found.copied.schema, found.tables) == (
        Result.DONE,
        f"{int(HEAD) - 1:04}",
        2,
    )


def test_an_old_backup_does_not_pass_for_a_new_one(database: Database, tmp_path: Path) -> None:
    """Where somebody says how old it may be, an older one is written down as such."""
    file, day = _copy(database, tmp_path), timedelta(days=1)
    for age, result in ((day, Result.DONE), (day * 2, Result.OLD)):
        deed, _ = rehearsed(file, database, by="Ada", now=NOW + age, newest=day)
        assert deed.result is result


def test_a_full_disk_is_told(database: Database, tmp_path: Path) -> None:
    """When the temporary place cannot be written, the test failed, with the reason."""
    file = _copy(database, tmp_path)
    tempfile_dir, tempfile.tempdir = tempfile.tempdir, str(tmp_path / "absent")
    try:
        deed, error = rehearsed(file, database, by="Ada", now=NOW)
    finally:
        tempfile.tempdir = tempfile_dir
    assert isinstance(error, StoreError)
    assert deed.result is Result.UNREADABLE
    assert "temporary place" in deed.note


def test_the_present_database_is_no_backup(database: Database, tmp_path: Path) -> None:
    """By no name: nothing is written down, and what it was opened for elsewhere keeps its locks."""
    path, link = tmp_path / "steward.db", tmp_path / "link.db"
    link.hardlink_to(path)
    with database.write():
        for file in (path, link):
            with pytest.raises(InputError, match="is the present database"):
                rehearse(file, database)
            with pytest.raises(InputError, match="is the present database"):
                rehearsed(file, database, by="Ada", now=NOW)
        assert newest_of(tmp_path / "*.db", database) is None
        assert writing_elsewhere(path) == "database is locked"
    assert Reminders(database).deeds(Duty.RESTORE_TEST, 5) == []
    file = _copy(database, tmp_path)
    os.utime(file, (1_000_000, 1_000_000))
    assert newest_of(tmp_path / "*.db", database) == file


def test_the_newest_backup_of_a_folder_or_a_pattern(tmp_path: Path, database: Database) -> None:
    """By its time; what a backup under way has is none."""
    backups = tmp_path / "backups"
    backups.mkdir()
    for age, name in enumerate((".d.db.part", "a.db", "b.db", "c.txt")):
        file = backups / name
        file.touch()
        os.utime(file, (1_000_000 - age, 1_000_000 - age))
    assert newest_of(backups, database) == backups / "a.db"
    assert newest_of(backups / "*.txt", database) == backups / "c.txt"
    assert newest_of(backups / "*.zip", database) is None
    assert newest_of(tmp_path / "absent" / "*.db", database) is None
