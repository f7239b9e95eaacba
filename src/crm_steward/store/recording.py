"""Stores what a scan found that differs from what stood, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.fingerprints import fingerprint_sql
from crm_steward.store.identity import inherit
from crm_steward.store.tables import examinations, finding_refs, findings

if TYPE_CHECKING:
    from crm_steward.store.comparing import Comparison


@dataclass(slots=True)
class FindingCounts:
    """What a scan changed."""

    new: int = 0
    standing: int = 0
    resolved: int = 0
    reopened: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """How one rule looked at the contacts.

    Args:
        digest: Of what the rule finds: an edited rule has not looked yet.
        connections: Whose contacts it looked at.
        left: Connections that the rule does not name: what it found there is found no more.
    """

    digest: str
    connections: Collection[str]
    left: Collection[str] = ()

    def finds_again(self, connection: str) -> bool:
        """Whether what the rule finds there and does not find again is there no more."""
        return connection in self.connections or connection in self.left


def store(
    database: Database,
    comparison: Comparison,
    examined: Mapping[str, Look],
    *,
    now: datetime,
    retired: Collection[str] = (),
    beside: Callable[[sa.Connection], object] | None = None,
) -> FindingCounts:
    """Store what a scan found that differs from what stood, in one transaction.

    What stands as before is not touched: when it was last seen is noted once per rule.

    Args:
        database: The store.
        comparison: What was found beside what stood.
        examined: Rule id → how it looked.
        now: When the contacts were loaded.
        retired: Rules that no longer exist: their findings are resolved.
        beside: What else is written in the transaction.
    """
    with database.write() as writing, _roomy(database, writing):
        inherited = inherit(
            comparison.con, writing, lambda rule, name: examined[rule].finds_again(name)
        )
        new, reopened = comparison.opened()
        counts = FindingCounts(new=new, standing=comparison.standing + inherited, reopened=reopened)
        recording = _Recording(database, writing, now)
        if comparison.differs:
            recording.open(comparison)
            recording.refresh(comparison)
            if comparison.regroups():
                recording.regroup(comparison)
        gone = comparison.gone()
        outside = _outside(writing, gone, examined)
        counts.resolved = recording.resolve(set(gone) - outside)
        counts.resolved += recording.retire(retired)
        recording.note(examined, whole=comparison.since is None)
        if beside is not None:
            beside(writing)
    return counts


_OPEN = """
INSERT INTO findings (fingerprint, rule, kind, severity, about, score, evidence,
    state, first_seen_at, last_seen_at, openings)
VALUES (?, ?, ?, ?, ?, ?, ?, 'open', {now}, {now}, 1)
ON CONFLICT (fingerprint) DO UPDATE SET severity = excluded.severity, score = excluded.score,
    evidence = excluded.evidence, state = 'open', last_seen_at = excluded.last_seen_at,
    resolved_at = NULL, first_seen_at = CASE findings.state
        WHEN 'open' THEN findings.first_seen_at ELSE excluded.first_seen_at END,
    openings = findings.openings + CASE findings.state WHEN 'open' THEN 0 ELSE 1 END
"""
"""What another scan opened meanwhile is open once: each opening gets a task of its own."""
_OPEN_REFS = """
INSERT INTO finding_refs (fingerprint, connection, id) VALUES (?, ?, ?)
ON CONFLICT (fingerprint, connection, id) DO NOTHING
"""
_FORGET_REFS = "DELETE FROM finding_refs WHERE fingerprint = ?"
_FORGET_NAME = "DELETE FROM regrouped WHERE fingerprint = ? OR members = ?"
_NAME = "INSERT INTO regrouped (fingerprint, members) VALUES (?, ?)"
_REFS = "fingerprint, unnest(refs).connection, unnest(refs).id"
_REFRESH = """
UPDATE findings SET severity = ?, score = ?, evidence = ?, last_seen_at = {now}
WHERE fingerprint = ?
"""


@dataclass(frozen=True, slots=True)
class _Recording:
    """One scan being stored, in one transaction."""

    database: Database
    writing: sa.Connection
    now: datetime

    def open(self, comparison: Comparison) -> None:
        """Write what is new or came back."""
        columns = "fingerprint, rule, kind, severity, about, score, evidence"
        self._write(_OPEN, comparison.rows(columns, "NOT stands"))
        self._write(_OPEN_REFS, comparison.rows(_REFS, "NOT stands"))

    def refresh(self, comparison: Comparison) -> None:
        """Write what stands and shows something else than before."""
        columns = "severity, score, evidence, fingerprint"
        self._write(_REFRESH, comparison.rows(columns, "stands"))

    def regroup(self, comparison: Comparison) -> None:
        """Write the members of groups that may have others than before, and how they are known."""
        own = fingerprint_sql("rule", "refs", "about")
        other = "len(refs) > 1 AND (moved OR (known AND NOT stands))"
        self._write(_FORGET_REFS, comparison.rows("fingerprint", other))
        self._write(_OPEN_REFS, comparison.rows(_REFS, other))
        self._write(_FORGET_NAME, comparison.rows(f"fingerprint, {own}", "moved"))
        self._write(
            _NAME, comparison.rows(f"fingerprint, {own}", f"moved AND fingerprint <> {own}")
        )

    def _write(self, statement: str, chunks: Iterator[list[tuple[Any, ...]]]) -> None:
        """Hand rows to the driver as they come: nothing is done to each of a million."""
        text = statement.format(now=to_micros(self.now))
        if self.database.dialect == "postgresql":
            text = text.replace("?", "%s")
        for rows in chunks:
            self.writing.exec_driver_sql(text, rows)

    def resolve(self, gone: Collection[str]) -> int:
        """Close findings that were not found again."""
        for chunk in chunked(gone):
            self._close(findings.c.fingerprint.in_(chunk))
        return len(gone)

    def retire(self, rules: Collection[str]) -> int:
        """Close all findings of rules that no longer exist; one that comes back has not looked."""
        for chunk in chunked(rules):
            self.writing.execute(sa.delete(examinations).where(examinations.c.rule.in_(chunk)))
        return sum(self._close(findings.c.rule.in_(chunk)) for chunk in chunked(rules))

    def _close(self, those: sa.ColumnElement[bool]) -> int:
        stand = sa.update(findings).where(those, findings.c.state == "open")
        return self.writing.execute(stand.values(state="resolved", resolved_at=self.now)).rowcount

    def note(self, examined: Mapping[str, Look], *, whole: bool) -> None:
        """Write down which rule looked at which connection, once for all its findings."""
        rows = [
            {
                "rule": rule,
                "connection": connection,
                "digest": look.digest,
                "looked_at": self.now,
                "whole_at": self.now,
            }
            for rule, look in examined.items()
            for connection in look.connections
        ]
        update = ["digest", "looked_at", "whole_at"] if whole else ["looked_at"]
        noted = upsert(self.database, examinations, ["rule", "connection"], update=update)
        if rows:
            self.writing.execute(noted, rows)


@contextmanager
def _roomy(database: Database, writing: sa.Connection) -> Iterator[None]:
    """Give SQLite memory while many rows go into its indexes; 2 MB would be read again and again."""
    if database.dialect != "sqlite":
        yield
        return
    writing.exec_driver_sql("PRAGMA cache_size = -131072")
    try:
        yield
    finally:
        writing.exec_driver_sql("PRAGMA cache_size = -2000")


def _outside(
    writing: sa.Connection, gone: Mapping[str, str], examined: Mapping[str, Look]
) -> set[str]:
    """Return those of `gone` that touch a connection which their rule was not run on.

    One that touches a connection which its rule left cannot be found again, whatever is there.
    """
    outside, left = set[str](), set[str]()
    for chunk in chunked(gone):
        query = sa.select(finding_refs.c.fingerprint, finding_refs.c.connection).where(
            finding_refs.c.fingerprint.in_(chunk)
        )
        for mark, connection in writing.execute(query):
            look = examined[gone[mark]]
            if connection in look.left:
                left.add(mark)
            elif connection not in look.connections:
                outside.add(mark)
    return outside - left
