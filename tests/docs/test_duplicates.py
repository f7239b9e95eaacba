"""The page on duplicates and people: every command of it works, and both languages show the same."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.docs.shell import ROOT, commands_of
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.connect.protocol import Cursor, Page
from crm_steward.matching import training
from crm_steward.model import Contact, Email, Finding, RecordRef, Severity, utc_now
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror
from crm_steward.store.people import People

PAGES = {"en": ROOT / "docs" / "duplicates.md", "fr": ROOT / "docs" / "fr" / "duplicates.md"}
RECORDS = [
    RecordRef(*one) for one in (("hubspot-eu", "4711"), ("hubspot-eu", "4712"), ("zoho-fr", "99"))
]


def _ada(ref: RecordRef) -> Contact:
    """Return a record of one invented person."""
    emails = (Email("ada.quill@acme.example"),)
    return Contact(ref=ref, first_name="Ada", last_name="Quill", emails=emails)


def _commands(language: str) -> list[str]:
    return [line for block in commands_of(PAGES[language].read_text("utf-8")) for line in block]


@pytest.mark.parametrize("language", PAGES)
def test_the_commands_work(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, on records like those of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "ENOUGH", 0.5)
    known = "".join(f"{ref.connection},{ref.id},ada\n" for ref in RECORDS)
    (tmp_path / "known.csv").write_text(f"connection,id,person\n{known}", "utf-8")
    text = f"database: sqlite:///steward.db\nlanguage: {language}\n"
    (tmp_path / "crm-steward.yaml").write_text(text, "utf-8")
    found = Finding(
        rule="twins", kind="duplicates", severity=Severity.LOW, refs=tuple(RECORDS[:2]), evidence={}
    )
    with Database.open("sqlite:///steward.db") as database:
        for ref in RECORDS:
            page = Page(cursor=Cursor("c"), contacts=[_ada(ref)], complete=True)
            Mirror(database).save_page(ref.connection, "fake", page, now=utc_now(), full=False)
        Findings(database).record({"twins": {"hubspot-eu"}}, [found], now=utc_now())
        with database.write() as writing:
            records = [(ref.connection, ref.id) for ref in RECORDS]
            People(database).save([records], writing, now=utc_now())
    for command in _commands(language):
        program, *arguments = shlex.split(command.replace("3f9c2b7e11", found.fingerprint[:10]))
        done = CliRunner().invoke(app, arguments)
        assert (program, done.exit_code) == ("crm-steward", 0), (command, done.output)


def test_both_languages_show_the_same_commands() -> None:
    """But for the words of the reasons."""
    shown = [
        [re.sub(r'--reason "[^"]*"', "", command) for command in _commands(language)]
        for language in PAGES
    ]
    assert shown[0] == shown[1]
    assert len(shown[0]) >= 14
