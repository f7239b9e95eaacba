"""Objections in the digest: whose no was heeded, and within which delay; whose is not heeded yet.

Time runs from when a rule first saw the no on the record that did not heed it, to the suppression
that the CRM confirmed, or to the scan that saw the record say no itself. The CRM's own date of the
refusal may be earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from crm_steward.model import Channel, RecordRef
from crm_steward.report.groups import Person
from crm_steward.report.listing import LISTED, MOST
from crm_steward.report.standing import stands
from crm_steward.rules import Duration, Period, Rule, RuleBook
from crm_steward.rules.consents import REFUSED
from crm_steward.rules.kinds.consent import ConsentCheck
from crm_steward.rules.sql import Statement
from crm_steward.store.live import is_live
from crm_steward.store.tables import consent_evidence, contacts, finding_refs, findings, journal

if TYPE_CHECKING:  # it holds the digest, and the digest what is here
    import duckdb

    from crm_steward.report.findings import Names

SHOWN = 5
"""Open objections that are named."""
_UNHEEDED = ("contradicted", "complained")
"""Problems of consent that are somebody's no, not yet applied to the record."""
_REFUSED = tuple(status.label for status in REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Objections that were heeded since the last report, of one legal delay.

    Args:
        length: The delay; None where neither a rule nor the register gives one.
        by: The id of the rule, or of the register's period, that gives it.
        heeded: How many.
        in_time: How many of them within the delay; without one, none.
        unknown: How many of them nobody can tell it of, because when the no was seen is not kept.
    """

    length: Duration | None
    by: str
    heeded: int
    in_time: int
    unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheeded:
    """An objection that is still open.

    Args:
        person: The record that does not heed it.
        channel: The channel.
        seen: When a rule first saw it.
        days: Whole days since.
        due: When the delay ends or ended; None without one.
        late: Whether that is over.
    """

    person: Person
    channel: Channel
    seen: datetime
    days: int
    due: datetime | None
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Objections:
    """What became of objections.

    Args:
        delays: What was heeded, by the delay that applies, shortest first.
        open: How many are still open.
        late: How many of them are beyond their delay.
        worst: The first few of them, longest overdue first.
        listed: More of them in the same order; their people have no name here.
    """

    delays: tuple[Delay, ...] = ()
    open: int = 0
    late: int = 0
    worst: tuple[Unheeded, ...] = ()
    listed: tuple[Unheeded, ...] = field(default=(), metadata=LISTED)


@dataclass(frozen=True, slots=True)
class _No:
    """A record and a channel on which somebody's no has to be heeded."""

    ref: RecordRef
    channel: Channel


@dataclass(frozen=True, slots=True)
class _Term:
    """How long there is to heed it, and who says so."""

    length: Duration
    by: str


def objections(
    reading: sa.Connection,
    con: duckdb.DuckDBPyConnection,
    names: Names,
    book: RuleBook,
    *,
    since: datetime,
    until: datetime,
) -> Objections:
    """Return the objections that were heeded between two moments, and those open at the end.

    Args:
        reading: A read transaction.
        con: A DuckDB connection that holds the table `contacts`.
        names: How records may be named.
        book: The rules: which see objections, and which delay applies to whom.
        since: The last report.
        until: The end.
    """
    rules = _seeing(book)
    if not rules:
        return Objections()
    waiting = _waiting(reading, rules, until)
    heeded = _heeded(reading, rules, since, until)
    terms = _terms(con, book, {*waiting, *heeded}, until)
    return replace(
        _open(names, waiting, terms, until),
        delays=_delays(heeded, terms),
    )


def objecting(rule: Rule) -> bool:
    """Whether a rule finds records that do not heed somebody's no."""
    return isinstance(rule.check, ConsentCheck) and rule.check.problem in _UNHEEDED


def alarms(book: RuleBook) -> list[Rule]:
    """Return the rules that say how soon a no has to be heeded."""
    return [rule for rule in book.rules if objecting(rule) and rule.check.after is not None]


def _seeing(book: RuleBook) -> dict[str, Channel]:
    return {rule.id: Channel(rule.check.channel) for rule in book.rules if objecting(rule)}


def _waiting(
    reading: sa.Connection, rules: Mapping[str, Channel], until: datetime
) -> dict[_No, datetime]:
    """Return what was open at `until` and not suppressed since, and when it was first seen."""
    f, refs = findings.c, finding_refs.c
    query = (
        sa.select(refs.connection, refs.id, f.rule, f.first_seen_at, _suppressed_at(rules))
        .join(findings, f.fingerprint == refs.fingerprint)
        .where(f.rule.in_(rules), stands(until))
    )
    found: dict[_No, datetime] = {}
    ours: dict[_No, datetime | None] = {}
    for connection, record, rule, seen, at in reading.execute(query):
        no = _No(RecordRef(connection, record), rules[rule])
        found[no] = min(seen, found.get(no, seen))
        ours[no] = at
    return {no: seen for no, seen in found.items() if not _since(ours[no], seen)}


def _since(at: datetime | None, seen: datetime) -> bool:
    return at is not None and at >= seen


@dataclass(frozen=True, slots=True)
class _Heeded:
    """When a no was seen, None where that is not kept, and when it was heeded."""

    seen: datetime | None
    at: datetime


def _heeded(
    reading: sa.Connection, rules: Mapping[str, Channel], since: datetime, until: datetime
) -> dict[_No, _Heeded]:
    """Return what was heeded: suppressions that a CRM confirmed, and what was done by other hands."""
    elsewhere = dict(_elsewhere(reading, rules, since, until))
    return {**elsewhere, **dict(_suppressed(reading, rules, since, until))}


def _suppressed(
    reading: sa.Connection, rules: Mapping[str, Channel], since: datetime, until: datetime
) -> Iterable[tuple[_No, _Heeded]]:
    """Yield suppressions of which evidence is kept, the latest of a record last."""
    e, f = consent_evidence.c, findings.c
    query = (
        sa.select(e.connection, e.id, e.channel, e.at, f.first_seen_at)
        .join(journal, journal.c.seq == e.intent)
        .outerjoin(findings, f.fingerprint == journal.c.finding)
        .where(journal.c.kind == "suppress", e.rule.in_(rules), e.at > since, e.at <= until)
        .order_by(e.verified)
    )
    for row in reading.execute(query):
        no = _No(RecordRef(row.connection, row.id), Channel(row.channel))
        known = row.first_seen_at is not None and row.first_seen_at <= row.at
        yield no, _Heeded(row.first_seen_at if known else None, row.at)


def _elsewhere(
    reading: sa.Connection, rules: Mapping[str, Channel], since: datetime, until: datetime
) -> Iterable[tuple[_No, _Heeded]]:
    """Yield what was resolved because the record says no itself now, though we wrote nothing."""
    f, refs, c = findings.c, finding_refs.c, contacts.c
    query = (
        sa.select(
            refs.connection,
            refs.id,
            f.rule,
            f.first_seen_at,
            f.resolved_at,
            _suppressed_at(rules),
            *(c[f"consent_{channel}"] for channel in Channel),
        )
        .join(findings, f.fingerprint == refs.fingerprint)
        .join(contacts, (c.connection == refs.connection) & (c.id == refs.id))
        .where(
            f.rule.in_(rules),
            f.state == "resolved",
            f.resolved_at > since,
            f.resolved_at <= until,
            is_live,
        )
        .order_by(f.first_seen_at.desc())
    )
    found: dict[_No, _Heeded] = {}
    ours: dict[_No, datetime | None] = {}
    for row in reading.execute(query).mappings():
        channel = rules[row["rule"]]
        if row[f"consent_{channel}"] in _REFUSED:
            no = _No(RecordRef(row["connection"], row["id"]), channel)
            # The earliest sight comes last, and counts.
            found[no] = _Heeded(row["first_seen_at"], row["resolved_at"])
            ours[no] = row["suppressed_at"]
    for no, heeded in found.items():
        if heeded.seen is not None and not _since(ours[no], heeded.seen):
            yield no, heeded


def _suppressed_at(rules: Mapping[str, Channel]) -> sa.Label[datetime | None]:
    """Return when a CRM last confirmed a suppression of ours of what a finding is about."""
    f, refs, e = findings.c, finding_refs.c, consent_evidence.c
    channel = sa.case(*((f.rule == rule, channel.value) for rule, channel in rules.items()))
    return (
        sa.select(sa.func.max(e.at))
        .where(e.connection == refs.connection, e.id == refs.id, e.channel == channel)
        .correlate(findings, finding_refs)
        .scalar_subquery()
        .label("suppressed_at")
    )


def _terms(
    con: duckdb.DuckDBPyConnection, book: RuleBook, nos: Iterable[_No], now: datetime
) -> dict[_No, _Term]:
    """Return the delay of each: the shortest of the rules that look at it, else the register's."""
    wanted = set(nos)
    usual = _register(book.periods)
    terms = dict.fromkeys(wanted, usual) if usual else {}
    shortest: dict[_No, _Term] = {}
    for rule in alarms(book):
        channel = Channel(rule.check.channel)
        these = {no.ref for no in wanted if no.channel is channel}
        term = _Term(rule.check.after, rule.id)
        for ref in _looked_at(con, rule, these, now):
            no = _No(ref, channel)
            held = shortest.get(no)
            if held is None or term.length.after(now) < held.length.after(now):
                shortest[no] = term
    return {**terms, **shortest}


def _register(periods: Mapping[str, Period]) -> _Term | None:
    """Return how long the register gives to answer what a person asks for."""
    answers = [one for one in periods.values() if one.then == "answer"]
    return _Term(answers[0].length, answers[0].id) if answers else None


def _looked_at(
    con: duckdb.DuckDBPyConnection, rule: Rule, refs: Iterable[RecordRef], now: datetime
) -> list[RecordRef]:
    """Return those of `refs` that are in the scope of a rule."""
    wanted = list(refs)
    if not wanted:
        return []
    scope = rule.scope(con, now)
    statement = Statement(scope.now)
    names, ids = (
        statement.bind([r.connection for r in wanted]),
        statement.bind([r.id for r in wanted]),
    )
    sql = (
        f"SELECT connection, id FROM contacts SEMI JOIN (SELECT unnest({names}::VARCHAR[]) AS "
        f"connection, unnest({ids}::VARCHAR[]) AS id) AS asked USING (connection, id) "
        f"WHERE {scope.clause(statement)}"
    )
    rows = con.cursor().execute(sql, statement.values).fetchall()
    return [RecordRef(connection, record) for connection, record in rows]


def _delays(heeded: Mapping[_No, _Heeded], terms: Mapping[_No, _Term]) -> tuple[Delay, ...]:
    by_term: dict[_Term | None, list[_Heeded]] = {}
    for no, one in heeded.items():
        by_term.setdefault(terms.get(no), []).append(one)
    delays = [
        Delay(
            length=term.length if term else None,
            by=term.by if term else "",
            heeded=len(these),
            in_time=sum(_in_time(one, term) for one in these),
            unknown=sum(one.seen is None for one in these),
        )
        for term, these in by_term.items()
    ]
    return tuple(sorted(delays, key=_shortest_first))


def _shortest_first(delay: Delay) -> tuple[bool, float, str]:
    epoch = datetime(2000, 1, 1)  # noqa: DTZ001 -- only a length is wanted
    length = (delay.length.after(epoch) - epoch).total_seconds() if delay.length else 0
    return delay.length is None, length, delay.by


def _in_time(one: _Heeded, term: _Term | None) -> bool:
    return term is not None and one.seen is not None and one.at <= term.length.after(one.seen)


def _open(
    names: Names, waiting: Mapping[_No, datetime], terms: Mapping[_No, _Term], until: datetime
) -> Objections:
    due = {no: terms[no].length.after(seen) for no, seen in waiting.items() if no in terms}
    late = {no for no, when in due.items() if when < until}
    # Longest overdue first, then what is due first, then the oldest.
    ordered = sorted(
        waiting, key=lambda no: (no not in due, due.get(no, waiting[no]), waiting[no], no.ref)
    )
    found = tuple(
        Unheeded(
            person=Person(connection=no.ref.connection, id=no.ref.id),
            channel=no.channel,
            seen=waiting[no],
            days=max(0, (until - waiting[no]).days),
            due=due.get(no),
            late=no in late,
        )
        for no in ordered[:MOST]
    )
    people = names.people(no.ref for no in ordered[:SHOWN])
    worst = (
        replace(one, person=people[RecordRef(one.person.connection, one.person.id)])
        for one in found[:SHOWN]
    )
    return Objections(open=len(waiting), late=len(late), worst=tuple(worst), listed=found)
