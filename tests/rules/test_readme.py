"""The pages for rule authors, in English and French: examples run, lists are complete, links agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.model import FIELDS
from crm_steward.rules import load_rules
from crm_steward.rules.actions import ActionEntry, UpdateAction
from crm_steward.rules.conditions import OPERATORS
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.rule import Rule
from crm_steward.rules.tasks import Routing
from crm_steward.rules.trials import run_trials
from crm_steward.store.relation import relation_of_rows
from crm_steward.store.rows import content_of, row_of

ROOT = Path(__file__).parents[2]
PAGES = {
    "en": (ROOT / "rules/README.md").read_text(encoding="utf-8"),
    "fr": (ROOT / "docs/fr/rules.md").read_text(encoding="utf-8"),
}
BLOCKS = {
    language: re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) for language, text in PAGES.items()
}
CONDITIONS = re.compile(r"`(?:except: )?(\{field: .*?\})`")

both = pytest.mark.parametrize("language", PAGES)


@both
def test_the_example_loads_and_passes_its_test(language: str, tmp_path: Path) -> None:
    """The first block is a rule file, the last one its test; both are taken as they stand."""
    (tmp_path / "my-rules.yaml").write_text(BLOCKS[language][0], encoding="utf-8")
    (tmp_path / "my-rules.test.yaml").write_text(BLOCKS[language][-1], encoding="utf-8")
    report = run_trials(
        [tmp_path / "my-rules.yaml"],
        lambda people: relation_of_rows(
            [row_of(one, *content_of(one), country=None) for one in people]
        ),
    )

    assert [result.passed for result in report.results] == [True]
    assert report.untested == ()


@both
def test_every_example_condition_loads(language: str, tmp_path: Path) -> None:
    """Each condition on the page is one the loader takes."""
    conditions = CONDITIONS.findall(PAGES[language])
    rules = "".join(
        f"  - {{id: r{number}, about: x, where: {where}, check: {{kind: required, fields: [email]}}}}\n"
        for number, where in enumerate(conditions)
    )
    path = tmp_path / "x.yaml"
    path.write_text(f"version: 1\nrules:\n{rules}")

    assert len(load_rules([path]).rules) == len(conditions) >= 8


@both
def test_every_example_action_loads(language: str, tmp_path: Path) -> None:
    """Each action in the table, and the routing below it."""
    names = "|".join(ActionEntry.model_fields)
    shown = re.findall(rf"^\| `((?:{names}): .*?)` \|", PAGES[language], re.MULTILINE)
    checks = {"merge": "{kind: duplicates, levels: [same e-mail]}"}
    plain = "{kind: format, fields: [last_name]}"
    rules = "".join(
        f"  - {{id: r{number}, about: x, check: {checks.get(action.partition(':')[0], plain)}, "
        f"actions: [{{{action.replace('title: …, body: …', 'title: x')}}}]}}\n"
        for number, action in enumerate(shown)
    )
    routing = "".join(f"    {line}\n" for line in BLOCKS[language][2].splitlines())
    rules += f"  - id: routed\n    about: x\n    check: {plain}\n    actions:\n{routing}"
    path = tmp_path / "x.yaml"
    path.write_text(f"version: 1\nrules:\n{rules}")
    loaded = load_rules([path]).rules

    assert {rule.entries[0].name for rule in loaded} == set(ActionEntry.model_fields)


@both
def test_everything_that_can_be_written_is_named(language: str) -> None:
    """Kinds and their keys, operators, actions, fields and the keys of a rule all stand on the page."""
    models = (Rule, UpdateAction, Routing, *KINDS.values())
    keys = {info.alias or name for model in models for name, info in model.model_fields.items()}
    text = "".join(BLOCKS[language]) + PAGES[language]
    for word in {*KINDS, *OPERATORS, *FIELDS, *ActionEntry.model_fields, *keys} - {"kind"}:
        named = rf"`(?:[^`]*[^`\w])?{word}(?:[^`\w][^`]*)?`"
        assert re.search(named, PAGES[language]) or f" {word}: " in text, word


def test_both_languages_say_the_same() -> None:
    """The same headings, tables, blocks and commands."""
    shapes = [re.findall(r"^(?:#+ |\||```\w*)", text, re.MULTILINE) for text in PAGES.values()]
    assert shapes[0] == shapes[1]
    commands = [re.findall(r"`(crm-steward [^`]*)`", text) for text in PAGES.values()]
    assert commands[0] == commands[1]
    conditions = [CONDITIONS.findall(text) for text in PAGES.values()]
    assert conditions[0] == conditions[1]


def test_the_page_is_short() -> None:
    """An author reads it to the end."""
    assert len(PAGES["en"].splitlines()) <= 250


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"`crm-steward ((?:rules |register )?[a-z]+)", PAGES["en"])))
)
def test_every_command_exists(command: str) -> None:
    """Each command that the page names has help."""
    done = CliRunner().invoke(app, [*command.split(), "--help"])

    assert done.exit_code == 0, done.output
