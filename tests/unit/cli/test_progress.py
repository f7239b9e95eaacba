"""How far a command has come: a bar on a terminal, lines in the log elsewhere."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.conftest import Cli

from crm_steward.cli import context

SETTINGS = """\
database: sqlite:///crm-steward.db
connections: {export: {kind: file, path: contacts.csv, id_column: id}}
rules: {paths: [], packs: [format]}
"""


@pytest.fixture
def base(tmp_path: Path, steward: Cli) -> Path:
    """Give a folder whose contacts were pulled and scanned."""
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS)
    rows = [f"{n},JEAN{n},NOM,jean{n}@example.com" for n in range(20)]
    (tmp_path / "contacts.csv").write_text(
        "\n".join(["id,first_name,last_name,email", *rows]) + "\n"
    )
    for verb in ("pull", "scan"):
        assert steward(verb).returncode == 0
    return tmp_path


def command(base: Path, verb: str) -> list[str]:
    """Return a command on the folder's settings."""
    return [sys.executable, "-m", "crm_steward", verb, "-c", str(base / "crm-steward.yaml")]


@pytest.mark.parametrize("verb", ["pull", "scan", "plan"])
def test_a_terminal_shows_a_bar(base: Path, verb: str) -> None:
    """On standard error, so that what is printed can go elsewhere; it is taken away at the end."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(
        command(base, verb), check=False, stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65_536)
        except OSError:  # how Linux says that the other side is closed
            break
    os.close(ours)
    assert done.returncode == 0, shown
    assert verb.encode() in shown
    assert "\u2501".encode() in shown
    assert "\u2501".encode() not in done.stdout
    assert shown.endswith(b"\x1b[?25h\r\x1b[1A\x1b[2K")


@pytest.mark.parametrize("verb", ["pull", "scan", "plan"])
def test_elsewhere_there_is_none(base: Path, steward: Cli, verb: str) -> None:
    """Nothing is drawn into a file or a pipe, and what is soon done is not worth a line."""
    assert base.exists()
    done = steward(verb)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_takes_long_is_logged_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each half minute, with how far it has come; ten seconds pass between two pages here."""
    seconds = count(step=10)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(context, "monotonic", lambda: float(next(seconds)))
    with capture_logs() as logs, context.bar("plan") as advance:
        for page in range(1, 10):
            advance(page, 9)
    assert [(one["event"], one["log_level"], one["total"]) for one in logs] == [
        ("plan", "info", 9)
    ] * len(logs)
    done = [one["done"] for one in logs]
    assert done[0] > 1
    assert 1 < len(done) < 9
    assert done == sorted(set(done))
