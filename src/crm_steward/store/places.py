"""Temporary places: folders that hold personal data for a while, and are gone whatever ends their user.

A process that is killed removes nothing. So each place is locked as long as somebody uses it, which
the kernel forgets with the process, and whoever makes one first removes those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "crm-steward-passing-"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
"""What `tempfile` makes of it; nothing else is ever removed."""
_TRIES = 10
"""How often a folder is cleared into which a process that is about to end may still write."""


@contextmanager
def temporary_place() -> Iterator[Path]:
    """Give an empty folder that only this user may enter, and remove it with all that is in it.

    Raises:
        OSError: There is no room for it, or no right to make it.
    """
    _clear(Path(tempfile.gettempdir()))
    place, held = _made()
    try:
        yield place
    finally:
        remove(place)
        os.close(held)


def remove(place: Path) -> None:
    """Remove a folder, also while somebody may still write into it."""
    for _ in range(_TRIES):
        shutil.rmtree(place, ignore_errors=True)
        if not place.exists():
            return


def _made() -> tuple[Path, int]:
    """Make a place and hold it; one that somebody took for left behind just then is made again."""
    while True:
        place = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            held = _opened(place)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # a file system without locks: nobody removes anything there
            fcntl.flock(held, fcntl.LOCK_EX)
        if place.exists():
            return place, held
        os.close(held)


def _clear(folder: Path) -> None:
    """Remove the places that nobody holds: whoever did was killed."""
    with suppress(PermissionError):  # where nobody may look, each makes places all the same
        left = [name for name in os.listdir(folder) if _NAME.fullmatch(name)]  # noqa: PTH208 -- names are all that is needed of a large folder
        for name in left:
            with suppress(OSError):  # somebody else's, held, or gone meanwhile
                _clear_one(folder / name)


def _clear_one(place: Path) -> None:
    held = _opened(place)
    try:
        if os.fstat(held).st_uid == os.geteuid():
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(place)
    finally:
        os.close(held)


def _opened(place: Path) -> int:
    return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
