"""Every action through the front door: planned, read by a manager, approved, written, and at rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli

RULES = """\
version: 1
rules:
  - id: silence
    about: {en: They asked us to stop, fr: Ils nous ont dit d'arrêter}
    where: {field: job_title, equals: steward-silence}
    check: {kind: required, fields: [street]}
    actions: [suppress: {channel: email}]
    mode: apply
  - id: twins
    about: One person twice
    where: {field: job_title, equals: steward-twin}
    check: {kind: duplicates, levels: [same phone and similar name]}
    actions: [merge: {keep: [customer first]}]
    mode: apply
  - id: old
    about: Nobody needs them any more
    where: {field: job_title, equals: steward-old}
    check: {kind: required, fields: [street]}
    actions: [archive: {}]
    mode: apply
  - id: mark
    about: To be looked at
    where: {field: job_title, equals: steward-mark}
    check: {kind: required, fields: [street]}
    actions:
      - tag: {field: extra.note, value: look}
      - update: {set: {city: Lyon, country: FR}, clear: [website], copy: {region: company}}
      - task: {to: nobody@example.com, title: "Look at {full_name}"}
    mode: apply
"""
PEOPLE: Mapping[str, Mapping[str, str]] = {
    "silence": {"email": "silence@example.org"},
    "mark": {"email": "mark@example.org", "website": "x.org", "company": "Acme", "lastname": "Roy"},
    "old": {"email": "old@example.org"},
    "twin": {"firstname": "Zoé", "lastname": "Ménard", "phone": "+33199009911"},
}


def test_every_action_is_planned_approved_and_written(
    steward: Cli, office: Office, account: Account, tmp_path: Path
) -> None:
    """Suppressed, merged, archived, tagged, updated and given a task; then there is no more to do."""
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    path = office(rules={"packs": [], "paths": ["own.yaml"]}, language="fr")
    settings = yaml.safe_load(path.read_text("utf-8"))
    settings["connections"]["hubspot"]["extra"] = {"note": "message"}
    settings["limits"]["canary"] = 20
    path.write_text(yaml.safe_dump(settings), "utf-8")
    ids = {name: create(account, name, **held) for name, held in PEOPLE.items()}
    ids["client"] = create(account, "twin", **PEOPLE["twin"], lifecyclestage="customer")
    for command in ("pull", "scan"):
        assert steward(command).returncode == 0

    shown = steward("plan")
    assert shown.returncode == 0, shown.stderr
    for said in (
        "IRRÉVERSIBLE",
        "garder celle-ci",
        "c'est le client",
        "y est fusionnée",
        f"hubspot:{ids['twin']}",
        "ne plus contacter par e-mail",
        "silence@example.org",
        "seule une personne peut la faire lever",
        "vers la corbeille",
        "peut revenir un temps",
        "extra.note",
        "nobody@example.com : personne d'actif",
    ):
        assert said in shown.stdout, said
    plan = json.loads(steward("plan", "--json").stdout)
    by_rule = {(one["rule"], one["change"]["kind"]): one for one in plan["changes"]}
    assert {key: one["automatic"] for key, one in by_rule.items()} == {
        ("silence", "suppress"): True,
        ("twins", "merge"): False,
        ("old", "archive"): False,
        ("mark", "update"): True,
        ("mark", "task"): True,
    }
    assert by_rule["twins", "merge"]["reversibility"] == "irreversible"
    assert by_rule["twins", "merge"]["detail"] == "c'est le client"
    assert plan["nobody_called"] == [
        {"rule": "mark", "connection": "hubspot", "person": "nobody@example.com"}
    ]

    alone = steward("apply", "--yes", "--json")
    assert json.loads(alone.stdout)["waiting_for_approval"] == 2, alone.stderr
    assert {ids["old"], ids["twin"], ids["client"]} <= living(account)
    done = steward("apply", "--approve", "all", "--yes", "--json")
    assert json.loads(done.stdout)["verified"] == 2, done.stdout

    held = {name: account.contacts[ids[name]]["properties"] for name in ("silence", "mark")}
    assert held["silence"]["hs_email_optout"] == "true"
    wanted = {"message": "look", "city": "Lyon", "country": "FR", "state": "Acme"}
    assert {name: held["mark"][name] for name in wanted} == wanted
    assert not held["mark"].get("website")
    assert {ids["old"], ids["twin"], ids["client"]}.isdisjoint(living(account))
    (twin,) = [i for i in living(account) if named(account, i) == "Ménard"]
    assert account.contacts[twin]["properties"]["lifecyclestage"] == "customer"

    for command in ("pull", "scan"):
        assert steward(command).returncode == 0
    again = json.loads(steward("plan", "--json").stdout)
    assert again["changes"] == []


def create(account: Account, name: str, **properties: str) -> str:
    """Create a contact that the rule of this name finds."""
    deed = {"do": "create", "values": {"jobtitle": f"steward-{name}", **properties}}
    made: dict[str, str] = account.server.emulator.by_hand(deed)
    return made["id"]


def living(account: Account) -> set[str]:
    """Return the ids of contacts that are not archived."""
    return {name for name, row in account.contacts.items() if row["archivedAt"] is None}


def named(account: Account, record: str) -> str:
    """Return a contact's last name."""
    return str(account.contacts[record]["properties"].get("lastname"))
