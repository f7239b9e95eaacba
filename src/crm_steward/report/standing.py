"""Which findings stood at a moment, which may be long ago: conditions for queries."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from crm_steward.store.tables import findings, snoozes


def stands(until: datetime) -> sa.ColumnElement[bool]:
    """Whether a finding was open at `until`, and not snoozed."""
    awake = findings.c.fingerprint.not_in(sa.select(snoozes.c.fingerprint).where(snoozed(until)))
    return opened(until) & awake


def snoozed(until: datetime) -> sa.ColumnElement[bool]:
    """Whether a snooze held at `until`."""
    return (snoozes.c.at <= until) & (snoozes.c.until > until)


def opened(until: datetime) -> sa.ColumnElement[bool]:
    """Whether a finding was open at `until`."""
    f = findings.c
    return (f.first_seen_at <= until) & ((f.state == "open") | (f.resolved_at > until))
