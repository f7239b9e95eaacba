"""Decisions: a person's word that two records are one person, or are not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEY = ("left_connection", "left_id", "right_connection", "right_id")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "decisions",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _KEY),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("lasting", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_decisions")),
    )
