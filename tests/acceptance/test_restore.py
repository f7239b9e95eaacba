"""restore as ops use it: nothing is doubled in the CRM, nobody comes back, nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli
from tests.program import LIMITED, Program

from crm_steward.testing.postbox import Postbox, serving


def ok(steward: Cli, *arguments: str) -> str:
    """Call a command that must end well, and return what it printed."""
    done = steward(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def filled(steward: Cli, office: Office, tmp_path: Path) -> Path:
    """Give a database that was read, with a backup of it."""
    office(limits={"max_percent_per_day": 100, "canary": 1000})
    for command in ("pull", "scan"):
        ok(steward, command)
    ok(steward, "backup", "copy.db")
    return tmp_path / "steward.db"


def test_a_restored_copy_doubles_nothing(steward: Cli, filled: Path, account: Account) -> None:
    """Written, restored to before, run again: the emulated CRM holds every task once."""
    ok(steward, "plan")
    ok(steward, "apply")
    steward("apply", "--yes", "--approve", "all")
    made = account.summary["tasks_by_marker"]
    assert made
    said = json.loads(ok(steward, "restore", "copy.db", "--json"))

    refused = steward("apply", "--yes")
    ok(steward, "pull", "--full")
    ok(steward, "scan")
    closed = ok(steward, "plan")
    ok(steward, "accept", "--after-restore", "--by", "Dana")
    ok(steward, "plan")
    done = steward("apply", "--yes", "--approve", "all")
    shown = steward("apply")
    again = steward("apply", "--yes", "--approve", "all")

    assert refused.returncode != 0
    assert "the day's limit counts as used up until" in " ".join(closed.split())
    assert steward("accept", "--after-restore").returncode == 2
    assert steward("accept").returncode == 2
    assert "restored copy" in done.stderr + again.stderr, (done.stderr, shown.stderr)
    assert set(account.summary["tasks_by_marker"].values()) == {1}
    assert account.summary["doubled_tasks"] == 0
    assert account.summary["tasks_by_marker"].keys() >= made.keys()
    assert Path(said["set_aside"]).exists() or (filled.parent / said["set_aside"]).exists()


def test_the_command_mails_only_when_a_person_says_again(
    steward: Cli, filled: Path, office: Office
) -> None:
    """The report of the week in which a copy was restored: not by --send alone, once by --again."""
    postbox = Postbox()
    with serving(postbox) as port:
        office(
            mail={"host": "127.0.0.1", "port": port, "security": "none", "sender": "s@example.net"},
            report={"recipients": [{"address": "manager@example.org"}]},
        )
        assert "sent to 1 of 1" in ok(steward, "report", "--send")
        assert filled.exists()
        said = ok(steward, "restore", "copy.db")
        assert "crm-steward report --send --again" in " ".join(said.split())
        refused = ok(steward, "report", "--send")
        assert "may have left before" in " ".join(refused.split())
        assert len(postbox.messages) == 1
        assert "sent to 1 of 1" in ok(steward, "report", "--send", "--again")
        assert "already" in ok(steward, "report", "--send", "--again")
    assert len(postbox.messages) == 2


def test_who_was_erased_since_does_not_come_back(
    steward: Cli, filled: Path, tmp_path: Path
) -> None:
    """Erased after the backup, the database destroyed, restored: nothing of the person is there."""
    with sqlite3.connect(filled) as held:
        query = "SELECT email_keys FROM contacts WHERE email_keys NOT IN ('[]', '') LIMIT 1"
        address = json.loads(held.execute(query).fetchone()[0])[0]
    assert address.encode() in (tmp_path / "copy.db").read_bytes()
    steward("erase", "--email", address, "--yes")
    filled.write_bytes(b"destroyed" * 1000)

    said = json.loads(ok(steward, "restore", "copy.db", "--json"))

    assert said["erasures_replayed"] >= 1
    assert said["records_erased"] >= 1
    assert address.encode() not in filled.read_bytes()
    assert stat.S_IMODE(filled.stat().st_mode) == 0o600


def test_who_was_erased_stays_so_when_a_copy_is_put_back_by_hand(
    steward: Cli, filled: Path, tmp_path: Path
) -> None:
    """Not by restore: the first command that would write notices the copy, and erases them again."""
    with sqlite3.connect(filled) as held:
        query = "SELECT email_keys FROM contacts WHERE email_keys NOT IN ('[]', '') LIMIT 1"
        address = json.loads(held.execute(query).fetchone()[0])[0]
    ok(steward, "plan")
    steward("erase", "--email", address, "--yes")
    shutil.copyfile(tmp_path / "copy.db", filled)
    assert address.encode() in filled.read_bytes()

    ok(steward, "plan")
    done = steward("apply", "--yes")

    assert done.returncode == 6, done.stderr
    assert "hubspot still waits for a full read" in done.stderr
    assert address.encode() not in filled.read_bytes()


def dumped(path: Path) -> list[str]:
    """Return all that a database holds, but for who looked at it last."""
    with sqlite3.connect(path) as held:
        return [line for line in held.iterdump() if '"leases"' not in line]


def test_no_room_for_the_copy(steward: Cli, program: Program, filled: Path, tmp_path: Path) -> None:
    """On a full disk: exit 7, what to do, and the present database stands as it was."""
    before = dumped(filled)
    assert filled.stat().st_size > 65536
    done = program.run(["restore", "copy.db"], cwd=tmp_path, code=LIMITED.format(most=65536))

    assert done.returncode == 7, done.stderr
    assert "present database stands as it was" in " ".join(done.stderr.split())
    assert dumped(filled) == before
    assert not [*tmp_path.glob(".*restoring*"), *tmp_path.glob("*before-*")]
    ok(steward, "restore", "copy.db")


def test_a_folder_that_cannot_be_written(steward: Cli, filled: Path, office: Office) -> None:
    """The database's folder takes no file: exit 7, with what to do, and no traceback."""
    assert filled.exists()
    office(database="sqlite:////proc/steward.db")

    done = steward("restore", "copy.db")

    assert done.returncode == 7, done.stderr
    assert "folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(steward: Cli, filled: Path, office: Office) -> None:
    """The copy is not put in place, and what stands there is as it was."""
    shut = filled.parent / "shut"
    shut.mkdir()
    filled.rename(shut / "steward.db")
    office(database="sqlite:///shut/steward.db")
    before = (shut / "steward.db").read_bytes()
    shut.chmod(0o500)

    done = steward("restore", "copy.db")

    shut.chmod(0o700)
    assert done.returncode == 7, done.stderr
    assert "permission denied" in done.stderr
    assert (shut / "steward.db").read_bytes() == before


@pytest.mark.parametrize("what", ["garbage", "torn", "missing", "newer", "foreign"])
def test_a_file_that_is_no_backup(steward: Cli, filled: Path, tmp_path: Path, what: str) -> None:
    """Each is said, ends with 10, and the present database stands as it was."""
    file = tmp_path / "bad.db"
    whole = (tmp_path / "copy.db").read_bytes()
    if what == "garbage":
        file.write_bytes(os.urandom(50_000))
    elif what == "torn":
        file.write_bytes(whole[: len(whole) // 2])
    elif what == "newer":
        file.write_bytes(whole)
        with sqlite3.connect(file) as copy:
            copy.execute("UPDATE alembic_version SET version_num = '9999'")
    elif what == "foreign":
        with sqlite3.connect(file) as copy:
            copy.execute("CREATE TABLE something (id)")
    before = filled.read_bytes()

    done = steward("restore", "bad.db")

    assert done.returncode == 10, done.stderr
    assert filled.read_bytes() == before
    assert not list(tmp_path.glob("*before-*"))


_SLOW = """
import sys, time
from crm_steward.store import restoring
from pathlib import Path
at = sys.argv.pop(1)
def here(*_):
    print("here", flush=True)
    time.sleep(600)
if at == "staged":
    restoring._set_aside = here
else:
    restoring.synced = lambda path: here() if list(Path(".").glob("*before-*")) else None
    Path.replace = here
from crm_steward.cli.app import main
main()
"""


@pytest.mark.parametrize("at", ["staged", "aside"])
def test_killed_in_the_midst(
    steward: Cli, program: Program, filled: Path, tmp_path: Path, at: str
) -> None:
    """After kill -9 the database is the old one, whole; restoring once more succeeds."""
    assert filled.exists()
    with program.start([at, "restore", "copy.db"], cwd=tmp_path, code=_SLOW) as process:
        process.until("here\n")
        process.kill()

    ok(steward, "check")
    ok(steward, "restore", "copy.db")
    assert not list(tmp_path.glob(".*restoring*"))


def test_a_damaged_database_is_not_written(steward: Cli, filled: Path) -> None:
    """The service says what is wrong and how to restore, ends with 7, and touches nothing."""
    with filled.open("r+b") as file:
        file.seek(4096 * 40)
        file.write(os.urandom(4096 * 30))
    damaged = filled.read_bytes()

    done = steward("run", timeout=30)

    assert done.returncode == 7, done.stderr
    assert "crm-steward restore" in done.stderr
    assert filled.read_bytes() == damaged
    ok(steward, "restore", "copy.db")
    ok(steward, "check")
