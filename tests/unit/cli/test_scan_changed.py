"""`scan --changed` and duplicates, as an ops engineer uses it: from the file to the finding."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

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


def asked(base: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the folder's settings, in a process of its own."""
    command = [sys.executable, "-m", "crm_steward", *words, "-c", str(base / "crm-steward.yaml")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def pulled(base: Path, *rows: str) -> None:
    """Let the file have these rows, and read it."""
    (base / "contacts.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    done = asked(base, "pull")
    assert done.returncode == 0, done.stderr


def found(base: Path) -> list[list[str]]:
    """Return the groups of the shipped rule that stand."""
    listed = json.loads(asked(base, "findings", "--json").stdout)
    return [one["refs"] for one in listed if one["rule"] == "duplicate-contact"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Give a folder of which everything was scanned once: nobody in it is there twice."""
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS)
    pulled(tmp_path, ZOES[0], *OTHERS)
    done = asked(tmp_path, "scan")
    assert done.returncode == 0, done.stderr
    assert found(tmp_path) == []
    return tmp_path


def test_who_comes_twice_is_found_by_the_next_scan_of_changes(base: Path) -> None:
    """By the shipped rule, as it is shipped; a new owner afterwards changes nothing about it."""
    for row in (ZOES[1], ZOES[1].replace("ada", "grace")):
        pulled(base, ZOES[0], row, *OTHERS)
        done = asked(base, "scan", "--changed")
        assert done.returncode == 0, done.stderr
        assert "duplicate-contact waits" not in done.stdout
        assert found(base) == [["export:1", "export:2"]]


def test_a_rule_without_keys_is_said_to_wait(base: Path) -> None:
    """After an upgrade that makes keys otherwise: nothing is passed over, a whole scan mends it."""
    with closing(sqlite3.connect(base / "crm-steward.db")) as raw:
        raw.execute("UPDATE matching_indexes SET signature = 'older'")
        raw.commit()
    pulled(base, *ZOES, *OTHERS)
    said = " ".join(asked(base, "scan", "--changed").stdout.split())
    assert "duplicate-contact waits for the next scan of all contacts" in said
    assert "kept no keys" in said
    assert found(base) == []
    assert asked(base, "scan").returncode == 0
    assert found(base) == [["export:1", "export:2"]]
