"""Proposed: what one action makes of one finding, before a rule's modes and limits are looked at."""

from __future__ import annotations

from typing import NamedTuple

from crm_steward.model import Change, RecordRef
from crm_steward.writing.withheld import Why


class Proposed(NamedTuple):
    """A change that an action asks for.

    Args:
        change: The change.
        detail: What more a person should know who approves it.
    """

    change: Change
    detail: str = ""


class Refused(NamedTuple):
    """Why an action makes nothing of a finding.

    Args:
        why: The reason.
        ref: The record it is about.
        detail: What the reason hangs on: names of fields, never values.
    """

    why: Why
    ref: RecordRef
    detail: str = ""
