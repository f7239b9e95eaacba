"""Rules of a running service: a broken edit does not stop it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from crm_steward.cli.rules import relation_of
from crm_steward.daemon.rulebook import Rulebook, read_rules, restored
from crm_steward.model import ConfigError, Contact, RecordRef
from crm_steward.rules import shipped_register
from crm_steward.settings import Rules, Settings
from crm_steward.store.rulebooks import REGISTER

RULE = """\
version: 1
rules:
  - id: {id}
    about: {{en: No company, fr: Sans société}}
    severity: low
    check: {{kind: required, fields: [company]}}
    mode: report
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file with one good rule."""
    path = tmp_path / "own.yaml"
    path.write_text(RULE.format(id="first"), "utf-8")
    return path


def ids(rules: Rulebook) -> list[str]:
    """Return the ids of the rules that run."""
    return [rule.id for rule in rules.current.rules]


def test_the_last_good_rules_run_on_while_an_edit_is_broken(file: Path) -> None:
    """The breakage is logged once with every mistake, kept for /readyz, and mended by an edit."""
    rules = Rulebook(Settings(rules=Rules(packs=(), paths=(file,))))
    file.write_text("rules: [{id: second, severty: low}]", "utf-8")
    with capture_logs() as logs:
        for _ in range(3):
            rules.reload()
    assert ids(rules) == ["first"]
    assert "severty" in rules.broken
    assert [line["log_level"] for line in logs] == ["error"]
    assert any("own.yaml:1:" in problem for problem in logs[0]["problems"])
    file.write_text(RULE.format(id="second"), "utf-8")
    rules.reload()
    assert (ids(rules), rules.broken) == (["second"], "")


def test_a_file_that_vanished_is_a_broken_edit(file: Path) -> None:
    """An editor that replaces the file by renaming leaves a moment without it."""
    rules = Rulebook(Settings(rules=Rules(packs=(), paths=(file,))))
    file.unlink()
    rules.reload()
    assert ids(rules) == ["first"]
    assert "own.yaml" in rules.broken


def test_broken_rules_stop_the_start(file: Path) -> None:
    """At the start there are no last good ones: it ends with every mistake."""
    file.write_text("rules: [{}]", "utf-8")
    with pytest.raises(ConfigError):
        Rulebook(Settings(rules=Rules(packs=(), paths=(file,))))


def test_a_restart_while_an_edit_is_broken_runs_the_rules_of_the_last_scan(file: Path) -> None:
    """What ran before runs on, and what is wrong is said; an edit that mends it is taken."""
    settings = Settings(rules=Rules(packs=(), paths=(file,)))
    kept = dict(read_rules(settings).texts)
    file.write_text("rules: [{id: second, severty: low}]", "utf-8")
    rules = Rulebook(settings, kept)

    assert ids(rules) == ["first"]
    assert rules.current.rules[0].pack == "own"
    assert "severty" in rules.broken
    file.write_text(RULE.format(id="second"), "utf-8")
    rules.reload()
    assert (ids(rules), rules.problems) == (["second"], ())


def test_days_of_rules_begin_in_the_time_zone_of_the_settings(tmp_path: Path) -> None:
    """Half past eleven at night in London is the next day in Paris, for a rule that names a day."""
    rule = "check: {kind: condition, holds: {field: contract_end, after: 2026-01-31}}"
    (tmp_path / "mine.yaml").write_text(
        f"version: 1\nrules:\n  - {{id: r, about: x, if_unable: skip, {rule}}}\n"
    )
    late = Contact(ref=RecordRef("x", "1"), contract_end=datetime(2026, 1, 30, 23, 30, tzinfo=UTC))
    for zone, found in (("UTC", 0), ("Europe/Paris", 1)):
        paths = (tmp_path / "mine.yaml",)
        settings = Settings(timezone=ZoneInfo(zone), rules=Rules(packs=(), paths=paths))
        (asked,) = read_rules(settings).rules
        with closing(relation_of([late])) as con:
            assert len(list(asked.find(con, datetime(2026, 11, 22, tzinfo=UTC)))) == found


def test_the_rules_that_run_on_are_kept_as_they_were(file: Path) -> None:
    """A scan keeps them again, the register among them: the next start while broken reads them too."""
    settings = Settings(rules=Rules(packs=(), paths=(file,)))
    kept = dict(read_rules(settings).texts)
    file.write_text("rules: [{id: second, severty: low}]", "utf-8")
    first = Rulebook(settings, kept)

    assert first.current.texts == kept
    assert ids(Rulebook(settings, first.current.texts)) == ["first"]


@pytest.mark.parametrize("own", ["none", "good", "broken"])
def test_rules_that_were_kept_without_a_register_take_the_present_one(
    file: Path, tmp_path: Path, own: str
) -> None:
    """The settings' register, or the shipped one where that cannot be read; the log says which."""
    register = tmp_path / "register.yaml"
    if own != "none":
        text = shipped_register().read_text("utf-8") if own == "good" else "activities: 1\n"
        register.write_text(text, "utf-8")
    settings = Settings(
        rules=Rules(packs=(), paths=(file,), register=None if own == "none" else register)
    )
    with capture_logs() as logs:
        book = restored({str(file): RULE.format(id="first")}, settings)

    assert [rule.id for rule in book.rules] == ["first"]
    used = register if own == "good" else shipped_register()
    assert [(line["log_level"], line["periods_from"]) for line in logs] == [("warning", str(used))]
    assert book.texts[REGISTER] == used.read_text("utf-8")


def test_kept_rules_that_cannot_be_read_any_more_hide_no_mistake(file: Path) -> None:
    """The start ends with the mistakes of the file that a person can mend; the log says the rest."""
    settings = Settings(rules=Rules(packs=(), paths=(file,)))
    kept = {**read_rules(settings).texts, str(file): "rules: [{id: old, chek: {}}]"}
    file.write_text("rules: [{id: second, severty: low}]", "utf-8")
    with capture_logs() as logs, pytest.raises(ConfigError, match="severty") as caught:
        Rulebook(settings, kept)

    assert all(str(file) in problem.where for problem in caught.value.problems)
    assert [line["log_level"] for line in logs] == ["error"]
