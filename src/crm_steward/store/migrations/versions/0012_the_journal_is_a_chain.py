"""The journal becomes a chain that only grows; evidence of suppressions; people who were erased.

Lines that stand are linked in their order, as they are: what happened to them before cannot be
known any more. A later migration that recreates the journal on SQLite has to make its triggers
anew (`guard.create`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from crm_steward.store import chain, guard
from crm_steward.store.columns import Json, UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NEEDED = ("values_hash", "subject_hash", "previous", "hash")
_AT_ONCE = 1000


def upgrade() -> None:
    """Add columns and tables, link the lines that stand, and guard them from then on."""
    op.add_column("journal", sa.Column("fields", sa.Text(), nullable=False, server_default="[]"))
    for name in ("values_salt", "subject_salt"):
        op.add_column("journal", sa.Column(name, sa.Text(), nullable=True))
    for name in _NEEDED:
        op.add_column("journal", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("journal", sa.Column("purged_at", sa.BigInteger(), nullable=True))
    op.add_column("contacts", sa.Column("erased_at", sa.BigInteger(), nullable=True))
    _tables()
    _link(op.get_bind())
    guard.create(op.get_bind())


def _tables() -> None:
    op.create_table(
        "consent_evidence",
        sa.Column("intent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("verified", sa.Integer(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.Text(), nullable=True),
        sa.Column("salt", sa.Text(), nullable=True),
        sa.Column("address_hash", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("intent", name=op.f("pk_consent_evidence")),
    )
    for columns in (["connection", "id"], ["address_hash"], ["at"]):
        name = op.f(f"ix_consent_evidence_{'_'.join(columns)}")
        op.create_index(name, "consent_evidence", columns)
    op.create_table(
        "tombstones",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("erasure", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_tombstones")),
    )


_JOURNAL = sa.table(
    "journal",
    *(sa.column(name) for name in ("seq", "run", "plan", "key", "state", "kind", "connection")),
    *(sa.column(name) for name in ("id", "rule", "finding", "reason", "remote_id", "undoes")),
    *(sa.column(name) for name in ("epoch", "values_salt", "subject_salt", *_NEEDED)),
    sa.column("change", Json()),
    sa.column("fields", Json()),
    sa.column("at", UtcTime()),
)


def _link(connection: sa.Connection) -> None:
    """Link the lines that stand, and take what they prove of suppressions."""
    previous, seq = chain.GENESIS, 0
    suppressing: dict[str, dict[str, object]] = {}
    while True:
        query = sa.select(_JOURNAL).where(_JOURNAL.c.seq > seq).order_by(_JOURNAL.c.seq)
        rows = [dict(row) for row in connection.execute(query.limit(_AT_ONCE)).mappings()]
        if not rows:
            return
        for row in rows:
            row["fields"] = chain.fields_of(row["change"])
        for row in chain.linked(rows, previous):
            made = {name: row[name] for name in ("fields", "values_salt", "subject_salt", *_NEEDED)}
            this = sa.update(_JOURNAL).where(_JOURNAL.c.seq == row["seq"])
            connection.execute(this.values(made))
            previous, seq = row["hash"], row["seq"]
            if row["kind"] == "suppress" and row["state"] == "intent":
                suppressing[row["key"]] = row
            elif row["kind"] == "suppress" and row["state"] == "verified":
                _keep(connection, suppressing.pop(row["key"], None), row)


def _keep(
    connection: sa.Connection, intent: dict[str, object] | None, row: dict[str, object]
) -> None:
    if intent is None:
        return
    change = intent["change"]
    assert isinstance(change, dict)  # noqa: S101 -- an intent has one
    approved = sa.text("SELECT approved_by FROM approvals WHERE plan = :plan AND key = :key")
    by = connection.execute(approved, {"plan": row["plan"], "key": row["key"]}).scalar()
    connection.execute(
        sa.insert(_EVIDENCE),
        {
            "intent": intent["seq"],
            "verified": row["seq"],
            "connection": row["connection"],
            "id": row["id"],
            "channel": change["channel"],
            "rule": row["rule"],
            "by": by or "",
            "at": row["at"],
            "change": change,
            "salt": intent["values_salt"],
        },
    )


_EVIDENCE = sa.table(
    "consent_evidence",
    *(sa.column(name) for name in ("intent", "verified", "connection", "id", "channel", "rule")),
    *(sa.column(name) for name in ("by", "salt")),
    sa.column("change", Json()),
    sa.column("at", UtcTime()),
)
