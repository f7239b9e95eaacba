"""Timing: what counts by age is not acted on while this machine's clock and the CRM's disagree.

With a clock that is a year ahead, everybody would be due for deletion. The CRM's answers carry its
own time (RFC 9110, Date); one of the two is wrong when they are minutes apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from crm_steward.model import ArchiveRecord, ClockError, PlannedChange, RecordRef
from crm_steward.rules import Rule
from crm_steward.rules.ages import by_age
from crm_steward.store.clocks import off, said
from crm_steward.writing.targets import Target
from crm_steward.writing.wanted import Candidate
from crm_steward.writing.withheld import Why


def aged_rules(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the rules that are only as right as the clock, by id."""
    return frozenset(rule.id for rule in rules if by_age(rule))


def counts_by_age(planned: PlannedChange, aged: Collection[str]) -> bool:
    """Whether a change rests on what day it is."""
    return planned.rule in aged or isinstance(planned.change, ArchiveRecord)


def untimely(
    candidate: Candidate, aged: Collection[str], clocks: Mapping[str, timedelta]
) -> tuple[Why, str] | None:
    """Return why a change waits for the clock, or None.

    Args:
        candidate: The change.
        aged: The rules that are only as right as the clock.
        clocks: Connection → how far its clock was ahead of ours when it last told.
    """
    connection = candidate.ref.connection
    ahead = clocks.get(connection)
    if ahead is None or not off(ahead):
        return None
    if candidate.rule in aged or isinstance(candidate.made, ArchiveRecord):
        return Why.CLOCK, f"{connection}: {said(ahead)}"
    return None


def refuse_untimely(target: Target, ref: RecordRef) -> None:
    """Refuse to act by age in a connection whose clock and ours disagree at this moment.

    Args:
        target: The connection.
        ref: One of the records: it is read to hear what time it is at the CRM now.

    Raises:
        ClockError: They do.
    """
    if target.ahead() is None:
        return
    target.connector.get([ref])
    ahead, connection = target.ahead(), ref.connection
    if ahead is not None and off(ahead):
        raise ClockError(
            f"{connection}: its clock and this machine's are apart ({said(ahead)}); nothing that "
            "counts by age was written there.",
            hint="Set the clock of this machine right (NTP), pull, and plan again.",
        )
