"""What a scan of changes finds among duplicates is what a whole search would find, with names as common as before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.matching import Wanted, explain_weakest, matched, write_found
from crm_steward.model import Contact, Email, Phone, PostalAddress, RecordRef
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decision, Decisions, Verdict
from crm_steward.store.findings import Findings
from crm_steward.store.keyindex import KeyIndex
from crm_steward.store.mirror import Mirror
from crm_steward.store.relation import open_relation

START = datetime(2026, 11, 16, 9, tzinfo=UTC)
LEVELS = ("same e-mail and similar name", "same phone and similar name")
RULES = """\
version: 1
rules:
  - id: twice
    about: x
    check: {{kind: duplicates, levels: [{levels}], at_least: 0.5, within: {within}}}
    mode: report
    every: scan
"""


def book(within: str) -> RuleBook:
    """Return a rule that finds duplicates at each scan."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "rules.yaml")
        path.write_text(RULES.format(levels=", ".join(LEVELS), within=within), "utf-8")
        return load_rules([path])


BOOKS = {within: book(within) for within in ("everywhere", "connection")}

# Few values, so that many contacts share them: blocks of four streets and six birthdays overflow.
REFS = st.builds(
    RecordRef, st.sampled_from(["crm", "erp"]), st.sampled_from([str(n) for n in range(9)])
)
CONTACTS = st.builds(
    Contact,
    ref=REFS,
    first_name=st.sampled_from(["Zoé", "Zoe", "Paul", "Pau", None]),
    last_name=st.sampled_from(["Kowalczyk", "Kowalczik", "Martin", None]),
    company=st.sampled_from([None, "Acme SAS", "Umbrella GmbH"]),
    emails=st.sampled_from(
        [(), *((Email(f"{a}@example.com"),) for a in ("zoe.martin", "info", "paul.kow"))]
    ),
    phones=st.sampled_from([(), *((Phone(f"+331424242{n}"),) for n in ("41", "42"))]),
    birth_date=st.sampled_from([None, None, datetime(1980, 3, 4, tzinfo=UTC)]),
    address=st.sampled_from(
        [PostalAddress(), PostalAddress(street="12 rue de la Paix", postcode="75002", city="Paris")]
    ),
)
DECISIONS = st.tuples(REFS, REFS, st.sampled_from(Verdict)).filter(lambda one: one[0] != one[1])
STEPS = st.lists(
    st.tuples(
        st.lists(CONTACTS, max_size=4),
        st.sets(REFS, max_size=2),
        st.lists(DECISIONS, max_size=1),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


def pull(database: Database, at: datetime, contacts: list[Contact], gone: set[RecordRef]) -> None:
    """Let both connections bring contacts, and say which are gone."""
    for name in ("crm", "erp"):
        here = {one.ref: one for one in contacts if one.ref.connection == name}
        away = [Gone(ref, None) for ref in sorted(gone) if ref.connection == name]
        page = Page(cursor=Cursor("c"), contacts=[*here.values()], gone=away, complete=True)
        Mirror(database).save_page(name, "fake", page, now=at, full=False)
        Mirror(database).note(name, "fake", last_full_at=at)


def decide(
    database: Database, at: datetime, left: RecordRef, right: RecordRef, verdict: Verdict
) -> None:
    """Let somebody decide about two records."""
    left, right = sorted((left, right))
    taken = Decision(
        left=left, right=right, verdict=verdict, lasting=True, reason="", by="x", at=at
    )
    with suppress(LookupError):  # one of them is not there
        Decisions(database).decide([taken])


Step = tuple[list[Contact], set[RecordRef], list[tuple[RecordRef, RecordRef, Verdict]], bool]
"""What is pulled, what is gone, what is decided, and whether everything is scanned."""
Groups = dict[tuple[str, ...], tuple[object, ...]]


def standing(database: Database) -> Groups:
    """Return the groups that stand, each with what is said of it."""
    return {
        tuple(str(ref) for ref in one.finding.refs): (
            round(one.finding.score or 0, 3),
            _said(one.finding.evidence),
        )
        for one in Findings(database).open()
    }


def searched(database: Database, within: str) -> Groups:
    """Return what a search of everything finds, with names as common as at the last whole scan."""
    wanted = Wanted(levels=LEVELS, within="connection" if within == "connection" else "everywhere")
    counts = KeyIndex(database, "twice", "").counts()
    with closing(open_relation(database)) as con, matched(con, wanted, counts=counts) as work:
        write_found(work, "found", sure_from=wanted.sure_from)
        explain_weakest(work, "found", wanted)
        rows = con.execute("SELECT refs, score, evidence FROM found").fetchall()
    return {
        tuple(f"{ref['connection']}:{ref['id']}" for ref in refs): (
            round(score, 3),
            _said(json.loads(evidence)),
        )
        for refs, score, evidence in rows
    }


def _said(evidence: object) -> str:
    return json.dumps(evidence, sort_keys=True)


def _same(now: datetime) -> datetime:
    return now


def scans(within: str, base: list[Contact], steps: list[Step]) -> Iterator[tuple[Groups, Groups]]:
    """Yield what stands after each scan, beside what a search of everything finds."""
    database = Database.open("sqlite://")
    now = START
    pull(database, now, base, set())
    scan(database, BOOKS[within], clock=partial(_same, now))
    yield standing(database), searched(database, within)
    for contacts, gone, decisions, whole in steps:
        now += timedelta(minutes=7)
        pull(database, now, contacts, gone)
        for one in decisions:
            decide(database, now, *one)
        now += timedelta(minutes=1)
        counts = scan(database, BOOKS[within], clock=partial(_same, now), changed=not whole)
        assert not counts.waiting
        yield standing(database), searched(database, within)


@given(
    within=st.sampled_from(["everywhere", "connection"]),
    base=st.lists(CONTACTS, max_size=16),
    steps=STEPS,
)
@settings(max_examples=25, deadline=None)
def test_a_scan_of_changes_finds_what_a_search_of_everything_would(
    within: str, base: list[Contact], steps: list[Step]
) -> None:
    """Groups, levels and probabilities: after pulls, removals and decisions, scan after scan."""
    for stands, found in scans(within, base, steps):
        assert stands == found
