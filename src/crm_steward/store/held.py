"""Held: what the mirror holds of some records, read together and made into contacts when looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Contact, RecordRef
from crm_steward.store.database import Database, chunked
from crm_steward.store.mirrored import READ, contact_of
from crm_steward.store.tables import contacts


class Held(dict[RecordRef, Contact]):
    """The mirrored contacts among some records; those gone or never seen are left out.

    Those that were only named tell nothing but that they are there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[RecordRef, int] = {}
        """Record → when what it holds last changed in the mirror, in microseconds."""


def held(database: Database, whole: Collection[RecordRef], named: Iterable[RecordRef] = ()) -> Held:
    """Read what the mirror holds of some records, in one transaction.

    Args:
        database: The store.
        whole: Those that are looked at.
        named: Those of which only is asked whether they are there, and since when unchanged.
    """
    found = Held()
    with database.read() as reading:
        for refs, query in ((whole, _WHOLE), (set(named).difference(whole), _NAMED)):
            wanted: dict[str, dict[str, RecordRef]] = {}
            for ref in refs:
                wanted.setdefault(ref.connection, {})[ref.id] = ref
            for connection, by_id in wanted.items():
                for chunk in chunked(by_id):
                    told = {"connection": connection, "ids": chunk}
                    for row in reading.execute(query, told).all():
                        ref = by_id[row[0]]
                        found[ref] = contact_of(ref, row)
                        found.changed[ref] = row[-1]
    return found


def _asking(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return what asks for columns of some records that are there, and when they changed."""
    changed_at = sa.type_coerce(contacts.c.changed_at, sa.BigInteger)
    return sa.select(*columns, changed_at).where(
        contacts.c.connection == sa.bindparam("connection"),
        contacts.c.gone_at.is_(None),
        contacts.c.id.in_(sa.bindparam("ids", expanding=True)),
    )


# Made once: to make one of fifty columns takes as long as to read a hundred rows.
_WHOLE, _NAMED = _asking(*READ), _asking(contacts.c.id)
