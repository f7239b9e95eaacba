"""Scans of what changed find what a scan of everything would, but for what the clock alone changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import Channel, Clock, Consent, ConsentStatus, Contact, Email, RecordRef
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import NEVER_SCANNED, scan
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
RULES = """\
version: 1
rules:
  - {id: no-company, about: x, check: {kind: required, fields: [company]}, mode: report}
  - {id: idle, about: x, check: {kind: stale, clock: last_activity, longer_than: 10 days}, mode: report}
  - {id: case, about: x, check: {kind: format, fields: [first_name, last_name]}, mode: report}
  - {id: shared, about: x, check: {kind: unique, fields: [email]}, mode: report}
  - {id: said-no, about: x, check: {kind: consent, channel: email, problem: contradicted}, mode: report}
  - {id: monthly, about: x, every: month, check: {kind: required, fields: [owner]}, mode: report}
"""
ALONE = {"no-company", "idle", "case"}


def book(text: str = RULES) -> RuleBook:
    """Return the rules of `text`."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "rules.yaml")
        path.write_text(text, "utf-8")
        return load_rules([path])


BOOK = book()


def save(database: Database, at: datetime, *contacts: Contact, gone: tuple[str, ...] = ()) -> None:
    """Let a pull of the connection `crm` bring contacts and say which are gone."""
    page = Page(
        cursor=Cursor("c"),
        contacts=list(contacts),
        gone=[Gone(RecordRef("crm", one), None) for one in gone],
        complete=True,
    )
    Mirror(database).save_page("crm", "fake", page, now=at, full=False)


def whole(database: Database, at: datetime) -> None:
    """Say that the connection was read to the end."""
    Mirror(database).note("crm", "fake", last_full_at=at)


CONTACTS = st.builds(
    Contact,
    ref=st.builds(RecordRef, st.just("crm"), st.sampled_from("abcdef")),
    company=st.sampled_from([None, "Acme"]),
    first_name=st.sampled_from(["ZOÉ", "Zoé", None]),
    emails=st.sampled_from([(), (Email("a@example.com"),), (Email("b@example.com"),)]),
    last_activity=st.sampled_from([None, NOW, NOW - timedelta(days=8), NOW - timedelta(days=20)]),
    consents=st.sampled_from(
        [(), (Consent(channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN),)]
    ),
)
PULLS = st.lists(
    st.tuples(st.lists(CONTACTS, max_size=3), st.sets(st.sampled_from("abcdef"), max_size=2)),
    max_size=4,
)


@given(before=st.lists(CONTACTS, max_size=6), pulls=PULLS)
@settings(max_examples=12, deadline=None)
def test_a_scan_of_all_changes_nothing_but_what_the_clock_changed(
    before: list[Contact], pulls: list[tuple[list[Contact], set[str]]]
) -> None:
    """Whatever pulls bring or take away, in whatever order, with a day between them."""
    with Database.open("sqlite://") as database:
        save(database, NOW, *before)
        whole(database, NOW)
        scan(database, BOOK, clock=lambda: NOW)
        now, changed = NOW, set[str]()
        for contacts, gone in pulls:
            now += timedelta(days=1)
            save(database, now, *contacts, gone=tuple(gone))
            changed |= {one.ref.id for one in contacts} | gone
            scan(database, BOOK, clock=lambda: now + timedelta(seconds=1), changed=True)  # noqa: B023 -- called at once
        stood = _standing(database)
        scan(database, BOOK, clock=lambda: now + timedelta(seconds=1))
        differing = _standing(database) ^ stood

    unchanged_and_idle = {
        (rule, one) for rule, one, _ in differing if rule == "idle" and one not in changed
    }
    assert {(rule, one) for rule, one, _ in differing} == unchanged_and_idle


def _standing(database: Database) -> set[tuple[str, str, str]]:
    return {
        (one.finding.rule, one.finding.refs[0].id, str(one.finding.evidence))
        for one in Findings(database).open()
        if one.finding.rule in ALONE
    }


def test_what_cannot_be_told_from_the_changes_waits_and_is_named(
    database: Database, clock: Clock
) -> None:
    """Rules that compare contacts, run seldom, or were edited; connections never scanned."""
    save(database, clock(), Contact(ref=RecordRef("crm", "1")))
    whole(database, clock())
    clock.forward(hours=1)  # type: ignore[attr-defined] # the clock of the tests can be moved
    scan(database, BOOK, clock=clock)
    Mirror(database).note("new", "fake", last_full_at=clock())
    clock.forward(days=1)  # type: ignore[attr-defined] # the clock of the tests can be moved
    save(database, clock(), Contact(ref=RecordRef("crm", "2")))
    edited = book(RULES.replace("longer_than: 10", "longer_than: 11"))
    done = scan(database, edited, clock=clock, changed=True)

    assert done.waiting == {
        "idle": "new or edited",
        "shared": "groups",
        "said-no": "groups",
        "monthly": "every",
    }
    assert done.not_examined == {"new": NEVER_SCANNED}
    assert (done.contacts, done.by_rule) == (1, {"no-company": 1, "case": 0})


def test_nothing_changed_and_never_scanned(database: Database, clock: Clock) -> None:
    """Before the first scan of all there is nothing to compare with; after it, nothing to look at."""
    save(database, clock(), Contact(ref=RecordRef("crm", "1")))
    whole(database, clock())
    before = scan(database, BOOK, clock=clock, changed=True)
    clock.forward(days=1)  # type: ignore[attr-defined] # the clock of the tests can be moved
    scan(database, BOOK, clock=clock)
    clock.forward(days=1)  # type: ignore[attr-defined] # the clock of the tests can be moved
    after = scan(database, BOOK, clock=clock, changed=True)

    assert (before.contacts, before.new) == (0, 0)
    assert (after.contacts, after.standing, after.resolved) == (0, 0, 0)


def test_a_finding_was_last_seen_when_its_rule_last_looked(
    database: Database, clock: Clock
) -> None:
    """What stands unchanged is not written again, and says yet when it was last seen."""
    save(database, clock(), Contact(ref=RecordRef("crm", "1")))
    whole(database, clock())
    scan(database, BOOK, clock=clock)
    first = clock()
    clock.forward(days=7)  # type: ignore[attr-defined] # the clock of the tests can be moved
    scan(database, BOOK, clock=clock)
    clock.forward(days=7)  # type: ignore[attr-defined] # the clock of the tests can be moved
    scan(database, BOOK, clock=clock, changed=True)

    stored = next(Findings(database).open("no-company"))
    assert (stored.first_seen_at, stored.last_seen_at) == (first, first + timedelta(days=7))


@pytest.mark.parametrize("changed", [False, True])
def test_the_database_is_free_while_rules_are_asked(
    database: Database, clock: Clock, changed: bool
) -> None:
    """A pull that comes meanwhile is stored at once; the scan speaks of what it loaded."""
    save(database, clock(), Contact(ref=RecordRef("crm", "1")))
    whole(database, clock())
    if changed:
        scan(database, BOOK, clock=clock)

    def pull_meanwhile(_rule: str, _number: int, _total: int) -> None:
        save(database, clock(), Contact(ref=RecordRef("crm", "1"), company="Acme"))

    done = scan(database, BOOK, clock=clock, changed=changed, progress=pull_meanwhile)
    after = scan(database, BOOK, clock=clock, changed=True)

    assert done.by_rule["no-company"] == 1
    assert after.resolved == 1


def test_a_rule_that_was_taken_away_and_comes_back_waits_for_a_whole_scan(
    database: Database, clock: Clock
) -> None:
    """What it had found was resolved when it went: looking at changes would not find that again."""
    save(database, clock(), Contact(ref=RecordRef("crm", "1")))
    whole(database, clock())
    scan(database, BOOK, clock=clock)
    scan(database, book(RULES.replace("id: no-company", "id: other")), clock=clock)
    clock.forward(days=1)  # type: ignore[attr-defined] # the clock of the tests can be moved
    done = scan(database, BOOK, clock=clock, changed=True)

    assert done.waiting["no-company"] == "new or edited"


def test_what_a_rule_does_about_it_does_not_make_it_wait(database: Database, clock: Clock) -> None:
    """Another mode finds the same: what changed is looked at as before."""
    save(database, clock(), Contact(ref=RecordRef("crm", "1")))
    whole(database, clock())
    scan(database, BOOK, clock=clock)
    edited = book(RULES.replace("fields: [company]}, mode: report", "fields: [company]}"))
    done = scan(database, edited, clock=clock, changed=True)

    assert "no-company" in done.by_rule
