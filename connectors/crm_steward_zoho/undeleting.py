"""Taking contacts out of the recycle bin: up to 200 a call, each row with its own outcome.

What hung on a loser of a merge stays with the survivor. Source: zoho.com/crm/developer/docs/api/v8/
restore-recycle-bin-records.html; more than 1,000 records, associated ones included, come back as a
job, and are settled later.
"""

from __future__ import annotations

from collections.abc import Sequence

from crm_steward.sdk import Outcome, RetryableError, Status, UndeleteRecords, ended
from crm_steward_zoho.errors import ZohoRefusedError, code_of, refusal_of
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.wire import Answer, Wire, is_id

SCOPE = "ZohoCRM.settings.recycle_bin.UPDATE"
_KEY = "recycle_bin"


class Undeleter:
    """Brings contacts of one organisation back.

    Args:
        wire: The organisation.
        reader: Reads records by id, and remembers our merges.
    """

    def __init__(self, wire: Wire, reader: Reader) -> None:
        self._wire = wire
        self._reader = reader

    def apply(self, change: UndeleteRecords) -> Outcome:
        """Bring back what of a change is not there.

        Raises:
            StewardError: It was not sent.
        """
        if not all(is_id(ref.id) for ref in change.records):
            return ended(change, Status.REJECTED, "this is no Zoho id")
        gone = self._gone(change)
        if not gone:
            return self._back(change)
        try:
            answer = self._wire.write(
                "POST",
                "/settings/recycle_bin/actions/restore",
                scope=SCOPE,
                body={"ids": gone},
                key=_KEY,
            )
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except ZohoRefusedError as error:
            return ended(change, Status.REJECTED, error.message)
        return self._told(change, gone, answer)

    def settle(self, change: UndeleteRecords) -> Outcome:
        """Tell whether contacts came back whose answer was lost."""
        if self._gone(change):
            return ended(change, Status.ABSENT, "a contact is still in the recycle bin")
        return self._back(change)

    def _gone(self, change: UndeleteRecords) -> list[str]:
        ids = [ref.id for ref in change.records]
        there = self._reader.records(ids)
        return [record_id for record_id in ids if record_id not in there]

    def _told(self, change: UndeleteRecords, gone: Sequence[str], answer: Answer) -> Outcome:
        rows = answer.rows(_KEY)
        if len(rows) != len(gone):
            return ended(change, Status.UNKNOWN, "the answer does not tell of every record")
        codes = [code_of(row) for row in rows]
        if all(code == "SUCCESS" for code in codes):
            return self._back(change)
        if any(code in {"", "SCHEDULED"} for code in codes):
            return ended(change, Status.UNKNOWN, "Zoho is still bringing records back")
        refused = next(row for row in rows if code_of(row) != "SUCCESS")
        done = codes.count("SUCCESS")
        if not done:
            return ended(change, Status.REJECTED, refusal_of(refused))
        reason = f"{done} of {len(gone)} records came back: {refusal_of(refused)}"
        return ended(change, Status.CONFLICT, reason)

    def _back(self, change: UndeleteRecords) -> Outcome:
        for ref in change.records:
            self._reader.merged.pop(ref.id, None)
        return ended(change)
