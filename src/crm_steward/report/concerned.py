"""Whom open findings concern: by owner, connection and country."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from crm_steward.model import Severity
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import finding_refs, findings

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 4096
COLUMNS = frozenset({"owner", "country_code"})
"""The columns of contacts that are read."""
Owner = tuple[str, str]
"""Connection, and the owner's id there; empty for records nobody owns."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many open findings there are about some records.

    Args:
        findings: How many.
        serious: How many of these are high or critical.
        records: How many records they are about.
    """

    findings: int = 0
    serious: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """Whom open findings concern. One about several owners, connections or countries counts at each.

    Args:
        owners: What each owner's records have.
        connections: What the records of each connection have.
        findings: ISO codes of the countries that a finding is about, empty for one that is not known
            → how many findings, and serious ones.
        records: Country → records with a finding.
    """

    owners: Mapping[Owner, Count] = field(default_factory=dict)
    connections: Mapping[str, Count] = field(default_factory=dict)
    findings: Mapping[frozenset[str], Count] = field(default_factory=dict)
    records: Mapping[str, int] = field(default_factory=dict)

    def about(self, countries: Iterable[str]) -> Count:
        """Return what there is about the contacts of some countries together, each finding once."""
        wanted = frozenset(countries)
        these = [count for where, count in self.findings.items() if where & wanted]
        return Count(
            findings=sum(one.findings for one in these),
            serious=sum(one.serious for one in these),
            records=sum(self.records.get(country, 0) for country in wanted),
        )


def concerned(reading: sa.Connection, con: duckdb.DuckDBPyConnection, now: datetime) -> Concerned:
    """Return whom the findings concern that are open and not snoozed.

    Args:
        reading: A read transaction.
        con: A DuckDB connection that holds the table `contacts`, where whole columns are read: a
            look-up of each record in the database would take four times as long.
        now: The time.
    """
    import pyarrow as pa  # noqa: PLC0415 -- a service at rest holds none of it

    from crm_steward.store.arrow import batch_of  # noqa: PLC0415 -- the same

    refs, f = finding_refs.c, findings.c
    query = (
        sa.select(refs.fingerprint, refs.connection, refs.id, f.severity)
        .join(findings, f.fingerprint == refs.fingerprint)
        .where(f.state == "open", ~asleep(now))
    )
    text = ("mark", "connection", "id")
    schema = pa.schema([*((name, pa.string()) for name in text), ("severity", pa.int64())])
    batches = [
        batch_of(rows, schema) for rows in reading.execute(query).partitions(_AT_ONCE) if rows
    ]
    found = pa.Table.from_batches(batches, schema)  # noqa: F841 -- DuckDB reads it by its name
    con.execute(
        "CREATE OR REPLACE TEMP TABLE concerned AS SELECT mark, connection, id, "
        f"severity >= {int(Severity.HIGH)} AS serious, coalesce(owner, '') AS owner, "
        "coalesce(country_code, '') AS country FROM found JOIN contacts USING (connection, id)"
    )
    owners = con.execute(
        "SELECT connection, owner, count(DISTINCT mark), count(DISTINCT mark) FILTER (serious), "
        "count(DISTINCT id) FROM concerned GROUP BY connection, owner"
    ).fetchall()
    connections = con.execute(
        "SELECT connection, count(DISTINCT mark), count(DISTINCT mark) FILTER (serious), "
        "count(DISTINCT id) FROM concerned GROUP BY connection"
    ).fetchall()
    places = con.execute(
        "SELECT places, count(*), count(*) FILTER (serious) FROM (SELECT any_value(serious) AS "
        "serious, list_sort(list_distinct(list(country))) AS places FROM concerned GROUP BY mark) "
        "GROUP BY places"
    ).fetchall()
    records = con.execute(
        "SELECT country, count(DISTINCT (connection, id)) FROM concerned GROUP BY country"
    ).fetchall()
    return Concerned(
        owners={(name, owner): Count(*counts) for name, owner, *counts in owners},
        connections={name: Count(*counts) for name, *counts in connections},
        findings={frozenset(where): Count(*counts) for where, *counts in places},
        records=dict(records),
    )
