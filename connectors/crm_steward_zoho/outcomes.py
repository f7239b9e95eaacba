"""How changes end, said the same way by all kinds of them."""

from __future__ import annotations

from crm_steward.sdk import Change, Contact, Outcome, Status, ended


def same_contact(change: Change, contact: Contact) -> bool:
    """Whether the change's record is still itself, and not merged into another."""
    return contact.ref == change.ref


def gone_of(change: Change, contact: Contact) -> Outcome:
    """Return the outcome of a change whose record was merged into `contact`."""
    return ended(change, Status.CONFLICT, f"the contact was merged into {contact.ref.id}")
