"""Lifting an opt-out of ours: the checkbox is unticked, if nothing else keeps the contact silent.

It loosens, so it is a guarded write of its own (`If-Unmodified-Since`) and never part of a batch. A
checkbox stands for the whole contact: one that holds another address by now is left alone, and so is
one whose Individual, ContactPointTypeConsent or bounce says no as well.
"""

from __future__ import annotations

from datetime import datetime

from crm_steward.sdk import (
    Channel,
    ConsentStatus,
    Contact,
    LiftSuppression,
    Outcome,
    RetryableError,
    Status,
    ended,
)
from crm_steward_salesforce.consents import SWITCHES
from crm_steward_salesforce.errors import LockedError, ModifiedError, SalesforceRejectedError
from crm_steward_salesforce.guarded import read_back
from crm_steward_salesforce.records import Found, Records
from crm_steward_salesforce.schema import Schema
from crm_steward_salesforce.wire import Wire

_TRIES = 3


class Lifter:
    """Unticks opt-outs of one org's contacts.

    Args:
        wire: The org.
        schema: What our user can see.
        records: Reads contacts by id.
    """

    def __init__(self, wire: Wire, schema: Schema, records: Records) -> None:
        self._wire = wire
        self._schema = schema
        self._records = records

    def lift(self, change: LiftSuppression) -> Outcome:
        """Untick one checkbox, compared just before.

        Raises:
            StewardError: It was not sent.
        """
        name = SWITCHES.get(change.channel)
        described = self._schema.find(name) if name else None
        if name is None or described is None or not described.updateable:
            what = name or f"a switch for {change.channel}"
            return ended(change, Status.REJECTED, f"our user may not change {what}")
        for _ in range(_TRIES):
            found = self._records.found([change.ref.id]).get(change.ref.id)
            if found is None or found.modified is None:
                return ended(change, Status.REJECTED, "the contact is gone, or cannot be compared")
            outcome = self._unfit(change, name, found) or self._sent(change, name, found.modified)
            if outcome is not None:
                return outcome
        return ended(change, Status.CONFLICT, "the contact is being modified again and again")

    def settled(self, change: LiftSuppression, found: Found) -> Outcome:
        """Say whether a lifting took effect whose answer was lost."""
        if found.contact.ref != change.ref:
            return ended(change, Status.CONFLICT, f"merged into {found.contact.ref.id}")
        if found.record.get(SWITCHES.get(change.channel, "")) is False:
            return ended(change, Status.VERIFIED, revision=found.contact.revision)
        return ended(change, Status.ABSENT, "the contact is still opted out")

    def _sent(self, change: LiftSuppression, name: str, modified: datetime) -> Outcome | None:
        """Send it; None when the contact was modified since."""
        try:
            self._wire.update(change.ref.id, {name: False}, modified)
        except ModifiedError:
            return None
        except LockedError as error:
            return ended(change, Status.UNKNOWN, error.message)
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except SalesforceRejectedError as error:
            return ended(change, Status.REJECTED, error.message)
        return self._shown(change, name)

    def _unfit(self, change: LiftSuppression, name: str, found: Found) -> Outcome | None:
        """Return the outcome of a lifting that need not or must not be written."""
        contact = found.contact
        if contact.ref != change.ref:
            return ended(change, Status.CONFLICT, f"the contact was merged into {contact.ref.id}")
        if found.record.get(name) is False:
            return ended(change, Status.VERIFIED, revision=contact.revision)
        if not _reaches(contact, change):
            return ended(change, Status.CONFLICT, "the contact has another address by now")
        if self._refuses_otherwise(found, change.channel, name):
            reason = f"not only {name} keeps the contact silent: the person may have said no"
            return ended(change, Status.CONFLICT, reason)
        return None

    def _refuses_otherwise(self, found: Found, channel: Channel, name: str) -> bool:
        """Whether the contact would be silent without the checkbox, too."""
        (unticked,) = self._records.readings([{**found.record, name: False}])
        if not isinstance(unticked, Contact):
            return True
        said = (one.status for one in unticked.consents if one.channel is channel)
        return any(status >= ConsentStatus.HARD_BOUNCE for status in said)

    def _shown(self, change: LiftSuppression, name: str) -> Outcome:
        found, silence = read_back(self._records, [change.ref.id])
        held = found.get(change.ref.id)
        if held is not None and held.record.get(name) is False:
            return ended(change, Status.VERIFIED, revision=held.contact.revision)
        return ended(change, Status.UNKNOWN, silence or f"the contact still shows {name}")


def _reaches(contact: Contact, change: LiftSuppression) -> bool:
    """Whether the address is still the one that the checkbox speaks of."""
    if change.channel is Channel.EMAIL:
        first = contact.emails[0].address if contact.emails else ""
        return first.casefold() == change.address.casefold()
    return change.address in {phone.number for phone in contact.phones}
