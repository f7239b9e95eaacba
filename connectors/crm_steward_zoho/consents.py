"""What Zoho knows about consent: the opt-out flag, and the basis that GDPR compliance adds.

Sources: zoho.com/crm/developer/docs/api/v8/gdpr-compliance.html for the object and its
conditions; the values of the two picklists are read loosely, because organisations and editions
differ in dashes and plurals. A value that is not known here allows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from crm_steward.sdk import Channel, Consent, ConsentStatus, Email
from crm_steward_zoho.values import BadValueError, flag_of, text_of, time_of

OPT_OUT = "Email_Opt_Out"
BASIS = "Data_Processing_Basis"
DETAILS = "Data_Processing_Basis_Details"
STANDARD = (OPT_OUT, "Unsubscribed_Mode", "Unsubscribed_Time", BASIS, DETAILS)
"""The fields consent is read from."""

_NOT_WORD = re.compile(r"[\W\d_]+")
_SAYS_NOTHING = frozenset({"", "not applicable", "none"})
"""Zoho writes `Not Applicable` into every record when GDPR compliance is turned on."""

_BASES = {
    "consent obtained": ConsentStatus.GRANTED,
    "obtained": ConsentStatus.GRANTED,
    "legitimate interest": ConsentStatus.IMPLIED,
    "legitimate interests": ConsentStatus.IMPLIED,
    "consent pending": ConsentStatus.NONE,
    "pending": ConsentStatus.NONE,
    "consent waiting": ConsentStatus.NONE,
    "waiting": ConsentStatus.NONE,
    "consent awaiting": ConsentStatus.NONE,
    "awaiting": ConsentStatus.NONE,
    "consent not responded": ConsentStatus.NONE,
    "not responded": ConsentStatus.NONE,
    "contract": ConsentStatus.NONE,
    "legal obligation": ConsentStatus.NONE,
    "vital interest": ConsentStatus.NONE,
    "vital interests": ConsentStatus.NONE,
    "public interest": ConsentStatus.NONE,
    "public interests": ConsentStatus.NONE,
    "stop processing": ConsentStatus.OBJECTED,
}
"""Basis in small letters only → what it allows by e-mail marketing.

A contract or a legal duty is a ground for messages about it, not for marketing; a consent that was
asked for and not given is none.
"""

_CHANNELS = (
    (Channel.EMAIL, "Contact_Through_Email"),
    (Channel.PHONE, "Contact_Through_Phone"),
)


def consents_of(
    held: Mapping[str, Any], emails: tuple[Email, ...], proof: Mapping[str, Any]
) -> tuple[Consent, ...]:
    """Return what a record says about consent, e-mail first.

    The opt-out flag binds more than any basis. A record without flag and basis says nothing, and
    nothing is what comes back.

    Args:
        held: The record.
        emails: Its addresses; consent is told for the first, Zoho keeps it on the record.
        proof: Parts of the proof that the organisation keeps in fields of its own.

    Raises:
        BadValueError: A value has a type that Zoho does not document.
    """
    basis, status = _basis_of(held)
    details = _details_of(held)
    address = emails[0].address if emails else ""
    given = {**_proof_of(details), **{name: value for name, value in proof.items() if value}}
    found = []
    if status is not None:
        plain = Consent(channel=Channel.EMAIL, status=status, basis=basis, **given)
        found = [
            replace(plain, channel=channel, status=_narrowed(status, details, name))
            for channel, name in _CHANNELS
            if channel is Channel.EMAIL or (details and flag_of(details, name) is not None)
        ]
    by_mail = [replace(one, address=address) for one in found if one.channel is Channel.EMAIL]
    others = [one for one in found if one.channel is not Channel.EMAIL]
    if opted_out(held):
        mail = (
            by_mail[0]
            if by_mail
            else Consent(
                channel=Channel.EMAIL, status=ConsentStatus.WITHDRAWN, address=address, **given
            )
        )
        when = time_of(held, "Unsubscribed_Time")
        return (replace(mail, status=ConsentStatus.WITHDRAWN, withdrawn_at=when), *others)
    return (*by_mail, *others)


def opted_out(held: Mapping[str, Any]) -> bool:
    """Whether the record is kept from mail; where the flag cannot be seen, its date tells.

    Raises:
        BadValueError: The flag is neither true nor false, or the date is not even text.
    """
    flag = flag_of(held, OPT_OUT)
    if flag is not None:
        return flag
    # A date that cannot be read still says that there was a no.
    return time_of(held, "Unsubscribed_Time") is not None or bool(held.get("Unsubscribed_Time"))


def known(basis: str) -> bool:
    """Whether a value of the picklist is understood."""
    plain = _plain(basis)
    return plain in _BASES or plain in _SAYS_NOTHING or plain == "consent"


def _basis_of(held: Mapping[str, Any]) -> tuple[str, ConsentStatus | None]:
    """Return the basis in Zoho's words, and what it allows; None when it says nothing.

    `Consent` alone does not say how it stands: the details do.
    """
    basis = text_of(held, BASIS) or ""
    plain = _plain(basis)
    if plain in _SAYS_NOTHING:
        return basis, None
    if plain == "consent":
        stands = text_of(_details_of(held), BASIS) or ""
        return basis, _BASES.get(_plain(stands), ConsentStatus.UNKNOWN)
    return basis, _BASES.get(plain, ConsentStatus.UNKNOWN)


def _narrowed(status: ConsentStatus, details: Mapping[str, Any], name: str) -> ConsentStatus:
    """Return what is left of a consent for a channel the person did not tick."""
    ticked = flag_of(details, name)
    return max(status, ConsentStatus.NONE) if ticked is False else status


def _details_of(held: Mapping[str, Any]) -> Mapping[str, Any]:
    details = held.get(DETAILS)
    if details is None:
        return {}
    if not isinstance(details, Mapping):
        raise BadValueError(DETAILS)
    return details


def _proof_of(details: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, str | datetime | None] = {
        "given_at": time_of(details, "Consent_Date"),
        "how": text_of(details, "Consent_Through"),
    }
    return {name: value for name, value in given.items() if value}


def _plain(text: str) -> str:
    return _NOT_WORD.sub(" ", text.casefold()).strip()
