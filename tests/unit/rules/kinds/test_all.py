"""What holds for every check kind: the same mirror and rules give the same findings."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.whole import some

from crm_steward.model import (
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    Stage,
)
from crm_steward.report.words import Words
from crm_steward.rules import Duration, Period
from crm_steward.rules.kinds import KINDS, AnyCheck, Check, Hit, LeftOut, Scope

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Relation

NOW = datetime(2028, 2, 29, 12, tzinfo=UTC)
PERIODS = {
    "prospects": Period("prospects", Duration(36, "month"), "last_person_act", "archive", "CNIL")
}
_EVERYWHERE = {"within": "everywhere"}
WRITTEN: dict[str, list[dict[str, Any]]] = {
    "required": [{"fields": ["email", "extra.score"]}],
    "stale": [{"longer_than": "1 month", "clock": "last_person_act", "unknown": "report"}],
    "format": [
        {"fields": ["first_name", "last_name", "email", "phone", "mobile"]},
        {"fields": ["company", "postcode", "country", "language"], "codes": ["country"]},
        {"fields": ["email"], "only": "typos"},
    ],
    "consent": [
        {"channel": "email", "problem": "contradicted"},
        {"channel": "email", "problem": "contradicted", "purpose": "news"},
        {"channel": "phone", "problem": "unprovable"},
        {"channel": "email", "problem": "ignored"},
        {"channel": "email", "problem": "expired", "after": "1 month"},
    ],
    "freetext": [{}, {"fields": ["job_title"], "words": ["zo*", "é😀"]}],
    "condition": [{"holds": {"not": {"field": "job_title", "contains": "é"}}}],
    "unique": [{"fields": ["phone"]}, {"fields": ["last_name", "country"], **_EVERYWHERE}],
    "conflict": [
        {"fields": ["job_title", "country", "consent_email"]},
        {"fields": ["email", "job_title"], "link": "phone and name", **_EVERYWHERE},
    ],
    "segment": [
        {},
        {"segments": [{"name": "😀", "about": "x", "when": {"field": "email", "is": "set"}}]},
    ],
    "retention": [{"period": "prospects", "unknown": "report"}],
    "duplicates": [{"levels": ["same e-mail", "same phone and similar name"]}],
}
CHECKS: dict[str, Check] = {
    f"{kind}-{number}": TypeAdapter(AnyCheck).validate_python(
        {"kind": kind, **keys}, context={"periods": PERIODS}
    )
    for kind, variants in WRITTEN.items()
    for number, keys in enumerate(variants)
}

_TEXTS = st.sampled_from([None, "", " ", "x", "É", "e\u0301", "😀", "\u200fمتجر", "N/A", "ZOÉ"])
_NUMBERS = st.sampled_from(["+33199001234", "01 99 00 12 34", "+33612345678", "n/a"])
_MOMENTS = st.none() | st.sampled_from(
    [datetime(2024, 2, 29, tzinfo=UTC), datetime(2025, 2, 28, tzinfo=UTC), NOW]
    + [NOW - timedelta(days=days) for days in (20, 80, 500)]
)


@st.composite
def people(draw: st.DrawFn) -> list[Contact]:
    """Make contacts of two connections that share names, addresses and numbers."""
    return [
        Contact(
            ref=RecordRef(draw(st.sampled_from(["crm", "other"])), str(number)),
            first_name=draw(_TEXTS),
            last_name=draw(_TEXTS),
            job_title=draw(_TEXTS),
            emails=tuple(
                map(
                    Email,
                    draw(
                        st.lists(
                            st.sampled_from(["a@example.com", "A@example.com", "?"]), max_size=1
                        )
                    ),
                )
            ),
            phones=tuple(
                Phone(draw(_NUMBERS), kind)
                for kind in draw(st.sets(st.sampled_from([PhoneKind.WORK, PhoneKind.MOBILE])))
            ),
            address=PostalAddress(country=draw(st.sampled_from([None, "FR", "France", "NO", "?"]))),
            stage=draw(st.sampled_from(Stage)),
            last_person_act=draw(_MOMENTS),
            created_at=draw(_MOMENTS),
            consents=tuple(
                Consent(channel=Channel.EMAIL, status=status)
                for status in draw(st.lists(st.sampled_from(ConsentStatus), max_size=1))
            ),
            legal_hold=draw(st.sampled_from([None, True, False])),
            purchases=draw(st.sampled_from([None, 0, 2])),
            extra={"score": draw(_TEXTS)},
        )
        for number in range(draw(st.integers(5, 10)))
    ]


Found = dict[str, tuple[list[Hit], list[LeftOut]]]


def found(contacts: list[Contact], relation: Relation) -> Found:
    """Return what each check finds, and what it leaves out."""
    by_check: Found = {}
    with closing(relation(contacts)) as con:
        for name, check in CHECKS.items():
            told: list[LeftOut] = []
            by_check[name] = list(check.find(Scope(con, NOW, leave_out=told.append))), told
    return by_check


def test_every_kind_takes_part() -> None:
    """A kind that is added has to stand the tests of this module."""
    assert set(WRITTEN) == set(KINDS)


@settings(max_examples=some(8, 3), deadline=None)
@given(contacts=people(), random=st.randoms(use_true_random=False))
def test_the_same_contacts_give_the_same_findings(
    relation: Relation, contacts: list[Contact], random: Any
) -> None:
    """Run again, or with the contacts in another order, nothing changes: not even the order."""
    first = found(contacts, relation)
    random.shuffle(contacts)
    assert found(contacts, relation) == first

    for name, (hits, _) in first.items():
        check = CHECKS[name]
        assert [hit.refs for hit in hits] == sorted(hit.refs for hit in hits)
        assert len({(hit.refs, hit.about) for hit in hits}) == len(hits)
        for hit in hits:
            assert set(hit.evidence) == set(check.facts)
            assert json.loads(json.dumps(hit.evidence)) == hit.evidence
            assert check.groups == (len(hit.refs) > 1)


@settings(max_examples=some(8, 3), deadline=None)
@given(contacts=people())
def test_an_explanation_agrees_with_what_is_found(
    relation: Relation, contacts: list[Contact]
) -> None:
    """All that is asked holds for exactly the contacts that are found; again is the same."""
    with closing(relation(contacts)) as con:
        scope = Scope(con, NOW)
        for name, check in CHECKS.items():
            hits = list(check.find(scope))
            assert list(check.find(scope)) == hits
            caught = {ref for hit in hits for ref in hit.refs}
            for one in contacts:
                holds = all(step.holds for step in check.explain(scope, one.ref))
                assert holds == (one.ref in caught), name


@settings(max_examples=some(8, 3), deadline=None)
@given(contacts=people())
def test_every_finding_can_be_said_without_a_value(
    relation: Relation, contacts: list[Contact]
) -> None:
    """One line in each language, and no address, number or name of the contacts in it."""
    private = ("example.com", "99001234", "متجر", "12345678")
    spoken = [Words(language, ZoneInfo("Europe/Paris")) for language in ("en", "fr")]
    for name, (hits, _) in found(contacts, relation).items():
        for hit in hits:
            for words in spoken:
                said = CHECKS[name].say(hit.evidence, words, len(hit.refs))
                assert said
                assert "\n" not in said
                assert not any(value in said for value in private)
