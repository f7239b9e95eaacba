"""Halts: what is not written until somebody resumes it, kept with who stopped it, when and why.

A halt holds from the moment `stop` returns: it waits for the transaction in which the writer
commits intents, and the next one sees it (`refuse_halted`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Cause, Halt, HaltedError, stopping
from crm_steward.store.database import Database
from crm_steward.store.lease import WRITER, Lease, lock
from crm_steward.store.lines import Line, State
from crm_steward.store.tables import halts


class Halts:
    """Writes and reads halts.

    Args:
        database: The store.
        file: While it exists, nothing is written; None looks for no file.
    """

    def __init__(self, database: Database, file: Path | None = None) -> None:
        self._database = database
        self._file = file

    def stop(self, halt: Halt) -> None:
        """Stop writing; no intent that `halt` stops is committed once this has returned.

        Raises:
            StoreError: The database refuses; nothing is stopped.
        """
        row = asdict(halt)
        del row["seq"]
        with self._database.write() as writing:
            lock(self._database, writing, WRITER)
            writing.execute(sa.insert(halts), row)

    def end(
        self,
        connection: str,
        rule: str,
        *,
        by: str,
        reason: str,
        at: datetime,
        only: Halt | None = None,
    ) -> tuple[Halt, ...]:
        """Resume what was stopped under exactly this name, and return the halts that ended.

        Args:
            connection: The connection; empty for all.
            rule: The rule; empty for all.
            by: Who resumes.
            reason: Why.
            at: When.
            only: This one, and no other of that name.
        """
        these = [
            halts.c.ended_at.is_(None),
            halts.c.connection == connection,
            halts.c.rule == rule,
        ]
        if only is not None:
            these.append(halts.c.seq == only.seq)
        values: dict[str, Any] = {
            "ended_at": at,
            "ended_by": by,
            "ended_reason": reason,
            "trial": "",
        }
        with self._database.write() as writing:
            lock(self._database, writing, WRITER)
            found = _read(writing, *these)
            writing.execute(sa.update(halts).where(*these).values(values))
        return tuple(replace(one, **values) for one in found)

    def claim(self, halt: Halt, key: str, retry_at: datetime, lease: Lease) -> None:
        """Let the change called `key` go, and no other until `retry_at`; empty: none.

        Raises:
            BusyError: The lease was lost; nothing was changed.
        """
        this = sa.update(halts).where(halts.c.seq == halt.seq, halts.c.ended_at.is_(None))
        with self._database.write() as writing:
            lease.check(writing)
            writing.execute(this.values(trial=key, retry_at=retry_at))

    def standing(self) -> tuple[Halt, ...]:
        """Return what stops writing now, the file first, then the oldest first."""
        file = stop_file(self._file)
        with self._database.read() as reading:
            stored = standing(reading)
        return stored if file is None else (file, *stored)

    def all(self) -> tuple[Halt, ...]:
        """Return every halt that was ever stored, the newest first."""
        with self._database.read() as reading:
            return _read(reading)[::-1]


def stop_file(path: Path | None) -> Halt | None:
    """Return the halt that the stop file is while it exists; what cannot be looked at counts."""
    if path is None:
        return None
    try:
        # Not what it leads to: a link that leads nowhere was put there to stop writing, too.
        since = path.lstat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        said = (error.strerror or type(error).__name__).lower()
        reason = f"{path} ({said})"
        return Halt(cause=Cause.FILE, reason=reason, by="", at=datetime.fromtimestamp(0, UTC))
    return Halt(
        cause=Cause.FILE, reason=os.fspath(path), by="", at=datetime.fromtimestamp(since, UTC)
    )


def standing(reading: sa.Connection) -> tuple[Halt, ...]:
    """Return the stored halts that stand, the oldest first."""
    return _read(reading, halts.c.ended_at.is_(None))


def refuse_halted(writing: sa.Connection, lines: Iterable[Line]) -> None:
    """Refuse intents that a halt stops, in the transaction that would commit them.

    Raises:
        HaltedError: Names them, each with its halt; the transaction must not commit.
    """
    intents = [line for line in lines if line.state is State.INTENT]
    found = standing(writing) if intents else ()
    held = halted(found, intents)
    if held:
        first = next(iter(held.values()))
        raise HaltedError(f"{first.sentence('en')}.", hint=f"{first.remedy('en')}.", held=held)


def halted(found: tuple[Halt, ...], lines: Sequence[Line]) -> dict[str, Halt]:
    """Return, by key, what stops which of `lines`."""
    stopped = ((one.key, stopping(found, one.ref.connection, one.rule, one.key)) for one in lines)
    return {key: halt for key, halt in stopped if halt is not None}


def _read(reading: sa.Connection, *only: sa.ColumnElement[bool]) -> tuple[Halt, ...]:
    rows = reading.execute(sa.select(halts).where(*only).order_by(halts.c.seq)).mappings()
    return tuple(Halt(**{**row, "cause": Cause(row["cause"])}) for row in rows)
