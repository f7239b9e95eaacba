"""The page on snoozes: every command of it works, and both languages show the same ones."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from tests.docs.shell import ROOT, commands_of
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.model import Finding, RecordRef, Severity, utc_now
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings

PAGES = {"en": ROOT / "docs" / "snoozes.md", "fr": ROOT / "docs" / "fr" / "snoozes.md"}


def _commands(language: str) -> list[str]:
    return [line for block in commands_of(PAGES[language].read_text("utf-8")) for line in block]


@pytest.mark.parametrize("language", PAGES)
def test_the_commands_work(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, on findings like those of the page."""
    monkeypatch.chdir(tmp_path)
    text = f"database: sqlite:///steward.db\nlanguage: {language}\n"
    (tmp_path / "crm-steward.yaml").write_text(text, "utf-8")
    found = [
        Finding(
            rule="no-phone",
            kind="required",
            severity=Severity.LOW,
            refs=(RecordRef("crm", number),),
            evidence={"missing": ["phone"]},
        )
        for number in ("4711", "4712")
    ]
    with Database.open("sqlite:///steward.db") as database:
        Findings(database).record({"no-phone": {"crm"}}, found, now=utc_now())
    ahead = f"{utc_now() + timedelta(days=50):%Y-%m-%d}"
    for command in _commands(language):
        line = command.replace("3f9c2b7e11", found[0].fingerprint[:10])
        program, *arguments = shlex.split(line.replace("2027-01-15", ahead))
        done = CliRunner().invoke(app, arguments)
        assert (program, done.exit_code) == ("crm-steward", 0), (command, done.output)


def test_both_languages_show_the_same_commands() -> None:
    """But for the words of the reasons."""
    shown = [
        [re.sub(r'--reason "[^"]*"', "", command) for command in _commands(language)]
        for language in PAGES
    ]
    assert shown[0] == shown[1]
    assert len(shown[0]) == 8
