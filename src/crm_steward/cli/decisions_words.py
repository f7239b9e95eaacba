"""What `crm-steward duplicates` says about decisions, in English and French."""

from __future__ import annotations

from types import MappingProxyType

_EN = MappingProxyType(
    {
        "different": "Pairs decided: {n}. Not one person, until something that is compared changes.",
        "different_lasting": "Pairs decided: {n}. Not one person, for good.",
        "same_lasting": "Pairs decided: {n}. One person, for good.",
        "forgotten": "Decisions forgotten: {n}.",
        "nothing": "Nothing had been decided about these records.",
        "none": "Nothing has been decided.",
        "head_records": "records",
        "head_verdict": "decision",
        "head_state": "state",
        "head_reason": "reason",
        "head_by": "by",
        "head_on": "on",
        "verdict_same": "one person",
        "verdict_different": "not one person",
        "state_holds": "until they change",
        "state_lasts": "for good",
        "state_lapsed": "lapsed: they changed",
        "state_gone": "a record is gone",
    }
)
_FR = MappingProxyType(
    {
        "different": "Paires décidées : {n}. Pas une même personne, tant que rien de ce qui est comparé ne change.",
        "different_lasting": "Paires décidées : {n}. Pas une même personne, pour toujours.",
        "same_lasting": "Paires décidées : {n}. Une même personne, pour toujours.",
        "forgotten": "Décisions oubliées : {n}.",
        "nothing": "Rien n'avait été décidé sur ces fiches.",
        "none": "Rien n'a été décidé.",
        "head_records": "fiches",
        "head_verdict": "décision",
        "head_state": "état",
        "head_reason": "motif",
        "head_by": "par",
        "head_on": "le",
        "verdict_same": "une même personne",
        "verdict_different": "pas une même personne",
        "state_holds": "jusqu'à ce qu'elles changent",
        "state_lasts": "pour toujours",
        "state_lapsed": "caduque : elles ont changé",
        "state_gone": "une fiche a disparu",
    }
)


def say(name: str, language: str, /, **values: object) -> str:
    """Return a word or sentence in `language` ("en" or "fr")."""
    return (_FR if language == "fr" else _EN)[name].format(**values)
