"""Undoing through the command line: archives and merges, over each CRM's emulator and real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.test_merging import CRMS, RULES, create, furnish
from tests.conftest import Cli

from crm_steward.sandbox import Server, serve
from crm_steward.store.database import Database
from crm_steward.store.tables import contacts

ARCHIVES = """\
  - id: alone
    about: {en: Nobody knows them, fr: On ne les connaît pas}
    where: {field: last_name, equals: Alone}
    check: {kind: required, fields: [email]}
    actions: [archive: {}]
    mode: propose
"""
TOLD: Mapping[str, tuple[str, str]] = {
    "hubspot": ("HubSpot takes no merge back", "restore it in HubSpot (until 20"),
    "salesforce": ("bring back from the recycle bin", "bring back from the recycle bin"),
    "zoho": ("bring back from the recycle bin", "bring back from the recycle bin"),
    "pipedrive": ("make anew, under a NEW id", "restore it in Pipedrive (until 20"),
}
"""What the dry run says of the merge, and of the archiving."""
UNDONE: Mapping[str, list[str]] = {
    "hubspot": [],
    "salesforce": ["undelete", "undelete", "update"],
    "zoho": ["undelete", "undelete", "update"],
    "pipedrive": ["recreate", "update"],
}
"""What was written to take the merge, what it rested on, and the archiving back."""


@pytest.fixture(params=CRMS)
def crm(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    """Serve each CRM in turn."""
    with serve(CRMS[request.param](contacts=40, seed=5)) as server:
        yield request.param, server


def test_what_was_archived_and_merged_is_taken_back_or_named(
    steward: Cli, tmp_path: Path, crm: tuple[str, Server]
) -> None:
    """The dry run says what comes back, what not and why; --yes does it, once."""
    kind, server = crm
    people = furnish(kind, server, tmp_path, "sqlite:///steward.db")
    alone = create(kind, server, first="Odd", last="Alone", phone="+33199009999")
    (tmp_path / "own.yaml").write_text(RULES + ARCHIVES, "utf-8")
    for command in (("pull",), ("scan",), ("plan",), ("apply", "--approve", "all", "--yes")):
        done = steward(*command)
        assert done.returncode == 0, done.stdout + done.stderr

    for rule, told in zip(("twins", "alone"), TOLD[kind], strict=True):
        shown = steward("undo", rule)
        assert shown.returncode == 0, shown.stderr
        assert told in " ".join(shown.stdout.split()), shown.stdout
        done = steward("undo", rule, "--yes")
        assert done.returncode == 0, done.stdout + done.stderr

    undone = [line for line in _journal(steward) if line["undoes"] is not None]
    assert sorted(line["kind"] for line in undone) == UNDONE[kind]
    there = _there(steward, tmp_path)
    if kind in {"salesforce", "zoho"}:
        assert {*people, alone} <= there
    if kind == "pipedrive":
        (made,) = [line["remote_id"].split(",") for line in undone if line["kind"] == "recreate"]
        assert len(set(made)) == len(people) - 1
        assert {people[0], *made} <= there
        lines = steward("redirects").stdout.splitlines()
        assert {json.loads(line)["surviving_id"] for line in lines} == set(made)
    assert steward("journal", "verify").returncode == 0


def _journal(steward: Cli) -> list[dict[str, Any]]:
    """Return the lines of changes that took effect."""
    told = steward("journal", "--json", "--outcome", "verified", "--limit", "100").stdout
    lines: list[dict[str, Any]] = json.loads(told)
    return lines


def _there(steward: Cli, folder: Path) -> set[str]:
    """Return the ids of the records that a full read brings."""
    assert steward("pull", "--full").returncode == 0
    with Database.open(f"sqlite:///{folder}/steward.db") as database, database.read() as reading:
        query = contacts.select().where(contacts.c.gone_at.is_(None))
        return {row.id for row in reading.execute(query)}
