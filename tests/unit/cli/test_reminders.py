"""reminders and restore --test as people type them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from getpass import getuser
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.model import ConfigError, InputError, utc_now
from crm_steward.report import collect, render
from crm_steward.rules import RuleBook
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.reminders import Duty, Reminders

Typed = Callable[..., Result]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give an empty database."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as opened:
        yield opened


@pytest.fixture
def typed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command line, in a folder with settings."""
    assert database.path is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, language: str = "en", more: str = "") -> Result:
        text = f"database: sqlite:///steward.db\nlanguage: {language}\n{more}"
        (tmp_path / "crm-steward.yaml").write_text(text)
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    return run


def test_an_access_review_is_noted(typed: Typed, database: Database) -> None:
    """Overdue until somebody says who did it; then the list and the report say when it is due again."""
    before = typed("reminders").output
    assert "Access review: Who may do what in the CRMs" in before
    assert before.count("overdue: never done") == 2
    note = ("--by", "Claire [bold]Morel", "--note", "2 accounts\nclosed")
    assert (
        "Noted: Access review, by Claire [bold]Morel."
        in typed("reminders", "done", "access-review", *note).output
    )
    after = typed("reminders").output
    assert "by Claire [bold]Morel; due again on" in after
    assert "2 accounts closed" in after
    listed = json.loads(typed("reminders", "--json").output)
    assert [(one["duty"], one["overdue"]) for one in listed] == [
        ("access-review", False),
        ("restore-test", True),
    ]
    digest = collect(database, Settings(), RuleBook(()), now=utc_now())
    said = " ".join(render(digest, "en").text.split())
    assert "by Claire [bold]Morel; due again on" in said
    assert "! overdue: never done" in said


def test_in_french_and_switched_off(typed: Typed) -> None:
    """The list speaks the language of the settings; 0 switches a reminder off."""
    french = typed("reminders", language="fr").output
    assert "Revue des accès\N{NO-BREAK SPACE}: Qui peut" in french
    assert "en retard" in french
    one = typed("reminders", more="reminders: {access_review: 0}\n").output
    assert "Access review" not in one
    both = "reminders: {access_review: 0, restore_test: 0}\n"
    assert "switch all reminders off" in typed("reminders", more=both).output


def test_a_note_is_no_essay(typed: Typed, database: Database) -> None:
    """Too long a note, and a duty that is none, are refused; nothing is written down."""
    assert typed("reminders", "done", "access-review", "--note", "x" * 501).exit_code == 2
    assert typed("reminders", "done", "something").exit_code == 2
    assert Reminders(database).deeds(Duty.ACCESS_REVIEW, 5) == []


def test_a_backup_is_tested(typed: Typed, database: Database, tmp_path: Path) -> None:
    """`restore --test` leaves the database where it is, notes the result and ends with it."""
    assert typed("backup", "copy.db").exit_code == 0
    before = set(tmp_path.iterdir())
    done = typed("restore", "copy.db", "--test", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert (said["passed"], said["result"], said["by"]) == (True, "done", getuser())
    assert set(tmp_path.iterdir()) == before
    assert "last done on" in typed("reminders").output
    (tmp_path / "copy.db").write_bytes(b"torn" * 500)
    with pytest.raises(InputError, match="damaged"):  # exit code 10
        typed("restore", "copy.db", "--test", "--by", "Ada")
    listed = typed("reminders").output
    assert "failed: the backup cannot be restored; last passed on" in listed
    assert Reminders(database).deeds(Duty.RESTORE_TEST, 1)[0].by == "Ada"


def test_postgresql_is_tested_by_its_own_tools(typed: Typed, tmp_path: Path) -> None:
    """The command and the setting say so."""
    text = "database: postgresql+psycopg://nobody@localhost/none\n"
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(InputError, match="pg_restore"):
        typed("restore", "copy.db", "--test", "--config", "other.yaml")
    (tmp_path / "other.yaml").write_text(f"{text}service: {{restore_test: backups}}\n")
    with pytest.raises(ConfigError, match=r"service\.restore_test"):
        typed("reminders", "--config", "other.yaml")
    assert typed("restore", "--test").exit_code == 2
