"""Addresses: what of a record can be written to or called, and what the person said about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType

from crm_steward.model import (
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    PhoneKind,
    Value,
    binding_consent,
)
from crm_steward.model.consent import GENERAL
from crm_steward.normalize import country_code, email_key, phone_e164

CHANNELS: Mapping[str, tuple[Channel, ...]] = MappingProxyType(
    {
        "email": (Channel.EMAIL,),
        "phone": (Channel.PHONE,),
        "mobile": (Channel.SMS, Channel.PHONE),
    }
)
"""Field that holds an address → the channels that reach it."""
_FIELDS: Mapping[Channel, tuple[str, ...]] = {
    channel: tuple(name for name, channels in CHANNELS.items() if channel in channels)
    for channel in Channel
}

_LONGEST_CODE = 3
"""Digits of a country's code (ITU-T E.164)."""
_SHORTEST = 4
"""Digits of the shortest numbers that a country has (Niue, Saint Helena); an extension may have less."""
_DIGITS = re.compile(r"\D+")


def held_addresses(contact: Contact, name: str) -> tuple[str, ...]:
    """Return every address that a field of CHANNELS stands for, the primary first."""
    if name == "email":
        return tuple([email.address for email in contact.emails])
    mobile = name == "mobile"
    return tuple([p.number for p in contact.phones if (p.kind is PhoneKind.MOBILE) is mobile])


def addresses_by(contact: Contact, channel: Channel) -> tuple[str, ...]:
    """Return every address of a contact that `channel` reaches, the primary first."""
    held = [held_addresses(contact, name) for name in _FIELDS[channel]]
    return held[0] if len(held) == 1 else tuple(chain.from_iterable(held))


def address_key(contact: Contact, channel: Channel, address: str) -> str:
    """Return the form in which addresses of a channel are compared."""
    if channel is Channel.EMAIL:
        return email_key(address) or address.strip().casefold()
    country = country_code(contact.address.country)
    return phone_e164(address, country) or _DIGITS.sub("", address)


def same_address(contact: Contact, name: str, held: str, other: Value) -> bool:
    """Whether two spellings in a field of CHANNELS are one address.

    A number without its country is the number with it: where it is at home is the settings' to say.
    What is no text is no address: it is none that was there.
    """
    if not isinstance(other, str):
        return False
    channel = CHANNELS[name][0]
    keys = [address_key(contact, channel, address) for address in (held, other)]
    if not all(keys):  # what is no address is none that was there
        return False
    if keys[0] == keys[1] or channel is Channel.EMAIL:
        return keys[0] == keys[1]
    bare, whole = (_DIGITS.sub("", address).lstrip("0") for address in (held, other))
    if len(bare) < _SHORTEST or not whole.endswith(bare):
        return False
    # What comes before is a country's code, and the zero that some numbers keep: no more of it.
    return len(whole.removesuffix(bare).rstrip("0")) <= _LONGEST_CODE


def statements(contact: Contact, channel: Channel, address: str) -> Iterator[Consent]:
    """Yield what is known about an address of a contact: under its name, or on the whole record."""
    key: str | None = None
    for consent in contact.consents:
        if consent.channel is not channel:
            continue
        if consent.address and key is None:
            key = address_key(contact, channel, address)
        if not consent.address or address_key(contact, channel, consent.address) == key:
            yield consent


def suppressed(contact: Contact, channel: Channel, address: str) -> bool:
    """Whether a channel is silent for an address already: refused as a whole, not for one purpose."""
    return silent(statements(contact, channel, address))


def silent(said: Iterable[Consent]) -> bool:
    """Whether what is known about an address says so as a whole, not for one purpose."""
    return any(one.status >= ConsentStatus.WITHDRAWN and one.purpose == GENERAL for one in said)


def refusals(consents: Iterable[Consent]) -> tuple[Consent, ...]:
    """Return those by which a person said no, a complaint included; a bounce is not the person's."""
    return tuple(one for one in consents if one.status >= ConsentStatus.COMPLAINT)


def lends(survivor: Contact, other: Contact, channel: Channel, address: str) -> bool:
    """Whether an address could be used more freely on `survivor` than on a record that has it.

    Args:
        survivor: Would take the address over.
        other: Has it.
        channel: One that reaches it.
        address: As it would be written.
    """
    said = list(statements(other, channel, address))
    heard = list(statements(survivor, channel, address))
    agreed = binding_consent(said, channel)
    if any(one.status.mailable for one in heard) and not (agreed and agreed.status.mailable):
        return True
    return any(
        not any(own.purpose == one.purpose and own.status >= one.status for own in heard)
        for one in refusals(said)
    )
