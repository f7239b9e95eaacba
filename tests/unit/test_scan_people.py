"""Scans say who is one person across connections, and checks that ask for it know it at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import (
    Channel,
    Clock,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    RecordRef,
)
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decision, Decisions, Verdict
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror
from crm_steward.store.people import People
from crm_steward.store.snoozes import Snooze, Snoozes, asleep

HEAD = "version: 1\nrules:\n"
CHECKS = """\
  - {id: jobs, about: x, check: {kind: conflict, fields: [job_title], link: person}, mode: report}
  - {id: said-no, about: x, check: {kind: consent, channel: email, problem: contradicted}, mode: report}
"""
BY_PHONE = """\
  - {id: by-phone, about: x, check: {kind: duplicates, levels: [same phone and similar name]}, mode: report}
"""
BY_EMAIL = """\
  - {id: by-email, about: x, every: month, check: {kind: duplicates, levels: [same e-mail]}, mode: report}
"""
WITHIN = """\
  - {id: within, about: x, check: {kind: duplicates, levels: [same e-mail], within: connection}, mode: report}
"""


def book(*rules: str) -> RuleBook:
    """Return the rules of `rules`."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "rules.yaml")
        path.write_text(HEAD + "".join(rules), "utf-8")
        return load_rules([path])


BOOK = book(CHECKS, BY_PHONE, BY_EMAIL)
NO = Consent(channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN)


def ada(where: str, email: str | None = None, phone: str | None = None, **held: Any) -> Contact:
    """Return a record, `connection:id`, of an invented person."""
    return Contact(
        ref=RecordRef.parse(where),
        first_name="Ada",
        last_name="Lovelace",
        emails=(Email(f"{email}@example.com"),) if email else (),
        phones=(Phone(f"+3314200000{phone}"),) if phone else (),
        **held,
    )


def pull(database: Database, clock: Clock, *contacts: Contact, gone: str | None = None) -> None:
    """Let pulls bring contacts, and say which is gone; each connection was read to the end."""
    for contact in contacts:
        name = contact.ref.connection
        page = Page(cursor=Cursor("c"), contacts=[contact], complete=True)
        Mirror(database).save_page(name, "fake", page, now=clock(), full=False)
        Mirror(database).note(name, "fake", last_full_at=clock())
    if gone is not None:
        ref = RecordRef.parse(gone)
        page = Page(cursor=Cursor("c"), contacts=[], gone=[Gone(ref, None)], complete=True)
        Mirror(database).save_page(ref.connection, "fake", page, now=clock(), full=False)


def later(clock: Clock, **amount: float) -> None:
    """Move the clock on."""
    clock.forward(**amount or {"minutes": 5})  # type: ignore[attr-defined] # the clock of the tests can be moved


def known(database: Database) -> dict[str, set[str]]:
    """Return the records of each person."""
    return {one: set(map(str, refs)) for one, refs in People(database).by_person().items()}


def found(database: Database, rule: str) -> list[set[str]]:
    """Return the records of each finding of a rule."""
    return [set(map(str, one.finding.refs)) for one in Findings(database).open(rule)]


def test_people_are_made_of_what_all_rules_found(database: Database, clock: Clock) -> None:
    """A chain over two rules is one person; the rules that come first in the file know it already."""
    pull(
        database,
        clock,
        ada("hub:1", "ada", job_title="Countess"),
        ada("zoho:1", "ada", "1"),
        ada("sales:1", None, "1", job_title="Programmer"),
        ada("sales:2", "else", "2"),
    )
    scan(database, BOOK, clock=clock)

    assert known(database) == {"p1": {"hub:1", "zoho:1", "sales:1"}}
    assert People(database).made_at() == clock()
    assert found(database, "jobs") == [{"hub:1", "sales:1"}]


def test_the_map_follows_the_records(database: Database, clock: Clock) -> None:
    """Whoever joins gets the id; who leaves or is gone loses it; a rule in one account adds nobody."""
    pull(database, clock, ada("hub:1", "ada"), ada("zoho:1", "ada"))
    scan(database, BOOK, clock=clock)
    later(clock, days=40)
    pull(database, clock, ada("hub:2", "ada"), ada("hub:3", "x"), ada("hub:4", "x"))
    scan(database, book(CHECKS, BY_EMAIL, WITHIN), clock=clock)
    joined = known(database)
    later(clock, days=40)
    pull(database, clock, ada("zoho:1", "moved"), gone="hub:3")
    scan(database, BOOK, clock=clock)

    assert joined == {"p1": {"hub:1", "hub:2", "zoho:1"}, "p2": {"hub:3", "hub:4"}}
    assert known(database) == {"p1": {"hub:1", "hub:2"}}


def test_rules_that_wait_keep_what_they_found(database: Database, clock: Clock) -> None:
    """A monthly rule links between its scans; where none is asked, the map stands as it was."""
    pull(database, clock, ada("hub:1", "ada"), ada("zoho:1", "ada", "1"), ada("sales:1", None, "1"))
    scan(database, BOOK, clock=clock)
    everybody = known(database)
    later(clock)
    pull(database, clock, ada("sales:1", None, "2", job_title="x"))
    scan(database, BOOK, clock=clock, only_due=True)
    some = known(database)
    at = clock()
    later(clock)
    pull(database, clock, ada("zoho:1", "moved", job_title="y"))
    scan(database, BOOK, clock=clock, changed=True)
    scan(database, book(CHECKS, BY_EMAIL), clock=clock, only_due=True)

    assert everybody == {"p1": {"hub:1", "zoho:1", "sales:1"}}
    assert some == known(database) == {"p1": {"hub:1", "zoho:1"}}
    assert People(database).made_at() == at


def test_where_no_rule_says_who_is_one_person_nobody_is_known(
    database: Database, clock: Clock
) -> None:
    """What a rule found goes with it; one that looks within one account does not say it."""
    pull(database, clock, ada("hub:1", "ada"), ada("zoho:1", "ada"), ada("zoho:2", "ada"))
    scan(database, BOOK, clock=clock)
    before = known(database)
    later(clock)
    scan(database, book(CHECKS, WITHIN), clock=clock)

    assert before != {}
    assert known(database) == {}


@pytest.mark.parametrize("verdict", Verdict)
def test_what_people_decided_counts_more(
    database: Database, clock: Clock, verdict: Verdict
) -> None:
    """Who is different is not linked, not even by a third; who is the same is, without any rule."""
    pull(database, clock, ada("hub:1", "ada"), ada("sales:1", None, "1"), ada("zoho:1", "ada", "1"))
    pull(database, clock, ada("zoho:9", "else"))
    left, right = RecordRef("hub", "1"), RecordRef("sales", "1")
    if verdict is Verdict.SAME:
        right = RecordRef("zoho", "9")
    Decisions(database).decide(
        [
            Decision(
                left=left,
                right=right,
                verdict=verdict,
                lasting=True,
                reason="",
                by="ada",
                at=clock(),
            )
        ]
    )
    scan(database, BOOK, clock=clock)

    together = {"hub:1", "sales:1", "zoho:1"}
    (records,) = known(database).values()
    assert (
        not records >= together
        if verdict is Verdict.DIFFERENT
        else records == together | {"zoho:9"}
    )


def test_a_refusal_follows_the_person(database: Database, clock: Clock) -> None:
    """One that names no address concerns the person's addresses in other CRMs; one that does, only that."""
    named = Consent(
        channel=Channel.EMAIL, status=ConsentStatus.OBJECTED, address="third@example.com"
    )
    pull(
        database,
        clock,
        ada("hub:1", "first", "1", consents=(NO,)),
        ada("zoho:1", "second", "1"),
        ada("hub:2", "fourth", "2", consents=(named,)),
        ada("zoho:2", "fifth", "2"),
    )
    # Nothing is known of the person before any rule said so.
    scan(database, book(CHECKS), clock=clock)
    before = found(database, "said-no")
    scan(database, BOOK, clock=clock)

    assert before == []
    assert found(database, "said-no") == [{"zoho:1"}]
    (finding,) = Findings(database).open("said-no")
    assert finding.finding.evidence["where"] == ["hub:1"]


def test_findings_and_people_are_stored_together(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the map cannot be written, nothing of the scan is."""
    pull(database, clock, ada("hub:1", "ada"), ada("zoho:1", "ada"))

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(People, "save", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            scan(database, BOOK, clock=clock)
    assert (known(database), found(database, "by-email")) == ({}, [])
    scan(database, BOOK, clock=lambda: clock() + timedelta(minutes=1))

    assert known(database) == {"p1": {"hub:1", "zoho:1"}}


def test_a_third_record_leaves_the_finding_what_it_was(database: Database, clock: Clock) -> None:
    """Snoozed by the digits it was first shown with, it stays snoozed; it stands since it first stood."""
    pull(database, clock, ada("hub:1", "ada"), ada("zoho:1", "ada"))
    only = book(BY_EMAIL.replace("every: month, ", ""))
    scan(database, only, clock=clock)
    (before,) = Findings(database).open("by-email")
    mark, since = before.finding.fingerprint, clock()
    Snoozes(database).snooze(
        [
            Snooze(
                fingerprint=mark,
                rule="by-email",
                until=clock() + timedelta(days=50),
                reason="x",
                by="ada",
                at=clock(),
            )
        ]
    )
    later(clock, days=1)
    pull(database, clock, ada("sales:1", "ada"))
    done = scan(database, only, clock=clock)
    (after,) = Findings(database).open("by-email", only=asleep(clock()))

    assert (done.new, done.standing, done.resolved) == (0, 1, 0)
    assert after.finding.fingerprint == mark
    assert set(map(str, after.finding.refs)) == {"hub:1", "sales:1", "zoho:1"}
    assert (after.first_seen_at, after.openings) == (since, 1)
