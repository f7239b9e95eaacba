"""Restoring: a copy takes the database's place, whole or not at all; what stood there is kept aside.

The copy is made ready under another name first: brought to the present schema, marked as restored,
and without the people who were erased since. Then one rename puts it in place, so that at every
moment, also after a crash, the database is either the old one or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from crm_steward.model import BusyError, StewardError, StoreError
from crm_steward.store import cipher
from crm_steward.store.backup import Copied, examined, key_of_copy, synced
from crm_steward.store.database import Database
from crm_steward.store.erasures import Replayed, known_erasures, replay
from crm_steward.store.lease import hold
from crm_steward.store.restored import begin
from crm_steward.store.tombstones import Tombstones
from crm_steward.store.vault import TokenKey

_ENDINGS = ("-journal", "-wal", "-shm")
_BESIDE = (*_ENDINGS, ".epoch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What restoring did.

    Args:
        copied: What the copy held.
        aside: Where what stood there is kept; None when nothing stood there.
        replayed: The erasures that were done again.
    """

    copied: Copied
    aside: Path | None
    replayed: Replayed


def restore(file: Path, path: Path, key: TokenKey, *, now: datetime, database_key: str = "") -> Put:
    """Put a copy in the database's place. The service must not run; its lock must be held.

    Args:
        file: The copy; it stays.
        path: The database's file.
        key: What tombstones are keyed with.
        now: When.
        database_key: Of the database's file, and of the copy unless that was made without one.

    Raises:
        InputError: The copy is damaged, no database of ours, or newer than this program.
        BusyError: Somebody writes on the present database.
        StoreError: The files cannot be written; the present database stands as it was.
    """
    copied = examined(file, key_of_copy(file, database_key))
    with _explained(path, database_key):
        path.parent.mkdir(parents=True, exist_ok=True)
        present = key_of_copy(path, database_key)
        _quiet(cipher.url_of(path, present))
        erasures = known_erasures(path, present)
        staged = path.with_name(f".{path.name}.restoring")
        try:
            stage(file, staged, database_key)
            with Database.open(cipher.url_of(staged, database_key)) as database:
                begin(database, made_at=copied.made_at, now=now)
                with hold(database) as lease:
                    stones = Tombstones(database, key)
                    replayed = replay(database, stones, erasures, lease=lease, now=now)
            examined(staged, database_key)
            synced(staged)
            aside = _set_aside(path, now)
            staged.replace(path)
            synced(path.parent)
        finally:
            for ending in ("", *_BESIDE):
                staged.with_name(staged.name + ending).unlink(missing_ok=True)
    return Put(copied=copied, aside=aside, replayed=replayed)


def stage(file: Path, staged: Path, key: str) -> None:
    """Copy the copy, encrypted where there is a key; what a killed restore left there goes."""
    for ending in ("", *_ENDINGS):
        staged.with_name(staged.name + ending).unlink(missing_ok=True)
    os.close(os.open(staged, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if key and not key_of_copy(file, key):
        cipher.export(file, staged, key)
        return
    source = cipher.connect(file, key, read_only=True)
    with closing(source), closing(cipher.connect(staged, key)) as target:
        source.backup(target)


def _quiet(url: str) -> None:
    """Let the present database end what a crash left half way, and see that nobody writes on it.

    Its rollback journal must not lie beside the copy: SQLite would roll it back into that. One that
    cannot be opened is damaged, and has nothing to end.
    """
    if not Path(url.removeprefix("sqlite:///")).exists():
        return
    try:
        with Database.open(url) as database:
            database.examine()
            with hold(database):
                pass
    except BusyError:
        raise
    except StewardError:
        return


def _set_aside(path: Path, now: datetime) -> Path | None:
    """Keep what stands there under another name as well; the rename then takes the first one."""
    if not path.exists():
        return None
    aside = path.with_name(f"{path.name}.before-{now:%Y%m%d-%H%M%S}")
    try:
        os.link(path, aside)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        shutil.copy2(path, aside)
        synced(aside)
    for ending in _ENDINGS:
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.replace(aside.with_name(aside.name + ending))
    return aside


@contextmanager
def _explained(path: Path, key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unplaced(path, (error.strerror or type(error).__name__).lower()) from error
    except cipher.errors(key) as error:
        raise _unplaced(path, str(error)) from error


def _unplaced(path: Path, why: str) -> StoreError:
    return StoreError(
        f"The copy cannot be put in place of {path}: {why}.",
        hint="The present database stands as it was. Check the folder's rights and free space.",
    )
