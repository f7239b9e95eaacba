"""One invented person, as they are: a pure function of the seed and the person's number."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_steward.sandbox.people import (
    COMPANY_STEMS,
    COMPANY_TRADES,
    COUNTRIES,
    JOBS,
    SHARES,
    Country,
    slug,
)

_BASIS = "Freely given consent from contact"


@dataclass(slots=True, kw_only=True)
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


@dataclass(slots=True, kw_only=True)
class Sighting:
    """What one system holds about one person, in neutral fields.

    Args:
        person: Who it really is; the same in every sighting of the same person.
        number: The person's number, which draws their addresses.
        country_code: Where the person really lives.
        language: ISO 639 code.
        first_name, last_name, email, other_email, phone, mobile: As somebody typed them.
        company, job_title, street, postcode, city, country, website: The same.
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
    number: int
    country_code: str
    language: str
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
    traits: list[str] = field(default_factory=list)


def person(seed: int, number: int, now: datetime) -> Sighting:
    """Return the true and tidy picture of person `number`; phones are national digits yet."""
    rng = random.Random(seed * 7_919 + number * 2_654_435_761)  # noqa: S311 -- repeatable draws, not secrets
    country = rng.choices(COUNTRIES, SHARES)[0]
    first, last = rng.choice(country.first_names), rng.choice(country.last_names)
    company = None if happens(rng, 0.25) else invented_company(country, rng)
    city, postcode = rng.choice(country.cities)
    created = now - timedelta(minutes=rng.randrange(60 * 24, 60 * 24 * 365 * 6))
    act = _act(created, now, rng)
    withdrew = happens(rng, 0.08)
    return Sighting(
        person=f"p{number}",
        number=number,
        country_code=country.code,
        language=country.language,
        first_name=first,
        last_name=last,
        email=address(first, last, company, number, rng),
        phone=digits(rng.choice(country.landlines), rng),
        mobile=digits(rng.choice(country.mobiles), rng),
        company=company,
        job_title=rng.choice(JOBS) if company else None,
        street=country.street_form.format(
            number=rng.randrange(1, 200), street=rng.choice(country.streets)
        ),
        postcode=postcode,
        city=city,
        country=country.spellings[0],
        website=f"https://www.{slug(company)}.example" if company else None,
        owner=rng.randrange(5) if happens(rng, 0.9) else None,
        stage=rng.choices(("prospect", "customer", "former", "unknown"), (55, 30, 5, 10))[0],
        source=rng.choice(("form", "import", "trade fair", "referral", "purchase")),
        created_at=created,
        updated_at=created + (now - created) * rng.random() ** 0.5,
        last_person_act=act,
        last_activity=act + (now - act) * rng.random() if act else None,
        consent=invented_consent(created, now, rng, withdrew=withdrew),
        withdrew=withdrew,
    )


def happens(rng: random.Random, chance: float) -> bool:
    """Draw whether something of this chance happens."""
    return rng.random() < chance


def invented_company(country: Country, rng: random.Random) -> str:
    """Draw a company's name with a legal form of its country."""
    parts = (rng.choice(COMPANY_STEMS), rng.choice(COMPANY_TRADES), rng.choice(country.companies))
    return " ".join(part for part in parts if part)


def address(first: str, last: str, company: str | None, number: int, rng: random.Random) -> str:
    """Draw an e-mail address at a company's domain, or at one kept for examples."""
    given, family = slug(first), slug(last)
    local = rng.choice((f"{given}.{family}", f"{given[0]}.{family}", f"{given}{family[0]}", given))
    if company:
        return f"{local}{number % 9973}@{slug(company)}.example"
    domain = rng.choice(("example.com", "example.org", "example.net", "mail.example.com"))
    return f"{local}.{number % 9973}@{domain}"


def digits(pattern: str, rng: random.Random) -> str:
    """Fill every `x` of a number's pattern with a drawn digit."""
    drawn = str(rng.randrange(10**9, 10**10))[::-1]
    for digit in drawn:
        pattern = pattern.replace("x", digit, 1)
    return pattern


def _act(created: datetime, now: datetime, rng: random.Random) -> datetime | None:
    """Draw when the person last did something: 0 to 60 months ago, or never."""
    if happens(rng, 0.12):
        return None
    longest = min(now - created, timedelta(days=60 * 30))
    return now - longest * float(rng.random() ** 1.5)


def invented_consent(
    created: datetime, now: datetime, rng: random.Random, *, withdrew: bool
) -> ConsentState:
    """Draw a consent: withdrawn, or granted with or without its proof, none, or unknown."""
    given = created + timedelta(minutes=rng.randrange(60))
    if withdrew:
        withdrawn = given + (now - given) * rng.random()
        return ConsentState(
            status="withdrawn", basis=_BASIS, given_at=given, withdrawn_at=withdrawn
        )
    kind = rng.choices(("full", "partial", "none", "unknown"), (45, 20, 10, 25))[0]
    if kind in {"none", "unknown"}:
        return ConsentState(status=kind)
    source = rng.choice(("newsletter form", "trade fair", "shop checkout"))
    if kind == "partial":
        dated = given if happens(rng, 0.5) else None
        return ConsentState(status="granted", basis=_BASIS, given_at=dated, source=source)
    return ConsentState(
        status="granted",
        basis=_BASIS,
        given_at=given,
        how=rng.choice(("form", "double opt-in", "paper")),
        text_version=rng.choice(("2023-05", "2024-01", "2025-09")),
        source=source,
        evidence=f"consent/{rng.randrange(10**8):08d}",
    )
