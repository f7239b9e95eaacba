"""Which fields contacts fill: what the register of processing activities has to cover."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from crm_steward.model import MAPPABLE
from crm_steward.rules.sql import EXTRA, Statement, filled, trimmed


def filled_fields(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how many contacts fill each field: canonical ones in order, then custom ones by name.

    What we work out ourselves from other fields is no further data.

    Args:
        con: A DuckDB connection that holds the table `contacts`.
    """
    statement = Statement(datetime.now(UTC))
    counts = [f"count(*) FILTER (WHERE {_kept(name, statement)})" for name in MAPPABLE]
    row = con.execute(f"SELECT {', '.join(counts)} FROM contacts", statement.values).fetchone()
    canonical = dict(zip(MAPPABLE, row or (), strict=True))
    value = trimmed("item.value ->> '$'")
    custom = con.execute(
        f"SELECT item.key, count(*) FROM contacts, json_each(contacts.extra) AS item "
        f"WHERE coalesce({value} <> '', false) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    found = {**canonical, **{EXTRA + name: count for name, count in custom}}
    return {name: count for name, count in found.items() if count}


def _kept(name: str, statement: Statement) -> str:
    """Return SQL for whether the CRM fills a field; a full name made of its parts is none of its own."""
    if name == "full_name":
        return f"coalesce({trimmed('full_name')} <> '', false)"
    return filled(name, statement)
