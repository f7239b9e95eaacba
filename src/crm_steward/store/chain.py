"""The chain: each line of the journal carries a hash of itself and of the line before it.

What a line says of a person is not hashed as it is: values can be guessed, and a hash of a
telephone number is soon turned back. It goes in as a hash with a random salt of its own, in two
parts, so that each can be forgotten later without breaking the chain:

* the *values*: the change with the values before and after, and the CRM's own words;
* the *subject*: which record, change and finding it is about.

Forgetting takes away the part and its salt. The salted hash stays, is still what the chain was made
of, and tells nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from crm_steward.store.columns import to_micros

GENESIS: Final = "0" * 64
"""What the first line says was before it."""

_VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    "update": {"values": {}, "expected": {}},
    "suppress": {"address": "", "reason": "", "before": ""},
    "lift": {"address": "", "reason": "", "before": "", "by": ""},
    "task": {"title": "", "body": ""},
    "close_task": {"reason": ""},
    "merge": {"expected": {}, "fill": {}, "had": {}, "golden": {}, "snapshot": {}},
    "archive": {"reason": "", "expected": {}},
    "undelete": {},
    "recreate": {"held": {}},
}
"""Kind of change → its parts that hold values, and what stands there once they are purged."""

_PLAIN: Final = ("seq", "run", "plan", "state", "kind", "connection", "rule", "undoes", "epoch")
"""Columns that the chain holds as they are: none of them tells of a person."""

_SUBJECT: Final = ("id", "remote_id", "key", "finding")


def outline(change: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a change, as JSON, without values: what it does to which record stays.

    Raises:
        KeyError: The kind is unknown: somebody must say which of its parts are values.
    """
    if change is None:
        return None
    emptied = _VALUES[change["kind"]]
    return {name: emptied.get(name, part) for name, part in change.items()}


def fields_of(change: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the fields that a change, as JSON, writes."""
    values: Mapping[str, Any] = (change or {}).get("values") or (change or {}).get("fill") or {}
    return sorted(values)


def linked(rows: Iterable[Mapping[str, Any]], previous: str) -> Iterator[dict[str, Any]]:
    """Yield rows of the journal with their salts and hashes, each linked to the one before.

    Args:
        rows: With every other column, `seq` included, in its order.
        previous: The hash of the last line that stands, or GENESIS.
    """
    for row in rows:
        made = {
            **row,
            "values_salt": secrets.token_hex(16),
            "subject_salt": secrets.token_hex(16),
            "previous": previous,
        }
        made["values_hash"] = values_hash(made["values_salt"], row["change"], row["reason"])
        made["subject_hash"] = subject_hash(made)
        made["hash"] = previous = line_hash(made)
        yield made


def values_hash(salt: str, change: Mapping[str, Any] | None, reason: str) -> str:
    """Return the hash that stands for a line's values."""
    return _digest([salt, change, reason])


def subject_hash(row: Mapping[Any, Any]) -> str:
    """Return the hash that stands for what a line is about."""
    parts = (row[name] for name in _SUBJECT)
    return _digest([row["subject_salt"], *parts, outline(row["change"])])


def line_hash(row: Mapping[Any, Any]) -> str:
    """Return the hash of a line: of what it says, and through `previous` of all lines before."""
    at: datetime = row["at"]
    return _digest(
        [
            row["previous"],
            *(row[name] for name in _PLAIN),
            row["fields"],
            to_micros(at),
            row["values_hash"],
            row["subject_hash"],
        ]
    )


def fault(row: Mapping[Any, Any], previous: str) -> str | None:
    """Say what does not fit about a line; None when all does.

    Args:
        row: The line with all its columns.
        previous: The hash of the line before it, or GENESIS.
    """
    if row["previous"] != previous:
        return "the line before it is not the one it was written after"
    if row["hash"] != line_hash(row):
        return "it does not say what it said when it was written"
    return _values_fault(row) or _subject_fault(row)


def _values_fault(row: Mapping[Any, Any]) -> str | None:
    salt, change = row["values_salt"], row["change"]
    if salt is None:
        purged = not row["reason"] and change == outline(change)
        return None if purged else "it holds values though they were purged"
    altered = row["values_hash"] != values_hash(salt, change, row["reason"])
    return "its values or its reason were altered" if altered else None


def _subject_fault(row: Mapping[Any, Any]) -> str | None:
    if row["subject_salt"] is None:
        return None if row["change"] is None else "it holds a change though the person was erased"
    altered = row["subject_hash"] != subject_hash(row)
    return "the record, change or finding it is about was altered" if altered else None


def _digest(parts: list[Any]) -> str:
    content = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
