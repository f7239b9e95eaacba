"""The journal: every change is an `intent` line written before the call, then what became of it.

Append-only. The last line of a key says where the change stands; a key is under way at most once
at a time, because only the holder of the lease writes here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Change, RecordRef, change_from_json, change_to_json, kind_of
from crm_steward.store.database import Database, chunked, upsert
from crm_steward.store.lease import Lease
from crm_steward.store.tables import journal, meta, quarantine


class State(StrEnum):
    """What a line of the journal says."""

    INTENT = "intent"
    """It is about to be written."""
    VERIFIED = "verified"
    """It took effect."""
    REJECTED = "rejected"
    """The CRM refused it."""
    CONFLICT = "conflict"
    """The record was not what the plan expected; nothing was written."""
    UNKNOWN = "unknown"
    """No answer: the CRM is asked before anything else is done."""
    ABSENT = "absent"
    """It did not take effect; it may be tried again."""


UNDER_WAY = frozenset({State.INTENT, State.UNKNOWN})
FRUITLESS = frozenset({State.REJECTED, State.CONFLICT, State.ABSENT})

MAX_ATTEMPTS = 5
"""After so many attempts a change that the CRM does not take is set aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the journal; `change` stands on the intent only."""

    seq: int = 0
    run: str
    plan: str
    key: str
    state: State
    kind: str
    ref: RecordRef
    rule: str
    finding: str
    change: Change | None = None
    reason: str = ""
    remote_id: str = ""
    undoes: int | None = None
    epoch: int = 0
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one change stands.

    Args:
        intent: Its last intent, with the change.
        state: What the last line says.
        at: When that was written.
        attempts: How many intents there are.
        reason: Why it is so.
    """

    intent: Line
    state: State
    at: datetime
    attempts: int
    reason: str = ""


def intent_of(
    change: Change,
    *,
    key: str,
    run: str,
    plan: str,
    rule: str,
    finding: str,
    at: datetime,
    undoes: int | None = None,
) -> Line:
    """Return the line that is written before `change` is."""
    return Line(
        run=run,
        plan=plan,
        key=key,
        state=State.INTENT,
        kind=kind_of(change),
        ref=change.ref,
        rule=rule,
        finding=finding,
        change=change,
        undoes=undoes,
        at=at,
    )


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
            StoreError: The database refuses; nothing was written.
        """
        if not lines:
            return
        with self._database.write() as writing:
            lease.check(writing)
            writing.execute(sa.insert(journal), [_row(line, lease.epoch) for line in lines])
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
    ) -> list[Line]:
        """Return lines, newest first, of one record, rule, run, change (key or its beginning)."""
        query = sa.select(journal).order_by(journal.c.seq.desc())
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
        return [_line(row) for row in rows]

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
        """Return the findings among these whose group was merged, each with the survivor."""
        found: set[tuple[str, RecordRef]] = set()
        for chunk in chunked(dict.fromkeys(findings)):
            query = sa.select(journal.c.finding, journal.c.connection, journal.c.id).where(
                journal.c.finding.in_(chunk),
                journal.c.kind == "merge",
                journal.c.state == State.VERIFIED.value,
            )
            with self._database.read() as reading:
                found |= {(row[0], RecordRef(row[1], row[2])) for row in reading.execute(query)}
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

    def written_since(self, moment: datetime) -> Counter[str]:
        """Return, by connection, how many changes took or may have taken effect after `moment`.

        One whose answer was lost counts also when somebody edited the record before it was asked
        about: whether it took effect is not known. Undoing does not count: it gives back what a
        limit protects.
        """
        query = (
            sa.select(journal.c.key, journal.c.connection, journal.c.state)
            .where(journal.c.at > moment, journal.c.undoes.is_(None))
            .order_by(journal.c.seq)
        )
        last: dict[str, tuple[str, State]] = {}
        doubtful: Counter[str] = Counter()
        with self._database.read() as reading:
            for row in reading.execute(query):
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
                sa.func.max(journal.c.seq).label("seq"),
                sa.func.count().label("attempts"),
            )
            .where(journal.c.state == State.INTENT.value, these)
            .group_by(journal.c.key)
            .subquery()
        )
        query = (
            sa.select(
                _intent,
                _last.c.state.label("stands"),
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
        return {row["key"]: _standing(row) for row in rows}

    def _set_aside(self, writing: sa.Connection, lines: Sequence[Line]) -> None:
        """Quarantine changes that were tried too often."""
        for line in lines:
            if line.state not in (State.REJECTED, State.ABSENT):
                continue
            query = sa.select(sa.func.count()).where(
                journal.c.key == line.key, journal.c.state == State.INTENT.value
            )
            attempts = writing.execute(query).scalar_one()
            if attempts >= MAX_ATTEMPTS:
                row = {
                    "connection": line.ref.connection,
                    "id": f"change {line.key}",
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
_last = journal.alias("last")
_intent = journal.alias("intent")


def _row(line: Line, epoch: int) -> dict[str, Any]:
    return {
        "run": line.run,
        "plan": line.plan,
        "key": line.key,
        "state": line.state.value,
        "kind": line.kind,
        "connection": line.ref.connection,
        "id": line.ref.id,
        "rule": line.rule,
        "finding": line.finding,
        "change": None if line.change is None else change_to_json(line.change),
        "reason": line.reason,
        "remote_id": line.remote_id,
        "undoes": line.undoes,
        "epoch": epoch,
        "at": line.at,
    }


def _line(row: Mapping[Any, Any]) -> Line:
    change = row["change"]
    return Line(
        seq=row["seq"],
        run=row["run"],
        plan=row["plan"],
        key=row["key"],
        state=State(row["state"]),
        kind=row["kind"],
        ref=RecordRef(row["connection"], row["id"]),
        rule=row["rule"],
        finding=row["finding"],
        change=None if change is None else change_from_json(change),
        reason=row["reason"],
        remote_id=row["remote_id"],
        undoes=row["undoes"],
        epoch=row["epoch"],
        at=row["at"],
    )


def _standing(row: Mapping[Any, Any]) -> Standing:
    return Standing(
        intent=_line(row),
        state=State(row["stands"]),
        at=row["since"],
        attempts=row["attempts"],
        reason=row["because"],
    )
