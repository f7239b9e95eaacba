"""What a scan finds, compared on whole columns with what stood before: only differences are kept."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from crm_steward.model import Finding, Severity
from crm_steward.store.arrow import stream
from crm_steward.store.database import Database, chunked
from crm_steward.store.fingerprints import fingerprint_sql
from crm_steward.store.tables import contacts, finding_refs, findings

_FOUND = """
fingerprint VARCHAR, rule VARCHAR, kind VARCHAR, severity BIGINT, about VARCHAR, score DOUBLE,
evidence VARCHAR, refs STRUCT(connection VARCHAR, id VARCHAR)[]
"""
_LOOKS = "hash(evidence, score, severity)"
"""Changes whenever what is shown of a finding does."""

_ARROW = pa.schema(
    [
        *((name, pa.string()) for name in ("fingerprint", "rule", "kind")),
        ("severity", pa.int64()),
        ("about", pa.string()),
        ("score", pa.float64()),
        ("evidence", pa.string()),
        ("refs", pa.list_(pa.struct([("connection", pa.string()), ("id", pa.string())]))),
    ]
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where findings come from: a rule, and the SQL that finds.

    Args:
        rule: The rule's id.
        kind: The check kind.
        severity: How much it matters.
        sql: Selects `refs`, `about`, `evidence` (JSON text) and `score`.
        values: What the SQL names.
    """

    rule: str
    kind: str
    severity: Severity
    sql: str
    values: Mapping[str, Any]


@dataclass(slots=True)
class Comparison:
    """One scan's findings beside those that stood before. Nothing is written to the database.

    Use `begin` first, then `ask` for each rule that finds in SQL and `take` for the others.

    Args:
        database: The store.
        con: Where the contacts are; what is found is compared there, in temporary tables.
        since: Only findings about contacts that changed since then are compared; None means all.
    """

    database: Database
    con: duckdb.DuckDBPyConnection
    since: datetime | None = None
    standing: int = 0
    rules: list[str] = field(default_factory=list)

    def begin(self, rules: Collection[str]) -> None:
        """Read what stood before of the rules that are going to be asked."""
        self.con.execute(f"CREATE TEMP TABLE steward_found ({_FOUND})")
        self.con.execute(
            f"CREATE TEMP TABLE steward_other ({_FOUND}, known BOOLEAN, stands BOOLEAN)"
        )
        self.con.execute("CREATE TEMP TABLE steward_gone (fingerprint VARCHAR, rule VARCHAR)")
        with stream(self.database, self._stood()) as reader:
            self.con.register("steward_read", reader)
            # About what this scan looks at alone: a contact may have changed since it was loaded.
            looked = "" if self.since is None else "SEMI JOIN looked_at USING (connection, id)"
            self.con.execute(
                "CREATE TEMP TABLE steward_stood AS SELECT fingerprint, rule, state = 'open' AS "
                f"stands, {_LOOKS} AS looks FROM steward_read {looked} "
                "WHERE list_contains($rules, rule)",
                {"rules": sorted(rules)},
            )
            self.con.unregister("steward_read")

    def _stood(self) -> sa.Select[Any]:
        names = ("fingerprint", "rule", "state", "evidence", "score", "severity")
        columns = [findings.c[name] for name in names]
        if self.since is None:
            # Nearly all rules are asked: reading all is faster than looking for them.
            return sa.select(*columns)
        refs = finding_refs.c
        here = sa.and_(contacts.c.connection == refs.connection, contacts.c.id == refs.id)
        return (
            sa.select(*columns, refs.connection, refs.id)
            .select_from(contacts)
            .join(finding_refs, here)
            .join(findings, findings.c.fingerprint == refs.fingerprint)
            .where(contacts.c.changed_at >= self.since)
        )

    def ask(self, source: Source) -> int:
        """Compare what a rule finds in SQL; return how many findings that is."""
        values = dict(source.values)
        names = {
            name: _bound(values, value)
            for name, value in (
                ("rule", source.rule),
                ("kind", source.kind),
                ("severity", int(source.severity)),
            )
        }
        mark = fingerprint_sql(f"{names['rule']}::VARCHAR", "refs", "about")
        self.con.execute(
            f"INSERT INTO steward_found SELECT {mark}, {names['rule']}, {names['kind']}, "
            f"{names['severity']}, about, score, evidence, refs FROM ({source.sql})",
            values,
        )
        return self._compare([source.rule])

    def take(self, found: Iterable[Finding], rules: Collection[str]) -> int:
        """Compare what rules found otherwise; return how many findings that is.

        Args:
            found: All that these rules found.
            rules: The rules, also those that found nothing.
        """
        for chunk in chunked(found):
            rows = pa.Table.from_pylist([_row(finding) for finding in chunk], schema=_ARROW)
            self.con.register("steward_taken", rows)
            self.con.execute("INSERT INTO steward_found SELECT * FROM steward_taken")
            self.con.unregister("steward_taken")
        return self._compare(rules)

    def _compare(self, rules: Collection[str]) -> int:
        """Sort what `steward_found` holds, and empty it; it is all that these rules found."""
        self.rules += rules
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE steward_beside AS SELECT DISTINCT ON (fingerprint) f.*, "
            f"s.fingerprint IS NOT NULL AS known, coalesce(s.stands AND s.looks = {_LOOKS}, false) "
            "AS same, coalesce(s.stands, false) AS stands FROM steward_found f "
            "LEFT JOIN steward_stood s USING (fingerprint)"
        )
        self.con.execute(
            "INSERT INTO steward_other SELECT * EXCLUDE (same) FROM steward_beside WHERE NOT same"
        )
        self.con.execute(
            "INSERT INTO steward_gone SELECT fingerprint, rule FROM steward_stood "
            "ANTI JOIN steward_beside USING (fingerprint) "
            "WHERE stands AND list_contains($rules, rule)",
            {"rules": sorted(rules)},
        )
        ((found, stand),) = self.con.execute(
            "SELECT count(*), count(*) FILTER (stands) FROM steward_beside"
        ).fetchall()
        self.con.execute("DELETE FROM steward_found")
        self.standing += stand
        return int(found)

    def other(self, *, stands: bool) -> Iterator[list[dict[str, Any]]]:
        """Yield what is new or came back, or, when `stands`, what shows other evidence; in chunks."""
        names = "fingerprint, rule, kind, severity, about, score, evidence, refs, known"
        cursor = self.con.execute(
            f"SELECT {names} FROM steward_other WHERE stands = $stands ORDER BY rule, fingerprint",
            {"stands": stands},
        )
        keys = names.split(", ")
        while rows := cursor.fetchmany(_CHUNK):
            yield [dict(zip(keys, row, strict=True)) for row in rows]

    def gone(self) -> list[tuple[str, str]]:
        """Return what stood and was not found again: fingerprint and rule."""
        rows = self.con.execute("SELECT fingerprint, rule FROM steward_gone ORDER BY ALL")
        return list(rows.fetchall())


_CHUNK = 5_000


def _bound(values: dict[str, Any], value: object) -> str:
    name = f"source{len(values)}"
    values[name] = value
    return f"${name}"


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "fingerprint": finding.fingerprint,
        "rule": finding.rule,
        "kind": finding.kind,
        "severity": int(finding.severity),
        "about": finding.about,
        "score": finding.score,
        "evidence": json.dumps(dict(finding.evidence), sort_keys=True, ensure_ascii=False),
        "refs": [{"connection": ref.connection, "id": ref.id} for ref in finding.refs],
    }
