"""`segment`: every contact falls into the first segment that fits, and into no other."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crm_steward.model import FIELDS, Ability, Capability, ConfigError, Contact, RecordRef, Stage
from crm_steward.report.words import Words
from crm_steward.rules import load_rules
from crm_steward.rules.explaining import explain
from crm_steward.rules.kinds import Scope
from crm_steward.rules.kinds.segment import SegmentCheck

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.rules.conftest import Find, Load, Relation

CHECK = TypeAdapter(SegmentCheck)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def person(record: str, days: int | None, **held: Any) -> Contact:
    """Make a contact who acted so many days ago."""
    act = None if days is None else NOW - timedelta(days=days)
    return Contact(ref=RecordRef("crm", record), last_person_act=act, **held)


OLD, NEW = NOW - timedelta(days=800), NOW - timedelta(days=60)
CUSTOMER = Stage.CUSTOMER


@pytest.mark.parametrize(
    ("contact", "segment"),
    [
        (person("1", 30, stage=CUSTOMER, purchases=9), "hot"),
        (person("1", 31, stage=CUSTOMER, purchases=2, created_at=NEW), "loyal"),
        (person("1", 31, stage=CUSTOMER, purchases=1, created_at=NEW), None),
        (person("1", 90, stage=CUSTOMER, created_at=OLD), "loyal"),
        (person("1", 91, stage=CUSTOMER, created_at=OLD, purchases=9), None),
        (person("1", 31, stage=Stage.PROSPECT, created_at=OLD, purchases=9), None),
        (person("1", 365, stage=CUSTOMER), None),
        (person("1", 366), "inactive"),
        (person("1", 1003), "inactive"),
        (person("1", 1006), None),
        (person("1", None, stage=CUSTOMER, purchases=9, created_at=OLD), None),
    ],
)
def test_the_shipped_segments(find: Find, contact: Contact, segment: str | None) -> None:
    """Hot, loyal, inactive, at their borders; an unknown date belongs nowhere."""
    findings = find("check: {kind: segment}", [contact])

    assert [one.evidence["segment"] for one in findings] == ([segment] if segment else [])
    assert [one.about for one in findings] == ([segment] if segment else [])


OWN = """{kind: segment, segments: [
       {name: 😀 متجر, about: {en: Ours, fr: À nous}, when: {field: language, equals: fr}},
       {name: rest, about: The rest, when: {not: {field: extra.score, is: set}}}]%s}"""


def test_first_match_wins_and_only_limits_what_is_reported(find: Find) -> None:
    """A contact of an earlier segment does not slip into a later one that alone is reported."""
    contacts = [
        person("both", None, language="FR"),
        person("rest", None, language="de"),
        person("neither", None, extra={"score": 1}),
    ]
    every = find(f"check: {OWN % ''}", contacts)
    rest = find(f"check: {OWN % ', only: [rest]'}", contacts)

    assert [(one.refs[0].id, one.about) for one in every] == [("both", "😀 متجر"), ("rest", "rest")]
    assert [one.refs[0].id for one in rest] == ["rest"]
    assert every[0].evidence == {"segment": "😀 متجر", "about": {"en": "Ours", "fr": "À nous"}}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["", "a", "ab", "b", "😀", "\u200fمتجر", "é"]), max_size=15),
    st.lists(st.sampled_from(["a", "b", "é", "متجر", "zz"]), min_size=1, max_size=5, unique=True),
)
def test_segments_part_the_contacts(
    relation: Relation, values: list[str], parts: list[str]
) -> None:
    """Each contact is in the first segment that fits it, which counting in Python gives too."""
    contacts = [
        person(f"{number:02}", None, job_title=value) for number, value in enumerate(values)
    ]
    segments = [
        {"name": part, "about": "x", "when": {"field": "job_title", "contains": part}}
        for part in parts
    ]
    check = CHECK.validate_python({"kind": "segment", "segments": segments})
    with closing(relation(contacts)) as con:
        found = {hit.refs[0].id: hit.about for hit in check.find(Scope(con, NOW))}

    first = {
        f"{number:02}": next((part for part in parts if part in value), None)
        for number, value in enumerate(values)
    }
    assert found == {record: part for record, part in first.items() if part}


def test_the_order_counts_and_the_wording_does_not(load: Load) -> None:
    """Another order is another rule; another sentence for the report is not."""
    rule = "version: 1\nrules:\n  - {id: r, about: x, check: {kind: segment, segments: [%s]}}\n"
    a, b = (
        f"{{name: {name}, about: {about}, when: {{field: email, is: set}}}}"
        for name, about in (("a", "one"), ("b", "two"))
    )
    digests = [
        load(rule % written).rules[0].digest
        for written in (f"{a}, {b}", f"{b}, {a}", f"{a.replace('one', 'three')}, {b}")
    ]

    assert digests[0] == digests[2] != digests[1]


def test_the_shipped_segments_need_no_count_of_purchases(tmp_path: Path) -> None:
    """A CRM that counts no purchases has segments all the same; the act's date it must know."""
    path = tmp_path / "x.yaml"
    path.write_text("version: 1\nrules:\n  - {id: r, about: x, check: {kind: segment}}\n")
    fields = frozenset(FIELDS) - {"purchases"}
    can = frozenset(Capability)

    assert load_rules([path], abilities={"crm": Ability(fields=fields, can=can)}).rules
    fields -= {"last_person_act"}
    with pytest.raises(ConfigError, match="has no field 'last_person_act'"):
        load_rules([path], abilities={"crm": Ability(fields=fields, can=can)})


@pytest.mark.parametrize(
    ("check", "where", "says"),
    [
        (
            "{kind: segment, only: [hott]}",
            "3:53",
            "'hott' is not one of hot, loyal, inactive (did you mean 'hot'?)",
        ),
        ("{kind: segment, segments: []}", "3:56", "at least 1 needed"),
        (
            "{kind: segment, segments: [{name: a, about: x, when: {field: emial, is: set}}]}",
            "3:91",
            "unknown field 'emial' (did you mean 'email'?)",
        ),
        ("{kind: segment, segments: [{name: a, about: x}]}", "3:57", "'when' is missing"),
        (
            (
                "{kind: segment, segments: [{name: a, about: x, when: {field: email, is: set}}, "
                "{name: a, about: y, when: {field: email, is: set}}]}"
            ),
            "3:116",
            "the segment 'a' is already named above",
        ),
    ],
)
def test_mistakes_have_their_place(load: Load, check: str, where: str, says: str) -> None:
    """What is wrong under `check` is shown where it stands."""
    with pytest.raises(ConfigError) as caught:
        load(f"version: 1\nrules:\n  - {{id: r, about: x, check: {check}}}\n")

    (problem,) = caught.value.problems
    assert (problem.where.rpartition("mine.yaml:")[2], problem.message) == (where, says)


def test_it_says_which_and_why_not_those_before(load: Load, relation: Relation) -> None:
    """Segment by segment up to the first that fits, with the values seen."""
    (rule,) = load(
        f"version: 1\nrules:\n  - {{id: r, about: x, check: {OWN % ', only: [rest]'}}}\n"
    ).rules
    contacts = [person("rest", None), person("ours", None, language="fr")]
    with closing(relation(contacts)) as con:
        rest, ours = (explain(rule, one.ref, con, NOW) for one in contacts)

    (step,) = rest.steps
    assert (rest.caught, step.words, step.holds, step.seen) == (True, "in rest", True, "rest")
    assert [(part.words, part.holds) for part in step.parts] == [("😀 متجر", False), ("rest", True)]
    (step,) = ours.steps
    assert (ours.caught, step.holds, step.seen, len(step.parts)) == (False, False, "😀 متجر", 1)


@pytest.mark.parametrize(("language", "said"), [("en", "Ours"), ("fr", "À nous")])
def test_the_report_reads_in_both_languages(language: str, said: str) -> None:
    """The author's own words for the segment; its name where an older finding has none."""
    words = Words(language, ZoneInfo("Europe/Paris"))
    evidence = {"segment": "own", "about": {"en": "Ours", "fr": "À nous"}}

    assert SegmentCheck.say(evidence, words, 1) == said
    assert SegmentCheck.say({"segment": "own"}, words, 1) == "own"
