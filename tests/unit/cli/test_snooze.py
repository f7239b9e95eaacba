"""snooze, wake and findings as a CRM manager types them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from getpass import getuser
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, Finding, RecordRef, Severity, utc_now
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror
from crm_steward.store.snoozes import Snooze, Snoozes

Typed = Callable[..., Result]
WHY = ("--reason", "canary [bold]merger[/bold]")


def finding(number: int, rule: str = "no-phone") -> Finding:
    """Return an invented finding."""
    refs = (RecordRef("crm", str(number)),)
    evidence = {"missing": ["phone"]}
    return Finding(rule=rule, kind="required", severity=Severity.HIGH, refs=refs, evidence=evidence)


FOUND = [finding(1), finding(2), finding(3), finding(1, "no-mail")]
MARKS = [one.fingerprint for one in FOUND]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a database with four findings about three people."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as opened:
        people = [Contact(ref=RecordRef("crm", str(n)), full_name=f"Ada {n}") for n in (1, 2, 3)]
        page = Page(cursor=Cursor("1"), contacts=tuple(people), complete=True)
        Mirror(opened).save_page("crm", "fake", page, now=utc_now(), full=True)
        examined = {"no-phone": {"crm"}, "no-mail": {"crm"}}
        Findings(opened).record(examined, FOUND, now=utc_now())
        yield opened


@pytest.fixture
def typed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command line, in a folder with settings."""
    assert database.path is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, language: str = "en") -> Result:
        text = f"database: sqlite:///steward.db\nlanguage: {language}\ntimezone: Europe/Paris\n"
        (tmp_path / "crm-steward.yaml").write_text(text, "utf-8")
        return CliRunner().invoke(app, arguments)

    return run


def said(result: Result, code: int = 0) -> str:
    """Return what was printed, without the line breaks of boxes."""
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


def test_one_finding_is_snoozed_at_once_and_hidden(typed: Typed, database: Database) -> None:
    """By the digits that the list shows; the list counts it, --snoozed shows date and reason."""
    mark = MARKS[0][:10]
    assert mark in said(typed("findings"))
    done = said(typed("snooze", mark, "--until", "6 weeks", *WHY))
    (snooze,) = Snoozes(database).all().values()
    day = f"{snooze.until.astimezone():%Y-%m}"

    assert done.startswith(f"1 snoozed until {day}")
    assert f"crm-steward wake {mark}" in done
    assert (snooze.fingerprint, snooze.by, snooze.reason) == (MARKS[0], getuser(), WHY[1])
    listed = said(typed("findings"))
    assert mark not in listed
    assert "1 snoozed; --snoozed shows them" in listed
    assert "snoozed;" not in said(typed("findings", "--rule", "no-mail"))
    hidden = said(typed("findings", "--snoozed"))
    assert all(part in hidden for part in (mark, day, WHY[1], "Ada 1"))
    assert MARKS[1][:10] not in hidden


def test_several_are_listed_first_and_snoozed_with_yes(typed: Typed, database: Database) -> None:
    """Without --yes nothing happens; a record narrows a rule down."""
    rule = ("snooze", "--rule", "no-phone", "--until", "3 months", *WHY)
    listed = said(typed(*rule))
    assert "Nothing was snoozed. --yes snoozes these 3 until" in listed
    assert all(mark[:10] in listed for mark in MARKS[:3])
    assert Snoozes(database).all() == {}

    assert "1 snoozed until" in said(typed(*rule, "--ref", "crm:2", "--by", "Dana"))
    assert {one.by for one in Snoozes(database).all().values()} == {"Dana"}
    assert "3 snoozed until" in said(typed(*rule, "--yes"))
    assert set(Snoozes(database).all()) == set(MARKS[:3])


def test_a_rule_does_not_shorten_what_was_said_of_one(typed: Typed, database: Database) -> None:
    """A whole rule leaves longer snoozes alone, and says so; a fingerprint replaces them."""
    typed("snooze", MARKS[0][:8], "--until", "1 year", *WHY)
    long = Snoozes(database).all()[MARKS[0]]
    rule = ("snooze", "--rule", "no-phone", "--until", "1 week", "--reason", "short", "--yes")
    assert "1 snoozed for longer already" in said(typed(*rule))
    assert Snoozes(database).all()[MARKS[0]] == long

    said(typed("snooze", MARKS[0], "--until", "1 week", "--reason", "short"))
    assert Snoozes(database).all()[MARKS[0]].until < long.until


def test_list_and_wake(typed: Typed, database: Database) -> None:
    """The list holds what slept, ended or was resolved; wake forgets it."""
    assert said(typed("snooze", "--list")) == "Nothing is snoozed."
    said(typed("snooze", MARKS[0], MARKS[1], "--until", "1 week", *WHY, "--yes"))
    past = utc_now() - timedelta(days=9)
    ended = Snooze(
        fingerprint=MARKS[2], rule="no-phone", until=past + timedelta(days=1), reason="it was",
        by="lee", at=past,
    )  # fmt: skip
    Snoozes(database).snooze([ended])
    Findings(database).record({"no-phone": {"crm"}}, [FOUND[0], FOUND[2]], now=utc_now())

    listed = said(typed("snooze", "--list"))
    for part in (*(mark[:10] for mark in MARKS[:3]), WHY[1], "ended", "lee", "(resolved)"):
        assert part in listed, part
    assert "2 awake again." in said(typed("wake", MARKS[0][:8], MARKS[2][:8], MARKS[0]))
    assert set(Snoozes(database).all()) == {MARKS[1]}
    assert MARKS[0][:10] in said(typed("findings"))


def test_for_programs(typed: Typed) -> None:
    """Each command prints one document with --json."""

    def document(*arguments: str) -> Any:
        return json.loads(typed(*arguments, "--json").stdout)

    dry = document("snooze", "--rule", "no-phone", "--until", "1 week", *WHY)
    assert (dry["snoozed"], sorted(dry["fingerprints"])) == (False, sorted(MARKS[:3]))
    done = document("snooze", MARKS[3], "--until", "1 week", *WHY)
    assert (done["snoozed"], done["fingerprints"]) == (True, [MARKS[3]])
    (one,) = document("snooze", "--list")
    assert (one["fingerprint"], one["until"], one["active"]) == (MARKS[3], done["until"], True)
    assert (one["refs"], one["state"], one["reason"]) == (["crm:1"], "open", WHY[1])
    assert {one["fingerprint"] for one in document("findings")} == set(MARKS[:3])
    (hidden,) = document("findings", "--snoozed")
    assert (hidden["snoozed_until"], hidden["reason"]) == (done["until"], WHY[1])
    assert document("wake", MARKS[3][:8]) == {"woken": [MARKS[3]]}


def test_in_french(typed: Typed) -> None:
    """What a manager reads is in the settings' language."""
    done = typed("snooze", MARKS[0], MARKS[1], "--until", "1 week", *WHY, language="fr")
    assert "Rien n'a été mis en sommeil" in said(done)
    done = typed("snooze", MARKS[0], "--until", "1 week", *WHY, language="fr")
    assert "1 en sommeil jusqu'au" in said(done)
    assert "1 en sommeil ; --snoozed les montre" in said(typed("findings", language="fr"))
    assert "motif" in said(typed("snooze", "--list", language="fr"))
    assert "à nouveau en éveil" in said(typed("wake", MARKS[0], language="fr"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("0" * 8,), "there is no finding '00000000'"),
        (("abc",), "at least 8 digits"),
        (("--rule", "no-fone"), "did you mean 'no-phone'?"),
        (("--rule", "no-phone", "--ref", "crm:9"), "about crm:9 stands"),
        (("--rule", "no-phone", "--ref", "nine"), "write connection:id"),
        (("--list", "--rule", "no-phone"), "it goes alone"),
        ((), "and not both"),
    ],
)
def test_what_cannot_be_snoozed_is_a_usage_error(
    typed: Typed, database: Database, arguments: tuple[str, ...], says: str
) -> None:
    """One clear sentence, exit code 2, nothing written."""
    refused = said(typed("snooze", *arguments, "--until", "1 week", *WHY), code=2)

    assert says in refused
    assert Snoozes(database).all() == {}


def test_only_what_sleeps_can_be_woken(typed: Typed) -> None:
    """A finding that is awake is named as such."""
    assert "there is no snoozed finding" in said(typed("wake", MARKS[0][:8]), code=2)


def test_a_reason_is_never_logged(typed: Typed, caplog: pytest.LogCaptureFixture) -> None:
    """Its words may hold anything: they reach the terminal when asked for, and nothing else."""
    done = typed("snooze", MARKS[0], "--until", "1 week", *WHY)

    assert "canary" not in done.output + caplog.text
    assert "canary" not in typed("findings").output


def test_a_user_without_a_name_is_a_number(
    typed: Typed, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may run as a user that the system has no name for."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 12345)
    said(typed("snooze", MARKS[0][:10], "--until", "6 weeks", *WHY))
    (snooze,) = Snoozes(database).all().values()

    assert snooze.by == "user 12345"
