"""Archiving: a record goes to the CRM's recycle bin, unless a person's no would go with it."""

from __future__ import annotations

from collections.abc import Iterator

from crm_steward.model import ArchiveRecord, Channel, Consent, ConsentStatus, Contact
from crm_steward.writing.addresses import refusals
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.withheld import Why

_MATTERS = (
    "email",
    "stage",
    "last_person_act",
    "legal_hold",
    *(f"consent_{channel}" for channel in Channel),
)
"""What must not have changed between the plan and the archiving."""


def archived(contact: Contact, reason: str, *, keeps_optouts: bool) -> Iterator[Proposed | Refused]:
    """Yield the archiving of a record, or why it stays.

    Args:
        contact: The record.
        reason: Why, for people; no personal data.
        keeps_optouts: Whether the CRM keeps an opt-out from e-mail when the record is gone.
    """
    lost = [
        consent.channel.value
        for consent in refusals(contact.consents)
        if not (keeps_optouts and _hangs_on_address(consent))
    ]
    if contact.legal_hold:
        yield Refused(Why.LEGAL_HOLD, contact.ref)
    elif lost:
        yield Refused(Why.SUPPRESSION_KEPT, contact.ref, ", ".join(sorted(set(lost))))
    else:
        expected = {name: contact.value(name) for name in _MATTERS}
        yield Proposed(ArchiveRecord(ref=contact.ref, reason=reason, expected=expected))


def _hangs_on_address(consent: Consent) -> bool:
    """Whether a refusal is an opt-out from e-mail of one address, and not kept on the record."""
    by_mail = consent.channel is Channel.EMAIL and bool(consent.address)
    return by_mail and consent.status >= ConsentStatus.WITHDRAWN
