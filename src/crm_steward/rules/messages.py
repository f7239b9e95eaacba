"""What a rule author reads when a rule is wrong, in English and in French, in one table.

A sentence that is missing in one language is a test failure, not a fallback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Literal

from crm_steward.model import RecordRef
from crm_steward.rules.answers import ANSWERS
from crm_steward.rules.registermessages import ABOUT_THE_REGISTER
from crm_steward.rules.shapes import SHAPES

Language = Literal["en", "fr"]

_LONGEST = 60
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

SENTENCES: dict[str, tuple[str, str]] = {
    **SHAPES,
    # Rules.
    "rule_id": (
        "'{value}' cannot be a rule's id; use small letters, digits, '-', '.' and '_'",
        "'{value}' ne peut pas être l'id d'une règle ; minuscules, chiffres, '-', '.' et '_' seulement",
    ),
    "duplicate_id": (
        "the id '{id}' is already used at {where}",
        "l'id '{id}' est déjà pris à {where}",
    ),
    "rules_fight": (
        (
            "it and the rule '{other}' ({where}) want '{field}' to hold different things for the "
            "same contacts, so that each would undo the other (for example: {example}); let one of "
            "them leave these contacts alone (where, except), or remove one"
        ),
        (
            "cette règle et la règle '{other}' ({where}) veulent des valeurs différentes dans "
            "'{field}' pour les mêmes fiches : chacune annulerait l'autre (par exemple : {example}) ; "
            "que l'une des deux laisse ces fiches de côté (where, except), ou supprimez-en une"
        ),
    ),
    "unknown_kind": (
        "unknown check kind '{value}'",
        "genre de contrôle inconnu '{value}'",
    ),
    "kind_missing": (
        "'kind' is missing; it says which check this is: {expected}",
        "il manque 'kind', qui dit quel contrôle faire : {expected}",
    ),
    "unknown_field": ("unknown field '{value}'", "champ inconnu '{value}'"),
    "duration": (
        (
            "'{value}' is not a duration; write a number and a unit, for example 18 months "
            "(hours, days, weeks, months, years)"
        ),
        (
            "'{value}' n'est pas une durée ; écrivez un nombre et une unité, par exemple 18 months "
            "(hours, days, weeks, months, years)"
        ),
    ),
    "duration_long": (
        "'{value}' is longer than {limit} years",
        "'{value}' dépasse {limit} ans",
    ),
    "date": (
        "'{value}' is not a date; write year-month-day, for example 2026-01-31",
        "'{value}' n'est pas une date ; écrivez année-mois-jour, par exemple 2026-01-31",
    ),
    "regex": (
        "not a usable regular expression: {reason}",
        "expression régulière inutilisable : {reason}",
    ),
    "not_date_field": (
        "the field '{field}' holds no date; '{operator}' needs one",
        "le champ '{field}' ne contient pas de date ; '{operator}' en demande une",
    ),
    "not_number_field": (
        "the field '{field}' holds no number; '{operator}' needs one",
        "le champ '{field}' ne contient pas de nombre ; '{operator}' en demande un",
    ),
    "not_text_field": (
        "the field '{field}' holds no free text; '{operator}' needs some",
        "le champ '{field}' ne contient pas de texte libre ; '{operator}' en demande un",
    ),
    "date_compared": (
        "the field '{field}' holds a date; use older_than, newer_than, before or after",
        "le champ '{field}' contient une date ; utilisez older_than, newer_than, before ou after",
    ),
    "flag_value": (
        "the field '{field}' holds yes or no; write true or false, without quotes",
        "le champ '{field}' contient oui ou non ; écrivez true ou false, sans guillemets",
    ),
    "number_value": (
        "the field '{field}' holds a number; write one, without quotes",
        "le champ '{field}' contient un nombre ; écrivez-en un, sans guillemets",
    ),
    "quote_it": (
        "the field '{field}' holds text; put {value} in quotes",
        "le champ '{field}' contient du texte ; mettez {value} entre guillemets",
    ),
    "country": (
        "'{value}' is not a country; write its two letters, for example FR",
        "'{value}' n'est pas un pays ; écrivez ses deux lettres, par exemple FR",
    ),
    "operator_missing": (
        "says nothing about '{field}'; add is, equals, in, contains, older_than, …",
        "ne dit rien de '{field}' ; ajoutez is, equals, in, contains, older_than, …",
    ),
    "operators_many": (
        "one condition, one operator; combine '{first}' and '{second}' with all: or any:",
        "une condition, un opérateur ; combinez '{first}' et '{second}' avec all: ou any:",
    ),
    "condition_shape": (
        "a condition starts with field, all, any or not",
        "une condition commence par field, all, any ou not",
    ),
    "actions_one": (
        "one entry, one action; start a new '- ' for each",
        "une entrée, une action ; commencez un nouveau '- ' pour chacune",
    ),
    "action_missing": (
        "says no action; write one of {expected}",
        "n'indique aucune action ; écrivez l'une de {expected}",
    ),
    "placeholder": ("unknown placeholder '{{{value}}}'", "repère inconnu '{{{value}}}'"),
    "brace": (
        "a single brace; write '{{{{' or '}}}}' for the character itself",
        "accolade seule ; écrivez '{{{{' ou '}}}}' pour le caractère lui-même",
    ),
    "text_shape": (
        "text expected, or {{en: …, fr: …}}",
        "texte attendu, ou {{en: …, fr: …}}",
    ),
    "due": (
        (
            "'{value}' is not a time limit; write a number and a unit, for example 14 days or "
            "5 working days"
        ),
        (
            "'{value}' n'est pas un délai ; écrivez un nombre et une unité, par exemple 14 days ou "
            "5 working days"
        ),
    ),
    "record": (
        "'{value}' is not a record; write connection:id, for example hubspot-eu:4711",
        "'{value}' n'est pas une fiche ; écrivez connexion:id, par exemple hubspot-eu:4711",
    ),
    "except_shape": (
        "write a list of records ([hubspot-eu:4711]) or a condition",
        "écrivez une liste de fiches ([hubspot-eu:4711]) ou une condition",
    ),
    "mode_shape": (
        "write one of {expected}, or connection: mode pairs",
        "écrivez l'un de {expected}, ou des paires connexion: mode",
    ),
    "routing_empty": (
        "names nobody; write owner: true, by_country:, round_robin: or otherwise:",
        "ne désigne personne ; écrivez owner: true, by_country:, round_robin: ou otherwise:",
    ),
    "written_twice": (
        "the field '{field}' is written twice",
        "le champ '{field}' est écrit deux fois",
    ),
    "not_writable": (
        "the field '{field}' cannot be written",
        "le champ '{field}' ne peut pas être écrit",
    ),
    "address_written": (
        "no rule writes another '{field}': consent hangs on it; give a person a task instead",
        (
            "aucune règle n'écrit un autre '{field}' : le consentement y est attaché ; "
            "confiez-le à une personne par une tâche"
        ),
    ),
    "consent_written": (
        "'{field}' holds consent in {connection}; no rule writes it, use suppress to restrict",
        (
            "'{field}' contient le consentement dans {connection} ; aucune règle ne l'écrit, "
            "utilisez suppress pour restreindre"
        ),
    ),
    "copy_chain": (
        "'{source}' is written by the same action; copying it to '{field}' would never come to rest",
        (
            "'{source}' est écrit par la même action ; le copier dans '{field}' ne se "
            "stabiliserait jamais"
        ),
    ),
    "copy_types": (
        "'{source}' does not hold what '{field}' needs",
        "'{source}' ne contient pas ce que demande '{field}'",
    ),
    "keep_connection": (
        "a merge happens inside one connection, so that no record is in front by where it is from",
        (
            "une fusion se fait à l'intérieur d'une connexion : aucune fiche n'y est en tête par sa "
            "provenance"
        ),
    ),
    "keep_deals": (
        (
            "deals are known only by a field of yours; map it under extra: and write "
            "{{field: extra.open_deals, greater_than: 0}}"
        ),
        (
            "les affaires ne sont connues que par un champ à vous ; déclarez-le sous extra: et écrivez "
            "{{field: extra.open_deals, greater_than: 0}}"
        ),
    ),
    "merge_consent": (
        "of '{field}' the strictest holds after a merge, always; there is nothing to choose",
        "de '{field}' le plus strict vaut après une fusion, toujours ; il n'y a rien à choisir",
    ),
    "merge_address": (
        "consent hangs on '{field}': the survivor keeps its own, and takes one over only if it has none",
        (
            "le consentement est attaché à '{field}' : la fiche gardée conserve le sien, et n'en reprend "
            "un que si elle n'en a pas"
        ),
    ),
    "merge_union": (
        "'{field}' holds one value; a union is for a custom field, extra.<name>, that may hold several",
        (
            "'{field}' contient une seule valeur ; union est pour un champ personnalisé, extra.<nom>, qui "
            "peut en contenir plusieurs"
        ),
    ),
    "levels_engine": (
        "engine '{engine}' knows neither levels nor learned weights: leave them out, or take engine: sql",
        "le moteur '{engine}' ne connaît ni niveaux ni poids appris : enlevez-les, ou prenez engine: sql",
    ),
    "tag_field": (
        "a tag goes into a custom field, extra.<name>, not into '{field}'",
        "une étiquette va dans un champ personnalisé, extra.<nom>, pas dans '{field}'",
    ),
    "tag_value": (
        "'value' is missing; only the check kind 'segment' names a word by itself",
        "il manque 'value' ; seul le contrôle 'segment' donne un mot de lui-même",
    ),
    "no_group": (
        "the check kind '{kind}' finds single records; {action} needs a group",
        "le contrôle '{kind}' trouve des fiches isolées ; {action} demande un groupe",
    ),
    "group_action": (
        "the check kind '{kind}' finds groups of records; {action} would not know which one",
        "le contrôle '{kind}' trouve des groupes de fiches ; {action} ne saurait pas laquelle",
    ),
    "fallback_without": (
        "if_unable: task needs a task among the actions, and another action it stands in for",
        "if_unable: task demande une tâche parmi les actions, et une autre action à remplacer",
    ),
    "unknown_connection": ("unknown connection '{value}'", "connexion inconnue '{value}'"),
    "field_lacking": (
        (
            "the connection '{connection}' has no field '{field}'; map it in the settings, name other "
            "connections, or write if_unable: skip"
        ),
        (
            "la connexion '{connection}' n'a pas le champ '{field}' ; déclarez-le dans les réglages, "
            "nommez d'autres connexions, ou écrivez if_unable: skip"
        ),
    ),
    "action_lacking": (
        (
            "the connection '{connection}' cannot {action}; name other connections, or write "
            "if_unable: skip or task"
        ),
        (
            "la connexion '{connection}' ne sait pas faire {action} ; nommez d'autres connexions, ou "
            "écrivez if_unable: skip ou task"
        ),
    ),
    "unknown_fact": (
        "the check kind '{kind}' reports no '{value}'",
        "le contrôle '{kind}' ne rapporte pas de '{value}'",
    ),
    "cannot_normalise": (
        "only the check kind 'format' says what to write; '{kind}' does not",
        "seul le contrôle 'format' dit quoi écrire ; '{kind}' ne le dit pas",
    ),
    "apply_without": (
        "mode apply needs an action; without one there is nothing to apply",
        "le mode apply demande une action ; sans elle il n'y a rien à appliquer",
    ),
    "email_only": (
        "'{problem}' can be told for the channel email only",
        "'{problem}' ne se constate que pour le canal email",
    ),
    "segment_twice": (
        "the segment '{value}' is already named above",
        "le segment '{value}' est déjà nommé plus haut",
    ),
    "not_for_post": (
        "'{problem}' cannot be told for the channel post: streets are not compared",
        "'{problem}' ne se constate pas pour le canal post : les rues ne sont pas comparées",
    ),
    "key_goes_with": (
        "'{key}' goes with {problems} only",
        "'{key}' ne va qu'avec {problems}",
    ),
    "typos_email": (
        "only: typos looks at the field email alone",
        "only: typos ne regarde que le champ email",
    ),
    "looks_for_nothing": (
        "looks for nothing; name categories: or words:",
        "ne cherche rien ; indiquez categories: ou words:",
    ),
    "no_word": ("'{value}' holds no word", "'{value}' ne contient aucun mot"),
    "length_once": (
        "'{problem}' needs a length: write period: with an id of the register, or after: 24 months",
        "'{problem}' demande une durée : écrivez period: avec un id du registre, ou after: 24 months",
    ),
    "id_or_ids": (
        "write id: for one record, or ids: for a group",
        "écrivez id: pour une fiche, ou ids: pour un groupe",
    ),
    "unknown_contact": (
        "no contact '{value}' in this test",
        "pas de contact '{value}' dans ce test",
    ),
    "moment": (
        "'{value}' is not a date or time; write 2026-01-31 or 2026-01-31T09:30:00Z",
        "'{value}' n'est ni une date ni une heure ; écrivez 2026-01-31 ou 2026-01-31T09:30:00Z",
    ),
    "lonely_test": (
        "there is no {rules} beside it, so that these tests never run",
        "il n'y a pas de {rules} à côté, si bien que ces tests ne tournent jamais",
    ),
    "unknown_pack": ("unknown pack '{value}'", "lot de règles inconnu '{value}'"),
    "unknown_rule": ("unknown rule '{value}'", "règle inconnue '{value}'"),
    "did_you_mean": (" (did you mean '{value}'?)", " (vouliez-vous dire '{value}' ?)"),
    **ABOUT_THE_REGISTER,
    **ANSWERS,
}


def say(code: str, language: str, **values: object) -> str:
    """Return the sentence `code` in `language`, with `values` shown safely on one line."""
    english, french = SENTENCES[code]
    template = french if language == "fr" else english
    return template.format(**{key: shown(value) for key, value in values.items()})


def shown(value: object) -> str:
    """Return `value` as it may stand in a message: one line, printable, at most 60 characters.

    Lists of alternatives are joined and kept whole.
    """
    if isinstance(value, list | tuple) and not isinstance(value, RecordRef):
        return ", ".join(str(item) for item in value)
    text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value)[: _LONGEST * 4])
    return text if len(text) <= _LONGEST * 3 else text[:_LONGEST] + "…"


def suggestion(word: str, known: Iterable[str], language: str) -> str:
    """Return ` (did you mean '…'?)` when one of `known` is close to `word`, else nothing."""
    close = get_close_matches(word[:_LONGEST], list(known), n=1, cutoff=0.6)
    return say("did_you_mean", language, value=close[0]) if close and close[0] != word else ""


def quoted(value: Any) -> str:
    """Return a value as an author would recognise it: text in quotes, a list as `a list`."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "{…}"
        case list():
            return "[…]"
        case str():
            return f"'{shown(value)}'"
        case _:
            return shown(value)
