"""What tests of rules share: a rule file written down, and contacts as the mirror holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from crm_steward.model import FIELDS, Ability, Capability, Contact, Finding
from crm_steward.rules import RuleBook, load_rules
from crm_steward.store.relation import relation_of_rows
from crm_steward.store.rows import content_of, row_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

_EVERYTHING = Ability(
    fields=frozenset({*FIELDS, "extra.score", "extra.vip"}), can=frozenset(Capability)
)
HOLDS = dict.fromkeys(("test", "crm", "other"), _EVERYTHING)

Load = Callable[[str], RuleBook]
Find = Callable[[str, Sequence[Contact]], list[Finding]]


Relation = Callable[[Sequence[Contact]], duckdb.DuckDBPyConnection]


def _relation(contacts: Sequence[Contact]) -> duckdb.DuckDBPyConnection:
    return relation_of_rows([row_of(one, *content_of(one), country=None) for one in contacts])


@pytest.fixture(scope="session")
def relation() -> Relation:
    """Give a function that makes the table `contacts` the way the mirror does."""
    return _relation


@pytest.fixture(scope="session")
def now() -> datetime:
    """Give the moment the tests take place."""
    return NOW


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Give a function that loads rules from text; custom fields `score` and `vip` are mapped."""

    def load_text(text: str) -> RuleBook:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return load_rules([path], abilities=HOLDS)

    return load_text


@pytest.fixture
def find(load: Load) -> Find:
    """Give a function that runs one rule, given in flow style, over a few contacts."""

    def find_all(rule: str, contacts: Sequence[Contact]) -> list[Finding]:
        book = load(f"version: 1\nrules:\n  - {{id: rule, about: A rule, {rule}}}\n")
        with closing(_relation(contacts)) as con:
            return list(book.rules[0].find(con, NOW))

    return find_all
