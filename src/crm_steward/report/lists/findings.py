"""The lists of findings: those that are open, those that are snoozed, and duplicates to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from crm_steward.model import RecordRef, Severity
from crm_steward.report.listing import MOST
from crm_steward.report.lists.base import RECORD, Asking, Line, Sheet
from crm_steward.report.sayings import say
from crm_steward.report.spreadsheet import Share
from crm_steward.report.twins import reviewed
from crm_steward.report.words import plain
from crm_steward.store.database import chunked
from crm_steward.store.live import is_live
from crm_steward.store.ranking import Ranked
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import contacts, finding_refs, findings, snoozes

_MARK = 10
"""Signs of a fingerprint: enough for every command that takes one."""


def open_findings(asking: Asking) -> Sheet:
    """Return what stands, worst first: one line for each record of a finding."""
    f, words = findings.c, asking.words
    these = (f.state == "open", ~asleep(asking.digest.until))
    query = (
        sa.select(f.fingerprint, f.rule, f.kind, f.severity, f.evidence, f.first_seen_at)
        .where(*these)
        .order_by(f.severity.desc(), f.rule, f.fingerprint)
        .limit(MOST)
    )

    def lines() -> Iterator[Line]:
        for rows in chunked(asking.reading.execute(query).all()):
            members = _members(asking.reading, [row.fingerprint for row in rows])
            for row in rows:
                refs = members.get(row.fingerprint, [])
                said = plain(say(row.kind, row.evidence, words, len(refs)), 500)
                severity = words(f"severity.{Severity(row.severity).label}")
                since = asking.day(row.first_seen_at)
                for ref in refs:
                    after = (said, since, row.fingerprint[:_MARK])
                    yield Line((severity, asking.rule(row.rule)), ref, after)

    columns = ("severity", "rule", *RECORD, "found", "since", "fingerprint")
    more = _count(asking, sa.select(f.fingerprint).where(*these)) - MOST
    return Sheet(name="findings", columns=columns, rows=asking.lines(lines()), more=max(0, more))


def snoozed(asking: Asking) -> Sheet:
    """Return what is left alone until a day, which comes first first; the reasons stay here."""
    f, s, until = findings.c, snoozes.c, asking.digest.until
    query = (
        sa.select(f.fingerprint, f.rule, f.severity, s.until, s.by)
        .join_from(findings, snoozes, s.fingerprint == f.fingerprint)
        .where(f.state == "open", s.at <= until, s.until > until)
    )

    def lines() -> Iterator[Line]:
        ordered = query.order_by(s.until, f.fingerprint).limit(MOST)
        for rows in chunked(asking.reading.execute(ordered).all()):
            members = _members(asking.reading, [row.fingerprint for row in rows])
            for row in rows:
                severity = asking.words(f"severity.{Severity(row.severity).label}")
                after = (asking.day(row.until), plain(row.by, 60), row.fingerprint[:_MARK])
                for ref in members.get(row.fingerprint, []):
                    yield Line((severity, asking.rule(row.rule)), ref, after)

    columns = ("severity", "rule", *RECORD, "until", "by", "fingerprint")
    more = max(0, _count(asking, query) - MOST)
    return Sheet(name="snoozed", columns=columns, rows=asking.lines(lines()), more=more)


def duplicates(asking: Asking) -> Sheet:
    """Return the groups at which a person looks, those first that it is worth most to put right."""
    groups = reviewed(asking.reading, asking.digest.until)
    shown, records = list[Ranked](), 0
    for group in groups:
        records += group.size
        if records > MOST:
            break
        shown.append(group)

    def lines() -> Iterator[Line]:
        place = 0
        for chunk in chunked(shown):
            marks = [one.fingerprint for one in chunk]
            members, levels = _members(asking.reading, marks, live=True), _levels(asking, marks)
            for one in chunk:
                place += 1
                before = (place, Share(one.probability), levels[one.fingerprint])
                after = (asking.yes(one.customer), one.fingerprint[:_MARK])
                for ref in members.get(one.fingerprint, []):
                    yield Line(before, ref, after)

    columns = ("group", "probability", "level", *RECORD, "customer", "fingerprint")
    more = len(groups) - len(shown)
    return Sheet(name="duplicates", columns=columns, rows=asking.lines(lines()), more=more)


def _levels(asking: Asking, marks: Sequence[str]) -> dict[str, str]:
    """Return of each group what its two least likely records share."""
    f = findings.c
    query = sa.select(f.fingerprint, f.evidence).where(f.fingerprint.in_(marks))
    return {
        mark: asking.words.known("level", evidence.get("level"))
        for mark, evidence in asking.reading.execute(query)
    }


def _members(
    reading: sa.Connection, marks: Sequence[str], *, live: bool = False
) -> dict[str, list[RecordRef]]:
    """Return the records of each finding, or only those that are not gone."""
    refs, c = finding_refs.c, contacts.c
    query = sa.select(refs.fingerprint, refs.connection, refs.id).where(refs.fingerprint.in_(marks))
    if live:
        query = query.join(contacts, (c.connection == refs.connection) & (c.id == refs.id))
        query = query.where(is_live)
    found: dict[str, list[RecordRef]] = {}
    for mark, connection, record in reading.execute(query.order_by(refs.connection, refs.id)):
        found.setdefault(mark, []).append(RecordRef(connection, record))
    return found


def _count(asking: Asking, query: sa.Select[*tuple[Any, ...]]) -> int:
    return int(
        asking.reading.execute(
            sa.select(sa.func.count()).select_from(query.subquery())
        ).scalar_one()
    )
