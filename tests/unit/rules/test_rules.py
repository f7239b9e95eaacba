"""A rule and a book of rules: identity, order, where they came from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crm_steward.model import Severity
from crm_steward.rules import (
    Due,
    Routing,
    TaskAction,
    UpdateAction,
    load_rules,
    pack_path,
    packs,
)

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Load

RULE = """\
version: 1
rules:
  - id: one
    about: {en: In English, fr: En français}
    check: {kind: format, fields: [email], only: fixable}
    actions:
      - update: {normalise: true}
      - task: {title: "Look at {full_name}"}
    mode: apply
    limits: {max_changes: 5, max_percent: 1.5}
"""


def test_a_rule_says_what_others_need_to_know(load: Load) -> None:
    """Everything the plan and the report read from a rule is there, defaults included."""
    (rule,) = load(RULE).rules

    assert (rule.id, rule.kind, rule.mode_in("crm"), rule.every) == (
        "one",
        "format",
        "apply",
        "scan",
    )
    assert (rule.severity, rule.connections, rule.pack) == (Severity.MEDIUM, (), "mine")
    assert (rule.title("en"), rule.title("fr")) == ("In English", "En français")
    assert (rule.limits.max_changes, rule.limits.max_percent) == (5, 1.5)
    update, task = rule.actions
    assert isinstance(update, UpdateAction)
    assert isinstance(task, TaskAction)
    assert (task.to, task.due, task.body) == (Routing(owner=True), Due(14, "day"), None)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("In English", "Other words", True),
        ("id: one\n", "id: one\n    reference: GDPR\n", True),
        ("fixable", "broken", False),
        ("max_changes: 5", "max_changes: 6", False),
        ("mode: apply", "mode: propose", False),
        ("Look at", "Look after", False),
    ],
)
def test_the_digest_changes_with_what_the_rule_does(
    load: Load, old: str, new: str, same: bool
) -> None:
    """A new wording for readers is no new rule; anything that finds or writes differently is."""
    before, after = load(RULE), load(RULE.replace(old, new))

    assert (before.digest == after.digest) is same
    assert (before.rules[0].digest == after.rules[0].digest) is same


def test_the_order_of_files_does_not_change_the_book() -> None:
    """The digest of a book is that of its rules, however they are arranged."""
    paths = [pack_path(name) for name in packs()]

    assert load_rules(paths).digest == load_rules(paths[::-1]).digest


def test_a_folder_gives_its_rule_files_once(tmp_path: Path) -> None:
    """Tests and hidden files are not rules; a file named twice is read once."""
    (tmp_path / "deep").mkdir()
    for name in ("a.yaml", "deep/b.yml", ".c.yaml", "a.test.yaml", "notes.txt"):
        (tmp_path / name).write_text(RULE.replace("id: one", f"id: {Path(name).stem.strip('.')}"))
    book = load_rules([tmp_path, tmp_path / "a.yaml"])

    assert [rule.file.name for rule in book.rules] == ["a.yaml", "b.yml"]


def test_a_digest_is_the_same_in_another_process() -> None:
    """Plans are bound to digests: they must not depend on the hash seed or the machine."""
    code = (
        "from crm_steward.rules import *\n"
        "print(load_rules([pack_path(name) for name in packs()]).digest)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert seen == {load_rules([pack_path(name) for name in packs()]).digest + "\n"}
