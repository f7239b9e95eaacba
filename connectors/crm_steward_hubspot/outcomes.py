"""How changes end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from crm_steward.sdk import Change, Outcome, Status, ended

C = TypeVar("C")

GONE = "the contact is gone"
UNREADABLE = "the contact cannot be read"
NEVER_LIFTED = "HubSpot takes an opt-out back only by a new subscription, which the person makes"
NEVER_ANEW = "HubSpot keeps a merged contact's address with the survivor and refuses it elsewhere"
NEVER_BACK = "HubSpot's API brings no contact back"


def of(kind: type[C], changes: Sequence[object]) -> list[C]:
    """Return the changes of one kind, in order."""
    return [change for change in changes if isinstance(change, kind)]


def never(changes: Iterable[Change], why: str) -> Iterator[Outcome]:
    """Refuse changes for which HubSpot has no way."""
    yield from (ended(change, Status.REJECTED, why) for change in changes)
