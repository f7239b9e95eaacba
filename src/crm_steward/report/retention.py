"""Retention in the digest: what falls due this calendar month and the next, and what is past it.

Asked of the rules themselves, as of now and as of the end of each month, so that a rule and the
report never count differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from crm_steward.model import RecordRef
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
    local = now.astimezone(zone)
    this = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = _MONTH.after(this)
    ends = (now, following, _MONTH.after(following))
    counted = [_due(con, rule, ends) for rule in keeping(book)]
    due = [one for one in counted if one.past or one.this_month or one.next_month]
    if not due:
        return Retention()
    due.sort(key=lambda one: (-one.past, -one.this_month, -one.next_month, one.rule))
    return Retention(this_month=this, next_month=following, due=tuple(due))


def _due(
    con: duckdb.DuckDBPyConnection, rule: Rule, ends: tuple[datetime, datetime, datetime]
) -> Due:
    """Return how many records a rule finds now, and at the end of each month for the first time."""
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
    counts = dict(con.execute("SELECT place, count(*) FROM due GROUP BY place").fetchall())
    rows = con.execute(f"SELECT * FROM due ORDER BY place, connection, id LIMIT {MOST}").fetchall()
    period = check.period.found
    return Due(
        rule=rule.id,
        titles={language: rule.title(language) for language in ("en", "fr")},
        period=period.id,
        length=period.length,
        then=period.then,
        past=counts.get(0, 0),
        this_month=counts.get(1, 0),
        next_month=counts.get(2, 0),
        records=tuple((place, RecordRef(name, record)) for place, name, record in rows),
    )
