"""What `crm-steward audit` says, in French and English."""

from __future__ import annotations

import re
from collections.abc import Mapping

_EN = {
    "thousands": ",",
    "contacts": "{n} contacts read",
    "contacts_one": "{n} contact read",
    "unreadable": "{n} rows could not be read",
    "unreadable_one": "{n} row could not be read",
    "found": "{n} findings",
    "found_one": "{n} finding",
    "columns": "Columns",
    "exact": "exact",
    "synonym": "synonym",
    "user": "your choice",
    "kept": "Not recognised, kept as they are: {names}",
    "map": "Something wrong? --map field=column, --id column",
    "rows": "Rows that could not be read",
    "line": "line",
    "more": "… and {n} more; the report has them",
    "rules": "Findings",
    "severity": "severity",
    "number": "number",
    "rule": "rule",
    "about": "about",
    "critical": "critical",
    "high": "high",
    "medium": "medium",
    "low": "low",
    "nothing": "The rules have nothing to complain about.",
    "left_out": "Not examined: {n} contacts ({reason})",
    "country": "Phone numbers without a country code are read as of {country} (--country)",
    "no_country": "No country is known for phone numbers without a code: say which with --country",
    "report": "Report",
    "findings": "Each finding",
}
_FR = {
    "thousands": "\N{NARROW NO-BREAK SPACE}",
    "contacts": "{n} contacts lus",
    "contacts_one": "{n} contact lu",
    "unreadable": "{n} lignes illisibles",
    "unreadable_one": "{n} ligne illisible",
    "found": "{n} anomalies",
    "found_one": "{n} anomalie",
    "columns": "Colonnes",
    "exact": "nom exact",
    "synonym": "synonyme",
    "user": "votre choix",
    "kept": "Non reconnues, gardées telles quelles : {names}",
    "map": "Une erreur ? --map champ=colonne, --id colonne",
    "rows": "Lignes illisibles",
    "line": "ligne",
    "more": "… et {n} autres, voir le rapport",
    "rules": "Anomalies",
    "severity": "gravité",
    "number": "nombre",
    "rule": "règle",
    "about": "objet",
    "critical": "critique",
    "high": "grave",
    "medium": "moyenne",
    "low": "faible",
    "nothing": "Les règles ne trouvent rien à redire.",
    "left_out": "Non examinés : {n} contacts ({reason})",
    "country": "Les téléphones sans indicatif sont lus comme étant de {country} (--country)",
    "no_country": "Pays inconnu pour les téléphones sans indicatif : précisez-le avec --country",
    "report": "Rapport",
    "findings": "Chaque anomalie",
}

PHRASES: Mapping[str, Mapping[str, str]] = {"en": _EN, "fr": _FR}

_REASONS = tuple(
    (re.compile(english), french)
    for english, french in (
        (r"it has (\d+) cells, the header has (\d+)", r"\1 cellules, l'en-tête en a \2"),
        (r"a quote is opened and not closed", "un guillemet ouvert n'est pas refermé"),
        (r"it holds NUL characters", "elle contient des caractères NUL"),
        (r"it holds bytes that are not (\S+)", r"elle contient des octets qui ne sont pas du \1"),
        (r"a cell holds more than ([\d,]+) characters", r"une cellule dépasse \1 caractères"),
        (
            r"column '(.*)' holds more than ([\d,]+) characters",
            r"la colonne « \1 » dépasse \2 caractères",
        ),
        (r"its id is empty", "son identifiant est vide"),
        (
            r"its id stands on an earlier line too",
            "son identifiant figure déjà sur une ligne précédente",
        ),
        (r"(?:.*: )?(\w+) is (\d+) characters long", r"\1 : \2 caractères"),
        (r"(?:.*: )?(\w+) holds a NUL character", r"\1 contient un caractère NUL"),
    )
)
"""What the file connector and the mirror say of rows they cannot take; a test goes through them."""


def in_words(reason: str, language: str) -> str:
    """Return why a row could not be read in `language`; as it is where no words are known."""
    if language == "fr":
        for english, french in _REASONS:
            if found := english.fullmatch(reason):
                return found.expand(french)
    return reason
