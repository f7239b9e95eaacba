"""Keys of places: what tells whether two records are at one address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; without a cursor the next pull reads everything, which fills them."""
    for name in ("street_key", "postcode_key", "city_key"):
        op.add_column("contacts", sa.Column(name, sa.Text(), nullable=True))
    op.execute("UPDATE connections SET cursor = NULL")
