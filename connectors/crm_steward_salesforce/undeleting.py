"""Taking contacts out of the recycle bin: only the SOAP API can, all of a change or none.

What hung on a loser of a merge stays with the survivor. Source: SOAP API Developer Guide,
`undelete()`: "You can undelete records that were deleted as the result of a merge, but the child
objects will have been re-parented, which cannot be undone."
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context as Surroundings

from crm_steward.sdk import (
    Outcome,
    RetryableError,
    Status,
    StewardError,
    UndeleteRecords,
    ended,
)
from crm_steward_salesforce.errors import LockedError, SalesforceRejectedError
from crm_steward_salesforce.records import Records, State
from crm_steward_salesforce.values import ID, short
from crm_steward_salesforce.wire import Wire


class Undeleter:
    """Brings contacts of one org back.

    Args:
        wire: The org.
        records: Tells where records are.
    """

    def __init__(self, wire: Wire, records: Records) -> None:
        self._wire = wire
        self._records = records

    def undelete(self, change: UndeleteRecords) -> Outcome:
        """Bring back what of a change is in the recycle bin.

        Raises:
            StewardError: It was not sent.
        """
        if not all(ID.fullmatch(ref.id) for ref in change.records):
            return ended(change, Status.REJECTED, "this is no Salesforce id")
        states = self._states(change)
        refusal = _refusal(change, states)
        if refusal is not None:
            return refusal
        gone = [state.id for state in states.values() if state.deleted]
        return self._sent(change, gone) if gone else ended(change)

    def _sent(self, change: UndeleteRecords, gone: Sequence[str]) -> Outcome:
        try:
            self._wire.undelete(gone)
        except LockedError as error:
            return ended(change, Status.UNKNOWN, error.message)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except SalesforceRejectedError as error:
            return ended(change, Status.REJECTED, error.message)
        return self._shown(change)

    def settled(self, change: UndeleteRecords) -> Outcome:
        """Say whether contacts came back whose answer was lost."""
        states = self._states(change)
        refusal = _refusal(change, states)
        if refusal is not None:
            return refusal
        if any(state.deleted for state in states.values()):
            return ended(change, Status.ABSENT, "a contact is still in the recycle bin")
        return ended(change)

    def _states(self, change: UndeleteRecords) -> Mapping[str, State]:
        states = self._records.states([ref.id for ref in change.records])
        return {short(state.id): state for state in states}

    def _shown(self, change: UndeleteRecords) -> Outcome:
        """Look whether they are there: what was sent must be known, however late it is."""
        try:
            outcome = Surroundings().run(self.settled, change)
        except StewardError as error:
            return ended(change, Status.UNKNOWN, f"it was sent, and not seen yet: {error.message}")
        if outcome.status is Status.VERIFIED:
            return outcome
        return ended(change, Status.UNKNOWN, "a contact is not seen yet")


def _refusal(change: UndeleteRecords, states: Mapping[str, State]) -> Outcome | None:
    """Return why the records cannot come back, or None."""
    purged = [ref.id for ref in change.records if short(ref.id) not in states]
    if purged:
        reason = f"{', '.join(purged)} is no longer in the recycle bin"
        return ended(change, Status.REJECTED, reason)
    archived = change.records == (change.ref,)
    if archived and any(state.deleted and state.master for state in states.values()):
        return ended(change, Status.CONFLICT, "the contact was merged into another since")
    return None
