"""`crm-steward people` as a CRM manager types it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, RecordRef, utc_now
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward.store.people import People

Typed = Callable[..., Result]
GROUPS = [
    [("crm", "1"), ("other", "=2")],
    [("crm", "3"), ("crm", "4"), ("other", "5")],
    [("other", "6"), ("other", "7")],
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a database with three people."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as opened:
        for connection, record in (one for group in GROUPS for one in group):
            contact = Contact(ref=RecordRef(connection, record), full_name=f"Ada {record}")
            page = Page(cursor=Cursor("1"), contacts=[contact], complete=True)
            Mirror(opened).save_page(connection, "fake", page, now=utc_now(), full=False)
        yield opened


@pytest.fixture
def typed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command line, in a folder with settings."""
    assert database.path is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, language: str = "en") -> Result:
        text = f"database: sqlite:///steward.db\nlanguage: {language}\n"
        (tmp_path / "crm-steward.yaml").write_text(text, "utf-8")
        return CliRunner().invoke(app, ["people", *arguments])

    return run


def said(result: Result, code: int = 0) -> str:
    """Return what was printed, without the line breaks of boxes."""
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


def know(database: Database) -> None:
    """Let a scan have said who is one person."""
    with database.write() as writing:
        People(database).save(GROUPS, writing, now=utc_now())


def test_nobody_is_known_before_a_scan(typed: Typed) -> None:
    """In both languages, and as an empty document."""
    assert "Nobody is known" in said(typed())
    assert "Personne n'est connu" in said(typed(language="fr"))
    assert json.loads(typed("--json").output) == {"made_at": None, "people": []}


def test_people_are_listed_with_their_records(typed: Typed, database: Database) -> None:
    """With names as other commands show them, counts, and how old the map is."""
    know(database)
    listed = said(typed())
    assert "p1 Ada 1 crm:1" in listed
    assert "several records: 3, in several connections: 2. Their records: 7. As of" in listed
    assert "dont dans plusieurs connexions : 2" in said(typed(language="fr"))
    assert "… and 2 more" in said(typed("--limit", "1"))
    assert "p3" not in said(typed("--connection", "crm"))


@pytest.mark.parametrize("which", ["p2", "crm:4", "other:5"])
def test_one_person_is_shown(typed: Typed, database: Database, which: str) -> None:
    """By the person's id or by any record of theirs."""
    know(database)
    (one,) = json.loads(typed(which, "--json").output)["people"]
    assert one == {"person": "p2", "refs": ["crm:3", "crm:4", "other:5"]}


def test_a_spreadsheet_gets_one_line_per_record(typed: Typed, database: Database) -> None:
    """Whatever the limit, and without anything that a spreadsheet would work out."""
    know(database)
    rows = list(csv.reader(typed("--csv", "--limit", "1").output.splitlines()))
    assert rows[:3] == [["person", "connection", "id"], ["p1", "crm", "1"], ["p1", "other", "'=2"]]
    assert len(rows) == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("p9",), "nobody with several records is known as 'p9'"),
        (("crm:9",), "nobody with several records is known as 'crm:9'"),
        ((":9",), "write connection:id"),
        (("--json", "--csv"), "does not go with --json"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    typed: Typed, database: Database, arguments: tuple[str, ...], words: str
) -> None:
    """In one line that says why."""
    know(database)
    assert words in said(typed(*arguments), 2)
