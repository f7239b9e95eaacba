"""Erasures beside the database: who was erased stays so, also when an older copy is restored.

A copy from before an erasure still holds the person. So the tombstones, which are keyed hashes and
name nobody, are also kept in a file beside the database, and in the database that a restore sets
aside. Those that the copy does not know are replayed: whoever bears one is erased from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.model import RecordRef, StoreError
from crm_steward.store import cipher
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database, upsert
from crm_steward.store.erasing import erase
from crm_steward.store.lease import Lease
from crm_steward.store.subject import Sought
from crm_steward.store.tables import contacts, finding_refs, journal, people, tombstones
from crm_steward.store.tombstones import Tombstones, Trace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Rows = Mapping[str, Mapping[str, Any]]
"""Hash → the tombstone's row, its time in microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What replaying did.

    Args:
        tombstones: How many the copy did not know.
        records: How many records of erased people it held.
        unreadable: How many were made with a key that is not given: nobody is known by them.
    """

    tombstones: int = 0
    records: int = 0
    unreadable: int = 0


def record_of(path: Path) -> Path:
    """Return the file beside a database in which its erasures are kept."""
    return path.with_name(f"{path.name}.erased")


def keep_erasures(database: Database) -> None:
    """Write the tombstones beside the database, whole or not at all; nothing on PostgreSQL.

    Raises:
        StoreError: The file cannot be written.
    """
    if database.path is None:
        return
    with database.read() as reading:
        rows = [dict(row) for row in reading.execute(sa.select(tombstones)).mappings()]
    target = record_of(database.path)
    part = target.with_name(f".{target.name}.part")
    lines = (json.dumps(row | {"erased_at": to_micros(row["erased_at"])}) for row in rows)
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise StoreError(
            f"They were erased, but {target} cannot be written: {said}.",
            hint="Make room, then erase once more; without it a restored backup brings them back.",
        ) from error


def known_erasures(path: Path, key: str = "") -> Rows:
    """Return the tombstones that are known at a database's place: in it, as far as it can be read,
    and in the file beside it.

    Args:
        path: The database's file.
        key: Its key, where it has one.

    Raises:
        StoreError: The file beside it was altered.
    """  # noqa: D205 -- one sentence
    return {**dict(_kept(record_of(path))), **dict(_held(path, key))}


def replay(
    database: Database, stones: Tombstones, known: Rows, *, lease: Lease, now: datetime
) -> Replayed:
    """Erase from a copy everybody who was erased after it was made.

    Args:
        database: The copy.
        stones: Know people again.
        known: See `known_erasures`.
        lease: The writer's.
        now: When.

    Raises:
        ConfigError: The key cannot be read.
        StoreError: The copy cannot be written.
    """
    with database.read() as reading:
        old = set(reading.execute(sa.select(tombstones.c.hash)).scalars())
    new = {mark: row for mark, row in known.items() if mark not in old}
    if not new:
        return Replayed()
    with database.write() as writing:
        rows = [
            {**row, "erased_at": _EPOCH + timedelta(microseconds=row["erased_at"])}
            for row in new.values()
        ]
        writing.execute(upsert(database, tombstones, ["hash"]), rows)
    sought = list(_sought(database, stones, set(new)))
    done = [
        erase(database, one, stones, run="restore", now=now, lease=lease, give_up=True)
        for one in sought
    ]
    return Replayed(
        tombstones=len(new),
        records=len({ref for one in done for ref in one.refs}),
        unreadable=stones.unreadable(),
    )


def _sought(database: Database, stones: Tombstones, new: set[str]) -> Iterator[Sought]:
    """Yield what the copy holds that bears one of the tombstones."""
    with database.read() as reading:
        c = contacts.c
        query = sa.select(c.connection, c.id, c.email_keys, c.phone_keys)
        for row in reading.execute(query):
            for trace, held in ((Trace.EMAIL, row.email_keys), (Trace.PHONE, row.phone_keys)):
                for key in filter(None, json.loads(held or "[]")):
                    if stones.any_of(trace, key) & new:
                        named = frozenset({key})
                        email = trace is Trace.EMAIL
                        yield Sought(emails=named) if email else Sought(phones=named)
        for table in (contacts, journal, people, finding_refs):
            pairs = sa.select(table.c.connection, table.c.id).distinct()
            for connection, name in reading.execute(pairs):
                if stones.any_of(Trace.RECORD, f"{connection}:{name}") & new:
                    yield Sought(refs=frozenset({RecordRef(connection, name)}))


def _kept(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            yield row["hash"], row
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{file} cannot be read, and who was erased since the backup stands in it.",
            hint="Put it back from where it was copied to, or move it away and erase them again.",
        ) from error


def _held(path: Path, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what a database holds; one that is damaged, or from before there were any, has none."""
    if not path.exists():
        return
    names = [column.name for column in tombstones.columns]
    # The driver's own messages quote the damage, which may be no text.
    refused: tuple[type[Exception], ...] = (*cipher.errors(key), UnicodeDecodeError)
    try:
        with closing(cipher.connect(path, key, read_only=True)) as held:
            rows = held.execute(f"SELECT {', '.join(names)} FROM tombstones").fetchall()
    except refused:
        return
    for row in rows:
        yield row[0], dict(zip(names, row, strict=True))
