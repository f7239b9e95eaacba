"""Edits of rules: what a scan notes of them, and what the report says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, Email, RecordRef
from crm_steward.report import Digest, as_document, render
from crm_steward.report.edits import RuleEdits, rule_edits_between
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.store.database import Database
from crm_steward.store.edits import Edit
from crm_steward.store.mirror import Mirror
from crm_steward.store.tables import rule_edits

COMPANY = "no-company: {kind: required, fields: [company]}"
EITHER = "no-company: {kind: required, fields: [company, email]}"
NAME = "no-name: {kind: required, fields: [last_name]}"
Book = Callable[..., RuleBook]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Make a book of rules, each written as `id: check`."""

    def make(*rules: str, about: str = "x", scope: str = "") -> RuleBook:
        texts = (
            f"  - id: {rule.partition(': ')[0]}\n    about: {about}\n    severity: low\n"
            f"    check: {rule.partition(': ')[2]}\n    mode: report\n{scope}"
            for rule in rules
        )
        path = tmp_path / "rules.yaml"
        path.write_text("version: 1\nrules:\n" + "".join(texts), "utf-8")
        return load_rules([path])

    return make


def fill(database: Database, clock: Any, *people: Contact, connection: str = "crm") -> None:
    """Put contacts into the mirror of a connection that was read to its end."""
    page = Page(cursor=Cursor("c"), contacts=people, complete=True)
    Mirror(database).save_page(connection, "fake", page, now=clock(), full=True)
    Mirror(database).note(connection, "fake", last_full_at=clock())


def person(number: int, connection: str = "crm", **values: Any) -> Contact:
    """Return a contact without a company."""
    return Contact(ref=RecordRef(connection, str(number)), **values)


def noted(database: Database) -> list[tuple[str, str, int, int, int]]:
    """Return what scans noted: rule, what became of it, opened, resolved, open."""
    e = rule_edits.c
    query = sa.select(e.rule, e.edit, e.opened, e.resolved, e.open).order_by(e.at, e.rule)
    with database.read() as reading:
        return [tuple(row) for row in reading.execute(query)]  # type: ignore[misc] # of five


def look(database: Database, book: RuleBook, clock: Any, **options: Any) -> None:
    """Scan, a minute later."""
    clock.forward(minutes=1)
    scan(database, book, clock=clock, **options)


def test_the_first_scan_with_an_edited_rule_notes_what_it_opened_and_resolved(
    database: Database, clock: Any, book: Book
) -> None:
    """Once per edit: the scans before and after it note nothing."""
    mail = (Email("ada@example.org"),)
    fill(database, clock, person(1), person(2, emails=mail), person(3, company="Acme"))
    look(database, book(COMPANY), clock)
    look(database, book(COMPANY), clock)
    assert noted(database) == []
    for _ in range(2):
        look(database, book(EITHER), clock)
        assert noted(database) == [("no-company", "edited", 1, 0, 3)]
    look(database, book(COMPANY), clock)
    assert noted(database)[1:] == [("no-company", "edited", 0, 1, 2)]


def test_a_new_rule_and_one_that_is_gone(database: Database, clock: Any, book: Book) -> None:
    """The one opens all it finds, the other resolves all it had; the rest is not edited."""
    fill(database, clock, person(1, last_name="Lovelace"), person(2))
    look(database, book(COMPANY), clock)
    look(database, book(COMPANY, NAME), clock)
    assert noted(database) == [("no-name", "added", 1, 0, 1)]
    look(database, book(NAME), clock)
    assert noted(database)[1:] == [("no-company", "removed", 0, 2, 0)]
    look(database, book(NAME), clock)
    assert len(noted(database)) == 2


def test_what_does_not_change_what_is_found_is_no_edit(
    database: Database, clock: Any, book: Book
) -> None:
    """Another title, a connection that is read for the first time, and a scan of changes."""
    fill(database, clock, person(1))
    look(database, book(COMPANY), clock)
    look(database, book(COMPANY, about="y"), clock)
    fill(database, clock, person(1, "sheet"), connection="sheet")
    look(database, book(COMPANY), clock)
    look(database, book(EITHER), clock, changed=True)
    assert noted(database) == []
    look(database, book(EITHER), clock)
    assert noted(database) == [("no-company", "edited", 0, 0, 2)]


def test_a_rule_that_looks_nowhere_is_not_new_at_each_scan(
    database: Database, clock: Any, book: Book
) -> None:
    """It is noted when it first looks."""
    fill(database, clock, person(1))
    look(database, book(NAME), clock)
    apart = book(COMPANY, scope="    connections: [sheet]\n")
    for _ in range(2):
        look(database, apart, clock)
    assert [row[:2] for row in noted(database)] == [("no-name", "removed")]
    fill(database, clock, person(1, "sheet"), connection="sheet")
    look(database, apart, clock)
    assert noted(database)[1:] == [("no-company", "added", 1, 0, 1)]


def _note(database: Database, clock: Any, rule: str, edit: Edit, *counts: int) -> None:
    clock.forward(hours=1)
    row = dict(zip(("opened", "resolved", "open"), counts, strict=True))
    with database.write() as writing:
        writing.execute(
            sa.insert(rule_edits), {"rule": rule, "at": clock(), "edit": edit.value, **row}
        )


def test_the_edits_of_a_week_are_told_together(database: Database, clock: Any) -> None:
    """Sums by rule, those that moved most first; one that came and went is gone."""
    _note(database, clock, "before", Edit.EDITED, 5, 5, 5)
    since = clock()
    _note(database, clock, "twice", Edit.ADDED, 4, 0, 4)
    _note(database, clock, "twice", Edit.EDITED, 1, 2, 3)
    _note(database, clock, "back", Edit.REMOVED, 0, 3, 0)
    _note(database, clock, "back", Edit.ADDED, 2, 0, 2)
    _note(database, clock, "brief", Edit.ADDED, 1, 0, 1)
    _note(database, clock, "brief", Edit.REMOVED, 0, 1, 0)
    until = clock()
    _note(database, clock, "after", Edit.EDITED, 5, 5, 5)
    with database.read() as reading:
        found = rule_edits_between(reading, {"twice": {"en": "Twice"}}, since, until)
    assert [(one.rule, one.edit, one.opened, one.resolved, one.open) for one in found.edits] == [
        ("twice", Edit.ADDED, 5, 2, 3),
        ("back", Edit.EDITED, 2, 3, 2),
        ("brief", Edit.REMOVED, 1, 1, 0),
    ]
    assert [dict(one.titles) for one in found.edits][:2] == [{"en": "Twice"}, {"en": "back"}]


def test_many_edits_are_bounded(database: Database, clock: Any) -> None:
    """Eight are shown, the rest are counted."""
    since = clock()
    for number in range(11):
        _note(database, clock, f"rule-{number:02}", Edit.EDITED, number, 0, 0)
    with database.read() as reading:
        found = rule_edits_between(reading, {}, since, clock() + timedelta(hours=1))
    assert [one.opened for one in found.edits] == list(range(10, 2, -1))
    assert found.more == 3


def test_both_parts_say_the_same_in_both_languages(digest: Digest) -> None:
    """Which rules, what became of them, and when."""
    for language, said in (
        ("en", ("edited (Wed 11 Nov, 07:30)", "and 1 more rule", "1,071")),
        ("fr", ("modifiée (mer. 11 nov., 07:30)", "et 1 autre règle", "1 071")),
    ):
        mail = render(digest, language)
        for words in said:
            assert words in mail.html.replace("\u202f", " ")
            assert words in " ".join(mail.text.replace("\u202f", " ").split())
    assert as_document(digest)["edits"]["edits"][0]["edit"] == "edited"
    without = render(replace(digest, edits=RuleEdits()), "en")
    assert "What edits of rules did" not in without.html
    assert "WHAT EDITS OF RULES DID" not in without.text
