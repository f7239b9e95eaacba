"""Weights are learned from a base without labels: towards its truth, and the same each time."""

from __future__ import annotations

from datetime import date
from hashlib import blake2b

import duckdb
import pytest

from crm_steward.matching import SHIPPED, Weights
from crm_steward.matching.comparing import COMPARISONS
from crm_steward.matching.training import TooFewPairsError, changes, train
from crm_steward.matching.worth import worths
from crm_steward.store.relation import relation_of_rows

TODAY = date(2026, 11, 16)


def name(number: int) -> str:
    """Return an invented name that resembles no other."""
    return blake2b(b"%d" % number, digest_size=5).hexdigest().translate(LETTERS)


LETTERS = str.maketrans("0123456789", "ghiklmnopr")


def base(people: int) -> duckdb.DuckDBPyConnection:
    """Return people who are there twice; of every fourth, the second record has another phone."""
    rows = []
    for person in range(people):
        first, last = name(person % 60), name(1000 + person)
        for copy in (0, 1):
            other = copy and person % 4 == 0
            rows.append(
                {
                    "connection": "crm",
                    "id": f"{person}-{copy}",
                    "first_name_key": first,
                    "last_name_key": last,
                    "name_key": f"{first} {last}",
                    "email_key": f"{first}.{last}@gmail.com",
                    "phone_key": f"+33{'6' if other else '7'}{person:08}",
                }
            )
    return relation_of_rows(rows)


@pytest.fixture(scope="module")
def learned() -> Weights:
    """Give what is learned from 1,500 people."""
    with base(1500) as con:
        return train(con, TODAY)


def test_shares_become_those_of_the_base(learned: Weights) -> None:
    """Three phones of four are the same here; what this base does not show stays as shipped."""
    assert learned.same["phone"]["same"] == pytest.approx(0.75, abs=0.01)
    assert learned.same["first name"]["same"] > 0.99
    assert learned.same["birth date"] == SHIPPED.same["birth date"]
    assert learned.source == "learned from 3000 contacts on 2026-11-16"
    assert learned.version != SHIPPED.version


def test_families_and_colleagues_stay(learned: Weights) -> None:
    """Only how many families there are is learned of them; who changed companies stays too."""
    assert learned.family == SHIPPED.family
    assert learned.colleagues == SHIPPED.colleagues
    for name in ("swapped names", "e-mail, other company", "place, other company"):
        assert learned.same[name] == SHIPPED.same[name]
    assert learned.family_odds < SHIPPED.family_odds
    # Each has one other record that is the same person: 3000² / 2 pairs to 1500.
    assert learned.strangers_odds == pytest.approx(1, abs=0.05)


def test_shares_are_shares(learned: Weights) -> None:
    """Of what was learned, each comparison's sum to one, and none is zero."""
    for one in COMPARISONS:
        shares = learned.same[one.name]
        assert set(shares) == set(one.levels.values())
        assert min(shares.values()) > 0
        if shares != SHIPPED.same[one.name]:
            assert sum(shares.values()) == pytest.approx(1, abs=0.001)


def test_the_same_base_teaches_the_same(learned: Weights) -> None:
    """To the last digit, whatever the order of its rows."""
    with base(1500) as con:
        con.execute("CREATE TABLE turned AS SELECT * FROM contacts ORDER BY email_key DESC")
        con.execute("DROP TABLE contacts")
        con.execute("ALTER TABLE turned RENAME TO contacts")
        assert train(con, TODAY) == learned
    assert Weights.from_json(learned.to_json()) == learned


def test_what_changed_most_comes_first(learned: Weights) -> None:
    """By how much a level weighs otherwise and how often it is seen."""
    comparison, level, before, after = changes(SHIPPED, learned)[0]
    assert after != before
    assert (comparison, level) in {
        (one.name, level) for one in COMPARISONS for level in one.levels.values()
    }


def test_too_few_to_learn_from() -> None:
    """Says how many there are."""
    with base(100) as con, pytest.raises(TooFewPairsError) as raised:
        train(con, TODAY)
    assert 80 <= raised.value.pairs <= 120
    with base(0) as con, pytest.raises(TooFewPairsError):
        train(con, TODAY)


def test_rare_values_are_worth_more() -> None:
    """Never less than common ones, at any level; what differs is worth less than what agrees."""
    with base(200) as con:
        found = worths(con, SHIPPED)
    assert len(found) == sum(len(one.levels) for one in COMPARISONS)
    assert all(one.rare >= one.typical - 0.001 for one in found)
    bits = {(one.comparison, one.level): one.typical for one in found}
    assert bits["place", "same address"] > 0  # though nobody here has one
    assert bits["e-mail", "same"] > 0 > bits["last name", "other"]
    assert worths(base(0), SHIPPED)
