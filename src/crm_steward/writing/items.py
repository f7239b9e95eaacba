"""Items: changes on their way, cut into batches and joined into writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from crm_steward.model import (
    Change,
    CloseTask,
    CreateTask,
    LiftSuppression,
    PlannedChange,
    RecordRef,
    UpdateFields,
)
from crm_steward.writing.compare import members


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One change on its way, and where it comes from.

    Args:
        planned: The change and why.
        plan: The plan's hash; empty when it undoes something.
        undoes: The seq of the intent that it takes back.
        alone: It failed before: it travels alone, so that it cannot spoil another.
    """

    planned: PlannedChange
    plan: str
    undoes: int | None = None
    alone: bool = False
    key: str = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.planned.change, LiftSuppression) and self.undoes is None:
            raise ValueError("a suppression is lifted only by undoing it")
        object.__setattr__(self, "key", self.planned.key)


@dataclass(frozen=True, slots=True)
class Written:
    """One write and the items it carries: updates of one record travel together."""

    change: Change
    items: tuple[Item, ...]


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut `items` into batches in which no field of a record is written twice, in order.

    What comes later on the same field (undoing several changes, newest first) waits for the next
    batch, where it is compared with what the earlier one wrote.

    Args:
        items: What is to be written, in order.
        size: How many one batch may hold.
    """
    batch: list[Item] = []
    taken: dict[RecordRef, set[str]] = {}
    for item in items:
        parts = _parts(item)
        refs = members(item.planned.change) or (item.planned.change.ref,)
        if len(batch) >= size or any(_clash(taken.get(ref, set()), parts) for ref in refs):
            yield batch
            batch, taken = [], {}
        batch.append(item)
        for ref in refs:
            taken.setdefault(ref, set()).update(parts)
    if batch:
        yield batch


_WHOLE = "*"


def _parts(item: Item) -> set[str]:
    """Return which parts of its record an item touches: fields, one task, or all of it."""
    change = item.planned.change
    if isinstance(change, UpdateFields) and not item.alone:
        return set(change.values)
    if isinstance(change, CreateTask | CloseTask) and not item.alone:
        return {change.marker}
    return {_WHOLE}


def _clash(taken: set[str], parts: set[str]) -> bool:
    return bool(taken) and (_WHOLE in taken or _WHOLE in parts or bool(taken & parts))


def combined(items: Sequence[Item]) -> list[Written]:
    """Join updates of one record into one write, at the place of the first."""
    groups: dict[RecordRef | str, list[Item]] = {}
    for item in items:
        change = item.planned.change
        place = change.ref if isinstance(change, UpdateFields) else item.key
        groups.setdefault(place, []).append(item)
    return [
        Written(_joined([item.planned.change for item in group]), tuple(group))
        for group in groups.values()
    ]


def _joined(changes: Sequence[Change]) -> Change:
    updates = [change for change in changes if isinstance(change, UpdateFields)]
    if len(changes) == 1 or len(updates) != len(changes):
        return changes[0]
    return UpdateFields(
        ref=updates[0].ref,
        values={name: value for update in updates for name, value in update.values.items()},
        expected={name: value for update in updates for name, value in update.expected.items()},
    )
