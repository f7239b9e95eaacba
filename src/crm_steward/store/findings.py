"""Findings across scans: each is new, standing, resolved or reopened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Finding, RecordRef, Severity
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.tables import finding_refs, findings


@dataclass(slots=True)
class FindingCounts:
    """What a scan changed."""

    new: int = 0
    standing: int = 0
    resolved: int = 0
    reopened: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinding:
    """A finding and its history."""

    finding: Finding
    state: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    openings: int


class Findings:
    """Writes and reads findings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        examined: Mapping[str, Collection[str]],
        found: Iterable[Finding],
        *,
        now: datetime,
        retired: Collection[str] = (),
    ) -> FindingCounts:
        """Compare what a scan found with what stood before, and store it, all or nothing.

        Args:
            examined: Rule id → connections it was run on. A finding that stood before is resolved
                only when all its records belong to connections that were examined.
            found: Everything the scan found.
            now: When.
            retired: Rules that no longer exist: their findings are resolved.
        """
        with self._database.write() as writing:
            recording = _Recording(self._database, writing, now)
            recording.before = _before(writing, [*examined, *retired])
            for chunk in chunked(found):
                recording.store(chunk)
            stood = {mark for mark, state in recording.before.items() if state == "open"}
            stood -= recording.seen
            gone = stood - _outside(writing, stood, examined, retired)
            _resolve(writing, gone, now)
            recording.counts.resolved = len(gone)
        return recording.counts

    def open(
        self,
        rule: str | None = None,
        connection: str | None = None,
        *,
        only: sa.ColumnElement[bool] | None = None,
    ) -> Iterator[StoredFinding]:
        """Yield the findings that stand, worst first, of one rule or connection or of all.

        Args:
            rule: Only findings of this rule.
            connection: Only findings that touch this connection.
            only: A further condition, such as `asleep(now)` or `naming(ref)`.
        """
        query = sa.select(findings.c.fingerprint).where(*_standing(rule, connection, only))
        query = query.order_by(findings.c.severity.desc(), findings.c.rule, findings.c.fingerprint)
        with self._database.read() as reading:
            marks = reading.execute(query).scalars().all()
        for chunk in chunked(marks):
            # A transaction per chunk: whoever reads this may write meanwhile.
            yield from self.load(chunk)

    def count(
        self,
        rule: str | None = None,
        connection: str | None = None,
        *,
        only: sa.ColumnElement[bool] | None = None,
    ) -> int:
        """Return how many findings `open` would yield."""
        query = sa.select(sa.func.count()).where(*_standing(rule, connection, only))
        with self._database.read() as reading:
            return reading.execute(query).scalar_one()

    def get(self, fingerprint: str) -> StoredFinding | None:
        """Return one finding by its fingerprint, whatever its state."""
        return next(iter(self.load([fingerprint])), None)

    def named(self, beginning: str) -> list[str]:
        """Return the fingerprints, at most two, that begin like this, whatever their state."""
        mark = findings.c.fingerprint
        query = sa.select(mark).where(mark.startswith(beginning, autoescape=True)).limit(2)
        with self._database.read() as reading:
            return list(reading.execute(query).scalars())

    def rules(self) -> set[str]:
        """Return the ids of all rules that have open findings."""
        query = sa.select(findings.c.rule).where(findings.c.state == "open").distinct()
        with self._database.read() as reading:
            return set(reading.execute(query).scalars())

    def load(self, marks: Sequence[str]) -> list[StoredFinding]:
        """Return findings by fingerprint, whatever their state, in the order of `marks`."""
        wanted = sa.select(findings).where(findings.c.fingerprint.in_(marks))
        members = sa.select(finding_refs).where(finding_refs.c.fingerprint.in_(marks))
        refs: dict[str, list[RecordRef]] = {}
        with self._database.read() as reading:
            rows = {row["fingerprint"]: row for row in reading.execute(wanted).mappings()}
            for mark, connection, record_id in reading.execute(members):
                refs.setdefault(mark, []).append(RecordRef(connection, record_id))
        return [_stored(dict(rows[mark]), refs.get(mark, ())) for mark in marks if mark in rows]


def naming(ref: RecordRef) -> sa.ColumnElement[bool]:
    """Return the condition that a finding is about `ref`."""
    here = (finding_refs.c.connection == ref.connection) & (finding_refs.c.id == ref.id)
    return findings.c.fingerprint.in_(sa.select(finding_refs.c.fingerprint).where(here))


def _standing(
    rule: str | None, connection: str | None, only: sa.ColumnElement[bool] | None
) -> list[sa.ColumnElement[bool]]:
    conditions = [findings.c.state == "open"]
    if rule is not None:
        conditions.append(findings.c.rule == rule)
    if connection is not None:
        here = sa.select(finding_refs.c.fingerprint).where(finding_refs.c.connection == connection)
        conditions.append(findings.c.fingerprint.in_(here))
    return conditions if only is None else [*conditions, only]


def _before(writing: sa.Connection, rules: Collection[str]) -> dict[str, str]:
    query = sa.select(findings.c.fingerprint, findings.c.state).where(
        findings.c.rule.in_(list(rules))
    )
    return {row.fingerprint: row.state for row in writing.execute(query)}


_REFRESHED = ["severity", "state", "score", "evidence", "last_seen_at"]


@dataclass(slots=True)
class _Recording:
    """One scan being stored, in one transaction."""

    database: Database
    writing: sa.Connection
    now: datetime
    before: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    counts: FindingCounts = field(default_factory=FindingCounts)

    def store(self, chunk: list[Finding]) -> None:
        """Refresh what stands already, open what is new or came back."""
        standing: list[dict[str, Any]] = []
        opened: list[dict[str, Any]] = []
        refs: list[dict[str, str]] = []
        for finding in chunk:
            mark = finding.fingerprint
            if mark in self.seen:
                continue
            self.seen.add(mark)
            row = _row(finding, mark, self.now)
            if self.before.get(mark) == "open":
                standing.append(row)
                continue
            self.counts.reopened += mark in self.before
            self.counts.new += mark not in self.before
            opened.append(row)
            refs += [
                {"fingerprint": mark, "connection": r.connection, "id": r.id} for r in finding.refs
            ]
        self.counts.standing += len(standing)
        self._write(standing, opened, refs)

    def _write(
        self,
        standing: list[dict[str, Any]],
        opened: list[dict[str, Any]],
        refs: list[dict[str, str]],
    ) -> None:
        key = ["fingerprint"]
        if standing:
            self.writing.execute(upsert(self.database, findings, key, update=_REFRESHED), standing)
        if opened:
            again = {"openings": findings.c.openings + 1}
            update = [*_REFRESHED, "first_seen_at", "resolved_at"]
            self.writing.execute(
                upsert(self.database, findings, key, update=update, assign=again), opened
            )
            self.writing.execute(
                upsert(self.database, finding_refs, [*key, "connection", "id"], update=[]), refs
            )


def _row(finding: Finding, mark: str, now: datetime) -> dict[str, Any]:
    return {
        "fingerprint": mark,
        "rule": finding.rule,
        "kind": finding.kind,
        "severity": int(finding.severity),
        "state": "open",
        "about": finding.about,
        "score": finding.score,
        "evidence": dict(finding.evidence),
        "first_seen_at": now,
        "last_seen_at": now,
        "resolved_at": None,
        "openings": 1,
    }


def _outside(
    writing: sa.Connection,
    stood: Collection[str],
    examined: Mapping[str, Collection[str]],
    retired: Collection[str],
) -> set[str]:
    """Return those of `stood` that touch a connection which their rule was not run on."""
    outside: set[str] = set()
    for chunk in chunked(stood):
        query = (
            sa.select(findings.c.fingerprint, findings.c.rule, finding_refs.c.connection)
            .join(finding_refs, finding_refs.c.fingerprint == findings.c.fingerprint)
            .where(findings.c.fingerprint.in_(chunk))
        )
        outside |= {
            mark
            for mark, rule, connection in writing.execute(query)
            if rule not in retired and connection not in examined.get(rule, ())
        }
    return outside


def _resolve(writing: sa.Connection, gone: Collection[str], now: datetime) -> None:
    for chunk in chunked(gone):
        writing.execute(
            sa.update(findings)
            .where(findings.c.fingerprint.in_(chunk))
            .values(state="resolved", resolved_at=now)
        )


_HISTORY = ("state", "first_seen_at", "last_seen_at", "resolved_at", "openings")


def _stored(row: Mapping[str, Any], refs: Iterable[RecordRef]) -> StoredFinding:
    finding = Finding(
        rule=row["rule"],
        kind=row["kind"],
        severity=Severity(row["severity"]),
        refs=tuple(sorted(refs)),
        about=row["about"],
        evidence=row["evidence"],
        score=row["score"],
    )
    return StoredFinding(finding=finding, **{name: row[name] for name in _HISTORY})
