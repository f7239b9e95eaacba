"""Erasing a person as an office does it: everything of them goes, and they are noticed when they return."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli

from crm_steward.testing.postbox import Postbox, serving

MARK = "zqmarker"
ADDRESS = f"{MARK}@example.org"
NUMBER = "199001234"
RULES = """\
version: 1
rules:
  - id: capitals
    about: Names in capitals
    where: {field: job_title, equals: steward-case}
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
  - id: silence
    about: They asked us to stop
    connections: [hubspot]
    where: {field: job_title, equals: steward-case}
    check: {kind: required, fields: [street]}
    actions:
      - suppress: {channel: email}
      - task: {to: nobody@example.com, title: "Call {full_name}", body: "{email}"}
    mode: apply
  - id: town
    about: No town
    where: {field: job_title, equals: steward-case}
    check: {kind: required, fields: [city]}
    actions: [update: {set: {city: Lyon}}]
    mode: propose
"""
PERSON = {
    "firstname": MARK.upper(),
    "lastname": MARK.title(),
    "email": ADDRESS,
    "phone": f"+33{NUMBER}",
    "jobtitle": "steward-case",
    "company": f"{MARK} Ltd",
}
BACK = "People who were erased here and are back"


class Desk:
    """The command line, and all that it ever said.

    Args:
        steward: Calls it.
        folder: Where it works.
    """

    def __init__(self, steward: Cli, folder: Path) -> None:
        self._steward = steward
        self.folder = folder
        self.logs = ""

    def __call__(self, line: str, *more: str, code: int = 0) -> str:
        """Call a command that ends as it must, and return what it printed."""
        done = self._steward(*line.split(), *more)
        self.logs += done.stderr
        assert done.returncode == code, (line, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def kept(self) -> str:
        """Return the bytes of all that stands in the folder, but for what the office wrote itself."""
        own = {"people.csv", "own.yaml", "crm-steward.yaml"}
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        kept = (path.read_bytes() for path in files if path.name not in own)
        return b"\n".join(kept).decode("latin-1").lower()


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    """Serve a mailbox."""
    box = Postbox()
    with serving(box) as port:
        yield box, port


@pytest.fixture
def desk(
    steward: Cli, office: Office, account: Account, tmp_path: Path, postbox: tuple[Postbox, int]
) -> Desk:
    """Give an office that read, wrote to and reported one invented person, then had them deleted."""
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    (tmp_path / "people.csv").write_text("id,first name,last name,email\n1,Ann,Lee,a@example.net\n")
    hubspot: dict[str, Any] = {
        "kind": "hubspot",
        "token": account.server.emulator.connection("")["token"],
        "base_url": account.server.url,
    }
    mail = {"host": "127.0.0.1", "port": postbox[1], "security": "none"}
    office(
        connections={"hubspot": hubspot, "people": {"kind": "file", "path": "people.csv"}},
        rules={"packs": ["consent-eu"], "paths": ["own.yaml"]},
        limits={"max_percent_per_day": 100, "canary": 1000},
        mail={**mail, "sender": "steward@example.net"},
        report={"recipients": [{"address": "boss@example.net"}], "names": "on"},
        log={"level": "debug", "format": "json"},
    )
    account.server.emulator.by_hand({"do": "create", "values": PERSON})
    working = Desk(steward, tmp_path)
    for command in ("pull", "scan", "plan", "apply"):
        working(command)
    working("apply --yes --wait 0")
    working("report --send")
    assert MARK.title() in _said(postbox[0]), "the outbox names them, too"
    working("pause", "--reason", f"{ADDRESS} complained")
    (record,) = [r for r, one in account.contacts.items() if MARK in str(one).lower()]
    account.server.emulator.by_hand({"do": "spoil", "id": record})
    working("pull --full")  # what just changed may not show in a search yet
    assert _quarantined(tmp_path) == {record}
    account.server.emulator.by_hand({"do": "erase", "id": record})
    return working


def _said(postbox: Postbox) -> str:
    """Return the text of the last letter."""
    text = postbox.messages[-1].get_body(("plain",))
    assert text is not None
    return str(text.get_content())


def _quarantined(folder: Path) -> set[str]:
    """Return the records of the CRM that could not be read."""
    with closing(sqlite3.connect(folder / "steward.db")) as held:
        query = "SELECT id FROM quarantine WHERE connection = 'hubspot'"
        return {name for (name,) in held.execute(query)}


def test_nothing_is_left_and_who_comes_back_is_noticed(
    desk: Desk, account: Account, postbox: tuple[Postbox, int]
) -> None:
    """Database bytes, files beside it, outbox, quarantine, logs: nothing; back by pull and by a file."""
    written = json.loads(desk("journal --json"))
    kinds = {line["kind"] for line in written if line["state"] == "verified"}
    assert kinds >= {"update", "suppress", "task"}
    assert MARK in desk.kept()
    assert NUMBER in desk.kept()

    erased = json.loads(desk(f"erase --email {ADDRESS} --yes --json"))

    assert erased["records"] != []
    assert erased["withdrawn"] >= 1, "a change that waited for approval"
    assert _quarantined(desk.folder) == set()
    left = desk.kept()
    at = left.find(MARK)
    assert at < 0, left[max(0, at - 200) : at + 100]
    assert NUMBER not in left
    assert desk("journal verify")
    assert json.loads(desk("journal --json", "--record", erased["records"][0])) == []
    found = json.loads(desk(f"subject export --email {ADDRESS}"))
    assert [one["kind"] for one in found["erased"]] != []
    assert not any(found[name] for name in ("contacts", "findings", "plans", "journal", "halts"))

    # Gone from the CRM, too: the next full read leaves it so.
    desk("pull --full")
    desk("scan")
    assert "erasure-reappeared" not in desk("findings --rule erasure-reappeared")
    assert MARK not in desk.kept()

    # They are back: in the CRM, and in a file that somebody imports.
    account.server.emulator.by_hand({"do": "create", "values": PERSON})
    people = desk.folder / "people.csv"
    people.write_text(f"id,first name,email\n1,Ann,a@example.net\n2,Zed,{ADDRESS.upper()}\n")
    desk("pull --full")
    desk("scan")

    back = json.loads(desk("findings --rule erasure-reappeared --json"))
    assert {ref.partition(":")[0] for one in back for ref in one["refs"]} == {"hubspot", "people"}
    desk("report --send --to dpo@example.net")
    assert BACK in _said(postbox[0])
    assert MARK not in desk.logs.lower()
    assert NUMBER not in desk.logs
