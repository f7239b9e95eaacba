"""CPU time that making one contact comparable costs, on contacts that do and do not repeat values.

Run it alone: `python bench/normalize.py [CONTACTS]`.
"""

from __future__ import annotations

import random
import sys
import time

import phonenumbers

from crm_steward import normalize as n

BUDGET = 150
"""Microseconds of CPU per contact that normalising may take of pull, normalise and store."""

_FIRST = [
    "JEAN",
    "marie",
    "Hans",
    "Élodie",
    "José",
    "john",
    "Jean-Pierre",
    "ANNE",
    "GRETA",
    "Søren",
    "o'neil",
    "Zoë",
]
_COUNTRIES = ["FR", "France", "Deutschland", "Royaume-Uni", "España", "USA", None]
_REGIONS = ["FR", "FR", "DE", "GB", "ES", "US", "FR"]
_SUFFIXES = ["SARL", "GmbH", "Ltd", "S.A.S.", "SL", "Inc."]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_FORMS = [
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.NATIONAL,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
]

Row = tuple[str, str, str, str, str, str, str | None]


def _number(chance: random.Random, region: str) -> str:
    mobile = phonenumbers.PhoneNumberType.MOBILE
    number = phonenumbers.example_number_for_type(region, mobile)
    number.national_number += chance.randrange(90_000)
    if chance.random() < 0.02:
        return f"{number.national_number} poste {chance.randrange(99)}"
    return phonenumbers.format_number(number, chance.choice(_FORMS))


def _contacts(count: int) -> list[Row]:
    """Return contacts whose e-mails and numbers never repeat and whose last names seldom do."""
    chance = random.Random(7)  # noqa: S311 -- not a secret
    rows: list[Row] = []
    for index in range(count):
        place = chance.randrange(len(_COUNTRIES))
        first = chance.choice(_FIRST)
        last = "".join(chance.choices(_LETTERS, k=chance.randint(4, 9)))
        last = chance.choice([last, last.upper(), last.title(), last.title()])
        host = chance.choice(["example.com", "Example.org", f"{last.lower()}.example.net"])
        email = f"{last.lower()}.{index}@{host}" + (" " if chance.random() < 0.02 else "")
        rows.append(
            (
                email,
                _number(chance, _REGIONS[place]),
                _number(chance, _REGIONS[place]),
                first,
                last,
                f"{last.title()} {chance.choice(_SUFFIXES)}",
                _COUNTRIES[place],
            )
        )
    return rows


def _normalise(row: Row) -> None:
    """Make every comparable value of a contact, as the mirror does."""
    email, phone, mobile, first, last, company, country = row
    code = n.country_code(country) or "FR"
    n.email_key(email), n.email_domain(email), n.clean_email(email), n.email_problem(email)
    n.phone_e164(phone, code), n.phone_problem(phone, code)
    n.phone_e164(mobile, code), n.phone_problem(mobile, code)
    n.cased_name(first), n.cased_name(last)
    n.name_key(first), n.name_key(last), n.person_key(first, last)
    n.company_key(company)


def main() -> int:
    """Print the figure; return 1 when it is over budget."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rows = _contacts(count)
    for row in rows[:200]:
        _normalise(row)
    started = time.process_time()
    for row in rows[200:]:
        _normalise(row)
    spent = (time.process_time() - started) / (count - 200) * 1e6
    print(f"normalise: {spent:.0f} µs CPU per contact (at most {BUDGET}), {count} contacts")
    return 0 if spent <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
