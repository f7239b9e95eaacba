"""What can go wrong between a connector and a CRM."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong with one change."""

    LOST_ANSWER = "lost answer"
    """It takes effect, and the connection breaks before the answer."""
    NOT_SENT = "not sent"
    """The connection breaks before it takes effect, which nobody can know."""
    CLOSED = "quota closed"
    """It is certainly not sent: the CRM's quota is closed."""
    MISSING_ROW = "missing row"
    """It takes effect, but the answer leaves it out (a batch answered in part)."""
    SILENT_NOOP = "silent no-op"
    """The answer says success and leaves it out; nothing happened."""
    REJECTED = "rejected"
    """The CRM refuses it."""
