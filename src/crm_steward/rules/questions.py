"""What `rules new` asks for the keys of a check, and says of the operators, in both languages."""

from __future__ import annotations

from collections.abc import Mapping

Words = tuple[str, str]
"""English, French."""

_UNKNOWN: Words = (
    "Contacts without that date: ignore, report (them too), only (them)?",
    "Les contacts sans cette date : ignore (les laisser), report (les relever aussi), only (eux seuls) ?",
)
_FIELDS: Words = ("Which fields? Names with commas", "Quels champs ? Noms séparés par des virgules")

KEYS: Mapping[str, Mapping[str, Words]] = {
    "condition": {"holds": ("What is wrong?", "Qu'est-ce qui ne va pas ?")},
    "conflict": {
        "fields": (
            "Which fields should agree? Names with commas",
            "Quels champs devraient concorder ? Noms séparés par des virgules",
        ),
        "link": (
            "What makes two records one person: email (the same address), or phone and name?",
            (
                "Qu'est-ce qui fait de deux fiches une personne : email (même adresse), ou phone and name "
                "(même numéro et même nom) ?"
            ),
        ),
        "within": (
            "Compare connections with one another (connections), or all records (everywhere)?",
            "Comparer les connexions entre elles (connections), ou toutes les fiches (everywhere) ?",
        ),
    },
    "consent": {
        "channel": (
            "By which channel: email, sms, phone, post?",
            "Par quel canal : email, sms, phone (téléphone), post (courrier) ?",
        ),
        "problem": (
            (
                "What is wrong? missing: nothing says they agreed; unprovable: the proof is incomplete; "
                "no_double_opt_in: not confirmed by a second message; unused: not used for too long; "
                "expiring, expired: implied consent ends soon, has ended; withdrawn: they said no; "
                "complained: reported as spam; bounced: the address is gone; contradicted: they said no on "
                "another record; ignored: mailed after a no"
            ),
            (
                "Qu'est-ce qui ne va pas ? missing : aucun accord connu ; unprovable : preuve incomplète ; "
                "no_double_opt_in : pas confirmé par un second message ; unused : pas utilisé depuis trop "
                "longtemps ; expiring, expired : accord tacite bientôt ou déjà échu ; withdrawn : refus ; "
                "complained : signalé comme indésirable ; bounced : adresse disparue ; contradicted : refus "
                "sur une autre fiche ; ignored : envoi après un refus"
            ),
        ),
        "purpose": (
            "Only consent to which purpose, as the connection names it?",
            "L'accord à quelle finalité seulement, telle que la connexion la nomme ?",
        ),
        "basis": (
            "Only consent implied by a purchase or by an inquiry?",
            "L'accord tacite né d'un achat (purchase) ou d'une demande (inquiry) seulement ?",
        ),
        "clock": (
            "Counted from which date? A field; without it, the consent's own date",
            "Compté depuis quelle date ? Un champ ; sinon la date de l'accord",
        ),
        "warn": (
            "How long before the end, for example 60 days?",
            "Combien de temps avant la fin, par exemple 60 days ?",
        ),
        "period": (
            "Which period of the register gives the length? Its id",
            "Quelle durée du registre s'applique ? Son identifiant",
        ),
        "after": (
            "After how long, for example 24 months?",
            "Au bout de combien de temps, par exemple 24 months ?",
        ),
    },
    "duplicates": {
        "levels": (
            "What makes two records one person? One is enough, or several with commas",
            (
                "Qu'est-ce qui fait de deux fiches une personne ? Un critère suffit, ou plusieurs séparés par "
                "des virgules, chacun avec un nom proche : même e-mail (same e-mail and similar name), même "
                "date de naissance (same birth date and similar name), même téléphone (same phone and similar "
                "name), e-mail ressemblant (similar e-mail and similar name), même adresse (same address and "
                "similar name), même entreprise (same company and similar name) ; ou le même e-mail sans "
                "regarder le nom (same e-mail)"
            ),
        ),
        "at_least": (
            "From which probability does all evidence together make two records one person (0.5 is as likely as not)?",
            "À partir de quelle probabilité l'ensemble des indices fait-il de deux fiches une personne (0.5 : une chance sur deux) ?",
        ),
        "sure_from": (
            "From which probability is a pair sure enough to be merged (0.99 by default)?",
            "À partir de quelle probabilité une paire est-elle assez sûre pour être fusionnée (0.99 par défaut) ?",
        ),
        "weights": (
            "Weigh the evidence as shipped, or as learned from this base (learned)?",
            "Peser les indices comme livré (shipped), ou comme appris de cette base (learned) ?",
        ),
        "engine": (
            "Which engine finds the pairs: this program's own (sql), Splink (splink), or Splink on Spark (splink-spark)?",
            "Quel moteur trouve les paires : celui du programme (sql), Splink (splink), ou Splink sur Spark (splink-spark) ?",
        ),
        "within": (
            "Compare records of one connection only (connection), or of all (everywhere)?",
            "Comparer les fiches d'une même connexion (connection), ou de toutes (everywhere) ?",
        ),
    },
    "format": {
        "fields": _FIELDS,
        "only": (
            (
                "fixable (one sure correction), broken (only a person can put it right), typos (of e-mail "
                "domains), or all?"
            ),
            (
                "fixable (une seule correction possible), broken (à corriger à la main), typos (domaines "
                "d'e-mail mal tapés), ou all (tout) ?"
            ),
        ),
        "codes": (
            "Where do the connections hold ISO codes (FR, fr), so that names are replaced: country, language?",
            (
                "Où les connexions attendent-elles des codes ISO (FR, fr), qui remplacent les noms : country "
                "(pays), language (langue) ?"
            ),
        ),
    },
    "freetext": {
        "fields": (
            "Which fields? Names with commas; without them notes, job_title and every custom field",
            (
                "Quels champs ? Noms séparés par des virgules ; sinon notes, job_title et chaque champ "
                "personnalisé"
            ),
        ),
        "categories": (
            (
                "What to look for? health, religion, union, politics, sex_life, offence, family, insult, "
                "iban, card, nir, password"
            ),
            (
                "Que chercher ? health (santé), religion, union (syndicat), politics (opinions "
                "politiques), sex_life (vie sexuelle), offence (infractions), family (vie privée), insult "
                "(injures), iban, card (carte bancaire), nir (numéro de sécurité sociale), password (mot "
                "de passe)"
            ),
        ),
        "languages": (
            "The words of which languages: en, fr, de, es?",
            "Les mots de quelles langues : en (anglais), fr (français), de (allemand), es (espagnol) ?",
        ),
        "words": (
            "Which words of your own? With commas; word* stands for every ending",
            "Quels mots à vous ? Séparés par des virgules ; mot* vaut pour toutes les terminaisons",
        ),
        "ignore": (
            "Which phrases are harmless? With commas",
            "Quelles tournures sont sans danger ? Séparées par des virgules",
        ),
    },
    "required": {
        "fields": (
            "Which fields must be filled? Names with commas",
            "Quels champs doivent être remplis ? Noms séparés par des virgules",
        ),
        "need": (
            "Must all be filled (all), or is one enough (any)?",
            "Faut-il les remplir tous (all), ou un seul suffit-il (any) ?",
        ),
    },
    "retention": {
        "period": (
            "Which period of the register? Its id",
            "Quelle durée du registre ? Son identifiant",
        ),
        "grace": (
            "How long after the end is nothing found yet, for example 30 days?",
            "Combien de temps après la fin ne rien relever encore, par exemple 30 days ?",
        ),
        "warn": (
            "Find those whose period ends soon instead: within how long, for example 3 months?",
            (
                "Relever plutôt les contacts dont la durée finit bientôt : dans combien de temps, par exemple "
                "3 months ?"
            ),
        ),
        "unknown": _UNKNOWN,
    },
    "segment": {
        "only": (
            "Only which segments? hot, loyal, inactive",
            "Quels segments seulement ? hot (actifs), loyal (fidèles), inactive (inactifs)",
        ),
    },
    "stale": {
        "clock": (
            (
                "Which date counts? last_activity: anything anyone did; last_person_act: the person replied, "
                "bought, filled a form or clicked; updated_at: the record was edited; created_at: its age"
            ),
            (
                "Quelle date compte ? last_activity : un acte de qui que ce soit ; last_person_act : la "
                "personne a répondu, acheté, rempli un formulaire ou cliqué ; updated_at : la fiche a été "
                "modifiée ; created_at : son âge"
            ),
        ),
        "longer_than": (
            "How long ago is too long, for example 18 months?",
            "Depuis combien de temps est-ce trop, par exemple 18 months ?",
        ),
        "unknown": _UNKNOWN,
    },
    "unique": {
        "fields": (
            "Which field must not be shared? Several with commas: the combination",
            "Quel champ ne doit pas être partagé ? Plusieurs séparés par des virgules : leur combinaison",
        ),
        "within": (
            "Each connection by itself (connection), or across all (everywhere)?",
            "Chaque connexion pour elle-même (connection), ou toutes ensemble (everywhere) ?",
        ),
    },
}
"""Check kind → its key → the question. A key that is missing here is asked by its description."""

OPERATORS: Mapping[str, Words] = {
    "is": ("it is empty, or set", "il est vide (empty) ou rempli (set)"),
    "equals": ("is this value", "vaut ceci"),
    "not_equals": ("is not this value", "ne vaut pas ceci"),
    "in": ("is one of these, with commas", "est l'un de ceux-ci, séparés par des virgules"),
    "not_in": ("is none of these, with commas", "n'est aucun de ceux-ci, séparés par des virgules"),
    "contains": ("has this in it", "contient ceci"),
    "starts_with": ("begins with this", "commence par ceci"),
    "ends_with": ("ends with this", "finit par ceci"),
    "matches": ("fits this regular expression", "correspond à cette expression régulière"),
    "less_than": ("is a number below this", "est un nombre inférieur à"),
    "greater_than": ("is a number above this", "est un nombre supérieur à"),
    "older_than": ("is longer ago than, e.g. 18 months", "remonte à plus de, p. ex. 18 months"),
    "newer_than": ("is less long ago than, e.g. 30 days", "remonte à moins de, p. ex. 30 days"),
    "before": ("is before the day, e.g. 2026-01-31", "est avant le jour, p. ex. 2026-01-31"),
    "after": ("is on or after the day, e.g. 2026-01-31", "est le jour ou après, p. ex. 2026-01-31"),
}
"""Operator → what it says of a field."""


def either(words: Words, language: str) -> str:
    """Return one of the two languages ("en" or "fr")."""
    return words[language == "fr"]
