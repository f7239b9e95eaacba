"""A copy a day old is restored after a merge that it does not know: nothing is merged twice or undone."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.test_merging import CRMS, furnish, mirrored
from tests.conftest import Cli

from crm_steward.sandbox import Server, serve

MERGES: Mapping[str, str] = {
    "hubspot": r"^POST .*/merge$",
    "salesforce": r"^POST .*/Soap",
    "zoho": r"^POST .*/actions/merge$",
    "pipedrive": r"^PUT .*/merge$",
}
"""The calls by which a CRM merges."""


@pytest.fixture(params=CRMS)
def crm(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    """Serve each CRM in turn."""
    with serve(CRMS[request.param](contacts=12, seed=5)) as server:
        yield request.param, server


def merges(kind: str, server: Server) -> int:
    """Return how often the CRM was asked to merge."""
    calls = (f"{call['method']} {call['path'].partition('?')[0]}" for call in server.log)
    return sum(re.search(MERGES[kind], call) is not None for call in calls)


def test_a_merge_that_the_copy_forgot_is_neither_repeated_nor_reversed(
    steward: Cli, tmp_path: Path, crm: tuple[str, Server]
) -> None:
    """Nothing is written before it is reconciled; afterwards the losers are known to be gone, and why."""
    kind, server = crm
    ids = furnish(kind, server, tmp_path, "sqlite:///steward.db")
    for command in (("pull",), ("scan",), ("backup", "copy.db"), ("plan",)):
        assert steward(*command).returncode == 0, command
    with closing(sqlite3.connect(tmp_path / "copy.db")) as held:
        held.execute(
            "UPDATE meta SET value = json_set(value, '$.at', "
            "strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now', '-1 day')) WHERE key = 'backup'"
        )
        held.commit()
    assert steward("apply").returncode == 0
    done = steward("apply", "--approve", "all", "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)["verified"]) == (0, 2), done.stderr
    asked = merges(kind, server)
    assert asked

    assert steward("restore", "copy.db").returncode == 0
    assert steward("plan").returncode == 0
    steward("apply")
    refused = steward("apply", "--yes")
    assert refused.returncode in {0, 6}, (refused.stdout, refused.stderr)
    assert merges(kind, server) == asked
    for command in (("pull", "--full"), ("scan",)):
        assert steward(*command).returncode == 0, command
    plan = steward("plan", "--json")
    assert plan.returncode == 0, plan.stderr
    assert json.loads(plan.stdout)["changes"] == [], plan.stdout
    last = steward("apply", "--yes", "--json")
    assert last.returncode in {0, 6}, (last.stdout, last.stderr)
    assert merges(kind, server) == asked

    undone = steward("undo", "twins", "--yes", "--wait", "0")
    assert "0 written" in undone.stdout, "what the journal does not know, it does not reverse"
    assert merges(kind, server) == asked
    feed = [json.loads(line) for line in steward("redirects").stdout.splitlines()]
    (survivor,) = {line["surviving_id"] for line in feed} or {ids[0]}
    assert mirrored("sqlite:///" + str(tmp_path / "steward.db"), survivor) == {
        "job_title": "Master baker",
        "city": "Lyon",
    }
    told = kind in {"hubspot", "salesforce"}
    assert bool(feed) is told, "Zoho and Pipedrive tell nobody where a contact went"
    assert steward("journal", "verify").returncode == 0
    assert steward("check").returncode == 0
