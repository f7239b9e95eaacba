# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about tasks, in both languages; `words` sets the unbreakable spaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "tasks.title": "Tasks we made in the CRMs",
        "tasks.created": "Made",
        "tasks.done": "Done",
        "tasks.open": "Open",
        "tasks.overdue": "Overdue",
        "tasks.about": "Made and done since last week; open and overdue as last read in the CRMs.",
        "tasks.closed": ("{n} closed by us", "{n} closed by us"),
        "tasks.deleted": ("{n} deleted in the CRM", "{n} deleted in the CRM"),
        "tasks.unread": ("{n} more not read yet", "{n} more not read yet"),
        "tasks.read": "as read on {at}",
        "tasks.untold": "what becomes of tasks is not told here",
        "tasks.more": ("and {n} more connection", "and {n} more connections"),
        "tasks.owners": "Who has most of them to do",
        "tasks.owner": ("{n} open", "{n} open"),
        "tasks.owner_overdue": ("{n} open, {overdue} overdue", "{n} open, {overdue} overdue"),
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "tasks.title": "Tâches créées dans les CRM",
        "tasks.created": "Créées",
        "tasks.done": "Faites",
        "tasks.open": "Ouvertes",
        "tasks.overdue": "En\u00a0retard",
        "tasks.about": "Créées et faites depuis la semaine dernière ; ouvertes et en retard selon "
        "la dernière lecture des CRM.",
        "tasks.closed": ("{n} close par nous", "{n} closes par nous"),
        "tasks.deleted": ("{n} supprimée dans le CRM", "{n} supprimées dans le CRM"),
        "tasks.unread": ("{n} autre pas encore lue", "{n} autres pas encore lues"),
        "tasks.read": "lues le {at}",
        "tasks.untold": "ce que deviennent les tâches n’est pas indiqué ici",
        "tasks.more": ("et {n} autre connexion", "et {n} autres connexions"),
        "tasks.owners": "Qui en a le plus à faire",
        "tasks.owner": ("{n} ouverte", "{n} ouvertes"),
        "tasks.owner_overdue": (
            "{n} ouverte, dont en retard : {overdue}",
            "{n} ouvertes, dont en retard : {overdue}",
        ),
    }
)
