"""Merging contacts, which only Salesforce's SOAP API can: three records at a time, in a chain.

Nothing of the losers is copied: the survivor keeps its own values, and what hung on the losers
moves to it. Their opt-outs would be lost, so they are ticked on the survivor in the same
transaction. There is no condition on a merge: each link of a chain is compared just before it is
sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context as Surroundings
from dataclasses import dataclass

from crm_steward.sdk import (
    Channel,
    ConsentStatus,
    Contact,
    MergeRecords,
    Outcome,
    RetryableError,
    Status,
    StewardError,
    ended,
)
from crm_steward_salesforce.consents import CONTACT_FLAGS, SWITCHES
from crm_steward_salesforce.errors import LockedError, SalesforceRejectedError
from crm_steward_salesforce.guarded import read_back
from crm_steward_salesforce.mapping import ContactMap
from crm_steward_salesforce.records import Found, Records
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.values import ID, short, text
from crm_steward_salesforce.wire import Wire

_AT_ONCE = 2
"""Losers of one merge of Salesforce's."""
_NEEDED = ("mergeable", "updateable", "deletable")


@dataclass(frozen=True, slots=True)
class Members:
    """Who is to be merged, as they are now.

    Args:
        survivor: The record that stays.
        losers: Those that are still there.
    """

    survivor: Found
    losers: tuple[Found, ...]


class Merger:
    """Merges contacts of one org.

    Args:
        wire: The org.
        schema: What our user can see.
        contacts: How our fields are Salesforce's.
        records: Reads contacts by id.
    """

    def __init__(self, wire: Wire, schema: Schema, contacts: ContactMap, records: Records) -> None:
        self._wire = wire
        self._schema = schema
        self._map = contacts
        self._records = records

    def merge(self, change: MergeRecords) -> Outcome:
        """Merge, link by link.

        Raises:
            StewardError: Nothing was sent.
        """
        unable = self._unable(change)
        if unable:
            return ended(change, Status.REJECTED, unable)
        members = self._members(change)
        before = members.survivor.contact if isinstance(members, Members) else None
        merged = 0
        while isinstance(members, Members):
            link = members.losers[:_AT_ONCE]
            if not link:
                return _merged(change, before, members.survivor.contact)
            outcome = self._link(change, members.survivor, link, merged)
            if outcome is not None:
                return outcome
            merged += len(link)
            # What follows is compared anew, by ourselves: the core's reading has served its turn.
            try:
                members = Surroundings().run(self._members, change)
            except StewardError as error:
                return ended(change, Status.UNKNOWN, _partly(merged, change, error.message))
        status, reason = members
        if merged:
            status, reason = Status.CONFLICT, _partly(merged, change, reason)
        return ended(change, status, reason)

    def settled(self, change: MergeRecords) -> Outcome:
        """Say whether a merge took effect whose answer was lost."""
        ends = self._records.survivors([change.ref.id, *(loser.id for loser in change.losers)])
        survivor = ends.get(change.ref.id)
        if survivor is None or survivor.deleted:
            return ended(change, Status.REJECTED, "the survivor is gone")
        places = [ends.get(loser.id) for loser in change.losers]
        merged = sum(place is not None and place.id == survivor.id for place in places)
        if merged == len(change.losers):
            return ended(change, Status.VERIFIED, remote_id=survivor.id)
        if merged == 0:
            return ended(change, Status.ABSENT, "none of the records was merged")
        return ended(change, Status.CONFLICT, _partly(merged, change, "the rest is still there"))

    # -- before anything is sent --------------------------------------------------------------

    def _unable(self, change: MergeRecords) -> str:
        """Return why our user cannot merge these, whatever they hold, or empty."""
        if not all(ID.fullmatch(ref.id) for ref in (change.ref, *change.losers)):
            return "a member has no Salesforce id"
        missing = [right for right in _NEEDED if right not in self._schema.contact.rights]
        if missing:
            return f"contacts are not {', '.join(missing)} for our user"
        unseen = [name for name in SWITCHES.values() if not self._updateable(name)]
        if unseen:
            return f"our user may not change {', '.join(unseen)}: an opt-out could be lost"
        return ""

    def _updateable(self, name: str) -> bool:
        described = self._schema.find(name)
        return described is not None and described.updateable

    def _members(self, change: MergeRecords) -> Members | tuple[Status, str]:
        """Read everyone anew; return them, or why they cannot be merged."""
        found = self._records.found([change.ref.id, *(loser.id for loser in change.losers)])
        survivor = found.get(change.ref.id)
        if survivor is None:
            return Status.REJECTED, "the survivor is gone"
        if survivor.contact.ref != change.ref:
            return Status.CONFLICT, f"the survivor was merged into {survivor.contact.ref.id}"
        losers: list[Found] = []
        for ref in dict.fromkeys(change.losers):
            loser = found.get(ref.id)
            if loser is None:
                return Status.CONFLICT, f"{ref.id} is gone, or cannot be read"
            if loser.contact.ref == change.ref:
                continue  # it was merged into the survivor already
            if loser.contact.ref != ref:
                return Status.CONFLICT, f"{ref.id} was merged into {loser.contact.ref.id}"
            losers.append(loser)
        return self._compared(change, Members(survivor, tuple(losers)))

    def _compared(self, change: MergeRecords, members: Members) -> Members | tuple[Status, str]:
        for item in (members.survivor, *members.losers) if members.losers else ():
            expected = change.expected.get(item.contact.ref.id, {})
            differing = self._map.differing(item.contact, expected)
            if differing:
                where = f"{item.contact.ref.id} holds another value of {', '.join(differing)}"
                return Status.CONFLICT, f"{where} by now"
        lost = sorted({c for item in members.losers for c in _lost(members.survivor, item)})
        if lost:
            reason = (
                f"an objection to {', '.join(lost)} would be lost: contacts have no switch for it"
            )
            return Status.REJECTED, reason
        return members

    # -- one link -----------------------------------------------------------------------------

    def _link(
        self, change: MergeRecords, survivor: Found, losers: Sequence[Found], before: int
    ) -> Outcome | None:
        """Merge one or two losers; None when it took effect."""
        flags = _carried(survivor, losers)
        ids = [loser.contact.ref.id for loser in losers]

        def send() -> tuple[Status, str] | None:
            return self._sent(change.ref.id, ids, flags, first=not before)

        # The first link is watched by the core; the others were compared a moment ago.
        refusal = Surroundings().run(send) if before else send()
        if refusal is None:
            refusal = self._restricted(change.ref.id, flags)
        if refusal is None:
            return None
        status, reason = refusal
        if before and status is Status.REJECTED:
            status, reason = Status.CONFLICT, _partly(before, change, reason)
        return ended(change, status, reason)

    def _sent(
        self, master: str, losers: Sequence[str], flags: Sequence[str], *, first: bool
    ) -> tuple[Status, str] | None:
        try:
            answer = self._wire.merge(master, losers, flags)
        except LockedError as error:
            return Status.UNKNOWN, error.message
        except RetryableError as error:
            if first and not error.sent:
                raise
            return Status.UNKNOWN, error.message
        except SalesforceRejectedError as error:
            return Status.REJECTED, error.message
        except StewardError as error:
            if first:
                raise
            return Status.UNKNOWN, error.message
        gone = {short(loser) for loser in answer.losers}
        if short(answer.id) != short(master) or gone != {short(loser) for loser in losers}:
            return Status.UNKNOWN, "the answer does not tell of the same records"
        return None

    def _restricted(self, master: str, flags: Sequence[str]) -> tuple[Status, str] | None:
        """Look whether the survivor has taken over the opt-outs."""
        if not flags:
            return None
        found, silence = read_back(self._records, [master])
        record: Mapping[str, object] = found[master].record if master in found else {}
        unseen = [name for name in flags if record.get(name) is not True]
        if not unseen:
            return None
        reason = silence or f"the survivor does not show {', '.join(unseen)}: tick it by hand"
        return Status.CONFLICT, f"the records were merged, but {reason}"


def _merged(change: MergeRecords, before: Contact | None, now: Contact) -> Outcome:
    """Return how a finished merge ended: of two Individuals, the org's own setting chose one."""
    wider = [c for c in SWITCHES if _open(now, c) and not (before and _open(before, c))]
    status, reason = Status.VERIFIED, ""
    if wider:
        reason = f"merged, and by the loser's Individual open to {', '.join(wider)}: look at it"
        status = Status.CONFLICT
    return ended(change, status, reason, remote_id=now.ref.id, revision=now.revision)


def _carried(survivor: Found, losers: Sequence[Found]) -> list[str]:
    """Return the checkboxes to tick on the survivor, so that nobody's opt-out is lost."""
    ticked = {
        name
        for loser in losers
        for name in CONTACT_FLAGS
        if loser.record.get(name) is True and survivor.record.get(name) is not True
    }
    ticked |= {
        SWITCHES[channel]
        for loser in losers
        for channel in SWITCHES
        if _refused(loser.contact, channel) and not _refused(survivor.contact, channel)
    }
    if any(_other_individual(survivor, loser) for loser in losers):
        ticked |= {
            name
            for channel, name in SWITCHES.items()
            if _refused(survivor.contact, channel) and survivor.record.get(name) is not True
        }
    return sorted(ticked)


def _other_individual(survivor: Found, loser: Found) -> bool:
    """Whether a merge has to choose between two Individuals, and with them what they said."""
    mine, theirs = (text(item.record.get("IndividualId")) for item in (survivor, loser))
    return bool(mine and theirs and short(mine) != short(theirs))


def _lost(survivor: Found, loser: Found) -> list[Channel]:
    """Return the channels either objected to that no checkbox of a contact can stop."""
    said = [_refusals(item.contact) - SWITCHES.keys() for item in (survivor, loser)]
    mine, theirs = said
    lost = mine ^ theirs if _other_individual(survivor, loser) else theirs - mine
    return sorted(lost)


def _refusals(contact: Contact) -> set[Channel]:
    return {channel for channel in Channel if _refused(contact, channel)}


def _open(contact: Contact, channel: Channel) -> bool:
    """Whether the person may be contacted by a channel on the strength of a consent."""
    said = [consent.status for consent in contact.consents if consent.channel is channel]
    return any(status.mailable for status in said) and not _refused(contact, channel)


def _refused(contact: Contact, channel: Channel) -> bool:
    """Whether the person has said no to a channel, for whatever purpose."""
    said = (consent for consent in contact.consents if consent.channel is channel)
    return any(consent.status >= ConsentStatus.WITHDRAWN for consent in said)


def _partly(merged: int, change: MergeRecords, reason: str) -> str:
    return f"{merged} of {len(change.losers)} records were merged: {reason}"
