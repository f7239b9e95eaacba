"""Consents in the digest: what can be shown, what ends soon, what contradicts, whose no is heeded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from crm_steward.model import Channel, ConsentStatus, RecordRef
from crm_steward.report.listing import LISTED, MOST
from crm_steward.report.objections import Objections
from crm_steward.rules import Duration, Rule, RuleBook
from crm_steward.rules.consents import REFUSED, lacking, listed, own
from crm_steward.rules.kinds.base import Query, Scope
from crm_steward.rules.kinds.conflict import Conflict
from crm_steward.rules.kinds.consent import ConsentCheck
from crm_steward.rules.sql import Statement

if TYPE_CHECKING:
    import duckdb

COLUMNS = frozenset(
    {
        *(f"consent_{channel}" for channel in Channel),
        "consent_email_missing_proof",
        "consent_phone_missing_proof",
        "consents",
        "email_key",
        "people",
    }
)
"""The columns that are read, besides those of the rules about consents that end."""
_STANDING = tuple(status for status in ConsentStatus if status.mailable)
_PROVEN = {
    Channel.EMAIL: "consent_email_missing_proof = ''",
    Channel.PHONE: "consent_phone_missing_proof = ''",
}
"""Channel → SQL for whether nothing is missing from the proof, where the mirror keeps that."""
_MONTH = Duration(1, "month")


class Ground(StrEnum):
    """Why a consent ends."""

    PURCHASE = "purchase"
    INQUIRY = "inquiry"
    IMPLIED = "implied"
    UNUSED = "unused"
    ASK = "ask"
    """It does not end, but is to be asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Consents of one channel in one connection.

    Args:
        connection: The connection.
        channel: The channel.
        standing: Contacts whose consent stands.
        provable: Those of them whose proof is complete.
    """

    connection: str
    channel: Channel
    standing: int
    provable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Consents that end within a month, as a rule and the register say.

    Args:
        channel: The channel.
        ground: Why they end.
        length: After which time.
        count: How many contacts.
        records: Their records.
    """

    channel: Channel
    ground: Ground
    length: Duration
    count: int
    records: tuple[RecordRef, ...] = field(default=(), metadata=LISTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one record says of a channel on which the records of its person differ.

    Args:
        person: A number that is the same for all records of the person.
        record: The record.
        status: What it says; None where nothing is known.
        opposed: Whether one of the person's records may be contacted and another said no.
    """

    person: int
    record: RecordRef
    status: str | None
    opposed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """People of whom connections say different things on one channel.

    Args:
        channel: The channel.
        people: How many.
        opposed: Those of them who may be contacted by one connection and said no in another.
        records: What their records say, person by person, those opposed first.
    """

    channel: Channel
    people: int
    opposed: int
    records: tuple[Said, ...] = field(default=(), metadata=LISTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consents:
    """What the report says of consents.

    Args:
        shares: By connection and channel, most consents first.
        ending: What ends within a month, most first.
        apart: Where connections contradict each other, by channel.
        objections: Whose no was heeded, and whose is not yet.
    """

    shares: tuple[Share, ...] = ()
    ending: tuple[Ending, ...] = ()
    apart: tuple[Apart, ...] = ()
    objections: Objections = field(default_factory=Objections)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        said = (self.shares, self.ending, self.apart, self.objections.delays, self.objections.open)
        return not any(said)


def lapsing(book: RuleBook) -> list[Rule]:
    """Return the rules that say when consents end."""
    return [
        rule
        for rule in book.rules
        if isinstance(rule.check, ConsentCheck)
        and rule.check.problem in {"expiring", "expired", "unused"}
    ]


def consents(
    con: duckdb.DuckDBPyConnection, book: RuleBook, objections: Objections, now: datetime
) -> Consents:
    """Return what the mirror says of consents.

    Args:
        con: A DuckDB connection that holds the table `contacts`, and `people`.
        book: The rules.
        objections: What became of them.
        now: The time.
    """
    return Consents(
        shares=_shares(con, now),
        ending=_ending(con, lapsing(book), now),
        apart=_apart(con, now),
        objections=objections,
    )


def _shares(con: duckdb.DuckDBPyConnection, now: datetime) -> tuple[Share, ...]:
    statement = Statement(now)
    parts = [
        f"SELECT connection, '{channel}' AS channel, count(*) AS standing, "
        f"count(*) FILTER (WHERE {_proven(channel, statement)}) AS provable FROM contacts "
        f"WHERE consent_{channel} IN ({listed(_STANDING)}) GROUP BY connection"
        for channel in Channel
    ]
    ordered = f"{' UNION ALL '.join(parts)} ORDER BY standing DESC, connection, channel"
    rows = con.execute(ordered, statement.values).fetchall()
    return tuple(
        Share(connection=name, channel=Channel(channel), standing=standing, provable=provable)
        for name, channel, standing, provable in rows
    )


def _proven(channel: Channel, statement: Statement) -> str:
    """Return SQL for whether the proof of the consent that binds is complete."""
    if channel in _PROVEN:
        return _PROVEN[channel]
    said = own(channel, None, statement)
    binding = f"list_filter({said}, lambda said: said.status = consent_{channel})"
    return f"coalesce(len({lacking(binding)}) = 0, false)"


def _ending(
    con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], now: datetime
) -> tuple[Ending, ...]:
    """Return what ends within a month, each contact once for what two rules say of one period."""
    return in_order(ends_within_a_month(con, rules, now), most=MOST)


Key = tuple[Channel, Ground, Duration]
"""Channel, why consents end, after which time."""
Ends = Mapping[Key, AbstractSet[tuple[str, str]]]
"""What ends → connection and id of the contacts whose consent it is."""


def ends_within_a_month(
    con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], now: datetime
) -> Ends:
    """Return whose consents end within a month, by what two rules say of one period."""
    found: dict[Key, set[tuple[str, str]]] = {}
    for rule in rules:
        check: ConsentCheck = rule.check
        key = (Channel(check.channel), _ground(check), check.limit)
        found.setdefault(key, set()).update(_soon(con, rule, check, now))
    return found


def in_order(found: Ends, *, most: int) -> tuple[Ending, ...]:
    """Return what ends, most first, each with at most so many records."""
    counted = [
        Ending(
            channel=channel,
            ground=ground,
            length=length,
            count=len(refs),
            records=tuple(RecordRef(*ref) for ref in sorted(refs)[:most]),
        )
        for (channel, ground, length), refs in found.items()
        if refs
    ]
    return tuple(sorted(counted, key=lambda one: (-one.count, one.channel, one.ground)))


def _soon(
    con: duckdb.DuckDBPyConnection, rule: Rule, check: ConsentCheck, now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield the records whose consent ends within a month: what the rule finds then, and not now."""
    if check.problem == "expiring":
        month = check.model_copy(update={"warn": _MONTH})
        yield from _found(con, month.query(rule.scope(con, now)))
        return
    known = set(_found(con, check.query(rule.scope(con, now))))
    later = check.query(rule.scope(con, _MONTH.after(now)))
    yield from (ref for ref in _found(con, later) if ref not in known)


def _found(con: duckdb.DuckDBPyConnection, query: Query) -> Iterator[tuple[str, str]]:
    sql = f"SELECT refs[1].connection, refs[1].id FROM ({query.sql})"
    yield from con.cursor().execute(sql, query.values).fetchall()


def _ground(check: ConsentCheck) -> Ground:
    if check.problem == "unused":
        asks = check.period is not None and check.period.found.then == "ask"
        return Ground.ASK if asks else Ground.UNUSED
    return Ground(check.basis or "implied")


def _apart(con: duckdb.DuckDBPyConnection, now: datetime) -> tuple[Apart, ...]:
    """Return where connections differ: asked by the check `conflict`.

    People are those that the rules are sure of; where none are known, records of one e-mail.
    """
    known = con.execute("SELECT count(*) FROM people").fetchall()[0][0]
    fields = tuple(f"consent_{channel}" for channel in Channel)
    check = Conflict(kind="conflict", fields=fields, link="person" if known else "email")
    query = check.query(Scope(con, now))
    status = " ".join(f"WHEN '{name}' THEN {name}" for name in fields)
    mailed = f"bool_or(status IN ({listed(_STANDING)})) OVER one"
    refused = f"bool_or(status IN ({listed(REFUSED)})) OVER one"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE said AS WITH found AS (SELECT row_number() OVER (ORDER BY "
        f"refs) AS person, about, refs FROM ({query.sql})), "
        "members AS (SELECT person, about, unnest(refs) AS ref FROM found) "
        f"SELECT person, about, ref, CASE about {status} END AS status, "
        f"coalesce({mailed} AND {refused}, false) AS opposed "
        "FROM members JOIN contacts ON connection = ref.connection AND id = ref.id "
        "WINDOW one AS (PARTITION BY about, person)",
        query.values,
    )
    rows = con.execute(
        "SELECT about, count(DISTINCT person), count(DISTINCT person) FILTER (WHERE opposed) "
        "FROM said GROUP BY about ORDER BY 3 DESC, 2 DESC, 1"
    ).fetchall()
    return tuple(
        Apart(
            channel=Channel(name.removeprefix("consent_")),
            people=people,
            opposed=opposed,
            records=tuple(_said(con, name)),
        )
        for name, people, opposed in rows
    )


def _said(con: duckdb.DuckDBPyConnection, field: str) -> Iterator[Said]:
    """Yield what records say that differ, as `_apart` found them."""
    rows = con.execute(
        "SELECT person, ref.connection, ref.id, status, opposed FROM said WHERE about = $about "
        f"ORDER BY opposed DESC, person, ref LIMIT {MOST}",
        {"about": field},
    ).fetchall()
    for person, connection, record, status, opposed in rows:
        yield Said(
            person=person, record=RecordRef(connection, record), status=status, opposed=opposed
        )
