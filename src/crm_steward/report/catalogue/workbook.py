"""The words of the workbook that goes with a report, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str] = MappingProxyType(
    {
        "workbook.findings": "Findings",
        "workbook.waiting": "Waiting for a decision",
        "workbook.severity": "Severity",
        "workbook.rule": "Rule",
        "workbook.connection": "Connection",
        "workbook.record": "Record",
        "workbook.found": "What was found",
        "workbook.owner": "Owner",
        "workbook.since": "Since",
        "workbook.fingerprint": "Fingerprint",
        "workbook.change": "Change",
        "workbook.count": "Number",
        "workbook.undo": "Can be undone",
    }
)
FR: Mapping[str, str] = MappingProxyType(
    {
        "workbook.findings": "Anomalies",
        "workbook.waiting": "En attente de décision",
        "workbook.severity": "Gravité",
        "workbook.rule": "Règle",
        "workbook.connection": "Connexion",
        "workbook.record": "Fiche",
        "workbook.found": "Ce qui a été relevé",
        "workbook.owner": "Propriétaire",
        "workbook.since": "Depuis le",
        "workbook.fingerprint": "Empreinte",
        "workbook.change": "Modification",
        "workbook.count": "Nombre",
        "workbook.undo": "Annulable",
    }
)
