"""Tables of what is kept for the weekly report alone."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from crm_steward.store.columns import UtcTime
from crm_steward.store.metadata import metadata

task_states = Table(
    "task_states",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("task", Text, primary_key=True),  # as the CRM calls it
    Column("id", Text, nullable=False),  # of the contact it was made for
    Column("state", Text, nullable=False),  # open, done, deleted, left (with its account)
    Column("since", UtcTime, nullable=False),  # when it was first seen so
    Column("seen_at", UtcTime, nullable=False),
    Index(None, "connection", "id"),
)
"""What became of the tasks that we made, as the CRM told it last."""

rule_edits = Table(
    "rule_edits",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("at", UtcTime, primary_key=True),  # of the first whole scan with it, or without it
    Column("edit", Text, nullable=False),  # added, edited, removed
    Column("opened", Integer, nullable=False),  # findings that this scan opened, and below resolved
    Column("resolved", Integer, nullable=False),
    Column("open", Integer, nullable=False),  # that stood after it
    Index(None, "at"),
)
"""What edits of rules did to findings."""

usages = Table(
    "usages",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("hour", UtcTime, primary_key=True),  # its beginning
    Column("calls", Integer, nullable=False),  # ours
    Column("points", Integer, nullable=False),  # what they cost
    Column("share", Float),  # of the day's quota that was gone at most, whoever used it
)
"""What was used of the accounts' quotas."""
