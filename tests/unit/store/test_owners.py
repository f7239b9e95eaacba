"""Who owns records: read in one place, whatever shape an account has."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.connect.protocol import Owner
from crm_steward.store.database import Database
from crm_steward.store.owners import known_owners, owners_of
from crm_steward.store.tables import connections

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("about", "owner"),
    [
        (
            {"name": "Claire", "email": "c@example.org", "active": False},
            Owner(id="7", name="Claire", email="c@example.org", active=False),
        ),
        ({"name": None, "email": 3}, Owner(id="7", name="")),
        ("Claire", Owner(id="7", name="Claire")),
        (None, None),
        (["Claire"], None),
    ],
)
def test_an_owner_as_it_may_be_kept(about: Any, owner: Owner | None) -> None:
    """As we write it, with parts missing, as a name alone; who is not understood is left out."""
    assert owners_of({"owners": {"7": about}}) == ({"7": owner} if owner else {})


@given(_JSON, _JSON)
def test_no_account_is_too_strange(account: Any, owners: Any) -> None:
    """Whatever a CRM or another version left there, nothing breaks on it."""
    for one in (account, {"owners": owners}, {"owners": {"1": owners}}):
        assert all(key == owner.id for key, owner in owners_of(one).items())


def test_owners_of_all_connections(database: Database) -> None:
    """By connection and id; one that was never checked has none."""
    rows = [
        {"connection": name, "kind": "fake", "account": account}
        for name, account in (
            ("b", {"owners": {"7": "Noah"}}),
            ("a", {"owners": {"7": "C"}}),
            ("c", None),
        )
    ]
    with database.write() as writing:
        writing.execute(sa.insert(connections), rows)
    with database.read() as reading:
        known = known_owners(reading)
    assert [(*key, owner.name) for key, owner in known.items()] == [
        ("a", "7", "C"),
        ("b", "7", "Noah"),
    ]
