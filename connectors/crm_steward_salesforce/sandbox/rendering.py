"""Turns sightings of the generated population into the records of an org."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from crm_steward.sandbox import Sighting, population
from crm_steward_salesforce.sandbox.schema import OBJECTS
from crm_steward_salesforce.sandbox.values import new_id, stamp

_STAGES = {"prospect": "Prospect", "customer": "Customer", "former": "Former"}
_SOURCES = {
    "form": "Web",
    "import": "Purchased List",
    "trade fair": "Trade Show",
    "referral": "Partner Referral",
    "purchase": "Other",
}
_USERS = (
    ("Nadia Ferrand", True),
    ("Tom Barker", True),
    ("Jana Vogt", True),
    ("Pilar Nieto", True),
    ("Alain Sorel", False),
)
_VALID = re.compile(r"[A-Za-z0-9.+_-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_BOUNCED, _NO_CALLS = 0.03, 0.05
_NAMELESS = "-"
"""What people type where a last name is required and they have none."""

Tables = dict[str, dict[str, Any]]


def org(contacts: int, seed: int, born: datetime, *, privacy: bool) -> Tables:
    """Return the tables of a fresh org holding `contacts` records."""
    rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
    tables: Tables = {name: {} for name in (*OBJECTS, "truth", "counters")}
    owners = _users(tables, born)
    queue = {"Id": new_id("00G", 1), "Name": "Data quality", "Type": "Queue"}
    tables["Group"][queue["Id"]] = dated(_blank("Group") | queue, born)
    accounts: dict[str, str] = {}
    number = 3_000
    for sighting in population(contacts, seed, born, slice="salesforce"):
        number += rng.randrange(1, 4_000)
        row = _contact(sighting, new_id("003", number), owners, rng)
        row["AccountId"] = _account(sighting, accounts, tables, born)
        if privacy and sighting.consent.status in {"granted", "withdrawn"}:
            row["IndividualId"] = _individual(sighting, number, tables)
        tables["Contact"][row["Id"]] = named(row)
        tables["truth"][row["Id"]] = {
            "person": sighting.person,
            "withdrew": sighting.withdrew,
            "traits": list(sighting.traits),
        }
    return tables


def dated(row: dict[str, Any], moment: datetime) -> dict[str, Any]:
    """Return a record as made at `moment`, not deleted."""
    at = stamp(moment)
    user = new_id("005", 1)
    return {
        **row,
        "IsDeleted": False,
        "CreatedDate": at,
        "LastModifiedDate": at,
        "SystemModstamp": at,
        "CreatedById": user,
        "LastModifiedById": user,
    }


def named(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record with what Salesforce works out by itself: `Name`, `IsClosed`, the bounce."""
    if "FirstName" in row:
        name = " ".join(filter(None, [row.get("FirstName"), row.get("LastName")]))
        return {**row, "Name": name, "IsEmailBounced": bool(row.get("EmailBouncedDate"))}
    if "ActivityDate" in row:
        return {**row, "IsClosed": row.get("Status") == "Completed"}
    return row


def _blank(name: str) -> dict[str, Any]:
    fields = OBJECTS[name].fields.values()
    return {field.name: False if field.type == "boolean" else None for field in fields}


def _users(tables: Tables, born: datetime) -> list[str]:
    ids = []
    for number, (name, active) in enumerate((("Steward Integration", True), *_USERS), start=1):
        address = f"{name.lower().replace(' ', '.')}@vendor.example"
        row: dict[str, Any] = {
            "Id": new_id("005", number),
            "Name": name,
            "Username": address,
            "Email": address,
            "UserType": "Standard",
            "IsActive": active,
        }
        tables["User"][row["Id"]] = dated(_blank("User") | row, born)
        ids.append(str(row["Id"]))
    return ids


def _contact(
    sighting: Sighting, record_id: str, users: list[str], rng: random.Random
) -> dict[str, Any]:
    email, second = _emails(sighting)
    consent, bounced = sighting.consent, rng.random() < _BOUNCED
    values: dict[str, Any] = {
        "FirstName": sighting.first_name,
        "LastName": sighting.last_name or _NAMELESS,
        "Email": email,
        "Second_Email__c": second,
        "Phone": sighting.phone,
        "MobilePhone": sighting.mobile,
        "Title": sighting.job_title,
        "MailingStreet": sighting.street,
        "MailingPostalCode": sighting.postcode,
        "MailingCity": sighting.city,
        "MailingCountry": sighting.country,
        "Language__c": sighting.language,
        "LeadSource": _SOURCES.get(sighting.source),
        "Stage__c": _STAGES.get(sighting.stage),
        "Consent_How__c": consent.how,
        "Consent_Text_Version__c": consent.text_version,
        "Consent_Source__c": consent.source,
        "Consent_Evidence__c": consent.evidence,
    }
    row = _blank("Contact") | {name: _stored(name, value) for name, value in values.items()}
    row |= {
        "Id": record_id,
        "OwnerId": users[0] if sighting.owner is None else users[1 + sighting.owner],
        "HasOptedOutOfEmail": consent.status == "withdrawn",
        "DoNotCall": sighting.withdrew and rng.random() < _NO_CALLS * 10,
        "EmailBouncedDate": stamp(sighting.updated_at) if email and bounced else None,
        "EmailBouncedReason": "550 no such mailbox" if email and bounced else None,
        "Consent_Given_At__c": consent.given_at and stamp(consent.given_at),
        "Last_Reply__c": sighting.last_person_act and stamp(sighting.last_person_act),
        "LastActivityDate": sighting.last_activity and sighting.last_activity.date().isoformat(),
    }
    row = dated(row, sighting.created_at)
    moved = stamp(max(sighting.updated_at, sighting.created_at))
    return {**row, "LastModifiedDate": moved, "SystemModstamp": moved}


def _stored(name: str, value: str | None) -> str | None:
    """Return a text as Salesforce keeps it: trimmed, within its length, null where empty."""
    text = (value or "").strip()[: OBJECTS["Contact"].fields[name].length].strip()
    return text or None


def _emails(sighting: Sighting) -> tuple[str | None, str | None]:
    """Return (Email, Second_Email__c): Salesforce refuses what does not look like an address."""
    address = (sighting.email or "").strip()
    if address and not _VALID.fullmatch(address):
        return None, sighting.other_email
    return address or None, sighting.other_email


def _account(
    sighting: Sighting, known: dict[str, str], tables: Tables, born: datetime
) -> str | None:
    name = (sighting.company or "").strip()[:255]
    if not name:
        return None
    if name not in known:
        known[name] = new_id("001", len(known) + 1)
        row = {"Id": known[name], "Name": name, "Website": sighting.website}
        made = min(sighting.created_at, born - timedelta(days=1))
        tables["Account"][known[name]] = dated(_blank("Account") | row, made)
    return known[name]


def _individual(sighting: Sighting, number: int, tables: Tables) -> str:
    consent = sighting.consent
    individual = _blank("Individual") | {
        "Id": new_id("0PK", number),
        "LastName": sighting.last_name or _NAMELESS,
    }
    given = consent.given_at or sighting.created_at
    said: Mapping[str, Any] = {
        "Id": new_id("0ZX", number),
        "Name": "Marketing by e-mail",
        "PartyId": individual["Id"],
        "ContactPointType": "Email",
        "PrivacyConsentStatus": "OptIn" if consent.status == "granted" else "OptOut",
        "EffectiveFrom": stamp(consent.withdrawn_at or given),
        "CaptureDate": stamp(consent.withdrawn_at or consent.given_at or given)
        if consent.withdrawn_at or consent.given_at
        else None,
        "CaptureSource": consent.source or None,
        "CaptureContactPointType": "Web" if consent.how in {"form", "double opt-in"} else None,
        "DoubleConsentCaptureDate": stamp(given) if consent.how == "double opt-in" else None,
    }
    row = dated(_blank("ContactPointTypeConsent") | dict(said), consent.withdrawn_at or given)
    tables["Individual"][individual["Id"]] = dated(individual, sighting.created_at)
    tables["ContactPointTypeConsent"][said["Id"]] = row
    return str(individual["Id"])
