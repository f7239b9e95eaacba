"""The journal: every change is an `intent` line written before the call, then what became of it.

Append-only, each line chained to the one before (`chain`). The last line of a key says where the
change stands; a key is under way at most once at a time, because only the holder of the lease
writes here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.store.chain import GENESIS, linked
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.evidence import keep
from crm_steward.store.halts import refuse_halted
from crm_steward.store.lease import Lease
from crm_steward.store.lines import (
    FAILED,
    FRUITLESS,
    MAX_ATTEMPTS,
    SET_ASIDE,
    UNDER_WAY,
    Line,
    Standing,
    State,
    intent_of,
    line_of,
    row_of,
    within,
)
from crm_steward.store.setback import Noticed, after
from crm_steward.store.tables import journal, meta, quarantine

__all__ = [
    "FRUITLESS",
    "MAX_ATTEMPTS",
    "UNDER_WAY",
    "Journal",
    "Line",
    "Standing",
    "State",
    "intent_of",
    "within",
]


class Journal:
    """Writes and reads the journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def database(self) -> Database:
        """Where it stands."""
        return self._database

    def append(self, lines: Sequence[Line], lease: Lease) -> None:
        """Write `lines` durably, all or none, under `lease`.

        Raises:
            BusyError: The lease was lost; nothing was written.
            HaltedError: Some are intents that a halt stops; nothing was written.
            StoreError: The database refuses; nothing was written.
        """
        if not lines:
            return
        with self._database.write() as writing:
            lease.check(writing)
            refuse_halted(writing, lines)
            rows = _chained(writing, lines, lease.epoch)
            writing.execute(sa.insert(journal), rows)
            keep(writing, rows)
            self._set_aside(writing, lines)

    def under_way(self, connection: str | None = None) -> list[Standing]:
        """Return the changes whose effect is not known, oldest first."""
        later = sa.exists().where(_last.c.key == journal.c.key, _last.c.seq > journal.c.seq)
        query = sa.select(journal.c.key).where(
            journal.c.state.in_([state.value for state in UNDER_WAY]), ~later
        )
        if connection is not None:
            query = query.where(journal.c.connection == connection)
        with self._database.read() as reading:
            keys = reading.execute(query).scalars().all()
        return sorted(self.standings(keys).values(), key=lambda standing: standing.intent.seq)

    def standings(self, keys: Iterable[str]) -> dict[str, Standing]:
        """Return where the changes among `keys` stand that were ever tried."""
        found: dict[str, Standing] = {}
        for chunk in chunked(keys):
            found |= self._standings(chunk)
        return found

    def lines(
        self,
        *,
        ref: RecordRef | None = None,
        rule: str | None = None,
        run: str | None = None,
        key: str | None = None,
        state: State | None = None,
        limit: int | None = None,
        only: Sequence[sa.ColumnElement[bool]] = (),
    ) -> list[Line]:
        """Return lines, newest first, of one record, rule, run, change (key or its beginning).

        Args:
            ref: The record.
            rule: The rule's id.
            run: The run's id.
            key: The change's key, or how it begins.
            state: What the line says.
            limit: At most so many.
            only: Further conditions, such as `within(...)`.
        """
        query = sa.select(journal).where(*only).order_by(journal.c.seq.desc())
        if ref is not None:
            query = query.where(journal.c.connection == ref.connection, journal.c.id == ref.id)
        if rule is not None:
            query = query.where(journal.c.rule == rule)
        if run is not None:
            query = query.where(journal.c.run == run)
        if key is not None:
            query = query.where(journal.c.key.startswith(key, autoescape=True))
        if state is not None:
            query = query.where(journal.c.state == state.value)
        with self._database.read() as reading:
            rows = reading.execute(query if limit is None else query.limit(limit)).mappings().all()
        return [line_of(row) for row in rows]

    def each(self, only: Sequence[sa.ColumnElement[bool]] = ()) -> Iterator[Line]:
        """Yield every line that fits, oldest first; whoever reads this may write meanwhile."""
        last = 0
        while True:
            query = sa.select(journal).where(journal.c.seq > last, *only)
            with self._database.read() as reading:
                rows = reading.execute(query.order_by(journal.c.seq).limit(_AT_ONCE)).mappings()
                found = [line_of(row) for row in rows]
            yield from found
            if len(found) < _AT_ONCE:
                return
            last = found[-1].seq

    def took_effect(self, intents: Iterable[Line]) -> dict[int, Standing]:
        """Return, by seq, those of `intents` that are the last of their key and are verified."""
        wanted = {line.seq: line.key for line in intents}
        found = self.standings(dict.fromkeys(wanted.values()))
        return {
            seq: found[key]
            for seq, key in wanted.items()
            if found[key].intent.seq == seq and found[key].state is State.VERIFIED
        }

    def merged(self, findings: Iterable[str]) -> set[tuple[str, RecordRef]]:
        """Return the findings among these whose group was merged, each with the survivor.

        A merge that was taken back is none.
        """
        found: set[tuple[str, RecordRef]] = set()
        merges = (journal.c.kind == "merge", journal.c.state == State.INTENT.value)
        for chunk in chunked(dict.fromkeys(findings)):
            query = sa.select(journal).where(journal.c.finding.in_(chunk), *merges)
            with self._database.read() as reading:
                lines = [line_of(row) for row in reading.execute(query).mappings()]
            effective = self.took_effect(lines)
            undone = self.undone(effective)
            found |= {
                (line.finding, line.ref)
                for line in lines
                if line.seq in effective and undone.get(line.seq) is not State.VERIFIED
            }
        return found

    def undone(self, seqs: Iterable[int]) -> dict[int, State]:
        """Return, by seq of the intent taken back, where its undo stands."""
        found: dict[int, State] = {}
        for chunk in chunked(seqs):
            query = (
                sa.select(journal.c.undoes, journal.c.state)
                .where(journal.c.undoes.in_(chunk))
                .order_by(journal.c.seq)
            )
            with self._database.read() as reading:
                found |= {row.undoes: State(row.state) for row in reading.execute(query)}
        return found

    def written_since(self, moment: datetime, now: datetime) -> Counter[str]:
        """Return, by connection, how many changes took or may have taken effect after `moment`.

        One whose answer was lost counts also when somebody edited the record before it was asked
        about: whether it took effect is not known. Undoing does not count: it gives back what a
        limit protects.

        Args:
            moment: The moment.
            now: The time; what a clock that was set back since has stamped later counts as of when
                that was noticed.
        """
        query = (
            sa.select(journal.c.key, journal.c.connection, journal.c.state)
            .where(journal.c.undoes.is_(None))
            .order_by(journal.c.seq)
        )
        last: dict[str, tuple[str, State]] = {}
        doubtful: Counter[str] = Counter()
        with self._database.read() as reading:
            recent = after(moment, now, Noticed.within(reading))
            for row in reading.execute(query.where(recent)):
                state = State(row.state)
                lost = last.get(row.key) == (row.connection, State.UNKNOWN)
                doubtful[row.connection] += lost and state is State.CONFLICT
                last[row.key] = (row.connection, state)
        return doubtful + Counter(name for name, state in last.values() if state not in FRUITLESS)

    def proven(self) -> dict[str, str]:
        """Return, by rule, the digest under which its changes were last taken without complaint."""
        query = sa.select(meta).where(meta.c.key.startswith(_PROVEN, autoescape=True))
        with self._database.read() as reading:
            return {row.key.removeprefix(_PROVEN): row.value for row in reading.execute(query)}

    def prove(self, digests: Mapping[str, str], lease: Lease) -> None:
        """Write down that these rules' canaries lived (rule → digest)."""
        if not digests:
            return
        rows = [{"key": _PROVEN + rule, "value": digest} for rule, digest in digests.items()]
        with self._database.write() as writing:
            lease.check(writing)
            writing.execute(upsert(self._database, meta, ["key"]), rows)

    def _standings(self, keys: Sequence[str]) -> dict[str, Standing]:
        these = journal.c.key.in_(keys)
        newest = sa.select(sa.func.max(journal.c.seq)).where(these).group_by(journal.c.key)
        tried = (
            sa.select(
                journal.c.key,
                sa.func.max(sa.case((journal.c.state == State.INTENT.value, journal.c.seq))).label(
                    "seq"
                ),
                sa.func.count(sa.case((_failed, 1))).label("attempts"),
            )
            .where(these)
            .group_by(journal.c.key)
            .subquery()
        )
        query = (
            sa.select(
                _intent,
                _last.c.state.label("stands"),
                _last.c.seq.label("last"),
                _last.c.at.label("since"),
                _last.c.reason.label("because"),
                tried.c.attempts,
            )
            .select_from(_last)
            .join(tried, tried.c.key == _last.c.key)
            .join(_intent, _intent.c.seq == tried.c.seq)
            .where(_last.c.seq.in_(newest))
        )
        with self._database.read() as reading:
            rows = reading.execute(query).mappings().all()
            noticed = Noticed.within(reading)
        return {row["key"]: _standing(row, noticed) for row in rows}

    def _set_aside(self, writing: sa.Connection, lines: Sequence[Line]) -> None:
        """Quarantine changes that were tried too often."""
        for line in lines:
            if line.state not in (State.REJECTED, State.ABSENT):
                continue
            query = sa.select(sa.func.count()).where(journal.c.key == line.key, _failed)
            attempts = writing.execute(query).scalar_one()
            if attempts >= MAX_ATTEMPTS:
                row = {
                    "connection": line.ref.connection,
                    "id": f"{SET_ASIDE}{line.key}",
                    "reason": line.reason or f"not taken in {attempts} attempts",
                    "first_seen_at": line.at,
                    "last_seen_at": line.at,
                    "attempts": attempts,
                }
                update = ["reason", "last_seen_at", "attempts"]
                writing.execute(
                    upsert(self._database, quarantine, ["connection", "id"], update=update), row
                )


_PROVEN = "proven:"
_AT_ONCE = 1000
_failed = journal.c.state.in_([state.value for state in FAILED])
_last = journal.alias("last")
_intent = journal.alias("intent")


def _chained(writing: sa.Connection, lines: Sequence[Line], epoch: int) -> list[dict[str, Any]]:
    """Return lines as rows that go on from the last one that stands.

    Numbers are given here and not by the database: they are part of what is hashed. The lease's
    row, which the same transaction has renewed, lets one writer in at a time.
    """
    newest = sa.select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
    last = writing.execute(newest).one_or_none()
    seq, previous = (0, GENESIS) if last is None else (last.seq, last.hash)
    rows = [{"seq": seq + n, **row_of(line, epoch)} for n, line in enumerate(lines, start=1)]
    return list(linked(rows, previous))


def _standing(row: Mapping[Any, Any], noticed: Noticed | None) -> Standing:
    return Standing(
        intent=line_of(row),
        state=State(row["stands"]),
        at=row["since"],
        noticed=noticed.at if noticed is not None and row["last"] <= noticed.seq else None,
        attempts=row["attempts"],
        reason=row["because"],
    )
