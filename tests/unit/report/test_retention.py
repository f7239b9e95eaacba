"""What falls due by the calendar, counted by the rules themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import Contact, RecordRef, Stage
from crm_steward.report import as_document, collect
from crm_steward.report.retention import Due, retention
from crm_steward.rules import (
    Duration,
    RuleBook,
    load_register,
    load_rules,
    pack_path,
    shipped_register,
)
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.mirror import Mirror
from crm_steward.store.relation import relation_of_contacts

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
PERIODS = load_register(shipped_register()).periods
PACK = load_rules([pack_path("retention-fr")], periods=PERIODS, zone=PARIS)


def _prospect(number: int, act: datetime | None, **values: Any) -> Contact:
    held = {"stage": Stage.PROSPECT, "last_person_act": act, **values}
    return Contact(ref=RecordRef("crm", str(number)), **held)


def _utc(*day: int) -> datetime:
    return datetime(*day, tzinfo=UTC)  # type: ignore[arg-type, misc] # year, month, day, hour


def _due(rule: str, *, past: int = 0, this_month: int = 0, next_month: int = 0) -> tuple[Any, ...]:
    return rule, past, this_month, next_month


def _counts(due: tuple[Due, ...]) -> list[tuple[Any, ...]]:
    return [(one.rule, one.past, one.this_month, one.next_month) for one in due]


def test_what_falls_due_by_the_calendar(database: Database) -> None:
    """36 months and 30 days of grace: past, this month, the next, later; months begin in Paris."""
    people = [
        _prospect(1, _utc(2023, 10, 1)),  # 31 October: past
        _prospect(2, _utc(2023, 10, 17, 9)),  # 16 November, an hour from now
        _prospect(3, _utc(2023, 10, 31, 22)),  # 30 November, 23:00 in Paris
        _prospect(4, _utc(2023, 10, 31, 23, 30)),  # 1 December, 00:30 in Paris
        _prospect(5, _utc(2023, 12, 1)),  # 31 December
        _prospect(6, _utc(2023, 12, 3)),  # 2 January: not yet
        _prospect(7, None),
        _prospect(8, _utc(2020, 1, 1), legal_hold=True),
        _prospect(9, _utc(2020, 1, 1), stage=Stage.CUSTOMER),
    ]
    page = Page(cursor=Cursor("1"), contacts=tuple(people), complete=True)
    Mirror(database).save_page("crm", "hubspot", page, now=NOW, full=True)
    configured = Settings(timezone=PARIS, language="en")
    digest = collect(database, configured, PACK, now=NOW)
    assert _counts(digest.retention.due) == [
        _due("retention-prospect-due", past=1, this_month=2, next_month=2)
    ]
    held = digest.retention.due[0]
    assert (held.period, held.length, held.then) == ("prospects", Duration(36, "month"), "archive")
    each = [(place, record.id) for place, record in held.records]
    assert each == [(0, "1"), (1, "2"), (1, "3"), (2, "4"), (2, "5")]
    assert digest.retention.this_month == datetime(2026, 11, 1, tzinfo=PARIS)
    assert digest.retention.next_month == datetime(2026, 12, 1, tzinfo=PARIS)
    assert as_document(digest)["retention"]["due"][0]["length"] == "36 months"


def test_a_rule_that_also_finds_unknown_dates_counts_known_ones(tmp_path: Path) -> None:
    """Of an unknown date nobody can say when its period ends."""
    rules = tmp_path / "own.yaml"
    rules.write_text(
        "version: 1\nrules:\n  - id: all\n    about: All\n"
        "    check: {kind: retention, period: prospects, unknown: report}\n"
        "  - id: soon\n    about: Soon\n"
        "    check: {kind: retention, period: prospects, warn: 3 months}\n"
        "  - id: unknown\n    about: Unknown\n"
        "    check: {kind: retention, period: prospects, unknown: only}\n"
    )
    book = load_rules([rules], periods=PERIODS)
    con = relation_of_contacts([_prospect(1, _utc(2020, 1, 1)), _prospect(2, None)])
    assert _counts(retention(con, book, UTC, NOW).due) == [_due("all", past=1)]


def test_without_such_rules_there_is_nothing_to_say() -> None:
    """No rule, no section."""
    con = relation_of_contacts([_prospect(1, _utc(2020, 1, 1))])
    assert retention(con, RuleBook(()), UTC, NOW).due == ()


def _times(first: datetime, last: datetime) -> st.SearchStrategy[datetime]:
    bounds = (first.replace(tzinfo=None), last.replace(tzinfo=None))
    return st.datetimes(*bounds, timezones=st.just(UTC))


@settings(max_examples=30)
@given(
    acts=st.lists(
        _times(_utc(2023, 8, 1), _utc(2024, 2, 1)),
        max_size=12,
    ),
    now=_times(_utc(2026, 10, 1), _utc(2027, 1, 31)),
)
def test_each_record_is_counted_where_the_rule_first_finds_it(
    acts: list[datetime], now: datetime
) -> None:
    """At any time and for any dates, the counts are those of the rule run at the ends of months."""
    con = relation_of_contacts([_prospect(place, act) for place, act in enumerate(acts)])
    rule = PACK.rule("retention-prospect-due")
    book = replace(PACK, rules=(rule,))
    month = now.astimezone(PARIS).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    first = Duration(1, "month").after(month)
    ends = (now, first, Duration(1, "month").after(first))
    found = [{hit.refs[0].id for hit in rule.find(con, end)} for end in ends]
    expected = [len(found[0]), len(found[1] - found[0]), len(found[2] - found[1] - found[0])]
    due = {one.rule: one for one in retention(con, book, PARIS, now).due}
    one = due.get("retention-prospect-due")
    shown = [one.past, one.this_month, one.next_month] if one else [0, 0, 0]
    assert shown == expected
