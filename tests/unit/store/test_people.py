"""The identity map: who is one person, by the pairs that are sure, and ids that stay."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import Contact, RecordRef, utc_now
from crm_steward.store.database import Database
from crm_steward.store.linking import begin_linking, keep_pairs, linked
from crm_steward.store.mirror import Mirror
from crm_steward.store.people import People, Record, joined
from crm_steward.store.relation import open_relation, relation_of_rows


def group(names: str) -> list[Record]:
    """Return the records of a group, one connection per letter."""
    return [(f"crm-{name}", name) for name in names]


def fill(database: Database, names: str = "abcdef", gone: str = "") -> None:
    """Let the mirror hold a record for each letter."""
    for connection, one in group(names):
        left = [Gone(RecordRef(connection, one), None)] if one in gone else []
        contacts = [] if left else [Contact(ref=RecordRef(connection, one))]
        page = Page(cursor=Cursor("c"), contacts=contacts, gone=left, complete=True)
        Mirror(database).save_page(connection, "fake", page, now=utc_now(), full=False)


def save(database: Database, *groups: str) -> dict[str, str]:
    """Save groups and return the person of each, by the letters of their records."""
    people = People(database)
    foreseen = people.named([group(names) for names in groups])
    with database.write() as writing:
        people.save([group(names) for names in groups], writing, now=utc_now())
    assert people.all() == foreseen
    return {"".join(ref.id for ref in refs): one for one, refs in people.by_person().items()}


def test_a_person_keeps_the_id(database: Database) -> None:
    """Through joins, splits and departures; a new person never gets an id that somebody had."""
    fill(database)
    assert People(database).made_at() is None
    assert save(database, "ab", "cd") == {"ab": "p1", "cd": "p2"}
    assert save(database, "abe", "cd") == {"abe": "p1", "cd": "p2"}
    assert save(database, "abcde") == {"abcde": "p1"}
    assert save(database, "ab", "cde") == {"cde": "p1", "ab": "p3"}
    assert save(database, "af", "bc") == {"bc": "p1", "af": "p3"}
    assert save(database) == {}
    assert save(database, "ab") == {"ab": "p4"}
    made_at = People(database).made_at()
    assert made_at is not None
    assert made_at <= utc_now()


def test_who_is_gone_is_no_record_of_anybody(database: Database) -> None:
    """The map is not made again for that; whoever is left alone has nobody to be one with."""
    fill(database)
    save(database, "ab", "cde")
    fill(database, "ac", gone="ac")

    assert People(database).by_person() == {
        "p2": [RecordRef("crm-d", "d"), RecordRef("crm-e", "e")]
    }
    fill(database, "a")
    assert set(People(database).by_person()) == {"p1", "p2"}


def test_rules_see_people_where_they_ask_for_them(database: Database) -> None:
    """As a table beside the contacts; others do not wait for it to be read."""
    fill(database)
    save(database, "ab")
    rows = [("crm-a", "a", "p1"), ("crm-b", "b", "p1")]
    for options, expected in (({}, rows), ({"columns": ["people"]}, rows), ({"columns": []}, [])):
        with closing(open_relation(database, **options)) as con:  # type: ignore[arg-type] # options of a test
            assert con.execute("SELECT * FROM people ORDER BY ALL").fetchall() == expected
    with closing(relation_of_rows([])) as con:
        assert con.table("people").fetchall() == []


SURE, REVIEW, UNSAID = {"certainty": "sure"}, {"certainty": "review"}, dict[str, str]()


@pytest.mark.parametrize(
    ("finding", "pair", "links"),
    [
        (UNSAID, UNSAID, True),
        (SURE, UNSAID, True),
        (REVIEW, UNSAID, False),
        (REVIEW, SURE, True),
        (SURE, REVIEW, False),
        (UNSAID, REVIEW, False),
    ],
)
def test_only_what_is_sure_links(finding: Any, pair: Any, links: bool) -> None:
    """A pair speaks for itself, else its finding for it; who says nothing is sure."""
    # Ids may hold colons, names of connections do not.
    ends = {"left": "crm:a:1", "right": "other:b"}
    evidence = {
        "level": "x",
        "pairs": [{**ends, "score": 0.9, "similarity": None, **pair}],
        **finding,
    }
    with closing(relation_of_rows([])) as con:
        con.execute("INSERT INTO contacts (connection, id) VALUES ('crm', 'a:1'), ('other', 'b')")
        con.execute(
            "CREATE TABLE found AS SELECT 'twins' AS rule, $1::VARCHAR AS evidence",
            [json.dumps(evidence)],
        )
        begin_linking(con)
        keep_pairs(con, "found", ["else"])
        assert linked(con) == []
        keep_pairs(con, "found", ["twins"])
        assert linked(con) == ([[("crm", "a:1"), ("other", "b")]] if links else [])


_PAIRS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))
    .filter(lambda pair: pair[0] < pair[1])
    .map(lambda pair: tuple(group("".join(pair)))),
    max_size=8,
)


@given(pairs=_PAIRS, apart=_PAIRS)
def test_pairs_join_but_never_those_who_are_apart(
    pairs: list[tuple[Record, Record]], apart: list[tuple[Record, Record]]
) -> None:
    """Each record is in one group at most; every pair is joined unless that would join two apart."""
    groups = joined(pairs, apart)
    of = {record: place for place, one in enumerate(groups) for record in one}

    assert len(of) == sum(map(len, groups))
    assert all(len(one) > 1 for one in groups)
    assert groups == sorted(sorted(one) for one in groups)
    assert all(of.get(left, left) != of.get(right, right) for left, right in apart)
    members = {
        record: groups[of[record]] if record in of else [record]
        for pair in pairs
        for record in pair
    }
    foes = {frozenset(pair) for pair in apart}
    for left, right in pairs:
        if members[left] is not members[right]:
            both = combinations([*members[left], *members[right]], 2)
            assert any(frozenset(pair) in foes for pair in both)


class Identities(RuleBasedStateMachine):
    """Whatever becomes of groups, ids are unique, never given twice, and stay with most records."""

    def __init__(self) -> None:
        super().__init__()
        self.database = Database.open("sqlite://")
        fill(self.database)
        self.ever: set[str] = set()
        self.before: dict[str, str] = {}

    @rule(labels=st.lists(st.integers(0, 3), min_size=6, max_size=6))
    def regroup(self, labels: list[int]) -> None:
        """Save the groups of records with the same label."""
        parts = [
            "".join(n for n, one in zip("abcdef", labels, strict=True) if one == of)
            for of in range(3)
        ]
        groups = [part for part in parts if len(part) > 1]
        after = save(self.database, *groups)

        assert set(after) == set(groups)
        assert len(set(after.values())) == len(after)
        new = set(after.values()) - set(self.before.values())
        assert not new & self.ever
        for names, person in after.items():
            shared = {old: len({*names} & {*old}) for old in self.before if {*names} & {*old}}
            if person in new:
                # Each id it could have had went to somebody who shares at least as much with it.
                for old, common in shared.items():
                    heir = next(who for who, one in after.items() if one == self.before[old])
                    assert len({*heir} & {*old}) >= common
        self.ever |= set(after.values())
        self.before = after

    def teardown(self) -> None:
        self.database.close()


TestIdentities = Identities.TestCase
TestIdentities.settings = settings(max_examples=20, stateful_step_count=10, deadline=None)
