"""plan, apply, undo, journal as people use them: what they print, refuse, and keep."""

from __future__ import annotations

import json
import signal
import stat
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.acceptance.conftest import Account, Office
from tests.conftest import Cli
from tests.program import PATIENCE_SECONDS, Program

from crm_steward.sandbox import Server, parse_faults
from crm_steward.store.database import Database
from crm_steward.store.plans import Plans


@pytest.fixture
def found(steward: Cli, office: Office) -> None:
    """Pull and scan, in French."""
    office(language="fr")
    for command in ("pull", "scan"):
        done = steward(command)
        assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("found")
def test_a_manager_reads_the_plan(steward: Cli, account: Account) -> None:
    """The diff names record, field, now, proposed, why, what can be undone, limits, what is left out."""
    done = steward("plan")

    assert done.returncode == 0, done.stderr
    for said in (
        "Numéros de téléphone hors format international",
        "téléphone",
        "proposé",
        "annulable",
        "automatique",
        "à approuver",
        "Laissé de côté, et pourquoi",
        "au-delà de la limite de la règle (5 %)",
        "Limites",
        "150 fiches",
    ):
        assert said in done.stdout, said
    assert account.writes() == []


@pytest.mark.usefixtures("found")
def test_a_plan_as_a_file(steward: Cli, account: Account, tmp_path: Path) -> None:
    """A plan's file is private, runs as it is, and is refused once it was touched or used."""
    assert steward("plan", "--out", "plan.json").returncode == 0
    path = tmp_path / "plan.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    original = path.read_text("utf-8")
    path.write_text(original.replace('"rule": "phone-e164"', '"rule": "name-case"', 1), "utf-8")
    altered = steward("apply", "plan.json", "--yes")
    assert (altered.returncode, "was altered" in altered.stderr) == (6, True), altered.stderr
    path.write_text("[]", "utf-8")
    broken = steward("apply", "plan.json", "--yes")
    assert (broken.returncode, "is not a plan" in broken.stderr) == (10, True), broken.stderr
    assert account.writes() == []

    path.write_text(original, "utf-8")
    applied = steward("apply", "plan.json", "--approve", "all", "--by", "Dana", "--yes", "--json")
    assert applied.returncode == 0, applied.stderr
    assert json.loads(applied.stdout)["verified"] == len(json.loads(original)["changes"])
    used = steward("apply", "plan.json", "--yes")
    assert (used.returncode, "applied already" in used.stderr) == (6, True), used.stderr


@pytest.mark.usefixtures("found")
def test_only_what_was_approved_runs(steward: Cli, account: Account) -> None:
    """A mistyped approval is a usage error that names the rules; a rule's approval runs that rule."""
    planned = json.loads(steward("plan", "--rule", "stale-contact", "--json").stdout)
    assert {one["rule"] for one in planned["changes"]} == {"stale-contact"}

    wrong = steward("apply", "--approve", "stale", "--yes")
    assert (wrong.returncode, "stale-contact" in wrong.stderr) == (2, True), wrong.stderr
    assert json.loads(steward("apply", "--yes", "--json").stdout)["verified"] == 0
    assert account.writes() == []

    one = planned["changes"][0]["key"]
    dry = json.loads(steward("apply", "--approve", one[:10], "--json").stdout)
    assert [ready["key"] for ready in dry["ready"]] == [one]
    assert account.writes() == []
    done = json.loads(steward("apply", "--yes", "--json").stdout)
    assert (done["verified"], account.summary["counts"]["tasks"]) == (1, 1)


@pytest.mark.usefixtures("found")
def test_what_nobody_was_shown_is_not_approved(
    steward: Cli, account: Account, tmp_path: Path
) -> None:
    """The service may replace the plan while somebody reads it: `all` means what they read."""
    steward("plan")
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database:
        read = Plans(database).latest()
        assert read is not None
        newer = replace(read.plan, created_at=read.plan.created_at + timedelta(microseconds=1))
        Plans(database).save(newer)  # as the service does

    blind = steward("apply", "--approve", "all", "--yes")
    assert (blind.returncode, newer.hash in blind.stderr) == (6, True), blind.stderr
    assert account.writes() == []
    assert steward("apply").returncode == 0
    assert steward("apply", "--approve", "all").returncode == 0


@pytest.mark.usefixtures("found")
def test_journal_and_undo_tell_what_they_did(steward: Cli) -> None:
    """The journal shows before and after; undo shows what it would write, and what it cannot."""
    assert steward("plan").returncode == 0
    assert steward("apply", "--approve", "all", "--yes").returncode == 0

    lines = json.loads(steward("journal", "--rule", "phone-e164", "--json").stdout)
    half = len(lines) // 2
    assert [line["state"] for line in lines] == ["verified"] * half + ["intent"] * half
    change = lines[-1]["change"]
    assert change["values"]["phone" if "phone" in change["values"] else "mobile"].startswith("+")
    text = steward("journal", "--ref", lines[0]["ref"]).stdout
    assert "→" in text
    assert "apply-" in text

    preview = steward("undo", lines[0]["run"])
    assert "Rien n'a été écrit" in preview.stdout
    assert "clore sa tâche" in preview.stdout
    assert steward("undo", "phone-e164", "--yes").returncode == 0
    undone = json.loads(steward("journal", "--rule", "phone-e164", "--json", "--limit", "1").stdout)
    assert undone[0]["undoes"] is not None


def test_without_a_plan_it_says_how_to_make_one(steward: Cli, office: Office) -> None:
    """Applying nothing, undoing nothing, reading an empty journal: a sentence each, no crash."""
    office()
    none = steward("apply", "--yes")
    assert (none.returncode, "Make one: crm-steward plan" in none.stderr) == (10, True)
    assert "Nothing was written yet" in steward("journal").stdout
    assert "left to undo" in steward("undo", "no-such-rule").stdout
    assert steward("journal", "--ref", "nonsense").returncode == 2
    assert "Nothing to do" in steward("plan").stdout


@pytest.mark.usefixtures("found")
def test_sigterm_finishes_the_write_under_way(
    steward: Cli, program: Program, hubspot: Server, account: Account, tmp_path: Path
) -> None:
    """Asked to stop in the middle, it journals what it sent, ends with 130, and later goes on."""
    assert steward("plan", "--rule", "stale-contact").returncode == 0
    hubspot.faults.add(parse_faults({"method": "POST", "path": "/objects/tasks$", "slow": 0.2}))
    command = ["apply", "--approve", "all", "--yes"]
    with program.start(command, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not account.summary["counts"]["tasks"] and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        ended = process.wait(PATIENCE_SECONDS)
        errors = process.err

    assert ended == 130, errors
    assert "Traceback" not in errors
    newest = {}
    for line in json.loads(steward("journal", "--json").stdout)[::-1]:
        newest[line["key"]] = line["state"]
    assert "intent" not in newest.values()
    assert 1 <= account.summary["counts"]["tasks"] <= len(newest)
    assert account.summary["doubled_tasks"] == 0


def test_values_cannot_steer_the_terminal(steward: Cli, tmp_path: Path) -> None:
    """Markup, escape codes and direction marks of a spreadsheet are shown, never obeyed."""
    (tmp_path / "people.csv").write_text(
        "id;Prénom;Nom;Téléphone;Pays\n[red]7;JEANNE;[bold]\x1b[31m\u202eMARTIN;01 42 68 53 00;FR\n",
        "utf-8",
    )
    (tmp_path / "rules.yaml").write_text(
        "version: 1\nrules:\n  - id: phone\n    about: Phones\n"
        "    check: {kind: format, fields: [phone], only: fixable}\n"
        "    actions: [update: {normalise: true}]\n",
        "utf-8",
    )
    (tmp_path / "crm-steward.yaml").write_text(
        "version: 1\ndatabase: sqlite:///steward.db\nrules: {packs: [], paths: [rules.yaml]}\n"
        "limits: {max_percent_per_day: 100}\n"
        "connections: {fair: {kind: file, path: people.csv, id_column: id, country: FR}}\n",
        "utf-8",
    )
    for command in (["pull"], ["scan"]):
        done = steward(*command)
        assert done.returncode == 0, done.stderr

    shown = [steward("plan"), steward("apply", "--approve", "all", "--yes"), steward("journal")]

    assert [done.returncode for done in shown] == [0, 0, 0], [done.stderr for done in shown]
    assert "[red]7" in shown[0].stdout
    assert "[red]7" in shown[2].stdout
    for done in shown:
        assert "\x1b" not in done.stdout
        assert "\u202e" not in done.stdout
