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
        "owner.written": "What crm-steward changed in your records since last week: {changes}.",
        "owner.tasks.open": ("{n} task for you to do", "{n} tasks for you to do"),
        "owner.tasks.title": "Your tasks",
        "owner.tasks.about": "Made and done since last week; open and overdue as last read in the CRMs.",
        "owner.tasks.next": "What is due first:",
        "owner.tasks.due": "due on {day}",
        "owner.tasks.late": "overdue since {day}",
        "owner.tasks.any": "no date",
        "owner.tasks.elsewhere": "a record of somebody else",
        "owner.coming": "something comes up in your records",
        "owner.coming.title": "What comes up",
        "owner.coming.waiting": (
            "{n} change of your records waits for somebody’s decision; nothing is written until then.",
            "{n} changes of your records wait for somebody’s decision; nothing is written until then.",
        ),
        "owner.coming.past": "over",
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
        "owner.written": "Ce que crm-steward a modifié dans vos fiches depuis la semaine dernière : {changes}.",
        "owner.tasks.open": ("{n} tâche à faire pour vous", "{n} tâches à faire pour vous"),
        "owner.tasks.title": "Vos tâches",
        "owner.tasks.about": "Créées et faites depuis la semaine dernière ; ouvertes et en retard "
        "selon la dernière lecture des CRM.",
        "owner.tasks.next": "Ce qui vient d’abord à échéance :",
        "owner.tasks.due": "à faire pour le {day}",
        "owner.tasks.late": "en retard depuis le {day}",
        "owner.tasks.any": "sans date",
        "owner.tasks.elsewhere": "une fiche d’un autre propriétaire",
        "owner.coming": "des échéances approchent dans vos fiches",
        "owner.coming.title": "À venir",
        "owner.coming.waiting": (
            "{n} modification de vos fiches attend une décision ; rien n’est écrit d’ici là.",
            "{n} modifications de vos fiches attendent une décision ; rien n’est écrit d’ici là.",
        ),
        "owner.coming.past": "échus",
        "owner.why": "Vous le recevez car le CRM vous désigne comme propriétaire de ces fiches ; la "
        "personne qui exploite crm-steward dans votre entreprise peut y mettre fin (réglage "
        "report.owners).",
    }
)
