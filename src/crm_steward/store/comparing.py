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
from crm_steward.store.identity import known_as
from crm_steward.store.linking import begin_linking, keep_pairs
from crm_steward.store.tables import finding_refs, findings, regrouped

_FOUND = """
rule VARCHAR, kind VARCHAR, severity BIGINT, about VARCHAR, score DOUBLE, evidence VARCHAR,
refs STRUCT(connection VARCHAR, id VARCHAR)[]
"""
_LOOKS = "hash(evidence, score, severity)"
"""Changes whenever what is shown of a finding does."""

_AT_ONCE = 250_000
"""Findings compared at a time: enough to amortise, few enough to be kept in memory."""

_ARROW = pa.schema(
    [
        *((name, pa.string()) for name in ("rule", "kind")),
        ("severity", pa.int64()),
        ("about", pa.string()),
        ("score", pa.float64()),
        ("evidence", pa.string()),
        ("refs", pa.list_(pa.struct([("connection", pa.string()), ("id", pa.string())]))),
    ]
)


_NAMES = pa.schema([("own", pa.string()), ("name", pa.string())])
_STOOD = pa.schema(
    [
        *((name, pa.string()) for name in ("fingerprint", "rule", "state")),
        ("score", pa.float64()),
        ("severity", pa.int64()),
        ("evidence", pa.string()),
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

    `begin`, then `ask` each rule that finds in SQL and `take` what others find, then `end`.

    Args:
        database: The store.
        con: Where the contacts are; what is found is compared there, in temporary tables.
        since: Only findings about contacts that changed since then are compared; None means all.
        found: Rule id → how many findings it has.
        standing: How many of all stood before.
        differs: Whether anything that was found is new, back, or shows something else than before.
    """

    database: Database
    con: duckdb.DuckDBPyConnection
    since: datetime | None = None
    found: dict[str, int] = field(default_factory=dict)
    standing: int = 0
    differs: bool = False
    _asked: set[str] = field(default_factory=set)
    _linking: frozenset[str] = frozenset()
    _waiting: int = 0

    def begin(self, rules: Collection[str], linking: Collection[str] = ()) -> None:
        """Read what stood before of the rules that are going to be asked.

        Args:
            rules: The rules.
            linking: Those of them whose pairs are kept: they say who is one person.
        """
        self._linking = frozenset(linking)
        begin_linking(self.con)
        self.con.execute(f"CREATE TEMP TABLE steward_found ({_FOUND})")
        told = "fingerprint VARCHAR, known BOOLEAN, stands BOOLEAN, moved BOOLEAN"
        self.con.execute(f"CREATE TEMP TABLE steward_other ({_FOUND}, {told})")
        self.con.execute("CREATE TEMP TABLE steward_gone (fingerprint VARCHAR, rule VARCHAR)")
        self.con.execute(
            "CREATE TEMP TABLE steward_stood "
            "(fingerprint VARCHAR, rule VARCHAR, stands BOOLEAN, looks UBIGINT)"
        )
        self._names()
        if self.since is not None:
            for rows in self._about("looked_at"):
                self._stood(pa.Table.from_pylist(rows, schema=_STOOD), rules)
            return
        # Nearly all rules are asked: reading all is faster than looking for them.
        every = sa.select(*(findings.c[name] for name in _STOOD.names))
        with stream(self.database, every, whole=True) as all_:
            self._stood(all_, rules)

    def _stood(self, read: pa.Table | pa.RecordBatchReader, rules: Collection[str]) -> None:
        self.con.register("steward_read", read)
        self.con.execute(
            f"INSERT INTO steward_stood SELECT fingerprint, rule, state = 'open', {_LOOKS} "
            # A group is read with each of its members.
            "FROM steward_read ANTI JOIN steward_stood USING (fingerprint) WHERE rule IN (SELECT unnest($rules))",
            {"rules": sorted(rules)},
        )
        self.con.unregister("steward_read")

    def _names(self) -> None:
        """Read which groups are known by another fingerprint than that of their members."""
        with self.database.read() as reading:
            rows = reading.execute(sa.select(regrouped.c.fingerprint, regrouped.c.members)).all()
        names = known_as({row.fingerprint: row.members for row in rows})
        table = pa.table({"own": list(names), "name": list(names.values())}, schema=_NAMES)
        self.con.register("steward_read", table)
        self.con.execute("CREATE TEMP TABLE steward_names AS SELECT * FROM steward_read")
        self.con.unregister("steward_read")

    def look_at(self, rule: str, table: str) -> None:
        """Read what stood before of one rule about more contacts than those that changed.

        Args:
            rule: Its id.
            table: Has their connection and id.
        """
        for rows in self._about(table, rule):
            self._stood(pa.Table.from_pylist(rows, schema=_STOOD), [rule])

    def _about(self, table: str, rule: str | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield the findings about the contacts of a table (connection, id)."""
        looked = self.con.execute(f"SELECT connection, list(id) FROM {table} GROUP BY connection")
        columns = (findings.c[name] for name in _STOOD.names[:-1])
        about = sa.select(*columns, sa.type_coerce(findings.c.evidence, sa.Text)).join(
            finding_refs, finding_refs.c.fingerprint == findings.c.fingerprint
        )
        if rule is not None:
            about = about.where(findings.c.rule == rule)
        here = finding_refs.c
        with self.database.read() as reading:
            for connection, ids in looked.fetchall():
                for chunk in chunked(ids):
                    those = about.where(here.connection == connection, here.id.in_(chunk))
                    yield [dict(row) for row in reading.execute(those.distinct()).mappings()]

    def ask(self, source: Source) -> None:
        """Take what a rule finds in SQL, all of it."""
        values = dict(source.values)
        named = (("rule", source.rule), ("kind", source.kind), ("severity", int(source.severity)))
        parts = ", ".join(f"{_bound(values, value)} AS {name}" for name, value in named)
        ((count,),) = self.con.execute(
            f"INSERT INTO steward_found BY NAME SELECT {parts}, about, score, evidence, refs "
            f"FROM ({source.sql})",
            values,
        ).fetchall()
        self._took([source.rule], count)

    def take(self, found: Iterable[Finding], rules: Collection[str]) -> None:
        """Take what rules found otherwise, all of it.

        Args:
            found: All that these rules found.
            rules: The rules, also those that found nothing.
        """
        count = 0
        for chunk in chunked(found):
            rows = pa.Table.from_pylist([_row(finding) for finding in chunk], schema=_ARROW)
            self.con.register("steward_taken", rows)
            self.con.execute("INSERT INTO steward_found SELECT * FROM steward_taken")
            self.con.unregister("steward_taken")
            count += len(chunk)
        self._took(rules, count)

    def _took(self, rules: Collection[str], count: int) -> None:
        if linking := self._linking.intersection(rules):
            keep_pairs(self.con, "steward_found", linking)
        self._asked |= set(rules)
        self._waiting += count
        if self._waiting >= _AT_ONCE:
            self.end()

    def end(self) -> None:
        """Compare what was taken and not compared yet: only what differs is kept."""
        mark = fingerprint_sql("rule", "refs", "about")
        # Most of what is found stood before: what is shown of it is not carried along.
        self.con.execute(
            "CREATE OR REPLACE TEMP TABLE steward_beside AS SELECT f.*, "
            "s.fingerprint IS NOT NULL AS known, coalesce(s.stands, false) AS stands, "
            "coalesce(s.stands AND s.looks = f.looks, false) AS same FROM ("
            "SELECT coalesce(name, own) AS fingerprint, name IS NOT NULL AS moved, rule, looks, "
            "place FROM (SELECT own, any_value(rule) AS rule, arg_min(looks, place) AS looks, "
            f"min(place) AS place FROM (SELECT rowid AS place, rule, {_LOOKS} AS looks, {mark} AS own "
            "FROM steward_found) GROUP BY own) LEFT JOIN steward_names USING (own)) f "
            "LEFT JOIN steward_stood s USING (fingerprint)"
        )
        ((others,),) = self.con.execute(
            "INSERT INTO steward_other BY NAME SELECT f.* EXCLUDE (place), fingerprint, known, stands, moved "
            "FROM (SELECT *, rowid AS place FROM steward_found) f JOIN steward_beside b USING (place) WHERE NOT same"
        ).fetchall()
        self.differs = self.differs or others > 0
        self.con.execute("DELETE FROM steward_found")
        self.con.execute(
            "INSERT INTO steward_gone SELECT fingerprint, rule FROM steward_stood "
            "ANTI JOIN steward_beside USING (fingerprint) "
            "WHERE stands AND rule IN (SELECT unnest($rules))",
            {"rules": sorted(self._asked)},
        )
        counted = self.con.execute(
            "SELECT rule, count(*), count(*) FILTER (stands) FROM steward_beside GROUP BY rule"
        )
        self.found |= dict.fromkeys(self._asked, 0)
        for rule, found, stand in counted.fetchall():
            self.found[rule] = found
            self.standing += stand
        self._asked, self._waiting = set(), 0

    def opened(self) -> tuple[int, int]:
        """Return how many findings are new, and how many came back."""
        ((new, back),) = self.con.execute(
            "SELECT count(*) FILTER (NOT known), count(*) FILTER (known) FROM steward_other "
            "WHERE NOT stands"
        ).fetchall()
        return new, back

    def regroups(self) -> bool:
        """Return whether groups are among what differs."""
        ((groups,),) = self.con.execute(
            "SELECT count(*) FROM steward_other WHERE len(refs) > 1 OR moved"
        ).fetchall()
        return bool(groups)

    def rows(self, columns: str, when: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield `columns` of what is to be written, in chunks, in the order of the indexes.

        Args:
            columns: What to select.
            when: SQL for which; `stands` is what stands and shows something else than before, the
                others are new or back.
        """
        # A cursor of its own does not see temporary tables; the caller takes one kind at a time.
        result = self.con.execute(
            f"SELECT {columns} FROM steward_other WHERE {when} ORDER BY rule, fingerprint"
        )
        while rows := result.fetchmany(_CHUNK):
            yield rows

    def gone(self) -> dict[str, str]:
        """Return what stood and was not found again: fingerprint → rule."""
        rows = self.con.execute("SELECT fingerprint, rule FROM steward_gone ORDER BY ALL")
        return dict(rows.fetchall())


_CHUNK = 5_000
"""Rows written with one statement."""


def _bound(values: dict[str, Any], value: object) -> str:
    name = f"source{len(values)}"
    values[name] = value
    return f"${name}"


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "kind": finding.kind,
        "severity": int(finding.severity),
        "about": finding.about,
        "score": finding.score,
        "evidence": json.dumps(dict(finding.evidence), sort_keys=True, ensure_ascii=False),
        "refs": [{"connection": ref.connection, "id": ref.id} for ref in finding.refs],
    }
