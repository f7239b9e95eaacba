"""Nearby: duplicates of the contacts that changed, by the keys that a whole search left behind.

The contacts that changed get their keys anew. Whoever shares one with them is compared; where a
block grew or shrank so that its pairs weigh something else, so are its members among each other;
and the chains that any of these hang in are cut anew. How common a name or a company is stays as
the last whole search counted it; how many share an address or a number is known at each moment.
What is found is what a whole search with those counts would find, and what it costs depends on the
contacts that changed, not on the base.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from crm_steward.matching.blocking import KIND, MOST, SIZED, hold, pair
from crm_steward.matching.clustering import Parts
from crm_steward.matching.matches import Wanted, decide, find_pairs, group, score_pairs
from crm_steward.matching.rows import COLUMNS, Narrowed, prepare
from crm_steward.matching.work import Work, working

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Index(Protocol):
    """The keys of all contacts, from one search to the next. A contact has a number in it."""

    def write(self, con: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Take everything anew: tables `counts`, `records` (n, connection, id) and `held` (key, n)."""
        ...

    def write_pairs(self, con: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Take the pairs that were found: table `pairs` (l, r)."""
        ...

    def counts(self) -> pa.Table:
        """Return how common values were."""
        ...

    def next_number(self) -> int:
        """Return the first number that no contact has."""
        ...

    def find(self, con: duckdb.DuckDBPyConnection, table: str) -> pa.Table:
        """Return number, connection, id and keys of the contacts in a table that are known.

        And `same`: whether they are there and nothing changed in them that is compared.
        """
        ...

    def redecided(self, con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str]]:
        """Return the pairs, connection and id twice, of which table `decisions` says something else."""
        ...

    def holders(self, keys: Iterable[int]) -> pa.Table:
        """Return who holds some keys: key, n."""
        ...

    def records(self, numbers: Iterable[int]) -> pa.Table:
        """Return number, connection, id and keys of some contacts."""
        ...

    def partners(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Return the pairs found before in which some contacts are."""
        ...

    def contacts(self, refs: Iterable[tuple[str, str]], columns: Collection[str]) -> pa.Table:
        """Return columns of the contacts that are there, by connection and id."""
        ...

    def stage(self, con: duckdb.DuckDBPyConnection, schema: str) -> None:
        """Take what changed, to be kept when the findings are.

        It is in tables: `changed` (n, connection, id), their keys `old` and `new` (key, n),
        `affected` (n) and the pairs of these, `links` (l, r).
        """
        ...


@dataclass(frozen=True, slots=True)
class Near:
    """What a search of changes gives.

    Args:
        work: As `matched` gives it, with the groups alone in which something may have changed.
        looked_at: A table (connection, id): of whom all groups were looked for.
    """

    work: Work
    looked_at: str


@contextmanager
def matched_nearby(
    con: duckdb.DuckDBPyConnection, wanted: Wanted, narrowed: Narrowed, index: Index
) -> Iterator[Near]:
    """Give the tables of a search around contacts that changed.

    Args:
        con: Holds `contacts`, those that changed and are there, and `looked_at` (connection, id):
            those and the ones that are gone; `decisions` as for `matched`.
        wanted: What makes two contacts duplicates; by this program's own engine.
        narrowed: Which contacts are looked at.
        index: What the whole search with the same wants left behind.
    """
    counts = index.counts()
    with working(con) as near:
        _rekey(near, wanted, narrowed, index, counts)
        pairs = _surround(near, index)
        with working(con) as work:
            prepare(work, Narrowed(source=near.written("matching.contacts")), counts)
            decide(work, wanted.within)
            _score_changed(near, work, wanted)
            _score_chains(near, work, wanted, index, [*pairs, *_links(work), *_blocks(near)])
            group(work, wanted)
            _affected(near, work, pairs)
            index.stage(con, near.schema)
            yield Near(work, near.written("matching.looked_at"))


_CHANGED: Final = """
CREATE TABLE matching.changed AS
SELECT coalesce(k.n, $next + row_number() OVER (ORDER BY c.connection, c.id) - 1)::INTEGER AS n,
    c.connection, c.id
FROM (SELECT DISTINCT connection, id FROM looked_at ANTI JOIN matching.same USING (connection, id)) c
LEFT JOIN matching.known k USING (connection, id)
"""
_SIZES: Final = """
CREATE TABLE matching.sizes AS
SELECT key, sum(before)::INTEGER AS before, sum(after)::INTEGER AS after, bool_or(moved) AS moved
FROM (
    SELECT key, 1 AS before, 1 AS after, false AS moved FROM matching.there
    UNION ALL SELECT key, 1, 1, false FROM (FROM matching.old INTERSECT FROM matching.new)
    UNION ALL SELECT key, 1, 0, true FROM (FROM matching.old EXCEPT FROM matching.new)
    UNION ALL SELECT key, 0, 1, true FROM (FROM matching.new EXCEPT FROM matching.old)
) GROUP BY key
"""
_STIRRED: Final = f"""
CREATE TABLE matching.stirred AS
SELECT key, n FROM matching.there JOIN matching.sizes USING (key)
-- What a pair weighs depends on how many share the value, or it is no longer compared for it.
WHERE moved AND (({KIND} IN {SIZED} AND least(before, after) <= {MOST})
    OR (before <= {MOST}) <> (after <= {MOST}))
"""
_AROUND: Final = f"""
SELECT DISTINCT n FROM matching.there
WHERE key IN (SELECT key FROM matching.new JOIN matching.sizes USING (key) WHERE after <= {MOST})
UNION SELECT n FROM matching.stirred UNION SELECT n FROM matching.known
UNION SELECT n FROM matching.spoken_of
"""


def _rekey(near: Work, wanted: Wanted, narrowed: Narrowed, index: Index, counts: pa.Table) -> None:
    """Make `changed`, their keys before (`old`) and now (`new`), who else holds these (`there`), `sizes`."""
    con = near.con
    _take(near, "known", index.find(con, "looked_at"))
    # Most changes are of something that nobody compares: an owner, a date.
    near.run(
        "CREATE TABLE matching.same AS SELECT connection, id FROM matching.known "
        f"SEMI JOIN (SELECT connection, id FROM {narrowed.source} WHERE {narrowed.where}) "
        "USING (connection, id) WHERE same",
        **narrowed.values,
    )
    near.run(
        "DELETE FROM matching.known WHERE (connection, id) IN (SELECT (connection, id) FROM matching.same)"
    )
    near.run(_CHANGED, next=index.next_number())
    near.run(
        f"CREATE TABLE matching.present AS SELECT {', '.join(COLUMNS)} FROM {narrowed.source} "
        f"SEMI JOIN matching.changed USING (connection, id) WHERE {narrowed.where}",
        **narrowed.values,
    )
    near.run("CREATE TABLE matching.old AS SELECT unnest(keys) AS key, n FROM matching.known")
    with working(con) as fresh:
        prepare(fresh, Narrowed(source=near.written("matching.present")), counts)
        hold(fresh, apart=wanted.within == "connection")
        con.execute(
            f"CREATE TABLE {near.schema}.new AS SELECT key, c.n FROM {fresh.schema}.held h "
            f"JOIN {fresh.schema}.records r ON r.n = h.n "
            f"JOIN {near.schema}.changed c ON c.connection = r.connection AND c.id = r.id"
        )
    touched = near.run("SELECT key FROM matching.old UNION SELECT key FROM matching.new").fetchall()
    _take(near, "entries", index.holders([key for (key,) in touched]))
    near.run(
        "CREATE TABLE matching.there AS SELECT key, n FROM matching.entries "
        "ANTI JOIN matching.changed USING (n)"
    )
    near.run(_SIZES)
    near.run("CREATE TABLE matching.redecided (place INTEGER, connection VARCHAR, id VARCHAR)")
    for place, pair_ in enumerate(index.redecided(con)):
        for connection, one in (pair_[:2], pair_[2:]):
            values = {"place": place, "connection": connection, "one": one}
            near.run("INSERT INTO matching.redecided VALUES ($place, $connection, $one)", **values)
    _take(near, "spoken_of", index.find(con, near.written("matching.redecided")))


def _surround(near: Work, index: Index) -> list[tuple[int, int]]:
    """Make `others` and `contacts`: who is compared besides those that changed.

    Returns:
        The pairs that were found before among all of them.
    """
    near.run(_STIRRED)
    seen = {n for (n,) in near.run(_AROUND).fetchall()}
    pairs: set[tuple[int, int]] = set()
    frontier = seen
    while frontier:
        found = index.partners(frontier)
        pairs.update(found)
        frontier = {n for one in found for n in one} - seen
        seen |= frontier
    changed = {n for (n,) in near.run("SELECT n FROM matching.changed").fetchall()}
    _take(near, "others", index.records(seen - changed))
    refs = near.run("SELECT connection, id FROM matching.others").fetchall()
    _take(near, "contacts", index.contacts(refs, COLUMNS))
    near.run("INSERT INTO matching.contacts BY NAME SELECT * FROM matching.present")
    return sorted(pairs)


def _blocks(near: Work) -> list[tuple[int, int]]:
    """Return who else is compared with each other, as pairs with the first of them.

    That is the members of each block that was stirred, and whom people decided about.
    """
    return near.run(
        "SELECT min(n) OVER (PARTITION BY key), n FROM matching.stirred UNION ALL "
        "SELECT min(n) OVER (PARTITION BY place), n FROM matching.redecided "
        "JOIN matching.spoken_of USING (connection, id)"
    ).fetchall()


_NUMBERS: Final = """
CREATE TABLE matching.numbers AS
SELECT r.n, s.n AS known_as, s.changed
FROM matching.records r JOIN (
    SELECT n, connection, id, true AS changed FROM {near}.changed
    UNION ALL SELECT n, connection, id, false FROM {near}.others
) s ON s.connection = r.connection AND s.id = r.id
"""
_KEPT: Final = f"""
CREATE TABLE matching.kept AS
SELECT key, numbers.n, after AS size, changed, coalesce(chain, -known_as - 1) AS chain
FROM (FROM {{near}}.new UNION ALL SELECT unnest(keys) AS key, n FROM {{near}}.others) held
JOIN matching.numbers ON numbers.known_as = held.n
JOIN {{near}}.sizes USING (key) LEFT JOIN {{chains}} c ON c.n = held.n
WHERE after BETWEEN 2 AND {MOST}
"""
_NO_CHAINS: Final = "(SELECT NULL::INTEGER AS n, NULL::INTEGER AS chain LIMIT 0)"


def _score_changed(near: Work, work: Work, wanted: Wanted) -> None:
    """Make `numbers`, and `scored` and `pairs` of the pairs of which one contact changed."""
    work.run(_NUMBERS.format(near=near.schema))
    work.run(_KEPT.format(near=near.schema, chains=_NO_CHAINS))
    pair(work, only="(a.changed OR b.changed)")
    score_pairs(work, wanted)
    find_pairs(work, wanted)


def _score_chains(
    near: Work, work: Work, wanted: Wanted, index: Index, linked: Iterable[tuple[int, int]]
) -> None:
    """Add to `scored` the other pairs of each chain: where it is cut depends on all that they share.

    Args:
        near: Holds who is compared.
        work: Holds what is scored already.
        wanted: What makes two contacts duplicates.
        index: Tells how many share a key.
        linked: What chains are made of, those that a contact that changed joins now included.
    """
    chains = Parts()
    for one, other in linked:
        chains.join(one, other)
    _take(near, "chains", _table(n=chains.of.keys(), chain=chains.of.values()))
    shared = near.run(
        "SELECT DISTINCT key FROM (SELECT unnest(keys) AS key, chain FROM matching.others "
        "JOIN matching.chains USING (n)) ANTI JOIN matching.sizes USING (key) "
        "GROUP BY key, chain HAVING count(*) > 1"
    ).fetchall()
    _take(near, "more", index.holders([key for (key,) in shared]))
    near.run(
        "INSERT INTO matching.sizes SELECT key, count(*), count(*), false FROM matching.more GROUP BY key"
    )
    work.run(_KEPT.format(near=near.schema, chains=near.written("matching.chains")))
    work.run("DROP TABLE matching.candidates")
    pair(work, only="NOT a.changed AND NOT b.changed AND a.chain = b.chain")
    if work.value("SELECT count(*) FROM matching.candidates"):
        work.run("ALTER TABLE matching.scored RENAME TO scored_before")
        score_pairs(work, wanted)
        work.run("INSERT INTO matching.scored BY NAME FROM matching.scored_before")
        work.run("DROP TABLE matching.scored_before")


def _links(work: Work) -> list[tuple[int, int]]:
    """Return the pairs that were found, by the numbers of the index."""
    return work.run(
        "SELECT l.known_as, r.known_as FROM matching.pairs p "
        "JOIN matching.numbers l ON l.n = p.l JOIN matching.numbers r ON r.n = p.r"
    ).fetchall()


def _affected(near: Work, work: Work, before: Iterable[tuple[int, int]]) -> None:
    """Make `affected`, `links` and `looked_at`; forget the groups in which nothing can have changed."""
    links = _links(work)
    parts = Parts()
    for one, other in (*before, *links):
        parts.join(one, other)
    seeds = near.run(
        "SELECT n FROM matching.changed UNION SELECT n FROM matching.stirred "
        "UNION SELECT n FROM matching.spoken_of"
    ).fetchall()
    affected = {n for (seed,) in seeds for n in parts.members[parts.part(seed)]}
    _take(near, "affected", _table(n=affected))
    found = [(one, other) for one, other in links if one in affected]
    _take(near, "links", _table(l=[one for one, _ in found], r=[other for _, other in found]))
    near.run(
        "CREATE TABLE matching.looked_at AS SELECT connection, id FROM ("
        "SELECT n, connection, id FROM matching.changed UNION ALL "
        "SELECT n, connection, id FROM matching.others) SEMI JOIN matching.affected USING (n)"
    )
    work.run(
        "DELETE FROM matching.members WHERE n NOT IN (SELECT n FROM matching.numbers "
        f"WHERE known_as IN (SELECT n FROM {near.schema}.affected))"
    )


def _table(**columns: Iterable[int]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 -- a service at rest holds none of it

    return pa.table({name: pa.array(values, pa.int32()) for name, values in columns.items()})


def _take(work: Work, name: str, rows: pa.Table) -> None:
    """Make a table of rows that come from elsewhere."""
    work.con.register("steward_rows", rows)
    work.run(f"CREATE TABLE matching.{name} AS SELECT * FROM steward_rows")
    work.con.unregister("steward_rows")
