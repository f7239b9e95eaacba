"""Duplicates in the digest: what a scan found, less what became of it since."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import (
    Contact,
    Email,
    MergeRecords,
    Phone,
    PhoneKind,
    Plan,
    PlannedChange,
    PostalAddress,
    RecordRef,
    Stage,
)
from crm_steward.report import Digest, as_document, collect, render
from crm_steward.report.groups import Group, Twins
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.settings import Report, Settings
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decision, Decisions, Verdict
from crm_steward.store.mirror import Mirror
from crm_steward.store.plans import Plans
from crm_steward.store.ranking import ranked
from crm_steward.store.snoozes import Snooze, Snoozes

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
RULES = """
version: 1
rules:
  - id: twins
    about: Twins
    check: {kind: duplicates, at_least: 0.5}
    mode: report
  - id: twins-again
    about: Twins, asked once more
    check: {kind: duplicates, at_least: 0.5, sure_from: 0.9999}
    mode: report
"""


def person(ref: str, first: str, last: str, **values: Any) -> Contact:
    """Return an invented contact."""
    email, phone = values.pop("email", ""), values.pop("phone", "")
    return Contact(
        ref=RecordRef.parse(ref),
        first_name=first,
        last_name=last,
        emails=(Email(email),) if email else (),
        phones=(Phone(phone, PhoneKind.WORK),) if phone else (),
        address=PostalAddress(city=values.pop("city", None)),
        url=f"https://crm.example.com/{ref[-1]}",
        **values,
    )


ZOE = {"email": "zoe.quillfeather@acme.example", "phone": "+33123456781", "city": "Lyon"}
PEOPLE = (
    person("crm:1", "Zoë", "Quillfeather", **ZOE),
    person("crm:2", "Zoe", "Quillfeather", **ZOE),
    person("crm:3", "Ines", "Oakenshaw", city="Nice", company="Firm"),
    person("crm:4", "I", "Oakenshaw", city="Nice", company="Firm", job_title="Baker"),
    person("crm:5", "Omar", "Brindle", city="Lyon"),
    person("crm:6", "Omar", "Brindle", city="Lyon", stage=Stage.CUSTOMER),
    person("crm:7", "Nobody", "Else"),
)
"""One and two are surely one person; three and four, five and six are for a person to look at."""


def save(
    database: Database, people: Iterable[Contact], at: datetime, gone: tuple[str, ...] = ()
) -> None:
    """Let a pull bring records, and tell of some that they are gone."""
    left = tuple(Gone(RecordRef("crm", one)) for one in gone)
    page = Page(cursor=Cursor("1"), contacts=tuple(people), gone=left, complete=True)
    Mirror(database).save_page("crm", "fake", page, now=at, full=False)


@pytest.fixture
def book(tmp_path: Path) -> RuleBook:
    """Give the rules."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, "utf-8")
    return load_rules([path])


@pytest.fixture
def scanned(database: Database, book: RuleBook) -> Database:
    """Give a base that was pulled and scanned."""
    page = Page(cursor=Cursor("1"), contacts=PEOPLE, complete=True)
    Mirror(database).save_page("crm", "fake", page, now=NOW - timedelta(hours=1), full=True)
    Mirror(database).note("crm", "fake", last_full_at=NOW, last_success_at=NOW)
    scan(database, book, clock=lambda: NOW)
    return database


def told(
    database: Database, book: RuleBook, names: Literal["off", "initials", "on"] = "off"
) -> Digest:
    """Return the digest."""
    settings = Settings(timezone=ZoneInfo("UTC"), language="en", report=Report(names=names))
    return collect(database, settings, book, now=LATER)


def ids(one: Group) -> str:
    """Return the ids of a group."""
    return "".join(sorted(each.id for each in one.people))


def test_what_is_worth_most_comes_first(scanned: Database, book: RuleBook) -> None:
    """The customer's group before the other; each counts once, whichever rules found it."""
    found = told(scanned, book).twins
    assert [ids(one) for one in found.groups] == ["56", "34"]
    assert (found.review, found.sure, found.proposed) == (2, 1, 0)
    with scanned.read() as reading:
        measured = {one.fingerprint: one for one in ranked(reading, now=LATER)}
    first, second = (measured[one.finding] for one in found.groups)
    assert first.impact > second.impact
    assert (found.groups[0].customer, found.groups[0].probability) == (True, first.probability)


def test_the_picture_is_what_the_scan_saw(scanned: Database, book: RuleBook) -> None:
    """The parts add up; what is set side by side tells who holds the same, and no value."""
    _, group = told(scanned, book).twins.groups
    link = group.link
    assert link is not None
    assert link.bits == pytest.approx(
        link.prior + sum(step.bits for step in link.steps) + link.others, abs=0.6
    )
    assert {step.comparison: step.level for step in link.steps} == {
        "first name": "initial",
        "last name": "same",
        "company": "same",
        "place": "same city",
    }
    assert group.held["company"] == (1, 1)
    assert group.held["full_name"] == (1, 2)
    assert group.held["email"] == (0, 0)


@pytest.mark.parametrize(
    ("names", "shown"), [("off", ""), ("initials", "O. B."), ("on", "Omar Brindle")]
)
def test_names_are_shown_as_the_settings_say(
    scanned: Database, book: RuleBook, names: Literal["off", "initials", "on"], shown: str
) -> None:
    """And nothing else of what a contact holds, in any form of the report."""
    digest = told(scanned, book, names)
    assert {one.name for one in digest.twins.groups[0].people} == {shown}
    mail = render(digest, "fr")
    for text in (mail.html, mail.text, json.dumps(as_document(digest), ensure_ascii=False)):
        assert ("Brindle" in text) == (names == "on")
        assert "https://crm.example.com/5" in text
        for value in ("acme", "Firm", "Nice", "3312345", "Baker"):
            assert value not in text


def test_what_a_person_decided_since_waits_no_more(scanned: Database, book: RuleBook) -> None:
    """Either way: the next scan follows it. What is snoozed waits neither."""
    said = {
        "left": RecordRef("crm", "5"), "right": RecordRef("crm", "6"), "reason": "", "by": "ada",
        "at": NOW + timedelta(hours=1), "lasting": True,
    }  # fmt: skip
    Decisions(scanned).decide([Decision(verdict=Verdict.DIFFERENT, **said)])  # type: ignore[arg-type] # of many types
    found = told(scanned, book).twins
    assert [ids(one) for one in found.groups] == ["34"]
    assert found.review == 1
    until = LATER + timedelta(days=3)
    for finding in _findings(scanned, found.groups[0]):
        snooze = Snooze(fingerprint=finding, rule="twins", until=until, reason="x", by="a", at=NOW)
        Snoozes(scanned).snooze([snooze])
    assert told(scanned, book).twins == Twins(sure=1)


def _findings(database: Database, group: Group) -> tuple[str, ...]:
    with database.read() as reading:
        all_ = ranked(reading, now=LATER)
    return next(one.findings for one in all_ if one.fingerprint == group.finding)


def test_a_decision_of_before_the_scan_hides_nothing(scanned: Database, book: RuleBook) -> None:
    """The scan has followed it: what stands, stands in spite of it."""
    said = Decision(
        left=RecordRef("crm", "5"), right=RecordRef("crm", "6"), verdict=Verdict.DIFFERENT,
        lasting=True, reason="", by="ada", at=NOW - timedelta(days=1),
    )  # fmt: skip
    Decisions(scanned).decide([said])
    assert told(scanned, book).twins.review == 2


def test_an_edit_since_the_scan_is_told(scanned: Database, book: RuleBook) -> None:
    """The picture is of before, and says so; what is set side by side is of now."""
    edited = replace(PEOPLE[2], company="Glass")
    save(scanned, [edited], NOW + timedelta(hours=1))
    other, group = told(scanned, book).twins.groups
    assert (other.edited, group.edited) == (False, True)
    assert group.held["company"] == (1, 2)
    mail = render(told(scanned, book), "en")
    said = "the link below is as the scan saw it"
    assert said in " ".join(mail.text.split())
    assert said in mail.html


def test_what_is_gone_is_not_shown(scanned: Database, book: RuleBook) -> None:
    """A group of which one record is left waits for nobody."""
    save(scanned, (), NOW + timedelta(hours=1), gone=("5",))
    found = told(scanned, book).twins
    assert [ids(one) for one in found.groups] == ["34"]
    assert found.review == 1


def test_a_link_of_which_one_end_is_gone_has_no_picture(database: Database, book: RuleBook) -> None:
    """The others are still to be looked at."""
    third = person("crm:8", "Omar", "Brindle", city="Lyon", job_title="Baker")
    page = Page(cursor=Cursor("1"), contacts=(*PEOPLE, third), complete=True)
    Mirror(database).save_page("crm", "fake", page, now=NOW - timedelta(hours=1), full=True)
    Mirror(database).note("crm", "fake", last_full_at=NOW, last_success_at=NOW)
    scan(database, book, clock=lambda: NOW)
    before = told(database, book).twins.groups[0]
    assert (before.size, before.link is None) == (3, False)
    save(database, (), NOW + timedelta(hours=1), gone=(before.people[0].id,))
    after = told(database, book).twins.groups[0]
    assert (after.size, after.link) == (2, None)
    assert "was merged or removed since the scan" in " ".join(
        render(told(database, book), "en").text.split()
    )


def test_sure_groups_are_proposed_where_a_plan_merges_them(
    scanned: Database, book: RuleBook
) -> None:
    """How many of them the plan that is open would merge; and that no plan would, where none does."""
    assert "No plan proposes to merge" in render(told(scanned, book), "en").text
    with scanned.read() as reading:
        (sure,) = (one for one in ranked(reading, now=LATER) if one.sure)
    merge = MergeRecords(
        ref=RecordRef("crm", "1"), losers=(RecordRef("crm", "2"),), expected={"1": {}, "2": {}}
    )
    change = PlannedChange(change=merge, rule="twins", finding=sure.fingerprint)
    plan = Plan(
        changes=(change,), created_at=NOW, expires_at=LATER + timedelta(days=1), mirror="m",
        rules="r",
    )  # fmt: skip
    Plans(scanned).save(plan)
    digest = told(scanned, book)
    assert digest.twins.proposed == 1
    assert "The plan above proposes 1 of them for merging." in render(digest, "en").html


def test_without_duplicates_nothing_is_said_of_them(database: Database, book: RuleBook) -> None:
    """Neither in the text nor in the page."""
    digest = told(database, book)
    assert digest.twins == Twins()
    mail = render(digest, "en")
    assert "Duplicates: what to look at first" not in mail.html
    assert "WHAT TO LOOK AT FIRST" not in mail.text
