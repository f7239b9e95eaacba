"""`unique`: groups by shared values, as counting by hand gives them."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crm_steward.model import ConfigError, Contact, Email, Phone, RecordRef
from crm_steward.rules import LeftOut
from crm_steward.rules.explaining import explain
from crm_steward.rules.kinds import Scope
from crm_steward.rules.kinds.base import MAX_SHARED
from crm_steward.rules.kinds.unique import Unique

if TYPE_CHECKING:
    from datetime import datetime

    from tests.unit.rules.conftest import Find, Load, Relation

CHECK = TypeAdapter(Unique)


def numbered(record: str, number: object, connection: str = "crm") -> Contact:
    """Make a contact with a customer number."""
    return Contact(ref=RecordRef(connection, record), extra={"score": number})


def test_a_value_shared_is_a_group_of_all_who_share_it(find: Find) -> None:
    """Case and spaces make no difference, emptiness is never shared, numbers compare as text."""
    contacts = [
        numbered("1", "A-7"),
        numbered("2", " a-7 "),
        numbered("3", "A-8"),
        numbered("4", None),
        numbered("5", " "),
        numbered("6", ""),
        numbered("7", 12),
        numbered("8", "12"),
        numbered("9", "A-7", "other"),
    ]
    findings = find("check: {kind: unique, fields: [extra.score]}", contacts)

    assert [[ref.id for ref in one.refs] for one in findings] == [["1", "2"], ["7", "8"]]
    assert [dict(one.evidence) for one in findings] == [
        {"fields": ["extra.score"], "members": 2}
    ] * 2


def test_everywhere_looks_across_connections(find: Find) -> None:
    """The same number in two accounts is a group only where the author asks for it."""
    contacts = [numbered("1", "7"), numbered("1", "7", "other")]

    assert find("check: {kind: unique, fields: [extra.score]}", contacts) == []
    (finding,) = find("check: {kind: unique, fields: [extra.score], within: everywhere}", contacts)
    assert [str(ref) for ref in finding.refs] == ["crm:1", "other:1"]


def test_addresses_and_numbers_compare_by_what_they_reach(find: Find) -> None:
    """An e-mail in capitals and a phone in two notations are the same; unreadable ones are none."""
    contacts = [
        Contact(
            ref=RecordRef("crm", "1"),
            emails=(Email("ZOE@example.com"),),
            phones=(Phone("+33 1 99 00 12 34"),),
        ),
        Contact(
            ref=RecordRef("crm", "2"),
            emails=(Email("zoe@Example.com"),),
            phones=(Phone("0033 199001234"),),
        ),
        *(
            Contact(ref=RecordRef("crm", name), emails=(Email("n/a"),), phones=(Phone("n/a"),))
            for name in ("3", "4")
        ),
    ]
    for field in ("email", "phone"):
        (finding,) = find(f"check: {{kind: unique, fields: [{field}]}}", contacts)
        assert [ref.id for ref in finding.refs] == ["1", "2"]


def test_several_fields_count_together(find: Find) -> None:
    """Name and city: both must be the same, and both must be there."""
    contacts = [
        Contact(ref=RecordRef("crm", record), last_name=name, job_title=job)
        for record, name, job in (
            ("1", "Élodie", "😀 متجر"),
            ("2", "ELODIE", "😀 متجر"),
            ("3", "Elodie", "other"),
            ("4", "Elodie", None),
            ("5", "Elodie", None),
        )
    ]
    (finding,) = find("check: {kind: unique, fields: [last_name, job_title]}", contacts)

    assert [ref.id for ref in finding.refs] == ["1", "2"]


@pytest.fixture
def crowd() -> list[Contact]:
    """Give one contact more than a value may have, who all share it, and a pair."""
    shared = [numbered(f"{number:04}", "0000") for number in range(MAX_SHARED + 1)]
    return [*shared, numbered("a", "1"), numbered("b", "1")]


def test_a_placeholder_is_left_out_and_counted(
    load: Load, relation: Relation, now: datetime, crowd: list[Contact]
) -> None:
    """A value of very many is no group; how many is said, and never the value."""
    (rule,) = load(
        "version: 1\nrules:\n  - {id: r, about: x, check: {kind: unique, fields: [extra.score]}}\n"
    ).rules
    told: list[LeftOut] = []
    with closing(relation(crowd)) as con:
        found = list(rule.find(con, now, leave_out=told.append))
        pair, lost = (explain(rule, RecordRef("crm", name), con, now) for name in ("a", "0007"))

    assert [[ref.id for ref in one.refs] for one in found] == [["a", "b"]]
    assert told == [LeftOut("same extra.score: 201 contacts share one value", 201)]
    assert [(step.words, step.holds, step.seen) for step in pair.steps] == [
        ("extra.score set", True, "1"),
        ("extra.score shared", True, 2),
    ]
    assert [(step.words, step.holds) for step in lost.steps][-1] == ("by no more than 200", False)
    assert (pair.caught, lost.caught) == (True, False)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["crm", "other"]),
            st.sampled_from([None, "", " ", "x", "X ", "é", "e\u0301", "😀", "\u200fمتجر", "0", 0]),
            st.sampled_from([None, "fr", "FR", "en"]),
        ),
        max_size=25,
    ),
    st.sampled_from(["connection", "everywhere"]),
    st.booleans(),
)
def test_the_groups_are_those_that_counting_gives(
    relation: Relation,
    now: datetime,
    rows: list[tuple[str, object, str | None]],
    within: str,
    both: bool,
) -> None:
    """The same groups as a dictionary of the values in Python, whatever they hold."""
    contacts = [
        Contact(ref=RecordRef(connection, str(number)), extra={"score": value}, language=language)
        for number, (connection, value, language) in enumerate(rows)
    ]
    by_hand: defaultdict[tuple[str | None, ...], list[RecordRef]] = defaultdict(list)
    for contact in contacts:
        values = (_text(contact.extra["score"]), _text(contact.language) if both else "x")
        if None not in values:
            place = contact.ref.connection if within == "connection" else ""
            by_hand[(place, *values)].append(contact.ref)
    wanted = sorted(tuple(sorted(refs)) for refs in by_hand.values() if len(refs) > 1)

    fields = ["extra.score", "language"] if both else ["extra.score"]
    check = CHECK.validate_python({"kind": "unique", "fields": fields, "within": within})
    with closing(relation(contacts)) as con:
        found = [hit.refs for hit in check.find(Scope(con, now))]

    assert found == wanted


def _text(value: object) -> str | None:
    plain = str(value).strip().lower().replace("e\u0301", "é") if value is not None else ""
    return plain or None


@pytest.mark.parametrize(
    ("check", "where", "says"),
    [
        ("{kind: unique}", "3:30", "'fields' is missing"),
        ("{kind: unique, fields: []}", "3:53", "at least 1 needed"),
        (
            "{kind: unique, fields: [emial]}",
            "3:54",
            "unknown field 'emial' (did you mean 'email'?)",
        ),
        (
            "{kind: unique, fields: [email], within: conection}",
            "3:70",
            "'conection' is not one of connection, everywhere (did you mean 'connection'?)",
        ),
    ],
)
def test_mistakes_have_their_place(load: Load, check: str, where: str, says: str) -> None:
    """What is wrong under `check` is shown where it stands."""
    with pytest.raises(ConfigError) as caught:
        load(f"version: 1\nrules:\n  - {{id: r, about: x, check: {check}}}\n")

    (problem,) = caught.value.problems
    assert (problem.where.partition(":")[2], problem.message) == (where, says)
