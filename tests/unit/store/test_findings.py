"""Findings across scans: new, standing, resolved, reopened, and never resolved by ignorance."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.whole import some

from crm_steward.model import Clock, Finding, RecordRef, Severity, utc_now
from crm_steward.store import standing
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.standing import Standing, by_record


def finding(rule_id: str, *ids: str, connection: str = "crm", **values: object) -> Finding:
    """Return an invented finding."""
    refs = tuple(sorted(RecordRef(connection, one) for one in ids))
    return Finding(rule=rule_id, kind="stale", severity=Severity.LOW, refs=refs, **values)  # type: ignore[arg-type] # values of a test


def counts(
    database: Database, clock: Clock, *found: Finding, examined: dict[str, set[str]] | None = None
) -> dict[str, int]:
    """Record a scan of the rule `r` on `crm` and return what changed."""
    done = Findings(database).record(examined or {"r": {"crm"}}, found, now=clock())
    return {name: number for name, number in asdict(done).items() if number}


def test_a_finding_is_new_then_standing_then_resolved_then_reopened(
    database: Database, clock: Clock
) -> None:
    """The whole life of a finding, on both databases."""
    one = finding("r", "1")

    assert counts(database, clock, one) == {"new": 1}
    assert counts(database, clock, one) == {"standing": 1}
    assert counts(database, clock) == {"resolved": 1}
    assert counts(database, clock, one) == {"reopened": 1}
    stored = Findings(database).get(one.fingerprint)
    assert stored is not None
    assert (stored.state, stored.openings, stored.finding) == ("open", 2, one)


def test_a_connection_that_was_not_examined_keeps_its_findings(
    database: Database, clock: Clock
) -> None:
    """Not looking is not seeing that it is gone; a group over two connections needs both."""
    here, there = finding("r", "1"), finding("r", "1", connection="other")
    both = Finding(
        rule="r", kind="duplicates", severity=Severity.HIGH, refs=(*here.refs, *there.refs)
    )
    everywhere = {"r": {"crm", "other"}}
    counts(database, clock, here, there, both, examined=everywhere)

    assert counts(database, clock, examined={"r": {"crm"}}) == {"resolved": 1}
    left = {stored.finding.fingerprint for stored in Findings(database).open()}
    assert left == {there.fingerprint, both.fingerprint}
    assert counts(database, clock, examined=everywhere) == {"resolved": 2}


def test_findings_of_a_retired_rule_are_resolved(database: Database, clock: Clock) -> None:
    """A rule that was taken out leaves nothing standing."""
    counts(database, clock, finding("r", "1"))
    done = Findings(database).record({"new-rule": {"crm"}}, [], now=clock(), retired={"r"})

    assert done.resolved == 1
    assert Findings(database).rules() == set()


def test_evidence_is_refreshed_and_the_first_sight_kept(database: Database, clock: Clock) -> None:
    """A standing finding shows today's evidence and since when it stands."""
    counts(database, clock, finding("r", "1", evidence={"last": "2024"}))
    since = clock()
    clock.forward(days=7)  # type: ignore[attr-defined] # the clock of the tests can be moved
    counts(database, clock, finding("r", "1", evidence={"last": "2025"}))

    stored = next(Findings(database).open("r", "crm"))
    assert stored.finding.evidence == {"last": "2025"}
    assert (stored.first_seen_at, stored.last_seen_at) == (since, clock())


def test_many_findings_are_stored_worst_first(database: Database, clock: Clock) -> None:
    """Thousands come back, in order, while somebody writes between two of them."""
    found = [finding("r", str(n), about=f"f{n % 3}") for n in range(3000)]
    worst = Finding(rule="r", kind="x", severity=Severity.CRITICAL, refs=found[0].refs)
    assert counts(database, clock, *found, worst) == {"new": 3001}

    listed = []
    for number, stored in enumerate(Findings(database).open()):
        listed.append(stored.finding)
        if number % 1000 == 0:
            with database.write() as writing:  # waits for nobody who only reads
                writing.execute(sa.text("UPDATE findings SET last_seen_at = last_seen_at"))
    assert listed[0] == worst
    assert {one.fingerprint for one in listed} == {one.fingerprint for one in (*found, worst)}


@pytest.mark.parametrize("page", [1, 2, 3, 2_000])
def test_findings_come_record_by_record_whatever_a_page_holds(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Each that stands comes once, as `open` tells it, with all that is about its record."""
    monkeypatch.setattr(standing, "PAGE", page)
    group = Finding(
        rule="r", kind="x", severity=Severity.LOW, refs=(RecordRef("b", "1"), RecordRef("crm", "1"))
    )
    other = Finding(rule="r", kind="x", severity=Severity.LOW, refs=(RecordRef("b", "1"),))
    many = [finding(name, str(n), evidence={"n": n}) for n in range(5) for name in ("r", "s")]
    everywhere = {"r": {"crm", "b"}, "s": {"crm", "b"}, "t": {"crm"}}
    counts(database, clock, *many, group, other, finding("t", "1"), examined=everywhere)
    clock.forward(days=1)  # type: ignore[attr-defined] # the clock of the tests can be moved
    counts(database, clock, *many[:-2], group, other, examined=everywhere)

    looks = Findings(database).looks()
    pages = list(by_record(database, ["r", "s"], looks, only=sa.true()))
    told = [one for some in pages for one in some]
    stored = [one for one in Findings(database).open() if one.finding.rule != "t"]
    assert sorted(told) == sorted(
        Standing.of(
            one.finding,
            since=to_micros(one.first_seen_at),
            seen=to_micros(one.last_seen_at),
            openings=one.openings,
        )
        for one in stored
    )
    assert len(told) == len(many[:-2]) + 2
    for refs in {one.refs for one in told}:
        assert sum(any(one.refs == refs for one in some) for some in pages) == 1


class Life(RuleBasedStateMachine):
    """Whatever is found in whatever order, what stands is what the last scan of it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.database = Database.open("sqlite://")
        self.expected: set[tuple[str, str, str]] = set()

    @rule(
        ids=st.sets(st.sampled_from("abcdef")),
        connection=st.sampled_from(["one", "two"]),
        rule_id=st.sampled_from(["r", "s"]),
    )
    def scan(self, ids: set[str], connection: str, rule_id: str) -> None:
        """Scan one rule on one connection."""
        found = [finding(rule_id, one, connection=connection) for one in ids]
        Findings(self.database).record({rule_id: {connection}}, found, now=utc_now())
        prefix = (rule_id, connection)
        self.expected = {mark for mark in self.expected if mark[:2] != prefix}
        self.expected |= {(*prefix, one) for one in ids}

    @invariant()
    def what_stands_is_what_was_seen(self) -> None:
        """Compare the open findings with the model."""
        standing = {
            (s.finding.rule, s.finding.refs[0].connection, s.finding.refs[0].id)
            for s in Findings(self.database).open()
        }
        assert standing == self.expected

    def teardown(self) -> None:
        self.database.close()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=some(10, 5), stateful_step_count=10, deadline=None)
