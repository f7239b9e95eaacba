"""The whole loop through the command line, against an emulated HubSpot over real HTTP."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli
from tests.program import PATIENCE_SECONDS, Program

from crm_steward.sandbox import Server, parse_faults
from crm_steward_hubspot.sandbox import HubSpotSandbox


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """Return what a command printed with --json."""
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def loop(steward: Cli, *commands: tuple[str, ...]) -> None:
    """Run commands that must end well."""
    for command in commands:
        done = steward(*command)
        assert done.returncode == 0, (command, done.stderr, done.stdout[-2000:])


def test_the_loop_fixes_what_it_may_and_undo_takes_it_back(
    steward: Cli, office: Office, account: Account
) -> None:
    """Pull, scan, plan, apply: HubSpot holds the proposed values; undo: it holds the old ones."""
    office()
    before = account.contacts
    loop(steward, ("pull",), ("scan",))
    planned = document(steward("plan", "--json"))
    assert account.writes() == []
    applied = document(steward("apply", "--yes", "--json"))

    updates = [
        one["change"]
        for one in planned["changes"]
        if one["automatic"] and one["change"]["kind"] == "update"
    ]
    assert len(updates) > 10
    after = account.contacts
    names = {
        "phone": "phone",
        "mobile": "mobilephone",
        "first_name": "firstname",
        "last_name": "lastname",
    }
    for change in updates:
        record = change["ref"].partition(":")[2]
        for field, value in change["values"].items():
            assert after[record]["properties"][names[field]] == value
            assert before[record]["properties"][names[field]] == change["expected"][field]
    assert applied["verified"] == len(updates)

    loop(steward, ("undo", applied["run"], "--yes"))
    restored = account.contacts
    for record, held in before.items():
        for field in names.values():
            assert restored[record]["properties"].get(field) == held["properties"].get(field)


def test_nothing_is_written_without_yes(steward: Cli, office: Office, account: Account) -> None:
    """Every command but `apply --yes` leaves the CRM as it is, approvals included."""
    office()
    loop(
        steward,
        ("pull",),
        ("scan",),
        ("findings",),
        ("plan",),
        ("apply",),
        ("apply", "--approve", "all"),
        ("journal",),
        ("report",),
    )

    assert account.writes() == []


def test_a_second_apply_writes_nothing(steward: Cli, office: Office, account: Account) -> None:
    """A plan is used once; our own writes come back in the next pull and cause nothing."""
    office()
    loop(steward, ("pull",), ("scan",), ("plan",), ("apply", "--yes", "--approve", "all"))
    written = len(account.writes())
    again = steward("apply", "--yes")
    loop(steward, ("pull",), ("scan",))
    rest = document(steward("plan", "--json"))

    assert again.returncode == 6, again.stderr
    assert len(account.writes()) == written
    assert account.summary["doubled_tasks"] == 0
    lines = document(steward("journal", "--json", "--limit", "1000"))
    touched = {line["key"] for line in lines}
    assert touched.isdisjoint(one["key"] for one in rest["changes"])


def test_a_salespersons_edit_is_never_overwritten(
    steward: Cli, office: Office, hubspot: Server, account: Account
) -> None:
    """A field that somebody changes between plan and apply keeps their value."""
    office()
    loop(steward, ("pull",), ("scan",))
    planned = document(steward("plan", "--json", "--rule", "phone-e164"))
    change = planned["changes"][0]["change"]
    record = change["ref"].partition(":")[2]
    (field,) = change["values"]
    name = {"phone": "phone", "mobile": "mobilephone"}[field]
    edited = {"do": "edit", "id": record, "values": {name: "+33199009999"}}
    hubspot.emulator.by_hand(edited)
    applied = document(steward("apply", "--yes", "--json"))

    assert account.contacts[record]["properties"][name] == "+33199009999"
    assert applied["conflict"] == 1


STREETS = """
version: 1
rules:
  - id: no-region
    about: Contacts without a region
    severity: low
    check: {kind: required, fields: [region]}
    actions: [{task: {to: owner, due: 7 days, title: "Where is {full_name}?"}}]
    mode: propose
    limits: {max_changes: 40, max_percent: 100}
"""


@pytest.mark.parametrize("kill_after", [1, 20])
def test_kill_9_in_the_middle_of_apply_doubles_nothing(
    steward: Cli,
    program: Program,
    office: Office,
    account: Account,
    tmp_path: Path,
    kill_after: int,
) -> None:
    """However far it got, the next apply settles what was sent: every task once, none lost."""
    (tmp_path / "streets.yaml").write_text(STREETS, "utf-8")
    rules = {"packs": [], "paths": ["streets.yaml"]}
    hubspot, config = (
        account.server,
        office(rules=rules, limits={"canary": 40, "max_percent_per_day": 100}),
    )
    loop(steward, ("pull",), ("scan",))
    planned = document(steward("plan", "--json"))
    tasks = [one["change"] for one in planned["changes"] if one["change"]["kind"] == "task"]
    assert len(tasks) > kill_after
    hubspot.faults.add(parse_faults({"method": "POST", "path": "/objects/tasks$", "slow": 0.05}))
    command = ["apply", "--yes", "--approve", "all", "--config", str(config)]
    with program.start(command, cwd=tmp_path, anew=kill_after == 1) as process:
        deadline = time.monotonic() + 60
        while account.summary["counts"]["tasks"] < kill_after and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    hubspot.faults.clear()
    sent = account.summary["counts"]["tasks"]
    # The first may come too early to ask what became of the last write; the second waits for it.
    for wait in ("0", "30"):
        done = steward("apply", "--yes", "--wait", wait)
        assert done.returncode in {0, 1, 6}, done.stderr
    left = document(steward("plan", "--json"))
    markers = set(account.summary["tasks_by_marker"])

    assert kill_after <= sent < len(tasks)
    assert account.summary["doubled_tasks"] == 0
    assert account.summary["counts"]["tasks"] == len(markers)
    pending = {
        one["change"]["marker"] for one in left["changes"] if one["change"]["kind"] == "task"
    }
    assert {task["marker"] for task in tasks} <= markers | pending


def test_nothing_personal_and_no_secret_is_logged(
    steward: Cli, office: Office, account: Account
) -> None:
    """Logs of a whole loop at debug level hold no token, name, address or number of anybody."""
    office(log={"level": "debug", "format": "json"})
    logged = ""
    for command in (("check",), ("pull",), ("scan",), ("plan",), ("apply", "--yes"), ("journal",)):
        done = steward(*command)
        assert "unexpected" not in done.stderr, done.stderr
        logged += done.stderr

    assert len(logged) > 1000
    assert HubSpotSandbox.TOKEN not in logged
    values = {
        str(held["properties"].get(name) or "")
        for held in account.contacts.values()
        for name in ("email", "phone", "mobilephone", "lastname")
    }
    leaked = [value for value in values if len(value) > 5 and value in logged]
    assert leaked == []
