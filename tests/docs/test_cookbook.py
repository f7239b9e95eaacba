"""The cookbook: every rule loads, fits and passes its test, every command works, in both languages."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML
from tests.docs.shell import ROOT, commands_of
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.cli.context import open_rules, open_settings
from crm_steward.cli.rules import relation_of
from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, RecordRef, Stage, utc_now
from crm_steward.rules import load_register, shipped_register
from crm_steward.rules.actions import ActionEntry, UpdateAction
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.rule import Rule
from crm_steward.rules.schema import rules_schema
from crm_steward.rules.scope import MODES
from crm_steward.rules.tasks import Routing
from crm_steward.rules.trials import run_trials
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward.writing.foresee import asked

PAGES = {"en": ROOT / "docs" / "cookbook.md", "fr": ROOT / "docs" / "fr" / "cookbook.md"}
SETTINGS = """\
version: 1
language: {language}
rules: {{packs: [], paths: [rules]}}
connections:
  hubspot-eu:
    kind: hubspot
    token: pat-invented
    extra: {{customer_number: kunr, sales_region: region_x, segment: seg, campaign: camp, tier: tier}}
    fields: {{kind: person_type, purchases: number_of_purchases, rights_request_at: request, last_mailed_at: mailed, notes: notes}}
"""
_WORDS = {"about", "title", "body", "name"}
"""Keys that hold a text in the language of the page."""

both = pytest.mark.parametrize("language", PAGES)


@cache
def blocks(language: str) -> tuple[list[str], list[str]]:
    """Return the YAML of the page: the rules, and the tests."""
    found = re.findall(r"```yaml\n(.*?)```", PAGES[language].read_text("utf-8"), re.DOTALL)
    return [one for one in found if "- id" in one[:4]], [
        one for one in found if "- id" not in one[:4]
    ]


def indented(parts: list[str]) -> str:
    """Return entries of a list as they stand in a file."""
    return "".join(f"  {line}\n" for part in parts for line in part.splitlines())


def write(folder: Path, language: str, *, first: int | None = None) -> Path:
    """Write the rules and tests of a page, or the `first` of them, as its reader would.

    Returns:
        The rule file.
    """
    rules, tests = (found[:first] for found in blocks(language))
    path = folder / "rules" / "own.yaml"
    path.parent.mkdir()
    path.write_text(f"version: 1\nrules:\n{indented(rules)}", "utf-8")
    text = f"version: 1\nnow: 2026-11-22\ntests:\n{indented(tests)}"
    path.with_name("own.test.yaml").write_text(text, "utf-8")
    return path


def read(parts: list[str]) -> Any:
    """Return the content of some blocks."""
    return YAML(typ="safe", pure=True).load("\n".join(parts))


@both
def test_every_rule_passes_its_test_and_catches_something(language: str, tmp_path: Path) -> None:
    """Each of thirty rules and more has a test, finds what the test says, and spares somebody."""
    path = write(tmp_path, language)
    periods = load_register(shipped_register()).periods
    report = run_trials([path], relation_of, asked=asked, periods=periods)

    assert [result for result in report.results if not result.passed] == []
    assert report.untested == ()
    assert len(report.results) >= 30
    for one in read(blocks(language)[1]):
        found = {str(i) for hit in one["finds"] for i in hit.get("ids", [hit.get("id")])}
        assert 0 < len(found) < len(one["contacts"]), one["name"]


@both
def test_an_editor_shows_no_mistake(language: str) -> None:
    """The rules fit the schema that editors use."""
    rules = json.loads(json.dumps(read(blocks(language)[0]), default=str))
    document = {"version": 1, "rules": rules}
    jsonschema.Draft7Validator(rules_schema()).validate(document)


def test_both_languages_show_the_same_rules_and_commands() -> None:
    """But for texts."""
    english, french = ([_bare(read(part)) for part in blocks(language)] for language in PAGES)
    assert english == french
    shown = [
        [re.sub(r'--reason "[^"]*"', "", line) for block in commands_of(text) for line in block]
        for text in (page.read_text("utf-8") for page in PAGES.values())
    ]
    assert shown[0] == shown[1]
    headings = [
        re.findall(r"^#+", page.read_text("utf-8"), re.MULTILINE) for page in PAGES.values()
    ]
    assert headings[0] == headings[1]


def _bare(part: Any) -> Any:
    """Return a part of a rule or test without its texts; segments keep their names."""
    if isinstance(part, list):
        return [_bare(item) for item in part]
    if not isinstance(part, dict):
        return part
    words = _WORDS - {"name"} if "when" in part else _WORDS
    return {
        key: "…" if key in words or (key == "task" and isinstance(value, str)) else _bare(value)
        for key, value in part.items()
    }


def test_all_of_the_language_appears() -> None:
    """Every key of a rule, kind, action, part of `update` and of routing, and mode has a recipe."""
    text = "\n".join(blocks("en")[0])
    rules = read(blocks("en")[0])
    keys = {key for rule in rules for key in rule}
    actions = {name for rule in rules for one in rule.get("actions", []) for name in one}

    assert {info.alias or name for name, info in Rule.model_fields.items()} <= keys
    assert {rule["check"]["kind"] for rule in rules} == set(KINDS)
    assert actions == set(ActionEntry.model_fields)
    for model in (UpdateAction, Routing):
        for name, info in model.model_fields.items():
            assert re.search(rf"[{{ ]{info.alias or name}: ", text), name
    for word in (*MODES, "skip", "task", "period", "warn", "working days"):
        assert word in text


def test_the_rules_fit_a_hubspot(tmp_path: Path) -> None:
    """With a few fields mapped; what it cannot do is excused by the rules themselves."""
    write(tmp_path, "en")
    path = tmp_path / "crm-steward.yaml"
    path.write_text(SETTINGS.format(language="en"), "utf-8")
    book = open_rules(open_settings(path))

    assert len(book.rules) == len(blocks("en")[0])
    assert {one.rule for one in book.skipped} <= {
        rule.id for rule in book.rules if rule.if_unable != "refuse"
    }


@both
def test_the_commands_work(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, with the rule and on a mirror with the record that the page names."""
    write(tmp_path, language, first=1)
    monkeypatch.chdir(tmp_path)
    Path("crm-steward.yaml").write_text(SETTINGS.format(language=language), "utf-8")
    now = utc_now()
    contact = Contact(
        ref=RecordRef("hubspot-eu", "4711"),
        last_name="Invented",
        stage=Stage.CUSTOMER,
        last_activity=now - timedelta(days=400),
    )
    with Database.open("sqlite:///crm-steward.db") as database:
        page = Page(contacts=[contact], cursor=Cursor("1"), complete=True)
        Mirror(database).save_page("hubspot-eu", "hubspot", page, now=now, full=True)
        Mirror(database).note("hubspot-eu", "hubspot", last_full_at=now)
    commands = [line for block in commands_of(PAGES[language].read_text("utf-8")) for line in block]
    for command in ("crm-steward scan", *commands):
        line, _, target = command.partition(" > ")
        line = line.replace("2027-01-15", f"{now + timedelta(days=50):%Y-%m-%d}")
        program, *arguments = shlex.split(line)
        done = CliRunner().invoke(app, arguments)
        assert (program, done.exit_code) == ("crm-steward", 0), (
            command,
            done.output,
            done.exception,
        )
        if target:
            Path(target).write_text(done.stdout, "utf-8")
