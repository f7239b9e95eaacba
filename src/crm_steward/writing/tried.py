"""Tried: what the journal says of a change that is asked for again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from crm_steward.model import CreateTask, MergeRecords, PlannedChange, RecordRef, change_key
from crm_steward.store.journal import MAX_ATTEMPTS, UNDER_WAY, Standing, State
from crm_steward.writing.compare import members
from crm_steward.writing.withheld import Why


def tried(
    standing: Standing | None, busy: Collection[RecordRef], planned: PlannedChange
) -> tuple[Why, str] | None:
    """Return why the journal forbids a change: a key takes effect once, ever."""
    if standing is not None:
        if standing.state is State.VERIFIED:
            return Why.TASK_STANDS if isinstance(planned.change, CreateTask) else Why.DONE, ""
        if standing.state in UNDER_WAY:
            return Why.UNDER_WAY, ""
        if standing.attempts >= MAX_ATTEMPTS and standing.state is not State.CONFLICT:
            return Why.SET_ASIDE, str(standing.attempts)
    under_way = any(ref in busy for ref in members(planned.change))
    return (Why.UNDER_WAY, "") if under_way else None


def first_keys(planned: PlannedChange) -> list[str]:
    """Return the key of what has to be written before a change."""
    change = planned.change
    filling = change.filling if isinstance(change, MergeRecords) else None
    return [] if filling is None else [change_key(filling)]


def first_tried(
    planned: PlannedChange, standings: Mapping[str, Standing], busy: Collection[RecordRef]
) -> tuple[Why, str] | None:
    """Return why the journal forbids to give a survivor what it lacks, and with it the merge."""
    found = (tried(standings.get(key), busy, planned) for key in first_keys(planned))
    return next(filter(None, found), None)


def merged_already(planned: PlannedChange, away: frozenset[RecordRef]) -> tuple[Why, str] | None:
    """Return that a record of a merge went into another one already: the mirror shows it later."""
    if isinstance(planned.change, MergeRecords) and not away.isdisjoint(members(planned.change)):
        return Why.DONE, ""
    return None


def elsewhere(standings: Iterable[Standing | None]) -> tuple[Why, str] | None:
    """Return that a finding's task stands at another of its records, or may: it gets one, ever."""
    states = {standing.state for standing in standings if standing is not None}
    if State.VERIFIED in states:
        return Why.TASK_STANDS, ""
    return (Why.UNDER_WAY, "") if states & UNDER_WAY else None
