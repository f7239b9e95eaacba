"""A task's whole life through the command line: made, settled by a person's work, closed, left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli

RULE = """\
version: 1
rules:
  - id: job-title
    about: {en: Nobody knows what they do, fr: On ne sait pas ce qu'ils font}
    where: {field: company, equals: Needs a title}
    check: {kind: required, fields: [job_title]}
    actions: [task: {to: owner, due: 14 days, title: "Ask {full_name} what they do"}]
    mode: apply
"""


def test_a_task_is_closed_when_the_contact_was_put_right(
    steward: Cli, office: Office, account: Account, tmp_path: Path
) -> None:
    """One round makes the task, the next one closes it in HubSpot, the third has nothing to do."""
    (tmp_path / "mine.yaml").write_text(RULE, "utf-8")
    office(rules={"packs": [], "paths": ["mine.yaml"]}, language="fr")
    record = min(account.contacts)
    crm = account.server.emulator
    edit = {"company": "Needs a title", "jobtitle": ""}
    crm.by_hand({"do": "edit", "id": record, "values": edit})

    assert _round(steward) == ["task"]
    (task,) = _tasks(account)
    assert task["hs_task_status"] == "NOT_STARTED"

    crm.by_hand({"do": "edit", "id": record, "values": {"jobtitle": "Beekeeper"}})
    assert _round(steward) == ["close_task"]
    (closed,) = _tasks(account)
    assert closed["hs_task_status"] == "COMPLETED"
    moved = {"hs_task_status", "hs_lastmodifieddate"}
    assert {name for name in closed if closed[name] != task[name]} <= moved

    writes = account.writes()
    assert _round(steward) == []
    assert account.writes() == writes
    assert "close task" in steward("journal", "--rule", "job-title").stdout
    assert "1 clôture de tâche" in steward("report").stdout


def test_a_plan_says_which_tasks_it_would_close(
    steward: Cli, office: Office, account: Account, tmp_path: Path
) -> None:
    """The rule was taken away: what it asked for is proposed to be closed, and a person decides."""
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULE, "utf-8")
    office(rules={"packs": [], "paths": ["mine.yaml"]}, language="fr")
    record = min(account.contacts)
    edit = {"company": "Needs a title", "jobtitle": ""}
    account.server.emulator.by_hand({"do": "edit", "id": record, "values": edit})
    assert _round(steward) == ["task"]

    rules.write_text(RULE.replace("job-title", "other").replace("apply", "report"), "utf-8")
    assert steward("scan").returncode == 0
    planned = steward("plan")

    assert planned.returncode == 0, planned.stderr
    for said in ("clore sa tâche : sa règle n'existe plus", "à approuver", "à rouvrir dans le CRM"):
        assert said in " ".join(planned.stdout.split()), planned.stdout
    assert steward("apply", "--yes").returncode == 0
    assert [task["hs_task_status"] for task in _tasks(account)] == ["NOT_STARTED"]


def _round(steward: Cli) -> list[str]:
    """Pull, scan, plan and apply; return the kinds of the changes, all of which were verified."""
    for command in (("pull", "--full"), ("scan",)):
        done = steward(*command)
        assert done.returncode == 0, done.stderr
    changes = json.loads(steward("plan", "--json").stdout)["changes"]
    done = steward("apply", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"] == len(changes)
    return [one["change"]["kind"] for one in changes]


def _tasks(account: Account) -> list[dict[str, Any]]:
    tasks = account.server.emulator.state()["tables"]["tasks"]
    return [task["properties"] for task in tasks.values()]
