"""The service as a whole, in a thread of the test: what its schedule does when the clock jumps."""

from __future__ import annotations

import socket
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from crm_steward.daemon.service import Service
from crm_steward.daemon.work import Work
from crm_steward.model import utc_now
from crm_steward.settings import load_settings
from crm_steward.store.database import Database
from crm_steward.store.runs import Runs

SETTINGS = """\
version: 1
database: sqlite:///{folder}/steward.db
connections:
  people: {{kind: file, path: {folder}/people.csv, pull_every: 1 hour}}
rules: {{packs: [], paths: [{folder}/own.yaml]}}
service: {{listen: "127.0.0.1:{port}"}}
"""
RULES = """\
version: 1
rules:
  - id: no-phone
    about: Nobody can call them
    check: {kind: required, fields: [phone]}
    mode: report
"""
PATIENCE_SECONDS = 60


def _config(folder: Path) -> Path:
    """Write the settings of a service on one file, and what they name."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = folder / "crm-steward.yaml"
    config.write_text(SETTINGS.format(folder=folder, port=port), "utf-8")
    config.chmod(0o600)
    (folder / "people.csv").write_text("First name,Last name\nZoe,Martin\n", "utf-8")
    (folder / "own.yaml").write_text(RULES, "utf-8")
    return config


def test_a_pull_that_ends_while_the_service_does_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It calls for a scan while the schedule is taken down: neither waits for the other."""
    at_it = threading.Event()

    def pull(work: Work, _name: str) -> None:
        at_it.set()
        work._stop.wait(PATIENCE_SECONDS)
        threading.Event().wait(1)  # the end has begun
        work._nudge("scan")

    monkeypatch.setattr(Work, "pull", pull)
    service = Service(load_settings(_config(tmp_path)))
    at_work = threading.Thread(target=service.run)
    at_work.start()
    assert at_it.wait(PATIENCE_SECONDS)
    service.stop()
    at_work.join(PATIENCE_SECONDS)
    assert not at_work.is_alive()
    assert service.clean


def test_no_job_waits_for_a_time_that_a_clock_showed_which_was_set_back(tmp_path: Path) -> None:
    """Scheduled years ahead, when the clock was: read within seconds from when it is set right."""
    config = _config(tmp_path)
    ahead = timedelta(days=2000)
    watched = threading.Event()

    def clock() -> datetime:
        watched.set()
        return utc_now() + ahead

    service = Service(load_settings(config), clock=clock)
    at_work = threading.Thread(target=service.run)
    at_work.start()
    try:
        assert watched.wait(PATIENCE_SECONDS)
        with Database.open(f"sqlite:///{tmp_path}/steward.db") as database:
            scanned = threading.Event()

            def look() -> bool:
                return any(run.status == "done" for run in Runs(database).latest("scan"))

            assert not scanned.wait(3)
            assert not look()
            ahead = timedelta(0)
            waited = 0
            while not look() and waited < PATIENCE_SECONDS:
                scanned.wait(1)
                waited += 1
            assert look()
    finally:
        service.stop()
        at_work.join(PATIENCE_SECONDS)
    assert not at_work.is_alive()
