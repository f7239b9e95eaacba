"""Makes people of the pairs that rules found: what one scan says about who is one person."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import sqlalchemy as sa

from crm_steward.store.arrow import stream
from crm_steward.store.database import Database
from crm_steward.store.people import Record, joined
from crm_steward.store.tables import findings

_SHAPE = '[{"left":"VARCHAR","right":"VARCHAR","score":"DOUBLE","certainty":"VARCHAR"}]'


def begin_linking(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table in which pairs are kept."""
    con.execute("CREATE TEMP TABLE steward_pairs (left_ VARCHAR, right_ VARCHAR, score DOUBLE)")


def keep_pairs(con: duckdb.DuckDBPyConnection, table: str, rules: Collection[str]) -> None:
    """Keep the pairs that are certain out of what rules found.

    Args:
        con: Holds `table`.
        table: Has `rule` and `evidence`, JSON text with `pairs`. What says nothing of its `certainty` is sure.
        rules: Only of these.
    """
    con.execute(
        "INSERT INTO steward_pairs SELECT pair.left, pair.right, pair.score FROM ("
        f"SELECT unnest(from_json(evidence->'$.pairs', '{_SHAPE}')) AS pair, "
        f"evidence->>'$.certainty' AS certainty FROM {table} "
        "WHERE list_contains($rules, rule)) WHERE coalesce(pair.certainty, certainty, 'sure') = 'sure'",
        {"rules": sorted(rules)},
    )


def keep_pairs_of_before(
    con: duckdb.DuckDBPyConnection, database: Database, rules: Collection[str]
) -> None:
    """Keep the pairs of rules that are not asked in this scan: what they found still stands."""
    stands = sa.select(findings.c.rule, findings.c.evidence).where(
        findings.c.state == "open", findings.c.rule.in_(sorted(rules))
    )
    with stream(database, stands) as reader:
        con.register("steward_read", reader)
        keep_pairs(con, "steward_read", rules)
        con.unregister("steward_read")


def linked(con: duckdb.DuckDBPyConnection) -> list[list[Record]]:
    """Return the records of each person: what people decided, then what rules are sure of."""
    decided = f"SELECT left_connection, left_id, right_connection, right_id FROM decisions {_THERE}"
    apart = con.execute(f"{decided} WHERE verdict = 'different'").fetchall()
    same = con.execute(f"{decided} WHERE verdict = 'same' ORDER BY ALL").fetchall()
    sure = con.execute(_SURE).fetchall()
    return joined(map(_pair, [*same, *sure]), map(_pair, apart))


_THERE = """
SEMI JOIN contacts AS l ON l.connection = left_connection AND l.id = left_id
SEMI JOIN contacts AS r ON r.connection = right_connection AND r.id = right_id
"""
"""Only pairs whose records are both there."""
_SURE = f"""
WITH pairs AS (
    SELECT split_part(left_, ':', 1) AS left_connection, substr(left_, strpos(left_, ':') + 1) AS left_id,
        split_part(right_, ':', 1) AS right_connection, substr(right_, strpos(right_, ':') + 1) AS right_id,
        max(score) AS score FROM steward_pairs GROUP BY ALL
)
SELECT left_connection, left_id, right_connection, right_id FROM pairs
{_THERE}
ORDER BY score DESC NULLS LAST, 1, 2, 3, 4
"""


def _pair(row: tuple[str, str, str, str]) -> tuple[Record, Record]:
    return row[:2], row[2:]
