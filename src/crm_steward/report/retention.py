"""Retention in the digest: what falls due this calendar month and the next, and what is past it.

Asked of the rules themselves, as of now and as of the end of each month, so that a rule and the
report never count differently.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from crm_steward.model import RecordRef
from crm_steward.report.concerned import Owner
from crm_steward.report.listing import LISTED, MOST
from crm_steward.rules import Duration, Rule, RuleBook
from crm_steward.rules.kinds.retention import Retention as RetentionCheck
from crm_steward.rules.registerfile import Then

if TYPE_CHECKING:
    import duckdb

_MONTH = Duration(1, "month")


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Records whose period of retention ends, as one rule counts it, grace included.

    Args:
        rule: The rule.
        titles: Its title by language.
        period: The id of the register's period.
        length: Its length.
        then: What is due at its end.
        past: Records that are past it.
        this_month: Records that reach it before the month is over.
        next_month: Records that reach it in the month after.
        records: Each with 0 where it is past the end, 1 for this month, 2 for the next, in this order.
    """

    rule: str
    titles: Mapping[str, str]
    period: str
    length: Duration
    then: Then
    past: int
    this_month: int
    next_month: int
    records: tuple[tuple[int, RecordRef], ...] = field(default=(), metadata=LISTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What falls due.

    Args:
        this_month: Its first moment, in the reader's time zone; None when nothing falls due.
        next_month: That of the month after.
        due: By rule, most past first; rules of which nothing falls due are left out.
    """

    this_month: datetime | None = None
    next_month: datetime | None = None
    due: tuple[Due, ...] = ()


def keeping(book: RuleBook) -> list[Rule]:
    """Return the rules that find what was kept too long; those that warn before are no end."""
    return [
        rule
        for rule in book.rules
        if isinstance(rule.check, RetentionCheck)
        and rule.check.warn is None
        and rule.check.unknown != "only"
    ]


def retention(
    con: duckdb.DuckDBPyConnection, book: RuleBook, zone: tzinfo, now: datetime
) -> Retention:
    """Return what falls due by the calendar.

    Args:
        con: A DuckDB connection that holds the table `contacts`.
        book: The rules.
        zone: Where the months begin.
        now: The time.
    """
    this, following = months(zone, now)
    counted = [_due(con, rule, _ends(zone, now)) for rule in keeping(book)]
    due = [one for one in counted if one.past or one.this_month or one.next_month]
    if not due:
        return Retention()
    return Retention(this_month=this, next_month=following, due=tuple(sorted(due, key=_first)))


def _first(one: Due) -> tuple[int, int, int, str]:
    return -one.past, -one.this_month, -one.next_month, one.rule


def months(zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """Return when this calendar month and the next began or begin."""
    this = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return this, _MONTH.after(this)


def _ends(zone: tzinfo, now: datetime) -> tuple[datetime, datetime, datetime]:
    """Return when it is looked: now, and at the end of this month and of the next."""
    _, following = months(zone, now)
    return now, following, _MONTH.after(following)


def due_of_owners(
    con: duckdb.DuckDBPyConnection, book: RuleBook, zone: tzinfo, now: datetime, *, shown: int
) -> dict[Owner, list[Due]]:
    """Return what falls due in the records of each owner, rule by rule, with `shown` records each."""
    found: dict[Owner, list[Due]] = {}
    for rule in keeping(book):
        _look(con, rule, _ends(zone, now))
        rows = con.execute(
            "SELECT connection, owner, count(*) FILTER (place = 0), count(*) FILTER (place = 1), "
            "count(*) FILTER (place = 2), list((place, id) ORDER BY place, id)[:$shown] FROM due "
            "JOIN contacts USING (connection, id) WHERE owner <> '' GROUP BY connection, owner",
            {"shown": shown},
        ).fetchall()
        for connection, owner, past, this_month, next_month, first in rows:
            records = tuple((place, RecordRef(connection, record)) for place, record in first)
            told = _told(rule, (past, this_month, next_month), records)
            found.setdefault((connection, owner), []).append(told)
    return found


def due_together(each: Iterable[Due], *, shown: int) -> tuple[Due, ...]:
    """Return what falls due at an owner of several connections, each rule once."""
    found: dict[str, Due] = {}
    for one in each:
        known = found.get(one.rule)
        if known is not None:
            found[one.rule] = replace(
                known,
                past=known.past + one.past,
                this_month=known.this_month + one.this_month,
                next_month=known.next_month + one.next_month,
                records=tuple(sorted(known.records + one.records)[:shown]),
            )
        else:
            found[one.rule] = one
    return tuple(sorted(found.values(), key=_first))


def _due(
    con: duckdb.DuckDBPyConnection, rule: Rule, ends: tuple[datetime, datetime, datetime]
) -> Due:
    """Return how many records a rule finds now, and at the end of each month for the first time."""
    _look(con, rule, ends)
    counts = dict(con.execute("SELECT place, count(*) FROM due GROUP BY place").fetchall())
    rows = con.execute(f"SELECT * FROM due ORDER BY place, connection, id LIMIT {MOST}").fetchall()
    records = tuple((place, RecordRef(name, record)) for place, name, record in rows)
    return _told(rule, (counts.get(0, 0), counts.get(1, 0), counts.get(2, 0)), records)


def _look(
    con: duckdb.DuckDBPyConnection, rule: Rule, ends: tuple[datetime, datetime, datetime]
) -> None:
    """Put into the table `due` what a rule finds: place 0 now, 1 and 2 at the end of each month."""
    check: RetentionCheck = rule.check
    for place, end in enumerate(ends):
        query = check.query(rule.scope(con, end))
        # Of an unknown date nobody can say when its period ends.
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE due_{place} AS SELECT refs[1].connection AS connection, "
            f"refs[1].id AS id FROM ({query.sql}) WHERE about = ''",
            query.values,
        )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE due AS SELECT 0 AS place, * FROM due_0 UNION ALL SELECT 1, * "
        "FROM due_1 ANTI JOIN due_0 USING (connection, id) UNION ALL SELECT 2, * FROM due_2 ANTI "
        "JOIN due_1 USING (connection, id) ANTI JOIN due_0 USING (connection, id)"
    )


def _told(
    rule: Rule, counts: tuple[int, int, int], records: tuple[tuple[int, RecordRef], ...]
) -> Due:
    past, this_month, next_month = counts
    check: RetentionCheck = rule.check
    period = check.period.found
    return Due(
        rule=rule.id,
        titles={language: rule.title(language) for language in ("en", "fr")},
        period=period.id,
        length=period.length,
        then=period.then,
        past=past,
        this_month=this_month,
        next_month=next_month,
        records=records,
    )
