"""`crm-steward duplicates list`: what comes first, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.mirrors import Typed, contact, said, save, typing

from crm_steward.model import Finding, RecordRef, Severity, Stage, utc_now
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings


def group(ids: str, score: float, certainty: str = "review") -> Finding:
    """Return a finding about a group."""
    refs = tuple(RecordRef("crm", one) for one in ids)
    pair = {"left": str(refs[0]), "right": str(refs[1]), "level": "same e-mail", "score": score}
    return Finding(
        rule="twins",
        kind="duplicates",
        severity=Severity.HIGH,
        refs=refs,
        score=score,
        evidence={"certainty": certainty, "pairs": [pair, pair | {"score": 1.0}]},
    )


LARGE, SURE, CUSTOMER, ACTIVE, FORMER = (
    group("abcd", 0.6),
    group("ef", 0.999, "sure"),
    group("gh", 0.8),
    group("ij", 0.85),
    group("kl", 0.75),
)
OTHER = Finding(rule="x", kind="required", severity=Severity.LOW, refs=(RecordRef("crm", "a"),))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Give a database with five groups, of one of which a member is a customer."""
    now = utc_now()
    values: dict[str, dict[str, Any]] = {
        "h": {"stage": Stage.CUSTOMER, "last_person_act": now},
        "i": {"last_person_act": now - timedelta(days=300)},
        "k": {"last_person_act": now - timedelta(days=400), "stage": Stage.FORMER},
    }
    with Database.open(database_url) as opened:
        people = [
            contact(f"crm:{one}", one, "Ada", **values.get(one, {})) for one in "abcdefghijkl"
        ]
        save(opened, people)
        found = [LARGE, SURE, CUSTOMER, ACTIVE, FORMER, OTHER]
        Findings(opened).record({"twins": {"crm"}, "x": {"crm"}}, found, now=now)
        yield opened


@pytest.fixture
def typed(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Typed:
    """Give the command line over it."""
    del database
    return typing(database_url, tmp_path, monkeypatch)


def listed(typed: Typed, *arguments: str) -> list[dict[str, Any]]:
    """Return the documents."""
    shown: list[dict[str, Any]] = json.loads(
        typed("duplicates", "list", *arguments, "--json").output
    )
    return shown


def members(shown: list[dict[str, Any]]) -> list[str]:
    """Return the ids of each group."""
    return ["".join(ref.removeprefix("crm:") for ref in one["refs"]) for one in shown]


def test_what_is_worth_most_comes_first(typed: Typed) -> None:
    """Surplus by probability, thrice for a customer, twice for who acted within a year."""
    shown = listed(typed)
    assert [(one, row["impact"]) for one, row in zip(members(shown), shown, strict=True)] == [
        ("gh", 2.4),
        ("abcd", 1.8),
        ("ij", 1.7),
        ("ef", 1.0),
        ("kl", 0.75),
    ]
    assert (shown[0]["customer"], shown[0]["acted_lately"]) == (True, True)
    assert shown[0]["weakest"]["score"] == 0.8


def test_other_orders_and_parts(typed: Typed) -> None:
    """By probability or size; only what is sure, or only what is not; only some."""
    assert members(listed(typed, "--by", "probability")) == ["ef", "ij", "gh", "kl", "abcd"]
    assert members(listed(typed, "--by", "size", "--limit", "1")) == ["abcd"]
    assert members(listed(typed, "--sure")) == ["ef"]
    assert "ef" not in members(listed(typed, "--review"))
    assert len(listed(typed, "--review")) == 4


def test_the_table_in_both_languages(typed: Typed) -> None:
    """With the weakest link, what makes it matter, and how many are not shown."""
    text = said(typed("duplicates", "list", "--limit", "3"))
    for words in ("2.4", "g Ada crm:g", "80.0%, review", "a customer", "crm:g – crm:h", "2 more"):  # noqa: RUF001 -- from … to
        assert words in text
    assert CUSTOMER.fingerprint[:10] in text
    french = said(typed("duplicates", "list", language="fr"))
    for words in ("lien le plus faible", "un client", "actif récemment", "même e-mail"):
        assert words in french


def test_snoozed_ones_are_left_out(typed: Typed) -> None:
    """As everywhere; when nothing is left, that is said."""
    said(typed("snooze", CUSTOMER.fingerprint[:10], "--until", "2 weeks", "--reason", "A merger"))
    assert "gh" not in members(listed(typed))


def test_decided_ones_are_left_out(typed: Typed) -> None:
    """What somebody looked at is not to be looked at again, though the next scan has yet to follow."""
    said(typed("duplicates", "different", CUSTOMER.fingerprint[:10], "--reason", "Two sisters"))
    said(typed("duplicates", "same", "crm:i", "crm:j"))
    assert members(listed(typed)) == ["abcd", "ef", "kl"]


def test_what_two_rules_found_is_listed_once(typed: Typed, database: Database) -> None:
    """The surest finding speaks for it."""
    sure = replace(group("gh", 0.999, "sure"), rule="others")
    Findings(database).record({"others": {"crm"}}, [sure], now=utc_now())
    shown = listed(typed)
    assert members(shown) == ["gh", "abcd", "ij", "ef", "kl"]
    assert (shown[0]["rule"], shown[0]["certainty"]) == ("others", "sure")


def test_nothing_stands(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any scan, in both languages."""
    typed = typing(database_url, tmp_path, monkeypatch)
    assert "No group of duplicates stands" in said(typed("duplicates", "list"))
    assert "Aucun groupe de doublons" in said(typed("duplicates", "list", language="fr"))
    assert listed(typed) == []
