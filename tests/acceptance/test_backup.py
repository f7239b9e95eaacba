"""backup as ops use it: whole or not at all, private, verified, while the service writes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest
from tests.acceptance.conftest import Account, Office
from tests.acceptance.killing import free_port
from tests.conftest import Cli
from tests.program import LIMITED, PATIENCE_SECONDS, Program

from crm_steward.store.database import HEAD, Database
from crm_steward.store.tables import meta


@pytest.fixture
def filled(steward: Cli, office: Office, tmp_path: Path) -> Path:
    """Give a database with 150 people in it."""
    office()
    assert steward("pull").returncode == 0
    return tmp_path / "steward.db"


def left(folder: Path) -> set[str]:
    """Return the names of what a backup could have left behind."""
    return {path.name for path in folder.iterdir() if "copy" in path.name}


def test_a_copy_is_whole_and_private(steward: Cli, filled: Path, tmp_path: Path) -> None:
    """It holds every contact, only its owner may read it, and it says what the journal ends with."""
    done = steward("backup", "copy.db", "--json")

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    copy = tmp_path / "copy.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert said["schema"] == HEAD
    assert said["bytes"] == copy.stat().st_size
    with sqlite3.connect(copy) as held, sqlite3.connect(filled) as source:
        assert json.loads(
            held.execute("SELECT value FROM meta WHERE key='backup'").fetchone()[0]
        ) == {
            "at": said["made_at"],
            "lines": said["journal_lines"],
            "head": said["journal_head"],
        }
        count = "SELECT count(*) FROM contacts"
        assert held.execute(count).fetchone() == source.execute(count).fetchone() == (150,)
    assert left(tmp_path) == {"copy.db"}


def test_nothing_is_replaced_unasked(steward: Cli, filled: Path, tmp_path: Path) -> None:
    """A file that is there stays without --force; the database itself stays with it, too."""
    (tmp_path / "copy.db").write_text("mine")

    refused = steward("backup", "copy.db")
    itself = steward("backup", filled.name, "--force")
    journal = steward("backup", f"{filled.name}-journal", "--force")
    replaced = steward("backup", "copy.db", "--force")

    assert (refused.returncode, itself.returncode, replaced.returncode) == (10, 10, 0)
    assert "--force" in refused.stderr
    assert "is the database itself" in itself.stderr
    assert (journal.returncode, journal.stdout) == (10, ""), journal.stderr
    assert (tmp_path / f"{filled.name}-journal").read_bytes() == b""
    assert (tmp_path / "copy.db").read_bytes().startswith(b"SQLite format 3")


def test_others_write_meanwhile(filled: Path, steward: Cli, tmp_path: Path) -> None:
    """What another connection commits all the time is in the copy whole or not at all."""
    over = threading.Event()

    def write() -> None:
        with Database.open(f"sqlite:///{filled}") as database:
            number = 0
            while not over.is_set():
                number += 1
                with database.write() as writing:
                    writing.execute(meta.delete().where(meta.c.key.in_(["left", "right"])))
                    for key in ("left", "right"):
                        writing.execute(meta.insert(), {"key": key, "value": str(number)})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = [steward("backup", f"copy-{n}.db") for n in range(3)]
    finally:
        over.set()
        writer.join()

    assert [one.returncode for one in done] == [0, 0, 0], done[0].stderr
    for n in range(3):
        with sqlite3.connect(tmp_path / f"copy-{n}.db") as copy:
            query = "SELECT count(DISTINCT value) FROM meta WHERE key IN ('left', 'right')"
            assert copy.execute(query).fetchone()[0] <= 1


@pytest.mark.parametrize("where", ["nowhere/copy.db", "crm-steward.yaml/copy.db", "."])
def test_a_place_that_cannot_be_written(steward: Cli, filled: Path, where: str) -> None:
    """No folder, a file for a folder, a folder: said in one line, with what to do."""
    done = steward("backup", where)

    assert done.returncode in (7, 10)
    assert len(done.stderr.strip().splitlines()) == 1
    assert filled.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(steward: Cli, filled: Path, tmp_path: Path) -> None:
    """It is said, and nothing is left."""
    assert filled.exists()
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)

    done = steward("backup", "locked/copy.db")

    assert done.returncode == 7
    assert "permission denied" in done.stderr


def test_a_full_disk(program: Program, filled: Path, tmp_path: Path) -> None:
    """Where the copy has no room, exit 7; the backup that was there stays as it was."""
    (tmp_path / "copy.db").write_text("the last good one")

    assert filled.stat().st_size > 65536
    done = program.run(
        ["backup", "copy.db", "--force"], cwd=tmp_path, code=LIMITED.format(most=65536)
    )

    assert done.returncode == 7, done.stderr
    assert (tmp_path / "copy.db").read_text() == "the last good one"
    assert left(tmp_path) == {"copy.db"}


_SLOW = """
import sqlite3, sys, time
from crm_steward.store import backup
verified = backup._verified
def slow(part, key):
    print("copied", flush=True)
    time.sleep(600)
    return verified(part, key)
backup._verified = slow
from crm_steward.cli.app import main
main()
"""


def test_killed_in_the_midst(steward: Cli, program: Program, filled: Path, tmp_path: Path) -> None:
    """After kill -9 the named file is as it was, and the next backup cleans up and succeeds."""
    (tmp_path / "copy.db").write_text("the last good one")
    with program.start(["backup", "copy.db", "--force"], cwd=tmp_path, code=_SLOW) as process:
        process.until("copied\n")
        second = steward("backup", "copy.db", "--force")
        process.kill()

    assert second.returncode == 8, "two at once do not write into the same file"
    assert (tmp_path / "copy.db").read_text() == "the last good one"
    assert steward("backup", "copy.db", "--force").returncode == 0
    assert left(tmp_path) == {"copy.db"}
    assert steward("check").returncode == 0
    assert filled.exists()


def test_damage_is_not_copied(steward: Cli, filled: Path, tmp_path: Path) -> None:
    """A damaged database makes no backup: the last good one is worth more."""
    with filled.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(os.urandom(4096 * 20))

    done = steward("backup", "copy.db")

    assert done.returncode == 7, done.stdout
    assert left(tmp_path) == set()


def test_an_altered_journal_is_copied_and_told(steward: Cli, filled: Path, tmp_path: Path) -> None:
    """Who changed a line in the database is noticed by the next backup: the copy is made, exit 11."""
    for command in (["scan"], ["plan"], ["apply", "--yes"]):
        assert steward(*command).returncode == 0
    assert json.loads(steward("backup", "sound.db", "--json").stdout)["journal_sound"] is True
    with sqlite3.connect(filled) as held:
        guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'journal'"
        for (name,) in held.execute(guards).fetchall():
            held.execute(f"DROP TRIGGER {name}")
        held.execute("UPDATE journal SET rule = 'another' WHERE seq = 3")

    done = steward("backup", "copy.db")

    assert done.returncode == 11, done.stderr
    assert "Line 3 of the journal" in done.stdout
    assert left(tmp_path) == {"copy.db"}
    with sqlite3.connect(tmp_path / "copy.db") as held:
        assert held.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_service_that_writes_is_backed_up(
    steward: Cli, program: Program, office: Office, account: Account, tmp_path: Path
) -> None:
    """While `run` pulls, scans and writes: each copy is whole, its chain holds, and it restores."""
    service = {"listen": f"127.0.0.1:{free_port()}", "apply_automatic": True}
    office(service=service, limits={"max_percent_per_day": 100, "canary": 1000})
    made: list[dict[str, object]] = []
    with program.start(["run"], cwd=tmp_path) as process:
        deadline = time.monotonic() + 100
        while len(made) < 2 or not account.writes():
            assert time.monotonic() < deadline, process.err[-2000:]
            done = steward("backup", f"copy-{len(made)}.db", "--json")
            assert done.returncode == 0, done.stderr
            made.append(json.loads(done.stdout))
        last = json.loads(steward("backup", "last.db", "--json").stdout)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    lines = [*(one["journal_lines"] for one in made), last["journal_lines"]]
    assert lines == sorted(lines)  # type: ignore[type-var]
    assert all(one["journal_sound"] for one in [*made, last])
    assert steward("restore", "last.db").returncode == 0
    assert steward("journal", "verify", "--head", last["journal_head"]).returncode == 0


def test_postgresql_has_its_own_tools(steward: Cli, office: Office, postgres_url: str) -> None:
    """The command says which program does it, and writes nothing."""
    office(database=postgres_url)

    done = steward("backup", "copy.db")

    assert done.returncode == 10
    assert "pg_dump" in done.stderr
