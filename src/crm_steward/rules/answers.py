"""What the commands about rules and the register answer, in English and in French."""

from __future__ import annotations

ANSWERS: dict[str, tuple[str, str]] = {
    "no_mistakes": ("{rules} in {files}: no mistakes.", "{rules} dans {files} : aucune erreur."),
    "rule": ("{n} rule", "{n} règle"),
    "rules": ("{n} rules", "{n} règles"),
    "file": ("{n} file", "{n} fichier"),
    "files": ("{n} files", "{n} fichiers"),
    "tested": ("{passed} passed, {failed} failed.", "{passed}, {failed} en échec."),
    "test": ("{n} test", "{n} test réussi"),
    "tests": ("{n} tests", "{n} tests réussis"),
    "untested": ("Without a test: {rules}", "Sans test : {rules}"),
    "not_found": ("expected, not found:", "attendu, non trouvé :"),
    "not_expected": ("found, not expected:", "trouvé, non attendu :"),
    "caught": ("{record} is caught by {rule}", "{record} est retenu par {rule}"),
    "not_caught": ("{record} is not caught by {rule}", "{record} n'est pas retenu par {rule}"),
    "column_rule": ("rule", "règle"),
    "column_severity": ("severity", "gravité"),
    "column_open": ("open", "ouvertes"),
    "column_ever": ("ever", "total"),
    "column_written": ("written", "écrites"),
    "skipped_field": (
        "no field '{field}' in {connections}; not run there: {rules}",
        "pas de champ '{field}' dans {connections} ; pas appliquées là : {rules}",
    ),
    "skipped_action": (
        "no {action} as asked in {connections}; left out there: {rules}",
        "pas de {action} tel que demandé dans {connections} ; laissé de côté là : {rules}",
    ),
    "no_impact": (
        "No rule finds or does anything else than before.",
        "Aucune règle ne trouve ni ne fait autre chose qu'avant.",
    ),
    "impact_added": ("new", "nouvelle"),
    "impact_removed": ("removed", "supprimée"),
    "impact_edited": ("edited", "modifiée"),
    "impact_counts": (
        "{before} before, {after} after: {gained} gained, {lost} lost",
        "{before} avant, {after} après : {gained} en plus, {lost} en moins",
    ),
    "impact_written": (
        "records that would be written and were not before: {n}",
        "fiches qui seraient écrites et ne l'étaient pas : {n}",
    ),
    "impact_canary": (
        "as the rule is new or edited, the first run touches at most {n} of them",
        "règle nouvelle ou modifiée : la première exécution en touche au plus {n}",
    ),
    "impact_more": ("… and {n} more", "… et {n} de plus"),
    "new_about": (
        "What does the rule find, in one sentence?",
        "Que trouve la règle, en une phrase ?",
    ),
    "new_id": ("Its name", "Son nom"),
    "new_id_taken": ("this name is taken", "ce nom est déjà pris"),
    "new_kind": ("What shall be checked?", "Que faut-il contrôler ?"),
    "new_field": (
        "Only which contacts? A field, ? for a list, or Enter for all contacts",
        "Quels contacts seulement ? Un champ, ? pour la liste, ou Entrée pour tous les contacts",
    ),
    "new_holds_field": (
        "What is wrong? A field, or ? for a list",
        "Qu'est-ce qui ne va pas ? Un champ, ou ? pour la liste",
    ),
    "new_more": (
        "And? Another field, or Enter to go on",
        "Et aussi ? Un autre champ, ou Entrée pour continuer",
    ),
    "new_operator": ("How is it compared?", "Comment le comparer ?"),
    "new_key": (
        "Anything else to say ({keys})? Or Enter to go on",
        "Autre chose à préciser ({keys}) ? Ou Entrée pour continuer",
    ),
    "new_key_unknown": ("it has no '{key}'", "il n'y a pas de '{key}'"),
    "new_task_title": ("{about}: {{full_name}}", "{about} : {{full_name}}"),
    "new_value": ("With what?", "Avec quoi ?"),
    "new_action": (
        (
            "What shall happen? report (list them), task (for their owner), update (correct), suppress (no "
            "more e-mail), merge, archive"
        ),
        (
            "Que faire ? report (les lister), task (tâche au propriétaire), update (corriger), suppress (plus "
            "d'e-mail), merge (fusionner), archive (archiver)"
        ),
    ),
    "new_title": ("The task's title", "Le titre de la tâche"),
    "new_severity": (
        "How much does it matter: low, medium, high, critical",
        "Gravité : low (faible), medium (moyenne), high (grave), critical (critique)",
    ),
    "new_skip": (
        "Leave it out in that connection, and say so (yes, no)?",
        "L'ignorer dans cette connexion, et le dire (oui, non) ?",
    ),
    "new_not_caught": (
        "No invented contact was caught: add one to the test yourself.",
        "Aucun contact inventé n'est retenu : ajoutez-en un au test vous-même.",
    ),
    "new_no_room": (
        "nothing can be added at the end of this file as it stands; name another with --into",
        "rien ne peut être ajouté à la fin de ce fichier tel qu'il est ; indiquez-en un autre avec --into",
    ),
    "new_written": ("{file}: the rule '{id}'", "{file} : la règle '{id}'"),
    "new_tested": ("{file}: its test", "{file} : son test"),
    "new_not_named": (
        "The settings do not name {file}: add it under rules: paths:, or the rule never runs.",
        "Les réglages ne nomment pas {file} : ajoutez-le sous rules: paths:, sinon la règle ne tourne jamais.",
    ),
    "new_next": (
        "Next: crm-steward rules test {file}, then crm-steward rules impact",
        "Ensuite : crm-steward rules test {file}, puis crm-steward rules impact",
    ),
    "new_caught": ("Caught", "Retenu"),
    "new_spared": ("Left alone: {field} differs", "Laissé de côté : {field} diffère"),
    "no_last_rules": (
        "no scan has run yet, so there is nothing to compare with; name the old rules with --old",
        "aucune analyse n'a encore eu lieu, rien à comparer ; indiquez les anciennes règles avec --old",
    ),
    "holds": ("it holds: {value}", "contenu : {value}"),
    "holds_nothing": ("it holds nothing", "vide"),
}
