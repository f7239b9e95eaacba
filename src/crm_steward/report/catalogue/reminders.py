# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences about what comes round again, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "reminders.title": "Reminders",
        "reminders.done": "last done on {day} by {by}; due again on {due}",
        "reminders.overdue": "overdue since {due}; last done on {day} by {by}",
        "reminders.never": "overdue: never done",
        "reminders.failed": "the test of {day} failed: {why}",
        "reminders.before": "last passed on {day}, by {by}",
        "reminders.how": "What is overdue is done, or noted as done, by:",
        "duty.access_review": "Access review",
        "duty.access_review.about": "Who may do what in the CRMs, and should they still?",
        "duty.restore_test": "Restore test",
        "duty.restore_test.about": "Can a backup be restored, and is it whole?",
        "result.done": "done",
        "result.missing": "there is no backup",
        "result.old": "the newest backup is too old",
        "result.unreadable": "the backup cannot be restored",
        "result.altered": "the journal of the backup is not what was written",
        "result.unequal": "what was restored does not hold what the backup holds",
        "result.foreign": "the journal of the backup is not the beginning of the present one",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "reminders.title": "Rappels",
        "reminders.done": "fait le {day} par {by} ; à refaire le {due}",
        "reminders.overdue": "en retard depuis le {due} ; fait le {day} par {by}",
        "reminders.never": "en retard : jamais fait",
        "reminders.failed": "le test du {day} a échoué : {why}",
        "reminders.before": "dernier succès le {day}, par {by}",
        "reminders.how": "Ce qui est en retard se fait, ou se note comme fait, par :",
        "duty.access_review": "Revue des accès",
        "duty.access_review.about": "Qui peut faire quoi dans les CRM, et est-ce encore justifié ?",
        "duty.restore_test": "Test de restauration",
        "duty.restore_test.about": "Une sauvegarde peut-elle être restaurée, et est-elle entière ?",
        "result.done": "fait",
        "result.missing": "il n’y a pas de sauvegarde",
        "result.old": "la sauvegarde la plus récente est trop ancienne",
        "result.unreadable": "la sauvegarde ne peut pas être restaurée",
        "result.altered": "le journal de la sauvegarde n’est pas ce qui a été écrit",
        "result.unequal": "ce qui a été restauré ne contient pas ce que contient la sauvegarde",
        "result.foreign": "le journal de la sauvegarde n’est pas le début du journal actuel",
    }
)
