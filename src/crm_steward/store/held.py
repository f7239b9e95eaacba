"""Held: what the mirror holds of some records, read together and made into contacts when looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Contact, RecordRef
from crm_steward.store.database import Database, chunked
from crm_steward.store.rows import READ, contact_of
from crm_steward.store.tables import contacts


@dataclass(slots=True)
class Held(Mapping[RecordRef, Contact]):
    """The mirrored contacts among some records; those gone or never seen are left out.

    Args:
        changed: Record → when what it holds last changed in the mirror, in microseconds.
        rows: Record → its columns READ, of those that were read as a whole.
        slim: Whether contacts are made without what is long to read (`rows.contact_of`).
    """

    changed: dict[RecordRef, int] = field(default_factory=dict)
    rows: dict[RecordRef, Sequence[Any]] = field(default_factory=dict)
    slim: bool = False
    _made: dict[RecordRef, Contact] = field(default_factory=dict, init=False)
    _last: tuple[RecordRef | None, Contact | None] = field(default=(None, None), init=False)
    """What was looked at last: all that was found about a record comes together."""

    def __contains__(self, ref: object) -> bool:
        return ref is self._last[0] or ref in self.changed

    def __getitem__(self, ref: RecordRef) -> Contact:
        last, contact = self._last
        if ref is not last or contact is None:
            contact = self._made.get(ref)
            if contact is None:
                contact = self._made[ref] = contact_of(self.rows[ref], slim=self.slim)
            self._last = ref, contact
        return contact

    def __iter__(self) -> Iterator[RecordRef]:
        return iter(self.changed)

    def __len__(self) -> int:
        return len(self.changed)


def held(
    database: Database,
    whole: Collection[RecordRef],
    named: Iterable[RecordRef] = (),
    *,
    slim: bool = False,
) -> Held:
    """Read what the mirror holds of some records, in one transaction.

    Args:
        database: The store.
        whole: Those that are looked at.
        named: Those of which only is asked whether they are there, and since when unchanged.
        slim: Whether contacts are made without what is long to read.
    """
    found = Held(slim=slim)
    kinds = (whole, READ), (set(named).difference(whole), READ[:2])
    with database.read() as reading:
        for refs, columns in kinds:
            wanted: dict[str, dict[str, RecordRef]] = {}
            for ref in refs:
                wanted.setdefault(ref.connection, {})[ref.id] = ref
            for connection, by_id in wanted.items():
                for chunk in chunked(by_id):
                    query = sa.select(_CHANGED_AT, *columns).where(
                        contacts.c.connection == connection,
                        contacts.c.gone_at.is_(None),
                        contacts.c.id.in_(chunk),
                    )
                    for changed_at, *row in reading.execute(query):
                        ref = by_id[row[1]]
                        found.changed[ref] = changed_at
                        if columns is READ:
                            found.rows[ref] = row
    return found


_CHANGED_AT = sa.type_coerce(contacts.c.changed_at, sa.BigInteger)
