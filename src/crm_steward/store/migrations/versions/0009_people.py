"""People: the records of each, across connections; and groups whose members changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "people",
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "id", name=op.f("pk_people")),
    )
    op.create_index(op.f("ix_people_person"), "people", ["person"])
    op.create_table(
        "regrouped",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"],
            ["findings.fingerprint"],
            name=op.f("fk_regrouped_fingerprint_findings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_regrouped")),
        sa.UniqueConstraint("members", name=op.f("uq_regrouped_members")),
    )
