"""`conflict`: different values of one person, however the records are ordered or written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crm_steward.model import (
    Channel,
    ConfigError,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
)
from crm_steward.rules import LeftOut
from crm_steward.rules.explaining import explain
from crm_steward.rules.kinds import Hit, Scope
from crm_steward.rules.kinds.base import MAX_SHARED
from crm_steward.rules.kinds.conflict import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from tests.unit.rules.conftest import Find, Load, Relation

CHECK = TypeAdapter(Conflict)


def person(where: str, email: str | None = "zoe@example.com", **held: Any) -> Contact:
    """Make a record, `connection:id`, of somebody with an e-mail."""
    emails = (Email(email),) if email else ()
    return Contact(ref=RecordRef.parse(where), emails=emails, **held)


def hits(
    check: dict[str, Any], contacts: list[Contact], relation: Relation, now: datetime
) -> list[Hit]:
    """Return what a check finds."""
    with closing(relation(contacts)) as con:
        return list(CHECK.validate_python({"kind": "conflict", **check}).find(Scope(con, now)))


def test_each_field_that_differs_is_a_finding(find: Find) -> None:
    """Field, connections and the number of values are told; the values are not."""
    contacts = [
        person("crm:1", job_title="Buyer", company="Acme", language="fr"),
        person("other:1", "ZOE@example.com", job_title="Seller", company="Other", language="FR"),
        person("test:1", job_title="Buyer", company=" "),
        person("crm:2", "else@example.com", job_title="Cook"),
        person("other:2", None, job_title="Cook"),
    ]
    findings = find("check: {kind: conflict, fields: [job_title, company, language]}", contacts)

    assert [(one.about, [str(ref) for ref in one.refs]) for one in findings] == [
        ("company", ["crm:1", "other:1"]),
        ("job_title", ["crm:1", "other:1", "test:1"]),
    ]
    assert [dict(one.evidence) for one in findings] == [
        {"field": "company", "connections": ["crm", "other"], "values": 2},
        {"field": "job_title", "connections": ["crm", "other", "test"], "values": 2},
    ]


SAME = [
    ("phone", {"phones": (Phone("+33 1 99 00 12 34"),)}, {"phones": (Phone("0033199001234"),)}),
    (
        "country",
        {"address": PostalAddress(country="France")},
        {"address": PostalAddress(country="FR")},
    ),
    ("first_name", {"first_name": "ZOÉ"}, {"first_name": "Zoe"}),
    ("job_title", {"job_title": "Directrice générale"}, {"job_title": "DIRECTRICE GENERALE "}),
    ("job_title", {"job_title": "é"}, {"job_title": "e\u0301"}),
    ("job_title", {"job_title": "😀"}, {"job_title": None}),
    ("extra.score", {"extra": {"score": 12}}, {"extra": {"score": "12"}}),
    ("extra.score", {"extra": {"score": ""}}, {"extra": {"score": "12"}}),
    ("last_name", {"last_name": "متجر"}, {"last_name": " متجر"}),
]
DIFFERENT = [
    ("phone", {"phones": (Phone("+33199001234"),)}, {"phones": (Phone("+33199001235"),)}),
    (
        "country",
        {"address": PostalAddress(country="France")},
        {"address": PostalAddress(country="BE")},
    ),
    ("last_name", {"last_name": "متجر"}, {"last_name": "سوق"}),
    ("job_title", {"job_title": "😀"}, {"job_title": "😁"}),
    ("extra.score", {"extra": {"score": 12}}, {"extra": {"score": 13}}),
]


@pytest.mark.parametrize(
    ("field", "one", "other", "found"),
    [*((*case, False) for case in SAME), *((*case, True) for case in DIFFERENT)],
)
def test_values_compare_by_what_they_mean(
    find: Find, field: str, one: dict[str, Any], other: dict[str, Any], found: bool
) -> None:
    """Two notations are no conflict, an empty value contradicts nothing, a difference does."""
    contacts = [person("crm:1", **one), person("other:1", **other)]
    findings = find(f"check: {{kind: conflict, fields: [{field}]}}", contacts)

    assert [finding.about for finding in findings] == ([field] if found else [])


def consenting(where: str, status: ConsentStatus | None) -> Contact:
    """Make a record with what it says about e-mail."""
    said = () if status is None else (Consent(channel=Channel.EMAIL, status=status),)
    return person(where, consents=said)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (ConsentStatus.GRANTED, ConsentStatus.WITHDRAWN, True),
        (ConsentStatus.OBJECTED, ConsentStatus.WITHDRAWN, True),
        (ConsentStatus.GRANTED, ConsentStatus.GRANTED, False),
        (ConsentStatus.GRANTED, ConsentStatus.NONE, False),
        (ConsentStatus.GRANTED, ConsentStatus.UNKNOWN, False),
        (ConsentStatus.GRANTED, None, False),
    ],
)
def test_consents_conflict_only_when_both_say_something(
    find: Find, one: ConsentStatus, other: ConsentStatus | None, found: bool
) -> None:
    """Of which nothing is known does not contradict."""
    contacts = [consenting("crm:1", one), consenting("other:1", other)]

    assert bool(find("check: {kind: conflict, fields: [consent_email]}", contacts)) is found


def test_one_account_counts_only_where_asked(find: Find) -> None:
    """Two records of one account are duplicates first; `everywhere` compares them too."""
    contacts = [person("crm:1", language="fr"), person("crm:2", language="de")]

    assert find("check: {kind: conflict, fields: [language]}", contacts) == []
    (finding,) = find("check: {kind: conflict, fields: [language], within: everywhere}", contacts)
    assert finding.evidence == {"field": "language", "connections": ["crm"], "values": 2}


def test_a_mailbox_of_a_function_links_nobody(find: Find) -> None:
    """info@ is read by many."""
    contacts = [
        person(where, "info@example.com", language=language)
        for where, language in (("crm:1", "fr"), ("other:1", "de"))
    ]

    assert find("check: {kind: conflict, fields: [language], within: everywhere}", contacts) == []


def test_phone_and_name_link_over_several_numbers(find: Find) -> None:
    """Records that share a number and a name are one person, through a third if need be."""

    def called(where: str, name: str, language: str, *numbers: Phone) -> Contact:
        return person(where, None, last_name=name, language=language, phones=numbers)

    land, mobile = Phone("+33199001234"), Phone("+33612345678", PhoneKind.MOBILE)
    contacts = [
        called("crm:1", "Martin", "fr", land),
        called("other:1", "MARTIN", "fr", land, mobile),
        called("test:1", "Martin", "de", Phone("+33612345678")),
        called("test:2", "Dupont", "it", land),
        called("test:3", "", "es", land),
    ]
    (finding,) = find("check: {kind: conflict, fields: [language], link: phone and name}", contacts)

    assert [str(ref) for ref in finding.refs] == ["crm:1", "other:1", "test:1"]
    assert finding.evidence["values"] == 2


_NUMBERS = st.none() | st.sampled_from([f"+336123456{last}" for last in range(70, 76)])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["Martin", "Élan"]), _NUMBERS, _NUMBERS), max_size=12))
def test_people_are_what_numbers_hold_together(
    relation: Relation, now: datetime, rows: list[tuple[str, str | None, str | None]]
) -> None:
    """Over whatever chain of numbers: the same people as following the chains in Python."""
    contacts: list[Contact] = []
    people: list[tuple[set[tuple[str, str]], set[RecordRef]]] = []
    for number, (name, phone, mobile) in enumerate(rows):
        phones = [Phone(phone)] if phone else []
        phones += [Phone(mobile, PhoneKind.MOBILE)] if mobile else []
        one = person(
            f"crm:{number}", None, last_name=name, language=f"x{number}", phones=tuple(phones)
        )
        contacts.append(one)
        links = {(name, each.number) for each in phones}
        mine = [other for other in people if other[0] & links]
        people = [other for other in people if other not in mine]
        people.append(
            (
                links.union(*(other[0] for other in mine)),
                {one.ref}.union(*(other[1] for other in mine)),
            )
        )
    wanted = {tuple(sorted(refs)) for _, refs in people if len(refs) > 1}
    check = {"fields": ["language"], "link": "phone and name", "within": "everywhere"}

    assert {hit.refs for hit in hits(check, contacts, relation, now)} == wanted


def test_a_placeholder_links_nobody_and_is_counted(
    load: Load, relation: Relation, now: datetime
) -> None:
    """What very many share is said, by its size alone."""
    (rule,) = load(
        "version: 1\nrules:\n  - {id: r, about: x, check: {kind: conflict, fields: [language]}}\n"
    ).rules
    crowd = [person(f"crm:{n}", language=str(n)) for n in range(MAX_SHARED)]
    told: list[LeftOut] = []
    with closing(relation([*crowd, person("other:1", language="x")])) as con:
        assert list(rule.find(con, now, leave_out=told.append)) == []

    assert told == [LeftOut("same email: 201 contacts share one value", 201)]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["crm", "other", "test"]),
        st.sampled_from([None, "a@example.com", "A@example.com", "b@example.com"]),
        st.sampled_from([None, "", "fr", "FR", "😀", "\u200fمتجر", "é", "e"]),
        st.sampled_from([None, "x", "y"]),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(["connections", "everywhere"]), st.randoms(use_true_random=False))
def test_conflicts_are_those_that_pairs_give(
    relation: Relation, now: datetime, rows: list[tuple[Any, ...]], within: str, random: Any
) -> None:
    """A group is found exactly when two of its records contradict, whichever comes first."""
    contacts = [
        person(f"{connection}:{number}", email, language=language, job_title=job)
        for number, (connection, email, language, job) in enumerate(rows)
    ]
    wanted = set()
    for field in ("language", "job_title"):
        for key in ("a@example.com", "b@example.com"):
            members = [
                (one.ref, _plain(getattr(one, field)))
                for one in contacts
                if one.emails
                and one.emails[0].address.lower() == key
                and _plain(getattr(one, field))
            ]
            contradicted = any(
                mine != yours and (within == "everywhere" or ref.connection != other.connection)
                for ref, mine in members
                for other, yours in members
            )
            if contradicted:
                wanted.add((field, tuple(sorted(ref for ref, _ in members))))
    check = {"fields": ["language", "job_title"], "within": within}
    found = hits(check, contacts, relation, now)
    random.shuffle(contacts)

    assert {(hit.about, hit.refs) for hit in found} == wanted
    assert len(found) == len(wanted)
    assert hits(check, contacts, relation, now) == found


def _plain(value: str | None) -> str:
    return (value or "").lower().replace("é", "e")


def test_it_says_who_holds_what(load: Load, relation: Relation, now: datetime) -> None:
    """The other records of the person, and field by field what each holds."""
    (rule,) = load(
        "version: 1\nrules:\n"
        "  - {id: r, about: x, check: {kind: conflict, fields: [language, job_title]}}\n"
    ).rules
    contacts = [
        person("crm:1", language="fr", job_title="Buyer"),
        person("other:1", language="DE"),
        person("crm:2", None),
    ]
    with closing(relation(contacts)) as con:
        caught, alone = (explain(rule, contacts[n].ref, con, now) for n in (0, 2))

    linked, fields = caught.steps
    assert (caught.caught, linked.words, linked.seen) == (True, "same email as others", 1)
    language, job = fields.parts
    assert (language.words, language.holds, language.seen) == ("language differs", True, "fr")
    assert [(part.words, part.holds, part.seen) for part in language.parts] == [
        ("other:1 differs", True, "DE")
    ]
    assert (job.holds, job.seen) == (False, "Buyer")
    assert [(step.holds, step.seen) for step in alone.steps] == [(False, 0)]


@pytest.mark.parametrize(
    ("check", "where", "says"),
    [
        ("{kind: conflict}", "3:30", "'fields' is missing"),
        (
            "{kind: conflict, fields: [jobtitle]}",
            "3:56",
            "unknown field 'jobtitle' (did you mean 'job_title'?)",
        ),
        (
            "{kind: conflict, fields: [email], link: phone}",
            "3:70",
            "'phone' is not one of email, phone and name",
        ),
    ],
)
def test_mistakes_have_their_place(load: Load, check: str, where: str, says: str) -> None:
    """What is wrong under `check` is shown where it stands."""
    with pytest.raises(ConfigError) as caught:
        load(f"version: 1\nrules:\n  - {{id: r, about: x, check: {check}}}\n")

    (problem,) = caught.value.problems
    assert problem.where.rpartition("mine.yaml:")[2] == where
    assert problem.message.startswith(says)
