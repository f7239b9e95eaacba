"""`crm-steward duplicates different`, `same`, `forget`, `decisions` as a CRM manager types them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from getpass import getuser
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from crm_steward.cli.app import app
from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, Email, Finding, RecordRef, Severity, utc_now
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decisions, Verdict
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror

Typed = Callable[..., Result]
GROUP = Finding(
    rule="twins",
    kind="duplicates",
    severity=Severity.HIGH,
    refs=tuple(RecordRef("crm", number) for number in "123"),
)
SINGLE = Finding(
    rule="no-phone", kind="required", severity=Severity.LOW, refs=(RecordRef("crm", "1"),)
)


def contact(number: int, address: str = "ada@example.com") -> Contact:
    """Return an invented contact."""
    return Contact(ref=RecordRef("crm", str(number)), last_name="Ada", emails=(Email(address),))


def save(database: Database, *contacts: Contact) -> None:
    """Let a pull bring contacts."""
    page = Page(cursor=Cursor("1"), contacts=contacts, complete=True)
    Mirror(database).save_page("crm", "fake", page, now=utc_now(), full=True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give a database with four records, a group of three of them, and a finding about one."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as opened:
        save(opened, *map(contact, (1, 2, 3, 4)))
        examined = {"twins": {"crm"}, "no-phone": {"crm"}}
        Findings(opened).record(examined, [GROUP, SINGLE], now=utc_now())
        yield opened


@pytest.fixture
def typed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command line, in a folder with settings."""
    assert database.path is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, language: str = "en") -> Result:
        text = f"database: sqlite:///steward.db\nlanguage: {language}\n"
        (tmp_path / "crm-steward.yaml").write_text(text, "utf-8")
        return CliRunner().invoke(app, ["duplicates", *arguments])

    return run


def said(result: Result, code: int = 0) -> str:
    """Return what was printed, without the line breaks of boxes."""
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


def pairs(database: Database) -> list[tuple[str, str, str]]:
    """Return what holds: the ids and the verdict."""
    return [(one.left.id, one.right.id, one.verdict.value) for one in Decisions(database).holding()]


def test_two_records_are_said_to_be_different(typed: Typed, database: Database) -> None:
    """In either order; the list shows who, why and how long it holds, and later that it lapsed."""
    why = "father [bold]and son"
    assert "Pairs decided: 1" in said(typed("different", "crm:2", "crm:1", "--reason", why))
    assert pairs(database) == [("1", "2", "different")]
    listed = said(typed("decisions"))
    assert "not one person until they change" in listed
    assert f"{why} {getuser()}" in listed
    save(database, contact(2, "lovelace@example.com"))
    assert "lapsed: they changed" in said(typed("decisions"))
    assert "caduque : elles ont changé" in said(typed("decisions", language="fr"))


def test_always_holds_whatever_changes(typed: Typed, database: Database) -> None:
    """A cannot-link; and with `same`, a must-link."""
    said(typed("different", "crm:1", "crm:2", "--always", "--by", "ada"))
    said(typed("same", "crm:3", "crm:4", language="fr"))
    save(database, contact(2, "lovelace@example.com"), contact(3, "byron@example.com"))

    assert pairs(database) == [("1", "2", "different"), ("3", "4", "same")]
    assert said(typed("decisions")).count("for good") == 2
    shown = json.loads(typed("decisions", "--json").output)
    assert [(one["verdict"], one["lasting"], one["state"]) for one in shown] == [
        ("same", True, "holds"),
        ("different", True, "holds"),
    ]


def test_a_finding_stands_for_all_pairs_of_its_records(typed: Typed, database: Database) -> None:
    """As eight digits of its fingerprint; the same digits take it back."""
    mark = GROUP.fingerprint[:8]
    assert "Pairs decided: 3" in said(typed("different", mark))
    assert pairs(database) == [(*pair, "different") for pair in ("12", "13", "23")]
    assert "forgotten: 3" in said(typed("forget", mark))
    assert pairs(database) == []
    assert "Nothing had been decided" in said(typed("forget", "crm:1", "crm:2"))
    assert "Nothing has been decided" in said(typed("decisions"))


def test_what_cannot_hold_together_is_refused(typed: Typed, database: Database) -> None:
    """Two records that a chain of other decisions joins are not two people; nor the reverse."""
    said(typed("same", "crm:1", "crm:2"))
    said(typed("same", "crm:2", "crm:3"))
    assert "crm:1 and crm:3 cannot be two people" in said(typed("different", "crm:1", "crm:3"), 2)
    said(typed("different", "crm:1", "crm:4"))
    assert "crm:1 and crm:4 cannot be two people" in said(typed("same", "crm:3", "crm:4"), 2)
    said(typed("different", "crm:1", "crm:2"))  # replaced, so that nothing joins 1 and 3

    assert "Pairs decided: 1" in said(typed("different", "crm:1", "crm:3"))
    assert Verdict.SAME.value in {verdict for *_, verdict in pairs(database)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("crm:1",), "at least two different records"),
        (("crm:1", "crm:1"), "at least two different records"),
        (("crm:1", "crm:9"), "the mirror holds no record crm:9"),
        (("crm:1", ":2"), "write connection:id"),
        ((SINGLE.fingerprint,), "about one record only"),
        (("0123456789",), "there is no finding '0123456789'"),
        (("crm",), "write at least 8 digits"),
        (tuple(f"crm:{number}" for number in range(51)), "51 records are too many"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    typed: Typed, database: Database, arguments: tuple[str, ...], words: str
) -> None:
    """In one line that says why; nothing is decided."""
    assert words in said(typed("different", *arguments), 2)
    assert pairs(database) == []


def test_reasons_are_not_logged(
    typed: Typed, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """A person's own words are stored, and go nowhere else."""
    done = typed("different", "crm:1", "crm:2", "--reason", "canary", "--json")
    assert json.loads(done.output)["pairs"] == [["crm:1", "crm:2"]]
    (one,) = Decisions(database).holding()
    captured = capfd.readouterr()

    assert one.reason == "canary"
    assert "canary" not in done.output + captured.out + captured.err
