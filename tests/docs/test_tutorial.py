"""The tutorial, command by command, as a newcomer would type it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import yaml
from tests.docs.shell import ROOT, commands_of, run, served, shell

from crm_steward.sandbox import serve
from crm_steward_hubspot.sandbox import HubSpotSandbox

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
FRENCH = (ROOT / "docs" / "fr" / "tutorial.md").read_text("utf-8")


def test_the_tutorial_works_from_the_first_line_to_the_last(tmp_path: Path) -> None:
    """Every command ends well, the rule of the tutorial catches, its tasks arrive in the CRM."""
    install, serving, *commands = [command for block in commands_of(TUTORIAL) for command in block]
    assert install.startswith("pip install")
    assert serving.startswith("crm-steward sandbox serve")
    (added,) = re.findall(r"```yaml\n(.*?)```", TUTORIAL, re.DOTALL)
    yaml.safe_load(added)
    (tmp_path / "rule.yaml").write_text(added, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    here = served(f"CRM_STEWARD_SERVICE__LISTEN=127.0.0.1:{port} crm-steward run", port)
    script = []
    with serve(HubSpotSandbox(contacts=500, seed=7)) as server:
        for command in commands:
            if command == "crm-steward rules lint":
                script.append("cat ../rule.yaml >> rules/own.yaml")
            script.append(here if command == "crm-steward run" else command)
        text = "\n".join(script).replace("http://127.0.0.1:8765", server.url)
        printed = run(text, tmp_path, shell(tmp_path))
        state = server.emulator.state()

    assert "customers-who-went-quiet" in printed
    subjects = [task["properties"]["hs_task_subject"] for task in state["tables"]["tasks"].values()]
    assert any("who went quiet" in subject for subject in subjects)
    assert "crm-steward" in (tmp_path / "practice" / "report.html").read_text("utf-8")


def test_the_french_tutorial_types_the_same_commands() -> None:
    """But for the language and the words of the note; its rule is the same, but for the texts."""
    typed = [
        re.sub(r' --language fr$|(?<=--note )".*"', "", command)
        for page in (TUTORIAL, FRENCH)
        for block in commands_of(page)
        for command in block
    ]
    half = len(typed) // 2
    assert typed[:half] == typed[half:]
    english, french = (
        yaml.safe_load(block)[0]
        for page in (TUTORIAL, FRENCH)
        for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    )
    for rule in (english, french):
        del rule["about"], rule["actions"][0]["task"]["title"]
    assert english == french
