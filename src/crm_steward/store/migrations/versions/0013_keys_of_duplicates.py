"""The keys that duplicates are found by, kept from one search to the next."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "matching_indexes",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("decided", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("rule", name=op.f("pk_matching_indexes")),
    )
    op.create_table(
        "matching_records",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "n", name=op.f("pk_matching_records")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "matching_blocks",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "bucket", name=op.f("pk_matching_blocks")),
    )
    op.create_table(
        "matching_pairs",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("one", sa.Integer(), nullable=False),
        sa.Column("other", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "one", "other", name=op.f("pk_matching_pairs")),
        sqlite_with_rowid=False,
    )
