"""Everything the database holds about one person, for their right of access (GDPR art. 15)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.store.database import Database, chunked
from crm_steward.store.evidence import document, with_kinds
from crm_steward.store.subject import Sought, Subject, find_subject, naming, these
from crm_steward.store.tables import (
    approvals,
    consent_evidence,
    decisions,
    finding_refs,
    findings,
    halts,
    journal,
    people,
    plans,
    quarantine,
    snoozes,
    tombstones,
)
from crm_steward.store.tombstones import Tombstones, Trace

Rows = list[dict[str, Any]]


def held(database: Database, sought: Sought, stones: Tombstones) -> dict[str, Any]:
    """Return all that is held of a person, JSON-ready, by what it is.

    Args:
        database: The store.
        sought: Who.
        stones: Knows whether they were erased.

    Raises:
        StoreError: The database cannot be read.
    """
    with database.read() as reading:
        subject = find_subject(reading, sought)
        refs = subject.refs
        marks = _marks(reading, refs)
        changes = _plans(reading, subject)
        return {
            "records": [str(ref) for ref in sorted(refs)],
            "contacts": [_plain(row) for row in subject.rows],
            "people": _of_refs(reading, people, refs),
            "findings": _of(reading, findings, findings.c.fingerprint, marks),
            "snoozes": _of(reading, snoozes, snoozes.c.fingerprint, marks),
            "decisions": _decisions(reading, refs),
            "plans": changes,
            "approvals": _of(reading, approvals, approvals.c.key, [one["key"] for one in changes]),
            "journal": _of_refs(reading, journal, refs),
            "consent_evidence": _evidence(reading, subject, stones),
            "quarantine": _of_refs(reading, quarantine, refs),
            "halts": _halts(reading, subject),
            "erased": _erased(reading, subject, stones),
        }


def _marks(reading: sa.Connection, refs: Iterable[RecordRef]) -> list[str]:
    found: set[str] = set()
    for here in these(finding_refs, refs):
        found.update(reading.execute(sa.select(finding_refs.c.fingerprint).where(here)).scalars())
    return sorted(found)


def _of_refs(reading: sa.Connection, table: sa.Table, refs: Iterable[RecordRef]) -> Rows:
    found: Rows = []
    for here in these(table, refs):
        query = sa.select(table).where(here).order_by(*table.primary_key.columns)
        found += [_plain(row) for row in reading.execute(query).mappings()]
    return found


def _of(
    reading: sa.Connection, table: sa.Table, column: sa.Column[Any], values: Iterable[str]
) -> Rows:
    found: Rows = []
    for chunk in chunked(values):
        query = sa.select(table).where(column.in_(chunk)).order_by(*table.primary_key.columns)
        found += [_plain(row) for row in reading.execute(query).mappings()]
    return found


def _decisions(reading: sa.Connection, refs: Iterable[RecordRef]) -> Rows:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for side in ("left", "right"):
        for here in these(decisions, refs, f"{side}_connection", f"{side}_id"):
            for row in reading.execute(sa.select(decisions).where(here)).mappings():
                found[tuple(row.values())[:4]] = _plain(row)
    return list(found.values())


def _plans(reading: sa.Connection, subject: Subject) -> Rows:
    """Return the changes of plans that are about the person, each with its plan."""
    names = {str(ref) for ref in subject.refs}
    found: Rows = []
    for row in reading.execute(sa.select(plans).order_by(plans.c.created_at)).mappings():
        for one in row["content"]["changes"]:
            refs = {one["change"]["ref"], *one["change"].get("losers", ())}
            if refs & names or subject.mentioned(json.dumps(one, ensure_ascii=False)):
                found.append({"plan": row["hash"], "status": row["status"], **one})
    return found


def _halts(reading: sa.Connection, subject: Subject) -> Rows:
    """Return the pauses whose words name the person."""
    words = ("reason", "ended_reason", "by", "ended_by")
    named = sa.or_(*(naming(halts.c[name], subject.written) for name in words))
    rows = reading.execute(sa.select(halts).where(named).order_by(halts.c.seq)).mappings()
    return [_plain(row) for row in rows if any(subject.mentioned(row[name]) for name in words)]


def _evidence(reading: sa.Connection, subject: Subject, stones: Tombstones) -> Rows:
    """Return what shows that their no was heeded, also from before they were erased."""
    hashes = [
        stones.hash(trace, key)
        for trace, keys in ((Trace.EMAIL, subject.emails), (Trace.PHONE, subject.phones))
        for key in sorted(keys)
    ]
    found: dict[int, dict[str, Any]] = {}
    c = consent_evidence.c
    conditions = [*these(consent_evidence, subject.refs), c.address_hash.in_(hashes)]
    for here in conditions:
        for row in reading.execute(with_kinds().where(here)).mappings():
            found[row["intent"]] = document(row)
    return [found[seq] for seq in sorted(found)]


def _erased(reading: sa.Connection, subject: Subject, stones: Tombstones) -> Rows:
    traces = [(Trace.EMAIL, key) for key in subject.emails]
    traces += [(Trace.PHONE, key) for key in subject.phones]
    traces += [(Trace.RECORD, str(ref)) for ref in subject.refs]
    hashes = [stones.hash(*trace) for trace in traces]
    rows = _of(reading, tombstones, tombstones.c.hash, hashes)
    return [{name: row[name] for name in ("kind", "erasure", "erased_at")} for row in rows]


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row as JSON-ready values, without what is empty."""
    return {str(k): _value(v) for k, v in row.items() if v not in (None, "", [], {})}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
