"""Epoch: a file beside the database that remembers how far it had come, so that a copy is noticed.

Each taking of the writer's lease grows its epoch, and each write lengthens the journal. A database
that is behind what the file remembers is an older copy that somebody put there by hand; one that
`crm-steward backup` made says so itself. Without the file, or in another folder, only the latter
is noticed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from crm_steward.model import StoreError
from crm_steward.store.backup import BACKUP
from crm_steward.store.database import Database
from crm_steward.store.restored import Restored, begin
from crm_steward.store.tables import journal, leases, meta


@dataclass(frozen=True, slots=True)
class Epoch:
    """How far a database has come.

    Args:
        installation: The database's own id.
        epoch: Of the writer's lease.
        lines: The number of the journal's last line.
    """

    installation: str
    epoch: int
    lines: int


def note(database: Database, epoch: int) -> None:
    """Remember how far the database has come; nothing on PostgreSQL or in memory.

    Raises:
        StoreError: The file cannot be written: then nothing may be written to a CRM either.
    """
    path = _path(database)
    if path is None:
        return
    part = path.with_name(f".{path.name}.part")
    try:
        descriptor = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(_present(database, epoch)), stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise StoreError(
            f"{path} cannot be written: {said}.",
            hint="Check the folder's rights and its free space; nothing was written to a CRM.",
        ) from error


def notice(database: Database, known: Epoch | None, epoch: int, *, now: datetime) -> None:
    """Begin to reconcile when the database is an older copy.

    Args:
        database: The store.
        known: What the file remembered, read before it was seen that the lease is still held: what
            is remembered later may be of somebody who took over.
        epoch: Of the writer's lease as the database has it, before it is taken.
        now: When.
    """
    mark = _mark(database)
    if mark is not None:
        begin(database, made_at=datetime.fromisoformat(json.loads(mark)["at"]), now=now)
    elif _behind(database, known, epoch):
        # `restore` has marked it already, and knows when it was made.
        marked = Restored.of(database)
        begin(database, made_at=marked.made_at if marked else None, now=now)


def unnoticed(database: Database) -> bool:
    """Whether the database is an older copy and nobody has taken the lease since, who would notice.

    Raises:
        StoreError: The file cannot be read, or was altered.
    """
    # The file first: what is remembered later may be of somebody at work.
    known = remembered(database)
    with database.read() as reading:
        query = sa.select(leases.c.epoch).where(leases.c.name == "writer")
        epoch = reading.execute(query).scalar()
    return _mark(database) is not None or _behind(database, known, epoch or 0)


def _mark(database: Database) -> str | None:
    """Return what a copy of `crm-steward backup` says of itself."""
    with database.read() as reading:
        query = sa.select(meta.c.value).where(meta.c.key == BACKUP)
        return reading.execute(query).scalar()


def _behind(database: Database, known: Epoch | None, epoch: int) -> bool:
    """Whether the file remembers more than the database knows."""
    present = _present(database, epoch)
    if known is None or known.installation != present.installation:
        return False
    return present.epoch < known.epoch or present.lines < known.lines


def _path(database: Database) -> Path | None:
    path = database.path
    if path is None or path.name == ":memory:":
        return None
    return path.with_name(f"{path.name}.epoch")


def _present(database: Database, epoch: int) -> Epoch:
    with database.read() as reading:
        own = reading.execute(sa.select(meta.c.value).where(meta.c.key == "installation"))
        lines = reading.execute(sa.select(sa.func.max(journal.c.seq))).scalar()
        return Epoch(own.scalar() or "", epoch, lines or 0)


def remembered(database: Database) -> Epoch | None:
    """Return what the file remembers; one that is not there remembers nothing.

    Raises:
        StoreError: It cannot be read, or was altered.
    """
    path = _path(database)
    if path is None:
        return None
    try:
        return Epoch(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        raise StoreError(f"{path} cannot be read: {said}.") from error
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{path} was altered: whether the database is an older copy cannot be told.",
            hint="If it is, run crm-steward restore without a file. Then delete that file.",
        ) from error
