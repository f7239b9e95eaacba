"""The page for rule authors: its examples run, its lists are complete."""

from __future__ import annotations

import re
from pathlib import Path

from crm_steward.model import FIELDS
from crm_steward.rules import load_rules
from crm_steward.rules.conditions import OPERATORS
from crm_steward.rules.kinds import KINDS
from crm_steward.rules.rule import Rule
from crm_steward.rules.trials import run_trials
from crm_steward.store.relation import relation_of_rows
from crm_steward.store.rows import content_of, row_of

TEXT = (Path(__file__).parents[2] / "rules/README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_loads_and_passes_its_test(tmp_path: Path) -> None:
    """The first block is a rule file, the last one its test; both are taken as they stand."""
    (tmp_path / "my-rules.yaml").write_text(BLOCKS[0], encoding="utf-8")
    (tmp_path / "my-rules.test.yaml").write_text(BLOCKS[-1], encoding="utf-8")
    report = run_trials(
        [tmp_path / "my-rules.yaml"],
        lambda people: relation_of_rows(
            [row_of(one, *content_of(one), country=None) for one in people]
        ),
    )

    assert [result.passed for result in report.results] == [True]
    assert report.untested == ()


def test_every_example_condition_loads(tmp_path: Path) -> None:
    """Each condition in the table of operators is one the loader takes."""
    conditions = re.findall(r"`(\{field: .*?\})`", TEXT)
    rules = "".join(
        f"  - {{id: r{number}, about: x, where: {where}, check: {{kind: required, fields: [email]}}}}\n"
        for number, where in enumerate(conditions)
    )
    path = tmp_path / "x.yaml"
    path.write_text(f"version: 1\nrules:\n{rules}")

    assert len(load_rules([path]).rules) == len(conditions) >= 7


def test_everything_that_can_be_written_is_named() -> None:
    """Kinds, their keys and facts, operators, fields and the keys of a rule all stand on the page."""
    keys = {info.alias or name for name, info in Rule.model_fields.items()}
    keys |= {key for kind in KINDS.values() for key in kind.model_fields} - {"kind"}
    facts = {fact for kind in KINDS.values() for fact in kind.facts}
    for word in {*KINDS, *OPERATORS, *FIELDS, *keys, *facts}:
        assert re.search(rf"`(?:[^`]*[^`\w])?{word}(?:[^`\w][^`]*)?`", TEXT), word
