# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences of an owner's digest, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "owner.title": "Your contacts",
        "owner.subject": "Your contacts, week {week}: {headline}",
        "owner.new": (
            "{n} new finding in your records, {open} in all",
            "{n} new findings in your records, {open} in all",
        ),
        "owner.open": ("{n} finding stands in your records", "{n} findings stand in your records"),
        "owner.resolved": (
            "nothing left to do, {n} finding resolved",
            "nothing left to do, {n} findings resolved",
        ),
        "owner.about": "What the rules found in the records that you own. Follow a link, put the "
        "record right in the CRM, and it is gone from here the next time it is read. Nothing of "
        "yours is overwritten.",
        "owner.rules": "What to look at",
        "owner.why": "You receive it because the CRM names you as the owner of these records; who "
        "runs crm-steward for your company can end it (settings: report.owners).",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "owner.title": "Vos contacts",
        "owner.subject": "Vos contacts, semaine {week} : {headline}",
        "owner.new": (
            "{n} nouvelle anomalie dans vos fiches, {open} en tout",
            "{n} nouvelles anomalies dans vos fiches, {open} en tout",
        ),
        "owner.open": (
            "{n} anomalie reste dans vos fiches",
            "{n} anomalies restent dans vos fiches",
        ),
        "owner.resolved": (
            "plus rien à faire, {n} anomalie résolue",
            "plus rien à faire, {n} anomalies résolues",
        ),
        "owner.about": "Ce que les règles ont relevé dans les fiches qui vous sont attribuées. "
        "Suivez un lien, corrigez la fiche dans le CRM, et la ligne disparaît à la lecture "
        "suivante. Rien de ce que vous saisissez n’est écrasé.",
        "owner.rules": "À regarder",
        "owner.why": "Vous le recevez car le CRM vous désigne comme propriétaire de ces fiches ; la "
        "personne qui exploite crm-steward dans votre entreprise peut y mettre fin (réglage "
        "report.owners).",
    }
)
