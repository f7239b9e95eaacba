"""The reference of rules: made from what checks them, so current and complete; its examples load."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.shell import ROOT

from crm_steward.model import FIELDS
from crm_steward.rules import load_register, load_rules, shipped_register
from crm_steward.rules.conditions import OPERATORS
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.reference import examples, reference
from crm_steward.rules.registerfile import Activity, Retention
from crm_steward.rules.rule import Rule

PAGE = ROOT / "docs" / "reference" / "rules.md"


def test_the_page_is_current() -> None:
    """`python -m crm_steward.rules.reference > docs/reference/rules.md` has been run."""
    assert PAGE.read_text("utf-8") == reference(), "run: make schemas"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_shows_an_example_that_loads(kind: str, tmp_path: Path) -> None:
    """What the documentation of a kind shows is what the loader takes."""
    shown = examples(kind)
    rules = "".join(f"  - {{id: r{n}, about: x, {one}}}\n" for n, one in enumerate(shown))
    path = tmp_path / "x.yaml"
    path.write_text(f"version: 1\nrules:\n{rules}", "utf-8")
    loaded = load_rules([path], periods=load_register(shipped_register()).periods).rules

    assert [rule.kind for rule in loaded] == [kind] * len(shown) != []


def test_everything_has_a_line() -> None:
    """Keys of rules, checks and the register, facts, operators and fields."""
    lines = {line.split("|")[1].strip() for line in reference().splitlines() if line[:1] == "|"}
    for model in (Rule, Activity, Retention, *KINDS.values()):
        names = {info.alias or name for name, info in model.model_fields.items()}
        assert {f"`{name}`" for name in names - {"kind"}} <= lines, model
    facts = {fact for kind in KINDS.values() for fact in kind.facts}
    assert {f"`{name}`" for name in {*facts, *OPERATORS, *FIELDS}} <= lines


def test_keys_say_what_they_take() -> None:
    """Choices, lists, durations and defaults are written as an author writes them."""
    text = reference()
    for line in (
        "| `severity` | `low`, `medium`, `high`, `critical` | `medium` |",
        "| `check` | [check](#checks) | *needed* |",
        "| `longer_than` | duration | *needed* |",
        "| `due` | duration or `working days` | `14 days` |",
        "| `older_than` | duration | time, custom fields |",
        "| `where` | [condition](#conditions) |",
        "| `segments` | list of [segment](#segment) | the shipped ones |",
    ):
        assert line in text, line
