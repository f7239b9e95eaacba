"""Findings across scans: each is new, standing, resolved or reopened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Finding, RecordRef, Severity
from crm_steward.store.database import Database, chunked
from crm_steward.store.recording import FindingCounts, Look, store
from crm_steward.store.tables import examinations, finding_refs, findings


@dataclass(frozen=True, slots=True)
class Looked:
    """How a rule last looked at a connection.

    Args:
        digest: Of what the rule found, as it then was.
        at: When it last looked at what had changed, or at all.
        whole_at: When it last looked at all its contacts.
    """

    digest: str
    at: datetime
    whole_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinding:
    """A finding and its history."""

    finding: Finding
    state: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    openings: int


_NO_DIGESTS: Mapping[str, str] = MappingProxyType({})


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
        digests: Mapping[str, str] = _NO_DIGESTS,
    ) -> FindingCounts:
        """Compare what a scan found with what stood before, and store it, all or nothing.

        Args:
            examined: Rule id → connections it was run on. A finding that stood before is resolved
                only when all its records belong to connections that were examined.
            found: Everything the scan found.
            now: When.
            retired: Rules that no longer exist: their findings are resolved.
            digests: Rule id → of what it finds, where that is known.
        """
        import duckdb  # noqa: PLC0415 -- a service at rest holds none of it

        from crm_steward.store.comparing import Comparison  # noqa: PLC0415 -- the same

        with duckdb.connect(config={"threads": 1}) as con:
            comparison = Comparison(self._database, con)
            comparison.begin(examined)
            comparison.take(found, examined)
            comparison.end()
            looks = {name: Look(digests.get(name, ""), here) for name, here in examined.items()}
            return store(self._database, comparison, looks, now=now, retired=retired)

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

    def resolved(self, marks: Iterable[str]) -> set[str]:
        """Return those of `marks` whose finding stands no more."""
        gone: set[str] = set()
        with self._database.read() as reading:
            for chunk in chunked(marks):
                here = findings.c.fingerprint.in_(chunk) & (findings.c.state == "resolved")
                gone.update(
                    reading.execute(sa.select(findings.c.fingerprint).where(here)).scalars()
                )
        return gone

    def rules(self) -> set[str]:
        """Return the ids of all rules that have open findings."""
        query = sa.select(findings.c.rule).where(findings.c.state == "open").distinct()
        with self._database.read() as reading:
            return set(reading.execute(query).scalars())

    def known_rules(self) -> set[str]:
        """Return the ids of all rules that have open findings or that looked, if they found nothing."""
        looked = sa.select(examinations.c.rule).distinct()
        with self._database.read() as reading:
            known = set(reading.execute(looked).scalars())
        return known | self.rules()

    def looks(self) -> dict[str, dict[str, Looked]]:
        """Return how each rule last looked at each connection: rule id → connection → how."""
        found: dict[str, dict[str, Looked]] = {}
        with self._database.read() as reading:
            for row in reading.execute(sa.select(examinations)):
                looked = Looked(row.digest, row.looked_at, row.whole_at)
                found.setdefault(row.rule, {})[row.connection] = looked
        return found

    def load(self, marks: Sequence[str]) -> list[StoredFinding]:
        """Return findings by fingerprint, whatever their state, in the order of `marks`."""
        wanted = sa.select(findings).where(findings.c.fingerprint.in_(marks))
        looked = sa.and_(
            examinations.c.connection == finding_refs.c.connection,
            examinations.c.rule == findings.c.rule,
        )
        members = (
            sa.select(finding_refs, examinations.c.whole_at)
            .join(findings, findings.c.fingerprint == finding_refs.c.fingerprint)
            .outerjoin(examinations, looked)
            .where(finding_refs.c.fingerprint.in_(marks))
        )
        refs: dict[str, list[RecordRef]] = {}
        seen: dict[str, list[datetime | None]] = {}
        with self._database.read() as reading:
            rows = {row["fingerprint"]: dict(row) for row in reading.execute(wanted).mappings()}
            for mark, connection, record_id, whole_at in reading.execute(members):
                refs.setdefault(mark, []).append(RecordRef(connection, record_id))
                seen.setdefault(mark, []).append(whole_at)
        for mark, row in rows.items():
            row["last_seen_at"] = _last_seen(row, seen.get(mark, []))
        return [_stored(rows[mark], refs.get(mark, ())) for mark in marks if mark in rows]


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


def _last_seen(row: Mapping[str, Any], looks: Sequence[datetime | None]) -> datetime:
    """Return when a finding was last seen: what still stands was there at each look since."""
    written: datetime = row["last_seen_at"]
    if row["state"] != "open" or not looks:
        return written
    return max(written, min(look or written for look in looks))


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
        known_as=row["fingerprint"],
    )
    return StoredFinding(finding=finding, **{name: row[name] for name in _HISTORY})
