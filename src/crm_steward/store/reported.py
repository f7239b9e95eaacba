"""Tables of what is kept for the weekly report alone."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

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
