"""Snoozes: findings that are neither shown nor acted upon until a date, each with its reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.tables import findings, snoozes


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """A person's word that a finding is left alone for a while.

    It holds for the fingerprint: through resolution and reopening, until its moment comes.

    Args:
        fingerprint: The finding's.
        rule: The rule that found it.
        until: From this moment on the finding is acted upon again.
        reason: Why, in the person's words. Shown to people, never logged.
        by: Who said so.
        at: When.
    """

    fingerprint: str
    rule: str
    until: datetime
    reason: str
    by: str
    at: datetime

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("a snooze needs a reason")
        if self.until <= self.at:
            raise ValueError("a snooze ends in the future")


class Snoozes:
    """Writes and reads snoozes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def snooze(self, made: Iterable[Snooze]) -> None:
        """Write down snoozes; one that a finding has already is replaced."""
        rows = [
            {
                "fingerprint": one.fingerprint,
                "rule": one.rule,
                "until": one.until,
                "reason": one.reason,
                "by": one.by,
                "at": one.at,
            }
            for one in made
        ]
        if rows:
            with self._database.write() as writing:
                writing.execute(upsert(self._database, snoozes, ["fingerprint"]), rows)

    def wake(self, marks: Collection[str]) -> int:
        """Forget the snoozes of these findings, and return how many there were."""
        woken = 0
        with self._database.write() as writing:
            for chunk in chunked(marks):
                these = sa.delete(snoozes).where(snoozes.c.fingerprint.in_(chunk))
                woken += writing.execute(these).rowcount
        return woken

    def active(self, now: datetime) -> dict[str, Snooze]:
        """Return the snoozes that hold at `now`, by fingerprint."""
        return self._read(sa.select(snoozes).where(snoozes.c.until > now))

    def all(self) -> dict[str, Snooze]:
        """Return every snooze, those whose date has come included, the first to end first."""
        return self._read(sa.select(snoozes))

    def _read(self, query: sa.Select[*tuple[Any, ...]]) -> dict[str, Snooze]:
        ordered = query.order_by(snoozes.c.until, snoozes.c.rule, snoozes.c.fingerprint)
        with self._database.read() as reading:
            rows = reading.execute(ordered).mappings().all()
        return {row["fingerprint"]: Snooze(**row) for row in rows}


def asleep(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a finding is snoozed at `now`.

    When the snooze was made does not matter: the clock of the machine on which a manager typed it
    may be ahead of the service's.
    """
    holding = sa.select(snoozes.c.fingerprint).where(snoozes.c.until > now)
    return findings.c.fingerprint.in_(holding)
