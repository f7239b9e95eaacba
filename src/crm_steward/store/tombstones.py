"""Tombstones: what remains of people who were erased, so that it is noticed when they are back.

A hash of an address alone could be guessed back; these are keyed (HMAC-SHA-256) with the key that
seals the access tokens, which is not in the database. A stolen database gives away nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.vault import TokenKey
from crm_steward.store.written import tombstones


class Trace(StrEnum):
    """By what an erased person is known again."""

    EMAIL = "email"
    PHONE = "phone"
    RECORD = "record"
    """The CRM's own id: the record was not deleted there, or was restored."""


class Tombstones:
    """Writes tombstones, and looks for the erased among what is read.

    Args:
        database: The store.
        key: What the hashes are keyed with; read, or made, when it is needed.
    """

    def __init__(self, database: Database, key: TokenKey) -> None:
        self._database = database
        self._key = key
        self._made: list[bytes] | None = None

    def hash(self, trace: Trace, value: str) -> str:
        """Return the hash under the present key.

        Raises:
            ConfigError: The key cannot be read or made.
        """
        return _hash(self._keys()[0], trace, value)

    def any_of(self, trace: Trace, value: str) -> set[str]:
        """Return the hashes under every key that is given: a tombstone may be of an older one.

        Raises:
            ConfigError: The key cannot be read or made.
        """
        return {_hash(key, trace, value) for key in self._keys()}

    def put(
        self,
        writing: sa.Connection,
        traces: Iterable[tuple[Trace, str]],
        *,
        erasure: str,
        now: datetime,
    ) -> int:
        """Put tombstones for these traces, and return how many."""
        key = self._keys()[0]
        rows = [
            {
                "hash": _hash(key, trace, value),
                "key": _name(key),
                "kind": trace.value,
                "erasure": erasure,
                "erased_at": now,
            }
            for trace, value in sorted(set(traces))
        ]
        if rows:
            writing.execute(upsert(self._database, tombstones, ["hash"]), rows)
        return len(rows)

    def stamp(self, writing: sa.Connection, rows: Iterable[dict[str, Any]]) -> int:
        """Note on rows of the mirror that somebody with their address or name was erased.

        Args:
            writing: The transaction that stores them.
            rows: As `rows.row_of` makes them; `erased_at` is set, in microseconds.

        Returns:
            How many of them are such.
        """
        if writing.execute(sa.select(sa.func.count()).select_from(tombstones)).scalar_one() == 0:
            return 0
        held = [(row, self._hashes(row)) for row in rows]
        known = self._known(writing, {one for _, hashes in held for one in hashes})
        stamped = 0
        for row, hashes in held:
            ats = [known[one] for one in hashes if one in known]
            if ats:
                row["erased_at"] = to_micros(max(ats))
                stamped += 1
        return stamped

    def unreadable(self) -> int:
        """Return how many tombstones were made with a key that is not given any more."""
        with self._database.read() as reading:
            counted = sa.select(tombstones.c.key, sa.func.count()).group_by(tombstones.c.key)
            by_key = {row[0]: row[1] for row in reading.execute(counted)}
        if not by_key:
            return 0
        names = {_name(key) for key in self._keys()}
        return sum(n for name, n in by_key.items() if name not in names)

    def _hashes(self, row: Mapping[str, Any]) -> set[str]:
        traces = {(Trace.RECORD, f"{row['connection']}:{row['id']}")}
        for trace, column in ((Trace.EMAIL, "email_keys"), (Trace.PHONE, "phone_keys")):
            traces |= {(trace, key) for key in json.loads(row[column] or "[]") if key}
        return {_hash(key, *trace) for key in self._keys() for trace in traces}

    @staticmethod
    def _known(writing: sa.Connection, hashes: Iterable[str]) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for chunk in chunked(hashes):
            query = sa.select(tombstones.c.hash, tombstones.c.erased_at)
            these = query.where(tombstones.c.hash.in_(chunk))
            found |= {row.hash: row.erased_at for row in writing.execute(these)}
        return found

    def _keys(self) -> list[bytes]:
        if self._made is None:
            # Of its own kind: the same secret also seals tokens.
            self._made = [
                hashlib.sha256(f"tombstone {key}".encode()).digest() for key in self._key.read()
            ]
        return self._made


def _hash(key: bytes, trace: Trace, value: str) -> str:
    return hmac.new(key, f"{trace.value}\0{value}".encode(), hashlib.sha256).hexdigest()


def _name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]
