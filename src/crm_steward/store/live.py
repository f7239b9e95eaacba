"""Which contacts are not gone, as queries ask it that look up records."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from crm_steward.store.tables import contacts

_NEVER: Any = sa.literal_column("0")
is_live = sa.func.coalesce(contacts.c.gone_at, _NEVER) == _NEVER
"""Whether a contact is not gone. SQLite asks the row: through the index on `gone_at`, which it takes
for the best way to any contacts, it would read nearly all of them."""
