"""`crm-steward rules …` as a rule author meets it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.cli.rules import relation_of
from crm_steward.connect.protocol import Page
from crm_steward.model import ConfigError, Contact, Email, RecordRef
from crm_steward.rules.trials import run_trials
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror

if TYPE_CHECKING:
    from tests.conftest import Cli

NOW = datetime(2026, 11, 22, tzinfo=UTC)
GOOD = """\
version: 1
rules:
  - id: unreachable
    about: {en: Nobody can reach them, fr: Personne ne peut les joindre}
    where: {all: [{field: source, is: set}, {not: {field: stage, equals: former}}]}
    check: {kind: required, fields: [email, phone], need: any}
"""
TESTS = """\
version: 1
now: 2026-11-22
tests:
  - name: nobody
    rule: unreachable
    contacts: [{id: 1, source: fair}, {id: 2, source: fair, email: zoe@example.com}]
    finds: [{id: 1, missing: [email, phone]}]
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Give a folder with one rule and its test."""
    (tmp_path / "mine.yaml").write_text(GOOD)
    (tmp_path / "mine.test.yaml").write_text(TESTS)
    return tmp_path


@pytest.mark.usefixtures("mine")
def test_lint_says_that_all_is_well(steward: Cli) -> None:
    """A good file gives one line and exit code 0."""
    done = steward("rules", "lint", "mine.yaml")

    assert (done.returncode, done.stdout) == (0, "1 rule in 1 file: no mistakes.\n")


def test_lint_lists_every_mistake_and_ends_with_three(steward: Cli, mine: Path) -> None:
    """All mistakes, in the language asked for, as file:line:column."""
    (mine / "bad.yaml").write_text(GOOD.replace("kind: required", "kind: requird") + "rles: 1\n")
    done = steward("rules", "lint", "bad.yaml", "gone.yaml", "--language", "fr")

    assert done.returncode == 3
    assert "bad.yaml:6:19: rule 'unreachable': genre de contrôle inconnu 'requird'" in done.stderr
    assert "bad.yaml:7:1: clé inconnue 'rles' (vouliez-vous dire 'rules' ?)" in done.stderr
    assert "gone.yaml: ce fichier ou dossier n'existe pas" in done.stderr


def test_lint_for_programs(steward: Cli, mine: Path) -> None:
    """With --json an editor or a pipeline gets the places as numbers, and the same exit code."""
    (mine / "bad.yaml").write_text(GOOD.replace("kind: required", "kind: requird"))
    done = steward("rules", "lint", "bad.yaml", "--json")
    (problem,) = json.loads(done.stdout)["problems"]

    assert done.returncode == 3
    assert (problem["file"], problem["line"], problem["column"]) == ("bad.yaml", 6, 19)
    assert json.loads(steward("rules", "lint", "mine.yaml", "--json").stdout) == {
        "rules": ["unreachable"],
        "problems": [],
        "skipped": [],
    }


@pytest.mark.usefixtures("mine")
def test_tests_pass(steward: Cli) -> None:
    """The tests beside a rule run, whether the test itself or the folder is named."""
    for named in ("mine.test.yaml", "."):
        done = steward("rules", "test", named)
        assert (done.returncode, done.stdout) == (0, "1 test passed, 0 failed.\n")


def test_a_failing_test_shows_the_difference(steward: Cli, mine: Path) -> None:
    """What was expected and not found, what was found and not expected, and where; exit code 1."""
    (mine / "mine.test.yaml").write_text(TESTS.replace("{id: 1, missing", "{id: 2, missing"))
    done = steward("rules", "test", "mine.yaml")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "✗ unreachable: nobody",
        "  mine.test.yaml:4:5",
        "    - expected, not found:  id: 2, missing: ['email', 'phone']",
        "    + found, not expected:  id: 1, missing: ['email', 'phone']",
        "0 tests passed, 1 failed.",
    ]
    result = json.loads(steward("rules", "test", "mine.yaml", "--json").stdout)["results"][0]
    assert not result["passed"]
    assert result["missing"] == ["id: 2, missing: ['email', 'phone']"]


def test_a_vague_expectation_makes_way_for_a_precise_one(tmp_path: Path) -> None:
    """Each finding answers one expectation, in whichever way all are answered."""
    (tmp_path / "mine.yaml").write_text(
        "version: 1\nrules:\n  - {id: r, about: x, check: {kind: format, fields: [phone, mobile]}}\n"
    )
    number = "'01 99 00 12 34'"
    (tmp_path / "mine.test.yaml").write_text(
        "version: 1\nnow: 2026-11-22\ntests:\n  - name: both\n    rule: r\n"
        f"    contacts: [{{id: 1, country: FR, phone: {number}, mobile: {number}}}]\n"
        f"    finds: [{{id: 1, now: {number}}}, {{id: 1, field: mobile}}]\n"
    )
    (result,) = run_trials([tmp_path / "mine.yaml"], relation_of).results

    assert result.passed, result


def test_rules_without_a_test_are_named(steward: Cli, mine: Path) -> None:
    """A rule that nobody tests is said to be so."""
    (mine / "mine.test.yaml").unlink()
    done = steward("rules", "test", "mine.yaml")

    assert done.returncode == 0
    assert "Without a test: unreachable" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rule: unreachable", "rule: unreachabel", "5:11: unknown rule 'unreachabel' (did you"),
        ("source: fair}", "sorce: fair}", "6:24: unknown key 'sorce' (did you mean 'source'?)"),
        ("finds: [{id: 1", "finds: [{id: 9", "7:13: no contact '9' in this test"),
        ("finds: [{id: 1, ", "finds: [{", "7:13: write id: for one record, or ids: for a group"),
        ("now: 2026-11-22", "now: soon", "2:6: 'soon' is not a date or time"),
        (
            "now: 2026-11-22",
            "now: 0001-01-01T00:00:00+14:00",
            "2:6: '0001-01-01T00:00:00+14:00' is not",
        ),
        ("now: 2026-11-22", "now: 0150-01-01", "2:6: '0150-01-01' is not a date or time"),
        ("{id: 2, ", "{id: '1', ", "6:44: the id '1' is already used at "),
        (
            "source: fair}",
            f"source: {'x' * 10_001}}}",
            "6:15: not usable here: source is 10001 characters",
        ),
        (
            "source: fair}",
            "consent: {fax: none}}",
            "6:34: 'fax' is not one of email, sms, phone, post",
        ),
        ("source: fair}", "extra: {a: [b]}}", "6:35: text expected, found […]"),
        (
            "    finds",
            "    changes: [{id: 1, task: x, due: soon}]\n    finds",
            "7:37: 'soon' is not a date; write",
        ),
        ("version: 1", "version: 2", "1:10: '2' is not one of 1"),
    ],
)
def test_mistakes_in_tests_are_mistakes(mine: Path, old: str, new: str, message: str) -> None:
    """A test file is checked as strictly as a rule file."""
    (mine / "mine.test.yaml").write_text(TESTS.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        run_trials([mine / "mine.yaml"], relation_of)

    assert f"mine.test.yaml:{message}" in str(raised.value)
    assert len(raised.value.problems) == 1


def test_lint_takes_the_tests_of_a_folder_for_what_they_are(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rules lint *.yaml` names the tests too: they are no rules with mistakes."""
    monkeypatch.chdir(mine)
    done = CliRunner().invoke(app, ["rules", "lint", "mine.test.yaml", "mine.yaml"])

    assert (done.exit_code, done.stdout) == (0, "1 rule in 1 file: no mistakes.\n")


def test_tests_without_rules_beside_them_are_a_mistake(mine: Path) -> None:
    """Rules that were renamed leave tests behind that would never run again."""
    (mine / "mine.yaml").rename(mine / "renamed.yaml")
    done = CliRunner().invoke(app, ["rules", "test", str(mine), "--language", "fr"])

    (problem,) = done.exception.problems
    assert problem.where == f"{mine}/mine.test.yaml"
    assert problem.message.startswith("il n'y a pas de mine.yaml à côté")


@pytest.fixture
def mirror(mine: Path) -> Path:
    """Give settings, the rule, and a mirror with three contacts."""
    (mine / "crm-steward.yaml").write_text(
        "version: 1\ndatabase: sqlite:///steward.db\nrules: {packs: [], paths: [mine.yaml]}\n"
    )
    contacts = (
        Contact(ref=RecordRef("crm", "1"), source="fair"),
        Contact(ref=RecordRef("crm", "2"), source="fair", emails=(Email("zoe@example.com"),)),
        Contact(ref=RecordRef("crm", "3"), source="\x1b[31m\u202e"),
    )
    with Database.open(f"sqlite:///{mine}/steward.db") as database:
        page = Page(contacts=contacts, cursor=None, complete=True)
        Mirror(database).save_page("crm", "file", page, now=NOW, full=True)
        Mirror(database).note("crm", "file", last_full_at=NOW)
    return mine


@pytest.mark.usefixtures("mirror")
def test_explain_says_why_a_record_is_caught(steward: Cli) -> None:
    """Condition by condition, with the values seen, and the evidence."""
    done = steward("rules", "explain", "unreachable", "crm:1")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "crm:1 is caught by unreachable: Nobody can reach them",
        "  ✓ all",
        "    ✓ source is set   (it holds: fair)",
        "    ✓ not",
        "      ✗ stage equals former   (it holds: unknown)",
        "  ✓ not any of email, phone filled   (it holds: email, phone)",
        "  → missing: e-mail and phone",
    ]


@pytest.mark.usefixtures("mirror")
def test_explain_says_why_a_record_is_not_caught(steward: Cli) -> None:
    """The condition that does not hold is the reason; --json carries the same."""
    done = steward("rules", "explain", "unreachable", "crm:2", "--json")
    explained = json.loads(done.stdout)

    assert explained["caught"] is False
    assert [step["holds"] for step in explained["steps"]] == [True, False]
    assert explained["steps"][0]["parts"][0]["seen"] == "fair"


@pytest.mark.usefixtures("mirror")
def test_findings_are_listed_by_rule_in_words(steward: Cli) -> None:
    """Rule, record and what is wrong, as the report says it; --json has the evidence."""
    scanned = steward("scan")
    listed = steward("findings").stdout
    (found,) = json.loads(steward("findings", "--limit", "1", "--json").stdout)

    assert scanned.returncode == 0, scanned.stderr
    assert re.search(r"^medium +unreachable$", listed, re.MULTILINE)
    assert re.search(r"crm:1 +missing: e-mail and phone", listed)
    assert found["evidence"] == {"missing": ["email", "phone"]}


@pytest.mark.usefixtures("mirror")
def test_a_hostile_value_cannot_speak_to_the_terminal(steward: Cli) -> None:
    """Escape sequences and direction marks from a CRM are shown as replacement characters."""
    done = steward("rules", "explain", "unreachable", "crm:3")

    assert "\x1b[31m" not in done.stdout
    assert "\u202e" not in done.stdout


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize(
    ("rule", "record", "code", "message"),
    [
        ("unreachabel", "crm:1", 3, "unknown rule 'unreachabel' (did you mean 'unreachable'?)"),
        ("unreachable", "crm:9", 10, "no live contact crm:9 in the mirror"),
        ("unreachable", "crm", 2, "is not a record; write connection:id"),
    ],
)
def test_explain_of_what_does_not_exist(
    steward: Cli, rule: str, record: str, *, code: int, message: str
) -> None:
    """A rule or record that is not there is said to be so, with its exit code."""
    done = steward("rules", "explain", rule, record)

    assert done.returncode == code
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_schema_is_printed(steward: Cli) -> None:
    """What is printed is what is kept in `config`."""
    kept = Path(__file__).parents[2] / "config/rules.schema.json"

    assert json.loads(steward("rules", "schema").stdout) == json.loads(kept.read_text())


def test_custom_fields_are_those_that_connections_map(steward: Cli, mine: Path) -> None:
    """With settings, a rule on a custom field loads when a connection maps it, and only then."""
    settings = (
        "version: 1\nrules: {packs: [], paths: [mine.yaml]}\n"
        "connections:\n  crm: {kind: hubspot, token: pat-invented, extra: {score: lead_score}}\n"
    )
    (mine / "crm-steward.yaml").write_text(settings)
    (mine / "mine.yaml").write_text(GOOD.replace("field: source", "field: extra.score"))
    assert steward("rules", "lint").returncode == 0

    (mine / "mine.yaml").write_text(GOOD.replace("field: source", "field: extra.scor"))
    done = steward("rules", "lint")
    assert done.returncode == 3
    assert "unknown field 'extra.scor' (did you mean 'extra.score'?)" in done.stderr
