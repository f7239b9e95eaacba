"""What became of the tasks that we made in the CRMs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and let tasks be found in the journal without reading all of it."""
    op.create_table(
        "task_states",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "task", name=op.f("pk_task_states")),
    )
    op.create_index(op.f("ix_task_states_connection_id"), "task_states", ["connection", "id"])
    op.create_index(op.f("ix_journal_kind_connection"), "journal", ["kind", "connection"])
