"""At rest: with `database_key`, no byte of a person stands on the disk in the clear (extra `encrypt`).

The whole loop runs on an encrypted database, through the command line. The tests skip where
SQLCipher is not installed, except those of what is said then.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from tests.conftest import Cli

from crm_steward.model import ConfigError
from crm_steward.settings import load_settings
from crm_steward.store.arrow import stream
from crm_steward.store.cipher import DatabaseUrl
from crm_steward.store.database import Database
from crm_steward.store.relation import open_relation
from crm_steward.store.tables import contacts

KEY = "0123456789abcdef0123456789abcdef-at-rest"
OTHER = "another-key-another-key-another-key"
PERSON = "Zyxwvutsrqp"
PEOPLE = f"""\
id,first name,last name,email,phone
1,JEAN,{PERSON},jean.{PERSON.lower()}@example.org,0612345678
2,Jean,{PERSON},jean.{PERSON.lower()}@example.org,06 12 34 56 78
3,ANN,Lee,ann@example.org,0698765432
"""
INSTALLED = importlib.util.find_spec("sqlcipher3") is not None
needs_sqlcipher = pytest.mark.skipif(
    not INSTALLED and not os.environ.get("CI"),
    reason="SQLCipher is not installed: pip install 'crm-steward[encrypt]'",
)


@pytest.fixture
def office(tmp_path: Path) -> dict[str, str]:
    """Write a spreadsheet and settings; give the environment that holds the key."""
    (tmp_path / "people.csv").write_text(PEOPLE, "utf-8")
    settings = {
        "version": 1,
        "database": "sqlite:///steward.db",
        "connections": {"people": {"kind": "file", "path": "people.csv", "country": "FR"}},
        "rules": {"packs": ["format", "duplicates"]},
        "limits": {"max_percent_per_day": 100},
    }
    path = tmp_path / "crm-steward.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    path.chmod(0o600)
    return {"CRM_STEWARD_DATABASE_KEY": KEY}


def clear(folder: Path) -> list[str]:
    """Return the files, spreadsheets apart, in which the person stands or that SQLite could open."""
    marks = [PERSON.encode(), PERSON.lower().encode(), b"SQLite format 3"]
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".csv"]
    return [path.name for path in files if any(mark in path.read_bytes() for mark in marks)]


@needs_sqlcipher
def test_nothing_of_a_person_is_on_the_disk(
    steward: Cli, office: dict[str, str], tmp_path: Path
) -> None:
    """Pull, scan, plan, apply, undo, backup: found, written and undone as ever, and no plain byte."""
    for command in (("check",), ("pull",), ("scan",)):
        done = steward(*command, env=office)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        assert clear(tmp_path) == []
    found = json.loads(steward("findings", "--json", env=office).stdout)
    assert "duplicate-contact" in {one["rule"] for one in found}
    planned = json.loads(steward("plan", "--json", env=office).stdout)
    assert planned["changes"]
    applied = json.loads(steward("apply", "--yes", "--json", env=office).stdout)
    assert applied["verified"] > 0
    assert steward("backup", "copy.db", env=office).returncode == 0
    assert clear(tmp_path) == []
    without = steward("findings")
    assert without.returncode == 7
    assert "database_key" in without.stderr
    assert KEY not in without.stderr


@needs_sqlcipher
def test_a_wrong_key_is_said_and_changes_nothing(
    steward: Cli, office: dict[str, str], tmp_path: Path
) -> None:
    """Exit code 7, the two settings to look at, no key and no noise of the library; the file stands."""
    assert steward("pull", env=office).returncode == 0
    before = (tmp_path / "steward.db").read_bytes()
    wrong = steward("pull", env={"CRM_STEWARD_DATABASE_KEY": OTHER})
    assert wrong.returncode == 7
    assert "database_key" in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1, wrong.stderr
    assert OTHER not in wrong.stderr
    assert (tmp_path / "steward.db").read_bytes() == before


@needs_sqlcipher
def test_a_backup_is_restored_with_its_key_only(
    steward: Cli, office: dict[str, str], tmp_path: Path
) -> None:
    """With the key it comes back; with another it is refused, and the database stands as it was."""
    assert steward("pull", env=office).returncode == 0
    assert steward("backup", "copy.db", env=office).returncode == 0
    (tmp_path / "steward.db").unlink()
    wrong = steward("restore", "copy.db", env={"CRM_STEWARD_DATABASE_KEY": OTHER})
    assert wrong.returncode == 10
    assert "database_key" in wrong.stderr
    assert not (tmp_path / "steward.db").exists()
    done = steward("restore", "copy.db", env=office)
    assert done.returncode == 0, done.stderr
    assert clear(tmp_path) == []
    assert steward("people", env=office).returncode == 0


@needs_sqlcipher
def test_a_restore_test_stays_encrypted(
    steward: Cli, office: dict[str, str], tmp_path: Path
) -> None:
    """With the key an encrypted backup passes, damaged it does not, and nothing lies about in the clear."""
    assert steward("pull", env=office).returncode == 0
    assert steward("backup", "copy.db", env=office).returncode == 0
    (tmp_path / "tmp").mkdir()
    there = {**office, "TMPDIR": str(tmp_path / "tmp")}
    done = steward("restore", "copy.db", "--test", env=there)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
    assert clear(tmp_path) == []
    (tmp_path / "copy.db").write_bytes((tmp_path / "copy.db").read_bytes()[::-1])
    assert steward("restore", "copy.db", "--test", env=there).returncode == 10


@needs_sqlcipher
def test_an_existing_database_is_encrypted_by_backup_and_restore(
    steward: Cli, office: dict[str, str], tmp_path: Path
) -> None:
    """What was known stays known: the contacts and who was erased meanwhile; the old file is named."""
    assert steward("pull").returncode == 0
    assert steward("scan").returncode == 0
    assert steward("backup", "plain.db").returncode == 0
    assert steward("erase", "--record", "people:3", "--yes").returncode in {0, 1}
    refused = steward("pull", env=office)
    assert refused.returncode == 7
    assert "backup and restore" in refused.stderr

    done = steward("restore", "plain.db", env=office)
    assert done.returncode == 0, done.stderr
    assert "Erased again: 1 records" in done.stdout
    left = clear(tmp_path)
    assert sorted(name.partition(".before-")[0] for name in left) == ["plain.db", "steward.db"]
    assert "steward.db" not in left
    assert steward("pull", "--full", env=office).returncode == 0
    assert steward("scan", env=office).returncode == 0


@needs_sqlcipher
def test_large_files_are_scanned_without_another_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that reads large files brings a SQLite without the key: it is not asked.

    And DuckDB, which would spill in the clear, spills nothing.
    """
    monkeypatch.setattr("crm_steward.store.arrow._LARGE", 0)
    url = DatabaseUrl.keyed(f"sqlite:///{tmp_path}/steward.db", KEY)
    with Database.open(url) as database:
        with stream(database, contacts.select(), whole=True) as reader:
            assert reader.read_all().num_rows == 0
        with closing(open_relation(database)) as con:
            (spill,) = con.execute("SELECT current_setting('temp_directory')").fetchone() or ("?",)
        assert spill == ""
        with database.read() as reading:
            mode = reading.exec_driver_sql("PRAGMA journal_mode").scalar()
            (version,) = reading.exec_driver_sql("SELECT sqlite_version()").one()
    assert mode == "truncate", version  # never a write-ahead log, whatever SQLite it is
    assert clear(tmp_path) == []


@needs_sqlcipher
def test_the_rollback_journal_is_encrypted_too(tmp_path: Path) -> None:
    """In the middle of a transaction that does not fit into memory: file and journal hold no name."""
    url = DatabaseUrl.keyed(f"sqlite:///{tmp_path}/steward.db", KEY)
    with Database.open(url) as database, database.write() as writing:
        writing.exec_driver_sql("PRAGMA cache_size = 1")
        writing.exec_driver_sql("CREATE TABLE names (name TEXT)")
        for _ in range(2_000):
            writing.exec_driver_sql("INSERT INTO names VALUES (?)", (f"{PERSON}" * 20,))
        writing.exec_driver_sql("UPDATE names SET name = name || 'x'")
        journal = tmp_path / "steward.db-journal"
        assert journal.stat().st_size > 0
        assert clear(tmp_path) == []


def test_the_key_shows_nowhere() -> None:
    """Neither in the URL as text, nor in its repr, nor in what is made of it."""
    url = DatabaseUrl.keyed("sqlite:///x.db", KEY)
    assert url == "sqlite:///x.db"
    assert KEY not in f"{url} {url!r} {[url]}"
    with pytest.raises(ConfigError, match="at least 32"):
        DatabaseUrl.keyed("sqlite:///x.db", "short")


def test_without_the_extra_the_remedy_is_said(
    tmp_path: Path, office: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No database is made in the clear because a library is missing."""
    monkeypatch.setitem(sys.modules, "sqlcipher3", None)
    monkeypatch.setenv("CRM_STEWARD_DATABASE_KEY", office["CRM_STEWARD_DATABASE_KEY"])
    settings = load_settings(tmp_path / "crm-steward.yaml")
    with pytest.raises(ConfigError, match="needs SQLCipher"):
        Database.open(settings.database)
    assert not (tmp_path / "steward.db").exists()


def test_a_server_is_not_encrypted_by_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for PostgreSQL is refused rather than ignored."""
    path = tmp_path / "crm-steward.yaml"
    path.write_text("version: 1\ndatabase: postgresql+psycopg://u@h/n\n", "utf-8")
    monkeypatch.setenv("CRM_STEWARD_DATABASE_KEY", KEY)
    with pytest.raises(ConfigError, match="PostgreSQL keeps its own files"):
        load_settings(path)
