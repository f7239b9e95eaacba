"""Decisions: they hold until what is compared changes, or for good, and scans see those that hold."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import (
    Clock,
    Contact,
    Email,
    Phone,
    PhoneKind,
    PostalAddress,
    RecordRef,
    utc_now,
)
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decision, Decisions, State, Verdict, contradictions
from crm_steward.store.mirror import Mirror
from crm_steward.store.relation import open_relation, relation_of_rows

ONE, TWO, THREE = (RecordRef("crm", number) for number in "123")
FATHER = Contact(
    ref=ONE,
    first_name="Zoé",
    last_name="Dupré",
    emails=(Email("zoe@example.com"), Email("dupre@example.com")),
    phones=(Phone("+33142000000"), Phone("+33612345678", PhoneKind.MOBILE)),
    address=PostalAddress("3, rue de l'Église", "25000", "Besançon", None, "France"),
)
SON = replace(FATHER, ref=TWO)


def save(database: Database, clock: Clock, *contacts: Contact, gone: tuple[str, ...] = ()) -> None:
    """Let a pull of the connection `crm` bring contacts and say which are gone."""
    left = [Gone(RecordRef("crm", one), None) for one in gone]
    page = Page(cursor=Cursor("c"), contacts=list(contacts), gone=left, complete=True)
    Mirror(database).save_page("crm", "fake", page, now=clock(), full=False)


def decision(
    clock: Clock,
    left: RecordRef = ONE,
    right: RecordRef = TWO,
    verdict: Verdict = Verdict.DIFFERENT,
    *,
    lasting: bool = False,
) -> Decision:
    """Return what somebody decided."""
    return Decision(
        left=left,
        right=right,
        verdict=verdict,
        lasting=lasting,
        reason="canary: father and son",
        by="ada",
        at=clock(),
    )


@pytest.mark.parametrize(
    "changed",
    [
        replace(SON, first_name="Zoë", last_name="DUPRE"),
        replace(SON, emails=SON.emails[::-1]),
        replace(SON, phones=(Phone("01 42 00 00 00"), Phone("+33 6 12 34 56 78"))),
        replace(SON, address=replace(SON.address, city="BESANCON", street="3 rue de l'eglise")),
        replace(SON, owner="somebody else", job_title="Gérante"),
    ],
)
def test_what_is_written_otherwise_says_nothing_new(
    database: Database, clock: Clock, changed: Contact
) -> None:
    """Case, accents, spaces, the order of addresses, and fields that nobody compares."""
    save(database, clock, FATHER, SON)
    Decisions(database).decide([decision(clock)])
    save(database, clock, changed)

    assert list(Decisions(database).all().values()) == [State.HOLDS]


@pytest.mark.parametrize(
    "changed",
    [
        replace(SON, first_name="Zazie"),
        replace(SON, emails=(*SON.emails, Email("new@example.com"))),
        replace(SON, emails=SON.emails[:1]),
        replace(SON, phones=(Phone("+33142000001"),)),
        replace(SON, company="Acme"),
        replace(SON, address=replace(SON.address, postcode="25001")),
        replace(SON, address=replace(SON.address, country="Belgique")),
    ],
)
@pytest.mark.parametrize("lasting", [False, True])
def test_what_is_compared_changed(
    database: Database, clock: Clock, changed: Contact, lasting: bool
) -> None:
    """A plain decision lapses, one for good does not; back as it was, both hold."""
    save(database, clock, FATHER, SON)
    Decisions(database).decide([decision(clock, lasting=lasting)])
    save(database, clock, changed)
    after = list(Decisions(database).all().values())
    save(database, clock, SON)

    assert after == [State.HOLDS if lasting else State.LAPSED]
    assert list(Decisions(database).all().values()) == [State.HOLDS]


def test_a_record_is_gone_and_comes_back(database: Database, clock: Clock) -> None:
    """Nothing holds about what is not there."""
    save(database, clock, FATHER, SON)
    Decisions(database).decide([decision(clock, lasting=True)])
    save(database, clock, gone=("2",))
    gone = list(Decisions(database).all().values())
    save(database, clock, SON)

    assert gone == [State.GONE]
    assert list(Decisions(database).all().values()) == [State.HOLDS]


def test_deciding_again_replaces_and_forgetting_forgets(database: Database, clock: Clock) -> None:
    """One decision about two records at a time, whoever took it."""
    save(database, clock, FATHER, SON)
    decisions = Decisions(database)
    decisions.decide([decision(clock)])
    again = decision(clock, verdict=Verdict.SAME, lasting=True)
    decisions.decide([again])

    assert decisions.holding() == [again]
    assert decisions.forget([(ONE, TWO), (TWO, THREE)]) == 1
    assert decisions.holding() == []


def test_nothing_is_decided_about_records_that_nobody_knows(
    database: Database, clock: Clock
) -> None:
    """Not even about the others that were named beside one."""
    save(database, clock, FATHER, SON)
    with pytest.raises(LookupError, match=r"^crm:3$"):
        Decisions(database).decide([decision(clock), decision(clock, right=THREE)])

    assert Decisions(database).all() == {}


def test_scans_see_the_decisions_that_hold(database: Database, clock: Clock) -> None:
    """In a table beside the contacts, whichever contacts are loaded; rule tests have an empty one."""
    save(database, clock, FATHER, SON, replace(SON, ref=THREE))
    Decisions(database).decide(
        [
            decision(clock),
            decision(clock, right=THREE, verdict=Verdict.SAME, lasting=True),
            decision(clock, left=TWO, right=THREE),
        ]
    )
    save(database, clock, replace(SON, company="Acme"))
    for options in ({}, {"since": clock()}, {"columns": ["owner"], "connections": ["other"]}):
        with closing(open_relation(database, **options)) as con:  # type: ignore[arg-type] # options of a test
            assert con.table("decisions").fetchall() == [("crm", "1", "crm", "3", "same")]
    with closing(relation_of_rows([])) as con:
        assert con.table("decisions").fetchall() == []


_PAIRS = st.sets(
    st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])
)


@given(same=_PAIRS, different=_PAIRS)
def test_contradictions_are_the_pairs_that_a_chain_joins(
    same: set[tuple[int, int]], different: set[tuple[int, int]]
) -> None:
    """Compared with walking from record to record."""

    def taken(pairs: set[tuple[int, int]], verdict: Verdict) -> list[Decision]:
        refs = [tuple(RecordRef("crm", str(one)) for one in pair) for pair in sorted(pairs)]
        return [decision(utc_now, left, right, verdict, lasting=True) for left, right in refs]

    reached = {one: {one} for one in range(6)}
    for _ in range(6):
        for low, high in same:
            both = reached[low] | reached[high]
            for one in both:
                reached[one] = both
    found = contradictions([*taken(same, Verdict.SAME), *taken(different, Verdict.DIFFERENT)])

    assert {tuple(int(ref.id) for ref in one.pair) for one in found} == {
        (low, high) for low, high in different if high in reached[low]
    }
