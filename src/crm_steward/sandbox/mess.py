"""What systems make of people: second records, typing habits, gaps, and hostile values."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import datetime

from crm_steward.sandbox.people import (
    BY_CODE,
    HOSTILE,
    JOBS,
    NICKNAMES,
    Country,
    slug,
    without_accents,
)
from crm_steward.sandbox.person import (
    ConsentState,
    Sighting,
    address,
    digits,
    happens,
    invented_company,
    invented_consent,
)

Damage = Callable[[Sighting, random.Random], None]
"""Changes a sighting in place."""

_AGAIN, _FAMILY = 0.12, 0.02
_SHORT = 3


def sightings_of(person: Sighting, rng: random.Random, now: datetime) -> list[Sighting]:
    """Return how one system holds a person: mostly once, sometimes more, now and then a relative."""
    seen = [copy(person)]
    while happens(rng, _AGAIN):
        again = _copied(person)
        rng.choice(_DUPLICATIONS)(again, rng)
        later = person.created_at + (now - person.created_at) * rng.random()
        again.created_at, again.updated_at = later, later + (now - later) * rng.random()
        if happens(rng, 0.5):  # a second record may say yes where the first says no
            again.consent = invented_consent(later, now, rng, withdrew=False)
        seen.append(again)
    if happens(rng, _FAMILY):
        relative = _copied(person)
        _relative(relative, rng)
        seen.append(relative)
    for sighting in seen:
        sighting.traits = list(sighting.traits)
        _typed_in(sighting, rng)
        for chance, trait, damage in _DAMAGES:
            if happens(rng, chance):
                damage(sighting, rng)
                sighting.traits += [trait] if trait else []
    return seen


def _copied(person: Sighting) -> Sighting:
    duplicate = copy(person)
    duplicate.traits = []
    duplicate.consent = replace(person.consent)
    return duplicate


# -- the same person again ------------------------------------------------------------------------


def _same_email(again: Sighting, rng: random.Random) -> None:
    email = again.email or ""
    again.email = rng.choice((email.upper(), email.capitalize(), f" {email}", email))
    again.phone = None
    again.traits.append("same-email")


def _nickname(again: Sighting, rng: random.Random) -> None:
    first = again.first_name or ""
    again.email = _private_email(again, rng)
    again.first_name = NICKNAMES.get(first, f"{first[:1]}.")
    again.traits.append("nickname")


def _typo(again: Sighting, rng: random.Random) -> None:
    again.email = _private_email(again, rng) if happens(rng, 0.5) else None
    again.last_name = _mistyped(again.last_name or "", rng)
    again.traits.append("typo")


def _new_job(again: Sighting, rng: random.Random) -> None:
    country = BY_CODE[again.country_code]
    again.company = invented_company(country, rng)
    again.website = f"https://www.{slug(again.company)}.example"
    again.job_title = rng.choice(JOBS)
    again.email = address(
        again.first_name or "", again.last_name or "", again.company, again.number, rng
    )
    again.phone = digits(rng.choice(country.landlines), rng)
    again.traits.append("new-job")


def _swapped(again: Sighting, _: random.Random) -> None:
    again.first_name, again.last_name = again.last_name, again.first_name
    again.email, again.other_email = None, again.email
    again.traits.append("swapped")


_DUPLICATIONS: tuple[Damage, ...] = (
    _same_email, _same_email, _nickname, _typo, _new_job, _swapped,
)  # fmt: skip


def _relative(relative: Sighting, rng: random.Random) -> None:
    """Become another person of the household: same name, address, landline. Not a duplicate."""
    country = BY_CODE[relative.country_code]
    first = rng.choice([name for name in country.first_names if name != relative.first_name])
    relative.person += "r"
    relative.first_name = first
    local = f"{slug(first)}.{slug(relative.last_name)}"
    relative.email = f"{local}@example.org" if happens(rng, 0.5) else None
    relative.mobile = digits(rng.choice(country.mobiles), rng)
    relative.withdrew, relative.consent = False, ConsentState(status="unknown")
    relative.traits.append("family")


def _private_email(person: Sighting, rng: random.Random) -> str:
    local = f"{slug(person.first_name)}.{slug(person.last_name)}"
    return f"{local}.{person.number % 9973}{rng.choice('abc')}@example.net"


def _mistyped(text: str, rng: random.Random) -> str:
    """Swap, drop or double one letter."""
    if len(text) < _SHORT:
        return text
    at = rng.randrange(1, len(text) - 1)
    return rng.choice(
        (
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
        )
    )


# -- how it was typed in --------------------------------------------------------------------------


def _typed_in(sighting: Sighting, rng: random.Random) -> None:
    """Write numbers and country the way somebody typed them."""
    country = BY_CODE[sighting.country_code]
    sighting.phone = sighting.phone and _written(sighting.phone, country, rng)
    sighting.mobile = sighting.mobile and _written(sighting.mobile, country, rng)
    if happens(rng, 0.4):
        sighting.country = rng.choice(country.spellings)


_FORMS = (
    "{dial}{plain}",
    "00{bare}{plain}",
    "{dial} {bracket}{grouped}",
    "{dial} {grouped}",
    "{trunk}{grouped}",
    "{trunk}{grouped}",
    "{trunk}{grouped}",
)
_AMERICAN = ("{dial}{plain}", "({area}) {middle}-{end}", "{area}-{middle}-{end}", "{plain}")


def _written(national: str, country: Country, rng: random.Random) -> str:
    form = rng.choice(_AMERICAN if country.code == "US" else _FORMS)
    return form.format(
        dial=country.dial,
        bare=country.dial[1:],
        trunk=country.trunk,
        bracket=country.trunk and f"({country.trunk})",
        plain=national,
        grouped=_grouped(national, country, rng.choice((" ", ".", "-", ""))),
        area=national[:3],
        middle=national[3:6],
        end=national[6:],
    )


def _grouped(national: str, country: Country, separator: str) -> str:
    groups, rest = [], national
    for size in country.grouping:
        groups.append(rest[:size])
        rest = rest[size:]
    return separator.join(group for group in [*groups, rest] if group)


def _named(change: Callable[[str], str], *, first: bool = True) -> Damage:
    """Return a damage that changes the names."""

    def damage(sighting: Sighting, _: random.Random) -> None:
        if first:
            sighting.first_name = sighting.first_name and change(sighting.first_name)
        sighting.last_name = sighting.last_name and change(sighting.last_name)

    return damage


def _emptied(*names: str) -> Damage:
    """Return a damage that empties fields."""

    def damage(sighting: Sighting, _: random.Random) -> None:
        for name in names:
            setattr(sighting, name, None)

    return damage


def _mailbox(sighting: Sighting, rng: random.Random) -> None:
    """Give an address shared by a company: info@, contact@. Not a person's."""
    domain = f"{slug(sighting.company)}.example" if sighting.company else "example.com"
    sighting.email = f"{rng.choice(('info', 'contact', 'sales', 'accueil'))}@{domain}"


def _switchboard(sighting: Sighting, _: random.Random) -> None:
    """Give the company's own number: shared by colleagues, who are not duplicates."""
    country = BY_CODE[sighting.country_code]
    one_per_company = random.Random(sighting.company or "a shared flat")  # noqa: S311 -- repeatable draws, not secrets
    sighting.phone = country.trunk + digits(country.landlines[0], one_per_company)


def _bad_email(sighting: Sighting, rng: random.Random) -> None:
    email = sighting.email or "nobody@example.com"
    sighting.email = rng.choice(
        (
            email.replace("@", " @ "),
            f"mailto:{email}",
            f"{email}.",
            email.replace(".", ",", 1),
            f"<{email}>",
        )
    )


def _bad_phone(sighting: Sighting, rng: random.Random) -> None:
    extended = f"{sighting.phone or '01'} ext. 12"
    sighting.phone = rng.choice(("0000000000", "12", "n/a", "see notes", extended, "+"))


def _hostile(sighting: Sighting, rng: random.Random) -> None:
    field = rng.choice(("first_name", "last_name", "company", "job_title"))
    setattr(sighting, field, rng.choice(HOSTILE))


_DAMAGES: tuple[tuple[float, str, Damage], ...] = (
    (0.06, "caps", _named(str.upper)),
    (0.05, "lower", _named(str.lower)),
    (0.08, "last-caps", _named(str.upper, first=False)),
    (0.07, "no-accents", _named(without_accents)),
    (0.02, "padded", _named("  {} ".format, first=False)),
    (0.04, "mailbox", _mailbox),
    (0.08, "switchboard", _switchboard),
    (0.02, "bad-email", _bad_email),
    (0.03, "bad-phone", _bad_phone),
    (0.30, "", _emptied("phone")),
    (0.55, "", _emptied("mobile")),
    (0.06, "no-email", _emptied("email")),
    (0.02, "no-first-name", _emptied("first_name")),
    (0.02, "no-last-name", _emptied("last_name")),
    (0.25, "no-address", _emptied("country", "street", "postcode", "city")),
    (0.006, "hostile", _hostile),
)
"""Chance, trait, damage; applied in this order."""
