"""Duplicates of contacts that changed: which keys a scan keeps, and what it says when it has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Gone, Page
from crm_steward.model import Contact, Email, RecordRef
from crm_steward.rules import RuleBook, load_rules
from crm_steward.scan import scan
from crm_steward.store import keyindex
from crm_steward.store.database import Database
from crm_steward.store.decisions import Decision, Decisions, Verdict
from crm_steward.store.findings import Findings
from crm_steward.store.matchingtables import blocks, indexes, pairs, records
from crm_steward.store.mirror import Mirror

NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
TWICE = "{id: twice, about: x, check: {kind: duplicates, at_least: 0.5}, mode: report}"
LACKS = "{id: lacks, about: x, check: {kind: required, fields: [company]}, mode: report}"


def book(folder: Path, *rules: str) -> RuleBook:
    """Return the rules."""
    text = "version: 1\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules)
    (folder / "rules.yaml").write_text(text, "utf-8")
    return load_rules([folder / "rules.yaml"])


def someone(number: int, *, name: str = "Kowalczyk") -> Contact:
    """Return a contact that others of the same name have the address of."""
    return Contact(
        ref=RecordRef("crm", str(number)),
        first_name="Zoé",
        last_name=name,
        emails=(Email(f"zoe.{name.lower()}@example.com"),),
    )


def pull(database: Database, at: datetime, *contacts: Contact, gone: tuple[int, ...] = ()) -> None:
    """Let a pull bring contacts."""
    away = [Gone(RecordRef("crm", str(number)), None) for number in gone]
    page = Page(cursor=Cursor("c"), contacts=list(contacts), gone=away, complete=True)
    Mirror(database).save_page("crm", "fake", page, now=at, full=False)
    Mirror(database).note("crm", "fake", last_full_at=at)


def groups(database: Database) -> set[tuple[str, ...]]:
    """Return the groups that stand."""
    return {
        tuple(ref.id for ref in one.finding.refs)
        for one in Findings(database).open()
        if one.finding.rule == "twice"
    }


def at(minutes: int) -> datetime:
    """Return a moment."""
    return NOW + timedelta(minutes=minutes)


def test_whoever_comes_is_recognised_and_whoever_goes_is_let_go(
    database: Database, tmp_path: Path
) -> None:
    """On both databases, scan of changes after scan of changes: a group begins, grows, shrinks and ends."""
    rules = book(tmp_path, TWICE)
    pull(database, at(0), *(someone(n, name=f"Other{n}") for n in range(20, 60)), someone(1))
    scan(database, rules, clock=lambda: at(1))
    assert groups(database) == set()
    for minute, new, gone, expected in (
        (10, [someone(2)], (), {("1", "2")}),
        (20, [someone(3)], (), {("1", "2", "3")}),
        (30, [], (1,), {("2", "3")}),
        (40, [someone(3, name="Lefebvre")], (), set()),
        (50, [someone(1)], (), {("1", "2")}),
    ):
        pull(database, at(minute), *new, gone=gone)
        counts = scan(database, rules, clock=lambda minute=minute: at(minute + 1), changed=True)
        assert (groups(database), counts.waiting) == (expected, {})


def test_a_rule_of_which_no_keys_were_kept_waits(database: Database, tmp_path: Path) -> None:
    """It is named, not passed over; the next whole scan keeps keys, and then it does not wait."""
    rules = book(tmp_path, TWICE)
    pull(database, at(0), someone(1))
    scan(database, rules, clock=lambda: at(1))
    with database.write() as writing:
        writing.execute(sa.update(indexes).values(signature="of another version"))
    pull(database, at(10), someone(2))
    assert scan(database, rules, clock=lambda: at(11), changed=True).waiting == {"twice": "no keys"}
    assert groups(database) == set()
    scan(database, rules, clock=lambda: at(12))
    assert groups(database) == {("1", "2")}
    assert scan(database, rules, clock=lambda: at(13), changed=True).waiting == {}


def test_a_whole_scan_that_breaks_off_leaves_no_keys_to_be_believed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the keys would mean half of the duplicates."""
    rules = book(tmp_path, TWICE)
    pull(database, at(0), someone(1), someone(2))
    scan(database, rules, clock=lambda: at(1))

    def breaks_off(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(keyindex.KeyIndex, "write_pairs", breaks_off)
        with pytest.raises(OSError, match="no space"):
            scan(database, rules, clock=lambda: at(2))
    assert scan(database, rules, clock=lambda: at(3), changed=True).waiting == {"twice": "no keys"}


def test_keys_of_a_rule_that_is_gone_are_forgotten(database: Database, tmp_path: Path) -> None:
    """So that the database does not keep what nobody uses."""
    pull(database, at(0), someone(1), someone(2))
    scan(database, book(tmp_path, TWICE, LACKS), clock=lambda: at(1))

    def kept() -> list[int]:
        with database.read() as reading:
            counts = [
                sa.select(sa.func.count()).select_from(t) for t in (blocks, indexes, pairs, records)
            ]
            return [reading.execute(count).scalar_one() for count in counts]

    assert all(kept())
    scan(database, book(tmp_path, LACKS), clock=lambda: at(2))
    assert kept() == [0, 0, 0, 0]


def test_a_rule_that_does_not_run_at_each_scan_keeps_no_keys(
    database: Database, tmp_path: Path
) -> None:
    """They would cost space for nothing: a scan of changes leaves such a rule to its day."""
    weekly = TWICE.replace("mode:", "every: week, mode:")
    pull(database, at(0), someone(1), someone(2))
    scan(database, book(tmp_path, weekly), clock=lambda: at(1))
    with database.read() as reading:
        assert reading.execute(sa.select(indexes)).all() == []
    assert scan(database, book(tmp_path, weekly), clock=lambda: at(2), changed=True).waiting == {
        "twice": "every"
    }


def test_a_shared_number_stops_being_proof_when_others_come_to_share_it(
    database: Database, tmp_path: Path
) -> None:
    """Nothing changed in the two that were found: who joined their block is what changed."""
    rule = TWICE.replace("at_least: 0.5", "levels: [same e-mail]")
    rules = book(tmp_path, rule)

    def holder(number: int) -> Contact:
        return Contact(ref=RecordRef("crm", str(number)), emails=(Email("zoe@example.com"),))

    pull(database, at(0), holder(1), holder(2))
    scan(database, rules, clock=lambda: at(1))
    assert groups(database) == {("1", "2")}
    pull(database, at(10), *(holder(number) for number in range(100, 160)))
    scan(database, rules, clock=lambda: at(11), changed=True)
    assert groups(database) == set()
    pull(database, at(20), gone=tuple(range(102, 160)))
    scan(database, rules, clock=lambda: at(21), changed=True)
    assert groups(database) == {("1", "100", "101", "2")}


def test_what_people_decide_is_obeyed_by_the_next_scan_of_changes(
    database: Database, tmp_path: Path
) -> None:
    """No contact changed: a group is parted, then one is joined that nothing else holds together."""
    rules = book(tmp_path, TWICE)
    pull(database, at(0), someone(1), someone(2), someone(3, name="Lefebvre"))
    scan(database, rules, clock=lambda: at(1))
    assert groups(database) == {("1", "2")}

    def decide(left: str, right: str, verdict: Verdict, minute: int) -> None:
        refs = RecordRef("crm", left), RecordRef("crm", right)
        taken = Decision(
            left=refs[0],
            right=refs[1],
            verdict=verdict,
            lasting=True,
            reason="",
            by="ada",
            at=at(minute),
        )
        Decisions(database).decide([taken])

    decide("1", "2", Verdict.DIFFERENT, 10)
    scan(database, rules, clock=lambda: at(11), changed=True)
    assert groups(database) == set()
    decide("2", "3", Verdict.SAME, 20)
    scan(database, rules, clock=lambda: at(21), changed=True)
    assert groups(database) == {("2", "3")}
    Decisions(database).forget([(RecordRef("crm", "1"), RecordRef("crm", "2"))])
    scan(database, rules, clock=lambda: at(31), changed=True)
    assert groups(database) == {("1", "2", "3")}


def test_a_change_of_what_nobody_compares_leaves_its_group_alone(
    database: Database, tmp_path: Path
) -> None:
    """Neither looked at again nor taken for resolved: most changes are of an owner or a date."""
    rules = book(tmp_path, TWICE)
    pull(database, at(0), someone(1), someone(2))
    scan(database, rules, clock=lambda: at(1))
    pull(database, at(10), replace(someone(1), owner="ada"))
    counts = scan(database, rules, clock=lambda: at(11), changed=True)
    assert (counts.new, counts.resolved, counts.reopened) == (0, 0, 0)
    assert groups(database) == {("1", "2")}
