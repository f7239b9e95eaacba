"""Verifies the journal: does each line say what it said, and follow the one it was written after?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.chain import GENESIS, fault, values_hash
from crm_steward.store.database import Database
from crm_steward.store.written import consent_evidence, journal

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first line that does not fit.

    Args:
        seq: Its number.
        at: When it says it was written.
        what: What does not fit.
    """

    seq: int
    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What verifying found.

    Args:
        lines: How many lines fit, from the first on.
        head: The hash of the last of them: noted elsewhere, it shows later that none was cut off.
        purged: How many of them have no values any more.
        evidence: How many pieces of evidence of suppressions are proven by the journal.
        fault: What does not fit; None when all does.
        expected: Whether the hash that was asked for is among the lines.
    """

    lines: int
    head: str
    purged: int
    evidence: int
    fault: Fault | None
    expected: bool

    @property
    def sound(self) -> bool:
        """Whether nothing was altered, removed or put between."""
        return self.fault is None and self.expected


def verify(database: Database, expected: str | None = None) -> Verdict:
    """Go through the whole journal.

    Args:
        database: The store.
        expected: A hash that was noted earlier, or its beginning: the end of the journal could
            have been cut off, which no chain shows by itself.

    Raises:
        StoreError: The database cannot be read.
    """
    lines = purged = 0
    head, found, seen = GENESIS, None, not expected
    with database.read() as reading:
        for row in _lines(reading):
            what = fault(row, head)
            if what:
                found = Fault(seq=row["seq"], at=row["at"], what=what)
                break
            lines, head = lines + 1, row["hash"]
            purged += row["values_salt"] is None
            seen = seen or head.startswith(str(expected))
        evidence, unproven = _evidence(reading)
    return Verdict(
        lines=lines,
        head=head,
        purged=purged,
        evidence=evidence,
        fault=found or unproven,
        expected=seen,
    )


def _lines(reading: sa.Connection) -> Iterator[sa.RowMapping]:
    last = -1
    while True:
        query = sa.select(journal).where(journal.c.seq > last).order_by(journal.c.seq)
        rows = reading.execute(query.limit(_AT_ONCE)).mappings().all()
        if not rows:
            return
        yield from rows
        last = rows[-1]["seq"]


def _evidence(reading: sa.Connection) -> tuple[int, Fault | None]:
    """Return how many pieces of evidence the journal proves, and the first that it does not."""
    c = consent_evidence.c
    query = (
        sa.select(c.intent, c.at, c.change, c.salt, journal.c.values_hash)
        .outerjoin(journal, journal.c.seq == c.intent)
        .where(c.salt.is_not(None))
        .order_by(c.intent)
    )
    proven = 0
    for row in reading.execute(query):
        if row.values_hash != values_hash(row.salt, row.change, ""):
            what = "the evidence of a suppression is not what this line was written with"
            return proven, Fault(seq=row.intent, at=row.at, what=what)
        proven += 1
    return proven, None
