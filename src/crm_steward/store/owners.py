"""Who owns records and tasks: the users of each CRM, as the last pull or check learnt them."""

from __future__ import annotations

import sqlalchemy as sa

from crm_steward.connect.protocol import Owner
from crm_steward.store.tables import connections


def known_owners(reading: sa.Connection) -> dict[tuple[str, str], Owner]:
    """Return the owners of all connections, by connection and id there, in that order."""
    c = connections.c
    rows = reading.execute(sa.select(c.connection, c.account).order_by(c.connection))
    return {
        (connection, owner.id): owner
        for connection, account in rows
        for owner in owners_of(account).values()
    }


def owners_of(account: object) -> dict[str, Owner]:
    """Return the owners of an account, by id.

    Args:
        account: What is kept of it. It may be shaped otherwise than we write it: what a CRM told
            to another version, or a connector of somebody else's. Who is not understood is left out.
    """
    told = account.get("owners") if isinstance(account, dict) else None
    if not isinstance(told, dict):
        return {}
    found = {}
    for number, about in told.items():
        said = {"name": about} if isinstance(about, str) else about
        if isinstance(said, dict):
            found[str(number)] = Owner(
                id=str(number),
                name=_text(said.get("name")),
                email=_text(said.get("email")),
                active=said.get("active", True) is not False,
            )
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
