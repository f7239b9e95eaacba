"""`crm-steward sandbox serve`, as a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.conftest import Cli
from tests.program import Program, Started

COMMAND = ["sandbox", "serve", "--contacts", "50", "--json"]


@contextmanager
def serving(
    program: Program, folder: Path, *options: str, anew: bool = False
) -> Iterator[tuple[Started, dict[str, Any]]]:
    """Run the command until its ready line; it is killed in the end, if it still runs."""
    with program.start([*COMMAND, *options], cwd=folder, anew=anew) as process:
        process.until("\n")
        yield process, json.loads(process.out.splitlines()[0])


Refused = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def refused(steward: Cli) -> Refused:
    """Give what runs the command where it should end at once."""
    return lambda *options: steward(*COMMAND, *options, timeout=30)


def test_a_killed_emulator_is_back_with_everything(
    program: Program, refused: Refused, tmp_path: Path
) -> None:
    """SIGKILL loses nothing that was answered; SIGTERM ends with 0; ids and people are the same."""
    state = str(tmp_path / "hubspot.state")
    with serving(program, tmp_path, "--port", "0", "--state", state, anew=True) as (process, ready):
        auth = {"Authorization": f"Bearer {ready['connection']['token']}"}
        path = "/crm/v3/objects/contacts"
        first = requests.get(ready["url"] + path, headers=auth, timeout=5).json()["results"][0]
        change = {"properties": {"city": "Vannes"}}
        url = f"{ready['url']}{path}/{first['id']}"
        assert requests.patch(url, json=change, headers=auth, timeout=5).ok
        process.kill()
        process.wait(timeout=10)
    with serving(program, tmp_path, "--port", "0", "--state", state) as (process, ready):
        url = f"{ready['url']}{path}/{first['id']}?properties=city,email"
        again = requests.get(url, headers=auth, timeout=5).json()
        assert again["properties"]["city"] == "Vannes"
        assert again["properties"]["email"] == first["properties"]["email"]
        assert again["createdAt"] == first["createdAt"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    wrong = refused("--port", "0", "--state", state, "--seed", "8")
    assert wrong.returncode == 10
    assert "another population" in wrong.stderr


def test_faults_come_from_a_file(program: Program, refused: Refused, tmp_path: Path) -> None:
    """A YAML file puts faults in force; mistakes in it end with 3 and name the fault."""
    script = tmp_path / "faults.yaml"
    script.write_text("- {path: /owners, nth: 1, status: 503}\n")
    with serving(program, tmp_path, "--port", "0", "--faults", str(script)) as (_, ready):
        auth = {"Authorization": f"Bearer {ready['connection']['token']}"}
        codes = [
            requests.get(f"{ready['url']}/crm/v3/owners/", headers=auth, timeout=5).status_code
            for _ in range(2)
        ]
        assert codes == [503, 200]
    script.write_text("- {path: /owners, colour: red}\n")
    wrong = refused("--faults", str(script))
    assert wrong.returncode == 3
    assert "fault 1" in wrong.stderr
    assert refused("--faults", str(tmp_path / "none.yaml")).returncode == 10


def test_a_taken_port_and_an_unknown_kind_are_one_line(refused: Refused) -> None:
    """Both end with 3, say what is wrong, and what would be right."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wrong = refused("--port", str(port))
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (3, 1)
    assert f"port {port}" in wrong.stderr
    wrong = refused("--kind", "filofax")
    assert wrong.returncode == 3
    assert "hubspot" in wrong.stderr


@pytest.mark.parametrize("content", ["", "hello\n"])
def test_a_state_file_that_is_none(
    program: Program, refused: Refused, tmp_path: Path, content: str
) -> None:
    """An empty file is begun; anything else is refused and left alone."""
    path = tmp_path / "state"
    path.write_text(content)
    if content:
        wrong = refused("--state", str(path))
        assert (wrong.returncode, path.read_text()) == (10, content)
        return
    with serving(program, tmp_path, "--port", "0", "--state", str(path)):
        assert json.loads(path.read_text())["kind"] == "hubspot"
