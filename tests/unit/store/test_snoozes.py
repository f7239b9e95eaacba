"""Snoozes: what is left alone, until when, and by whose word."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_steward.model import Finding, RecordRef, Severity
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings, naming
from crm_steward.store.snoozes import Snooze, Snoozes, asleep


def finding(number: int) -> Finding:
    """Return an invented finding."""
    refs = (RecordRef("crm", str(number)),)
    return Finding(rule="r", kind="stale", severity=Severity.LOW, refs=refs)


def snooze(mark: str, at: datetime, **values: Any) -> Snooze:
    """Return a snooze of one week."""
    given = {"rule": "r", "until": at + timedelta(days=7), "reason": "a merger", "by": "dana"}
    return Snooze(fingerprint=mark, at=at, **(given | values))


def test_a_snooze_is_kept_as_it_was_said(database: Database, clock: Any) -> None:
    """Every part comes back, the first to end first, from both databases."""
    late = snooze("b", clock(), until=clock() + timedelta(days=30), reason="l'été ; 100 %")
    soon = snooze("c", clock())
    Snoozes(database).snooze([late, soon])

    assert list(Snoozes(database).all().values()) == [soon, late]
    assert Snoozes(database).active(clock()) == {"c": soon, "b": late}


def test_a_snooze_ends_by_itself_at_its_moment(database: Database, clock: Any) -> None:
    """A microsecond before it holds, at its moment it does not; it stays listed."""
    one = snooze("a", clock())
    Snoozes(database).snooze([one])

    assert list(Snoozes(database).active(one.until - timedelta(microseconds=1))) == ["a"]
    assert Snoozes(database).active(one.until) == {}
    assert list(Snoozes(database).all()) == ["a"]


def test_snoozing_again_replaces_and_waking_forgets(database: Database, clock: Any) -> None:
    """The last word counts; of what is woken nothing is kept; waking twice wakes nothing."""
    Snoozes(database).snooze([snooze("a", clock()), snooze("b", clock())])
    again = snooze("a", clock(), until=clock() + timedelta(days=1), reason="sooner", by="lee")
    Snoozes(database).snooze([again])
    Snoozes(database).snooze([])

    assert Snoozes(database).all()["a"] == again
    assert Snoozes(database).wake(["a", "unknown"]) == 1
    assert Snoozes(database).wake(["a"]) == 0
    assert list(Snoozes(database).all()) == ["b"]


def test_open_findings_are_told_apart_by_sleep_and_record(database: Database, clock: Any) -> None:
    """`only` narrows down what is yielded and counted alike."""
    found = [finding(n) for n in range(3)]
    findings = Findings(database)
    findings.record({"r": {"crm"}}, found, now=clock())
    Snoozes(database).snooze([snooze(found[1].fingerprint, clock())])
    now = clock()

    def numbers(**values: Any) -> list[str]:
        return sorted(one.finding.refs[0].id for one in findings.open(**values))

    assert numbers(only=asleep(now)) == ["1"]
    assert numbers(only=~asleep(now)) == ["0", "2"]
    assert numbers(rule="r", only=naming(RecordRef("crm", "2"))) == ["2"]
    assert numbers(only=naming(RecordRef("other", "2"))) == []
    assert (findings.count(), findings.count(only=asleep(now))) == (3, 1)
    assert findings.count("other", only=asleep(now)) == 0
    assert findings.count(connection="crm", only=~asleep(now)) == 2


def test_a_fingerprint_is_found_by_its_beginning(database: Database, clock: Any) -> None:
    """One, none, or two of many; a wildcard of SQL is an ordinary sign."""
    found = [finding(n) for n in range(40)]
    findings = Findings(database)
    findings.record({"r": {"crm"}}, found, now=clock())
    mark = found[7].fingerprint

    assert findings.named(mark[:12]) == [mark]
    assert findings.named("%") == []
    assert len(findings.named("")) == 2


def test_a_snooze_without_reason_or_future_is_a_bug(clock: Any) -> None:
    """Whoever makes one has checked that."""
    with pytest.raises(ValueError, match="reason"):
        snooze("a", clock(), reason=" ")
    with pytest.raises(ValueError, match="future"):
        snooze("a", clock(), until=clock())
