"""Disks that are full, read-only or damaged: nothing is sent without a durable intent, nothing is lost.

A disk is filled for real, on a small file system in memory, where this user may mount one; everywhere
else a limit on the size of files stands for it. Damage is done at places drawn from a seed.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli, calling
from tests.program import LIMITED, Program

LIMITS = {"max_percent_per_day": 100, "canary": 1000}
ROOMS = (0, 8192, 32_768)
"""Bytes that are left: the disk is full at another write each time."""


@pytest.fixture
def steward(tmp_path: Path, program: Program) -> Cli:
    """Give the program as it is: it waits for the disk."""
    return calling(program, tmp_path, durable=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 4 MB over the folder that the commands run in."""
    mounted = shutil.which("mount") is not None and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    if not mounted or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield tmp_path
    finally:
        mounting("umount", "--lazy", str(tmp_path))


def mounting(program: str, *arguments: str) -> None:
    """Mount, mount anew, or unmount."""
    found = shutil.which(program)
    assert found
    subprocess.run([found, *arguments], check=True)


def fill(disk: Path, *, leaving: int) -> None:
    """Fill the disk up to so many bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(b"x" * max(0, free - leaving))


def whole(path: Path) -> None:
    """See that a database is whole; what a crash left in its journal is rolled back."""
    with closing(sqlite3.connect(path)) as held:
        assert held.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def ok(steward: Cli, *arguments: str) -> str:
    """Call a command that must end well, and return what it printed."""
    done = steward(*arguments)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def each_once(account: Account, path: Path) -> None:
    """See that each effect in the CRM has its intent, and none was made twice."""
    with closing(sqlite3.connect(path)) as held:
        intents = held.execute("SELECT count(*) FROM journal WHERE state = 'intent'").fetchone()[0]
    assert account.summary["doubled_tasks"] == 0
    assert set(account.summary["tasks_by_marker"].values()) <= {1}
    assert account.summary["counts"]["tasks"] <= intents


def test_a_full_disk_while_writing(
    steward: Cli, office: Office, account: Account, disk: Path
) -> None:
    """At whichever write it is full: exit 7, no call without an intent; with room it goes on."""
    office(limits=LIMITS)
    path = disk / "steward.db"
    for command in ("pull", "scan", "plan"):
        ok(steward, command)
    ok(steward, "apply")
    ended = []
    for leaving in ROOMS:
        fill(disk, leaving=leaving)
        done = steward("apply", "--yes", "--approve", "all", "--wait", "0")
        ended.append(done.returncode)
        assert done.returncode in {0, 1, 6, 7}, done.stderr
        if done.returncode == 7:
            (line,) = done.stderr.strip().splitlines()[-1:]
            assert "ree disk space" in line or "ree space" in line or "disk" in line
        (disk / "filler").unlink()
        whole(path)
        each_once(account, path)
        with closing(sqlite3.connect(path)) as held:
            nothing = held.execute("SELECT count(*) FROM journal").fetchone() == (0,)
        assert not (nothing and account.writes()), "written without an intent"
    assert ended[0] == 7
    steward("apply", "--yes", "--approve", "all", "--wait", "12")
    ok(steward, "plan")
    ok(steward, "apply")
    steward("apply", "--yes", "--approve", "all", "--wait", "12")
    each_once(account, path)
    assert account.summary["counts"]["tasks"] > 0
    assert '"sound": true' in ok(steward, "journal", "verify", "--json")


@pytest.mark.parametrize(
    "command", [("pull", "--full"), ("scan",), ("backup", "copy.db"), ("restore", "first.db")]
)
def test_a_full_disk_elsewhere(
    steward: Cli, office: Office, account: Account, disk: Path, command: tuple[str, ...]
) -> None:
    """Reading, scanning, backing up and restoring end with 7, and succeed once there is room."""
    office(limits=LIMITS)
    path = disk / "steward.db"
    ok(steward, "pull")
    ok(steward, "backup", "first.db")
    whole(path)
    before = path.stat().st_size
    fill(disk, leaving=4096)

    done = steward(*command)

    assert done.returncode == 7, (done.stdout, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1
    assert account.writes() == []
    (disk / "filler").unlink()
    whole(path)
    assert path.stat().st_size >= before
    ok(steward, *command)


@pytest.mark.parametrize("room", [0, 65_536])
def test_files_that_may_not_grow(
    steward: Cli,
    program: Program,
    office: Office,
    account: Account,
    tmp_path: Path,
    room: int,
) -> None:
    """The same without a mount: a limit on the size of files, met in the midst of `apply`."""
    office(limits=LIMITS)
    path = tmp_path / "steward.db"
    for command in ("pull", "scan", "plan"):
        ok(steward, command)
    ok(steward, "apply")
    most = path.stat().st_size + room

    done = program.run(
        ["apply", "--yes", "--approve", "all", "--wait", "0"],
        cwd=tmp_path,
        code=LIMITED.format(most=most),
    )

    assert done.returncode in ({7} if room == 0 else {0, 1, 7}), done.stderr
    assert "Traceback" not in done.stderr
    whole(path)
    each_once(account, path)
    if room == 0:
        assert account.writes() == []


def test_a_read_only_disk(steward: Cli, office: Office, account: Account, disk: Path) -> None:
    """Every command that writes ends with 7 and one line; nothing is sent; `journal` still reads."""
    office(limits=LIMITS)
    for command in ("pull", "scan", "plan"):
        ok(steward, command)
    ok(steward, "apply")
    mounting("mount", "-o", "remount,ro", str(disk))
    try:
        said = {
            command: steward(*command)
            for command in (
                ("pull",), ("scan",), ("apply", "--yes"), ("run",), ("backup", "copy.db"),
                ("restore", "copy.db"),
            )
        }  # fmt: skip
    finally:
        mounting("mount", "-o", "remount,rw", str(disk))

    for command, done in said.items():
        assert done.returncode == 7, (command, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert account.writes() == []
    ok(steward, "pull")


def _flip(path: Path, rng: random.Random) -> None:
    """Alter bytes in pages all over the file."""
    content = bytearray(path.read_bytes())
    for _ in range(40):
        at = rng.randrange(4096, len(content))
        content[at : at + 200] = rng.randbytes(len(content[at : at + 200]))
    path.write_bytes(content)


def _truncate(path: Path, rng: random.Random) -> None:
    os.truncate(path, rng.randrange(4096, path.stat().st_size - 4096))


def _header(path: Path, _: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(bytes(100))


def _page(path: Path, rng: random.Random) -> None:
    """Zero every fourth page."""
    with path.open("r+b") as file:
        for page in range(rng.randrange(1, 4), path.stat().st_size // 4096, 4):
            file.seek(page * 4096)
            file.write(bytes(4096))


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "flipped": _flip,
    "truncated": _truncate,
    "header": _header,
    "pages": _page,
}


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_explained_and_restored(
    steward: Cli, office: Office, account: Account, tmp_path: Path, damage: str, seed: int
) -> None:
    """Whatever is broken: 7 and a remedy, nothing sent; the backup comes back, and doubles nothing."""
    office(limits=LIMITS)
    path = tmp_path / "steward.db"
    for command in (("pull",), ("scan",), ("backup", "copy.db"), ("plan",), ("apply",)):
        ok(steward, *command)
    # A day old, as far as it knows: whatever was written since is forgotten.
    with sqlite3.connect(tmp_path / "copy.db") as held:
        held.execute(
            "UPDATE meta SET value = json_set(value, '$.at', "
            "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now', '-1 day')) WHERE key = 'backup'"
        )
    steward("apply", "--yes", "--approve", "all")
    made = account.summary["tasks_by_marker"]
    assert made
    DAMAGES[damage](path, random.Random(f"{damage}-{seed}"))  # noqa: S311 -- repeatable draws
    damaged, sent = path.read_bytes(), len(account.writes())

    started = steward("run", timeout=60)
    checked = steward("check")

    assert (started.returncode, checked.returncode) == (7, 7), (started.stderr, checked.stdout)
    assert len(started.stderr.strip().splitlines()) == 1
    assert "restore" in started.stderr or "name another file" in started.stderr
    assert path.read_bytes() == damaged
    for command in (("apply", "--yes"), ("pull",), ("scan",)):
        assert "unexpected error" not in steward(*command).stderr
    assert len(account.writes()) == sent

    ok(steward, "restore", "copy.db")
    assert steward("apply", "--yes").returncode != 0, "reconciled first"
    assert len(account.writes()) == sent
    for command in (("pull", "--full"), ("scan",), ("plan",), ("apply",)):
        ok(steward, *command)
    steward("apply", "--yes", "--approve", "all")
    assert account.summary["tasks_by_marker"].keys() >= made.keys()
    assert set(account.summary["tasks_by_marker"].values()) == {1}
    assert account.summary["doubled_tasks"] == 0
    ok(steward, "check")


def test_rubbish_in_the_journal_files(steward: Cli, office: Office, tmp_path: Path) -> None:
    """Garbage where SQLite's own files lie is not taken for a transaction."""
    office(limits=LIMITS)
    ok(steward, "pull")
    rng = random.Random(4)  # noqa: S311 -- repeatable draws, not secrets
    for name in ("steward.db-journal", "steward.db-wal", "steward.db-shm"):
        (tmp_path / name).write_bytes(rng.randbytes(50_000))

    ok(steward, "scan")
    ok(steward, "pull")
    whole(tmp_path / "steward.db")
