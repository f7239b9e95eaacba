"""Backup: a consistent, verified copy of a SQLite database while others write to it.

The copy is made by SQLite's own backup (https://sqlite.org/backup.html), over a connection of the
engine. A plain copy can catch a transaction half way, and closing a file that this process also
has open drops SQLite's locks on it (https://sqlite.org/howtocorrupt.html, 2.2): the database is
never opened here by any other way.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from crm_steward.model import BusyError, InputError, StoreError
from crm_steward.store import cipher
from crm_steward.store.chain import GENESIS
from crm_steward.store.database import HEAD, Database
from crm_steward.store.refusals import store_error
from crm_steward.store.verifying import Fault, verify

BACKUP = "backup"
"""The key in `meta` under which a copy says that it is one, and of when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy holds.

    Args:
        made_at: When it was made; None when it is no copy of ours.
        schema: The migration it is at.
        lines: The number of the journal's last line; 0 when there is none.
        head: The hash of that line.
        size: Bytes.
        fault: The first line of the journal that is not what was written; None when all are, or
            when that was not looked at.
    """

    made_at: datetime | None
    schema: str
    lines: int
    head: str
    size: int
    fault: Fault | None = None


def copy_to(database: Database, target: Path, *, now: datetime, force: bool = False) -> Copied:
    """Copy the database to `target`, whole or not at all; others may read and write meanwhile.

    A write that comes while pages are copied waits for the end, as for any other transaction.

    Args:
        database: The store, on SQLite.
        target: The file to make; readable by this user only.
        now: When.
        force: Whether a file of that name may be replaced.

    Raises:
        InputError: It is there already, or is the database itself.
        BusyError: Another backup to the same file is under way.
        StoreError: The database is damaged, or the copy cannot be written.
    """
    _refuse(database, target, force=force)
    with _explained(target, database.key), _part(target) as part:
        with database.read() as reading:
            source = reading.connection.driver_connection
            with closing(cipher.connect(part, database.key)) as copy:
                source.backup(copy)  # type: ignore[union-attr] # the driver's connection is open here
                _mark(copy, now)
        copied = _verified(part, database.key)
        synced(part)
        _refuse(database, target, force=force)  # it may have come meanwhile
        part.replace(target)
        synced(target.parent)
    return copied


def _verified(part: Path, key: str) -> Copied:
    """Look at a copy just made: what is wrong with it is wrong with the database, or the disk.

    A journal that was altered is copied all the same: it may be all that is left. It is told.
    """
    try:
        copied = examined(part, key)
        with Database.open(cipher.url_of(part, key)) as copy:
            return replace(copied, fault=verify(copy).fault)
    except InputError as error:
        raise StoreError(
            "The copy was not whole, and is gone: the database is damaged, or the disk fails.",
            hint="Look at it: crm-steward check. Then restore the last backup.",
        ) from error


def key_of_copy(path: Path, key: str) -> str:
    """Return the key that a copy is opened with: none where it was made before there was one."""
    return "" if path.is_file() and cipher.is_plain(path) else key


def examined(path: Path, key: str = "") -> Copied:
    """Look whether a file is a whole database of ours that this program can read.

    Args:
        path: The file.
        key: Its key, where it has one.

    Raises:
        InputError: It is not there, is damaged, something else, or newer than this program.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there, or is not a file.")
    refused: tuple[type[Exception], ...] = (*cipher.errors(key), ValueError, KeyError)
    try:
        with closing(cipher.connect(path, key, read_only=True)) as copy:
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise InputError(_DAMAGED.format(path=path), hint=_OLDER)
            return _contents(copy, path)
    except refused as error:
        if "no such table" in str(error):
            raise InputError(f"{path} is no database of crm-steward.") from error
        raise InputError(_DAMAGED.format(path=path), hint=_OLDER) from error


_DAMAGED = "{path} is damaged, or is no database."
_OLDER = "Take an older backup, or the database_key it was made with."


def _contents(copy: Any, path: Path) -> Copied:
    schema = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    if schema is None:
        raise InputError(f"{path} is no database of crm-steward.")
    if schema[0] > HEAD:
        raise InputError(
            f"{path} is of a newer crm-steward: its schema is {schema[0]}, this one reads {HEAD}.",
            hint="Install the newer crm-steward, then restore.",
        )
    mark = copy.execute("SELECT value FROM meta WHERE key = ?", [BACKUP]).fetchone()
    last, head = _head(copy)
    return Copied(
        made_at=datetime.fromisoformat(json.loads(mark[0])["at"]) if mark else None,
        schema=schema[0],
        lines=last,
        head=head,
        size=path.stat().st_size,
    )


def _head(copy: Any) -> tuple[int, str]:
    """Return the number and the hash of the journal's last line; before migration 0012 it had none."""
    columns = {row[1] for row in copy.execute("PRAGMA table_info(journal)")}
    shown = "hash" if "hash" in columns else "''"
    query = f"SELECT seq, {shown} FROM journal ORDER BY seq DESC LIMIT 1"
    return copy.execute(query).fetchone() or (0, GENESIS)


def _mark(copy: Any, now: datetime) -> None:
    """Write into a copy that it is one: whoever puts it in the database's place is noticed."""
    last, head = _head(copy)
    said = json.dumps({"at": now.isoformat(), "lines": last, "head": head})
    copy.execute("PRAGMA journal_mode = DELETE")
    copy.execute("PRAGMA synchronous = FULL")
    with copy:
        copy.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [BACKUP, said],
        )


def _refuse(database: Database, target: Path, *, force: bool) -> None:
    if database.path is None:
        raise InputError(
            "Only a SQLite database is backed up here; PostgreSQL has its own tools.",
            hint="pg_dump --format=custom --file=FILE DATABASE",
        )
    if target.is_dir():
        raise InputError(f"{target} is a folder.", hint="Name a file in it.")
    if _touches(target, database.path):
        raise InputError(f"{target} is the database itself.", hint="Name another file.")
    if target.exists() and not force:
        raise InputError(f"{target} exists.", hint="Name another file, or replace it: --force")


def _touches(target: Path, database: Path) -> bool:
    """Whether the target, or what is written first, is the database's file or its journal."""
    own = (database, database.with_name(f"{database.name}-journal"))
    there = [one for one in (target, _beside(target)) if one.exists()]
    return any(one.samefile(mine) for one in there for mine in own if mine.exists())


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """Give an empty file beside `target`, ours alone; what a killed backup left there goes.

    SQLite's locks on it are of another kind than ours, and nothing else opens it before the end.

    Raises:
        BusyError: Another process writes to it.
    """
    part = _beside(target)
    descriptor = _locked(part)
    try:
        _forget(part, keep=True)
        os.ftruncate(descriptor, 0)
        yield part
    finally:
        try:
            _forget(part)
        finally:
            os.close(descriptor)


def _locked(part: Path) -> int:
    """Open the file and lock it; again when another backup gave it its name in between."""
    while True:
        descriptor = os.open(part, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(descriptor, part):
                return descriptor
        except BlockingIOError as error:
            os.close(descriptor)
            raise BusyError(
                f"Another backup to {part.parent} under this name is under way.",
                hint="Wait until it is done.",
            ) from error
        os.close(descriptor)


def _is(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _forget(part: Path, *, keep: bool = False) -> None:
    for ending in ("-journal", "-wal", "-shm"):
        part.with_name(part.name + ending).unlink(missing_ok=True)
    if not keep:
        part.unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Let a file, or the names in a folder, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(target: Path, key: str) -> Iterator[None]:
    """Say what hinders writing the copy."""
    try:
        yield
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise StoreError(
            f"The backup {target} cannot be written: {said}.",
            hint="Check that the folder exists, that this user may write there, and its free space.",
        ) from error
    except cipher.errors(key) as error:
        raise store_error(str(target), str(error)) from error
