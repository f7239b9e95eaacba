"""The canonical fields of a contact: the names that rules, plans and mappings use.

Every other field of a CRM is reachable as `extra.<name>`, by the name given in the mapping.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FieldType(StrEnum):
    """What a field holds; decides which operators a rule may use on it."""

    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    COUNTRY = "country"
    """ISO 3166-1 alpha-2, as far as the value could be recognised."""
    CHOICE = "choice"
    TIME = "time"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Field:
    """One canonical field.

    Args:
        name: Its name in rules, settings and plans.
        type: What it holds.
        en: Label shown to English readers.
        fr: Label shown to French readers.
        writable: Whether a change may set it (connectors may be able to do less).
        choices: Allowed values of a CHOICE.
    """

    name: str
    type: FieldType
    en: str
    fr: str
    writable: bool = False
    choices: tuple[str, ...] = ()

    def label(self, language: str) -> str:
        """Return the label in `language` ("en" or "fr")."""
        return self.fr if language == "fr" else self.en


_TEXT, _TIME = FieldType.TEXT, FieldType.TIME

FIELDS = MappingProxyType(
    {
        field.name: field
        for field in (
            Field("first_name", _TEXT, "first name", "prénom", writable=True),
            Field("last_name", _TEXT, "last name", "nom", writable=True),
            Field("full_name", _TEXT, "full name", "nom complet"),
            Field("email", FieldType.EMAIL, "e-mail", "e-mail", writable=True),
            Field("phone", FieldType.PHONE, "phone", "téléphone", writable=True),
            Field("mobile", FieldType.PHONE, "mobile phone", "téléphone mobile", writable=True),
            Field("company", _TEXT, "company", "société", writable=True),
            Field("job_title", _TEXT, "job title", "fonction", writable=True),
            Field("street", _TEXT, "street", "adresse", writable=True),
            Field("postcode", _TEXT, "postcode", "code postal", writable=True),
            Field("city", _TEXT, "city", "ville", writable=True),
            Field("region", _TEXT, "region", "région", writable=True),
            Field("country", FieldType.COUNTRY, "country", "pays", writable=True),
            Field("language", _TEXT, "language", "langue", writable=True),
            Field("website", FieldType.URL, "website", "site web", writable=True),
            Field("owner", _TEXT, "owner", "propriétaire"),
            Field(
                "stage",
                FieldType.CHOICE,
                "stage",
                "étape",
                choices=("prospect", "customer", "former", "unknown"),
            ),
            Field(
                "kind",
                FieldType.CHOICE,
                "kind of contact",
                "type de contact",
                choices=("b2c", "b2b", "sole_trader", "unknown"),
            ),
            Field("source", _TEXT, "source", "origine"),
            Field("created_at", _TIME, "created", "créé le"),
            Field("updated_at", _TIME, "updated", "modifié le"),
            Field(
                "last_person_act", _TIME, "last act of the person", "dernier acte de la personne"
            ),
            Field("last_activity", _TIME, "last activity", "dernière activité"),
        )
    }
)
"""Canonical name → field, in the order in which they are shown."""
