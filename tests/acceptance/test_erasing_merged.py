"""Erasing a person whom a merge put together: in each CRM, out of the snapshot that undo would use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.test_merging import CRMS, furnish
from tests.conftest import Cli

from crm_steward.sandbox import Server, serve

MARKS = (b"other@example.org", b"199009911", b"master baker")
"""What the records of the person held, in small letters, and the office's own rule does not name."""


@pytest.fixture(params=CRMS)
def crm(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    """Serve each CRM in turn."""
    with serve(CRMS[request.param](contacts=12, seed=5)) as server:
        yield request.param, server


def kept(folder: Path) -> set[bytes]:
    """Return which marks stand in the bytes of the database and of the files beside it."""
    files = [path for path in folder.iterdir() if path.name.startswith("steward.db")]
    content = b"\n".join(path.read_bytes() for path in files).lower()
    return {mark for mark in MARKS if mark in content}


def test_nothing_of_the_person_is_left_in_the_snapshot_of_a_merge(
    steward: Cli, tmp_path: Path, crm: tuple[str, Server]
) -> None:
    """Merged, then erased: no byte of any of the records is left, and undo has nothing to write."""
    kind, server = crm
    furnish(kind, server, tmp_path, "sqlite:///steward.db")
    for command in (("pull",), ("scan",), ("plan",), ("apply", "--approve", "all", "--yes")):
        done = steward(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert kept(tmp_path) == set(MARKS), "the snapshot holds all that the records held"
    assert steward("pull", "--full").returncode == 0

    done = steward("erase", "--email", "keep@example.org", "--yes", "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["named_in_rules"]) == (1, True), (
        "the office's own rule names them"
    )
    assert told["records"] != []
    assert kept(tmp_path) == set()
    assert steward("journal", "verify").returncode == 0
    calls = len(server.log)
    undone = steward("undo", "twins", "--yes", "--wait", "0", "--json")
    assert undone.returncode == 0, (undone.stdout, undone.stderr)
    assert json.loads(undone.stdout)["verified"] == 0
    written = [call for call in list(server.log)[calls:] if call["method"] in {"PUT", "DELETE"}]
    assert written == []
