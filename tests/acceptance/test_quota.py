"""A day's quota that closes in the midst of writing: what was not sent waits, and no doubt is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.acceptance.test_merging import CRMS, create
from tests.conftest import Cli

from crm_steward.sandbox import Server, serve

RULES = """\
version: 1
rules:
  - id: town
    about: {en: No town, fr: Pas de ville}
    where: {field: last_name, equals: Quotason}
    check: {kind: required, fields: [job_title]}
    actions:
      - update: {set: {job_title: To be asked}}
      - task: {to: nobody@example.com, title: "Call {full_name}"}
    mode: apply
"""
PEOPLE = 6
Day = Callable[[Any], tuple[Any, str, int]]
DAYS: Mapping[str, Day] = {
    "hubspot": lambda crm: (crm.limits, "daily", crm.limits.used_today),
    "salesforce": lambda crm: (crm, "daily", len(crm.used)),
    "zoho": lambda crm: (crm.credits, "total", crm.credits.used),
    "pipedrive": lambda crm: (crm.limits, "daily", crm.limits.used_today),
}
"""Where an emulator keeps its day's quota, under which name, and what is used of it."""
LEFT: Mapping[str, int] = {"hubspot": 6, "salesforce": 14, "zoho": 6, "pipedrive": 31}
"""How many calls (credits, tokens) are left to a run, so that some of its changes are made."""
RESERVE = 0.2
"""What we leave to the others of a quota that is not ours alone."""
CREDITS = 50_000
"""What Zoho's connector takes the day's credits for, unless its settings say otherwise."""


@pytest.fixture(params=CRMS)
def crm(request: pytest.FixtureRequest) -> Iterator[tuple[str, Server]]:
    """Serve each CRM in turn, with six people to be called."""
    kind = request.param
    with serve(CRMS[kind](contacts=12, seed=5)) as server:
        if kind == "pipedrive":  # commands follow each other faster here than its two seconds allow
            server.emulator.limits.burst = 2_000  # type: ignore[attr-defined] # it is Pipedrive's
        for number in range(PEOPLE):
            create(kind, server, last="Quotason", phone=f"+3319900991{number}")
        yield kind, server


def leave(kind: str, server: Server, left: int, share: float) -> None:
    """Leave so much of the day's quota to us, whoever used the rest."""
    if kind == "zoho" and share < 1:  # how much there is, a setting says, and no answer
        spent = server.emulator.credits
        spent.used = spent.total - int(RESERVE * CREDITS) - left + 1
        return
    holder, name, used = DAYS[kind](server.emulator)
    total = used + left if share == 1 else ceil((used + left - 1) / (1 - RESERVE))
    setattr(holder, name, total)


@pytest.mark.parametrize("share", [0.5, 1.0], ids=["the others took it", "the CRM refuses"])
def test_what_was_not_sent_waits_and_leaves_no_doubt(
    steward: Cli, tmp_path: Path, crm: tuple[str, Server], share: float
) -> None:
    """Exit 5, one line that says what to do, nothing unknown; reopened, it goes on, with nothing to settle."""
    kind, server = crm
    connection = {"kind": kind, "country": "FR", **server.emulator.connection(server.url)}
    settings = {
        "version": 1,
        "database": "sqlite:///steward.db",
        "connections": {"crm": {**connection, "daily_share": share}},
        "rules": {"packs": [], "paths": ["own.yaml"]},
        "limits": {"max_percent_per_day": 100, "canary": 100},
    }
    (tmp_path / "crm-steward.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    (tmp_path / "crm-steward.yaml").chmod(0o600)
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    for command in ("pull", "scan", "plan"):
        done = steward(command)
        assert done.returncode == 0, done.stderr

    leave(kind, server, LEFT[kind], share)
    first = steward("apply", "--yes", "--wait", "0")
    assert first.returncode == 5, (first.stdout, first.stderr)
    (line,) = first.stderr.strip().splitlines()
    assert "Try again in" in line or "System Overview" in line, line
    assert "not written" in first.stdout
    assert "crm-steward apply --yes goes on" in first.stdout
    assert "absent" not in first.stdout, "that all of it waits is said once"
    made = ends(steward)
    assert set(made.values()) == {"verified", "absent"}, first.stdout

    leave(kind, server, 1_000_000, share)
    last = steward("apply", "--yes", "--json", "--wait", "0")
    assert (last.returncode, last.stderr) == (0, "")
    told = json.loads(last.stdout)
    assert told["verified"] == 2 * PEOPLE - list(made.values()).count("verified")
    assert told["settled"] == {}
    marks = server.emulator.summary()["tasks_by_marker"]
    assert sorted(marks.values()) == [1] * PEOPLE
    assert list(ends(steward).values()) == ["verified"] * 2 * PEOPLE
    assert json.loads(steward("quarantine", "--json").stdout) == []


def ends(steward: Cli) -> dict[str, str]:
    """Return how each change stands that was ever begun, by its key."""
    lines = json.loads(steward("journal", "--json", "--limit", "1000").stdout)
    return {line["key"]: line["state"] for line in lines[::-1]}
