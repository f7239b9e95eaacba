"""Compare: whether a record still is what a change expects, field by field."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from crm_steward.model import (
    ArchiveRecord,
    Change,
    CloseTask,
    Contact,
    LiftSuppression,
    MergeRecords,
    RecordRef,
    RecreateRecords,
    SuppressChannel,
    UndeleteRecords,
    UpdateFields,
    Value,
)
from crm_steward.writing.addresses import suppressed


def members(change: Change) -> tuple[RecordRef, ...]:
    """Return every record that `change` reads or touches.

    Closing a task touches none, and what is brought back or made anew cannot be read before.
    """
    if isinstance(change, CloseTask | UndeleteRecords | RecreateRecords):
        return ()
    return (change.ref, *change.losers) if isinstance(change, MergeRecords) else (change.ref,)


def touched(changes: Iterable[Change | None]) -> set[RecordRef]:
    """Return every record that some changes read or touch."""
    return {ref for change in changes if change is not None for ref in members(change)}


def difference(change: Change, fresh: Mapping[RecordRef, Contact]) -> str:
    """Return why the records as they are now forbid `change`; empty when they do not.

    Args:
        change: What is to be written.
        fresh: Its records, just read; those that are gone are missing.

    Returns:
        One line that names fields, never values.
    """
    lost = _lost(change, fresh)
    if lost or held_already(change, fresh):
        return lost
    match change:
        case UpdateFields():
            return _changed(_held(fresh[change.ref], change.values), change.expected)
        case LiftSuppression():
            silent = suppressed(fresh[change.ref], change.channel, change.address)
            return "" if silent else "changed meanwhile: the channel is no longer suppressed"
        case ArchiveRecord():
            return _changed(_held(fresh[change.ref], change.expected), change.expected)
        case MergeRecords():
            return _merge(change, fresh)
        case _:
            return ""


def held_already(change: Change, fresh: Mapping[RecordRef, Contact]) -> str:
    """Return what tells that the records hold what `change` wants; empty when it is to be written.

    Whoever made it so, it was not this change: undoing it must not take theirs back.

    Args:
        change: What is to be written.
        fresh: Its records, just read; those that are gone are missing.

    Returns:
        One line without values.
    """
    if _lost(change, fresh):
        return ""
    if isinstance(change, UpdateFields):
        now = _held(fresh[change.ref], change.values)
        held = all(same(now[name], value) for name, value in change.values.items())
        return "the record already holds it" if held else ""
    # Without what stood before nothing can lift it again: it does no harm to write it twice.
    if isinstance(change, SuppressChannel) and change.before:
        silent = suppressed(fresh[change.ref], change.channel, change.address)
        return "the channel is suppressed already" if silent else ""
    return ""


def _lost(change: Change, fresh: Mapping[RecordRef, Contact]) -> str:
    for ref in members(change):
        if ref not in fresh:
            return "the record is gone"
        if fresh[ref].ref != ref:
            return "the record was merged into another"
    return ""


def _merge(change: MergeRecords, fresh: Mapping[RecordRef, Contact]) -> str:
    lacking = [n for n, value in change.fill.items() if _as_before(fresh, change, n, value)]
    if lacking:
        return f"the survivor was not given what the merge would lose: {', '.join(lacking)}"
    by_id = {ref.id: fresh[ref] for ref in members(change)}
    found = (_changed(_held(by_id[i], names), names) for i, names in change.expected.items())
    return next(filter(None, found), "")


def _as_before(
    fresh: Mapping[RecordRef, Contact], change: MergeRecords, name: str, value: Value
) -> bool:
    """Whether the survivor still holds what it held before it was to be given a value."""
    held = fresh[change.ref].value(name)
    return same(held, change.had.get(name)) and not same(held, value)


def _held(contact: Contact, names: Iterable[str]) -> dict[str, Value]:
    return {name: contact.value(name) for name in names}


def _changed(now: Mapping[str, Value], expected: Mapping[str, Value]) -> str:
    names = [name for name, value in now.items() if not same(value, expected.get(name))]
    return f"changed meanwhile: {', '.join(names)}" if names else ""


def same(one: Value, other: Value) -> bool:
    """Return whether two values are one to a person: Unicode forms and kinds of emptiness aside."""
    return one == other or canonical(one) == canonical(other)


def canonical(value: Value) -> Value:
    """Return the form in which values are compared: NFC, Unix line ends, empty text as None."""
    if not isinstance(value, str):
        return value
    return unicodedata.normalize("NFC", value).replace("\r\n", "\n") or None
