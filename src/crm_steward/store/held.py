"""Held: what the mirror holds of some records, read together and made into contacts when looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable

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
    kinds = (whole, READ), (set(named).difference(whole), READ[:1])
    with database.read() as reading:
        for refs, columns in kinds:
            wanted: dict[str, dict[str, RecordRef]] = {}
            for ref in refs:
                wanted.setdefault(ref.connection, {})[ref.id] = ref
            for connection, by_id in wanted.items():
                for chunk in chunked(by_id):
                    query = sa.select(*columns, _CHANGED_AT).where(
                        contacts.c.connection == connection,
                        contacts.c.gone_at.is_(None),
                        contacts.c.id.in_(chunk),
                    )
                    for row in reading.execute(query).all():
                        ref = by_id[row[0]]
                        found[ref] = contact_of(ref, row)
                        found.changed[ref] = row[-1]
    return found


_CHANGED_AT = sa.type_coerce(contacts.c.changed_at, sa.BigInteger)
