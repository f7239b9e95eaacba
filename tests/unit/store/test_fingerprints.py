"""Fingerprints worked out in DuckDB are those that the model works out, whatever the ids hold."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.model import RecordRef, fingerprint
from crm_steward.store.fingerprints import fingerprint_sql

_ODD = [
    "\\",
    '"',
    "'",
    "\r\n",
    "\t",
    "\x0b",
    "\x1f",
    "\x7f",
    "\u202e",
    "é",
    "e\u0301",
    "👩‍👧",
    ":",
    "\\u000B",
]
_TEXTS = st.lists(
    st.one_of(
        st.sampled_from(_ODD),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=8,
).map("".join)
_REFS = st.lists(st.builds(RecordRef, _TEXTS, _TEXTS), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Return an empty DuckDB."""
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


@given(rule=_TEXTS, refs=_REFS, about=_TEXTS)
def test_sql_and_model_agree(
    con: duckdb.DuckDBPyConnection, rule: str, refs: list[RecordRef], about: str
) -> None:
    """Quotes, backslashes, control characters, emoji, right-to-left: every text is the same."""
    named = [{"connection": ref.connection, "id": ref.id} for ref in refs]
    query = (
        "SELECT "
        + fingerprint_sql("rule", "refs", "about")
        + (
            " FROM (SELECT $rule::VARCHAR AS rule, $about::VARCHAR AS about, "
            "$refs::STRUCT(connection VARCHAR, id VARCHAR)[] AS refs)"
        )
    )
    ((made,),) = con.execute(query, {"rule": rule, "about": about, "refs": named}).fetchall()

    assert made == fingerprint(rule, refs, about)
