"""`crm-steward init`: settings and rules to begin with."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., subprocess.CompletedProcess[str]]
CANARY = "pat-eu1-canary-canary-0000"


def modes(folder: Path) -> set[str]:
    """Return the modes of all files below a folder."""
    return {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["hubspot", "file"])
def test_what_it_writes_passes_check_once_access_is_given(
    steward: Cli, tmp_path: Path, kind: str
) -> None:
    """Settings and rules load; only the credential or the file is missing, and that is said."""
    made = steward("init", "new", "--kind", kind, "--language", "fr", "--timezone", "Europe/Paris")
    assert made.returncode == 0, made.stderr
    assert "To give access to" in made.stdout
    assert "cd new && crm-steward check" in made.stdout
    assert modes(tmp_path / "new") == {"0o600"}
    assert "timezone: Europe/Paris" in (tmp_path / "new" / "crm-steward.yaml").read_text()
    checked = steward("check", "-c", "new/crm-steward.yaml")
    if kind == "hubspot":
        assert "crm.objects.contacts.write" in made.stdout
        assert "new/secrets/connections__hubspot__token" in made.stdout
        assert checked.returncode == 3
        assert "connections.hubspot.token' is missing" in checked.stdout
        token = tmp_path / "new" / "secrets" / "connections__hubspot__token"
        token.write_text(CANARY)
        checked = steward("rules", "lint", "-c", "new/crm-steward.yaml")
        assert checked.returncode == 0, checked.stdout + checked.stderr
    else:
        assert "✓ rules" in checked.stdout
        assert "contacts.csv" in checked.stdout
        (tmp_path / "new" / "contacts.csv").write_text("id,email\n1,ann@example.com\n", "utf-8")
        assert steward("check", "-c", "new/crm-steward.yaml").returncode == 0


def test_nothing_is_ever_overwritten(steward: Cli, tmp_path: Path) -> None:
    """A file that exists stops it before anything is written."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.yaml").write_text("mine")
    ended = steward("init", "--kind", "hubspot")
    assert ended.returncode == 3
    assert "rules/own.yaml: this exists already." in ended.stderr
    assert (tmp_path / "rules" / "own.yaml").read_text() == "mine"
    assert not (tmp_path / "crm-steward.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "give one of: file, hubspot"),
        (["--kind", "hubspt"], 3, "did you mean 'hubspot'?"),
        (["--kind", "file", "--name", "My CRM"], 3, "small letters, digits and hyphens"),
        (["--kind", "file", "--language", "de"], 3, "--language: should be 'en' or 'fr'"),
        (["--kind", "file", "--timezone", "Paris"], 3, "did you mean 'Europe/Paris'?"),
    ],
)
def test_wrong_options_write_nothing(
    steward: Cli, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    """Each is named with its remedy, and the folder stays empty."""
    ended = steward("init", *arguments)
    assert ended.returncode == code, ended.stderr
    assert says in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(steward: Cli, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "new").write_text("")
    ended = steward("init", "new", "--kind", "file")
    assert ended.returncode == 3
    assert "cannot be written" in ended.stderr


def test_on_a_terminal_it_asks_and_does_not_show_the_credential(tmp_path: Path) -> None:
    """The kind and the token are asked for; the token is kept apart, unreadable for others."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "crm_steward", "init", "."],
        cwd=tmp_path,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
    )
    os.close(inside)
    shown = answer(terminal, "Which CRM?", "hubspot")
    shown += answer(terminal, "token (not shown", CANARY, hidden=True)
    shown += answer(terminal, "crm-steward check", "")
    assert process.wait(60) == 0
    os.close(terminal)
    secret = tmp_path / "secrets" / "connections__hubspot__token"
    assert secret.read_text() == CANARY + "\n"
    assert CANARY not in shown
    assert CANARY not in (tmp_path / "crm-steward.yaml").read_text()
    assert modes(tmp_path) == {"0o600"}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def answer(terminal: int, question: str, text: str, *, hidden: bool = False) -> str:
    """Wait for a question (and for the echo to go off), answer it, and return what was shown."""
    shown = ""
    deadline = time.monotonic() + 60
    while question not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096).decode()
    while hidden and termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < deadline, shown
        time.sleep(0.01)
    if text:
        os.write(terminal, f"{text}\n".encode())
    return shown
