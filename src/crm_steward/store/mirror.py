"""The mirror: what the CRMs held when we last read them, page by page, with the cursor beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Gone, Page, Poison
from crm_steward.model import Contact, RecordRef, RecordRejectedError
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.held import held
from crm_steward.store.rows import LONGEST_NAME, MOMENTS, content_of, row_of
from crm_steward.store.tables import connections, contacts, meta, quarantine
from crm_steward.store.tombstones import Tombstones


@dataclass(slots=True)
class PageCounts:
    """What saving pages did. Additive."""

    read: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    merged: int = 0
    poison: int = 0
    reappeared: int = 0
    """Contacts that are new or changed, and by whose address somebody was erased here."""
    missed: int = 0
    """Contacts a full read brought that reading changes should have brought before."""

    def __iadd__(self, other: PageCounts) -> Self:
        for one in fields(other):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """What the store knows about one connection."""

    connection: str
    kind: str = ""
    cursor: Cursor | None = None
    pass_started_at: datetime | None = None
    last_full_at: datetime | None = None
    last_success_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_error: str | None = None
    live: int = 0
    paused_reason: str | None = None
    frozen_reason: str | None = None
    account: Mapping[str, Any] = field(default_factory=dict)
    covered_until: datetime | None = None

    @property
    def account_id(self) -> str:
        """The CRM's id of the account that was read; empty when it is not known."""
        return str(self.account.get("id") or "")

    @property
    def broke_off(self) -> bool:
        """Whether the last read began and did not come to its end, or has not yet."""
        begun, ended = self.last_attempt_at, self.last_success_at
        return begun is not None and (ended is None or ended < begun)


class Mirror:
    """Reads and writes the mirrored contacts and where each connection stands.

    Args:
        database: The store.
        stones: Notices the erased among what is saved; None looks for nobody.
    """

    def __init__(self, database: Database, stones: Tombstones | None = None) -> None:
        self._database = database
        self._stones = stones

    def state(self, connection: str) -> ConnectionState:
        """Return where `connection` stands; all empty when it was never read."""
        return self.states().get(connection, ConnectionState(connection=connection))

    def states(self) -> dict[str, ConnectionState]:
        """Return every connection the store knows, by name."""
        with self._database.read() as reading:
            rows = reading.execute(sa.select(connections)).mappings().all()
        return {
            row["connection"]: ConnectionState(**{**row, "account": row["account"] or {}})
            for row in rows
        }

    def note(self, connection: str, kind: str, **values: Any) -> None:
        """Write down facts about `connection` (columns of the table `connections`)."""
        with self._database.write() as writing:
            _note(self._database, writing, connection, {"kind": kind, **values})

    def cursor(self, connection: str) -> Cursor | None:
        """Return where the last read of `connection` stands."""
        return self.state(connection).cursor

    def live(self, connection: str) -> int:
        """Return how many live contacts `connection` has."""
        query = sa.select(sa.func.count()).where(*_live(connection))
        with self._database.read() as reading:
            return reading.execute(query).scalar_one()

    def version(self) -> str:
        """Return a word that changes whenever any contact does."""
        query = sa.select(meta.c.value).where(meta.c.key == "mirror_version")
        with self._database.read() as reading:
            return reading.execute(query).scalar() or "0"

    def contacts(self, refs: Iterable[RecordRef]) -> dict[RecordRef, Contact]:
        """Return the mirrored contacts among `refs`; those gone or never seen are left out."""
        return dict(held(self._database, dict.fromkeys(refs)))

    def save_page(
        self,
        connection: str,
        kind: str,
        page: Page,
        *,
        now: datetime,
        full: bool,
        country: str | None = None,
        covered_until: datetime | None = None,
    ) -> PageCounts:
        """Store one page and its cursor in one transaction.

        Args:
            connection: Whose page it is.
            kind: The connector's kind.
            page: What was read.
            now: When it was read.
            full: Whether it belongs to a full read, in which absence means something.
            country: ISO code assumed for contacts without one.
            covered_until: What changed before this should be known; a contact that is not counts
                as missed.
        """
        counts = PageCounts(read=len(page.contacts))
        poison = list(page.poison)
        prepared = _prepared(page.contacts, poison)
        poison = [Poison(_nameable(one.id), _nameable(one.reason)) for one in poison]
        counts.poison = len(poison)
        with self._database.write() as writing:
            saving = _Saving(self._database, writing, connection, now, counts, self._stones)
            saving.contacts(prepared, country, covered_until)
            if full:
                saving.seen([*(ref.id for ref in prepared), *(one.id for one in poison)])
            saving.gone(page.gone)
            saving.healed(prepared)
            saving.poison(poison)
            _note(self._database, writing, connection, {"kind": kind, "cursor": page.cursor})
            if counts.new or counts.changed or counts.gone:
                bump(self._database, writing)
        return counts

    def close_pass(
        self, connection: str, *, started_at: datetime, now: datetime, absences: int
    ) -> int:
        """End a full read: records it did not bring were absent once more.

        Args:
            connection: Whose full read ended.
            started_at: When it began; what was seen since then is there.
            now: When it ended.
            absences: After how many full reads in a row an absent record counts as gone.

        Returns:
            How many records count as gone now.
        """
        unseen = (*_live(connection), contacts.c.seen_at < started_at)
        with self._database.write() as writing:
            writing.execute(
                sa.update(contacts).where(*unseen).values(absences=contacts.c.absences + 1)
            )
            gone = writing.execute(
                sa.update(contacts)
                .where(*unseen, contacts.c.absences >= absences)
                .values(gone_at=now, changed_at=now)
            ).rowcount
            if gone:
                bump(self._database, writing)
        return gone

    def seen_since(self, connection: str, moment: datetime) -> int:
        """Return how many live contacts of `connection` were read at or after `moment`."""
        query = sa.select(sa.func.count()).where(*_live(connection), contacts.c.seen_at >= moment)
        with self._database.read() as reading:
            return reading.execute(query).scalar_one()


def _live(connection: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (contacts.c.connection == connection, contacts.c.gone_at.is_(None))


_Prepared = dict[RecordRef, tuple[Contact, dict[str, Any], str]]


def _prepared(found: Sequence[Contact], poison: list[Poison]) -> _Prepared:
    """Make columns of contacts; those that cannot be stored join `poison`. The last of a ref wins."""
    prepared: _Prepared = {}
    for contact in found:
        try:
            columns, content = content_of(contact)
        except RecordRejectedError as error:
            poison.append(Poison(contact.ref.id, error.message))
        else:
            prepared[contact.ref] = (contact, columns, content)
    return prepared


def _nameable(text: str) -> str:
    """Return `text` as any database takes it: what it cannot hold is spelt out, the rest is cut."""
    spelt = text[:LONGEST_NAME].encode("utf-8", "backslashreplace").decode()
    return spelt.replace("\0", "\\x00")


@dataclass(frozen=True, slots=True)
class _Saving:
    """One page being saved, in one transaction."""

    database: Database
    writing: sa.Connection
    connection: str
    now: datetime
    counts: PageCounts
    stones: Tombstones | None

    def contacts(
        self, prepared: _Prepared, country: str | None, covered_until: datetime | None
    ) -> None:
        """Write those that are new or differ from what is stored."""
        known = _known(self.writing, prepared)
        rows = []
        for ref, (contact, columns, content) in prepared.items():
            stored, revision = known.get(ref, ("", None))
            if stored == content:
                continue
            if covered_until and contact.updated_at and revision != contact.revision:
                self.counts.missed += contact.updated_at < covered_until
            self.counts.changed += ref in known
            self.counts.new += ref not in known
            row = row_of(contact, columns, content, country=country)
            rows.append({**row, "seen_at": self.now, "changed_at": self.now})
        if rows and self.stones is not None:
            self.counts.reappeared += self.stones.stamp(self.writing, rows)
        if rows:
            self.writing.execute(_upsert_contacts(self.database), rows)

    def seen(self, ids: Sequence[str]) -> None:
        """Mark records as present in this full read."""
        for chunk in chunked(ids):
            present = sa.update(contacts).where(*_live(self.connection), contacts.c.id.in_(chunk))
            self.writing.execute(present.values(seen_at=self.now, absences=0))

    def gone(self, gone: Sequence[Gone]) -> None:
        """Mark records as gone, or merged into another."""
        for one in gone:
            survivor = _nameable(one.survivor.id) if one.survivor else None
            changed = self.writing.execute(
                sa.update(contacts)
                .where(*_live(self.connection), contacts.c.id == _nameable(one.ref.id))
                .values(gone_at=self.now, changed_at=self.now, survivor=survivor)
            ).rowcount
            self.counts.gone += changed
            self.counts.merged += changed if one.survivor else 0

    def healed(self, prepared: Iterable[RecordRef]) -> None:
        """Take records out of quarantine that could be read this time."""
        for chunk in chunked(ref.id for ref in prepared):
            here = quarantine.c.connection == self.connection
            self.writing.execute(sa.delete(quarantine).where(here, quarantine.c.id.in_(chunk)))

    def poison(self, poison: Sequence[Poison]) -> None:
        """Set aside what could not be read, and count how often."""
        if not poison:
            return
        statement = upsert(
            self.database,
            quarantine,
            ["connection", "id"],
            update=["reason", "last_seen_at"],
            assign={"attempts": quarantine.c.attempts + 1},
        )
        row = {
            "connection": self.connection,
            "first_seen_at": self.now,
            "last_seen_at": self.now,
            "attempts": 1,
        }
        rows = [{**row, "id": one.id, "reason": one.reason} for one in poison]
        self.writing.execute(statement, rows)


_READY_MADE: dict[str, sa.types.TypeEngine[Any]] = {
    **dict.fromkeys(MOMENTS, sa.BigInteger()),
    **dict.fromkeys(("emails", "phones", "consents", "extra"), sa.Text()),
}
"""Columns that `rows` hands over as they are stored: microseconds and JSON text."""


def _upsert_contacts(database: Database) -> Any:
    return upsert(database, contacts, ["connection", "id"]).values(
        {
            column.name: sa.bindparam(column.name, type_=_READY_MADE.get(column.name, column.type))
            for column in contacts.columns
        }
    )


def _known(writing: sa.Connection, prepared: _Prepared) -> dict[RecordRef, tuple[str, str | None]]:
    """Return content hash and revision of what is stored; a gone record has neither and comes back."""
    ids: dict[str, list[str]] = {}
    for ref in prepared:
        ids.setdefault(ref.connection, []).append(ref.id)
    known: dict[RecordRef, tuple[str, str | None]] = {}
    for connection, wanted in ids.items():
        for chunk in chunked(wanted):
            query = sa.select(
                contacts.c.id, contacts.c.content, contacts.c.revision, contacts.c.gone_at
            ).where(contacts.c.connection == connection, contacts.c.id.in_(chunk))
            for row_id, content, revision, gone_at in writing.execute(query):
                here = gone_at is None
                known[RecordRef(connection, row_id)] = (content, revision) if here else ("", None)
    return known


def _note(
    database: Database, writing: sa.Connection, connection: str, values: dict[str, Any]
) -> None:
    statement = upsert(database, connections, ["connection"], update=list(values))
    writing.execute(statement, {"connection": connection, "live": 0, **values})


def bump(database: Database, writing: sa.Connection) -> None:
    """Change the word that `Mirror.version` returns, inside the caller's transaction."""
    version = writing.execute(
        sa.select(meta.c.value).where(meta.c.key == "mirror_version")
    ).scalar()
    writing.execute(
        upsert(database, meta, ["key"]),
        {"key": "mirror_version", "value": str(int(version or 0) + 1)},
    )
