"""What edits of rules did to findings: counted at the first whole scan with the edited rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from crm_steward.store.database import Database, upsert
from crm_steward.store.findings import Findings
from crm_steward.store.recording import Look
from crm_steward.store.tables import findings, rule_edits, runs


class Edit(StrEnum):
    """What became of a rule."""

    ADDED = "added"
    EDITED = "edited"
    REMOVED = "removed"


def edits(
    database: Database, examined: Mapping[str, Look], retired: Collection[str]
) -> dict[str, Edit]:
    """Return which rules are new, find otherwise than when they last looked, or are gone.

    Before the first scan there was nothing to edit. A rule that looks at some connection for the
    first time is not edited by that, and one that looks nowhere did nothing.

    Args:
        database: The store, in which this scan has written nothing yet.
        examined: Rule id → how it looks now.
        retired: Rules that no longer exist.
    """
    scanned = sa.select(sa.exists().where(runs.c.verb == "scan", runs.c.status == "done"))
    with database.read() as reading:
        if not reading.execute(scanned).scalar_one():
            return {}
    before = Findings(database).looks()
    found = dict.fromkeys(retired, Edit.REMOVED)
    for rule, look in examined.items():
        looked = before.get(rule, {})
        if not looked and look.connections:
            found[rule] = Edit.ADDED
        digests = {looked[name].digest for name in look.connections if name in looked}
        if digests - {look.digest, ""}:  # without a digest it is not known how the rule was
            found[rule] = Edit.EDITED
    return found


def note_edits(
    database: Database, writing: sa.Connection, edited: Mapping[str, Edit], now: datetime
) -> None:
    """Write down what a scan opened and resolved by rules that were edited, within its transaction.

    Args:
        database: Tells the dialect.
        writing: The transaction in which the scan's findings were written.
        edited: Rule id → what became of it.
        now: The scan's time, by which its findings are known.
    """
    f = findings.c
    opened = (f.state == "open") & (f.first_seen_at == now)
    resolved = (f.state == "resolved") & (f.resolved_at == now)
    for rule, edit in edited.items():
        query = sa.select(_count(opened), _count(resolved), _count(f.state == "open"))
        gained, lost, stand = writing.execute(query.where(f.rule == rule)).one()
        row = {
            "rule": rule,
            "at": now,
            "edit": edit.value,
            "opened": gained,
            "resolved": lost,
            "open": stand,
        }
        writing.execute(upsert(database, rule_edits, ["rule", "at"]), row)


def _count(these: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((these, 1), else_=0)), 0)
