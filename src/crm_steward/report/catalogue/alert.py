# ruff: noqa: RUF001 -- the typographic apostrophe is how French is written
"""The sentences of alert mails, in both languages; `words` sets the unbreakable spaces."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EN: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "alert.title": "Alert",
        "alert.subject": "crm-steward: {what}",
        "alert.over": "no longer so: {what}",
        "alert.and": ("{what}, and {n} more", "{what}, and {n} more"),
        "alert.begun": "Needs a person",
        "alert.ended": "No longer so",
        "alert.still": "Still standing",
        "alert.paused": "connection {connection} refuses the credential or opens another account, and is "
        "not read any more",
        "alert.paused.remedy": "Renew or correct the credential; the next pull tries it again. What "
        "the CRM answers, and which rights are missing, is said by:",
        "alert.frozen": "nothing is written to {connection}: it brought far fewer contacts than last time",
        "alert.frozen.remedy": "Look whether contacts were removed in the CRM, or a right or filter "
        "was changed. If they are really gone:",
        "alert.restored": "an older copy of the database was restored",
        "alert.restored.why": "nothing is written to {connections} until what it forgot was looked for "
        "there, nor within 24 hours of the restoring unless somebody says so (crm-steward accept "
        "--after-restore). The report of this week may have left already: it is sent again only by "
        "crm-steward report --send --again",
        "alert.restored.remedy": "The service looks by itself. Where it stands is said by:",
        "alert.jump": "rule {rule} found far more than usual and only reports now",
        "alert.jump.why": "It found {found}; usually it finds {usual}.",
        "alert.jump.remedy": "Look at what it found (crm-steward findings --rule {rule}). If it is right:",
        "alert.clock": "the clock of this machine and that of {connection} are apart",
        "alert.clock.why": "Its clock is ahead by {ahead}. Nothing that counts by age is written there.",
        "alert.clock.remedy": "Set the clock of this machine right (NTP); the next pull compares them.",
        "alert.rules": "the rules on disk cannot be used; the last good ones run on",
        "alert.rules.remedy": "Correct the line that is named; then all is well when this is:",
        "alert.restore_test": "the last restore test of a backup failed",
        "alert.restore_test.why": "{why}. {note}",
        "alert.restore_test.remedy": "Make a new backup and test it; keep the older ones until one is whole. "
        "The test, which may be repeated at any time:",
        "alert.foot": "Sent once when something begins or ends, never while it lasts. You receive it "
        "because the settings of crm-steward name you under report.alerts or report.recipients.",
        "alert.all": "How everything stands now:",
    }
)
FR: Mapping[str, str | tuple[str, str]] = MappingProxyType(
    {
        "alert.title": "Alerte",
        "alert.subject": "crm-steward : {what}",
        "alert.over": "ce n’est plus le cas : {what}",
        "alert.and": ("{what}, et {n} autre", "{what}, et {n} autres"),
        "alert.begun": "À régler par une personne",
        "alert.ended": "Ce n’est plus le cas",
        "alert.still": "Toujours en cours",
        "alert.paused": "la connexion {connection} refuse l’accès ou ouvre un autre compte, et n’est plus lue",
        "alert.paused.remedy": "Renouveler ou corriger l’accès ; la prochaine lecture le réessaie. Ce que répond "
        "le CRM, et les droits qui manquent, sont donnés par :",
        "alert.frozen": "plus rien n’est écrit dans {connection} : elle a livré bien moins de fiches "
        "que la dernière fois",
        "alert.frozen.remedy": "Vérifier si des fiches ont été supprimées dans le CRM, ou si un droit "
        "ou un filtre a changé. Si elles ont vraiment disparu :",
        "alert.restored": "une copie plus ancienne de la base a été restaurée",
        "alert.restored.why": "rien n’est écrit dans {connections} tant que ce qu’elle a oublié n’y "
        "a pas été recherché, ni dans les 24 heures qui suivent la restauration, à moins que quelqu’un "
        "n’en décide autrement (crm-steward accept --after-restore). Le rapport de cette semaine est "
        "peut-être déjà parti : seul crm-steward report --send --again l’envoie de nouveau",
        "alert.restored.remedy": "Le service recherche de lui-même. Où il en est :",
        "alert.jump": "la règle {rule} a trouvé bien plus que d’habitude et ne fait plus que signaler",
        "alert.jump.why": "Elle a trouvé {found} ; d’habitude {usual}.",
        "alert.jump.remedy": "Regarder ce qu’elle a trouvé (crm-steward findings --rule {rule}). Si c’est juste :",
        "alert.clock": "l’horloge de cette machine et celle de {connection} divergent",
        "alert.clock.why": "La sienne avance de {ahead}. Rien de ce qui compte par ancienneté n’y est écrit.",
        "alert.clock.remedy": "Régler l’heure de cette machine (NTP) ; la prochaine lecture les compare.",
        "alert.rules": "les règles enregistrées sont inutilisables ; les dernières bonnes restent en vigueur",
        "alert.rules.remedy": "Corriger la ligne nommée ; tout est en ordre quand ceci l’est :",
        "alert.restore_test": "le dernier test de restauration d’une sauvegarde a échoué",
        "alert.restore_test.why": "{why}. {note}",
        "alert.restore_test.remedy": "Faire une nouvelle sauvegarde et la tester ; garder les anciennes tant "
        "qu’aucune n’est entière. Le test, à répéter à tout moment :",
        "alert.foot": "Envoyé une fois quand quelque chose commence ou prend fin, jamais entre les "
        "deux. Vous le recevez car les réglages de crm-steward vous nomment sous report.alerts ou "
        "report.recipients.",
        "alert.all": "Où en est l’ensemble :",
    }
)
