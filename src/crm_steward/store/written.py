"""Tables of what is and was written to the CRMs, and of people who were erased."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from crm_steward.store.columns import Json, UtcTime
from crm_steward.store.metadata import metadata

halts = Table(
    "halts",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("connection", Text, nullable=False),  # empty: all
    Column("rule", Text, nullable=False),  # empty: all
    Column("cause", Text, nullable=False),  # person, in a row, share
    Column("reason", Text, nullable=False),  # a person's own words: shown, never logged
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("retry_at", UtcTime),  # from when one change is tried; None: a person resumes
    Column("trial", Text, nullable=False),  # key of the change that is tried, else empty
    Column("ended_at", UtcTime),  # None while it stands
    Column("ended_by", Text, nullable=False),
    Column("ended_reason", Text, nullable=False),
)
"""What is not written, or was not: each halt with who, when and why, kept after it ended."""

plans = Table(
    "plans",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("status", Text, nullable=False),  # open, applying, applied, superseded
    Column("content", Json, nullable=False),  # Plan.to_json()
    Column("applied_at", UtcTime),
)

approvals = Table(
    "approvals",
    metadata,
    Column("plan", Text, ForeignKey("plans.hash", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", UtcTime, nullable=False),
    Column("note", Text, nullable=False, default=""),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("run", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("key", Text, nullable=False),  # the change's idempotency key
    Column("state", Text, nullable=False),  # one of `lines.State`
    Column("kind", Text, nullable=False),  # update, task, ...
    Column("connection", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("finding", Text, nullable=False),
    Column("change", Json),  # on the intent only: the change with expected (before) values
    Column("reason", Text, nullable=False, default=""),
    Column("remote_id", Text, nullable=False, default=""),
    Column("undoes", Integer),  # seq of the intent that this change takes back
    Column("epoch", Integer, nullable=False),  # fencing: the lease under which it was written
    Column("at", UtcTime, nullable=False),
    Column("fields", Json, nullable=False, server_default="[]"),  # names of those it writes
    # The chain: see `chain`. What a line says of a person is in it as a salted hash only.
    Column("values_salt", Text),  # gone when the values are
    Column("values_hash", Text, nullable=False, server_default=""),
    Column("subject_salt", Text),  # gone when the person was erased
    Column("subject_hash", Text, nullable=False, server_default=""),
    Column("previous", Text, nullable=False, server_default=""),  # hash of the line before
    Column("hash", Text, nullable=False, server_default=""),
    Column("purged_at", UtcTime),  # since when it has no values any more
    Index(None, "key"),
    Index(None, "connection", "id"),
    Index(None, "run"),
    Index(None, "at"),
    Index(None, "kind", "connection"),
)
"""Append-only. Each change is an `intent` line written before the call, then what became of it.

Triggers refuse every other change of a line than to take out its values, or who it is about."""

consent_evidence = Table(
    "consent_evidence",
    metadata,
    Column("intent", Integer, primary_key=True, autoincrement=False),  # seq of the intent's line
    Column("verified", Integer, nullable=False),  # seq of the line that confirms it
    Column("connection", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("by", Text, nullable=False, default=""),  # who approved it; empty: a rule in mode apply
    Column("at", UtcTime, nullable=False),
    # What the journal's line is the proof of: with both, its `values_hash` can be made again.
    Column("change", Json),  # gone when the person was erased, as the salt is
    Column("salt", Text),
    Column("address_hash", Text),  # keyed; only of a person who was erased
    Index(None, "connection", "id"),
    Index(None, "address_hash"),
    Index(None, "at"),
)
"""Suppressions that took effect: what shows later that somebody's no was heeded, and when."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("hash", Text, primary_key=True),  # keyed, of an address or a record's name
    Column("key", Text, nullable=False),  # names the key without giving it away
    Column("kind", Text, nullable=False),  # email, phone, record
    Column("erasure", Text, nullable=False),  # the run that erased the person
    Column("erased_at", UtcTime, nullable=False),
)
"""What remains of people who were erased: enough to notice that they are back."""
