"""What a check kind is: a schema an author fills in, and the SQL that finds."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, final

from crm_steward.matching import Index
from crm_steward.model import RecordRef
from crm_steward.rules.block import Block
from crm_steward.rules.conditions import Condition, Test, compiled_condition
from crm_steward.rules.durations import Duration
from crm_steward.rules.scope import excepted
from crm_steward.rules.sql import Statement, json_object
from crm_steward.rules.steps import Step, looked_at

if TYPE_CHECKING:
    import duckdb

_BATCH = 2000
_WORD = re.compile(r"[a-z_0-9]+")

Evidence = Mapping[str, Any]
"""What a check leaves about a finding: JSON-ready facts."""


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
        now: The moment durations are counted from; days begin at midnight of its time zone.
        where: The rule's condition, or None for every contact.
        connections: Only these; None means all.
        exceptions: Records, or a condition that says which contacts are left alone.
        leave_out: Told what a check could not examine.
        keys: Where a check that compares contacts keeps their keys from one look to the next.
        changed: Only contacts that changed are in `contacts`, and `looked_at` has those that are
            gone too; None looks at all. Told a table of the records whose groups were looked for.
    """

    con: duckdb.DuckDBPyConnection
    now: datetime
    where: Condition | None = None
    connections: tuple[str, ...] | None = None
    exceptions: tuple[RecordRef, ...] | Condition | None = None
    leave_out: Callable[[LeftOut], None] = _nobody_asks
    keys: Index | None = None
    changed: Callable[[str], object] | None = None

    @property
    def narrowed(self) -> bool:
        """Whether some contacts are left out."""
        return (self.where, self.connections, self.exceptions) != (None, None, None)

    def clause(self, statement: Statement) -> str:
        """Return SQL that is true for the contacts in scope."""
        parts = ["true"]
        if self.connections is not None:
            parts.append(f"list_contains({statement.bind(list(self.connections))}, connection)")
        if self.where is not None:
            parts.append(compiled_condition(self.where, statement))
        if self.exceptions is not None:
            parts.append(f"NOT {excepted(self.exceptions, statement)}")
        return " AND ".join(parts)


class Wording(Protocol):
    """One language of the people who read findings: what `Check.say` speaks with."""

    language: str

    def __call__(self, key: str, n: int | None = None, **values: Any) -> str:
        """Return the sentence at `key` of the report's catalogue."""
        ...

    def either(self, en: str, fr: str, **values: Any) -> str:
        """Return the sentence of this language with its placeholders filled."""
        ...

    def known(self, prefix: str, code: object, fallback: str = "other") -> str:
        """Return the catalogue's sentence at `prefix.code`, or the one at `prefix.fallback`."""
        ...

    def field(self, name: object) -> str:
        """Return the label of a field."""
        ...

    def day(self, moment: datetime) -> str:
        """Write a day."""
        ...

    def listed(self, items: Sequence[str]) -> str:
        """Write items with an *and*."""
        ...


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
    evidence: Evidence
    about: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One SQL statement that finds everything, with its bound values.

    Args:
        sql: Selects `refs` (a list of {connection, id}, sorted), `about`, `evidence` (JSON text)
            and `score`.
        values: Name of the parameter → value.
    """

    sql: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """One kind of finding that a row check reports about a contact.

    Args:
        evidence: Name of the fact → SQL; times through `sql.iso`.
        when: SQL true for the contacts it is reported of, among those that pass the check's tests.
        about: Tells it apart from the check's other reports on one contact.
    """

    evidence: Mapping[str, str]
    when: str = "true"
    about: str = ""


class Check(Block, ABC):
    """A check kind: one module in this folder, which holds all there is to say about it.

    A subclass adds `kind: Literal["…"]` and its own keys; its docstring says what it finds and
    shows an example, its attributes' docstrings are what an editor shows.
    """

    kind: str
    about: ClassVar[tuple[str, str]]
    """What it finds, in a few words: in English, in French."""
    proposes: ClassVar[bool] = False
    """Whether its evidence says what a field should read, so that `update` can write it."""
    groups: ClassVar[bool] = False
    """Whether a finding is about several records, so that `merge` makes sense."""
    names: ClassVar[str] = ""
    """The fact that names what the contact is, which `tag` writes when it gives no word."""
    facts: ClassVar[Mapping[str, str]] = {}
    """The evidence: name of the fact → what it is, for rule tests and the reference."""

    @classmethod
    def title(cls, language: str) -> str:
        """Return what it finds, in a few words of `language` ("en" or "fr")."""
        english, french = cls.about
        return french if language == "fr" else english

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields it looks at, beyond those written as field names under `check`."""
        return ()

    @property
    def alone(self) -> bool:
        """Whether what it says of a contact depends on that contact and the time alone."""
        return False

    @property
    def by_keys(self) -> bool:
        """Whether it can look at the contacts that changed and those that share a key with them."""
        return False

    @property
    def links(self) -> bool:
        """Whether the pairs in its evidence say which records, everywhere, are one person."""
        return False

    def columns(self, scope: Scope) -> Collection[str] | None:  # noqa: ARG002 -- for the kinds
        """Return words among which are the columns it reads; None means all columns."""
        return None

    @abstractmethod
    def find(self, scope: Scope) -> Iterator[Hit]:
        """Yield what is found, in the order of the records."""

    @abstractmethod
    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record in scope, step by step, why it is found or not."""

    @classmethod
    def say(cls, evidence: Evidence, words: Wording, members: int) -> str:  # noqa: ARG003 -- for the kinds
        """Return one line about a finding for the report: never a value of the contact.

        Args:
            evidence: What the check left, perhaps an older version of it.
            words: The reader's language.
            members: How many records it is about.
        """
        return ""


class SqlCheck(Check):
    """A check that finds everything in one SQL statement: nothing is done row by row."""

    @abstractmethod
    def query(self, scope: Scope) -> Query:
        """Return the statement; nothing of it is text of the rule's author, every value is bound."""

    def columns(self, scope: Scope) -> Collection[str]:
        """Return the words of its statement: values are bound, so that they are our own."""
        return words_of(self.query(scope).sql)

    def not_examined(self, scope: Scope) -> Iterator[LeftOut]:  # noqa: ARG002 -- for the kinds
        """Yield what in scope cannot be examined."""
        yield from ()

    @final
    def find(self, scope: Scope) -> Iterator[Hit]:
        """Yield what is found, in the order of the records."""
        query = self.query(scope)
        for left_out in self.not_examined(scope):
            scope.leave_out(left_out)
        # A cursor of its own, so that a caller may interleave rules on one connection.
        cursor = scope.con.cursor().execute(
            f"SELECT refs, about, evidence, score FROM ({query.sql}) ORDER BY refs, about",
            query.values,
        )
        while rows := cursor.fetchmany(_BATCH):
            for refs, about, evidence, score in rows:
                named = tuple(RecordRef(ref["connection"], ref["id"]) for ref in refs)
                yield Hit(named, json.loads(evidence), about, score)


def words_of(sql: str) -> frozenset[str]:
    """Return the words of a statement, the columns among them; values are bound, not in it."""
    return frozenset(_WORD.findall(sql))


class RowCheck(SqlCheck):
    """A check that looks at one contact at a time."""

    @property
    def alone(self) -> bool:
        """It does, unless a kind says otherwise."""
        return True

    @abstractmethod
    def tests(self, statement: Statement) -> tuple[Test, ...]:
        """Return what must all be true for a contact to be found."""

    @abstractmethod
    def reports(self, statement: Statement) -> tuple[Report, ...]:
        """Return what is reported of a contact that is found: one finding for each that holds."""

    def query(self, scope: Scope) -> Query:
        """Return the statement."""
        statement = Statement(scope.now)
        tests = " AND ".join(test.sql for test in self.tests(statement))
        chosen = f"{scope.clause(statement)} AND {tests}"
        parts = [
            f"SELECT [{{'connection': connection, 'id': id}}] AS refs, "
            f"{statement.bind(report.about)}::VARCHAR AS about, "
            f"{json_object(report.evidence, statement)} AS evidence, NULL::DOUBLE AS score "
            f"FROM contacts WHERE {chosen} AND {report.when}"
            for report in self.reports(statement)
        ]
        return Query(" UNION ALL ".join(parts), statement.values)

    def explain(self, scope: Scope, ref: RecordRef) -> tuple[Step, ...]:
        """Say for one record, test by test, what holds and what is seen."""
        statement = Statement(scope.now)
        return looked_at(scope.con, ref, self.tests(statement), statement)


MAX_SHARED = 200
"""Holders of one value beyond which it tells nobody apart: a placeholder, a switchboard."""


def crowds(scope: Scope, what: str, sizes: str, values: Mapping[str, Any]) -> Iterator[LeftOut]:
    """Yield the groups that are too large to mean anything, by their size alone.

    Args:
        scope: Where the check looks.
        what: What their members share, without its value.
        sizes: SQL that selects the `size` of each group.
        values: The statement's bound values.
    """
    query = f"SELECT size FROM ({sizes}) WHERE size > {MAX_SHARED} ORDER BY size DESC"
    for (size,) in scope.con.cursor().execute(query, values).fetchall():
        yield LeftOut(f"{what}: {size} contacts share one value", size)


_MOST = 4
"""Names listed in one line."""


def names_in(value: object) -> Sequence[str]:
    """Return the first names of a list that evidence holds; nothing when it is no list."""
    return [str(name)[:60] for name in value[:_MOST]] if isinstance(value, list) else []


def lasting(text: object, words: Wording) -> str:
    """Return a length of time as evidence holds it in words: 36 months, 36 mois; nothing for none."""
    try:
        length = Duration.parse(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        length = None
    return words(f"length.{length.unit}", n=length.count) if length else ""


def moment_of(value: object) -> datetime | None:
    """Return the time that evidence holds as text; None when it is none."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
