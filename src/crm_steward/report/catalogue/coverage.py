# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about what was examined and what was left out, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "gaps.title": "What was left out, and why",
        "gaps.none": "Nothing was left out.",
        "gaps.quarantined": (
            "{connection}: {n} record could not be read ({reason})",
            "{connection}: {n} records could not be read ({reason})",
        ),
        "gaps.set_aside": (
            "{connection}: {n} change refused by the CRM five times and set aside ({reason})",
            "{connection}: {n} changes refused by the CRM five times and set aside ({reason})",
        ),
        "gaps.withheld": (
            "{n} change left out of the plan: {reason}",
            "{n} changes left out of the plan: {reason}",
        ),
        "gaps.left_out": (
            "{n} contact not compared ({reason})",
            "{n} contacts not compared ({reason})",
        ),
        "gaps.skipped": "Rules not run in {connection}, which lacks a field they ask for: {fields}",
        "gaps.fields": ("{n} more", "{n} more"),
        "gaps.field": ("{field} ({n} rule)", "{field} ({n} rules)"),
        "gaps.missed": (
            "{connection}: {n} contact found by the full read only; changes had missed it",
            "{connection}: {n} contacts found by the full read only; changes had missed them",
        ),
        "gaps.unsettled": (
            "{n} change whose outcome the CRM has not confirmed yet",
            "{n} changes whose outcome the CRM has not confirmed yet",
        ),
        "gaps.refused": ("{n} change refused by the CRM", "{n} changes refused by the CRM"),
        "gaps.conflicts": (
            "{n} change not made, because somebody had edited the record meanwhile",
            "{n} changes not made, because somebody had edited the record meanwhile",
        ),
        "sources.read": "last read {at}",
        "sources.there": (
            "{n} record in the CRM at the full read of {at}",
            "{n} records in the CRM at the full read of {at}",
        ),
        "sources.all": "all of them here",
        "sources.unread": ("{n} of them unreadable", "{n} of them unreadable"),
        "sources.absent": ("{n} here that it did not bring", "{n} here that it did not bring"),
        "sources.more": ("{n} more since", "{n} more since"),
        "sources.fewer": ("{n} fewer since", "{n} fewer since"),
        "sources.contacts": ("{n} contact", "{n} contacts"),
        "sources.scanned": "Rules last ran {at}.",
        "sources.unscanned": "The rules have not run yet.",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "gaps.title": "Ce qui a été laissé de côté, et pourquoi",
        "gaps.none": "Rien n’a été laissé de côté.",
        "gaps.quarantined": (
            "{connection} : {n} fiche illisible ({reason})",
            "{connection} : {n} fiches illisibles ({reason})",
        ),
        "gaps.set_aside": (
            "{connection} : {n} modification refusée cinq fois par le CRM et mise de côté ({reason})",
            "{connection} : {n} modifications refusées cinq fois par le CRM et mises de côté ({reason})",
        ),
        "gaps.withheld": (
            "{n} modification laissée hors du plan : {reason}",
            "{n} modifications laissées hors du plan : {reason}",
        ),
        "gaps.left_out": (
            "{n} contact non comparé ({reason})",
            "{n} contacts non comparés ({reason})",
        ),
        "gaps.skipped": "Règles non appliquées dans {connection}, faute d’un champ qu’elles demandent : {fields}",
        "gaps.fields": ("{n} autre", "{n} autres"),
        "gaps.field": ("{field} ({n} règle)", "{field} ({n} règles)"),
        "gaps.missed": (
            "{connection} : {n} contact trouvé par la seule lecture complète",
            "{connection} : {n} contacts trouvés par la seule lecture complète",
        ),
        "gaps.unsettled": (
            "{n} modification dont le CRM n’a pas encore confirmé l’issue",
            "{n} modifications dont le CRM n’a pas encore confirmé l’issue",
        ),
        "gaps.refused": (
            "{n} modification refusée par le CRM",
            "{n} modifications refusées par le CRM",
        ),
        "gaps.conflicts": (
            "{n} modification non faite, car la fiche avait été modifiée entre-temps",
            "{n} modifications non faites, car la fiche avait été modifiée entre-temps",
        ),
        "sources.read": "dernière lecture {at}",
        "sources.there": (
            "{n} fiche dans le CRM à la lecture complète du {at}",
            "{n} fiches dans le CRM à la lecture complète du {at}",
        ),
        "sources.all": "toutes connues ici",
        "sources.unread": ("dont {n} illisible", "dont {n} illisibles"),
        "sources.absent": (
            "{n} connue ici qu’elle n’a pas ramenée",
            "{n} connues ici qu’elle n’a pas ramenées",
        ),
        "sources.more": ("{n} de plus depuis", "{n} de plus depuis"),
        "sources.fewer": ("{n} de moins depuis", "{n} de moins depuis"),
        "sources.contacts": ("{n} contact", "{n} contacts"),
        "sources.scanned": "Dernier passage des règles : {at}.",
        "sources.unscanned": "Les règles ne sont pas encore passées.",
    }
)
