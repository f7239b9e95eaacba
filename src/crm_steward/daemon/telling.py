"""What the log tells of a verb that ended: numbers, and no word of a contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import structlog

from crm_steward.pull import PullCounts
from crm_steward.writing.counts import ApplyCounts

_log = structlog.stdlib.get_logger(__name__)


def numbers(counts: Mapping[str, object]) -> dict[str, object]:
    """Keep what may be logged of a verb's counts: numbers, flags and the run's id."""
    return {
        name: value
        for name, value in counts.items()
        if isinstance(value, int | float) or name in {"run", "frozen"}
    }


def tell_pulled(connection: str, counts: PullCounts) -> None:
    """Log what a pull brought, and what it could not."""
    for line in counts.missing:
        _log.warning("something is missing in the CRM", connection=connection, what=line)
    if counts.tasks_unread:
        _log.warning("tasks could not be read", connection=connection, why=counts.tasks_unread)
    if counts.missed:
        _log.warning(
            "reading changes had missed contacts", connection=connection, missed=counts.missed
        )
    level = _log.error if counts.frozen else _log.info
    level("pulled", connection=connection, **numbers(asdict(counts)))


def tell_applied(counts: ApplyCounts) -> None:
    """Log what became of changes, and that writing stopped by itself or goes on."""
    for halt in counts.turned:
        if halt.ended_at is None:
            why = f"{halt.why('en')}. {halt.remedy('en')}"
            _log.error("writing stopped by itself", connection=halt.connection, why=why)
        else:
            _log.info("writing goes on", connection=halt.connection, why=halt.ended_reason)
    ends = {str(state): number for state, number in counts.states.items() if number}
    if ends or counts.settled or counts.unsettled:
        _log.info(
            "applied",
            run=counts.run,
            **ends,
            settled=sum(counts.settled.values()),
            unsettled=counts.unsettled,
            waiting=counts.waiting,
            resolved=counts.resolved,
            snoozed=counts.snoozed,
            held=counts.held,
            halted=counts.halted.total(),
        )
