"""The whole way: from a table of contacts to groups of duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf, log2
from typing import TYPE_CHECKING, Any, Final, Literal

from crm_steward.matching.blocking import CappedBlock, block, capped, hold
from crm_steward.matching.clustering import SAID, cluster
from crm_steward.matching.comparing import COMPARISONS, compare
from crm_steward.matching.levels import ALL_EVIDENCE, DECIDED, LEVELS
from crm_steward.matching.rows import EVERYBODY, Narrowed, prepare
from crm_steward.matching.scoring import score
from crm_steward.matching.weights import SHIPPED, Weights
from crm_steward.matching.work import Work, working
from crm_steward.model import RecordRef

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Scope = Literal["connection", "everywhere"]
"""Which contacts are compared: those of one connection, or all."""

Engine = Literal["sql", "splink", "splink-spark"]
"""What finds the pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What makes two contacts duplicates.

    Args:
        levels: Names out of LEVELS: a pair that qualifies for one is found.
        at_least: The probability from which a pair is found without any level; None: levels only.
        sure_from: The probability from which a pair is sure enough to be merged.
        within: `connection` never groups records of two connections.
        weights: What evidence weighs.
        engine: `sql`: this one. `splink`, `splink-spark`: Splink finds the pairs, and knows no
            levels.
    """

    levels: Sequence[str] = ()
    at_least: float | None = 0.5
    sure_from: float = 0.99
    within: Scope = "everywhere"
    weights: Weights = SHIPPED
    engine: Engine = "sql"

    def weighing(self, weights: Weights | None) -> Wanted:
        """Return the same with other weights, where there are any."""
        return replace(self, weights=weights) if weights else self

    def __post_init__(self) -> None:
        """Refuse what would find nothing, or what nobody knows.

        Raises:
            ValueError: A level is unknown, or there is nothing to find pairs by.
        """
        unknown = [name for name in self.levels if name not in LEVELS]
        if self.levels and self.engine != "sql":
            raise ValueError(f"engine {self.engine} knows no levels")
        if unknown or (not self.levels and self.at_least is None):
            known = ", ".join(f"'{name}'" for name in LEVELS)
            raise ValueError(f"levels are among {known}; got {list(self.levels)}")


def bits_of(probability: float) -> float:
    """Return a probability as log2 of its odds."""
    if probability in (0, 1):
        return inf if probability else -inf
    return log2(probability / (1 - probability))


_DECIDED: Final = f"""
CREATE TABLE matching.decided AS
SELECT least(a.n, b.n) AS l, greatest(a.n, b.n) AS r,
    CASE d.verdict WHEN 'same' THEN {SAID} ELSE -{SAID} END AS bits
FROM {{decisions}} d
JOIN matching.records a ON a.connection = d.left_connection AND a.id = d.left_id
JOIN matching.records b ON b.connection = d.right_connection AND b.id = d.right_id
WHERE {{scope}}
"""
_NOBODY: Final = (
    "(SELECT NULL AS left_connection, NULL AS left_id, NULL AS right_connection, NULL AS right_id, "
    "NULL AS verdict LIMIT 0)"
)

_PAIRS: Final = f"""
CREATE OR REPLACE TABLE matching.pairs AS
SELECT l, r, bits, level FROM (
    SELECT l, r, bits, CASE {{levels}} WHEN bits >= $least THEN {len(LEVELS)} END AS level
    FROM matching.scored
) ANTI JOIN matching.decided USING (l, r) WHERE level IS NOT NULL
UNION ALL SELECT l, r, bits, {len(LEVELS) + 1} FROM matching.decided WHERE bits > 0
"""
_LEVEL: Final = [*LEVELS, ALL_EVIDENCE, DECIDED]

_GROUPS: Final = """
CREATE OR REPLACE TABLE matching.groups AS
WITH held AS (
    -- A pair that no level and no score found may still lie in a group that others hold together.
    SELECT a.group_n, count(*) AS pairs, min(p.bits) AS weakest, min(p.level) AS level
    FROM matching.pairs p JOIN matching.members a ON a.n = p.l JOIN matching.members b ON b.n = p.r
    WHERE a.group_n = b.group_n GROUP BY a.group_n
),
sized AS (SELECT group_n, count(*) AS size FROM matching.members GROUP BY group_n)
SELECT group_n, size, pairs, weakest, level, pairs < size * (size - 1) // 2 AS chained,
    pairs = size * (size - 1) // 2 AND weakest >= $sure AS sure
FROM held JOIN sized USING (group_n)
"""


@contextmanager
def matched(
    con: duckdb.DuckDBPyConnection,
    wanted: Wanted,
    narrowed: Narrowed = EVERYBODY,
    *,
    counts: pa.Table | None = None,
    keyed: Callable[[Work], object] | None = None,
) -> Iterator[Work]:
    """Give the tables of a search: `records`, `scored`, `pairs`, `members`, `groups` and what led there.

    Args:
        con: Holds `contacts` with the columns `rows.COLUMNS`, and `decisions` where people decided.
        wanted: What makes two contacts duplicates.
        narrowed: Which contacts are looked at.
        counts: How common values are, as for `prepare`.
        keyed: Told when `held` has the keys of all contacts, before they are paired.
    """
    with working(con) as work:
        prepare(work, narrowed, counts)
        decide(work, wanted.within)
        if wanted.engine == "sql":
            hold(work, apart=wanted.within == "connection")
            if keyed is not None:
                keyed(work)
            block(work)
            score_pairs(work, wanted)
        else:
            _by_splink(work, wanted, narrowed)
        group(work, wanted)
        yield work


def group(work: Work, wanted: Wanted) -> None:
    """Make `pairs`, `members` and `groups` of what was scored; again, for something else wanted.

    Args:
        work: Holds `scored` and `decided`, made for the same weights and scope.
        wanted: What makes two contacts duplicates.
    """
    find_pairs(work, wanted)
    cluster(work, wanted.weights)
    work.run(_GROUPS, sure=bits_of(wanted.sure_from))


def find_pairs(work: Work, wanted: Wanted) -> None:
    """Make `pairs` of what was scored; see `group`."""
    cases = " ".join(
        f"WHEN {sql} THEN {list(LEVELS).index(name)}"
        for name, sql in LEVELS.items()
        if name in wanted.levels
    )
    least = inf if wanted.at_least is None else bits_of(wanted.at_least)
    work.run(_PAIRS.format(levels=cases), least=least)


_NOTHING: Final = (
    "CREATE TABLE matching.scored (l INTEGER, r INTEGER, nameless BOOLEAN, bits FLOAT, "
    f"{', '.join(f'{one.column} UTINYINT' for one in COMPARISONS)})"
)


def score_pairs(work: Work, wanted: Wanted) -> None:
    """Make `matching.scored` of `matching.candidates`.

    Where no two contacts share a key, as in most tests of rules, planning the large statements
    would take longer than all the rest.
    """
    if work.value("SELECT count(*) FROM matching.candidates"):
        compare(work)
        score(work, wanted.weights)
    else:
        work.run(_NOTHING)


def _by_splink(work: Work, wanted: Wanted, narrowed: Narrowed) -> None:
    """Make `matching.scored` of what Splink finds."""
    from crm_steward.matching.splink_engine import splink_pairs  # noqa: PLC0415 -- slow to import, and rarely used

    with work.con.cursor() as cursor:
        # A temporary table belongs to this cursor alone and hides the whole one.
        query = (
            f"CREATE TEMP TABLE narrowed AS SELECT * FROM {narrowed.source} WHERE {narrowed.where}"
        )
        cursor.execute(query, dict(narrowed.values))
        cursor.execute("ALTER TABLE narrowed RENAME TO contacts")
        pairs = splink_pairs(
            cursor, spark=wanted.engine == "splink-spark", within=wanted.within, threshold=0.01
        )
    work.con.register("steward_pairs_found", pairs)
    work.run(
        "CREATE TABLE matching.scored AS SELECT a.n AS l, b.n AS r, "
        "log2(least(probability, 0.999999) / (1 - least(probability, 0.999999)))::FLOAT AS bits "
        "FROM steward_pairs_found f "
        "JOIN matching.records a ON a.connection = left_connection AND a.id = left_id "
        "JOIN matching.records b ON b.connection = right_connection AND b.id = right_id"
    )
    work.con.unregister("steward_pairs_found")
    work.run("CREATE TABLE matching.blocks (key UBIGINT, size INTEGER)")


def decide(work: Work, within: Scope) -> None:
    """Make `matching.decided` of the table `decisions`, where there is one.

    Args:
        work: Holds `matching.records`.
        within: Which pairs count.
    """
    known = work.con.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'decisions'"
    ).fetchall()[0][0]
    scope = "true" if within == "everywhere" else "d.left_connection = d.right_connection"
    work.run(_DECIDED.format(decisions="decisions" if known else _NOBODY, scope=scope))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two contacts that are probably one person.

    Args:
        left, right: The records, `left` before `right`.
        level: The strongest level they qualify for.
        probability: How likely it is that they are one person.
        sure: Whether that is enough to merge them.
    """

    left: RecordRef
    right: RecordRef
    level: str
    probability: float
    sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Contacts that are probably one person.

    Args:
        refs: The members, sorted.
        pairs: What holds them together, in order of their records.
        chained: Whether some two members were not found as a pair and hang together by others only.
        sure: Whether every two members are sure to be one person.
    """

    refs: tuple[RecordRef, ...]
    pairs: tuple[Pair, ...]
    chained: bool
    sure: bool

    @property
    def level(self) -> str:
        """The strongest level any of its pairs qualifies for."""
        return min((pair.level for pair in self.pairs), key=_LEVEL.index)

    @property
    def weakest(self) -> Pair:
        """The pair that is least certain: what to look at first."""
        return min(self.pairs, key=lambda pair: pair.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """What matching found.

    Args:
        groups: Probable duplicates, sorted by their first member.
        capped: What was not compared, and why it cannot be said that there are no duplicates there.
    """

    groups: list[Group]
    capped: list[CappedBlock]


PROBABILITY: Final = "round(1 / (1 + pow(2, -bits::DOUBLE)), 4)"
"""SQL of a pair's probability."""

_FOUND: Final = f"""
SELECT m.group_n, g.chained, g.sure, a.connection, a.id, b.connection, b.id, level, {PROBABILITY},
    bits >= $sure
FROM matching.pairs p JOIN matching.members m ON m.n = p.l
JOIN matching.members o ON o.n = p.r AND o.group_n = m.group_n
JOIN matching.groups g ON g.group_n = m.group_n
JOIN matching.records a ON a.n = p.l JOIN matching.records b ON b.n = p.r
ORDER BY m.group_n, p.l, p.r
"""


def find_groups(
    con: duckdb.DuckDBPyConnection, wanted: Wanted, narrowed: Narrowed = EVERYBODY
) -> Matches:
    """Group the rows of table `contacts` that are probably one person.

    Args:
        con: As for `matched`. Nothing is left behind in it.
        wanted: What makes two contacts duplicates.
        narrowed: Which contacts are looked at.
    """
    with matched(con, wanted, narrowed) as work:
        rows = work.run(_FOUND.replace(" level,", " p.level,"), sure=bits_of(wanted.sure_from))
        found: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows.fetchall():
            found.setdefault(row[0], []).append(row)
        return Matches(groups=[_group(pairs) for pairs in found.values()], capped=capped(work))


def _group(rows: Sequence[tuple[Any, ...]]) -> Group:
    pairs = tuple(
        Pair(
            left=RecordRef(*row[3:5]),
            right=RecordRef(*row[5:7]),
            level=_LEVEL[row[7]],
            probability=row[8],
            sure=row[9],
        )
        for row in rows
    )
    refs = tuple(sorted({ref for pair in pairs for ref in (pair.left, pair.right)}))
    return Group(refs=refs, pairs=pairs, chained=rows[0][1], sure=rows[0][2])


_WRITTEN: Final = f"""
CREATE TABLE {{table}} AS
SELECT list({{{{'connection': connection, 'id': id}}}} ORDER BY p.n) AS refs, '' AS about,
    any_value(evidence) AS evidence, any_value(score) AS score
FROM matching.members m JOIN matching.records p ON p.n = m.n
JOIN (
    SELECT group_n, min(probability) AS score, to_json({{{{
        'certainty': CASE WHEN any_value(g.sure) THEN 'sure' ELSE 'review' END,
        'chained': any_value(g.chained),
        'level': $names[min(level) + 1],
        'pairs': list({{{{
            'certainty': CASE WHEN bits >= $sure THEN 'sure' ELSE 'review' END,
            'left': a.connection || ':' || a.id, 'level': $names[level + 1],
            'right': b.connection || ':' || b.id, 'score': probability
        }}}} ORDER BY bits, l, r)
    }}}})::VARCHAR AS evidence
    FROM (
        SELECT p.*, m.group_n, {PROBABILITY} AS probability
        FROM matching.pairs p JOIN matching.members m ON m.n = p.l
        JOIN matching.members o ON o.n = p.r AND o.group_n = m.group_n
    ) JOIN (SELECT group_n AS known, chained, sure FROM matching.groups) g ON known = group_n
    JOIN matching.records a ON a.n = l JOIN matching.records b ON b.n = r
    GROUP BY group_n
) USING (group_n)
GROUP BY group_n
"""


def write_found(work: Work, table: str, *, sure_from: float) -> None:
    """Make a table of what was found, as scans take it: `refs`, `about`, `evidence`, `score`.

    Args:
        work: What `matched` gave.
        table: Its name, outside of the search's own tables.
        sure_from: The probability from which a pair is sure.
    """
    work.run(_WRITTEN.format(table=table), names=_LEVEL, sure=bits_of(sure_from))
