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
    RecordRef,
    RecreateRecords,
    SuppressChannel,
    UndeleteRecords,
    UpdateFields,
    Value,
)
from crm_steward.writing.compare import canonical, members
from crm_steward.writing.wanted import Candidate
from crm_steward.writing.withheld import Why

Place = tuple[RecordRef, str]
"""A record, and what of it."""

Wishes = Mapping[Place, Mapping[Value, str]]
"""Record and field → each value that is wanted and the first rule that wants it.

Only those where several are.
"""


def wishes_of(candidates: Iterable[Candidate]) -> Wishes:
    """Return, by record and field, each value that is wanted, where more than one is.

    A merge or an archiving wants the whole of each of its records.
    """
    first: dict[Place, tuple[Value, str]] = {}
    several: dict[Place, dict[Value, str]] = {}
    for candidate in candidates:
        change = candidate.made
        if isinstance(change, UpdateFields):
            wanted = [((change.ref, name), canonical(v)) for name, v in change.values.items()]
        elif isinstance(change, MergeRecords | ArchiveRecord):
            key = candidate.key
            wanted = [(place, key) for place in places_of(candidate)]
        else:
            continue
        rule = candidate.rule
        for place, value in wanted:
            before, by = first.setdefault(place, (value, rule))
            if before != value:
                several.setdefault(place, {before: by}).setdefault(value, rule)
    return several


def rest_of(candidate: Candidate, taken: Mapping[Place, str]) -> Candidate:
    """Return an update without the fields that another one in the plan sets already."""
    change = candidate.made
    if not isinstance(change, UpdateFields):
        return candidate
    rest = [name for name in change.values if (change.ref, name) not in taken]
    if not rest or len(rest) == len(change.values):
        return candidate
    values = {name: change.values[name] for name in rest}
    expected = {name: change.expected[name] for name in rest}
    return candidate._replace(made=replace(change, values=values, expected=expected))


def contested(
    candidate: Candidate, places: Iterable[Place], wishes: Wishes, taken: Mapping[Place, str]
) -> tuple[Why, str] | None:
    """Return the rule that wants something else of the same place, or that asked for the same.

    Args:
        candidate: What is left of it.
        places: What it claims for itself.
        wishes: What several rules want differently.
        taken: Place → the rule in the plan that claims it.
    """
    for place in places:
        if place in wishes:
            rule = candidate.rule
            others = sorted({one for one in wishes[place].values() if one != rule})
            whole = isinstance(candidate.made, MergeRecords | ArchiveRecord)
            return Why.CLASH if whole else Why.CONFLICT, ", ".join(others) or rule
        if place in taken:
            return Why.TWICE, taken[place]
    return None


_WHOLE = "*"


def places_of(candidate: Candidate) -> list[Place]:
    """Return what a candidate claims for itself: fields, an address, a record, one task.

    A task without its words claims nothing: its finding and its number are its alone.
    """
    change = candidate.made
    match change:
        case None:
            return []
        case UpdateFields():
            return [(change.ref, name) for name in change.values]
        case MergeRecords() | ArchiveRecord():
            return [(ref, _WHOLE) for ref in members(change)]
        case SuppressChannel() | LiftSuppression():
            return [(change.ref, f"{change.channel}:{change.address}")]
        case CreateTask():
            return [(change.ref, change.marker)]
        case CloseTask() | UndeleteRecords() | RecreateRecords():
            return [(change.ref, candidate.key)]
