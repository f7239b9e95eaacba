"""Changes: what crm-steward can do to a CRM, as a closed union.

Each carries the values it expects to find, so that nothing is overwritten blindly, and an
idempotency key made of its content, so that nothing is written twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from enum import StrEnum
from typing import Any, assert_never

from crm_steward.model.consent import Channel
from crm_steward.model.contact import RecordRef, Value
from crm_steward.model.golden import GoldenValue


class Reversibility(StrEnum):
    """Whether a change can be taken back; shown before it is approved."""

    REVERSIBLE = "reversible"
    PARTLY = "partly"
    IRREVERSIBLE = "irreversible"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFields:
    """Set fields of one record, each only if it still holds the expected value.

    Args:
        ref: The record.
        values: Canonical field (or `extra.<name>`) → new value; None clears it.
        expected: The same fields → the value the plan was made from.
    """

    ref: RecordRef
    values: Mapping[str, Value]
    expected: Mapping[str, Value]

    reversibility = Reversibility.REVERSIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressChannel:
    """Stop contacting an address through a channel: restricting only, never the reverse.

    Args:
        ref: The record.
        channel: What falls silent.
        address: Which e-mail or number; empty for what the CRM keeps on the record.
        reason: Why, for the CRM; no personal data.
        before: What was said of the address until then: the label of a status, or NOTHING_SAID;
            empty when it was not noted.
    """

    ref: RecordRef
    channel: Channel
    address: str
    reason: str
    before: str = ""

    reversibility = Reversibility.PARTLY


NOTHING_SAID = "nothing"
"""What a suppression notes of an address of which nothing was known before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftSuppression:
    """Take back a suppression that was a mistake: the channel may be used as it could be before.

    It loosens. No rule asks for it and no plan holds one: only a person undoing a suppression does,
    by name and with a reason, and the journal keeps both.

    Args:
        ref: The record.
        channel: What may be used again.
        address: Which e-mail or number, as in the suppression.
        before: What was said of the address before it was suppressed.
        reason: Why, in the words of the person who answers for it.
        by: Who that is.
    """

    ref: RecordRef
    channel: Channel
    address: str
    before: str
    reason: str
    by: str

    reversibility = Reversibility.REVERSIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTask:
    """Ask a person to look at a record, in the CRM they already use.

    Args:
        ref: The record it is attached to.
        title: One line.
        body: Plain text.
        due: The day it is due.
        owner: The CRM's id of the person it is for; None for nobody in particular.
        marker: What settle looks for in the CRM; one task exists per marker.
    """

    ref: RecordRef
    title: str
    body: str
    due: date
    marker: str
    owner: str | None = None

    reversibility = Reversibility.REVERSIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTask:
    """Mark a task that we made as done, because what it asked for is no longer to be done.

    Nothing of the record is read or written, so that a task can be closed whose record is gone.

    Args:
        ref: The record it was made for.
        task: The CRM's id of the task.
        marker: What the task bears if it still is the one we made.
        reason: Why, in one line for people; the CRM is not told.
    """

    ref: RecordRef
    task: str
    marker: str
    reason: str = ""

    # People can open it again, but some CRMs count what is done as activity on the record.
    reversibility = Reversibility.PARTLY


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRecords:
    """Fold records of one connection into a survivor.

    Args:
        ref: The survivor.
        losers: The records that disappear into it, in order.
        expected: Member id → field → value the plan was made from; of the survivor's, what it
            holds once it was given `fill`.
        fill: Field → value that the survivor is given before: the CRM's own merge would lose it.
        had: The same fields → what the survivor held there.
        golden: Field → what the survivor holds afterwards, and why.
        snapshot: Member id → all that was known of it just before, JSON-ready; empty in a plan.
    """

    ref: RecordRef
    losers: tuple[RecordRef, ...]
    expected: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    fill: Mapping[str, Value] = field(default_factory=dict)
    had: Mapping[str, Value] = field(default_factory=dict)
    golden: Mapping[str, GoldenValue] = field(default_factory=dict)
    snapshot: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    reversibility = Reversibility.IRREVERSIBLE

    @property
    def filling(self) -> UpdateFields | None:
        """What is written to the survivor before, as a change of its own; None for nothing."""
        return (
            UpdateFields(ref=self.ref, values=self.fill, expected=self.had) if self.fill else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRecord:
    """Move a record to the CRM's recycle bin or archive.

    Args:
        ref: The record.
        reason: Why, for people; no personal data.
        expected: Field → value the plan was made from; another one now forbids it.
    """

    ref: RecordRef
    reason: str
    expected: Mapping[str, Value] = field(default_factory=dict)

    reversibility = Reversibility.PARTLY


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeleteRecords:
    """Take records out of the CRM's recycle bin again, under the ids that they had.

    Args:
        ref: The record that was archived, or the survivor of the merge.
        records: Those that come back.
    """

    ref: RecordRef
    records: tuple[RecordRef, ...]

    # What hung on the losers of a merge stays with the survivor.
    reversibility = Reversibility.PARTLY


@dataclass(frozen=True, slots=True, kw_only=True)
class RecreateRecords:
    """Make records anew that went into a merge: under new ids, and no more contactable than before.

    Args:
        ref: The survivor of the merge; it stays as it is.
        records: Those that are made anew, by their old names.
        held: Old id → what the merge's snapshot has of it.
        since: When they were merged (ISO 8601): what was there before was not made by this.
    """

    ref: RecordRef
    records: tuple[RecordRef, ...]
    held: Mapping[str, Mapping[str, Any]]
    since: str

    # They are not the old ones: what hung on those stays with the survivor.
    reversibility = Reversibility.IRREVERSIBLE


Change = (
    UpdateFields
    | SuppressChannel
    | LiftSuppression
    | CreateTask
    | CloseTask
    | MergeRecords
    | ArchiveRecord
    | UndeleteRecords
    | RecreateRecords
)

_TYPES: Mapping[str, type[Change]] = {
    "update": UpdateFields,
    "suppress": SuppressChannel,
    "lift": LiftSuppression,
    "task": CreateTask,
    "close_task": CloseTask,
    "merge": MergeRecords,
    "archive": ArchiveRecord,
    "undelete": UndeleteRecords,
    "recreate": RecreateRecords,
}
_LATER = ("fill", "had", "golden", "snapshot")
"""Parts of a merge that there were not always."""
_NAMES = {cls: name for name, cls in _TYPES.items()}
_PARTS = {cls: tuple(part.name for part in fields(cls)) for cls in _NAMES}


def kind_of(change: Change) -> str:
    """Return the change's name (`update`, `task`, …), as in rules, plans and the journal."""
    return _NAMES[type(change)]


def change_to_json(change: Change) -> dict[str, Any]:
    """Return `change` as JSON-ready values, with its `kind`."""
    # Most parts are text; to ask whether they are mappings takes long.
    content = {
        name: part if isinstance(part := getattr(change, name), str) else _copied(part)
        for name in _PARTS[type(change)]
    }
    content["ref"] = str(change.ref)
    if isinstance(change, MergeRecords):
        content["losers"] = [str(ref) for ref in change.losers]
        content["golden"] = {name: one.to_json() for name, one in change.golden.items()}
        # A merge without them reads as it did before there were any.
        content = {k: v for k, v in content.items() if v or k not in _LATER}
    if isinstance(change, UndeleteRecords | RecreateRecords):
        content["records"] = [str(ref) for ref in change.records]
    if isinstance(change, SuppressChannel) and not change.before:
        del content["before"]  # one without it reads as it did before there was any
    if isinstance(change, CreateTask):
        content["due"] = change.due.isoformat()
    return {"kind": kind_of(change), **content}


def _copied(value: Any) -> Any:
    """Copy mappings, inside and out: what is made of the JSON must not reach the change."""
    if isinstance(value, Mapping):
        return {name: _copied(part) for name, part in value.items()}
    return value


def change_from_json(content: Mapping[str, Any]) -> Change:
    """Read back what `change_to_json` wrote.

    Raises:
        KeyError: The kind is unknown or a part is missing.
    """
    values = {key: value for key, value in content.items() if key != "kind"}
    values["ref"] = RecordRef.parse(values["ref"])
    if content["kind"] == "merge":
        values["losers"] = tuple(RecordRef.parse(ref) for ref in values["losers"])
        golden = values.get("golden", {})
        values["golden"] = {name: GoldenValue.from_json(one) for name, one in golden.items()}
    if content["kind"] in ("undelete", "recreate"):
        values["records"] = tuple(RecordRef.parse(ref) for ref in values["records"])
    if content["kind"] == "task":
        values["due"] = date.fromisoformat(values["due"])
    if content["kind"] in ("suppress", "lift"):
        values["channel"] = Channel(values["channel"])
    return _TYPES[content["kind"]](**values)


def change_key(change: Change, known: dict[str, Any] | None = None) -> str:
    """Return the idempotency key of `change`: the same on every machine, from its content.

    A task's identity is its record and its marker alone: a new wording or due date is not a
    new task, nor is another reason to close it another closing. What a merge's members held besides
    what it expects makes it no other one. What was said before a suppression
    makes it no other one, nor does it matter who lifts it and why.

    Args:
        change: The change.
        known: What `change_to_json` returned for it, where that is known.

    Returns:
        32 hexadecimal digits.
    """
    match change:
        case CreateTask():
            return task_key(change.ref, change.marker)
        case CloseTask():
            content: dict[str, Any] = {
                "kind": "close_task",
                "ref": str(change.ref),
                "task": change.task,
                "marker": change.marker,
            }
        case SuppressChannel():
            return _named(_of_texts(_without(known or change_to_json(change), "before")))
        case LiftSuppression():
            content = _without(known or change_to_json(change), "reason", "by")
        case MergeRecords():
            content = _without(known or change_to_json(change), "snapshot")
        case RecreateRecords():
            records = sorted(str(ref) for ref in change.records)
            content = {"kind": "recreate", "ref": str(change.ref), "records": records}
        case UpdateFields() | ArchiveRecord() | UndeleteRecords():
            content = change_to_json(change) if known is None else known
        case _:
            assert_never(change)
    return _key(content)


def task_key(ref: RecordRef, marker: str) -> str:
    """Return the key of the task with this marker at a record, whatever its words are."""
    return _named(_of_texts({"kind": "task", "ref": str(ref), "marker": marker}))


def _without(content: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in names}


def _key(content: Mapping[str, Any]) -> str:
    return _named(_CANONICAL(content))


def _named(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _of_texts(content: Mapping[str, str]) -> str:
    """Return what `_CANONICAL` makes of texts, in a third of the time: there are many such keys."""
    parts = [f"{_QUOTED(name)}:{_QUOTED(text)}" for name, text in sorted(content.items())]
    return f"{{{','.join(parts)}}}"


_QUOTED = json.encoder.encode_basestring
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
