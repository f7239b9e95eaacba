"""Evidence of suppressions: that somebody's no was heeded, when, and who approved it.

One that was a mistake and was lifted has its evidence, too: who lifted it, when and why.

It is kept apart from the journal, whose values are purged much sooner. Each row holds the change
and the salt of its line in the journal, so that the line's hash shows that it is the change that
was written then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from crm_steward.model import RecordRef
from crm_steward.store.database import Database
from crm_steward.store.written import approvals, consent_evidence, journal

_ABOUT_CONSENT = ("suppress", "lift")
"""Kinds of changes of which evidence is kept."""


def keep(writing: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Keep what proves the suppressions, and liftings, that these new lines of the journal confirm.

    Args:
        writing: The transaction that wrote the lines.
        rows: The lines, with every column.
    """
    for row in rows:
        if row["kind"] in _ABOUT_CONSENT and row["state"] == "verified":
            writing.execute(sa.insert(consent_evidence), _evidence(writing, row))


def _evidence(writing: sa.Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    intents = (
        sa.select(journal.c.seq, journal.c.change, journal.c.values_salt)
        .where(journal.c.key == row["key"], journal.c.state == "intent")
        .order_by(journal.c.seq.desc())
        .limit(1)
    )
    intent = writing.execute(intents).one()
    approved = sa.select(approvals.c.approved_by).where(
        approvals.c.plan == row["plan"], approvals.c.key == row["key"]
    )
    return {
        "intent": intent.seq,
        "verified": row["seq"],
        "connection": row["connection"],
        "id": row["id"],
        "channel": intent.change["channel"],
        "rule": row["rule"],
        "by": intent.change.get("by") or writing.execute(approved).scalar() or "",
        "at": row["at"],
        "change": intent.change,
        "salt": intent.values_salt,
    }


def evidence(database: Database, ref: RecordRef | None = None) -> list[dict[str, Any]]:
    """Return what is kept of suppressions, of one record or of all, newest first, JSON-ready."""
    query = with_kinds().order_by(consent_evidence.c.verified.desc())
    if ref is not None:
        c = consent_evidence.c
        query = query.where(c.connection == ref.connection, c.id == ref.id)
    with database.read() as reading:
        return [document(row) for row in reading.execute(query).mappings()]


def with_kinds() -> sa.Select[Any]:
    """Return the query for pieces of evidence, each with its `kind`: that of its journal's line."""
    return sa.select(consent_evidence, journal.c.kind).outerjoin(
        journal, journal.c.seq == consent_evidence.c.intent
    )


def document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a piece of evidence, as `with_kinds` asks for it, as JSON-ready values."""
    change = row["change"] or {}
    return {
        "what": "lifted" if row["kind"] == "lift" else "suppressed",
        "at": row["at"].isoformat(),
        "ref": str(RecordRef(row["connection"], row["id"])),
        "channel": row["channel"],
        "address": change.get("address"),
        "reason": change.get("reason"),
        "rule": row["rule"],
        "by": row["by"],
        "journal": [row["intent"], row["verified"]],
        "salt": row["salt"],
        "address_hash": row["address_hash"],
    }
