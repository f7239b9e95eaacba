"""pause, resume and the stop file as people use them: what they print, refuse, keep, and end with."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli
from tests.program import PATIENCE_SECONDS, Program

from crm_steward.sandbox.wire import Request, Response

BATCH = "/contacts/batch/update"
EVERYBODY = """\
version: 1
rules:
  - id: everybody
    about: Everybody is to work for one company
    check: {kind: condition, holds: {not: {field: company, equals: Everybody Ltd}}}
    actions: [update: {set: {company: Everybody Ltd}}]
    mode: propose
"""


@pytest.fixture
def planned(steward: Cli, office: Office) -> None:
    """Pull, scan and plan, in French."""
    office(language="fr")
    for command in ("pull", "scan", "plan"):
        done = steward(command)
        assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("planned")
def test_a_pause_stops_the_command_line_and_says_who_and_why(
    steward: Cli, account: Account
) -> None:
    """Nothing is written, the code is 12, the pause is listed before and after it ends."""
    paused = steward("pause", "--reason", "Import en cours", "--by", "Dana")
    assert paused.returncode == 0, paused.stderr
    assert "Rien n'est écrit : en pause depuis le" in paused.stdout

    refused = steward("apply", "--approve", "all", "--yes")
    assert refused.returncode == 12, refused.stderr
    assert "Dana" in refused.stdout
    assert "crm-steward resume" in refused.stdout
    assert account.writes() == []
    assert "en pause" in steward("apply").stdout
    left_out = steward("plan")
    assert "les écritures sont arrêtées : en pause depuis le" in " ".join(left_out.stdout.split())

    wrong = steward("resume", "--connection", "nobody", "--reason", "Fini")
    assert (wrong.returncode, "paused by Dana" in " ".join(wrong.stderr.split())) == (2, True)
    assert steward("resume", "--reason", "Fini", "--by", "Max").returncode == 0
    (listed,) = json.loads(steward("pause", "--list", "--json").stdout)
    assert (listed["by"], listed["ended_by"], listed["ended_reason"]) == ("Dana", "Max", "Fini")
    assert steward("plan").returncode == 0
    assert steward("apply", "--approve", "all", "--yes").returncode == 0
    assert account.writes() != []


def test_another_process_pauses_while_apply_writes(
    steward: Cli,
    program: Program,
    office: Office,
    account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The batch on the wire ends, none goes out after it; after resume each change is written once."""
    (tmp_path / "own.yaml").write_text(EVERYBODY, "utf-8")
    limits = {"max_percent_per_day": 100, "canary": 1000}
    office(rules={"packs": [], "paths": ["own.yaml"]}, limits=limits)
    for command in ("pull", "scan", "plan"):
        assert steward(command).returncode == 0
    arrived, go_on = threading.Event(), threading.Event()
    emulator = account.server.emulator
    answer = emulator.answer

    def waits(request: Request) -> Response:
        if request.target.endswith(BATCH):
            arrived.set()
            assert go_on.wait(60)
        return answer(request)

    monkeypatch.setattr(emulator, "answer", waits)
    command = ["apply", "--yes", "--approve", "all", "--json"]
    assert steward("apply").returncode == 0
    with program.start(command, cwd=tmp_path) as process:
        assert arrived.wait(60)
        paused = steward("pause", "--reason", "Import")
        go_on.set()
        ended = process.wait(PATIENCE_SECONDS)
        counts = json.loads(process.out)

    assert (paused.returncode, ended) == (0, 12)
    assert len([call for call in account.writes() if call.endswith(BATCH)]) == 1
    assert {name: counts[name] for name in ("verified", "absent", "left")} == {
        "verified": 100,
        "absent": 0,
        "left": 0,
    }
    assert sum(one["changes"] for one in counts["halted"]) == 50
    assert steward("resume", "--reason", "Done").returncode == 0
    assert steward("apply", "--yes").returncode == 0
    assert len([call for call in account.writes() if call.endswith(BATCH)]) == 2
    assert {one["properties"]["company"] for one in account.contacts.values()} == {"Everybody Ltd"}


@pytest.mark.usefixtures("planned")
def test_the_stop_file_beside_the_database_stops_writing(
    steward: Cli, account: Account, tmp_path: Path
) -> None:
    """The message names the file; removing it resumes."""
    file = tmp_path / "STOP-WRITING"
    file.touch()
    refused = steward("apply", "--approve", "all", "--yes")
    assert refused.returncode == 12, refused.stderr
    assert "STOP-WRITING exists" in " ".join(refused.stdout.split())
    assert "Remove the file" in refused.stdout
    assert account.writes() == []

    file.unlink()
    assert steward("apply", "--yes").returncode == 0
    assert account.writes() != []


@pytest.mark.usefixtures("planned")
def test_a_pause_of_what_does_not_exist_is_refused(steward: Cli) -> None:
    """It would stop nothing: the nearest name is offered. With rules that are broken it is taken."""
    wrong = steward("pause", "--rule", "phone-e165", "--reason", "Odd numbers")
    assert (wrong.returncode, "phone-e164" in wrong.stderr) == (2, True), wrong.stderr
    assert steward("pause", "--reason", " ").returncode == 2
    assert steward("pause", "--list").stdout.strip() == "Rien n'est arrêté."
