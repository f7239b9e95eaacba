"""The identity of groups across scans: one that gains or loses members is still the same group."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from crm_steward.store.database import chunked
from crm_steward.store.tables import finding_refs, findings

if TYPE_CHECKING:
    import duckdb

Group = TypeVar("Group", bound=Hashable)
Identity = TypeVar("Identity", bound=Hashable)


def heirs(claims: Iterable[tuple[Group, Identity]]) -> dict[Group, Identity]:
    """Return which group takes over which identity: each has one at most, and each has one heir.

    Args:
        claims: A group and an identity it may take over, the best claim first.
    """
    found: dict[Group, Identity] = {}
    taken: set[Identity] = set()
    for group, identity in claims:
        if group not in found and identity not in taken:
            found[group] = identity
            taken.add(identity)
    return found


def known_as(regrouped: Mapping[str, str]) -> dict[str, str]:
    """Return under which fingerprint the members of a group are known, where it is not their own.

    Args:
        regrouped: Fingerprint → the one that its present members would have of their own. What
            it was first found with is another group since then, and gets a name of its own.
    """
    names = {members: mark for mark, members in regrouped.items()}
    for mark in regrouped:
        if mark not in names:
            other = _again(mark)
            while other in regrouped:
                other = _again(other)
            names[mark] = other
    return names


def _again(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()[:32]


def inherit(
    con: duckdb.DuckDBPyConnection,
    writing: sa.Connection,
    looked_at: Callable[[str, str], bool],
) -> int:
    """Let new groups take over the identity of findings that would be resolved, and return how many.

    A group is what a finding was when they share more than half of the members of the smaller of
    the two. One that touches a connection which its rule did not look at is left as it was.

    Args:
        con: Holds `steward_other` and `steward_gone`, as `Comparison` left them.
        writing: The transaction in which the findings are stored.
        looked_at: Whether a rule, by its id, would have found again what stands on a connection.
    """
    rules = con.execute(
        "SELECT DISTINCT rule FROM steward_other WHERE NOT stands AND len(refs) > 1 "
        "AND rule IN (SELECT rule FROM steward_gone)"
    ).fetchall()
    if not rules:
        return 0
    gone = con.execute(
        "SELECT fingerprint FROM steward_gone WHERE list_contains($rules, rule)",
        {"rules": [rule for (rule,) in rules]},
    ).fetchall()
    _load_gone(con, writing, [mark for (mark,) in gone], looked_at)
    found: dict[str, str] = heirs(con.execute(_CLAIMS).fetchall())
    if found:
        import pyarrow as pa  # noqa: PLC0415 -- a service at rest holds none of it

        names = {"new": list(found), "old": list(found.values())}
        con.register("steward_heirs", pa.table(names))
        con.execute(_INHERIT)
        con.execute("DELETE FROM steward_gone WHERE fingerprint IN (SELECT old FROM steward_heirs)")
        con.unregister("steward_heirs")
    return len(found)


_LOST = """
fingerprint VARCHAR, rule VARCHAR, about VARCHAR, since BIGINT, connection VARCHAR, id VARCHAR
"""
_CLAIMS = """
WITH old AS (
    SELECT *, count(*) OVER (PARTITION BY fingerprint) AS size FROM steward_lost
),
new AS (
    SELECT fingerprint, rule, about, len(refs) AS size, list_min(refs) AS first, unnest(refs) AS ref
    FROM steward_other WHERE NOT stands AND len(refs) > 1
)
SELECT new.fingerprint, old.fingerprint FROM new JOIN old ON new.rule = old.rule
    AND new.about = old.about AND new.ref.connection = old.connection AND new.ref.id = old.id
GROUP BY new.fingerprint, new.size, new.first, old.fingerprint, old.size, old.since
HAVING 2 * count(*) > least(new.size, old.size)
ORDER BY count(*) DESC, old.since, old.fingerprint, new.first, new.fingerprint
"""
"""The most members in common first; then what has stood for longest."""
_INHERIT = """
UPDATE steward_other SET fingerprint = old, known = true, stands = true, moved = true
FROM steward_heirs WHERE fingerprint = new
"""


def _load_gone(
    con: duckdb.DuckDBPyConnection,
    writing: sa.Connection,
    marks: Collection[str],
    looked_at: Callable[[str, str], bool],
) -> None:
    """Load the members of groups that were not found again, unless some were not looked at."""
    import pyarrow as pa  # noqa: PLC0415 -- a service at rest holds none of it

    con.execute(f"CREATE OR REPLACE TEMP TABLE steward_lost ({_LOST})")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("fingerprint", "rule", "about")),
            ("since", pa.int64()),
            *((name, pa.string()) for name in ("connection", "id")),
        ]
    )
    members = sa.select(
        findings.c.fingerprint,
        findings.c.rule,
        findings.c.about,
        sa.type_coerce(findings.c.first_seen_at, sa.BigInteger).label("since"),
        finding_refs.c.connection,
        finding_refs.c.id,
    ).join(finding_refs, finding_refs.c.fingerprint == findings.c.fingerprint)
    for chunk in chunked(marks):
        rows = writing.execute(members.where(findings.c.fingerprint.in_(chunk))).mappings().all()
        unseen = {
            row["fingerprint"] for row in rows if not looked_at(row["rule"], row["connection"])
        }
        those = [dict(row) for row in rows if row["fingerprint"] not in unseen]
        con.register("steward_read", pa.Table.from_pylist(those, schema=schema))
        con.execute("INSERT INTO steward_lost SELECT * FROM steward_read")
        con.unregister("steward_read")
