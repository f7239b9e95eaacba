"""Four CRMs side by side: one in trouble holds up nobody, and nothing it takes to enter them shows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_steward.sandbox import Server, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_salesforce.sandbox import SalesforceSandbox
from crm_steward_zoho.sandbox import ZohoSandbox

Cli = Callable[..., subprocess.CompletedProcess[str]]
KINDS = {
    "hubspot": HubSpotSandbox,
    "salesforce": SalesforceSandbox,
    "zoho": ZohoSandbox,
    "pipedrive": PipedriveSandbox,
}
RULES = """\
version: 1
rules:
  - id: names-in-capitals
    about: Names in capitals or small letters
    check: {kind: format, fields: [first_name, last_name], only: fixable}
    actions:
      - update: {normalise: true}
      - task: {to: owner, due: 7 days, title: "Look at {full_name}"}
    mode: apply
"""


@pytest.fixture
def crms() -> Iterator[dict[str, Server]]:
    """Serve the four, with people who are known to several."""
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(serve(sandbox(contacts=120, seed=5)))
            for kind, sandbox in KINDS.items()
        }


@pytest.fixture
def write(tmp_path: Path, crms: dict[str, Server]) -> Callable[..., dict[str, Any]]:
    """Write settings for the four; keyword arguments add to a connection's."""

    def made(**more: dict[str, Any]) -> dict[str, Any]:
        connections = {
            kind: {
                "kind": kind,
                "country": "FR",
                **server.emulator.connection(server.url),
                **more.get(kind, {}),
            }
            for kind, server in crms.items()
        }
        settings = {
            "version": 1,
            "database": "sqlite:///steward.db",
            "connections": connections,
            "rules": {"packs": ["format", "consent-eu", "duplicates"], "paths": ["own.yaml"]},
            "limits": {"max_percent_per_day": 100, "canary": 100},
        }
        path = tmp_path / "crm-steward.yaml"
        path.write_text(yaml.safe_dump(settings), "utf-8")
        path.chmod(0o600)
        (tmp_path / "own.yaml").write_text(RULES, "utf-8")
        return connections

    return made


def secrets_of(connections: dict[str, Any]) -> list[str]:
    """Return every credential in the settings."""
    names = ("token", "client_secret", "refresh_token", "api_token")
    return [one[name] for one in connections.values() for name in names if name in one]


def test_the_loop_runs_over_four_crms(
    steward: Cli, tmp_path: Path, write: Callable[..., Any]
) -> None:
    """Checked, pulled, scanned, planned and written: fields and tasks in each of the four."""
    secrets = secrets_of(write())
    ended = [steward(*command) for command in (["check"], ["pull"], ["scan"], ["plan"])]
    assert [done.returncode for done in ended] == [0, 0, 0, 0], ended[0].stdout
    applied = steward("apply", "--yes", "--json")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    lines = json.loads(steward("journal", "--limit", "1000", "--json").stdout)
    written = {
        (line["ref"].partition(":")[0], line["kind"])
        for line in lines
        if line["state"] == "verified"
    }
    assert {(kind, what) for kind in KINDS for what in ("update", "task")} <= written
    # Two rules may silence two addresses of one contact, whom the CRM silences as a whole: then
    # what the second wants stands already.
    told = {(line["kind"], line["state"], line["reason"]) for line in lines}
    told = {one for one in told if one[1] not in {"intent", "verified"}}
    assert told == {("suppress", "already", "the channel is suppressed already")}
    seen = "".join(done.stdout + done.stderr for done in (*ended, applied))
    assert [secret for secret in secrets if secret in seen] == []
    held = (tmp_path / "steward.db").read_bytes()
    assert [secret for secret in secrets if secret.encode() in held] == []


def test_a_withdrawn_credential_pauses_one_connection(
    steward: Cli, crms: dict[str, Server], write: Callable[..., Any]
) -> None:
    """It is named with a remedy and exit code 4; the other three are read, and go on."""
    write()
    assert steward("pull").returncode == 0
    crms["zoho"].emulator.by_hand({"do": "revoke"})
    ended = steward("pull", "--json")
    assert ended.returncode == 4
    assert sorted(json.loads(ended.stdout)) == ["hubspot", "pipedrive", "salesforce"]
    assert "zoho" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_mapped_field_that_vanished_stops_one_connection(
    steward: Cli, crms: dict[str, Server], write: Callable[..., Any]
) -> None:
    """The field and its setting are named; nothing is read as empty; the others are read."""
    write(salesforce={"extra": {"number": "Customer_Number__c"}})
    assert steward("pull").returncode == 0
    crms["salesforce"].emulator.by_hand({"do": "drop_field", "field": "Customer_Number__c"})
    ended = steward("pull", "--json")
    assert ended.returncode == 3
    assert sorted(json.loads(ended.stdout)) == ["hubspot", "pipedrive", "zoho"]
    assert "connections.salesforce.extra.number" in ended.stderr
