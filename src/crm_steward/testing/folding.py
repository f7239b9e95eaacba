"""How the fake CRM merges: every address stays, and what was said about it with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crm_steward.sdk import Channel, Consent, Contact


def folded(kept: Contact, lost: Contact) -> Contact:
    """Return what is left of two records: the first one's values, the addresses of both."""
    mine, theirs = _pinned(kept), _pinned(lost)
    return replace(
        mine,
        emails=tuple(dict.fromkeys((*mine.emails, *theirs.emails))),
        phones=tuple(dict.fromkeys((*mine.phones, *theirs.phones))),
        consents=tuple(dict.fromkeys((*mine.consents, *theirs.consents))),
    )


def _pinned(contact: Contact) -> Contact:
    """Return a contact whose consents each name the address they speak of."""
    emails = [email.address for email in contact.emails]
    phones = [phone.number for phone in contact.phones]
    pinned = [
        replace(consent, address=address)
        for consent in contact.consents
        for address in _meant(consent, emails if consent.channel is Channel.EMAIL else phones)
    ]
    return replace(contact, consents=tuple(pinned))


def _meant(consent: Consent, addresses: Sequence[str]) -> Sequence[str]:
    by_address = consent.channel is not Channel.POST and not consent.address
    return addresses if by_address and addresses else (consent.address,)
