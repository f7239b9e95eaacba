"""Fields that settings map, and more of what is worked out; everything is read anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIMES = (
    "collected_at",
    "informed_at",
    "contract_end",
    "last_login",
    "last_mailed_at",
    "birth_date",
    "rights_request_at",
    "consent_email_given_at",
    "consent_phone_given_at",
)
_TEXTS = (
    "source_type",
    "notes",
    "consent_email_basis",
    "consent_email_how",
    "consent_phone_basis",
    "consent_phone_how",
    "email_status",
)


def upgrade() -> None:
    """Add the columns; without a cursor the next pull reads everything, which fills them."""
    for name in _TIMES:
        op.add_column("contacts", sa.Column(name, sa.BigInteger(), nullable=True))
    for name in _TEXTS:
        op.add_column("contacts", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("contacts", sa.Column("legal_hold", sa.Boolean(), nullable=True))
    op.add_column("contacts", sa.Column("purchases", sa.Float(), nullable=True))
    op.execute("UPDATE connections SET cursor = NULL")
