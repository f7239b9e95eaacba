"""The words that changes are shown with on a terminal, in English and French."""

from __future__ import annotations

from types import MappingProxyType

_EN = MappingProxyType(
    {
        "record": "record",
        "found": "what was found",
        "since": "since",
        "what": "what",
        "now": "now",
        "proposed": "proposed",
        "key": "key",
        "task": "task",
        "due": "due {day}",
        "for": "for {owner}",
        "empty": "(empty)",
        "automatic": "automatic",
        "approval": "needs approval",
        "approved": "approved",
        "reversible": "can be undone",
        "partly": "can be undone in part",
        "irreversible": "CANNOT BE UNDONE",
        "task-undo": "undo closes it where the CRM lets us",
        "suppress-undo": "only a person can have it lifted, with a reason",
        "lift-undo": "can be suppressed again",
        "lift": "CONTACT AGAIN by {channel}",
        "lift-to": "{address}, before: {before}",
        "lift-warning": "{n} suppressions could be lifted, and are NOT lifted by --yes alone. Whoever "
        "objected to direct marketing must not be contacted for it again: an objection is absolute "
        "(GDPR art. 21(2)-(3)), and a withdrawal of consent holds (art. 7(3)). Lift one only if it was "
        "a mistake and the person never objected. You answer for it: who, when and why is kept.",
        "lift-next": 'To lift them: --yes --loosen {n} --reason "why it was a mistake".',
        "lift-sure": "Lift {n} suppressions? You state that the people concerned never objected.",
        "archive-undo": "can come back from the CRM's recycle bin for a while",
        "close": "close its task: {why}",
        "close-undone": "close its task",
        "close_task-undo": "open it again in the CRM to undo it",
        "changes": "{count} changes",
        "change": "1 change",
        "more": "… and {count} more (--all shows them)",
        "withheld": "Left out of this plan, and why",
        "nothing": "Nothing to do: no rule that stands asks for a change.",
        "merge": "keep this one",
        "loser": "goes into it",
        "archive": "archive",
        "archive-to": "to the recycle bin",
        "recreate": "make anew, under a NEW id",
        "recreate-undo": "not taken away again by undo",
        "undelete": "bring back from the recycle bin",
        "undelete-undo": "not taken away again by undo",
        "suppress": "stop contacting by {channel}",
        "email": "e-mail",
        "sms": "SMS",
        "phone": "phone",
        "post": "post",
        "nobody": "{person}: nobody active in {connection} is called so; "
        "tasks of {rule} that would be theirs are for nobody in particular",
        "plan": "Plan {name}, made {made}, valid until {until} (UTC)",
        "limits": "Limits: {run} of {run_limit} per run; {day} of {day_limit} in 24 hours",
        "next": "Next: crm-steward apply shows what would be written; "
        "--approve all|RULE|KEY approves; --yes writes.",
        "ready": "{n} would be written",
        "waiting": "{n} wait for approval",
        "tried": "{n} were tried before",
        "held": "{n} are held back",
        "resolved": "{n} are left out: their findings were resolved",
        "snoozed": "{n} are left out: their findings were snoozed",
        "dry-next": "Nothing was written. --approve all|RULE|KEY approves; --yes writes.",
        "undo-next": "Nothing was written. --yes writes.",
        "undo-not": "not undone: {kind} at {ref}: {why}",
        "share": "{name}: {used} of {allowed} in 24 hours ({percent} % of {live} contacts)",
    }
)
_FR = MappingProxyType(
    {
        "record": "fiche",
        "found": "ce qui a été trouvé",
        "since": "depuis",
        "what": "quoi",
        "now": "actuel",
        "proposed": "proposé",
        "key": "clé",
        "task": "tâche",
        "due": "échéance {day}",
        "for": "pour {owner}",
        "empty": "(vide)",
        "automatic": "automatique",
        "approval": "à approuver",
        "approved": "approuvé",
        "reversible": "annulable",
        "partly": "annulable en partie",
        "irreversible": "IRRÉVERSIBLE",
        "task-undo": "undo la clôt là où le CRM le permet",
        "suppress-undo": "seule une personne peut la faire lever, avec un motif",
        "lift-undo": "peut être refaite",
        "lift": "CONTACTER À NOUVEAU par {channel}",
        "lift-to": "{address}, avant : {before}",
        "lift-warning": "Oppositions qui pourraient être levées, et que --yes seul NE lève PAS : {n}. Qui "
        "s'est opposé à la prospection ne doit plus être contacté à cette fin : l'opposition est absolue "
        "(RGPD art. 21(2)-(3)), et le retrait d'un consentement vaut (art. 7(3)). N'en lever une que si "
        "elle était une erreur et que la personne ne s'est jamais opposée. Vous en répondez : qui, quand "
        "et pourquoi est conservé.",
        "lift-next": 'Pour les lever : --yes --loosen {n} --reason "pourquoi c\'était une erreur".',
        "lift-sure": "Lever {n} oppositions ? Vous attestez que les personnes ne se sont jamais opposées.",
        "archive-undo": "peut revenir un temps de la corbeille du CRM",
        "close": "clore sa tâche : {why}",
        "close-undone": "clore sa tâche",
        "close_task-undo": "à rouvrir dans le CRM pour annuler",
        "changes": "{count} modifications",
        "change": "1 modification",
        "more": "… et {count} autres (--all les montre)",
        "withheld": "Laissé de côté, et pourquoi",
        "nothing": "Rien à faire : aucune règle ne demande de modification.",
        "merge": "garder celle-ci",
        "loser": "y est fusionnée",
        "archive": "archiver",
        "archive-to": "vers la corbeille",
        "recreate": "refaire, sous un NOUVEL identifiant",
        "recreate-undo": "undo ne la retire pas à nouveau",
        "undelete": "ramener de la corbeille",
        "undelete-undo": "undo ne la retire pas à nouveau",
        "suppress": "ne plus contacter par {channel}",
        "email": "e-mail",
        "sms": "SMS",
        "phone": "téléphone",
        "post": "courrier",
        "nobody": "{person} : personne d'actif ne porte ce nom dans {connection} ; "
        "les tâches de {rule} qui lui reviendraient ne sont pour personne en particulier",
        "plan": "Plan {name}, établi le {made}, valable jusqu'au {until} (UTC)",
        "limits": "Limites : {run} sur {run_limit} par exécution ; {day} sur {day_limit} en 24 heures",
        "next": "Ensuite : crm-steward apply montre ce qui serait écrit ; "
        "--approve all|RÈGLE|CLÉ approuve ; --yes écrit.",
        "ready": "à écrire : {n}",
        "waiting": "en attente d'une approbation : {n}",
        "tried": "déjà tentées : {n}",
        "held": "retenues : {n}",
        "resolved": "écartées, leurs anomalies étant résolues : {n}",
        "snoozed": "écartées, leurs anomalies étant en sommeil : {n}",
        "dry-next": "Rien n'a été écrit. --approve all|RÈGLE|CLÉ approuve ; --yes écrit.",
        "undo-next": "Rien n'a été écrit. --yes écrit.",
        "undo-not": "non annulé : {kind}, fiche {ref} : {why}",
        "share": "{name} : {used} sur {allowed} en 24 heures ({percent} % de {live} fiches)",
    }
)


def word(name: str, language: str, /, **values: object) -> str:
    """Return a word or sentence in `language` ("en" or "fr")."""
    return (_FR if language == "fr" else _EN)[name].format(**values)


def known(name: str) -> bool:
    """Whether there is such a word."""
    return name in _EN
