"""How changes end, in one line each."""

from __future__ import annotations

from crm_steward.sdk import Change, Outcome, Revision, Status, change_key


def ended(
    change: Change, status: Status, reason: str = "", *, remote_id: str = "", revision: str = ""
) -> Outcome:
    """Return how one change ended."""
    return Outcome(
        key=change_key(change),
        status=status,
        reason=reason,
        remote_id=remote_id,
        revision=Revision(revision),
    )
