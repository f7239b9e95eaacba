"""Merging through the front door, on four CRMs that each keep and lose other things."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from tests.conftest import Cli

from crm_steward.model import RecordRef, Value
from crm_steward.sandbox import Server, serve
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_salesforce.sandbox import SalesforceSandbox
from crm_steward_zoho.sandbox import ZohoSandbox

CRMS: Mapping[str, type] = {
    "hubspot": HubSpotSandbox,
    "salesforce": SalesforceSandbox,
    "zoho": ZohoSandbox,
    "pipedrive": PipedriveSandbox,
}
NAMES: Mapping[str, Mapping[str, str]] = {
    "hubspot": {
        "first": "firstname", "last": "lastname", "phone": "phone", "email": "email",
        "title": "jobtitle", "city": "city",
    },
    "salesforce": {
        "first": "FirstName", "last": "LastName", "phone": "Phone", "email": "Email",
        "title": "Title", "city": "MailingCity",
    },
    "zoho": {
        "first": "First_Name", "last": "Last_Name", "phone": "Phone", "email": "Email",
        "title": "Title", "city": "Mailing_City",
    },
    "pipedrive": {
        "first": "first_name", "last": "last_name", "phone": "phone", "email": "email",
        "title": "job_title", "city": "postal_address",
    },
}  # fmt: skip
"""What we call a field → what the CRM does."""
RULES = """\
version: 1
rules:
  - id: twins
    about: {en: One person several times, fr: Une personne plusieurs fois}
    where: {field: last_name, equals: Stewardsson}
    check: {kind: duplicates, levels: [same phone and similar name]}
    actions:
      - merge:
          keep: [{field: email, equals: keep@example.org}]
          fields: {job_title: longest}
    mode: apply
"""
PEOPLE = (
    {"email": "keep@example.org", "title": "Baker"},
    {"title": "Master baker"},
    {"city": "Lyon"},
    {"email": "other@example.org"},
)


@pytest.fixture(params=CRMS)
def crm(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    """Serve each CRM in turn, with one person four times, and write settings for it."""
    kind = request.param
    with serve(CRMS[kind](contacts=40, seed=5)) as server:
        yield kind, server


def furnish(kind: str, server: Server, folder: Path, database: str) -> list[str]:
    """Write settings and rules, add the person; return the ids, the survivor's first."""
    connection = {"kind": kind, "country": "FR", **server.emulator.connection(server.url)}
    settings = {
        "version": 1,
        "database": database,
        "connections": {"crm": connection},
        "rules": {"packs": [], "paths": ["own.yaml"]},
        "limits": {"max_percent_per_day": 100, "canary": 100},
    }
    path = folder / "crm-steward.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    path.chmod(0o600)
    (folder / "own.yaml").write_text(RULES, "utf-8")
    return [create(kind, server, **held) for held in PEOPLE]


def create(kind: str, server: Server, **values: str) -> str:
    """Add a record of the person."""
    held = {"first": "Zoé", "last": "Stewardsson", "phone": "+33199009911", **values}
    named: dict[str, object] = {NAMES[kind][name]: value for name, value in held.items()}
    if "postal_address" in named:
        named["postal_address"] = {"value": values["city"], "locality": values["city"]}
    return str(server.emulator.by_hand({"do": "create", "values": named})["id"])


def test_a_group_is_given_merged_and_redirected(
    steward: Cli, tmp_path: Path, crm: tuple[str, Server], database_url: str
) -> None:
    """More records than one call takes: what the CRM would lose is kept, old ids lead to what is left."""
    kind, server = crm
    ids = furnish(kind, server, tmp_path, database_url)
    for command in ("pull", "scan"):
        done = steward(command)
        assert done.returncode == 0, done.stdout + done.stderr
    shown = steward("plan")
    assert "CANNOT BE UNDONE" in shown.stdout, shown.stdout + shown.stderr
    assert "Master baker" in shown.stdout
    assert ("not kept" in shown.stdout) is (kind in {"salesforce", "zoho"})
    (one,) = json.loads(steward("plan", "--json").stdout)["changes"]
    change = one["change"]
    assert (one["automatic"], one["reversibility"]) == (False, "irreversible")
    assert change["golden"]["job_title"] == {
        "value": "Master baker", "chosen": "longest", "from": [f"crm:{ids[1]}"],
    }  # fmt: skip
    assert change["golden"]["city"]["from"] == [f"crm:{ids[2]}"]

    alone = steward("apply", "--yes", "--json")
    assert json.loads(alone.stdout)["waiting_for_approval"] == 1, "mode apply is not enough"
    done = steward("apply", "--approve", "all", "--yes", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verified"], told["merged_otherwise"]) == (0, 2, 0), done.stdout

    steward("pull", "--full")
    feed = [json.loads(line) for line in steward("redirects").stdout.splitlines()]
    (survivor,) = {line["surviving_id"] for line in feed}
    lost = set(ids) - {survivor}
    assert {line["old_id"] for line in feed} >= lost
    assert len(feed) == len({line["old_id"] for line in feed})
    assert feed == sorted(feed, key=lambda line: (line["at"], line["connection"], line["old_id"]))
    held = mirrored(database_url, survivor)
    assert held == {"job_title": "Master baker", "city": "Lyon"}

    assert steward("scan").returncode == 0
    again = json.loads(steward("plan", "--json").stdout)
    # Pipedrive does not tell of deletions: two full reads without a record are proof enough.
    left = {one["why"] for one in again["withheld"]}
    assert (again["changes"], left) == ([], {"done"} if kind == "pipedrive" else set())


def mirrored(url: str, record_id: str) -> dict[str, Value]:
    """Return what a full pull brought of the survivor."""
    ref = RecordRef("crm", record_id)
    with Database.open(url) as database:
        contact = Mirror(database).contacts([ref])[ref]
    return {name: contact.value(name) for name in ("job_title", "city")}
