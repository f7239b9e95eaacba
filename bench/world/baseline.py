"""Duplicates by exact keys only: what any better way has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

_MOST_HOLDERS: Final = 1_000
"""A value that so many records share is nobody's; without a bound one join could fill the memory."""

_KEYS: Final = {
    "email": "SELECT n, email_key AS k FROM r WHERE email_key IS NOT NULL",
    "phone": """SELECT n, p || ' ' || last_name_key AS k
        FROM (SELECT n, last_name_key, unnest([phone_key, mobile_key]) AS p FROM r) WHERE p IS NOT NULL""",
    "name and city": "SELECT n, name_key || '|' || city_key AS k FROM r WHERE contains(name_key, ' ')",
    "name and company": "SELECT n, name_key || '|' || company_key AS k FROM r WHERE contains(name_key, ' ')",
}


class Score(NamedTuple):
    """Pairs found and missed, after clustering."""

    precision: float
    recall: float
    f1: float
    pairs: int
    largest: int


def exact_keys(file: Path) -> Score:
    """Link records that share e-mail, number and last name, or name and city or company.

    Args:
        file: As `write` wrote it.

    Returns:
        Pairwise after connected components, the number of true pairs, and the largest group found.
    """
    con = duckdb.connect(config={"threads": 2})
    con.execute(
        """CREATE TABLE r AS SELECT row_number() OVER () AS n, person, email_key, phone_key, mobile_key,
        last_name_key, name_key, city_key, company_key FROM read_parquet(?)""",
        [str(file)],
    )
    # Each record is linked to the first that has its key: as connected as all pairs, and linear.
    arms = [
        f"""SELECT n AS a, min(n) OVER (PARTITION BY k) AS b, count(*) OVER (PARTITION BY k) AS holders
        FROM ({sql}) WHERE k IS NOT NULL"""
        for sql in _KEYS.values()
    ]
    con.execute(
        f"CREATE TABLE links AS SELECT DISTINCT a, b FROM ({' UNION ALL '.join(arms)}) "
        f"WHERE a <> b AND holders <= {_MOST_HOLDERS}"
    )
    _cluster(con)
    both = "sum(c * (c - 1) // 2)::BIGINT"
    of = "SELECT count(*) AS c FROM r LEFT JOIN label USING (n) GROUP BY"
    found, largest = _one(con, f"SELECT {both}, max(c) FROM ({of} coalesce(l, n))")
    true, _ = _one(con, f"SELECT {both}, 0 FROM (SELECT count(*) AS c FROM r GROUP BY person)")
    right, _ = _one(con, f"SELECT {both}, 0 FROM ({of} coalesce(l, n), person)")
    con.close()
    return Score(right / found, right / true, 2 * right / (found + true), true, largest)


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, int]:
    row = con.execute(sql).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _cluster(con: duckdb.DuckDBPyConnection) -> None:
    """Create `label` (record, least record it is connected with) by union and find."""
    edges = con.sql("SELECT a, b FROM links").to_arrow_table()
    above: dict[int, int] = {}

    def root(of: int) -> int:
        while (up := above.get(of, of)) != of:
            above[of] = above.get(up, up)
            of = up
        return of

    for a, b in zip(edges["a"].to_pylist(), edges["b"].to_pylist(), strict=True):
        one, other = root(a), root(b)
        above[max(one, other)] = min(one, other)
    known = list(above)
    labels = pa.table(
        {"n": pa.array(known, pa.int64()), "l": pa.array(map(root, known), pa.int64())}
    )
    con.register("found", labels)
    con.execute("CREATE TABLE label AS SELECT * FROM found")
    con.unregister("found")
