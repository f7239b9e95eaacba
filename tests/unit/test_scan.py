"""Scan: what the rules find in the mirror, with nothing inferred from what was not looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Clock, Contact, RecordRef
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.jobs import Jobs, JobState
from crm_steward.store.mirror import Mirror

Book = Callable[..., RuleBook]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Make a book with one rule: contacts need a company; keyword arguments add to it."""

    def make(check: str = "kind: required, fields: [company]", **more: str) -> RuleBook:
        lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
        path = tmp_path / "rules.yaml"
        path.write_text(
            "version: 1\nrules:\n  - id: no-company\n    about: x\n    severity: low\n"
            f"    check: {{{check}}}\n    mode: report\n{lines}",
            "utf-8",
        )
        return load_rules([path])

    return make


def fill(
    database: Database,
    clock: Clock,
    connection: str,
    *ids: str,
    whole: bool = True,
    owner: str | None = None,
) -> None:
    """Put contacts without a company into the mirror."""
    contacts = [Contact(ref=RecordRef(connection, one), owner=owner) for one in ids]
    page = Page(cursor=Cursor("c"), contacts=contacts, complete=True)
    mirror = Mirror(database)
    mirror.save_page(connection, "fake", page, now=clock(), full=True)
    if whole:
        mirror.note(connection, "fake", last_full_at=clock())


def test_a_connection_that_was_never_read_to_the_end_is_left_out_and_named(
    database: Database, clock: Clock, book: Book
) -> None:
    """Half a base tells nothing: its contacts are not examined, and that is said."""
    fill(database, clock, "whole", "1", "2")
    fill(database, clock, "half", "3", whole=False)
    done = scan(database, book(), clock=clock)

    assert (done.contacts, done.new) == (2, 2)
    assert done.not_examined == {"half": "never read to the end yet"}


@pytest.mark.parametrize("large", [0, 100_000_000])
def test_the_same_mirror_gives_the_same_findings(
    database: Database, clock: Clock, book: Book, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second scan changes nothing, also where a file is large enough to be read apart."""
    monkeypatch.setattr("crm_steward.store.arrow._LARGE", large)
    fill(database, clock, "crm", "1", "2", "3")
    first, second = (scan(database, book(), clock=clock) for _ in range(2))

    assert (first.new, first.by_rule) == (3, {"no-company": 3})
    assert (second.new, second.standing, second.resolved) == (0, 3, 0)


@pytest.mark.parametrize(
    ("every", "days", "runs"),
    [
        ("scan", 0, True),
        ("day", 0, False),
        ("day", 1, True),
        ("week", 6, False),  # Monday to Sunday of one ISO week
        ("week", 7, True),
        ("month", 14, False),  # 16 to 30 November
        ("month", 15, True),
        ("quarter", 45, False),  # until 31 December
        ("quarter", 46, True),
    ],
)
def test_a_rule_runs_once_in_its_period(
    database: Database, clock: Clock, book: Book, every: str, days: int, runs: bool
) -> None:
    """`every` is a calendar period; between two scans of a rule, what it found stands."""
    rules = book(every=every)
    fill(database, clock, "crm", "1")
    scan(database, rules, clock=clock, only_due=True)
    clock.forward(days=days)  # type: ignore[attr-defined] # the clock of the tests can be moved
    fill(database, clock, "crm", "2")
    done = scan(database, rules, clock=clock, only_due=True)

    assert ("no-company" in done.by_rule) is runs
    assert len(list(Findings(database).open())) == (2 if runs else 1)


def test_an_edited_rule_is_due_at_once(database: Database, clock: Clock, book: Book) -> None:
    """Who edits a monthly rule sees the effect with the next scan, not next month."""
    fill(database, clock, "crm", "1")
    scan(database, book(every="month"), clock=clock, only_due=True)
    edited = book(every="month", where="{field: stage, equals: customer}")
    done = scan(database, edited, clock=clock, only_due=True)

    assert done.resolved == 1


def test_when_a_rule_ran_that_is_there_no_more_is_forgotten(
    database: Database, clock: Clock, book: Book
) -> None:
    """After its longest period; other jobs, and what the rule as it stands did, are kept."""
    fill(database, clock, "crm", "1")
    jobs = Jobs(database)
    jobs.save("pull:crm", JobState(last_success_at=clock()))
    scan(database, book(every="month"), clock=clock)
    (before,) = set(jobs.states()) - {"pull:crm"}
    edited = book(every="month", where="{field: stage, equals: customer}")

    def ran(days: int) -> set[str]:
        scan(database, edited, clock=lambda: clock() + timedelta(days=days))
        return set(jobs.states()) - {"pull:crm"}

    assert before in ran(99)
    (after,) = ran(101)
    assert after != before
    assert "pull:crm" in jobs.states()


def test_what_a_rule_found_where_it_looks_no_more_is_resolved(
    database: Database, clock: Clock, book: Book
) -> None:
    """A rule that is narrowed to some connections lets go of the others."""
    fill(database, clock, "one", "1")
    fill(database, clock, "two", "2")
    scan(database, book(), clock=clock)
    done = scan(database, book(connections="[one]"), clock=clock)

    assert done.resolved == 1
    assert [str(one.finding.refs[0]) for one in Findings(database).open()] == ["one:1"]


def test_two_scans_at_once_open_a_finding_once(
    database: Database, clock: Clock, book: Book
) -> None:
    """A finding that another scan opened meanwhile is not opened again: each opening gets a task."""
    fill(database, clock, "crm", "1")
    rules = book()

    def meanwhile(_rule: str, _number: int, _total: int) -> None:
        scan(database, rules, clock=clock)

    scan(database, rules, clock=clock, progress=meanwhile)

    assert [one.openings for one in Findings(database).open()] == [1]


def test_what_a_rule_could_not_examine_is_told_until_it_looks_again(
    database: Database, clock: Clock, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report follows the last scan, in which a monthly rule was most likely not asked."""
    monkeypatch.setattr("crm_steward.rules.kinds.base.MAX_SHARED", 1)
    for connection in ("a", "b"):
        fill(database, clock, connection, "1", "2", owner="42")
    rules = book("kind: unique, fields: [owner], within: connection", every="month")
    first = scan(database, rules, clock=clock, only_due=True)
    second = scan(database, rules, clock=clock, only_due=True)
    third = scan(database, rules, clock=clock, only_due=True)

    told = {"no-company: same owner: 2 contacts share one value": 4}
    assert (list(first.by_rule), second.by_rule) == (["no-company"], {})
    assert [first.left_out, second.left_out, third.left_out] == [told] * 3
    assert scan(database, book(), clock=clock).left_out == {}


def test_a_rule_that_comes_back_is_due_at_once(
    database: Database, clock: Clock, book: Book
) -> None:
    """What it had found was resolved when it was taken away: that must not wait for next month."""
    fill(database, clock, "crm", "1")
    monthly = book(every="month")
    scan(database, monthly, clock=clock, only_due=True)
    gone = scan(database, RuleBook(()), clock=clock, only_due=True)
    back = scan(database, monthly, clock=clock, only_due=True)

    assert (gone.resolved, back.reopened) == (1, 1)


def test_a_new_connection_is_looked_at_at_once(
    database: Database, clock: Clock, book: Book
) -> None:
    """A rule that had its month has not had it there."""
    fill(database, clock, "one", "1")
    monthly = book(every="month")
    scan(database, monthly, clock=clock, only_due=True)
    fill(database, clock, "two", "2")

    assert scan(database, monthly, clock=clock, only_due=True).new == 1
