"""Changes of one call, gathered so that the corrected copy is written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_steward.sdk import (
    Change,
    Contact,
    CreateTask,
    Outcome,
    Status,
    UpdateFields,
    Value,
    change_key,
)
from crm_steward_file.changelog import Entry
from crm_steward_file.contacts import Reader
from crm_steward_file.corrected import Copy
from crm_steward_file.source import Row
from crm_steward_file.table import Table


@dataclass(frozen=True, slots=True)
class State:
    """The file as it stands now: the corrected copy if there is one of this original, else it.

    Args:
        table: The file.
        reader: Makes contacts of its rows.
        copy: Where corrections go.
        log: What was corrected so far.
        original: Hash of the original.
        corrected: Whether `table` is the copy.
    """

    table: Table
    reader: Reader
    copy: Copy
    log: list[Entry]
    original: str
    corrected: bool

    def known_ids(self) -> dict[int, str]:
        """Line → id of rows that were corrected: an e-mail put right does not rename its record."""
        if not self.corrected:
            return {}
        return {e.line: e.record for e in self.log if e.original == self.original}


class Batch:
    """The changes of one call on the file as it stands."""

    def __init__(self, state: State, found: dict[str, Row], at: str) -> None:
        self._state = state
        self._found = found
        self._at = at
        self._cells: dict[int, dict[int, Value]] = {}
        self._entries: list[Entry] = []
        self._tasks = {e.marker: e for e in state.log if e.change == "task"}

    def take(self, change: Change) -> Outcome:
        """Return how `change` will have ended once `write` has succeeded."""
        match change:
            case UpdateFields():
                return self._update(change)
            case CreateTask():
                return self._task(change)
            case _:
                return _outcome(change, Status.REJECTED, "a file cannot do that")

    def look(self, change: Change) -> Outcome:
        """Return whether `change` took effect."""
        match change:
            case CreateTask():
                entry = self._tasks.get(change.marker)
                status = Status.ABSENT if entry is None else Status.VERIFIED
                return _outcome(change, status, remote_id="" if entry is None else entry.key)
            case UpdateFields() if (row := self._found.get(change.ref.id)) is not None:
                contact = self._state.reader.contact(change.ref.id, row)
                if _holds(contact, change.values):
                    return _outcome(change, Status.VERIFIED)
                if _holds(contact, change.expected):
                    return _outcome(change, Status.ABSENT)
                return _outcome(
                    change, Status.CONFLICT, "it holds neither the old nor the new value"
                )
            case _:
                return _outcome(change, Status.ABSENT, "the record is no longer in the file")

    def write(self) -> None:
        """Write the copy, if there is anything to write."""
        if not self._entries and not self._cells:  # the log may have come before the copy
            return
        state = self._state
        copy = state.copy
        if copy.path.exists() and not state.corrected:
            _set_aside(copy, state.log)
        log = [*state.log, *self._entries]
        copy.write(state.table.source, self._cells, log)

    def _update(self, change: UpdateFields) -> Outcome:
        row = self._found.get(change.ref.id)
        if row is None:
            return _outcome(change, Status.REJECTED, "the record is no longer in the file")
        contact = self._state.reader.contact(change.ref.id, row)
        if _holds(contact, change.values):
            return _outcome(change, Status.VERIFIED, revision=contact)
        if not _holds(contact, change.expected):
            return _outcome(change, Status.CONFLICT, "a field holds something else by now")
        cells = self._targets(change, row)
        if isinstance(cells, str):
            return _outcome(change, Status.REJECTED, cells)
        after = _with(row, cells)
        updated = self._state.reader.contact(change.ref.id, after)
        if not _holds(updated, change.values):
            return _outcome(change, Status.REJECTED, "the column cannot hold the value")
        self._record(change, contact, row)
        self._found[change.ref.id] = after
        self._cells.setdefault(row.line, {}).update(cells)
        return _outcome(change, Status.VERIFIED, revision=updated)

    def _targets(self, change: UpdateFields, row: Row) -> dict[int, Value] | str:
        """Return which cells to set, or why it cannot be done."""
        cells: dict[int, Value] = {}
        for name, value in change.values.items():
            column = self._state.reader.column_for(name, row)
            if column is None:
                return f"no column holds the field {name}"
            if why := self._state.copy.refusal(self._state.table.source, value):
                return f"{name}: {why}"
            cells[column.index] = value
        return cells

    def _record(self, change: UpdateFields, before: Contact, row: Row) -> None:
        """Add lines to the log, but not those that stand there from a run that was cut off."""
        last = {(e.record, e.field): e.key for e in self._state.log}
        key = change_key(change)
        for name, value in change.values.items():
            if last.get((change.ref.id, name)) == key:
                continue
            column = self._state.reader.column_for(name, row)
            self._entries.append(
                Entry(
                    at=self._at,
                    change="update",
                    record=change.ref.id,
                    line=row.line,
                    column=column.name if column else "",
                    field=name,
                    before=_shown(before.value(name)),
                    after=_shown(value),
                    key=key,
                    original=self._state.original,
                )
            )

    def _task(self, change: CreateTask) -> Outcome:
        row = self._found.get(change.ref.id)
        if change.marker in self._tasks:
            return _outcome(change, Status.VERIFIED, remote_id=self._tasks[change.marker].key)
        if row is None:
            return _outcome(change, Status.REJECTED, "the record is no longer in the file")
        entry = Entry(
            at=self._at,
            change="task",
            record=change.ref.id,
            line=row.line,
            title=change.title,
            body=change.body,
            due=change.due.isoformat(),
            owner=change.owner or "",
            marker=change.marker,
            key=change_key(change),
            original=self._state.original,
        )
        self._entries.append(entry)
        self._tasks[change.marker] = entry
        return _outcome(change, Status.VERIFIED, remote_id=entry.key)


def _holds(contact: Contact, values: Mapping[str, Value]) -> bool:
    return all(contact.value(name) == value for name, value in values.items())


def _with(row: Row, cells: Mapping[int, Value]) -> Row:
    held = [*row.cells]
    for index, value in cells.items():
        held += [None] * (index + 1 - len(held))
        held[index] = value
    return Row(row.line, held)


def _shown(value: Value) -> str:
    return "" if value is None else str(value)


def _outcome(
    change: Change,
    status: Status,
    reason: str = "",
    *,
    remote_id: str = "",
    revision: Contact | None = None,
) -> Outcome:
    key = change_key(change)
    if revision is None:
        return Outcome(key=key, status=status, reason=reason, remote_id=remote_id)
    return Outcome(key=key, status=status, revision=revision.revision)


def _set_aside(copy: Copy, log: Sequence[Entry]) -> None:
    """Keep the corrected copy of an earlier export under a name of its own."""
    of = log[-1].original[:8] if log else "earlier"
    copy.path.replace(copy.path.with_name(f"{copy.path.stem}.{of}{copy.path.suffix}"))
