"""`crm-steward duplicates explain`: why two records are taken for one person, or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.mirrors import PEOPLE, Typed, contact, said, save, typing

from crm_steward.matching.comparing import COMPARISONS
from crm_steward.model import InputError
from crm_steward.report.comparisons import comparison, seen
from crm_steward.store.database import Database


@pytest.fixture
def typed(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command line over the invented mirror, on both databases."""
    with Database.open(database_url) as database:
        save(database, PEOPLE)
    return typing(database_url, tmp_path, monkeypatch)


def explained(typed: Typed, *arguments: str) -> Any:
    """Return the document about a pair."""
    result = typed("duplicates", "explain", *arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.output)


def test_a_pair_that_is_found(typed: Typed) -> None:
    """Each comparison with its level, what it adds, how rare it is; all adds up to the bits."""
    shown = explained(typed, "crm:2", "crm:1")
    by_name = {one["comparison"]: one for one in shown["comparisons"]}
    assert shown["records"] == ["crm:2", "crm:1"]
    assert (shown["found"], shown["verdict"], shown["rule"]) == (True, "found", "twins")
    assert shown["probability"] > 0.99
    assert by_name["last name"]["level"] == "misspelt"
    assert by_name["e-mail"]["level"] == "same, named after the person"
    assert by_name["e-mail"]["one_in"] > 1000
    assert by_name["phone"]["bits"] > 0
    assert shown["levels"][0] == "same e-mail and similar name"
    bits = shown["prior"] + shown["others"] + sum(one["bits"] for one in shown["comparisons"])
    assert bits == pytest.approx(shown["bits"], abs=0.1)


def test_the_waterfall_in_both_languages(typed: Typed) -> None:
    """The values side by side, a step per comparison, the verdict in words."""
    text = said(typed("duplicates", "explain", "crm:1", "crm:2"))
    for words in (
        "Quillfeather Quilfeather",
        "misspelt",
        "1 in ",
        "together, against",
        "One person: 99",
        "[twins]",
    ):
        assert words in text
    result = typed("duplicates", "explain", "crm:1", "crm:2", language="fr")
    text = said(result).replace("\xa0", " ").replace("\u202f", " ")
    for words in (
        "à une faute près",
        "1 sur ",
        "en tout, contre",
        "même e-mail et",
        "Trouvées, dans un groupe de 3",
    ):
        assert words in text


def test_a_family_is_told_apart(typed: Typed) -> None:
    """One name and one phone, another first name: it is against a family that the pair is weighed."""
    shown = explained(typed, "crm:1", "crm:4")
    assert (shown["against"], shown["found"], shown["verdict"]) == ("family", False, "below")
    first = next(one for one in shown["comparisons"] if one["comparison"] == "first name")
    assert first["level"] == "other"
    assert first["bits"] < -4
    assert "two of a family" in said(typed("duplicates", "explain", "crm:1", "crm:4"))


def test_records_that_nothing_leads_to(typed: Typed) -> None:
    """Are compared all the same, and it is said that a scan does not."""
    assert explained(typed, "crm:1", "other:7")["verdict"] == "not compared"
    apart = explained(typed, "crm:1", "other:3", "--rule", "twins-of-one-crm")
    assert (apart["verdict"], apart["found"]) == ("apart", False)
    assert "phone" in {one["comparison"] for one in apart["comparisons"]}


def test_what_a_person_decided_counts(typed: Typed) -> None:
    """The evidence is what it was; the verdict is theirs, and who said so is shown."""
    said(typed("duplicates", "different", "crm:1", "crm:2", "--reason", "Sisters", "--by", "ada"))
    shown = explained(typed, "crm:1", "crm:2")
    assert (shown["found"], shown["decision"]["verdict"]) == (False, "different")
    assert shown["probability"] > 0.99
    text = said(typed("duplicates", "explain", "crm:1", "crm:2"))
    assert "ada said on" in text
    assert "not one person: Sisters." in text
    assert "other records of the group contradict" not in text
    said(typed("duplicates", "same", "crm:5", "crm:6"))
    assert explained(typed, "crm:5", "crm:6")["found"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("crm:1", "crm:1"), "two different records"),
        (("crm:1", "2"), "write connection:id"),
        (("crm:1", "crm:4", "--rule", "no-phone"), "not duplicates"),
    ],
)
def test_what_cannot_be_meant(typed: Typed, arguments: tuple[str, ...], words: str) -> None:
    """Is refused in one line."""
    assert words in said(typed("duplicates", "explain", *arguments), 2)


def test_records_that_are_not_looked_at(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Because the mirror does not hold them, or because the rule leaves them out."""
    rules = """
version: 1
rules:
  - id: elsewhere
    about: Twins elsewhere
    connections: [crm]
    check: {kind: duplicates}
"""
    with Database.open(database_url) as database:
        save(database, [contact("crm:1", "Zoë", "A"), contact("other:3", "Zoë", "A")])
    typed = typing(database_url, tmp_path, monkeypatch, rules)
    unknown = typed("duplicates", "explain", "crm:1", "crm:9").exception
    assert isinstance(unknown, InputError)
    assert "no live contact crm:9" in str(unknown)
    left_out = typed("duplicates", "explain", "crm:1", "other:3").exception
    assert isinstance(left_out, InputError)
    assert "'elsewhere' does not look at other:3" in str(left_out)


def test_values_are_not_logged(typed: Typed, capfd: pytest.CaptureFixture[str]) -> None:
    """They are on the terminal of whoever asks, in no log and in no document."""
    shown = typed("duplicates", "explain", "crm:1", "crm:2", "--json").output
    captured = capfd.readouterr()
    assert "uil" not in shown + captured.err + captured.out


def test_everything_has_a_french_name() -> None:
    """Each comparison and each level of it."""
    for one in COMPARISONS:
        assert comparison(one.name, "fr") != one.name or one.name == "e-mail"
        for level in one.levels.values():
            assert seen(level, "fr") != level
