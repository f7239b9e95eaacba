"""Consent: who agreed to be contacted, by which channel, for what, and how it can be shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class Channel(StrEnum):
    """A way of reaching a person."""

    EMAIL = "email"
    SMS = "sms"
    PHONE = "phone"
    POST = "post"


class ConsentStatus(IntEnum):
    """A status, ordered by restrictiveness: *most restrictive wins* is one `max()`."""

    GRANTED = 0
    SOFT_OPT_IN = 1
    IMPLIED = 2
    IMPLIED_EXPIRED = 3
    NONE = 4
    UNKNOWN = 5
    HARD_BOUNCE = 6
    COMPLAINT = 7
    WITHDRAWN = 8
    OBJECTED = 9

    @property
    def label(self) -> str:
        """The name (`granted`, `soft_opt_in`, …) used in rules, the mirror and reports."""
        return self.name.lower()

    @property
    def mailable(self) -> bool:
        """Whether a message may be sent on the strength of this status alone."""
        return self <= ConsentStatus.IMPLIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What is known about one address, channel and purpose.

    Args:
        channel: The channel it speaks of.
        status: What the person said.
        address: The exact e-mail or phone it hangs on; empty when the CRM keeps it on the record.
        purpose: What the address is used for.
        basis: The legal ground the CRM records, in its own words.
        given_at: When it was given.
        how: form, double opt-in, paper, phone recording, import.
        text_version: Which wording the person saw.
        source: The form, event or supplier it came from.
        evidence: A pointer to the proof, never the proof.
        withdrawn_at: When it was withdrawn or objected to.
    """

    channel: Channel
    status: ConsentStatus
    address: str = ""
    purpose: str = "marketing"
    basis: str = ""
    given_at: datetime | None = None
    how: str = ""
    text_version: str = ""
    source: str = ""
    evidence: str = ""
    withdrawn_at: datetime | None = None

    @property
    def missing_proof(self) -> tuple[str, ...]:
        """Which of the proof's fields are empty; nothing missing means it can be shown.

        A complete proof names the address, the channel, the purpose, when, how, which wording and
        from where (GDPR art. 7(1); EDPB guidelines 05/2020 on consent, part 5.1).
        """
        held = {
            "address": self.address,
            "purpose": self.purpose,
            "given_at": self.given_at,
            "how": self.how,
            "text_version": self.text_version,
            "source": self.source,
        }
        return tuple(name for name, value in held.items() if not value)


GENERAL = "marketing"
"""The purpose of a consent that is for a channel as a whole, not for one kind of message."""


def binding_consent(consents: Iterable[Consent], channel: Channel) -> Consent | None:
    """Return the consent that decides whether `channel` may be used, or None when nothing is known.

    For each purpose the most restrictive one counts. What was said of the channel as a whole binds;
    where only single kinds of messages were spoken of, the least restrictive of them does: whoever
    left one newsletter has not left the others.
    """
    strictest: dict[str, Consent] = {}
    for consent in consents:
        if consent.channel is channel:
            held = strictest.get(consent.purpose)
            if held is None or consent.status > held.status:
                strictest[consent.purpose] = consent
    if GENERAL in strictest:
        return strictest[GENERAL]
    return min(strictest.values(), key=lambda consent: consent.status, default=None)
