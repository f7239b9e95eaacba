"""E-mail addresses: the key to compare them, the clean text, and why one cannot be an address."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from email_validator import (
    SPECIAL_USE_DOMAIN_NAMES,
    EmailNotValidError,
    ValidatedEmail,
    validate_email,
)

from crm_steward.normalize.text import plain, words

_LIMIT: Final = 1_000
_LONGEST: Final = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
_LONGEST_LOCAL: Final = 64  # RFC 5321, 4.5.3.1.1

EMAIL_PROBLEMS: Final = (
    "no at sign",
    "several addresses",
    "space inside",
    "bad local part",
    "bad domain",
    "reserved domain",
    "too long",
)
"""What `email_problem` can answer; stable identifiers, translated where they are shown."""

_COMMON: Final = re.compile(
    r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63})"
)
"""Nearly every address there is; what does not match goes to email-validator."""

_ANGLE: Final = re.compile(r"<\s*([^<>]*@[^<>]*)>")
_AROUND_MARKS: Final = re.compile(r"\s*([@.])\s*")
_WRAPPING: Final = " \t\"'<>()[],;:.\u00ab\u00bb\u2018\u2019\u201c\u201d"
_RESERVED: Final = frozenset(SPECIAL_USE_DOMAIN_NAMES)

_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
"""Google ignores dots and what follows a plus, and both names are one; nobody else is assumed to."""

ROLE_NAMES: Final = words(
    "accounting accueil achat achats admin administration agence anfrage anonyme anonymous aucun "
    "billing booking boutique buchhaltung bureau buero client commercial commerciale compta "
    "comptabilite contact contacto contato contatti customer direction einkauf email empfang "
    "enquiries facturation finance hello hola hr info infomail infos inconnu jobs keine kontakt "
    "kunde mail mailbox mairie marketing na newsletter no-reply nobody noemail nomail none noreply "
    "office orders personal post presse press rechnung reception recrutement rh sales sansmail sav "
    "secretaire secretariat sekretariat service services shop support team test unknown user vente "
    "ventes verkauf verwaltung webmaster"
)


class _Reading(NamedTuple):
    key: str | None = None
    domain: str | None = None
    clean: str | None = None
    problem: str | None = None


_NOTHING: Final = _Reading()


def _is_reserved(domain: str) -> bool:
    labels = domain.split(".")
    return any(".".join(labels[start:]) in _RESERVED for start in range(len(labels)))


def _key(local: str, domain: str) -> str:
    local = local.casefold()
    if domain in _GMAIL:
        bare = local.partition("+")[0].replace(".", "")
        return f"{bare or local}@gmail.com"
    return f"{local}@{domain}"


def _common(text: str) -> tuple[str, str] | None:
    """Return local part and lower-case domain of an address of the common shape, else None."""
    match = _COMMON.fullmatch(text)
    if not match or len(text) > _LONGEST or match.end(1) > _LONGEST_LOCAL:
        return None
    domain = match.group(2).lower()
    return None if "--" in domain or _is_reserved(domain) else (match.group(1), domain)


def _unwrapped(text: str) -> str:
    """Return the address without what people and programs put around it."""
    text = plain(text, _LIMIT)
    if angle := _ANGLE.search(text):
        text = angle.group(1)
    text = _AROUND_MARKS.sub(r"\1", text).strip(_WRAPPING)
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0].strip(_WRAPPING)
    return text


def _validated(address: str) -> ValidatedEmail | None:
    try:
        return validate_email(address, check_deliverability=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        return None


def _why_not(address: str) -> str:
    local, _, domain = address.rpartition("@")
    if "@" not in address:
        return "no at sign"
    if "@" in local:
        return "several addresses"
    if " " in address:
        return "space inside"
    if len(address) > _LONGEST:
        return "too long"
    if _is_reserved(domain.lower()):
        return "reserved domain"
    return "bad local part" if _validated(f"a@{domain}") else "bad domain"


def _odd(text: str) -> _Reading:
    """Read what is not of the common shape as it stands."""
    if not plain(text, _LIMIT):
        return _NOTHING
    address = _unwrapped(text)
    if common := _common(address):
        local, domain = common
        clean = f"{local}@{domain}"
        return _Reading(_key(local, domain), domain, None if clean == text else clean)
    found = _validated(address)
    if found is None:
        return _Reading(problem=_why_not(address))
    domain = found.ascii_domain.lower()
    shown = domain if address.isascii() else found.domain
    clean = f"{found.local_part}@{shown}"
    return _Reading(_key(found.local_part, domain), domain, None if clean == text else clean)


@lru_cache(maxsize=1_024)
def _read(text: str) -> _Reading:
    if common := _common(text):
        local, domain = common
        clean = None if text.endswith(domain) else f"{local}@{domain}"
        return _Reading(_key(local, domain), domain, clean)
    return _odd(text)


def _reading(text: str | None) -> _Reading:
    if not text:
        return _NOTHING
    return _Reading(problem="too long") if len(text) > _LIMIT else _read(text)


def email_key(text: str | None) -> str | None:
    """Return the address as it compares, or None when it cannot be an address.

    Case makes no difference (RFC 5321 would let a host distinguish `Jean@` from `jean@`; none
    that matters does); an international domain compares in its ASCII form. For Gmail alone dots
    and plus tags are dropped and `googlemail.com` is `gmail.com`: one mailbox, by Google's own
    documentation. Elsewhere a plus tag may be another person, and stays.
    """
    return _reading(text).key


def email_domain(text: str | None) -> str | None:
    """Return the domain, lower case, in its ASCII form, or None when there is no valid address."""
    return _reading(text).domain


def clean_email(text: str | None) -> str | None:
    """Return what the field should hold: trimmed, unwrapped, the domain in lower case.

    `mailto:`, `Name <…>`, quotes, trailing full stops and commas, invisible characters and spaces
    around `@` go; the local part keeps its case. Nothing is guessed (`(at)`, a missing dot).

    Returns:
        The proposed text, or None when it is clean already or no address can be made of it.
    """
    return _reading(text).clean


def email_problem(text: str | None) -> str | None:
    """Return why the text, once cleaned, cannot be an address: one of EMAIL_PROBLEMS, or None."""
    return _reading(text).problem


def is_role_address(key: str | None) -> bool:
    """Return whether a mailbox is a function's (`info@`) or nobody's (`none@`), not a person's."""
    return key is not None and key.partition("@")[0] in ROLE_NAMES


_PROVIDERS: Final = words(
    "aliceadsl.fr bbox.fr bluewin.ch btinternet.com freenet.de gmail.com googlemail.com "
    "hotmail.com hotmail.co.uk hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com laposte.net "
    "libero.it neuf.fr orange.fr outlook.com outlook.de outlook.es outlook.fr proton.me "
    "protonmail.com skynet.be t-online.de telefonica.net virgilio.it wanadoo.fr yahoo.com "
    "yahoo.co.uk yahoo.de yahoo.es yahoo.fr yahoo.it"
)
_LABELS: Final = frozenset(domain.partition(".")[0] for domain in _PROVIDERS)
_GENUINE: Final = frozenset({"email.com", "mail.com", "ymail.com"})
"""Real providers one letter away from another."""
_CLIPPED: Final = frozenset({"cm", "co", "om"})
"""Countries less often meant than `com` with a letter missing."""


def _one_slip_apart(left: str, right: str) -> bool:
    """Return whether one letter added, dropped, changed or two neighbours swapped separates them."""
    if len(left) > len(right):
        left, right = right, left
    start = next(
        (i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(left)
    )
    if len(right) - len(left) == 1:
        return left[start:] == right[start + 1 :]
    if len(left) != len(right) or start == len(left):
        return False
    changed = left[start + 1 :] == right[start + 1 :]
    swapped = left[start : start + 2] == right[start : start + 2][::-1]
    return changed or (swapped and left[start + 2 :] == right[start + 2 :])


@lru_cache(maxsize=16_384)
def _suggested(domain: str) -> str | None:
    if domain in _PROVIDERS or domain in _GENUINE:
        return None
    label, _, ending = domain.partition(".")
    if label == "gmail":  # which has no other ending
        return "gmail.com"
    if label in _LABELS and len(ending) == 2 and ending not in _CLIPPED:  # noqa: PLR2004 -- a country's branch
        return None
    near = [known for known in _PROVIDERS if _one_slip_apart(domain, known)]
    return near[0] if len(near) == 1 else None


def email_typo(address: str | None) -> str | None:
    """Return the provider's domain that was probably meant (`gmial.com` gives `gmail.com`).

    For a task to a person, never for an automatic change: it decides who is written to. Short
    names (`sfr.fr`, `free.fr`, `gmx.de`) are left out: too much that is real lies one slip away.

    Returns:
        The domain of a mass provider exactly one slip away, or None when there is none, or several.
    """
    domain = email_domain(address)
    return _suggested(domain) if domain else None
