"""What a scan of changes finds among duplicates is what a whole search would find, with names as common as before."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.whole import some

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.matching import Wanted, explain_weakest, matched, write_found
from crm_steward.model import Contact, Email, Phone, PostalAddress, RecordRef
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decision, Decisions, Verdict
from crm_steward.store.findings import Findings
from crm_steward.store.keyindex import KeyIndex
from crm_steward.store.matchingtables import indexes
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

SHARED = {
    "first_name": ["Zoé", "Zoe", "Z.", "Paul", "Paula", "Anne-Marie", "Anne", None],
    "last_name": ["Kowalczyk", "Kowalczik", "Martin", "Lefebvre", "Lefèvre", None],
    "company": ["Acme SAS", "Acme", "Umbrella GmbH", None, None],
    "emails": ["zoe.martin@example.com", "info@acme.example", "paul.kow@example.com", "", "", ""],
    "phones": ["+33142424241", "+33142424242", "+33142424249", "", ""],
    "birth_date": ["1980-03-04", "1980-03-05", "1991-12-24", "", "", ""],
    "street": ["12 rue de la Paix", "14 rue de la Paix", "Hauptstrasse 5", "", ""],
    "city": ["Paris", "Lyon", ""],
}
"""Few values, so that many contacts share them: blocks overflow, and groups are chains."""
PERSONS = 40
"""Contacts there are at first; a third are new with each step, or gone, or other than before."""


def someone(rng: random.Random) -> Contact:
    """Return a contact made of values that others have too."""
    held = {name: rng.choice(values) for name, values in SHARED.items()}
    # Most have a name or a number that few others have: not everybody is one person.
    if rng.random() < 0.5:
        held["last_name"] = f"Nom{'abcdefghij'[rng.randrange(10)]}{rng.randrange(4)}"
    if rng.random() < 0.3:
        held["phones"] = f"+3314243{rng.randrange(12):04}"
    born, emails, phones = held["birth_date"], held["emails"], held["phones"]
    return Contact(
        ref=RecordRef(rng.choice(["crm", "erp"]), str(rng.randrange(PERSONS))),
        first_name=held["first_name"],
        last_name=held["last_name"],
        company=held["company"],
        emails=(Email(emails),) if emails else (),
        phones=(Phone(phones),) if phones else (),
        birth_date=datetime.fromisoformat(born).replace(tzinfo=UTC) if born else None,
        address=PostalAddress(street=held["street"] or None, city=held["city"] or None),
    )


def pull(database: Database, at: datetime, contacts: list[Contact], gone: set[RecordRef]) -> None:
    """Let both connections bring contacts, and say which are gone."""
    for name in ("crm", "erp"):
        here = {one.ref: one for one in contacts if one.ref.connection == name}
        away = [Gone(ref, None) for ref in sorted(gone) if ref.connection == name]
        page = Page(cursor=Cursor("c"), contacts=[*here.values()], gone=away, complete=True)
        Mirror(database).save_page(name, "fake", page, now=at, full=False)
        Mirror(database).note(name, "fake", last_full_at=at)


def decide(database: Database, at: datetime, one: int, further: int, verdict: Verdict) -> None:
    """Let somebody decide about two of the contacts that are there."""
    with closing(open_relation(database, columns=["id"])) as con:
        there = con.execute("SELECT connection, id FROM contacts ORDER BY ALL").fetchall()
    refs = [RecordRef(*row) for row in there]
    if len(refs) > 1:
        left, right = sorted(
            (refs[one % len(refs)], refs[(one + 1 + further % (len(refs) - 1)) % len(refs)])
        )
        taken = Decision(
            left=left, right=right, verdict=verdict, lasting=True, reason="", by="x", at=at
        )
        Decisions(database).decide([taken])


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
    with database.read() as reading:
        signature = reading.execute(sa.select(indexes.c.signature)).scalar_one()
    keys = KeyIndex(database, "twice", signature)
    assert keys.valid()
    with (
        closing(open_relation(database)) as con,
        matched(con, wanted, counts=keys.counts()) as work,
    ):
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


def scans(within: str, seed: int) -> Iterator[tuple[Groups, Groups]]:
    """Yield what stands after each scan, beside what a search of everything finds."""
    rng = random.Random(seed)  # noqa: S311 -- invented contacts
    now = START
    with Database.open("sqlite://") as database:
        pull(database, now, [someone(rng) for _ in range(2 * PERSONS)], set())
        scan(database, BOOKS[within], clock=partial(_same, now))
        for step in range(STEPS):
            now += timedelta(minutes=7)
            gone = {someone(rng).ref for _ in range(rng.randrange(3))}
            pull(database, now, [someone(rng) for _ in range(rng.choice([0, 1, 3, 20]))], gone)
            if rng.random() < 0.6:
                verdict = rng.choice(list(Verdict))
                decide(database, now, rng.randrange(99), rng.randrange(99), verdict)
            now += timedelta(minutes=1)
            whole = step == STEPS // 2
            counts = scan(database, BOOKS[within], clock=partial(_same, now), changed=not whole)
            assert not counts.waiting
            yield standing(database), searched(database, within)


STEPS = 7
"""Scans, of which the middle one is whole."""


@given(within=st.sampled_from(["everywhere", "connection"]), seed=st.integers(0, 2**32))
# Somebody new links two chains, of which two contacts share a number and are no pair.
@example(within="connection", seed=1414)
@pytest.mark.long
@settings(max_examples=some(6, 2))
def test_a_scan_of_changes_finds_what_a_search_of_everything_would(within: str, seed: int) -> None:
    """Groups, levels and probabilities: after pulls, removals and decisions, scan after scan."""
    for stands, found in scans(within, seed):
        assert stands == found
