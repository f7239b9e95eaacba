"""Merging: one loser after the other disappears into the survivor, for good.

Pipedrive merges two at a time; the person in the address disappears, the one in the body
survives and wins, and what it lacks it takes over. Before the first merge the survivor is given
what would be lost: a withdrawal of consent, and the losers' further addresses and numbers.
Source: pipedrive.readme.io/docs/merging-two-persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crm_steward.sdk import (
    MergeRecords,
    Outcome,
    RecordRejectedError,
    RetryableError,
    Status,
    StewardError,
    ended,
)
from crm_steward_pipedrive.consent import (
    SUBSCRIBED,
    NotShownError,
    Suppressor,
    status_of,
    withdrawn,
)
from crm_steward_pipedrive.mapping import id_of
from crm_steward_pipedrive.patching import sendable, with_primary
from crm_steward_pipedrive.reading import Reader
from crm_steward_pipedrive.records import Records
from crm_steward_pipedrive.values import entries_of
from crm_steward_pipedrive.wire import Document, Wire, row_of

MERGE_COST, UPDATE_COST = 40, 5


class Merger:
    """Merges persons in one account.

    Args:
        wire: The account.
        records: Reads persons by id.
        reader: Remembers who was merged into whom.
        suppressor: Withdraws consent.
    """

    def __init__(
        self, wire: Wire, records: Records, reader: Reader, suppressor: Suppressor
    ) -> None:
        self._wire = wire
        self._records = records
        self._reader = reader
        self._suppressor = suppressor

    def merge(self, change: MergeRecords) -> Outcome:
        """Make a merge.

        Raises:
            StewardError: Nothing was sent.
        """
        survivor = change.ref.id
        losers = [one.id for one in change.losers if self._reader.survivor(one.id) != survivor]
        rows = self._records.persons([int(one) for one in (survivor, *losers) if one.isdecimal()])
        gone = [one for one in (survivor, *losers) if not one.isdecimal() or int(one) not in rows]
        if gone:
            return ended(change, Status.CONFLICT, f"gone meanwhile: {', '.join(gone)}")
        held = rows[int(survivor)]
        others = [rows[int(one)] for one in losers]
        try:
            self._prepare(int(survivor), held, others)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except NotShownError:
            return ended(change, Status.UNKNOWN, "the answer does not show the survivor")
        except RecordRejectedError as error:
            return ended(change, Status.REJECTED, error.message)
        return self._chain(change, losers)

    def settle(self, change: MergeRecords) -> Outcome:
        """Look which of the losers are gone: those were merged, as nobody else can tell."""
        members = [one.id for one in (change.ref, *change.losers) if one.id.isdecimal()]
        rows = self._records.persons([int(one) for one in members])
        if not change.ref.id.isdecimal() or int(change.ref.id) not in rows:
            return ended(change, Status.CONFLICT, "the survivor is gone")
        gone = [one for one in change.losers if not one.id.isdecimal() or int(one.id) not in rows]
        if len(gone) == len(change.losers):
            self._reader.merged |= {one.id: change.ref.id for one in gone}
            return ended(change, Status.VERIFIED, remote_id=change.ref.id)
        if not gone:
            return ended(change, Status.ABSENT, "the losers are still there")
        return ended(change, Status.CONFLICT, _halfway(len(gone), change))

    # -- before the first merge ---------------------------------------------------------------

    def _prepare(self, survivor: int, held: Document, others: Sequence[Document]) -> None:
        """Give the survivor what merging would lose.

        Raises:
            RecordRejectedError: It cannot be given a withdrawal of consent.
        """
        if _lends(held, others):
            raise RecordRejectedError(
                "the survivor may be mailed and has no address; it would take over one that may not"
            )
        if any(map(withdrawn, others)) and not withdrawn(held):
            refusal = self._suppressor.withdraw(survivor)
            if refusal:
                raise RecordRejectedError(f"a loser withdrew from mail, and {refusal}")
        body = {
            part: lists
            for part in ("emails", "phones")
            if (lists := _united(held.get(part), [other.get(part) for other in others]))
        }
        if body:
            self._wire.call(
                lambda api: api.v2._patch(f"{api.v2.BASE_URL}persons/{survivor}", json=body),  # noqa: SLF001 -- the library's method sends PUT
                cost=UPDATE_COST,
                repeatable=False,
            )

    # -- one after the other ------------------------------------------------------------------

    def _chain(self, change: MergeRecords, losers: Sequence[str]) -> Outcome:
        done = len(change.losers) - len(losers)
        for loser in losers:
            try:
                merged = self._once(loser, change.ref.id)
            except RetryableError as error:
                if not error.sent and not done:
                    raise
                return ended(change, Status.UNKNOWN, error.message)
            except StewardError as error:
                if not isinstance(error, RecordRejectedError) and not done:
                    raise
                status = Status.CONFLICT if done else Status.REJECTED
                reason = f"{_halfway(done, change)}: {error.message}" if done else error.message
                return ended(change, status, reason)
            if not merged:
                return ended(change, Status.UNKNOWN, "the answer does not show the survivor")
            self._reader.merged[loser] = change.ref.id
            done += 1
        return ended(change, Status.VERIFIED, remote_id=change.ref.id)

    def _once(self, loser: str, survivor: str) -> bool:
        body = {"merge_with_id": int(survivor)}
        answer = self._wire.call(
            lambda api: api.v1._put(f"{api.v1.BASE_URL}persons/{loser}/merge", json=body),  # noqa: SLF001 -- the library has no such method
            cost=MERGE_COST,
            repeatable=False,
        )
        return id_of(row_of(answer)) == int(survivor)


def _lends(held: Document, others: Sequence[Document]) -> bool:
    """Whether an address that may not be mailed would fall under the survivor's consent."""
    if status_of(held) != SUBSCRIBED or entries_of(held.get("emails")):
        return False
    return any(entries_of(o.get("emails")) and status_of(o) != SUBSCRIBED for o in others)


def _united(held: Any, others: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the survivor's list with what only the others have; empty when nothing is added."""
    entries = sendable(entries_of(held))
    seen = {entry["value"].strip().casefold() for entry in entries}
    added = []
    for other in others:
        for entry in sendable(entries_of(other)):
            key = entry["value"].strip().casefold()
            if key not in seen:
                seen.add(key)
                added.append({**entry, "primary": False})
    return with_primary([*entries, *added]) if added else []


def _halfway(done: int, change: MergeRecords) -> str:
    return f"{done} of {len(change.losers)} records were merged"
