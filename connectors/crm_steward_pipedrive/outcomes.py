"""How a change ended, in one call."""

from __future__ import annotations

from crm_steward.sdk import Change, Outcome, Revision, Status, change_key


def ended(
    change: Change, status: Status, reason: str = "", *, remote_id: str = "", revision: str = ""
) -> Outcome:
    """Return how a change ended.

    Args:
        change: The change.
        status: How it ended.
        reason: Why, without personal data.
        remote_id: The id of what was created, or of the survivor.
        revision: The record's revision afterwards.
    """
    return Outcome(
        key=change_key(change),
        status=status,
        reason=reason,
        remote_id=remote_id,
        revision=Revision(revision),
    )
