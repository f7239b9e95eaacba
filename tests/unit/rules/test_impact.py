"""The impact of an edit: what it says is the difference between two runs, no more and no less."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_steward.model import Contact, Email, PostalAddress, RecordRef, Stage
from crm_steward.rules import RuleBook, load_rules
from crm_steward.rules.impact import impact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb
    from tests.unit.rules.conftest import Relation

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PEOPLE = [
    Contact(
        ref=RecordRef("crm" if number % 3 else "shop", str(number)),
        first_name="ZOÉ" if number % 2 else "Zoé",
        emails=(Email(f"zoe{number % 5}@example.com"),) if number % 4 else (),
        address=PostalAddress(country="FR" if number % 2 else None),
        stage=Stage.CUSTOMER if number % 3 else Stage.PROSPECT,
        last_activity=NOW - timedelta(days=100 * number) if number % 5 else None,
    )
    for number in range(12)
]
CHECKS = [
    "check: {kind: stale, longer_than: 12 months}",
    "check: {kind: stale, longer_than: 18 months, unknown: report}",
    "check: {kind: required, fields: [email]}",
    "check: {kind: required, fields: [email, country]}",
    "check: {kind: format, fields: [first_name]}",
    "check: {kind: unique, fields: [email], within: everywhere}",
    "check: {kind: conflict, fields: [country, stage]}",
]
PARTS = [
    "",
    "where: {field: stage, equals: customer}, ",
    "where: {not: {field: country, equals: FR}}, ",
    "connections: [shop], ",
    "except: ['crm:1', 'shop:3'], ",
    "severity: high, ",
]
RULE = st.tuples(
    st.sampled_from(["Some", "Other"]), st.sampled_from(PARTS), st.sampled_from(CHECKS)
)
BOOK = st.dictionaries(st.sampled_from("abc"), RULE, max_size=3)


@pytest.fixture(scope="module")
def mirror(relation: Relation) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give the table of a dozen contacts in two connections."""
    with closing(relation(PEOPLE)) as con:
        yield con


def book(rules: Mapping[str, tuple[str, str, str]]) -> RuleBook:
    """Return the rules, read from a file as a manager would write them."""
    lines = [
        f"  - {{id: {name}, about: {about}, {part}{check}}}\n"
        for name, (about, part, check) in rules.items()
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.yaml"
        path.write_text(f"version: 1\nrules:{'' if lines else ' []'}\n{''.join(lines)}", "utf-8")
        return load_rules([path])


def found(rules: RuleBook, con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Return what a whole scan with these rules would find: rule and fingerprint of each."""
    return {(rule.id, one.fingerprint) for rule in rules.rules for one in rule.find(con, NOW)}


@settings(max_examples=25, deadline=None)
@given(old=BOOK, new=BOOK)
def test_impact_is_the_difference_of_two_scans(
    mirror: duckdb.DuckDBPyConnection,
    old: dict[str, tuple[str, str, str]],
    new: dict[str, tuple[str, str, str]],
) -> None:
    """Gained and lost are the two differences of sets; rules it leaves out find what they did."""
    before, after = book(old), book(new)
    impacts = impact(before, after, mirror, NOW)
    was, will = found(before, mirror), found(after, mirror)

    assert {(one.rule, each.fingerprint) for one in impacts for each in one.gained} == will - was
    assert {(one.rule, each.fingerprint) for one in impacts for each in one.lost} == was - will
    assert {one.rule for one in impacts} == {
        name for name in {*old, *new} if old.get(name, ())[1:] != new.get(name, ())[1:]
    }
    assert {one.rule: one.edit for one in impacts if one.edit != "edited"} == {
        **dict.fromkeys(new.keys() - old.keys(), "added"),
        **dict.fromkeys(old.keys() - new.keys(), "removed"),
    }
