"""Asks conditions and tests of one record, for explanations: what is asked, what holds, what is seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crm_steward.model import RecordRef
from crm_steward.rules.conditions import AllOf, AnyOf, Comparison, Condition, NotIt, Test
from crm_steward.rules.sql import Statement

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an explanation.

    Args:
        words: What is asked, in the words of the rule file.
        holds: Whether it holds for the record.
        seen: The value looked at, if there is one.
        parts: The conditions inside it.
    """

    words: str
    holds: bool
    seen: Any = None
    parts: tuple[Step, ...] = field(default=())


def looked_at(
    con: duckdb.DuckDBPyConnection, ref: RecordRef, tests: tuple[Test, ...], statement: Statement
) -> tuple[Step, ...]:
    """Ask each of `tests` of one record.

    Raises:
        LookupError: There is no such record.
    """
    chosen = ", ".join(f"{test.sql}, {test.seen(statement)}" for test in tests)
    query = (
        f"SELECT {chosen} FROM contacts WHERE connection = {statement.bind(ref.connection)} "
        f"AND id = {statement.bind(ref.id)}"
    )
    row = con.execute(query, statement.values).fetchone()
    if row is None:
        raise LookupError(str(ref))
    return tuple(
        Step(test.words, bool(row[2 * place]), as_json(row[2 * place + 1]))
        for place, test in enumerate(tests)
    )


def as_json(value: Any) -> Any:
    """Return a value from DuckDB as JSON holds it; times as ISO 8601 in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    return value


def asked(
    condition: Condition, ref: RecordRef, con: duckdb.DuckDBPyConnection, now: datetime
) -> Step:
    """Ask a condition of one record, part by part.

    Raises:
        LookupError: There is no such record.
    """
    match condition:
        case Comparison():
            statement = Statement(now)
            (step,) = looked_at(con, ref, (condition.test(statement),), statement)
            return step
        case AllOf(all=inner):
            parts = _each(inner, ref, con, now)
            return Step("all", all(part.holds for part in parts), parts=parts)
        case AnyOf(any=inner):
            parts = _each(inner, ref, con, now)
            return Step("any", any(part.holds for part in parts), parts=parts)
        case NotIt(not_=one):
            part = asked(one, ref, con, now)
            return Step("not", not part.holds, parts=(part,))


def _each(
    conditions: Iterable[Condition], ref: RecordRef, con: duckdb.DuckDBPyConnection, now: datetime
) -> tuple[Step, ...]:
    return tuple(asked(condition, ref, con, now) for condition in conditions)
