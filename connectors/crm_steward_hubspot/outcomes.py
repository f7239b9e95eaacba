"""How changes end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from crm_steward.sdk import Change, Outcome, Revision, Status, change_key

C = TypeVar("C")

GONE = "the contact is gone"
UNREADABLE = "the contact cannot be read"


def ended(
    change: Change, status: Status, reason: str = "", *, remote_id: str = "", revision: str = ""
) -> Outcome:
    """Return how a change ended."""
    return Outcome(
        key=change_key(change),
        status=status,
        reason=reason,
        remote_id=remote_id,
        revision=Revision(revision),
    )


def of(kind: type[C], changes: Sequence[object]) -> list[C]:
    """Return the changes of one kind, in order."""
    return [change for change in changes if isinstance(change, kind)]
