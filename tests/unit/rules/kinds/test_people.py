"""What checks make of the identity map: conflicts of one person, and refusals that follow people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crm_steward.model import (
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    PhoneKind,
    RecordRef,
    binding_consent,
)
from crm_steward.model.consent import GENERAL
from crm_steward.rules.consents import REFUSED
from crm_steward.rules.explaining import explain
from crm_steward.rules.kinds import AnyCheck, Hit, Scope
from crm_steward.rules.sql import Statement
from crm_steward.rules.standing import standings
from crm_steward.store.relation import set_people

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Load, Relation

CHECK: TypeAdapter[Any] = TypeAdapter(AnyCheck)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Known = Mapping[str, str]
"""Record, as connection:id → person."""


def record(where: str, *addresses: str, **held: Any) -> Contact:
    """Make a record, `connection:id`, with e-mail addresses."""
    emails = tuple(Email(f"{one}@example.com") for one in addresses)
    return Contact(ref=RecordRef.parse(where), emails=emails, **held)


def said(status: ConsentStatus, channel: Channel = Channel.EMAIL, **more: Any) -> Consent:
    """Make a consent."""
    return Consent(channel=channel, status=status, **more)


NO, YES = said(ConsentStatus.WITHDRAWN), said(ConsentStatus.GRANTED)


def hits(
    relation: Relation, contacts: Sequence[Contact], known: Known, **check: Any
) -> dict[tuple[str, ...], Hit]:
    """Return what a check finds, by the records, when these people are known."""
    with closing(relation(contacts)) as con:
        set_people(con, _keys(known))
        found = list(CHECK.validate_python(check).find(Scope(con, NOW)))
    return {tuple(map(str, one.refs)): one for one in found}


def _keys(known: Known) -> dict[tuple[str, str], str]:
    return {
        (ref.connection, ref.id): person
        for one, person in known.items()
        for ref in [RecordRef.parse(one)]
    }


def test_the_records_of_a_person_contradict_each_other(relation: Relation) -> None:
    """Whatever else links them or does not; those of nobody known are left alone."""
    contacts = [
        record("crm:1", "a", job_title="Buyer"),
        record("other:1", "b", job_title="Seller"),
        record("crm:2", "c", job_title="Buyer"),
        record("other:2", "c", job_title="Seller"),
    ]
    known = {"crm:1": "p1", "other:1": "p1"}
    check = {"kind": "conflict", "fields": ["job_title"], "link": "person"}

    assert set(hits(relation, contacts, known, **check)) == {("crm:1", "other:1")}
    assert hits(relation, contacts, {}, **check) == {}


def test_why_a_person_contradicts_is_explained(relation: Relation, load: Load) -> None:
    """The others are named, and what they hold."""
    text = "version: 1\nrules:\n  - {id: r, about: A, check: {kind: conflict, fields: [owner], link: person}}\n"
    (rule,) = load(text).rules
    contacts = [record("crm:1", owner="ada"), record("other:1", owner="bob"), record("crm:2")]
    with closing(relation(contacts)) as con:
        set_people(con, _keys({"crm:1": "p1", "other:1": "p1"}))
        caught, free = (explain(rule, RecordRef("crm", one), con, NOW) for one in "12")

    assert (caught.caught, free.caught) == (True, False)
    assert [step.words for step in free.steps] == ["same person as others"]


@pytest.mark.parametrize(
    ("channel", "key"), [(Channel.EMAIL, "email"), (Channel.SMS, "sms"), (Channel.PHONE, "phone")]
)
def test_a_refusal_that_names_no_address_is_the_persons(
    relation: Relation, channel: Channel, key: str
) -> None:
    """It concerns the addresses of all their records, even where it stands beside none."""
    mobiles = [(Phone(f"+336123456{n}", PhoneKind.MOBILE),) for n in (10, 20)]
    contacts = [
        record("crm:1", consents=(said(ConsentStatus.WITHDRAWN, channel),)),
        record("other:1", "b", phones=mobiles[0]),
        record("other:2", "c", phones=mobiles[1]),
    ]
    known = {"crm:1": "p1", "other:1": "p1", "other:2": "p2"}
    check = {"kind": "consent", "channel": key, "problem": "contradicted"}
    found = hits(relation, contacts, known, **check)

    assert set(found) == {("other:1",)}
    evidence = found["other:1",].evidence
    assert (evidence["where"], evidence["others"], evidence["addresses"]) == (["crm:1"], 1, [1])


@pytest.mark.parametrize(
    "consent",
    [
        said(ConsentStatus.WITHDRAWN, address="a@example.com"),
        said(ConsentStatus.WITHDRAWN, channel=Channel.POST),
        said(ConsentStatus.HARD_BOUNCE),
        said(ConsentStatus.UNKNOWN),
        YES,
    ],
)
def test_nothing_else_passes_from_address_to_address(relation: Relation, consent: Consent) -> None:
    """Neither a refusal of one address or channel, nor a bounce, nor an agreement."""
    contacts = [record("crm:1", "a", consents=(consent,)), record("other:1", "b")]
    known = {"crm:1": "p1", "other:1": "p1"}

    assert (
        hits(relation, contacts, known, kind="consent", channel="email", problem="contradicted")
        == {}
    )


def test_a_mailbox_of_a_function_is_nobodys_own(relation: Relation) -> None:
    """Whoever refuses does not silence the colleagues of another record of theirs."""
    contacts = [
        record("crm:1", "a", consents=(NO,)),
        record("other:1", "b", "info"),
        record("other:2", "info"),
    ]
    known = {"crm:1": "p1", "other:1": "p1"}
    found = hits(relation, contacts, known, kind="consent", channel="email", problem="contradicted")

    assert set(found) == {("other:1",)}


def test_what_holds_for_a_record_counts_the_persons_refusals(relation: Relation) -> None:
    """`crm-steward consents` says what the check says."""
    contacts = [record("crm:1", "a", consents=(NO,)), record("other:1", "b", consents=(YES,))]
    with closing(relation(contacts)) as con:
        before = list(standings(con, Statement(NOW), RecordRef("other", "1")))
        set_people(con, _keys({"crm:1": "p1", "other:1": "p1"}))
        (after,) = standings(con, Statement(NOW), RecordRef("other", "1"))
        (disagree,) = standings(con, Statement(NOW))

    assert [one.status for one in before] == ["granted"]
    assert (after.address, after.status) == ("b@example.com", "withdrawn")
    assert (after.decided, after.others) == ((RecordRef("crm", "1"),), (RecordRef("other", "1"),))
    assert disagree == after


_CONSENTS = st.lists(
    st.builds(
        Consent,
        channel=st.sampled_from([Channel.EMAIL, Channel.PHONE]),
        status=st.sampled_from(ConsentStatus),
        purpose=st.sampled_from([GENERAL, "news", "events"]),
        address=st.sampled_from(["", "", "a@example.com", "b@example.com"]),
    ),
    max_size=3,
)
_RECORDS = st.lists(
    st.tuples(st.sampled_from("abc"), _CONSENTS, st.sampled_from(["p1", "p2", None])),
    min_size=2,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(_RECORDS)
def test_whoever_is_known_is_only_ever_more_restricted(
    relation: Relation, drawn: list[tuple[str, list[Consent], str | None]]
) -> None:
    """As the rule says it, record by record; and nobody is free who was not free without the map."""
    contacts = [
        record(f"crm-{n}:1", address, consents=tuple(consents))
        for n, (address, consents, _) in enumerate(drawn)
    ]
    known = {
        str(one.ref): person for one, (*_, person) in zip(contacts, drawn, strict=True) if person
    }
    check = {"kind": "consent", "channel": "email", "problem": "contradicted"}
    found = {one for (one,) in hits(relation, contacts, known, **check)}
    without = {one for (one,) in hits(relation, contacts, {}, **check)}

    assert without <= found
    assert found == {str(one.ref) for one in contacts if _contradicted(one, contacts, known)}


def _contradicted(one: Contact, contacts: Sequence[Contact], known: Known) -> bool:
    """Say by the words of the rule whether a record may be written to, and others say no."""
    address = one.emails[0].address
    people = {
        known[str(other.ref)]
        for other in contacts
        if str(other.ref) in known and other.emails[0].address == address
    }
    about = [
        (other.ref, consent)
        for other in contacts
        for consent in other.consents
        if consent.channel is Channel.EMAIL
        and (
            (consent.address or other.emails[0].address) == address
            or (
                not consent.address
                and consent.status in REFUSED
                and known.get(str(other.ref)) in people
            )
        )
    ]
    own = binding_consent(one.consents, Channel.EMAIL)
    binding = binding_consent([consent for _, consent in about], Channel.EMAIL)
    if binding is None or binding.status not in REFUSED or (own and own.status in REFUSED):
        return False
    general = any(consent.purpose == GENERAL for _, consent in about)
    return any(
        ref != one.ref and consent.status in REFUSED and (not general or consent.purpose == GENERAL)
        for ref, consent in about
    )
