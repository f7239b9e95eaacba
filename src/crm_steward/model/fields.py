"""The canonical fields of a contact: the names that rules, plans and mappings use.

Every other field of a CRM is reachable as `extra.<name>`, by the name given in the mapping.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from crm_steward.model.consent import ConsentStatus
from crm_steward.model.contact import AddressStatus, SourceType


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
    NUMBER = "number"


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
        computed: Whether we work it out from what else is known; settings cannot map it.
    """

    name: str
    type: FieldType
    en: str
    fr: str
    writable: bool = False
    choices: tuple[str, ...] = ()
    computed: bool = False

    def label(self, language: str) -> str:
        """Return the label in `language` ("en" or "fr")."""
        return self.fr if language == "fr" else self.en


_TEXT, _TIME, _CHOICE = FieldType.TEXT, FieldType.TIME, FieldType.CHOICE
_CONSENTS = tuple(status.label for status in ConsentStatus)


def _computed(name: str, kind: FieldType, en: str, fr: str, choices: tuple[str, ...] = ()) -> Field:
    return Field(name, kind, en, fr, choices=choices, computed=True)


_KEPT = (
    Field("collected_at", _TIME, "data collected", "données collectées le"),
    Field("informed_at", _TIME, "person informed", "personne informée le"),
    Field("contract_end", _TIME, "end of contract", "fin de contrat"),
    Field("last_login", _TIME, "last login", "dernière connexion"),
    Field("last_mailed_at", _TIME, "last mailing", "dernier envoi commercial"),
    Field("birth_date", _TIME, "date of birth", "date de naissance"),
    Field("rights_request_at", _TIME, "open rights request", "demande de droits ouverte"),
    Field(
        "source_type",
        _CHOICE,
        "type of source",
        "type d'origine",
        choices=tuple(kind.value for kind in SourceType),
    ),
    Field("legal_hold", FieldType.FLAG, "legal hold", "conservation pour litige"),
    Field("purchases", FieldType.NUMBER, "purchases", "achats"),
    Field("notes", _TEXT, "notes", "notes"),
)

_COMPUTED = (
    _computed("consent_email", _CHOICE, "consent to e-mail", "consentement e-mail", _CONSENTS),
    _computed("consent_sms", _CHOICE, "consent to SMS", "consentement SMS", _CONSENTS),
    _computed("consent_phone", _CHOICE, "consent to calls", "consentement téléphone", _CONSENTS),
    _computed("consent_post", _CHOICE, "consent to post", "consentement courrier", _CONSENTS),
    _computed("consent_email_basis", _TEXT, "legal ground for e-mail", "base légale e-mail"),
    _computed("consent_email_given_at", _TIME, "e-mail consent given", "accord e-mail donné le"),
    _computed("consent_email_how", _TEXT, "how e-mail was agreed to", "recueil de l'accord e-mail"),
    _computed("consent_phone_basis", _TEXT, "legal ground for calls", "base légale téléphone"),
    _computed("consent_phone_given_at", _TIME, "call consent given", "accord téléphone donné le"),
    _computed("consent_phone_how", _TEXT, "how calls were agreed to", "recueil de l'accord tél."),
    _computed(
        "email_status",
        _CHOICE,
        "state of the e-mail",
        "état de l'e-mail",
        tuple(status.value for status in AddressStatus),
    ),
    _computed("email_domain", _TEXT, "e-mail domain", "domaine de l'e-mail"),
    _computed("has_notes", FieldType.FLAG, "has notes", "a des notes"),
    _computed("erased_at", _TIME, "erased here", "effacé ici le"),
    _computed("connection", _TEXT, "connection", "connexion"),
)

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
                _CHOICE,
                "stage",
                "étape",
                choices=("prospect", "customer", "former", "unknown"),
            ),
            Field(
                "kind",
                _CHOICE,
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
            *_KEPT,
            *_COMPUTED,
        )
    }
)
"""Canonical name → field, in the order in which they are shown."""

KEPT = MappingProxyType({field.name: field for field in _KEPT})
"""Those that CRMs have no usual place for: empty unless the settings say where one keeps them."""

MAPPABLE = MappingProxyType({name: field for name, field in FIELDS.items() if not field.computed})
"""Those that settings can map to a field of the CRM."""
