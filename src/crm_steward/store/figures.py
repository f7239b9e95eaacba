"""Health figures: counted on the mirror, kept per week, so that a trend can be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_steward.model import ConsentStatus
from crm_steward.store.database import Database, upsert
from crm_steward.store.live import is_live
from crm_steward.store.snoozes import asleep
from crm_steward.store.tables import contacts, figures, finding_refs, findings

_MAILABLE = tuple(status.label for status in ConsentStatus if status.mailable)


class Figures:
    """Counts and keeps health figures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, now: datetime) -> dict[str, int]:
        """Count the base as it is now.

        A snooze takes a finding out of `findings`, which are to be worked on, and makes no contact
        any cleaner.

        Args:
            now: The time.

        Returns:
            `contacts`; of these `complete` (a name and a way to reach them), `with_email`,
            `email_valid` (well formed, never bounced), `mailable`, `provable` (mailable with
            complete proof), `duplicated`, `clean` (no open finding); and
            open `findings` that are not snoozed.
        """
        with self._database.read() as reading:
            counted = dict(reading.execute(_contacts_query()).mappings().one())
            flagged = reading.execute(_flagged_query()).one()
            open_ = sa.select(sa.func.count()).where(findings.c.state == "open", ~asleep(now))
            found = reading.execute(open_.select_from(findings)).scalar_one()
        counts = {name: int(value or 0) for name, value in counted.items()}
        return {
            **counts,
            "duplicated": int(flagged.duplicated or 0),
            "clean": counts["contacts"] - int(flagged.flagged or 0),
            "findings": int(found),
        }

    def save(self, week: str, counts: Mapping[str, float]) -> None:
        """Keep the figures of a week (`2026-W47`); a later count in the same week replaces them."""
        rows = [{"week": week, "name": name, "value": value} for name, value in counts.items()]
        with self._database.write() as writing:
            writing.execute(upsert(self._database, figures, ["week", "name"]), rows)

    def history(self, weeks: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return the figures of `weeks`: week → name → value; weeks without any are left out."""
        query = sa.select(figures).where(figures.c.week.in_(weeks))
        found: dict[str, dict[str, float]] = {}
        with self._database.read() as reading:
            for week, name, value in reading.execute(query):
                found.setdefault(week, {})[name] = value
        return found


def _contacts_query() -> sa.Select[*tuple[Any, ...]]:
    c = contacts.c
    named = _filled(c.first_name) | _filled(c.last_name) | _filled(c.full_name)
    reachable = _filled(c.email) | _filled(c.phone) | _filled(c.mobile)
    # Addresses and statuses are kept as [["a@example.org", "bounced"], …]; a quote inside an
    # address is escaped, so that no address can read like a status.
    text = sa.type_coerce(c.emails, sa.Text)
    dead = text.like('%, "bounced"]%') | text.like('%, "invalid"]%')
    valid = _filled(c.email) & c.email_problem.is_(None) & ~dead
    mailable = c.consent_email.in_(_MAILABLE)
    return sa.select(
        sa.func.count().label("contacts"),
        _how_many(named & reachable, "complete"),
        _how_many(_filled(c.email), "with_email"),
        _how_many(valid, "email_valid"),
        _how_many(mailable, "mailable"),
        _how_many(mailable & (c.consent_email_missing_proof == ""), "provable"),
    ).where(c.gone_at.is_(None))


def _flagged_query() -> sa.Select[*tuple[Any, ...]]:
    """Count live contacts with an open finding, and those in a group of duplicates."""
    refs, of = finding_refs.c, findings.c
    flagged = (
        sa.select(
            refs.connection,
            refs.id,
            sa.func.max(sa.case((of.kind == "duplicates", 1), else_=0)).label("duplicated"),
        )
        .join(findings, of.fingerprint == refs.fingerprint)
        .join(
            contacts,
            (contacts.c.connection == refs.connection) & (contacts.c.id == refs.id),
        )
        .where(of.state == "open", is_live)
        .group_by(refs.connection, refs.id)
        .subquery()
    )
    return sa.select(
        sa.func.count().label("flagged"), sa.func.sum(flagged.c.duplicated).label("duplicated")
    ).select_from(flagged)


def _filled(column: sa.ColumnElement[str | None]) -> sa.ColumnElement[bool]:
    return column.is_not(None) & (column != "")


def _how_many(condition: sa.ColumnElement[bool], name: str) -> sa.Label[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0)).label(name)
