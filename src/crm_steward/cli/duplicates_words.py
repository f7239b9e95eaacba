"""What `crm-steward duplicates` calls comparisons and what is seen of them, in English and French."""

from __future__ import annotations

from types import MappingProxyType

_COMPARISONS = MappingProxyType(
    {
        "first name": "prénom",
        "last name": "nom",
        "swapped names": "noms intervertis",
        "e-mail": "e-mail",
        "e-mail, other company": "e-mail, autre société",
        "number in the e-mail": "chiffres de l'e-mail",
        "phone": "téléphone",
        "company": "société",
        "place": "lieu",
        "place, other company": "lieu, autre société",
        "birth date": "date de naissance",
    }
)
_SEEN = MappingProxyType(
    {
        "same": "identique",
        "nickname or other spelling": "diminutif ou autre graphie",
        "misspelt": "à une faute près",
        "initial": "initiale",
        "part": "une partie",
        "other": "différent",
        "same, named after the person": "identique, au nom de la personne",
        "same, of a function": "identique, d'une fonction",
        "same name at another provider": "même nom, autre fournisseur",
        "private and business": "privé et professionnel",
        "of a function and another": "d'une fonction et un autre",
        "two of one company": "deux d'une même société",
        "two private ones": "deux privés",
        "two companies": "de deux sociétés",
        "same domain": "même domaine",
        "similar": "proche",
        "same address": "même adresse",
        "similar street, same postcode": "rue proche, même code postal",
        "same city": "même ville",
        "same postcode": "même code postal",
        "same city, other street": "même ville, autre rue",
        "other city": "autre ville",
    }
)


def comparison(name: str, language: str) -> str:
    """Return what a comparison of `matching` is called in `language` ("en" or "fr")."""
    return _COMPARISONS[name] if language == "fr" else name


def seen(level: str, language: str) -> str:
    """Return what is seen of a comparison, in `language`."""
    return _SEEN[level] if language == "fr" else level
