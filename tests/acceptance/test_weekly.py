"""The weekly report through the command line: what only the CRM, the scans and the calls can tell."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from openpyxl import load_workbook  # noqa: TID253 -- what a reader of the file sees
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli

from crm_steward.sandbox import parse_faults

RULE = """\
version: 1
rules:
  - id: job-title
    about: {en: Nobody knows what they do, fr: On ne sait pas ce qu'ils font}
    where: {field: company, in: [Needs a title]}
    check: {kind: required, fields: [job_title]}
    actions: [task: {to: owner, due: 14 days, title: "Ask {full_name} what they do"}]
    mode: apply
"""


def test_the_report_tells_what_became_of_tasks_edits_and_quotas(
    steward: Cli, office: Office, account: Account, tmp_path: Path
) -> None:
    """Two tasks are made, one is done by a person, then the rule is edited: all of it is told.

    A pull that cannot read the tasks reads the contacts all the same, and says so.
    """
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULE, "utf-8")
    office(rules={"packs": [], "paths": ["mine.yaml"]}, language="en")
    crm = account.server.emulator
    needing, also, other = sorted(account.contacts)[:3]
    lacking = {"company": "Needs a title", "jobtitle": "", "country": "Belgique"}
    for record in (needing, also):
        crm.by_hand({"do": "edit", "id": record, "values": lacking})
    elsewhere = {**lacking, "company": "Needs one too"}
    crm.by_hand({"do": "edit", "id": other, "values": elsewhere})
    for command in (("pull", "--full"), ("scan",), ("plan",), ("apply", "--yes")):
        done = steward(*command)
        assert done.returncode == 0, done.stderr
    first, _ = crm.state()["tables"]["tasks"]
    crm.by_hand({"do": "close_task", "id": first})
    rules.write_text(RULE.replace("[Needs a title]", "[Needs a title, Needs one too]"), "utf-8")
    refusal = {"path": "/tasks/batch/read$", "nth": 1, "status": 400}
    account.server.faults.add(parse_faults(refusal))
    deaf = steward("pull")
    assert deaf.returncode == 0, deaf.stderr
    assert "What became of our tasks could not be read" in " ".join(deaf.stdout.split())
    pulled = json.loads(steward("pull", "--json").stdout)
    assert [counts["tasks"] for counts in pulled.values()] == [2]
    assert steward("scan").returncode == 0

    told = json.loads(steward("report", "--format", "json").stdout)

    (share,) = told["tasks"]["shares"]
    counts = {name: share[name] for name in ("created", "done", "open", "overdue", "unread")}
    assert counts == {"created": 2, "done": 1, "open": 1, "overdue": 0, "unread": 0}
    (edit,) = told["edits"]["edits"]
    assert (edit["edit"], edit["opened"], edit["resolved"], edit["open"]) == ("edited", 1, 0, 3)
    (quota,) = told["quotas"]
    assert quota["calls"] >= 5
    assert 0 < quota["share"] < 1
    (country,) = told["countries"]["shares"]
    assert (country["country"], country["findings"], country["records"]) == ("BE", 3, 3)
    text = steward("report").stdout
    for title in ("FINDINGS BY COUNTRY", "TASKS WE MADE", "WHAT EDITS OF RULES DID", "QUOTAS"):
        assert title in text
    assert steward("report", "--format", "xlsx", "--out", "lists.xlsx").returncode == 0
    lists = load_workbook(tmp_path / "lists.xlsx")
    head, *tasks = lists["Tasks"].iter_rows()
    assert sorted(row[0].value for row in tasks) == ["done", "open"]
    place = [cell.value for cell in head].index("Record")
    leads = {row[place].hyperlink.target.rpartition("/")[2] for row in tasks}
    assert leads == {needing, also}
    (edited,) = lists["Edits of rules"].iter_rows(min_row=2, values_only=True)
    assert edited[1] == "edited"
    assert {row[2] for row in lists["Changes made"].iter_rows(min_row=2, values_only=True)} == {
        "task"
    }


def test_an_owner_is_shown_their_own_records(
    steward: Cli, office: Office, account: Account, tmp_path: Path
) -> None:
    """By the address under which the CRM knows the owner; the records of others are not named.

    So it is of findings and of tasks: two are made, and each owner is told of one.
    """
    (tmp_path / "mine.yaml").write_text(RULE, "utf-8")
    office(rules={"packs": [], "paths": ["mine.yaml"]}, language="en")
    owned = {
        record: row["properties"]["hubspot_owner_id"]
        for record, row in account.contacts.items()
        if row["properties"].get("hubspot_owner_id")
    }
    mine, theirs = next(
        (one, other) for one in owned for other in owned if owned[one] != owned[other]
    )
    for record in (mine, theirs):
        values = {"company": "Needs a title", "jobtitle": ""}
        account.server.emulator.by_hand({"do": "edit", "id": record, "values": values})
    for command in (("pull", "--full"), ("scan",), ("plan",), ("apply", "--yes"), ("pull",)):
        done = steward(*command)
        assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.db")
    with closing(sqlite3.connect(path)) as database:
        (account_said,) = database.execute("SELECT account FROM connections").fetchone()
    address = json.loads(account_said)["owners"][owned[mine]]["email"]

    shown = steward("report", "--owner", address)

    assert shown.returncode == 0, shown.stderr
    assert f":{mine} " in shown.stdout
    assert f":{theirs} " not in shown.stdout
    assert "YOUR TASKS" in shown.stdout
    assert "Nobody knows what they do, due on " in " ".join(shown.stdout.split())
    told = json.loads(steward("report", "--owner", address, "--json").stdout)
    assert told["movement"]["new"] == 1
    assert {name: told["tasks"][name] for name in ("created", "open", "overdue")} == {
        "created": 1, "open": 1, "overdue": 0,
    }  # fmt: skip
    french = steward("report", "--owner", address, "--language", "fr").stdout
    assert "VOS TÂCHES" in french
