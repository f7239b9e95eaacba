"""Turns sightings of the generated population into HubSpot records."""

from __future__ import annotations

import random
import re
from datetime import datetime
from typing import Any

from crm_steward.sandbox import Sighting, population
from crm_steward_hubspot.sandbox.schema import OWNERS
from crm_steward_hubspot.sandbox.values import iso, milliseconds, mirror_optouts

_STAGES = {
    "prospect": ("lead", "marketingqualifiedlead", "subscriber"),
    "customer": ("customer",),
    "former": ("other",),
}
_SOURCES = {
    "form": "ORGANIC_SEARCH",
    "trade fair": "OFFLINE",
    "referral": "REFERRALS",
    "purchase": "DIRECT_TRAFFIC",
}
"""Imported people come without: nobody wrote down where they are from."""

_ACTS = ("hs_sales_email_last_replied", "recent_conversion_date", "hs_email_last_click_date")
_VALID = re.compile(r"[a-z0-9.+_-]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_SMALL_IDS = 0.15
_LARGE_ID = 171_591_000_000


def account(contacts: int, seed: int, born: datetime) -> dict[str, dict[str, Any]]:
    """Return the tables of a fresh account holding `contacts` records."""
    rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
    ids = _ids(contacts, rng)
    rows: dict[str, Any] = {}
    truth: dict[str, Any] = {}
    preferences: dict[str, Any] = {}
    taken: set[str] = set()
    for record_id, sighting in zip(
        ids, population(contacts, seed, born, slice="hubspot"), strict=True
    ):
        properties = _properties(sighting, record_id, taken, rng)
        if properties.get("email") and sighting.consent.status != "unknown":
            preferences[properties["email"]] = _preference(sighting)
            mirror_optouts(properties, preferences[properties["email"]])
        rows[str(record_id)] = {
            "id": str(record_id),
            "properties": properties,
            "createdAt": milliseconds(sighting.created_at),
            "updatedAt": milliseconds(sighting.updated_at),
            "archivedAt": None,
        }
        truth[str(record_id)] = {
            "person": sighting.person,
            "withdrew": sighting.withdrew,
            "traits": list(sighting.traits),
        }
    next_id = {"value": (ids[-1] if ids else 0) + 1_000}
    return {
        "contacts": rows,
        "truth": truth,
        "preferences": preferences,
        "counters": {"next_id": next_id},
    }


def _ids(count: int, rng: random.Random) -> list[int]:
    """Draw rising ids of differing lengths: old accounts keep short ones."""
    small = int(count * _SMALL_IDS)
    ids: list[int] = []
    current = 50
    for position in range(count):
        current += rng.randrange(1, 60)
        if position == small:
            current = _LARGE_ID
        ids.append(current)
    return ids


def _properties(
    sighting: Sighting, record_id: int, taken: set[str], rng: random.Random
) -> dict[str, str]:
    email, other = _emails(sighting, taken)
    consent = sighting.consent
    values: dict[str, str | None] = {
        "firstname": sighting.first_name,
        "lastname": sighting.last_name,
        "email": email,
        "work_email": other,
        "phone": sighting.phone,
        "mobilephone": sighting.mobile,
        "company": sighting.company,
        "jobtitle": sighting.job_title,
        "address": sighting.street,
        "zip": sighting.postcode,
        "city": sighting.city,
        "country": sighting.country,
        "website": sighting.website,
        "hs_language": sighting.language,
        "hubspot_owner_id": None if sighting.owner is None else OWNERS[sighting.owner]["id"],
        "lifecyclestage": rng.choice(_STAGES.get(sighting.stage, ("",))),
        "hs_analytics_source": _SOURCES.get(sighting.source),
        "hs_object_source_label": "FORM" if sighting.source == "form" else "IMPORT",
        "hs_legal_basis": consent.basis,
        "consent_given_at": _time(consent.given_at),
        "consent_how": consent.how,
        "consent_text_version": consent.text_version,
        "consent_source": consent.source,
        "consent_evidence": consent.evidence,
        rng.choice(_ACTS): _time(sighting.last_person_act),
        "notes_last_contacted": _time(sighting.last_activity),
        "notes_last_updated": _time(sighting.last_activity),
        "createdate": _time(sighting.created_at),
        "lastmodifieddate": _time(sighting.updated_at),
        "hs_object_id": str(record_id),
    }
    return {name: value for name, value in values.items() if value}


def _emails(sighting: Sighting, taken: set[str]) -> tuple[str | None, str | None]:
    """Return (email, work_email): `email` is valid, in lower case and unique, as HubSpot keeps it.

    An address HubSpot would have refused there stands in `work_email`, which it does not check.
    """
    if sighting.email is None:
        return None, sighting.other_email
    address = sighting.email.strip().lower()
    if address in taken or not _VALID.fullmatch(address):
        return None, sighting.email
    taken.add(address)
    return address, sighting.other_email


def _preference(sighting: Sighting) -> dict[str, Any]:
    consent = sighting.consent
    said = consent.withdrawn_at or consent.given_at or sighting.created_at
    return {
        "optout": milliseconds(said) if consent.status == "withdrawn" else None,
        "subscriptions": {
            "1": {
                "status": "SUBSCRIBED" if consent.status == "granted" else "NOT_SUBSCRIBED",
                "legalBasis": "CONSENT_WITH_NOTICE" if consent.basis else None,
                "legalBasisExplanation": consent.source or None,
                "at": milliseconds(said),
            }
        }
        if consent.status in {"granted", "withdrawn"}
        else {},
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else iso(milliseconds(moment))
