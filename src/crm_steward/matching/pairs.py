"""Block and compare: the pairs of contacts that qualify for a level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

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
    {held}
),
blocks AS (
    SELECT rank, scope, value, count(*) AS holders
    FROM held WHERE value IS NOT NULL GROUP BY ALL HAVING count(*) > 1
)
"""

_HELD: Final = """
    SELECT DISTINCT connection, id, {rank} AS rank, {scope}::VARCHAR AS scope,
        unnest([{keys}]) AS value
    FROM contacts
"""

_CAPPED: Final = """
SELECT rank, scope, value, holders FROM blocks WHERE holders > $max_block
ORDER BY rank, holders DESC, scope, value
"""

_COMPARED: Final = """,
members AS (
    SELECT held.*, split_part(value, '@', 1) IN (SELECT unnest($roles)) AS role
    FROM held SEMI JOIN blocks ON blocks.rank = held.rank AND blocks.value = held.value
        AND blocks.scope IS NOT DISTINCT FROM held.scope AND blocks.holders <= $max_block
),
candidates AS (
    SELECT l.connection AS left_connection, l.id AS left_id,
        r.connection AS right_connection, r.id AS right_id, l.rank, bool_and(l.role) AS role
    FROM members l JOIN members r ON l.rank = r.rank AND l.value = r.value
        AND l.scope IS NOT DISTINCT FROM r.scope AND (l.connection, l.id) < (r.connection, r.id)
    GROUP BY ALL
),
compared AS (
    SELECT candidates.*, l.name_key IS NULL AND r.name_key IS NULL AS nameless,
        {similarity} AS similarity
    FROM candidates
    JOIN contacts l ON l.connection = left_connection AND l.id = left_id
    JOIN contacts r ON r.connection = right_connection AND r.id = right_id
),
scored AS (
    SELECT *, CASE rank {scores} END AS score FROM compared WHERE CASE rank {qualify} END
)
SELECT left_connection, left_id, right_connection, right_id, min(rank) AS rank,
    round(any_value(similarity), 4) AS similarity, round(arg_min(score, rank), 4)::DOUBLE AS score
FROM scored GROUP BY ALL
ORDER BY left_connection, left_id, right_connection, right_id
"""


def _blocks(levels: Sequence[Level], within: Scope) -> str:
    held = (
        _HELD.format(rank=rank, scope=_SCOPES[within], keys=", ".join(level.keys))
        for rank, level in enumerate(levels)
    )
    return _BLOCKS.format(held=" UNION ALL ".join(held))


def _by_rank(expressions: Iterable[str]) -> str:
    return " ".join(f"WHEN {rank} THEN {text}" for rank, text in enumerate(expressions))


def capped_blocks(
    con: duckdb.DuckDBPyConnection, levels: Sequence[Level], *, within: Scope, max_block: int
) -> list[CappedBlock]:
    """Return the blocks with more than `max_block` holders, level by level, the largest first."""
    rows = con.execute(_blocks(levels, within) + _CAPPED, {"max_block": max_block}).fetchall()
    return [
        CappedBlock(level=levels[rank].name, connection=scope, value=value, holders=holders)
        for rank, scope, value, holders in rows
    ]


def qualifying_pairs(
    con: duckdb.DuckDBPyConnection, levels: Sequence[Level], *, within: Scope, max_block: int
) -> list[Pair]:
    """Return the pairs that share a key of a level and qualify for it, in order of their records.

    Args:
        con: Holds `contacts`.
        levels: The strongest first; a pair that qualifies for several counts for the first.
        within: Which contacts are compared.
        max_block: Holders beyond which a value is not looked at.
    """
    compared = _COMPARED.format(
        similarity=similarity("l", "r"),
        scores=_by_rank(level.score for level in levels),
        qualify=_by_rank(level.qualifies for level in levels),
    )
    values = {"max_block": max_block, "roles": sorted(ROLE_NAMES)}
    rows = con.execute(_blocks(levels, within) + compared, values).fetchall()
    return [
        Pair(
            left=RecordRef(left_connection, left_id),
            right=RecordRef(right_connection, right_id),
            level=levels[rank].name,
            similarity=similar,
            score=score,
        )
        for left_connection, left_id, right_connection, right_id, rank, similar, score in rows
    ]
