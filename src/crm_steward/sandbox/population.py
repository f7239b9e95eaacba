"""A seeded population of invented people, seen by a CRM or a file, with the truth recorded.

A person is a pure function of the seed and the person's number; a sighting is what one system
holds about one person, with the mess people make. The same person can be sighted by several
systems, and several times by one: `Sighting.person` says who it really is.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from crm_steward.sandbox.people import (
    COMPANY_STEMS,
    COMPANY_TRADES,
    COUNTRIES,
    HOSTILE,
    JOBS,
    NICKNAMES,
    SHARES,
    Country,
)

_CODES = {country.code: country for country in COUNTRIES}
_PRIVATE = 1_000_000_000
"""Where the numbers of people known to one slice only begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentState:
    """What one system holds about a person's consent to marketing mail.

    Args:
        status: granted, withdrawn, none, or unknown.
        basis: The legal ground, in the system's words.
        given_at, how, text_version, source, evidence: The proof; empty where it is missing.
        withdrawn_at: Set when the person said no.
    """

    status: str
    basis: str = ""
    given_at: datetime | None = None
    how: str = ""
    text_version: str = ""
    source: str = ""
    evidence: str = ""
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one system holds about one person, in neutral fields.

    Args:
        person: Who it really is; the same in every sighting of the same person.
        first_name, last_name, email, other_email, phone, mobile: As somebody typed them.
        company, job_title, street, postcode, city, country, website: The same.
        country_code: Where the person really lives.
        language: ISO 639 code.
        owner: Number of the salesperson, or None.
        stage: prospect, customer, former or unknown.
        source: Where the record came from.
        created_at, updated_at: Set by the system.
        last_person_act, last_activity: None when never.
        consent: What is held about marketing mail.
        withdrew: The person has withdrawn, whether or not this system knows.
        traits: What is wrong with it, for tests: `caps`, `nickname`, `switchboard`, `hostile`, …
    """

    person: str
    first_name: str | None
    last_name: str | None
    email: str | None
    other_email: str | None = None
    phone: str | None
    mobile: str | None
    company: str | None
    job_title: str | None
    street: str | None
    postcode: str | None
    city: str | None
    country: str | None
    country_code: str
    language: str
    website: str | None
    owner: int | None
    stage: str
    source: str
    created_at: datetime
    updated_at: datetime
    last_person_act: datetime | None
    last_activity: datetime | None
    consent: ConsentState
    withdrew: bool
    traits: tuple[str, ...] = ()


def population(
    n: int,
    seed: int,
    now: datetime,
    *,
    slice: str = "",
    shared: float = 0.3,  # noqa: A002 -- the word for it
) -> list[Sighting]:
    """Return `n` sightings, the same for the same arguments.

    Args:
        n: How many records the system holds.
        seed: Of the people; the same in every slice.
        now: What activity dates and consents are counted back from.
        slice: Names the system that looks (`hubspot`, `file`); each sees its own mess.
        shared: Share of its people that any other slice may know too. They are the first people
            of the seed, so a small slice's shared people are found in a larger one's.
    """
    rng = random.Random(f"{seed}/{slice}")  # noqa: S311 -- repeatable, not secret
    sightings: list[Sighting] = []
    common, private = 0, _PRIVATE + _offset(slice)
    while len(sightings) < n:
        if rng.random() < shared:
            number, common = common, common + 1
        else:
            number, private = private, private + 1
        sightings += _sightings_of(_person(seed, number, now), rng, now)
    del sightings[n:]
    rng.shuffle(sightings)
    return sightings


def _offset(name: str) -> int:
    """Return where the private people of a slice begin; slices do not meet."""
    return int.from_bytes(name.encode()[:6].ljust(6, b"\0"), "big") * _PRIVATE


# -- the person, as they are ----------------------------------------------------------------------


def _person(seed: int, number: int, now: datetime) -> Sighting:
    """Return the true and tidy picture of person `number`."""
    rng = random.Random(seed * 7_919 + number * 2_654_435_761)  # noqa: S311 -- repeatable
    country = rng.choices(COUNTRIES, SHARES)[0]
    first, last = rng.choice(country.first_names), rng.choice(country.last_names)
    company = None if rng.random() < 0.25 else _company(country, rng)
    city, postcode = rng.choice(country.cities)
    created = now - timedelta(minutes=rng.randrange(60 * 24, 60 * 24 * 365 * 6))
    act = _act(created, now, rng)
    withdrew = rng.random() < 0.08
    landline = rng.choice(country.landlines) if company and rng.random() < 0.3 else None
    return Sighting(
        person=f"p{number}",
        first_name=first,
        last_name=last,
        email=_email(first, last, company, number, rng),
        phone=_digits(landline or rng.choice(country.landlines), rng),
        mobile=_digits(rng.choice(country.mobiles), rng),
        company=company,
        job_title=rng.choice(JOBS) if company else None,
        street=country.street_form.format(
            number=rng.randrange(1, 200), street=rng.choice(country.streets)
        ),
        postcode=postcode,
        city=city,
        country=country.spellings[0],
        country_code=country.code,
        language=country.language,
        website=f"https://www.{_slug(company)}.example" if company else None,
        owner=rng.randrange(5) if rng.random() < 0.9 else None,
        stage=rng.choices(("prospect", "customer", "former", "unknown"), (55, 30, 5, 10))[0],
        source=rng.choice(("form", "import", "trade fair", "referral", "purchase")),
        created_at=created,
        updated_at=created + (now - created) * rng.random() ** 0.5,
        last_person_act=act,
        last_activity=act + (now - act) * rng.random() if act else None,
        consent=_consent(created, now, rng, withdrew=withdrew),
        withdrew=withdrew,
    )


def _company(country: Country, rng: random.Random) -> str:
    parts = (rng.choice(COMPANY_STEMS), rng.choice(COMPANY_TRADES), rng.choice(country.companies))
    return " ".join(part for part in parts if part)


def _email(first: str, last: str, company: str | None, number: int, rng: random.Random) -> str:
    domain = (
        f"{_slug(company)}.example"
        if company
        else rng.choice(("example.com", "example.org", "example.net", "mail.example.com"))
    )
    given, family = _slug(first), _slug(last)
    local = rng.choice((f"{given}.{family}", f"{given[0]}.{family}", f"{given}{family[0]}", given))
    return f"{local}{'' if company else '.'}{number % 9973}@{domain}"


def _digits(pattern: str, rng: random.Random) -> str:
    return "".join(str(rng.randrange(10)) if c == "x" else c for c in pattern)


def _act(created: datetime, now: datetime, rng: random.Random) -> datetime | None:
    """Draw when the person last did something: 0 to 60 months ago, or never."""
    if rng.random() < 0.12:
        return None
    longest = min(now - created, timedelta(days=60 * 30))
    return now - longest * rng.random() ** 1.5


def _consent(
    created: datetime, now: datetime, rng: random.Random, *, withdrew: bool
) -> ConsentState:
    given = created + timedelta(minutes=rng.randrange(60))
    if withdrew:
        return ConsentState(
            status="withdrawn",
            basis="Freely given consent from contact",
            given_at=given,
            withdrawn_at=given + (now - given) * rng.random(),
        )
    kind = rng.choices(("full", "partial", "none", "unknown"), (45, 20, 10, 25))[0]
    if kind in {"none", "unknown"}:
        return ConsentState(status=kind)
    return ConsentState(
        status="granted",
        basis="Freely given consent from contact",
        given_at=given if kind == "full" or rng.random() < 0.5 else None,
        how=rng.choice(("form", "double opt-in", "paper")) if kind == "full" else "",
        text_version=rng.choice(("2023-05", "2024-01", "2025-09")) if kind == "full" else "",
        source=rng.choice(("newsletter form", "trade fair", "shop checkout")),
        evidence=f"consent/{rng.randrange(10**8):08d}" if kind == "full" else "",
    )


# -- what systems make of them --------------------------------------------------------------------


def _sightings_of(person: Sighting, rng: random.Random, now: datetime) -> list[Sighting]:
    """Return how one system holds a person: mostly once, sometimes twice, rarely three times."""
    seen = [_mess(_localised(person, rng), rng)]
    while rng.random() < 0.12:
        again = rng.choice(_DUPLICATIONS)(person, rng)
        later = person.created_at + (now - person.created_at) * rng.random()
        again = replace(
            again,
            created_at=later,
            updated_at=later + (now - later) * rng.random(),
            consent=_other_consent(person, later, now, rng),
        )
        seen.append(_mess(_localised(again, rng), rng))
    if rng.random() < 0.02:
        seen.append(_mess(_localised(_relative(person, rng), rng), rng))
    return seen


def _other_consent(
    person: Sighting, later: datetime, now: datetime, rng: random.Random
) -> ConsentState:
    """A second record may still say yes where the first says no: the trap of merging."""
    if rng.random() < 0.5:
        return person.consent
    return _consent(later, now, rng, withdrew=False)


def _trait(sighting: Sighting, name: str) -> tuple[str, ...]:
    return (*sighting.traits, name)


def _same_email(person: Sighting, rng: random.Random) -> Sighting:
    email = person.email or ""
    other = rng.choice((email.upper(), email.capitalize(), f" {email}", email))
    return replace(person, email=other, phone=None, traits=_trait(person, "same-email"))


def _nickname(person: Sighting, rng: random.Random) -> Sighting:
    first = person.first_name or ""
    short = NICKNAMES.get(first, first.split("-")[0].split()[0][:1] + ".")
    return replace(
        person,
        first_name=short,
        email=_private_email(person, rng),
        traits=_trait(person, "nickname"),
    )


def _typo(person: Sighting, rng: random.Random) -> Sighting:
    return replace(
        person,
        last_name=_mistype(person.last_name or "", rng),
        email=_private_email(person, rng) if rng.random() < 0.5 else None,
        traits=_trait(person, "typo"),
    )


def _new_job(person: Sighting, rng: random.Random) -> Sighting:
    country = _CODES[person.country_code]
    company = _company(country, rng)
    number = int(person.person[1:])
    return replace(
        person,
        company=company,
        website=f"https://www.{_slug(company)}.example",
        job_title=rng.choice(JOBS),
        email=_email(person.first_name or "x", person.last_name or "x", company, number, rng),
        phone=_digits(rng.choice(country.landlines), rng),
        traits=_trait(person, "new-job"),
    )


def _swapped(person: Sighting, _: random.Random) -> Sighting:
    return replace(
        person,
        first_name=person.last_name,
        last_name=person.first_name,
        email=None,
        other_email=person.email,
        traits=_trait(person, "swapped"),
    )


_DUPLICATIONS: tuple[Callable[[Sighting, random.Random], Sighting], ...] = (
    _same_email, _same_email, _nickname, _typo, _new_job, _swapped,
)  # fmt: skip


def _private_email(person: Sighting, rng: random.Random) -> str:
    given, family = _slug(person.first_name or "x"), _slug(person.last_name or "x")
    return f"{given}.{family}.{int(person.person[1:]) % 9973}{rng.choice('abc')}@example.net"


def _relative(person: Sighting, rng: random.Random) -> Sighting:
    """Another person of the same household: same name, address and landline. Not a duplicate."""
    country = _CODES[person.country_code]
    first = rng.choice([name for name in country.first_names if name != person.first_name])
    return replace(
        person,
        person=f"{person.person}r",
        first_name=first,
        email=f"{_slug(first)}.{_slug(person.last_name or 'x')}@example.org"
        if rng.random() < 0.5
        else None,
        mobile=_digits(rng.choice(country.mobiles), rng),
        withdrew=False,
        consent=ConsentState(status="unknown"),
        traits=_trait(person, "family"),
    )


def _localised(person: Sighting, rng: random.Random) -> Sighting:
    """Write numbers and country the way somebody typed them."""
    country = _CODES[person.country_code]
    return replace(
        person,
        phone=_written(person.phone, country, rng),
        mobile=_written(person.mobile, country, rng),
        country=rng.choice(country.spellings) if rng.random() < 0.4 else person.country,
    )


def _written(national: str | None, country: Country, rng: random.Random) -> str | None:
    if national is None:
        return None
    form = rng.randrange(8)
    if form == 0:
        return f"{country.dial}{national}"
    if form == 1:
        return f"00{country.dial[1:]}{national}"
    if form == 2:
        return f"{country.dial} (0){_grouped(national, country, ' ')}"
    if form == 3:
        return f"{country.dial} {_grouped(national, country, ' ')}"
    if form == 4 and country.code == "US":
        return f"({national[:3]}) {national[3:6]}-{national[6:]}"
    separator = rng.choice((" ", ".", "-", ""))
    return country.trunk + _grouped(national, country, separator)


def _grouped(national: str, country: Country, separator: str) -> str:
    groups, rest = [], national
    for size in country.grouping:
        groups.append(rest[:size])
        rest = rest[size:]
    return separator.join(group for group in [*groups, rest] if group)


def _mess(sighting: Sighting, rng: random.Random) -> Sighting:
    """Let each kind of mess happen with its own chance."""
    for chance, damage in _DAMAGES:
        if rng.random() < chance:
            sighting = damage(sighting, rng)
    return sighting


def _caps(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(
        sighting,
        first_name=_apply(str.upper, sighting.first_name),
        last_name=_apply(str.upper, sighting.last_name),
        traits=_trait(sighting, "caps"),
    )


def _lower(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(
        sighting,
        first_name=_apply(str.lower, sighting.first_name),
        last_name=_apply(str.lower, sighting.last_name),
        traits=_trait(sighting, "lower"),
    )


def _last_caps(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(
        sighting,
        last_name=_apply(str.upper, sighting.last_name),
        traits=_trait(sighting, "last-caps"),
    )


def _no_accents(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(
        sighting,
        first_name=_apply(_ascii, sighting.first_name),
        last_name=_apply(_ascii, sighting.last_name),
        city=_apply(_ascii, sighting.city),
        traits=_trait(sighting, "no-accents"),
    )


def _padded(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(
        sighting,
        last_name=_apply("  {} ".format, sighting.last_name),
        traits=_trait(sighting, "padded"),
    )


def _bad_email(sighting: Sighting, rng: random.Random) -> Sighting:
    email = sighting.email
    if email is None:
        return sighting
    broken = rng.choice(
        (
            email.replace("@", " @ "),
            f"mailto:{email}",
            f"{email}.",
            email.replace(".", ",", 1),
            f"<{email}>",
        )
    )
    return replace(sighting, email=broken, traits=_trait(sighting, "bad-email"))


def _bad_phone(sighting: Sighting, rng: random.Random) -> Sighting:
    phone = rng.choice(
        ("0000000000", "12", "n/a", "see notes", f"{sighting.phone or '01'} ext. 12", "+")
    )
    return replace(sighting, phone=phone, traits=_trait(sighting, "bad-phone"))


def _no_phone(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(sighting, phone=None)


def _no_mobile(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(sighting, mobile=None)


def _no_email(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(sighting, email=None, traits=_trait(sighting, "no-email"))


def _no_name(sighting: Sighting, rng: random.Random) -> Sighting:
    if rng.random() < 0.5:
        return replace(sighting, first_name=None, traits=_trait(sighting, "no-first-name"))
    return replace(sighting, last_name=None, traits=_trait(sighting, "no-last-name"))


def _no_country(sighting: Sighting, _: random.Random) -> Sighting:
    return replace(sighting, country=None, street=None, postcode=None, city=None)


def _switchboard(sighting: Sighting, _: random.Random) -> Sighting:
    """The company's own number: shared by colleagues, who are not duplicates."""
    if sighting.company is None:
        return sighting
    country = _CODES[sighting.country_code]
    drawn = random.Random(sighting.company)  # noqa: S311 -- one number per company
    return replace(
        sighting,
        phone=country.trunk + _digits(country.landlines[0], drawn),
        traits=_trait(sighting, "switchboard"),
    )


def _mailbox(sighting: Sighting, rng: random.Random) -> Sighting:
    """An address shared by a company: info@, contact@. Not a person's."""
    if sighting.company is None:
        return sighting
    local = rng.choice(("info", "contact", "sales", "accueil"))
    return replace(
        sighting,
        email=f"{local}@{_slug(sighting.company)}.example",
        traits=_trait(sighting, "mailbox"),
    )


def _hostile(sighting: Sighting, rng: random.Random) -> Sighting:
    target = rng.choice(("first_name", "last_name", "company", "job_title"))
    value = rng.choice(HOSTILE)
    traits = _trait(sighting, "hostile")
    if target == "first_name":
        return replace(sighting, first_name=value, traits=traits)
    if target == "last_name":
        return replace(sighting, last_name=value, traits=traits)
    if target == "company":
        return replace(sighting, company=value, traits=traits)
    return replace(sighting, job_title=value, traits=traits)


_DAMAGES: tuple[tuple[float, Callable[[Sighting, random.Random], Sighting]], ...] = (
    (0.06, _caps), (0.05, _lower), (0.08, _last_caps), (0.07, _no_accents), (0.02, _padded),
    (0.05, _mailbox), (0.10, _switchboard), (0.02, _bad_email), (0.03, _bad_phone),
    (0.30, _no_phone), (0.55, _no_mobile), (0.06, _no_email), (0.03, _no_name),
    (0.25, _no_country), (0.006, _hostile),
)  # fmt: skip


def _apply(change: Callable[[str], str], text: str | None) -> str | None:
    return None if text is None else change(text)


def _mistype(text: str, rng: random.Random) -> str:
    """Swap, drop or double one letter."""
    if len(text) < 3:
        return text
    at = rng.randrange(1, len(text) - 1)
    return rng.choice(
        (
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
        )
    )


def _ascii(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _slug(text: str | None) -> str:
    return "".join(c for c in _ascii(text or "x").casefold() if c.isascii() and c.isalnum()) or "x"
