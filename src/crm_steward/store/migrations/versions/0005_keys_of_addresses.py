"""Keys of every address and of what consents speak of, and more of what fields should read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXTS = (
    "email_keys",
    "phone_keys",
    "consent_keys",
    "consent_phone_missing_proof",
    "email_typo",
    "company_clean",
    "street_clean",
    "city_clean",
    "postcode_clean",
    "postcode_problem",
    "country_clean",
    "website_clean",
    "website_problem",
    "language_code",
)


def upgrade() -> None:
    """Add the columns; without a cursor the next pull reads everything, which fills them."""
    for name in _TEXTS:
        op.add_column("contacts", sa.Column(name, sa.Text(), nullable=True))
    op.execute("UPDATE connections SET cursor = NULL")
