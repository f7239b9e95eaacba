"""What the service does in processes of its own: their memory, their deaths and its own, from outside.

The process of a scan is caught where it loads DuckDB, which the service itself never does: a module of
that name is found before the real one, and waits as long as a file is there. That of a restore test is
caught where it loads alembic, for a backup of an older version, which it has restored by then.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import yaml
from tests.acceptance.test_run import (  # noqa: F401 -- fixtures
    PATIENCE_SECONDS,
    SETTINGS,
    Running,
    folder,
    start,
)
from tests.acceptance.test_run_signals import blocked
from tests.conftest import Cli

from crm_steward.model import utc_now
from crm_steward.sandbox import serve
from crm_steward.store.database import Database
from crm_steward.store.rulebooks import Rulebooks
from crm_steward_salesforce.sandbox import SalesforceSandbox

CHILD = "crm_steward.daemon.child"
WAITS = """\
import os, sys, time
while os.path.exists(os.environ["HANGS"]):
    open(os.environ["HANGS"] + ".seen", "w").close()
    time.sleep(0.05)
sys.path.remove(os.path.dirname(__file__))
del sys.modules[__name__]
__import__(__name__)
"""
RESIDENT = 150_000_000
SCANS = {"scan", "scan-changed"}
"""The jobs of which one is caught: whichever comes first after the first pull."""


@pytest.fixture
def start_caught(
    start: Callable[..., Running],  # noqa: F811 -- the fixture
    folder: Path,  # noqa: F811 -- the same
    tmp_path: Path,
) -> Callable[[], tuple[Running, psutil.Process]]:
    """Give what starts a service, and returns it with the process of its scan, which waits."""
    env = waiting_for("duckdb", tmp_path)

    def starting() -> tuple[Running, psutil.Process]:
        (folder / "people.csv").rename(folder / "away.csv")
        service = start(env, anew=True)
        service.until(lambda: bool(service.said("started")))
        (tmp_path / "hangs").touch()
        (folder / "away.csv").rename(folder / "people.csv")
        service.until((tmp_path / "hangs.seen").exists)
        (scan,) = children(service)
        return service, scan

    return starting


def waiting_for(module: str, where: Path) -> dict[str, str]:
    """Return the environment in which a module waits to be loaded while `hangs` is there."""
    (where / "shim").mkdir()
    (where / "shim" / f"{module}.py").write_text(WAITS, "utf-8")
    (where / "spilt").mkdir()
    paths = [str(where / "shim"), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "HANGS": str(where / "hangs"),
        "TMPDIR": str(where / "spilt"),
    }


@pytest.fixture
def start_restoring(
    start: Callable[..., Running],  # noqa: F811 -- the fixture
    steward: Cli,
    tmp_path: Path,
) -> Callable[[], Running]:
    """Give what starts a service whose restore test waits with the copy; the backup is of an older version."""
    env = waiting_for("alembic", tmp_path)
    first = start()
    first.until(lambda: bool(first.said("scanned")))
    assert first.end() == 0
    (tmp_path / "backups").mkdir()
    assert steward("backup", "backups/copy.db").returncode == 0
    with closing(sqlite3.connect(tmp_path / "backups" / "copy.db")) as copy, copy:
        copy.execute("UPDATE alembic_version SET version_num = '0017'")
    settings = SETTINGS.replace("service: {{", "service: {{restore_test: backups, ")

    def starting() -> Running:
        (tmp_path / "hangs").touch()
        service = start(env, settings, anew=True, name="restoring")
        service.until((tmp_path / "hangs.seen").exists)
        assert restored(tmp_path), "it would be seen"
        return service

    return starting


def restored(where: Path) -> list[Path]:
    """Return the copies that a restore test holds, or has left behind."""
    return list((where / "spilt").rglob("steward.db"))


def test_sigterm_ends_a_restore_test_and_leaves_no_copy(
    start_restoring: Callable[[], Running], tmp_path: Path
) -> None:
    """Whatever it is at: the service ends in order and in time, and what was restored is gone."""
    service = start_restoring()

    assert service.end() == 0
    assert service.said("stopped")[0]["clean"] is True
    stopped = service.said("stopped; the next run goes on from here")
    assert "restore-test" in {one["job"] for one in stopped}
    assert list((tmp_path / "spilt").iterdir()) == []


def test_a_restore_test_of_a_service_that_is_killed_leaves_no_copy(
    start_restoring: Callable[[], Running], tmp_path: Path
) -> None:
    """Its process sees that nobody waits any more, takes the copy away and ends."""
    service = start_restoring()
    errands = children(service)
    service.end(signal.SIGKILL)

    assert all(gone(one) for one in errands)
    assert list((tmp_path / "spilt").iterdir()) == []


def test_what_a_restore_test_left_that_was_killed_with_its_service_goes_at_the_next_start(
    start_restoring: Callable[[], Running],
    start: Callable[..., Running],  # noqa: F811 -- the fixture
    tmp_path: Path,
) -> None:
    """Memory ran out for all of them, or power: nobody was left to take the copy away."""
    service = start_restoring()
    errands = children(service)
    for one in errands:
        one.suspend()
    service.end(signal.SIGKILL)
    for one in errands:
        one.kill()
        assert gone(one)
    assert restored(tmp_path)

    again = start({"TMPDIR": str(tmp_path / "spilt")}, name="again")
    again.until(lambda: bool(again.said("started")))
    assert restored(tmp_path) == []
    assert again.end() == 0


def children(service: Running) -> list[psutil.Process]:
    """Return the processes that the service has errands done by."""
    return [one for one in psutil.Process(service.process.pid).children() if _is_child(one)]


def _is_child(process: psutil.Process) -> bool:
    try:
        return CHILD in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def gone(process: psutil.Process) -> bool:
    """Wait until a process has ended; whose parent was killed is nobody's to wait for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_service_at_rest_holds_neither_duckdb_nor_arrow(start: Callable[..., Running]) -> None:  # noqa: F811 -- the fixture
    """After it pulled, scanned and planned: no library of theirs is mapped, no process is left."""
    settings = SETTINGS.replace("service: {{", "service: {{apply_automatic: true, ")
    service = start(settings=settings, anew=True)
    service.until(lambda: bool(service.said("scanned")))
    planned = 'outcome="done",verb="apply"} 0.0'
    service.until(lambda: planned not in service.page("/metrics")[1])
    service.until(lambda: not children(service))
    maps = Path(f"/proc/{service.process.pid}/maps").read_text("utf-8")
    held = psutil.Process(service.process.pid).memory_info().rss

    assert [name for name in ("duckdb", "arrow", "pillow", "PIL") if f"/{name}" in maps] == []
    assert "sqlite3" in maps, "it would be seen"
    assert held <= RESIDENT
    assert service.end() == 0


KEPT = """
import atexit, json, sys
from crm_steward.cli import main

def tell():
    names = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps({"event": "kept", "modules": names}), file=sys.stderr, flush=True)

atexit.register(tell)
main()
"""
"""Python that runs the program, which says at its end what it has loaded."""


def test_a_service_at_rest_keeps_nothing_that_it_needs_once_or_never(
    start: Callable[..., Running],  # noqa: F811 -- the fixture
) -> None:
    """New database, Salesforce read: what migrates, what writes mails, what reads SOAP is not there."""
    with serve(SalesforceSandbox(contacts=5, seed=1)) as server:
        given = yaml.safe_dump(server.emulator.connection(server.url), default_flow_style=True)
        block = f"crm: {{{{kind: salesforce, {given.strip()[1:-1]}}}}}"
        settings = SETTINGS.replace(
            "people: {{kind: file, path: people.csv, pull_every: 1 second}}", block
        )
        service = start(settings=settings, anew=True, code=KEPT)
        service.until(lambda: bool(service.said("scanned")))
        assert service.end() == 0
    kept = set(service.said("kept")[0]["modules"])
    assert {"simple_salesforce", "sqlalchemy"} <= kept, "it would be seen"
    assert (
        kept & {"alembic", "mako", "zeep", "lxml", "jwt", "jinja2", "css_inline", "xlsxwriter"}
        == set()
    )


def test_a_scan_whose_process_is_killed_is_a_failed_job_and_no_more(
    start_caught: Callable[[], tuple[Running, psutil.Process]], tmp_path: Path
) -> None:
    """It is told by log, /readyz and /metrics; the service goes on reading, and ends as it should."""
    service, scan = start_caught()
    pulled, spilt = len(service.said("pulled")), set((tmp_path / "spilt").iterdir())
    assert spilt
    scan.kill()

    service.until(lambda: bool(service.said("failed; it is tried again")))
    (failed,) = [one for one in service.said("failed; it is tried again") if one["job"] in SCANS]
    assert failed["why"].startswith("The process of 'scan' was ended by SIGKILL before it was done")
    assert failed["level"] == "error"
    service.until(lambda: len(service.said("pulled")) > pulled + 1)
    assert service.page("/healthz")[0] == 200
    checks = json.loads(service.page("/readyz")[1])["checks"]
    assert "SIGKILL" in {one["name"]: one["why"] for one in checks}[f"job {failed['job']}"]
    assert f'outcome="failed",verb="{failed["job"]}"}} 1.0' in service.page("/metrics")[1]
    # The other kind of scan may have a process by now, with a folder of its own.
    assert not spilt & set((tmp_path / "spilt").iterdir())
    assert service.end() == 0


DIES = """
import sys
sys.executable = "./dies"
from crm_steward.cli import main
main()
"""
"""Python that runs the program, whose processes are killed before they read their errands."""


@pytest.mark.parametrize("size", [0, 64_500, 66_000, 300_000])
def test_a_service_whose_first_process_dies_before_it_reads_ends_with_what_is_documented(
    start: Callable[..., Running],  # noqa: F811 -- the fixture
    folder: Path,  # noqa: F811 -- the same
    size: int,
) -> None:
    """However much it would have read, the rules of the last scan among it: never as if all were well."""
    (folder / "dies").write_text("#!/bin/sh\nsleep 0.3\nkill -9 $$\n", "utf-8")
    (folder / "dies").chmod(0o700)
    with Database.open(f"sqlite:///{folder}/crm-steward.db") as database:
        Rulebooks(database).save("0", {"own.yaml": "#" * size}, now=utc_now())
    service = start(code=DIES)
    assert service.process.wait(PATIENCE_SECONDS) == 5
    assert service.log.read_text().startswith(
        "crm-steward: The process of 'read' was ended by SIGKILL before it was done. Its last lines"
    )


def test_no_process_outlives_a_service_that_is_killed(
    start_caught: Callable[[], tuple[Running, psutil.Process]],
    steward: Cli,
    tmp_path: Path,
) -> None:
    """The process of the scan would wait for ever; it ends, what it spilt too, and leaves no lock."""
    service, scan = start_caught()
    service.end(signal.SIGKILL)

    assert gone(scan)
    assert list((tmp_path / "spilt").iterdir()) == []
    (tmp_path / "hangs").unlink()
    scanned = steward("scan")
    assert scanned.returncode == 0, scanned.stderr


def test_sigterm_ends_a_scan_that_comes_to_no_safe_point(
    start_caught: Callable[[], tuple[Running, psutil.Process]], tmp_path: Path
) -> None:
    """In time for every job to come to its end, the scan's among them, which is none that failed."""
    service, scan = start_caught()

    assert service.end() == 0
    assert gone(scan)
    assert service.said("stopped")[0]["clean"] is True
    stopped = service.said("stopped; the next run goes on from here")
    assert SCANS & {one["job"] for one in stopped}
    assert not SCANS & {one["job"] for one in service.said("failed; it is tried again")}
    assert list((tmp_path / "spilt").iterdir()) == []


def test_a_process_is_told_nothing_where_others_can_read_it(
    start_caught: Callable[[], tuple[Running, psutil.Process]],
) -> None:
    """Its command line names the program alone, its environment is the service's own; it hears signals."""
    service, scan = start_caught()

    assert scan.cmdline()[1:] == ["-m", CHILD]
    assert not any(blocked(scan.pid)), "it is told of signals, though the service's threads are not"
    assert scan.environ() == psutil.Process(service.process.pid).environ()
    service.end(signal.SIGKILL)
    assert gone(scan)
