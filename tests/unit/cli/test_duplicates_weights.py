"""`crm-steward duplicates train` and `weights`: what evidence weighs in this base."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.mirrors import PEOPLE, Typed, contact, said, save, typing

from crm_steward.matching import SHIPPED, training
from crm_steward.model import InputError
from crm_steward.store.database import Database
from crm_steward.store.learned import Learned

RULES = """
version: 1
rules:
  - id: learned-twins
    about: {en: One person twice, fr: Une personne deux fois}
    check: {kind: duplicates, weights: learned}
  - id: shipped-twins
    about: {en: One person twice, fr: Une personne deux fois}
    check: {kind: duplicates}
"""


@pytest.fixture
def typed(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Give the command line over sixty people who are there twice; that is enough to learn from."""
    monkeypatch.setattr(training, "ENOUGH", 40)
    twins = [
        contact(
            f"{crm}:{n}",
            "Zoë",
            f"Quill{'abcdefghij'[n // 10] * 2}er{n % 10 * 'o'}n",
            f"q{n}x@acme.example",
        )
        for n in range(60)
        for crm in ("crm", "other")
    ]
    with Database.open(database_url) as database:
        save(database, twins)
    return typing(database_url, tmp_path, monkeypatch, RULES)


def test_what_is_learned_is_used(typed: Typed, database_url: str) -> None:
    """By rules that ask for it, and by them alone; it is kept with its version."""
    before = json.loads(typed("duplicates", "weights", "--json").output)
    assert (before["rule"], before["version"]) == ("learned-twins", SHIPPED.version)
    shown = json.loads(typed("duplicates", "train", "--json").output)
    assert shown["source"].startswith("learned from 120 contacts on ")
    assert set(shown["changes"][0]) == {"comparison", "level", "shipped", "learned"}
    after = json.loads(typed("duplicates", "weights", "--json").output)
    assert after["version"] == shown["version"] != before["version"]
    other = json.loads(typed("duplicates", "weights", "--rule", "shipped-twins", "--json").output)
    assert other["version"] == SHIPPED.version
    with Database.open(database_url) as database:
        newest = Learned(database).newest()
    assert newest is not None
    assert (newest.version, newest.contacts) == (shown["version"], 120)


def test_both_languages(typed: Typed) -> None:
    """What changed most, and what each level is worth."""
    text = said(typed("duplicates", "train"))
    assert "changed most seen shipped learned" in text
    assert "Learned and kept as" in text
    assert "`weights: learned`" in text
    french = said(typed("duplicates", "train", language="fr"))
    assert "Appris et conservé" in french
    text = said(typed("duplicates", "weights"))
    assert "one person a family bits if rare bits if common" in text
    assert "learned from 120 contacts" in text
    assert "diminutif ou autre graphie" in said(typed("duplicates", "weights", language="fr"))


def test_too_few_to_learn_from(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is said in one line; nothing is kept."""
    with Database.open(database_url) as database:
        save(database, PEOPLE)
        error = typing(database_url, tmp_path, monkeypatch)("duplicates", "train").exception
        assert isinstance(error, InputError)
        assert "too few duplicates to learn from" in str(error)
        assert "1000 that are needed" in str(error)
        assert Learned(database).newest() is None
