"""Turns sightings of the generated population into Pipedrive's persons and organisations."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

from crm_steward.sandbox import Sighting, population
from crm_steward_pipedrive.sandbox.naming import joined, split
from crm_steward_pipedrive.sandbox.schema import ADDRESS_PARTS, USERS, code_of
from crm_steward_pipedrive.sandbox.values import iso, seconds

_LANGUAGES = {"fr": 31, "de": 32, "en": 33, "es": 34}
_STAGES = {"prospect": 71, "customer": 72, "former": 73}
_NAMELESS = "Unknown"
_STATUSES = {"granted": "subscribed", "withdrawn": "unsubscribed"}


def account(contacts: int, seed: int, born: datetime, rule: str) -> dict[str, dict[str, Any]]:
    """Return persons, organisations, activities and the truth of a fresh account.

    Args:
        contacts: How many persons.
        seed: Of the people.
        born: What they are dated from.
        rule: How names are parted.
    """
    rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
    tables: dict[str, dict[str, Any]] = {
        "persons": {},
        "organizations": {},
        "activities": {},
        "truth": {},
    }
    by_name: dict[str, int] = {}
    current = 100
    for sighting in population(contacts, seed, born, slice="pipedrive"):
        current += rng.randrange(1, 9)
        row = _person(current, sighting, rng, rule)
        if sighting.company:
            row["org_id"] = by_name.setdefault(sighting.company, 10 + len(by_name))
        tables["persons"][str(current)] = row
        _activity(tables["activities"], row, sighting)
        tables["truth"][str(current)] = {
            "person": sighting.person,
            "withdrew": sighting.withdrew,
            "traits": list(sighting.traits),
        }
    made = seconds(born)
    tables["organizations"] = {
        str(org_id): {"id": org_id, "name": name, "add_time": made, "update_time": made}
        for name, org_id in by_name.items()
    }
    tables["counters"] = {
        "next": {"person": current + 1, "activity": 1_000_000, "token": 1, "organization": 900_000}
    }
    return tables


def _person(person_id: int, sighting: Sighting, rng: random.Random, rule: str) -> dict[str, Any]:
    """Return a stored person, imported under one name that the account parted by its rule."""
    name = joined(sighting.first_name, sighting.last_name).lstrip() or _NAMELESS
    given, family = split(name, rule)
    consent = sighting.consent
    owner = USERS[sighting.owner if sighting.owner is not None else 0]
    customer = sighting.stage in {"customer", "former"}
    act, activity = sighting.last_person_act, sighting.last_activity
    return {
        "id": person_id,
        "name": name,
        "first_name": given,
        "last_name": family,
        "owner_id": owner["id"],
        "org_id": None,
        "add_time": seconds(sighting.created_at),
        "update_time": seconds(sighting.updated_at),
        "emails": _entries((sighting.email, "work"), (sighting.other_email, "home")),
        "phones": _entries((sighting.phone, "work"), (sighting.mobile, "mobile")),
        "visible_to": 3,
        "label_ids": [1] if customer else rng.choice(([], [3], [4])),
        "custom": _custom(sighting),
        "sync": {
            "postal_address": _address(sighting),
            "notes": None,
            "im": [],
            "birthday": None,
            "job_title": sighting.job_title,
        },
        "marketing_status": _STATUSES.get(consent.status, "no_consent"),
        "marketing_changed": False,
        "mail_in": seconds(act) if act else None,
        "mail_out": seconds(activity) if activity else None,
        "won": int(customer),
        "open": int(sighting.stage == "prospect" and rng.random() < 0.3),  # noqa: PLR2004 -- a share of the invented
        "notes": int(rng.random() < 0.2),  # noqa: PLR2004 -- a share of the invented
        "deleted": None,
        "shown_at": 0,
        "spoiled": False,
    }


def _custom(sighting: Sighting) -> dict[str, Any]:
    consent = sighting.consent
    values: dict[str, Any] = {
        "Language": _LANGUAGES.get(sighting.language),
        "Stage": _STAGES.get(sighting.stage),
        "Website": sighting.website,
        "Source": sighting.source,
        "Type of client": 61 if sighting.company else 62,
        "Consent: when": iso(seconds(consent.given_at))[:10] if consent.given_at else None,
        "Consent: how": consent.how or None,
        "Consent: wording": consent.text_version or None,
        "Consent: source": consent.source or None,
        "Consent: proof": consent.evidence or None,
    }
    return {code_of(name): value for name, value in values.items() if value is not None}


def _entries(*given: tuple[str | None, str]) -> list[dict[str, Any]]:
    held = [(value, label) for value, label in given if value]
    return [
        {"value": value, "primary": at == 0, "label": label}
        for at, (value, label) in enumerate(held)
    ]


def _address(sighting: Sighting) -> dict[str, Any] | None:
    if not sighting.street:
        return None
    town = " ".join(part for part in (sighting.postcode, sighting.city) if part)
    line = ", ".join(part for part in (sighting.street, town, sighting.country) if part)
    address: dict[str, Any] = dict.fromkeys(ADDRESS_PARTS)
    number, _, route = sighting.street.partition(" ")
    split = number.isdecimal()
    return address | {
        "value": line,
        "street_number": number if split else None,
        "route": route if split else sighting.street,
        "postal_code": sighting.postcode,
        "locality": sighting.city,
        "country": sighting.country,
    }


def _activity(activities: dict[str, Any], row: dict[str, Any], sighting: Sighting) -> None:
    """Give a person who was spoken to a call that is done."""
    if sighting.last_activity is None or sighting.number % 2:
        return
    when = seconds(sighting.last_activity)
    activity_id = 5_000 + len(activities)
    activities[str(activity_id)] = {
        "id": activity_id,
        "subject": "Call",
        "type": "call",
        "owner_id": row["owner_id"],
        "creator_user_id": row["owner_id"],
        "add_time": when,
        "update_time": when,
        "org_id": None,
        "due_date": iso(when)[:10],
        "due_time": None,
        "done": True,
        "marked_as_done_time": when,
        "participants": [{"person_id": row["id"], "primary": True}],
        "note": None,
        "deleted": None,
    }
