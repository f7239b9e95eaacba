"""`scan --changed` and duplicates, as an ops engineer uses it: from the file to the finding."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import Cli

HEADER = "id,first_name,last_name,email,owner"
ZOES = [
    "1,Zoé,Kowalczyk,zoe.kowalczyk@example.com,ada",
    "2,Zoe,Kowalczyk,zoe.kowalczyk@example.com,ada",
]
OTHERS = [f"{n},Paul{n},Nom{n},paul{n}@example.com,ada" for n in range(10, 40)]
SETTINGS = """\
database: sqlite:///crm-steward.db
connections: {export: {kind: file, path: contacts.csv, id_column: id}}
rules: {paths: [], packs: [duplicates]}
"""


def pulled(steward: Cli, base: Path, *rows: str) -> None:
    """Let the file have these rows, and read it."""
    (base / "contacts.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    done = steward("pull")
    assert done.returncode == 0, done.stderr


def found(steward: Cli) -> list[list[str]]:
    """Return the groups of the shipped rule that stand."""
    listed = json.loads(steward("findings", "--json").stdout)
    return [one["refs"] for one in listed if one["rule"] == "duplicate-contact"]


@pytest.fixture
def base(tmp_path: Path, steward: Cli) -> Path:
    """Give a folder of which everything was scanned once: nobody in it is there twice."""
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS)
    pulled(steward, tmp_path, ZOES[0], *OTHERS)
    done = steward("scan")
    assert done.returncode == 0, done.stderr
    assert found(steward) == []
    return tmp_path


def test_who_comes_twice_is_found_by_the_next_scan_of_changes(base: Path, steward: Cli) -> None:
    """By the shipped rule, as it is shipped; a new owner afterwards changes nothing about it."""
    for row in (ZOES[1], ZOES[1].replace("ada", "grace")):
        pulled(steward, base, ZOES[0], row, *OTHERS)
        done = steward("scan", "--changed")
        assert done.returncode == 0, done.stderr
        assert "duplicate-contact waits" not in done.stdout
        assert found(steward) == [["export:1", "export:2"]]


def test_a_rule_without_keys_is_said_to_wait(base: Path, steward: Cli) -> None:
    """After an upgrade that makes keys otherwise: nothing is passed over, a whole scan mends it."""
    with closing(sqlite3.connect(base / "crm-steward.db")) as raw:
        raw.execute("UPDATE matching_indexes SET signature = 'older'")
        raw.commit()
    pulled(steward, base, *ZOES, *OTHERS)
    said = " ".join(steward("scan", "--changed").stdout.split())
    assert "duplicate-contact waits for the next scan of all contacts" in said
    assert "kept no keys" in said
    assert found(steward) == []
    assert steward("scan").returncode == 0
    assert found(steward) == [["export:1", "export:2"]]
