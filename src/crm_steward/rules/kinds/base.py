"""What a check kind is: a schema an author fills in, and the SQL that finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import duckdb

from crm_steward.model import RecordRef
from crm_steward.rules.block import Block
from crm_steward.rules.conditions import Condition, Test, compiled_condition
from crm_steward.rules.sql import Statement

_BATCH = 2000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a check could not examine: said, never passed over in silence.

    Args:
        reason: Why, without personal data.
        contacts: How many contacts.
    """

    reason: str
    contacts: int


def _nobody_asks(_: LeftOut) -> None:
    """Take what is left out when the caller has no use for it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a check looks.

    Args:
        con: A DuckDB connection with the table `contacts`.
        now: The moment durations are counted from.
        where: The rule's condition, or None for every contact.
        connections: Only these; empty means all.
        leave_out: Told what a check could not examine.
    """

    con: duckdb.DuckDBPyConnection
    now: datetime
    where: Condition | None = None
    connections: tuple[str, ...] = ()
    leave_out: Callable[[LeftOut], None] = _nobody_asks

    @property
    def narrowed(self) -> bool:
        """Whether some contacts are left out."""
        return self.where is not None or bool(self.connections)

    def clause(self, statement: Statement) -> str:
        """Return SQL that is true for the contacts in scope."""
        parts = ["true"]
        if self.connections:
            parts.append(f"list_contains({statement.bind(list(self.connections))}, connection)")
        if self.where is not None:
            parts.append(compiled_condition(self.where, statement))
        return " AND ".join(parts)


@dataclass(frozen=True, slots=True)
class Hit:
    """What a check found, before the rule puts its name on it.

    Args:
        refs: One record, or the members of a group.
        evidence: JSON-ready facts.
        about: Tells apart several hits on one record.
        score: Certainty between 0 and 1, where known.
    """

    refs: tuple[RecordRef, ...]
    evidence: Mapping[str, Any]
    about: str = ""
    score: float | None = None


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


class Check(Block, ABC):
    """A check kind. Subclasses add `kind: Literal["…"]` and their own keys."""

    kind: str
    proposes: ClassVar[bool] = False
    """Whether its evidence says what a field should read, so that `update` can write it."""

    @abstractmethod
    def find(self, scope: Scope) -> Iterator[Hit]:
        """Yield what is found, in the order of the records."""

    @abstractmethod
    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record in scope, step by step, why it is found or not."""


class RowCheck(Check):
    """A check that looks at one contact at a time, all in one SQL statement."""

    @abstractmethod
    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return what must all be true for a contact to be found."""

    @abstractmethod
    def columns(self, statement: Statement) -> Mapping[str, str]:
        """Return the values the evidence is made of: name → SQL."""

    @abstractmethod
    def hits(self, ref: RecordRef, row: Mapping[str, Any]) -> Iterator[Hit]:
        """Turn one row of `columns` into what is reported."""

    def find(self, scope: Scope) -> Iterator[Hit]:
        """Yield what is found, in the order of the records."""
        statement = Statement(scope.now)
        columns = self.columns(statement)
        chosen = "".join(f', {sql} AS "{name}"' for name, sql in columns.items())
        tests = " AND ".join(test.sql for test in self.tests(statement))
        query = (
            f"SELECT connection, id{chosen} FROM contacts "
            f"WHERE {scope.clause(statement)} AND {tests} ORDER BY connection, id"
        )
        # A cursor of its own, so that a caller may interleave rules on one connection.
        cursor = scope.con.cursor().execute(query, statement.values)
        while rows := cursor.fetchmany(_BATCH):
            for connection, record_id, *values in rows:
                yield from self.hits(
                    RecordRef(connection, record_id), dict(zip(columns, values, strict=True))
                )

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record, test by test, what holds and what is seen."""
        statement = Statement(scope.now)
        return looked_at(scope.con, ref, self.tests(statement), statement)


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
