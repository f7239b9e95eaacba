"""`crm-steward duplicates evaluate` on records of which somebody knows who they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from tests.unit.cli.mirrors import PEOPLE, Typed, said, save, typing

from crm_steward.model import InputError
from crm_steward.store.database import Database

TRUTH = """connection,id,person
crm,1,zoe
crm,2,zoe
other,3,zoe
crm,4,paul
crm,5,ines
crm,99,gone
crm,6,omar
"""


@pytest.fixture
def typed(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command line over the invented mirror, on both databases."""
    with Database.open(database_url) as database:
        save(database, PEOPLE)
    return typing(database_url, tmp_path, monkeypatch)


def evaluated(typed: Typed, truth: str, *arguments: str, language: str = "en") -> Result:
    """Return what the command said of a file."""
    Path("truth.csv").write_text(truth, "utf-8")
    return typed("duplicates", "evaluate", "--truth", "truth.csv", *arguments, language=language)


def test_people(typed: Typed) -> None:
    """All three of Zoë found and nobody else: everything is 1; what is unknown is named by line."""
    shown = json.loads(evaluated(typed, TRUTH, "--json").output)
    perfect = {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (shown["rule"], shown["records"]) == ("twins", 6)
    assert shown["pairs"]["all"] == shown["b_cubed"]["all"] == perfect
    assert shown["pairs"]["sure"]["recall"] in {0.0, 1.0}
    assert shown["unknown"] == [{"line": 7, "record": "crm:99"}]
    assert shown["curve"] == []
    text = said(evaluated(typed, TRUTH))
    assert "do not count: 1 line 7: crm:99" in text
    assert "pairs 1.000 1.000 1.000" in text
    french = said(evaluated(typed, TRUTH, language="fr"))
    assert "ligne 7 : crm:99" in french.replace("\xa0", " ")
    assert "précision rappel F1" in french


def test_the_rule_that_is_named_is_measured(typed: Typed) -> None:
    """One that keeps to one CRM does not find the third record: one pair of three."""
    shown = json.loads(evaluated(typed, TRUTH, "--rule", "twins-of-one-crm", "--json").output)
    assert shown["pairs"]["all"] == {"precision": 1.0, "recall": 0.3333, "f1": 0.5}
    assert "kind required, not duplicates" in said(evaluated(typed, TRUTH, "--rule", "no-phone"), 2)


def test_pairs_in_the_manner_of_a_french_spreadsheet(typed: Typed) -> None:
    """Semicolons, a mark of UTF-8, other columns; B³ is not said of pairs."""
    rows = "\ufeffleft;note;right;same\ncrm:2;x;crm:1;oui\n\ncrm:1;;crm:4;non\ncrm:5;;crm:6;oui\n"
    shown = json.loads(evaluated(typed, rows, "--json").output)
    assert shown["pairs"]["all"] == {"precision": 1.0, "recall": 0.5, "f1": 0.6667}
    assert "b_cubed" not in shown
    assert "B³ wants a file of people" in said(evaluated(typed, rows))


def test_a_threshold_curve(typed: Typed) -> None:
    """From 0.1 to 0.99, as a table with a bar: recall never grows."""
    shown = json.loads(evaluated(typed, TRUTH, "--threshold-curve", "--json").output)["curve"]
    assert [one["at_least"] for one in shown][::5] == [0.1, 0.6, 0.99]
    recalls = [one["recall"] for one in shown]
    assert recalls == sorted(recalls, reverse=True)
    assert "0.95" in said(evaluated(typed, TRUTH, "--threshold-curve"))
    assert "█" * 20 in evaluated(typed, TRUTH, "--threshold-curve").output


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        ("name,mail\nCanary,c@example.com\n", "truth.csv:1: the columns are not those"),
        ("", "truth.csv:1: the columns are not those"),
        ("connection,id,person\n", "it names no record"),
        ("connection,id,person\ncrm,,a\n", "truth.csv:2: connection, id and person are needed"),
        (
            'connection,id,person\ncrm,1,"a\nb"\ncrm,1,c\n',
            "truth.csv:4: crm:1 is another person on line 2",
        ),
        ("left,right,same\nCanary,crm:2,yes\n", "truth.csv:2: left and right are records"),
        ("left,right,same\ncrm:1,crm:2,perhaps\n", "truth.csv:2: same is yes or no"),
        ("left,right,same\ncrm:1,crm:1,yes\n", "truth.csv:2: crm:1 is on both sides"),
        (
            "left,right,same\ncrm:1,crm:2,yes\ncrm:2,crm:1,no\n",
            "truth.csv:3: crm:1 and crm:2 are said",
        ),
        ("connection,id,person\ncrm,98,a\n", "the mirror holds no record"),
        ("connection,id,person\n" + "crm,,a\n" * 12, "and 2 more"),
    ],
)
def test_what_a_file_cannot_say(typed: Typed, truth: str, words: str) -> None:
    """Each mistake with its line, and no content of the file."""
    error = evaluated(typed, truth).exception
    assert isinstance(error, InputError)
    assert words in str(error)
    assert "Canary" not in str(error)


def test_a_file_that_cannot_be_read(typed: Typed) -> None:
    """Missing, or of another encoding."""
    error = typed("duplicates", "evaluate", "--truth", "none.csv").exception
    assert isinstance(error, InputError)
    assert "none.csv" in str(error)
    Path("latin.csv").write_bytes("connection,id,person\ncrm,1,Zoë\n".encode("latin-1"))
    error = typed("duplicates", "evaluate", "--truth", "latin.csv").exception
    assert isinstance(error, InputError)
    assert "not UTF-8" in str(error)
