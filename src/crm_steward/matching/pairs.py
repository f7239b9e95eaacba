"""Block and compare: the pairs of contacts that qualify for a level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from crm_steward.matching.levels import Level
from crm_steward.matching.names import similarity
from crm_steward.model import RecordRef
from crm_steward.normalize import ROLE_NAMES

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two contacts that qualify for a level.

    Args:
        left, right: The records, `left` before `right`.
        level: The name of the strongest level they qualify for.
        similarity: How alike their names are, 0 to 1; None when one has no name.
        score: How certain it is that they are one person: an order, not a probability.
    """

    left: RecordRef
    right: RecordRef
    level: str
    similarity: float | None
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CappedBlock:
    """A value shared by so many contacts that it proves nothing: none of them were compared.

    Args:
        level: The level that would have compared them.
        connection: The connection, when only contacts of one connection are compared.
        value: The shared e-mail or phone key (personal data: shown to managers, never logged).
        holders: How many contacts share it.
    """

    level: str
    connection: str | None
    value: str = field(repr=False)
    holders: int


Scope = Literal["connection", "everywhere"]
"""Which contacts are compared: those of one connection, or all."""

_SCOPES: Final[Mapping[Scope, str]] = {"connection": "connection", "everywhere": "NULL"}

_BLOCKS: Final = """
WITH held AS (
    SELECT DISTINCT connection, id, {scope}::VARCHAR AS scope, unnest([{keys}]) AS value
    FROM contacts
),
blocks AS (
    SELECT scope, value, count(*) AS holders
    FROM held WHERE value IS NOT NULL GROUP BY ALL HAVING count(*) > 1
)
"""

_CAPPED: Final = """
SELECT scope, value, holders FROM blocks WHERE holders > $max_block
ORDER BY holders DESC, scope, value
"""

_COMPARED: Final = """,
members AS (
    SELECT held.*, split_part(value, '@', 1) IN (SELECT unnest($roles)) AS role
    FROM held SEMI JOIN blocks ON blocks.value = held.value
        AND blocks.scope IS NOT DISTINCT FROM held.scope AND blocks.holders <= $max_block
),
candidates AS (
    SELECT l.connection AS left_connection, l.id AS left_id,
        r.connection AS right_connection, r.id AS right_id, bool_and(l.role) AS role
    FROM members l JOIN members r ON l.value = r.value AND l.scope IS NOT DISTINCT FROM r.scope
        AND (l.connection, l.id) < (r.connection, r.id)
    GROUP BY ALL
),
compared AS (
    SELECT candidates.*, l.name_key IS NULL AND r.name_key IS NULL AS nameless,
        {similarity} AS similarity
    FROM candidates
    JOIN contacts l ON l.connection = left_connection AND l.id = left_id
    JOIN contacts r ON r.connection = right_connection AND r.id = right_id
)
SELECT left_connection, left_id, right_connection, right_id, similarity, {score} AS score
FROM compared WHERE {qualifies}
ORDER BY left_connection, left_id, right_connection, right_id
"""


def _rows(
    con: duckdb.DuckDBPyConnection, template: str, level: Level, within: Scope, **values: Any
) -> list[tuple[Any, ...]]:
    sql = template.format(
        scope=_SCOPES[within],
        keys=", ".join(level.keys),
        similarity=similarity("l", "r"),
        score=level.score,
        qualifies=level.qualifies,
    )
    return con.execute(sql, values).fetchall()


def capped_blocks(
    con: duckdb.DuckDBPyConnection, level: Level, *, within: Scope, max_block: int
) -> list[CappedBlock]:
    """Return the blocks of `level` with more than `max_block` holders, the largest first."""
    rows = _rows(con, _BLOCKS + _CAPPED, level, within, max_block=max_block)
    return [
        CappedBlock(level=level.name, connection=scope, value=value, holders=holders)
        for scope, value, holders in rows
    ]


def qualifying_pairs(
    con: duckdb.DuckDBPyConnection, level: Level, *, within: Scope, max_block: int
) -> list[Pair]:
    """Return the pairs that share a key of `level` and qualify for it, in order of their records."""
    rows = _rows(
        con, _BLOCKS + _COMPARED, level, within, max_block=max_block, roles=sorted(ROLE_NAMES)
    )
    return [
        Pair(
            left=RecordRef(left_connection, left_id),
            right=RecordRef(right_connection, right_id),
            level=level.name,
            similarity=None if similar is None else round(similar, 4),
            score=round(float(score), 4),
        )
        for left_connection, left_id, right_connection, right_id, similar, score in rows
    ]
