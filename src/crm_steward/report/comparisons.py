"""What comparisons are called, what is seen of them and how rare it is, in English and French."""

from __future__ import annotations

from math import log10
from types import MappingProxyType

from crm_steward.report.words import Words

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


_AGAINST = MappingProxyType(
    {
        "strangers": ("two strangers", "deux inconnus"),
        "family": ("two of a family", "deux membres d'une famille"),
        "colleagues": ("two colleagues", "deux collègues"),
    }
)


def comparison(name: str, language: str) -> str:
    """Return what a comparison of `matching` is called in `language` ("en" or "fr").

    Of what another version of this program found, the name may not be known: it stands for itself.
    """
    return _COMPARISONS.get(name, name) if language == "fr" else name


def seen(level: str, language: str) -> str:
    """Return what is seen of a comparison, in `language`."""
    return _SEEN.get(level, level) if language == "fr" else level


def against(other: str, language: str) -> str:
    """Return what two records may be besides one person, in `language`."""
    known = _AGAINST.get(other)
    return other if known is None else known[language == "fr"]


def rare(one_in: float, words: Words) -> str:
    """Return how seldom strangers agree so; nothing where most of them do."""
    if one_in < 2:  # noqa: PLR2004 -- every other pair
        return ""
    # Two figures say it: 1 in 39,000.
    step = 10 ** max(int(log10(one_in)) - 1, 0)
    return words.either("1 in {n}", "1 sur {n}", n=round(one_in / step) * step)


def signed(bits: float, words: Words) -> str:
    """Write evidence with its sign."""
    sign = "+" if round(bits, 1) > 0 else ""
    return f"{sign}{words.number(bits, 1)}"
