"""Places: what each change of a plan claims for itself, so that no two want the same differently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from crm_steward.model import (
    ArchiveRecord,
    CloseTask,
    CreateTask,
    LiftSuppression,
    MergeRecords,
    PlannedChange,
    RecordRef,
    RecreateRecords,
    SuppressChannel,
    UndeleteRecords,
    UpdateFields,
    Value,
)
from crm_steward.writing.compare import canonical, members
from crm_steward.writing.propose import Candidate
from crm_steward.writing.withheld import Why

Wishes = Mapping[tuple[RecordRef, str], Mapping[Value, str]]
"""Record and field → each value that is wanted and the first rule that wants it."""


def wishes_of(candidates: Iterable[Candidate]) -> Wishes:
    """Return, by record and field, each value that is wanted and the first rule that wants it.

    A merge or an archiving wants the whole of each of its records.
    """
    wishes: dict[tuple[RecordRef, str], dict[Value, str]] = {}
    for candidate in candidates:
        change = candidate.planned.change
        if isinstance(change, UpdateFields):
            wanted = {(change.ref, name): canonical(value) for name, value in change.values.items()}
        elif isinstance(change, MergeRecords | ArchiveRecord):
            wanted = dict.fromkeys(places_of(candidate.planned), candidate.planned.key)
        else:
            continue
        for place, value in wanted.items():
            wishes.setdefault(place, {}).setdefault(value, candidate.planned.rule)
    return wishes


def rest_of(planned: PlannedChange, taken: Mapping[object, str]) -> PlannedChange:
    """Return an update without the fields that another one in the plan sets already."""
    change = planned.change
    if not isinstance(change, UpdateFields):
        return planned
    rest = [name for name in change.values if (change.ref, name) not in taken]
    if not rest or len(rest) == len(change.values):
        return planned
    values = {name: change.values[name] for name in rest}
    expected = {name: change.expected[name] for name in rest}
    return replace(planned, change=replace(change, values=values, expected=expected))


def contested(
    planned: PlannedChange, wishes: Wishes, taken: Mapping[object, str]
) -> tuple[Why, str] | None:
    """Return the rule that wants something else of the same place, or that asked for the same."""
    whole = isinstance(planned.change, MergeRecords | ArchiveRecord)
    for place in places_of(planned):
        wanted = wishes.get(place, {})
        if len(wanted) > 1:
            others = sorted({rule for rule in wanted.values() if rule != planned.rule})
            return Why.CLASH if whole else Why.CONFLICT, ", ".join(others) or planned.rule
        if place in taken:
            return Why.TWICE, taken[place]
    return None


_WHOLE = "*"


def places_of(planned: PlannedChange) -> list[tuple[RecordRef, str]]:
    """Return what a change claims for itself: fields, a channel's address, a record, its key."""
    change = planned.change
    match change:
        case UpdateFields():
            return [(change.ref, name) for name in change.values]
        case MergeRecords() | ArchiveRecord():
            return [(ref, _WHOLE) for ref in members(change)]
        case SuppressChannel() | LiftSuppression():
            return [(change.ref, f"{change.channel}:{change.address}")]
        case CreateTask():
            return [(change.ref, change.marker)]
        case CloseTask() | UndeleteRecords() | RecreateRecords():
            return [(change.ref, planned.key)]
