"""Proposed: what one action makes of one finding, before a rule's modes and limits are looked at."""

from __future__ import annotations

from dataclasses import dataclass

from crm_steward.model import Change, RecordRef
from crm_steward.writing.withheld import Why


@dataclass(frozen=True, slots=True)
class Proposed:
    """A change that an action asks for.

    Args:
        change: The change.
        detail: What more a person should know who approves it.
    """

    change: Change
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an action makes nothing of a finding.

    Args:
        why: The reason.
        ref: The record it is about.
        detail: What the reason hangs on: names of fields, never values.
    """

    why: Why
    ref: RecordRef
    detail: str = ""
