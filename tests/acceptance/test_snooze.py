"""A snooze between plan and apply, as the CRM manager lives it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Cli

SETTINGS = """\
database: sqlite:///steward.db
connections:
  people: {kind: file, path: people.csv}
rules: {packs: [], paths: [own.yaml]}
limits: {max_percent_per_day: 100}
"""
RULES = """\
version: 1
rules:
  - id: name-case
    about: Names in capitals
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: propose
"""


def test_what_is_snoozed_after_approval_is_not_written(steward: Cli, tmp_path: Path) -> None:
    """Approved, then snoozed: apply leaves it out and says so; a new plan proposes it no more."""
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS, "utf-8")
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    (tmp_path / "people.csv").write_text("id,first name\n1,JEANNE\n2,INES\n", "utf-8")
    for command in ("pull", "scan", "plan"):
        done = steward(command)
        assert done.returncode == 0, done.stderr
    assert steward("apply", "--approve", "all").returncode == 0
    snoozed = steward(
        *("snooze", "--rule", "name-case", "--ref", "people:1"),
        *("--until", "2 months", "--reason", "They write it like that"),
    )
    assert snoozed.returncode == 0, snoozed.stderr

    preview = steward("apply")
    assert "1 would be written, 1 are left out: their findings were snoozed" in preview.stdout
    dry = json.loads(steward("apply", "--json").stdout)
    assert (len(dry["ready"]), len(dry["snoozed"])) == (1, 1)
    applied = steward("apply", "--yes")
    assert "1 changes were left out: their findings were snoozed meanwhile." in applied.stdout
    corrected = (tmp_path / "people.corrected.csv").read_text("utf-8-sig")
    assert "1,JEANNE" in corrected
    assert "2,Ines" in corrected

    planned = steward("plan")
    assert "snoozed until" in planned.stdout
    assert "They write it like that" in planned.stdout
    withheld = json.loads(steward("plan", "--json").stdout)["withheld"]
    assert {one["ref"]: one["why"] for one in withheld} == {
        "people:1": "snoozed",
        "people:2": "done",
    }
