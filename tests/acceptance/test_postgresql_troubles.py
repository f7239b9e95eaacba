"""PostgreSQL in trouble: a full disk, damaged pages, a server that goes away and comes back.

Each test has a server of its own. A full disk is a small file system in memory that holds the
database's tables (a tablespace), where this user may mount one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from tests.acceptance.conftest import Account, Office
from tests.acceptance.test_disks import mounting
from tests.acceptance.test_run import SETTINGS, Running, folder, start
from tests.conftest import Cli, PostgresServer

__all__ = ["folder", "start"]  # fixtures

LIMITS = {"max_percent_per_day": 100, "canary": 1000}
ROOM = "14m"
"""A new database has 7.5 MB; 150 contacts with their findings, plans and journal need some two more."""


@pytest.fixture
def server(postgres_programs: Path) -> Iterator[PostgresServer]:
    """Give a server whose end harms nobody else."""
    with (
        TemporaryDirectory(prefix="steward-postgres-") as data,
        PostgresServer(postgres_programs, Path(data), hasty=False) as running,
    ):
        yield running


def tell(server: PostgresServer, *statements: str, database: str = "postgres") -> list[str]:
    """Let the server's admin say something; return what the last statement brought."""
    url = server.url.replace("/postgres?", f"/{database}?")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    rows: list[str] = []
    with engine.connect() as connection:
        for statement in statements:
            done = connection.execute(sa.text(statement))
            rows = [str(row[0]) for row in done] if done.returns_rows else []
    engine.dispose()
    return rows


@pytest.fixture
def small(server: PostgresServer) -> Iterator[Path]:
    """Mount a small file system, and give the folder there in which the server keeps a tablespace."""
    disk = server.data / "small"
    disk.mkdir()
    mounted = shutil.which("mount") is not None and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(disk)]
    if not mounted or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        shutil.chown(disk, "postgres")
        tell(server, f"CREATE TABLESPACE small LOCATION '{disk}'")
        tell(server, "CREATE DATABASE steward TABLESPACE small")
        yield disk
    finally:
        mounting("umount", "--lazy", str(disk))


def fill(disk: Path) -> None:
    """Fill the disk, but for what PostgreSQL has taken already."""
    (disk / "filler").write_bytes(b"x" * shutil.disk_usage(disk).free)


def ok(steward: Cli, *arguments: str) -> str:
    """Call a command that must end well, and return what it printed."""
    done = steward(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def refused(steward: Cli, *arguments: str, says: str) -> None:
    """Call a command that must end with 7 and one line."""
    done = steward(*arguments)
    assert done.returncode == 7, (arguments, done.stdout, done.stderr)
    (line,) = done.stderr.strip().splitlines()
    assert says in line, line
    assert "bug" not in line


def intents(server: PostgresServer) -> int:
    """Return how many changes were begun."""
    query = "SELECT count(*) FROM journal WHERE state = 'intent'"
    return int(tell(server, query, database="steward")[0])


def test_a_full_disk_is_named_and_nothing_is_sent_without_an_intent(
    steward: Cli, office: Office, account: Account, server: PostgresServer, small: Path
) -> None:
    """Full while reading, scanning, planning and writing: exit 7 and a remedy; with room it goes on."""
    url = server.url.replace("/postgres?", "/steward?")
    office(database=url, limits=LIMITS)
    ok(steward, "check")
    full = "Free space on the database server's disk"
    fill(small)
    refused(steward, "pull", says=full)
    (small / "filler").unlink()
    ok(steward, "pull")
    ok(steward, "scan")
    ok(steward, "plan")
    ok(steward, "apply")
    ended = []
    for _ in range(4):
        # What the tables have of free pages is used up by and by: it is full at another write.
        fill(small)
        done = steward("apply", "--yes", "--approve", "all", "--wait", "0")
        ended.append(done.returncode)
        assert done.returncode in {0, 1, 6, 7}, (done.stdout, done.stderr)
        if done.returncode == 7:
            assert full in done.stderr, done.stderr
        assert account.summary["counts"]["tasks"] <= intents(server)
        assert account.writes() == [] or intents(server)
        (small / "filler").unlink()
        if done.returncode == 7:
            break
    assert 7 in ended

    steward("apply", "--yes", "--approve", "all", "--wait", "12")
    ok(steward, "plan")
    ok(steward, "apply")
    steward("apply", "--yes", "--approve", "all", "--wait", "12")
    assert account.summary["counts"]["tasks"] > 0
    assert account.summary["doubled_tasks"] == 0
    assert set(account.summary["tasks_by_marker"].values()) == {1}
    assert '"sound": true' in ok(steward, "journal", "verify", "--json")


def damage(server: PostgresServer, relation: str) -> None:
    """Overwrite some bytes in every page of a table or an index, while the server is down."""
    name = f"SELECT pg_relation_filepath('{relation}')"
    (place,) = tell(server, name, database="steward")
    server.stop("fast")
    path = server.data / "db" / place
    content = bytearray(path.read_bytes())
    assert content, relation
    for page in range(0, len(content), 8192):
        content[page + 4000 : page + 4200] = os.urandom(200)
    path.write_bytes(content)
    server.start()


def test_damage_is_explained_and_the_last_dump_restored(
    steward: Cli, office: Office, account: Account, server: PostgresServer
) -> None:
    """Pages of a table overwritten: 7 and a remedy, no bug; the dump comes back and doubles nothing."""
    tell(server, "CREATE DATABASE steward")
    url = server.url.replace("/postgres?", "/steward?")
    office(database=url, limits=LIMITS)
    for command in ("pull", "scan"):
        ok(steward, command)
    run(server, "pg_dump", "--format=custom", f"--file={server.data}/dump", "steward")
    for command in ("plan", "apply"):
        ok(steward, command)
    steward("apply", "--yes", "--approve", "all")
    made = account.summary["tasks_by_marker"]
    assert made
    sent = len(account.writes())
    damage(server, "contacts")
    damage(server, "journal")

    for command in (("pull", "--full"), ("scan",), ("plan",), ("apply", "--yes"), ("journal",)):
        refused(steward, *command, says="the database is damaged")
    assert len(account.writes()) == sent
    dumped = run(server, "pg_dump", "--format=custom", f"--file={server.data}/bad", "steward")
    assert dumped.returncode != 0, "reading it all finds what is damaged"

    tell(server, "ALTER DATABASE steward RENAME TO damaged", "CREATE DATABASE steward")
    assert run(server, "pg_restore", "--dbname=steward", f"{server.data}/dump").returncode == 0
    ok(steward, "restore")
    assert steward("apply", "--yes").returncode != 0, "reconciled first"
    assert len(account.writes()) == sent
    for command in (("pull", "--full"), ("scan",), ("plan",), ("apply",)):
        ok(steward, *command)
    steward("apply", "--yes", "--approve", "all")
    assert account.summary["tasks_by_marker"].keys() >= made.keys()
    assert set(account.summary["tasks_by_marker"].values()) == {1}
    assert account.summary["doubled_tasks"] == 0
    ok(steward, "check")


def run(server: PostgresServer, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call one of PostgreSQL's programs on the server."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    where = ["--host", str(server.data), "--username", "steward"]
    return subprocess.run(
        [*user, str(server.programs / program), *where, *arguments],
        capture_output=True, text=True, check=False, cwd=server.data,
    )  # fmt: skip


def test_a_server_that_goes_away_is_waited_for(
    start: Callable[..., Running], server: PostgresServer
) -> None:
    """Crashed, and stopped by ops: the service says so once, answers 503, and goes on by itself."""
    tell(server, "CREATE DATABASE steward")
    url = server.url.replace("/postgres?", "/steward?")
    service = start(settings=f'database: "{url}"\n{SETTINGS}')
    service.until(lambda: bool(service.said("scanned")))
    for number, mode in enumerate(("immediate", "fast"), start=1):
        before = len(service.said("pulled"))
        server.stop(mode)
        heard(service, AWAY, number)
        service.until(lambda: service.page("/readyz")[0] == 503)
        assert "the database server is away" in service.page("/readyz")[1]
        assert service.page("/healthz")[0] == 200, "a restart would not mend it"
        heard(service, FAILED, number)
        server.start()
        heard(service, "the database is back", number)
        heard(service, "pulled", before + 2)
        service.until(lambda: service.page("/readyz")[0] == 200)
        assert len(service.said(AWAY)) == number
    assert service.end() == 0
    assert not service.said("this is a bug: please report it")
    loud = [line for line in service.said(FAILED) if line["level"] == "error"]
    assert loud == [], "it is said already"


def heard(service: Running, event: str, times: int) -> None:
    """Wait until the service has said something so often."""
    service.until(lambda: len(service.said(event)) >= times)


AWAY = "the database is away; the service waits for it"
FAILED = "failed; it is tried again"
