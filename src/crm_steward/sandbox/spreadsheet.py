"""A population as the spreadsheet that a French sales team exports."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from crm_steward.sandbox.person import Sighting

_CONSENT = {"granted": "oui", "withdrawn": "désinscrit", "none": "non", "unknown": ""}
_STAGE = {"prospect": "Prospect", "customer": "Client", "former": "Ancien client", "unknown": ""}

HEADERS = [
    "Identifiant",
    "Prénom",
    "Nom",
    "Courriel",
    "Téléphone",
    "Portable",
    "Société",
    "Fonction",
    "Adresse",
    "Code postal",
    "Ville",
    "Pays",
    "Étape",
    "Origine",
    "Date de création",
    "Dernière interaction",
    "Consentement",
]


def write_french_csv(path: Path, sightings: Iterable[Sighting]) -> None:
    """Write `sightings` to `path` as Excel saves it in France: semicolons, Windows-1252, dd/mm/yyyy.

    What Windows-1252 cannot hold becomes a question mark, as it does in Excel.
    """
    with path.open("w", encoding="cp1252", errors="replace", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(HEADERS)
        for number, one in enumerate(sightings, start=1):
            writer.writerow((f"C{number:05d}", *(_cell(value) for value in _values(one))))


def _values(one: Sighting) -> tuple[object, ...]:
    return (
        one.first_name,
        one.last_name,
        one.email,
        one.phone,
        one.mobile,
        one.company,
        one.job_title,
        one.street,
        one.postcode,
        one.city,
        one.country,
        _STAGE[one.stage],
        one.source,
        one.created_at,
        one.last_activity,
        _CONSENT[one.consent.status],
    )


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%d/%m/%Y %H:%M}"
    return "" if value is None else str(value).replace("\0", "")
