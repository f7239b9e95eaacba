"""Rule tests that say what a rule asks for, not only what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crm_steward.cli.app import app

RULES = """\
version: 1
rules:
  - id: quiet
    about: Nothing for long
    check: {kind: stale, longer_than: 18 months}
    actions:
      - task: {to: owner, due: 5 working days, title: {en: "Call {full_name}", fr: "Appeler {full_name}"}}
      - update: {set: {company: Unknown}, clear: [website]}
      - suppress: {channel: email}
      - archive: {}
  - id: twice
    about: Twice
    check: {kind: duplicates, levels: [same e-mail]}
    actions: [{merge: {keep: [oldest]}}]
  - id: only-listed
    about: Only listed
    check: {kind: required, fields: [owner]}
    actions: [{task: {title: Look}}]
    mode: report
"""
TESTS = """\
version: 1
now: 2026-11-25
tests:
  - name: Everything it asks for
    rule: quiet
    contacts:
      - {id: 1, full_name: Zoé Martin, owner: "7", email: zoe@example.com, website: x.example, last_activity: 2020-01-01}
      - {id: 2, last_activity: 2026-11-01}
    finds: [{id: 1}]
    changes:
      - {id: 1, task: Call Zoé Martin, due: 2026-12-02, to: "7"}
      - {id: 1, set: {company: Unknown, website: null}}
      - {id: 1, suppress: email}
      - {id: 1, archive: true}
  - name: The older one survives
    rule: twice
    contacts:
      - {id: 1, email: zoe@example.com, created_at: 2024-01-01}
      - {id: 2, email: zoe@example.com, created_at: 2022-01-01}
    finds: [{ids: [1, 2]}]
    changes: [{id: 2, merge: [1]}]
  - name: A rule that only lists asks for nothing
    rule: only-listed
    contacts: [{id: 1}]
    finds: [{id: 1}]
    changes: []
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Give rules with tests that expect changes."""
    (tmp_path / "mine.yaml").write_text(RULES)
    (tmp_path / "mine.test.yaml").write_text(TESTS)
    return tmp_path / "mine.yaml"


def test_changes_are_compared(mine: Path) -> None:
    """Task, update, suppression, archiving and merge: all that is asked for, and nothing else."""
    done = CliRunner().invoke(app, ["rules", "test", str(mine)])

    assert (done.output, done.exit_code) == ("3 tests passed, 0 failed.\n", 0)


def test_a_difference_names_both_sides(mine: Path) -> None:
    """What was expected and not asked for, and what is asked for and was not expected."""
    test = mine.with_name("mine.test.yaml")
    test.write_text(
        TESTS.replace("Call Zoé Martin, due", "Call Zoe, due").replace(
            "merge: [1]", "archive: true"
        )
    )
    done = CliRunner().invoke(app, ["rules", "test", str(mine)], env={"COLUMNS": "200"})

    assert done.exit_code == 1
    shown = [line.strip() for line in done.output.splitlines()]
    assert "- expected, not found:  id: 1, task: 'Call Zoe', due: '2026-12-02', to: '7'" in shown
    assert any(line.startswith("+ found, not expected:  id: 1, change: 'task'") for line in shown)
    assert "- expected, not found:  id: 2, archive: true" in shown
    assert any("id: 2, change: 'merge'" in line for line in shown)
