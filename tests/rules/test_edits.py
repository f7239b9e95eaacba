"""What a manager does before a rule runs: writes it, sees what an edit will do, lists what runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from crm_steward.cli.app import app
from crm_steward.cli.rules import relation_of
from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import ConfigError, Contact, Email, RecordRef, Stage
from crm_steward.rules import load_rules, pack_path, shipped_register
from crm_steward.rules.drafting import draft
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward.store.runs import Runs

SETTINGS = """\
version: 1
language: {language}
rules: {{packs: [], paths: [rules]}}
connections:
  crm: {{kind: hubspot, token: pat-invented}}
"""
RULES = """\
version: 1
rules:
  - id: quiet
    about: {en: Nothing for long, fr: Rien depuis longtemps}
    check: {kind: stale, clock: last_activity, longer_than: 18 months}
    actions: [{task: {title: "Call {full_name}"}}]
  - id: no-owner
    about: {en: Nobody looks after them, fr: Personne ne s'en occupe}
    check: {kind: required, fields: [owner]}
    mode: report
"""
PHONES = ["Broken phones", "", "format", "phone, mobile", "", "", "report", "", ""]
"""Answers to `rules new` that make the rule broken-phones."""
RUNNER = CliRunner()


def call(*arguments: str, answers: str = "") -> Result:
    """Run a command in this process; what it raises is kept."""
    return RUNNER.invoke(app, arguments, input=answers)


def refused(*arguments: str) -> str:
    """Return what a command that refuses says, on one line."""
    raised = call(*arguments).exception
    assert isinstance(raised, ConfigError)
    return str(raised)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with settings, two rules, and forty contacts in the mirror."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/mine.yaml").write_text(RULES)
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS.format(language="en"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    now = datetime.now(UTC)
    contacts = [
        Contact(
            ref=RecordRef("crm", str(number)),
            last_name="Invented",
            emails=(Email(f"p{number}@example.com"),),
            stage=Stage.CUSTOMER,
            owner="7",
            last_activity=now - timedelta(days=30 * number),
        )
        for number in range(40)
    ]
    with Database.open("sqlite:///crm-steward.db") as database:
        page = Page(contacts=contacts, cursor=Cursor("1"), complete=True)
        Mirror(database).save_page("crm", "hubspot", page, now=now, full=True)
        Mirror(database).note("crm", "hubspot", last_full_at=now)
    return tmp_path


def edit(folder: Path, old: str, new: str) -> None:
    """Change the rule file."""
    path = folder / "rules/mine.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_impact_shows_what_an_edit_finds_and_writes(folder: Path) -> None:
    """Gained and lost findings by rule, with samples; records newly written; the canary's bound."""
    assert call("scan").exit_code == 0
    edit(folder, "18 months", "6 months")
    edit(folder, "fields: [owner]", "fields: [company]")
    done = call("rules", "impact", "--samples", "2")

    assert done.exit_code == 0, done.output
    quiet, no_owner = done.output.strip().split("\n\n")
    assert quiet.splitlines()[0] == "quiet (edited)  Nothing for long"
    assert "21 before, 33 after: 12 gained, 0 lost" in quiet
    assert "+ … and 10 more" in quiet
    assert "records that would be written and were not before: 12 tasks" in quiet
    assert "the first run touches at most 10 of them" in quiet
    assert "0 before, 40 after: 40 gained, 0 lost" in no_owner
    assert "would be written" not in no_owner


def test_a_scan_of_changes_does_not_make_an_edit_old(folder: Path) -> None:
    """An edited rule waits for a whole scan, and so does what it is compared with."""
    call("scan")
    edit(folder, "18 months", "6 months")
    changed = call("scan", "--changed")

    assert changed.exit_code == 0, changed.output
    assert "12 gained" in call("rules", "impact").output
    with Database.open("sqlite:///crm-steward.db") as database:
        runs = [run.verb for run in Runs(database).latest()]
    assert runs == ["scan-changed", "scan"]


def test_impact_for_programs_and_in_ci(folder: Path) -> None:
    """With --old and --new two folders are compared, without a scan; --json counts the same."""
    (folder / "old").mkdir()
    (folder / "old/mine.yaml").write_text(RULES.partition("  - id: no-owner")[0])
    edit(folder, "18 months", "30 months")
    done = call("rules", "impact", "--old", "old", "--json")
    quiet, added = json.loads(done.stdout)

    assert (quiet["rule"], quiet["edit"], quiet["gained"]) == ("quiet", "edited", 0)
    assert quiet["lost"] == quiet["before"] - quiet["after"] > 0
    assert len(quiet["samples"]["lost"]) == 5
    assert (added["rule"], added["edit"], added["after"]) == ("no-owner", "added", 0)


def test_new_wording_has_no_impact(folder: Path) -> None:
    """An edit of words alone finds and writes what it did."""
    call("scan")
    edit(folder, "Nothing for long", "Not a sign of life")

    done = call("rules", "impact")

    assert (done.exit_code, done.stdout.strip()) == (
        0,
        "No rule finds or does anything else than before.",
    )


@pytest.mark.usefixtures("folder")
def test_without_a_scan_there_is_nothing_to_compare_with() -> None:
    """It says so, and what to do, and ends as a mistake in the settings does."""
    assert "name the old rules with --old" in refused("rules", "impact")


def test_a_broken_edit_has_no_impact(folder: Path) -> None:
    """A rule that broke since the last scan is a mistake with its place, not an impact."""
    call("scan")
    edit(folder, "18 months", "18 moons")

    assert "mine.yaml:5:" in refused("rules", "impact")


def test_list_says_how_often_each_rule_fired(folder: Path) -> None:
    """What stands now and what was ever found, per rule; also for programs."""
    call("scan")
    edit(folder, "18 months", "30 months")
    call("scan")
    shown = call("rules", "list")
    quiet, _ = json.loads(call("rules", "list", "--json").stdout)

    assert shown.exit_code == 0
    assert "Nobody looks after them" in shown.output
    assert (quiet["rule"], quiet["mode"], quiet["actions"]) == (
        "quiet",
        {"default": "propose"},
        ["task"],
    )
    assert 0 < quiet["open"] < quiet["ever"] == 21
    assert quiet["written"] == 0


def test_list_names_what_a_connection_cannot_do(folder: Path) -> None:
    """A rule that is skipped in a connection says why, in the reader's language."""
    edit(folder, "fields: [owner]}", "fields: [informed_at]}\n    if_unable: skip")
    (folder / "crm-steward.yaml").write_text(SETTINGS.format(language="fr"))
    done = call("rules", "list")

    assert "pas de champ 'informed_at' dans crm ; pas appliquées là : no-owner" in done.output


@pytest.mark.parametrize("command", ["list", "lint"])
def test_what_connections_lack_is_said_once(folder: Path, command: str) -> None:
    """One line for all rules and connections that it concerns, and one for what differs."""
    more = "  other: {kind: hubspot, token: pat-invented}\n"
    (folder / "crm-steward.yaml").write_text(SETTINGS.format(language="en") + more)
    skipping = (
        "check: {{kind: required, fields: [{field}]}}\n    mode: report\n    if_unable: skip\n"
    )
    fields = {"a": "informed_at", "b": "informed_at", "c": "contract_end"}
    rules = [
        f"  - id: {name}\n    about: x\n    {skipping.format(field=field)}"
        for name, field in fields.items()
    ]
    (folder / "rules/mine.yaml").write_text("version: 1\nrules:\n" + "".join(rules))
    said = [line.strip() for line in call("rules", command).output.splitlines()]

    assert [line for line in said if line.startswith("no field")] == [
        "no field 'contract_end' in crm, other; not run there: c",
        "no field 'informed_at' in crm, other; not run there: a, b",
    ]


def test_new_asks_checks_and_writes_a_rule_with_a_test_that_passes(folder: Path) -> None:
    """Wrong answers are explained and asked again; the rule and its test stand and pass."""
    answers = [
        "Customers in France without a company",
        "no-owner",  # taken
        "no-company",
        "requird",
        "required",
        "compny",
        "company",
        "ned",
        "need",
        "any",
        "stge",
        "stage",
        "equals",
        "customer",
        "country",
        "in",
        "FR, BE",
        "",
        "task",
        "Call {full_nam}",
        "task",
        "Call {full_name}",
        "high",
    ]
    done = call("rules", "new", answers="\n".join(answers) + "\n")

    assert done.exit_code == 0, done.output
    for said in (
        "this name is taken",
        "unknown check kind 'requird' (did you mean 'required'?)",
        "unknown field 'compny' (did you mean 'company'?)",
        "it has no 'ned'",
        "unknown field 'stge' (did you mean 'stage'?)",
        "unknown placeholder '{full_nam}' (did you mean 'full_name'?)",
    ):
        assert said in done.output
    rule = load_rules([folder / "rules/own.yaml"]).rule("no-company")
    assert (rule.severity.label, rule.mode_in("crm")) == ("high", "propose")
    assert rule.check.need == "any"
    assert call("rules", "test", "rules/own.yaml").stdout == "2 tests passed, 0 failed.\n"
    assert "finds: []" in (folder / "rules/own.test.yaml").read_text()


def test_new_adds_to_a_file_and_touches_nothing_in_it(folder: Path) -> None:
    """What stood in the file stands there still, comments included."""
    path = folder / "rules/mine.yaml"
    before = "# Mine\n" + path.read_text()
    path.write_text(before)
    done = call("rules", "new", "--into", "rules/mine.yaml", answers="\n".join(PHONES))

    assert done.exit_code == 0, done.output
    assert path.read_text().startswith(before)
    assert [rule.id for rule in load_rules([path]).rules] == ["quiet", "no-owner", "broken-phones"]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("version: 1\nrules:\n- id: a\n  about: x\n{check}", id="not indented"),
        pytest.param(
            "version: 1\r\nrules:\r\n  - id: a\r\n    about: x\r\n  {check}", id="of Windows"
        ),
        pytest.param("", id="empty"),
    ],
)
def test_new_adds_a_rule_as_the_file_is_written(folder: Path, before: str) -> None:
    """Lists that are not indented, line ends of Windows: the file still loads, and is still so."""
    path = folder / "own.yaml"
    text = before.format(check="  check: {kind: required, fields: [company]}")
    path.write_bytes(text.encode())
    done = call("rules", "new", "--into", "own.yaml", answers="\n".join(PHONES))

    assert done.exit_code == 0, done.output
    assert path.read_bytes().decode().startswith(text)
    assert [rule.id for rule in load_rules([path]).rules][-1] == "broken-phones"
    assert ("\r" in before) is (path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r"))


@pytest.mark.parametrize(
    "text", ["version: 1\nrules: []\n", "rules:\n  - {RULE}\nversion: 1\n", "rules: [\n"]
)
def test_new_leaves_a_file_alone_that_has_no_room_at_its_end(folder: Path, text: str) -> None:
    """Broken by what is added, it would stop every rule in it: nothing is written."""
    path = folder / "own.yaml"
    rule = "id: a, about: x, check: {kind: required, fields: [company]}"
    path.write_text(text.replace("RULE", rule))
    before = path.read_text()
    done = call("rules", "new", "--into", "own.yaml", answers="\n".join(PHONES))

    assert "nothing can be added at the end" in str(done.exception)
    assert path.read_text() == before
    assert not (folder / "own.test.yaml").exists()


def test_new_writes_tests_for_the_day_that_their_file_names(folder: Path) -> None:
    """A test added a year later holds on the day on which the others of its file take place."""
    (folder / "rules/own.test.yaml").write_text("version: 1\nnow: 2019-05-31\ntests:\n")
    answers = ["Silent for long", "", "stale", "18 months", "", "", "report", "", ""]
    done = call("rules", "new", answers="\n".join(answers))

    assert done.exit_code == 0, done.output
    assert "never runs" not in done.output
    assert call("rules", "test", "rules/own.yaml").stdout == "2 tests passed, 0 failed.\n"


def test_new_says_when_the_settings_do_not_name_the_file(folder: Path) -> None:
    """A rule that no settings name is never looked at, which nobody would notice."""
    done = call("rules", "new", "--into", "elsewhere.yaml", answers="\n".join(PHONES))

    assert done.exit_code == 0, done.output
    assert "do not name elsewhere.yaml: add it under rules: paths:" in done.output
    assert (folder / "elsewhere.yaml").exists()


def test_new_asks_in_french_and_says_what_can_be_answered(folder: Path) -> None:
    """Questions, operators that fit, fields with their labels: nothing is left in English."""
    (folder / "crm-steward.yaml").write_text(SETTINGS.format(language="fr"))
    answers = ["Clients muets", "", "stale", "12 months", "clock", "last_person_act", ""]
    answers += ["?", "stage", "", "", "", "task", "", ""]
    done = call("rules", "new", answers="\n".join(answers) + "\n")

    assert done.exit_code == 0, done.output
    for said in (
        "Depuis combien de temps est-ce trop, par exemple 18 months ? ",
        "Autre chose à préciser (clock, unknown) ? ",
        "  last_activity           dernière activité",
        "  equals        vaut ceci",
        "Le titre de la tâche [Clients muets : {full_name}] : ",
    ):
        assert said in done.output
    assert "older_than" not in done.output
    rule = load_rules([folder / "rules/own.yaml"]).rule("clients-muets")
    assert (rule.check.clock, rule.where.field) == ("last_person_act", "stage")
    assert call("rules", "test", "rules/own.yaml").stdout == "2 tests réussis, 0 en échec.\n"


def test_new_asks_whether_to_skip_what_a_connection_lacks(folder: Path) -> None:
    """In words: `oui` leaves the rule out there; anything else writes no rule."""
    (folder / "crm-steward.yaml").write_text(SETTINGS.format(language="fr"))
    answers = ["Notes de santé", "", "freetext", "fields", "notes", "", "", "report", ""]
    broken_off = call("rules", "new", answers="\n".join([*answers, "non"]) + "\n")
    assert isinstance(broken_off.exception, ConfigError)
    assert not (folder / "rules/own.yaml").exists()
    done = call("rules", "new", answers="\n".join([*answers, "oui"]) + "\n")

    assert done.exit_code == 0, done.output
    assert load_rules([folder / "rules/own.yaml"]).rule("notes-de-sante").if_unable == "skip"
    assert call("rules", "test", "rules/own.yaml").stdout == "2 tests réussis, 0 en échec.\n"


def test_a_rule_that_hangs_on_the_register_can_be_tested_alone(folder: Path) -> None:
    """`rules test FILE` knows the periods and the language of the settings beside it."""
    register = shipped_register().read_text().replace("id: prospects\n", "id: our-prospects\n")
    (folder / "register.yaml").write_text(register)
    settings = SETTINGS.format(language="en").replace("paths:", "register: register.yaml, paths:")
    (folder / "crm-steward.yaml").write_text(settings)
    answers = ["Kept too long", "", "retention", "our-prospects", "", "", "report", ""]
    done = call("rules", "new", answers="\n".join(answers) + "\n")

    assert done.exit_code == 0, done.output
    assert call("rules", "test", "rules/own.yaml").stdout == "2 tests passed, 0 failed.\n"


def test_new_asks_for_the_length_that_some_problems_need(folder: Path) -> None:
    """A key that only some answers need is asked for, and a wrong answer to it is asked again."""
    answers = ["Unused consents", "", "consent", "email", "unused"]
    answers += ["after", "2 moons", "after", "24 months", "", "", "report", ""]
    done = call("rules", "new", answers="\n".join(answers) + "\n")

    assert done.exit_code == 0, done.output
    rule = load_rules([folder / "rules/own.yaml"]).rule("unused-consents")
    assert str(rule.check.after) == "24 months"


@pytest.mark.usefixtures("folder")
def test_new_that_is_broken_off_writes_nothing() -> None:
    """Whoever stops half way finds no half rule."""
    done = call("rules", "new", answers="Something\n\n")

    assert done.exit_code == 1
    assert not Path("rules/own.yaml").exists()


def test_every_shipped_rule_can_be_drafted_a_test() -> None:
    """Drafted contacts are caught or not as the rule says, for a rule of each shipped pack."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for pack in ("consent-eu", "duplicates"):
        rule = load_rules([pack_path(pack)]).rules[-1]
        drafted = draft(rule, relation_of, now)
        assert drafted is not None
        assert drafted.findings
        assert drafted.spared
