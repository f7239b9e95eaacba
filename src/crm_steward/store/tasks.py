"""Tasks that we made in the CRMs, and what became of the findings they were made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from crm_steward.model import CreateTask
from crm_steward.store.database import Database, chunked
from crm_steward.store.journal import Journal, State
from crm_steward.store.tables import findings, journal


@dataclass(frozen=True, slots=True)
class MadeTask:
    """A task that took effect.

    Args:
        change: What made it.
        id: The CRM's id of it.
        rule: The rule that asked for it.
        finding: The fingerprint of the finding behind it.
    """

    change: CreateTask
    id: str
    rule: str
    finding: str


def settled_tasks(database: Database) -> Iterator[MadeTask]:
    """Yield the tasks whose finding is resolved and that we have not closed, longest settled first."""
    with database.read() as reading:
        rows = reading.execute(_SETTLED).all()
    for chunk in chunked(rows):
        standings = Journal(database).standings([row.key for row in chunk])
        for row in chunk:
            standing = standings[row.key]
            change = standing.intent.change
            if standing.state is State.VERIFIED and isinstance(change, CreateTask):
                yield MadeTask(change, row.remote_id, row.rule, row.finding)


def task_ids(database: Database, keys: Iterable[str]) -> dict[str, str]:
    """Return what the CRM calls the tasks among these changes that took effect.

    Args:
        database: The store.
        keys: Keys of changes.

    Returns:
        Key of a change → the task's id; those whose id the CRM never told are missing.
    """
    found: dict[str, str] = {}
    for chunk in chunked(keys):
        query = sa.select(journal.c.key, journal.c.remote_id).where(
            journal.c.key.in_(chunk),
            journal.c.kind == "task",
            journal.c.state == State.VERIFIED.value,
            journal.c.remote_id != "",
        )
        with database.read() as reading:
            found |= {row.key: row.remote_id for row in reading.execute(query)}
    return found


_MADE, _CLOSED = journal.alias("made"), journal.alias("closed")
_SETTLED = (
    sa.select(_MADE.c.key, _MADE.c.remote_id, _MADE.c.rule, _MADE.c.finding)
    .join(findings, findings.c.fingerprint == _MADE.c.finding)
    .where(
        _MADE.c.kind == "task",
        _MADE.c.state == State.VERIFIED.value,
        _MADE.c.remote_id != "",
        _MADE.c.undoes.is_(None),
        findings.c.state == "resolved",
        ~sa.exists().where(
            _CLOSED.c.kind == "close_task",
            _CLOSED.c.state == State.VERIFIED.value,
            _CLOSED.c.connection == _MADE.c.connection,
            _CLOSED.c.id == _MADE.c.id,
            _CLOSED.c.remote_id == _MADE.c.remote_id,
        ),
    )
    .order_by(findings.c.resolved_at, _MADE.c.seq)
)
