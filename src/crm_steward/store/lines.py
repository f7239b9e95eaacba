"""Lines of the journal: what they say, and how they lie in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from crm_steward.model import Change, RecordRef, change_from_json, change_to_json, kind_of
from crm_steward.store.chain import fields_of
from crm_steward.store.written import journal


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
    ALREADY = "already"
    """The record held what is wanted before we wrote anything; nothing was written."""
    UNKNOWN = "unknown"
    """No answer: the CRM is asked before anything else is done."""
    ABSENT = "absent"
    """It did not take effect; it may be tried again."""


UNDER_WAY = frozenset({State.INTENT, State.UNKNOWN})
FRUITLESS = frozenset({State.REJECTED, State.CONFLICT, State.ALREADY, State.ABSENT})
"""How a change ends that is none of our writes: it counts for no limit, and undo leaves it alone."""

FAILED = frozenset({State.REJECTED, State.UNKNOWN})
"""How an attempt ends that reached the CRM and did not take effect, as far as is known.

What was certainly not sent says nothing of the change: a CRM that is down would set aside all."""

MAX_ATTEMPTS = 5
"""After so many attempts a change that the CRM does not take is set aside."""

SET_ASIDE = "change "
"""How the name of a change begins in the quarantine; its key follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the journal.

    Args:
        seq: Its number; given when it is written.
        run: The run that wrote it.
        plan: The plan it belongs to; empty for an undo.
        key: The change's idempotency key.
        state: What it says.
        kind: The kind of change.
        ref: The record.
        rule: The rule that asked for it.
        finding: The fingerprint of the finding behind it.
        change: On the intent only; without its values once they are purged, None once the person
            was erased.
        reason: Why it is so, in the CRM's or our words; empty once purged.
        remote_id: What the CRM calls what came of it.
        undoes: The seq of the intent that it takes back.
        epoch: The lease under which it was written.
        at: When.
        fields: Names of the fields that the change writes.
        purged_at: Since when it has no values any more.
        hash: What the next line is chained to; given when it is written.
    """

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
    fields: tuple[str, ...] = ()
    purged_at: datetime | None = None
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one change stands.

    Args:
        intent: Its last intent, with the change.
        state: What the last line says.
        at: When that was written.
        attempts: How many of its attempts failed at the CRM.
        reason: Why it is so.
        noticed: When it was noticed last, after that, that the clock had gone back.
    """

    intent: Line
    state: State
    at: datetime
    attempts: int
    reason: str = ""
    noticed: datetime | None = None

    def since(self, now: datetime) -> datetime:
        """Return since when it stands so, as far as that is known: never later than now."""
        return self.at if self.at <= now else min(self.noticed or now, now)


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
        fields=tuple(fields_of(change_to_json(change))),
    )


def within(
    *,
    connection: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    kind: str | None = None,
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a line is of a connection, of a time, or of a kind of change.

    Args:
        connection: The connection.
        since: At or after.
        until: Before.
        kind: `update`, `task`, …
    """
    c = journal.c
    conditions: list[sa.ColumnElement[bool]] = []
    if connection is not None:
        conditions.append(c.connection == connection)
    if since is not None:
        conditions.append(c.at >= since)
    if until is not None:
        conditions.append(c.at < until)
    if kind is not None:
        conditions.append(c.kind == kind)
    return conditions


def row_of(line: Line, epoch: int) -> dict[str, Any]:
    """Return a line as a row, without what the chain adds."""
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
        "fields": list(line.fields),
    }


def line_of(row: Mapping[Any, Any]) -> Line:
    """Return the line that a row holds."""
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
        fields=tuple(row["fields"]),
        purged_at=row["purged_at"],
        hash=row["hash"],
    )
