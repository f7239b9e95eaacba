"""Turns sightings of the generated population into Zoho's contacts."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_steward.sandbox import Sighting, population
from crm_steward_zoho.sandbox.schema import USERS
from crm_steward_zoho.sandbox.values import EMAIL, stamp

_SOURCES = {
    "form": "Web Form",
    "trade fair": "Trade Show",
    "referral": "External Referral",
    "purchase": "Online Store",
}
_STAGES = {"prospect": "Prospect", "customer": "Customer", "former": "Former customer"}
_BASES = {"granted": "Consent - Obtained", "none": "Consent - Pending"}
_FIRST_ID = 5_545_974_000_000_200_001
_FIRST_ACCOUNT = 5_545_974_000_000_100_001
_LONGEST_ID_STEP = 4_000


def account(
    contacts: int, seed: int, born: datetime, zone: ZoneInfo, *, privacy: bool
) -> dict[str, dict[str, Any]]:
    """Return the tables of a fresh organisation holding `contacts` records."""
    rng = random.Random(seed)  # noqa: S311 -- repeatable draws, not secrets
    rows: dict[str, Any] = {}
    truth: dict[str, Any] = {}
    accounts: dict[str, dict[str, str]] = {}
    current = _FIRST_ID
    for sighting in population(contacts, seed, born, slice="zoho"):
        current += rng.randrange(1, _LONGEST_ID_STEP)
        record_id = str(current)
        values = _values(sighting, accounts, zone, privacy=privacy, rng=rng)
        rows[record_id] = {
            "id": record_id,
            "values": {name: value for name, value in values.items() if value not in (None, "")},
            "created": int(sighting.created_at.timestamp()),
            "modified": int(sighting.updated_at.timestamp()),
            "deleted": None,
            "locked": False,
            "merging": False,
        }
        truth[record_id] = {
            "person": sighting.person,
            "withdrew": sighting.withdrew,
            "traits": list(sighting.traits),
        }
    return {"contacts": rows, "truth": truth, "counters": {"next_id": current + 1_001}}


def owner_of(number: int | None) -> dict[str, Any]:
    """Return a user as records name their owner; Zoho gives every record one."""
    user = USERS[number or 0]
    return {"name": user["full_name"], "id": user["id"], "email": user["email"]}


def _values(
    sighting: Sighting,
    accounts: dict[str, dict[str, str]],
    zone: ZoneInfo,
    *,
    privacy: bool,
    rng: random.Random,
) -> dict[str, Any]:
    email, other = _email(sighting.email), _email(sighting.other_email)
    consent = sighting.consent
    values: dict[str, Any] = {
        "First_Name": sighting.first_name if sighting.last_name else None,
        "Last_Name": sighting.last_name or sighting.first_name or sighting.company or "-",
        "Email": email,
        "Secondary_Email": other,
        "Imported_Email": sighting.email if email is None else None,
        "Phone": sighting.phone,
        "Mobile": sighting.mobile,
        "Title": sighting.job_title,
        "Account_Name": _account(sighting.company, accounts),
        "Mailing_Street": sighting.street,
        "Mailing_Zip": sighting.postcode,
        "Mailing_City": sighting.city,
        "Mailing_Country": sighting.country,
        "Website": sighting.website,
        "Language": sighting.language,
        "Owner": owner_of(sighting.owner),
        "Customer_Status": _STAGES.get(sighting.stage),
        "Customer_Number": f"K-{sighting.number % 100_000:05d}",
        "Lead_Source": _SOURCES.get(sighting.source),
        "Last_Activity_Time": _time(sighting.last_activity, zone),
        "Last_Reply": _time(sighting.last_person_act, zone),
        "Email_Opt_Out": consent.status == "withdrawn",
        "Consent_Wording": consent.text_version,
        "Consent_Source": consent.source,
        "Consent_Evidence": consent.evidence,
    }
    if consent.status == "withdrawn":
        values["Unsubscribed_Mode"] = rng.choice(("Unsubscribe link", "Manual", "Consent form"))
        values["Unsubscribed_Time"] = _time(consent.withdrawn_at, zone)
    if privacy:
        values |= _privacy(sighting)
    return values


def _privacy(sighting: Sighting) -> dict[str, Any]:
    consent = sighting.consent
    basis = _BASES.get(consent.status, "Not Applicable")
    values: dict[str, Any] = {"Data_Processing_Basis": basis}
    if basis == "Consent - Obtained":
        values["Data_Processing_Basis_Details"] = {
            "id": str(_FIRST_ACCOUNT + sighting.number % 90_000),
            "Data_Processing_Basis": "Obtained",
            "Consent_Through": consent.how or None,
            "Consent_Date": consent.given_at.date().isoformat() if consent.given_at else None,
            "Consent_Remarks": None,
            "Contact_Through_Email": True,
            "Contact_Through_Phone": sighting.number % 3 == 0,
            "Contact_Through_Survey": False,
            "Contact_Through_Social": False,
            "Mail_Sent_Time": None,
        }
    return values


def _email(typed: str | None) -> str | None:
    """Return an address Zoho takes; what it would have refused stands in `Imported_Email`."""
    address = (typed or "").strip()
    return address if EMAIL.fullmatch(address) else None


def _account(company: str | None, accounts: dict[str, dict[str, str]]) -> dict[str, str] | None:
    if not company:
        return None
    number = _FIRST_ACCOUNT + 11 * len(accounts)
    return accounts.setdefault(company, {"name": company, "id": str(number)})


def _time(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return None if moment is None else stamp(int(moment.timestamp()), zone)
