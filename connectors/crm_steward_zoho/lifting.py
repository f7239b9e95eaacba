"""Lifting an opt-out of ours: `Email_Opt_Out` is unset, if nothing else keeps the contact silent.

It loosens, so it is a guarded write of its own (`If-Unmodified-Since`) and never part of a batch.
The flag stands for the whole contact: one that holds another address by now is left alone, and so is
one whose person used an unsubscribe link (`Unsubscribed_Mode`), or whose basis forbids mail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

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
from crm_steward_zoho.consents import OPT_OUT, opted_out
from crm_steward_zoho.errors import ZohoRefusedError, code_of, details_of, refusal_of
from crm_steward_zoho.mapping import MODIFIED, ContactMap
from crm_steward_zoho.outcomes import gone_of, same_contact
from crm_steward_zoho.reading import Reader
from crm_steward_zoho.updates import UPDATE
from crm_steward_zoho.values import BadValueError
from crm_steward_zoho.wire import Answer, Wire, id_of

_TRIES = 3
_MODE, _TIME = "Unsubscribed_Mode", "Unsubscribed_Time"
_BY_HAND = "Manual"
"""What Zoho notes of an opt-out that was not the person's own click."""


class Lifter:
    """Unsets opt-outs of one organisation's contacts.

    Args:
        wire: The organisation.
        contacts: How records are read.
        reader: Reads records by id.
        triggers: What our writes set off; None sets off everything.
    """

    def __init__(
        self,
        wire: Wire,
        contacts: ContactMap,
        reader: Reader,
        triggers: Sequence[str] | None,
    ) -> None:
        self._wire = wire
        self._map = contacts
        self._reader = reader
        self._more = {} if triggers is None else {"trigger": list(triggers)}

    def apply(self, change: LiftSuppression) -> Outcome:
        """Unset the flag of one contact, compared just before.

        Raises:
            StewardError: It was not sent.
        """
        if change.channel is not Channel.EMAIL:
            reason = f"Zoho has no switch that stops contact by {change.channel.value}"
            return ended(change, Status.REJECTED, reason)
        for _ in range(_TRIES):
            record = self._reader.records([change.ref.id]).get(change.ref.id)
            outcome = self._unfit(change, record) if record is not None else _gone(change)
            if outcome is None and record is not None:
                outcome = self._send(change, str(record.get(MODIFIED) or ""))
            if outcome is not None:
                return outcome
        return ended(change, Status.CONFLICT, "the contact was modified again and again")

    def settle(self, change: LiftSuppression, record: Mapping[str, Any] | None) -> Outcome:
        """Tell whether a lifting took effect whose answer was lost."""
        if record is None:
            return _gone(change)
        contact = self._map.contact(record)
        if isinstance(contact, Contact) and not same_contact(change, contact):
            return gone_of(change, contact)
        if record.get(OPT_OUT) is False:
            return ended(change, Status.VERIFIED)
        return ended(change, Status.ABSENT, "the contact is still opted out")

    def _unfit(self, change: LiftSuppression, record: Mapping[str, Any]) -> Outcome | None:
        """Return the outcome of a lifting that need not or must not be written."""
        contact = self._map.contact(record)
        try:
            out = opted_out(record)
        except BadValueError:
            return ended(change, Status.REJECTED, "the contact's opt-out cannot be read")
        if not isinstance(contact, Contact):
            return ended(change, Status.REJECTED, "the contact cannot be read")
        if not same_contact(change, contact):
            return gone_of(change, contact)
        if not out:
            return ended(change, Status.VERIFIED, revision=contact.revision)
        field = self._reader.schema().fields.get(OPT_OUT)
        if field is None or not field.writable:
            return ended(change, Status.REJECTED, f"Zoho lets not write {OPT_OUT} to this user")
        return self._opposed(change, record, contact)

    def _opposed(
        self, change: LiftSuppression, record: Mapping[str, Any], contact: Contact
    ) -> Outcome | None:
        """Return why the contact has to stay silent all the same, or None."""
        first = contact.emails[0].address if contact.emails else ""
        if first.casefold() != change.address.casefold():
            return ended(change, Status.CONFLICT, "the contact has another address by now")
        if record.get(_MODE) not in {None, _BY_HAND}:
            return ended(change, Status.CONFLICT, f"the person opted out themselves ({_MODE})")
        unset = self._map.contact({**record, OPT_OUT: False, _TIME: None})
        said = unset.consents if isinstance(unset, Contact) else contact.consents
        mail = (one.status for one in said if one.channel is Channel.EMAIL)
        if any(status >= ConsentStatus.HARD_BOUNCE for status in mail):
            reason = f"not only {OPT_OUT} keeps the contact silent: the person may have said no"
            return ended(change, Status.CONFLICT, reason)
        return None

    def _send(self, change: LiftSuppression, modified: str) -> Outcome | None:
        """Send it; None when the record was modified since."""
        if not modified:
            return ended(change, Status.REJECTED, f"the contact shows no {MODIFIED} to hold on to")
        try:
            answer = self._wire.write(
                "PUT",
                "/Contacts",
                scope=UPDATE,
                body={"data": [{"id": change.ref.id, OPT_OUT: False}], **self._more},
                unmodified_since=modified,
            )
        except RetryableError as error:
            if not error.sent:
                raise
            return ended(change, Status.UNKNOWN, error.message)
        except ZohoRefusedError as error:
            if error.status == HTTPStatus.PRECONDITION_FAILED:
                return None
            return ended(change, Status.REJECTED, error.message)
        return _outcome(change, answer)


def _outcome(change: LiftSuppression, answer: Answer) -> Outcome | None:
    row = next(iter(answer.rows()), None)
    if code_of(row) == "ALREADY_MODIFIED":
        return None
    details = details_of(row)
    if code_of(row) == "SUCCESS" and id_of(dict(details)) == change.ref.id:
        revision = details.get(MODIFIED)
        known = revision if isinstance(revision, str) else ""
        return ended(change, Status.VERIFIED, revision=known)
    if code_of(row) and code_of(row) != "SUCCESS":
        return ended(change, Status.REJECTED, refusal_of(row))
    return ended(change, Status.UNKNOWN, "the answer does not mention the record")


def _gone(change: LiftSuppression) -> Outcome:
    return ended(change, Status.REJECTED, "the contact is gone")
