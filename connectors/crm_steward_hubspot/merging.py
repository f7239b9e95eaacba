"""Merging: two at a time, irreversibly, under an id that only the answer tells.

HubSpot keeps the primary's values, fills its blanks and keeps its e-mail address; the other's
address becomes an additional one. An opt-out stays with its address. Marketing mail goes to the
survivor's own address, so that a person who withdrew under the other address would be written to
again. Before anything is merged, what was withdrawn under a loser's address is therefore withdrawn
under the address that will be the survivor's; and a legal basis that only a loser had is taken off
the survivor. Source: knowledge.hubspot.com/records/merge-records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextvars import Context as Surroundings
from dataclasses import dataclass
from typing import Any

from crm_steward.sdk import (
    Contact,
    MergeRecords,
    Outcome,
    Poison,
    RetryableError,
    Status,
    StewardError,
    change_key,
    ended,
)
from crm_steward_hubspot.consents import LEGAL_BASIS, opt_outs, wider
from crm_steward_hubspot.documents import Document, held_by, id_of
from crm_steward_hubspot.errors import HubSpotForbiddenError, HubSpotRejectedError
from crm_steward_hubspot.optouts import Unsubscriber
from crm_steward_hubspot.reading import Reader
from crm_steward_hubspot.values import read_text
from crm_steward_hubspot.wire import Wire

IDENTITIES = 250
"""Most records, merged ones and their former ids included, that may be in one."""

_REASON = "withdrawn under another address of the same person"


@dataclass(frozen=True, slots=True)
class _Done:
    """How far a chain of merges came.

    Args:
        survivor: The id of what has been merged so far.
        merged: How many records went into it.
        failure: What ended the chain early.
    """

    survivor: str
    merged: int
    failure: StewardError | None = None


class Merges:
    """Merges contacts and settles it.

    Args:
        wire: The account.
        reader: Reads contacts by id.
        unsubscriber: Unsubscribes addresses.
    """

    def __init__(self, wire: Wire, reader: Reader, unsubscriber: Unsubscriber) -> None:
        self._wire = wire
        self._reader = reader
        self._unsubscriber = unsubscriber
        self._bases: dict[str, str | None] = {}
        """Key of a merge whose answer was lost → the legal basis its survivor may have."""

    def apply(self, changes: Sequence[MergeRecords]) -> Iterator[Outcome]:
        """Merge in order.

        Raises:
            StewardError: What has no outcome was not sent.
        """
        for change in changes:
            outcome, failure = self._merge(change)
            if outcome:
                yield outcome
            if failure:
                raise failure

    def settle(
        self, changes: Sequence[MergeRecords], found: Mapping[str, Contact | Poison]
    ) -> Iterator[Outcome]:
        """Look where the losers lead to now."""
        for change in changes:
            survivor = _now(found.get(change.ref.id))
            inside = sum(_now(found.get(loser.id)) == survivor for loser in change.losers)
            if not survivor:
                yield ended(change, Status.REJECTED, "the survivor is gone")
            elif inside == len(change.losers):
                yield self._came_true(change, found[change.ref.id], survivor)
            elif not inside:
                yield ended(change, Status.ABSENT, "the records are not merged")
            else:
                yield ended(change, Status.CONFLICT, _part(inside, change))

    def _came_true(self, change: MergeRecords, contact: Contact | Poison, survivor: str) -> Outcome:
        """Say how a merge ended that took effect unseen: with a legal basis of a loser's, perhaps.

        Only who sent it knows which basis the survivor may have; HubSpot does not tell any more.
        """
        key = change_key(change)
        held = contact.consents if isinstance(contact, Contact) else ()
        bases = [one.basis for one in held if one.status.mailable]
        if key in self._bases and any(wider(basis, self._bases[key]) for basis in bases):
            reason = f"merged into {survivor}, which got a legal basis: take it off by hand"
            return ended(change, Status.CONFLICT, reason, remote_id=survivor)
        return ended(change, Status.VERIFIED, remote_id=survivor)

    def _merge(self, change: MergeRecords) -> tuple[Outcome | None, StewardError | None]:
        """Merge one group; return how it ended, and what the next ones must not be tried for."""
        members = [change.ref.id, *(loser.id for loser in change.losers)]
        records = self._reader.records(members)
        refused = _unfit(change, records)
        if refused:
            return refused, None
        start = id_of(records[change.ref.id])
        rest = [loser.id for loser in change.losers if id_of(records[loser.id]) != start]
        if not rest:
            return ended(change, Status.VERIFIED, remote_id=start), None
        group = [records[change.ref.id], *(records[record_id] for record_id in rest)]
        try:
            self._restrict(group)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message), None
        except (HubSpotForbiddenError, HubSpotRejectedError) as error:
            reason = f"the merge would lose an opt-out: {error.message}"
            return ended(change, Status.REJECTED, reason), None
        done = self._chain(start, rest)
        inside = len(change.losers) - len(rest) + done.merged
        if done.failure:
            self._bases[change_key(change)] = read_text(held_by(_owner(group)).get(LEGAL_BASIS))
            return _stopped(change, inside, done.failure)
        # It was sent: what has to be known and mended now does not depend on the core's reading.
        return Surroundings().run(self._check, change, group, done.survivor), None

    def _chain(self, survivor: str, losers: Sequence[str]) -> _Done:
        """Merge one record after the other; each answer names the id to go on with."""
        for merged, loser in enumerate(losers):
            body = {"primaryObjectId": survivor, "objectIdToMerge": loser}

            def send(body: Mapping[str, str] = body) -> Document:
                return self._wire.call(self._wire.contacts.merge, body, repeatable=False)

            try:
                # The core watches the first step; a chain that was begun is brought to its end.
                answer = Surroundings().run(send) if merged else send()
            except StewardError as error:
                return _Done(survivor, merged, error)
            if not id_of(answer):
                return _Done(survivor, merged, RetryableError("the answer names no survivor"))
            survivor = id_of(answer)
        return _Done(survivor, len(losers))

    # -- consent ------------------------------------------------------------------------------

    def _restrict(self, group: Sequence[Any]) -> None:
        """Withdraw under the survivor's address what was withdrawn under a loser's.

        Nothing is sent when nothing would be lost.

        Raises:
            StewardError: It could not be done.
        """
        owner = _owner(group)
        address = read_text(held_by(owner).get("email")) or ""
        shown = opt_outs(held_by(owner))
        others = [held_by(record) for record in group if record is not owner]
        if address:
            self._unsubscriber.carry(address, shown, others, _REASON)

    def _check(self, change: MergeRecords, group: Sequence[Any], survivor: str) -> Outcome:
        """Read the survivor; take a legal basis off that its own address never had."""
        try:
            record = self._reader.records([survivor]).get(survivor)
        except StewardError as error:
            self._bases[change_key(change)] = read_text(held_by(_owner(group)).get(LEGAL_BASIS))
            return ended(change, Status.UNKNOWN, error.message)
        if record is None:
            return ended(change, Status.UNKNOWN, f"the survivor {survivor} cannot be read")
        before = read_text(held_by(_owner(group)).get(LEGAL_BASIS))
        after = read_text(held_by(record).get(LEGAL_BASIS))
        if wider(after, before):
            try:
                self._set_basis(id_of(record), before)
            except StewardError as error:
                reason = f"merged into {survivor}, which got a legal basis: {error.message}"
                return ended(change, Status.CONFLICT, reason)
        revision = read_text(held_by(record).get("lastmodifieddate")) or ""
        return ended(change, Status.VERIFIED, remote_id=id_of(record), revision=revision)

    def _set_basis(self, record_id: str, basis: str | None) -> None:
        properties = {LEGAL_BASIS: basis or ""}
        self._wire.call(self._wire.contacts.update, record_id, {"properties": properties})


def _owner(group: Sequence[Any]) -> Any:
    """Return the record whose address will be the survivor's: the first that has one."""
    return next((record for record in group if held_by(record).get("email")), group[0])


def _unfit(change: MergeRecords, records: Mapping[str, Any]) -> Outcome | None:
    """Return how a merge ends that is not to be tried; nothing has been sent."""
    members = [change.ref.id, *(loser.id for loser in change.losers)]
    gone = [record_id for record_id in members if record_id not in records]
    if gone:
        return ended(change, Status.REJECTED, f"gone: {', '.join(gone)}")
    survivor = id_of(records[change.ref.id])
    inside = [loser for loser in change.losers if id_of(records[loser.id]) == survivor]
    if survivor != change.ref.id and not inside:
        return ended(change, Status.CONFLICT, f"the survivor was merged into {survivor}")
    for loser in change.losers:
        if id_of(records[loser.id]) not in {loser.id, survivor}:
            elsewhere = id_of(records[loser.id])
            return ended(change, Status.CONFLICT, f"{loser.id} was merged into {elsewhere}")
    count = _identities(change, records)
    if count > IDENTITIES:
        reason = f"it would come to {count} identities, and HubSpot takes {IDENTITIES} in a contact"
        return ended(change, Status.REJECTED, reason)
    return None


def _identities(change: MergeRecords, records: Mapping[str, Any]) -> int:
    """Return how many ids the merged record might answer to: each merge may cost both of its own.

    Counted before the first merge, as a chain that ends half way cannot be taken back.
    """
    found = {id_of(record): record for record in records.values()}
    held = (read_text(held_by(one).get("hs_merged_object_ids")) or "" for one in found.values())
    before = sum(len(list(filter(None, merged.split(";")))) for merged in held)
    left = [one for one in change.losers if id_of(records[one.id]) != id_of(records[change.ref.id])]
    return before + 2 * len(left)


def _stopped(
    change: MergeRecords, inside: int, failure: StewardError
) -> tuple[Outcome | None, StewardError | None]:
    """Return how a merge ends that did not come to its end."""
    if isinstance(failure, RetryableError) and failure.sent:
        return ended(change, Status.UNKNOWN, failure.message), None
    final = None if isinstance(failure, HubSpotRejectedError) else failure
    if inside:
        reason = f"{_part(inside, change)}: {failure.message}"
        return ended(change, Status.CONFLICT, reason), final
    if final:
        return None, final
    return ended(change, Status.REJECTED, failure.message), None


def _part(inside: int, change: MergeRecords) -> str:
    return f"{inside} of {len(change.losers)} records were merged"


def _now(contact: Contact | Poison | None) -> str:
    if contact is None:
        return ""
    return contact.id if isinstance(contact, Poison) else contact.ref.id
