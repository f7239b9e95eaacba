"""Withheld: what a rule asks for and a plan leaves out, each with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from crm_steward.model import RecordRef


class Why(StrEnum):
    """Why a change is not in the plan."""

    RULE_LIMIT = "rule limit"
    RULE_PERCENT = "rule percent"
    RUN_LIMIT = "run limit"
    DAY_LIMIT = "day limit"
    DAY_PERCENT = "day percent"
    CANARY = "canary"
    FROZEN = "frozen"
    PAUSED = "paused"
    UNKNOWN = "not configured"
    CANNOT = "cannot"
    CONFLICT = "conflict"
    TWICE = "asked for twice"
    DONE = "done"
    TASK_STANDS = "task stands"
    UNDER_WAY = "under way"
    SET_ASIDE = "set aside"
    STALE = "stale"
    GONE = "gone"
    NO_PROPOSAL = "no proposal"
    SNOOZED = "snoozed"


OVER_LIMIT = frozenset(
    {
        Why.RULE_LIMIT,
        Why.RULE_PERCENT,
        Why.RUN_LIMIT,
        Why.DAY_LIMIT,
        Why.DAY_PERCENT,
        Why.CANARY,
    }
)
"""These come with a later plan."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """One change left out.

    Args:
        rule: The rule that asks for it.
        finding: The fingerprint of the finding behind it.
        ref: The record it is about.
        why: Why it is left out.
        detail: What the reason hangs on: a limit's value, the other rule, the connection's state,
            a snooze's date and reason.
    """

    rule: str
    finding: str
    ref: RecordRef
    why: Why
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return {
            "rule": self.rule,
            "finding": self.finding,
            "ref": str(self.ref),
            "why": self.why.value,
            "detail": self.detail,
        }


def summary(withheld: Iterable[Withheld]) -> Counter[tuple[str, Why, str]]:
    """Return how many changes of which rule were left out for which reason (and detail)."""
    return Counter((one.rule, one.why, one.detail) for one in withheld)


def explain(why: Why, detail: str, language: str) -> str:
    """Return the reason as a sentence for the CRM manager, in `language` ("en" or "fr")."""
    words = _FR if language == "fr" else _EN
    return words[why].format(detail=detail)


_EN: Mapping[Why, str] = MappingProxyType(
    {
        Why.RULE_LIMIT: "beyond the rule's own limit of {detail} changes; the next plan brings them",
        Why.RULE_PERCENT: "beyond the rule's own limit of {detail}; the next plan brings them",
        Why.RUN_LIMIT: "beyond {detail} changes per run; the next plan brings them",
        Why.DAY_LIMIT: "beyond {detail} changes within 24 hours; a later plan brings them",
        Why.DAY_PERCENT: "beyond {detail} within 24 hours; a later plan brings them",
        Why.CANARY: "the rule is new or was edited, so it first touches {detail} records; "
        "the rest comes once those went well",
        Why.FROZEN: "nothing is written to this connection: {detail}",
        Why.PAUSED: "this connection is paused: {detail}",
        Why.UNKNOWN: "this connection is not among the settings' enabled ones",
        Why.CANNOT: "the connection cannot do this",
        Why.CONFLICT: "rule {detail} wants another value in the same field; settle it between the rules",
        Why.TWICE: "rule {detail} asks for the same",
        Why.DONE: "written once already; somebody changed it back, or the next pull will show it",
        Why.TASK_STANDS: "its task was created already",
        Why.UNDER_WAY: "an earlier write to this record is not settled yet",
        Why.SET_ASIDE: "set aside after {detail} attempts that the CRM did not take",
        Why.STALE: "the record changed since the scan",
        Why.GONE: "the record is gone",
        Why.NO_PROPOSAL: "no value to propose; a person has to look",
        Why.SNOOZED: "snoozed until {detail}",
    }
)

_FR: Mapping[Why, str] = MappingProxyType(
    {
        Why.RULE_LIMIT: "au-delà de la limite de la règle ({detail} modifications) ; "
        "le prochain plan les reprendra",
        Why.RULE_PERCENT: "au-delà de la limite de la règle ({detail}) ; le prochain plan les reprendra",
        Why.RUN_LIMIT: "au-delà de {detail} modifications par exécution ; "
        "le prochain plan les reprendra",
        Why.DAY_LIMIT: "au-delà de {detail} modifications en 24 heures ; un plan suivant les reprendra",
        Why.DAY_PERCENT: "au-delà de {detail} en 24 heures ; un plan suivant les reprendra",
        Why.CANARY: "règle nouvelle ou modifiée : elle ne touche d'abord que {detail} fiches ; "
        "la suite viendra si tout s'est bien passé",
        Why.FROZEN: "rien n'est écrit dans cette connexion : {detail}",
        Why.PAUSED: "cette connexion est en pause : {detail}",
        Why.UNKNOWN: "cette connexion ne figure pas parmi celles qui sont actives",
        Why.CANNOT: "la connexion ne sait pas le faire",
        Why.CONFLICT: "la règle {detail} veut une autre valeur dans le même champ ; "
        "à départager entre les règles",
        Why.TWICE: "la règle {detail} demande la même chose",
        Why.DONE: "déjà écrit une fois ; quelqu'un l'a rétabli, ou la prochaine lecture le montrera",
        Why.TASK_STANDS: "sa tâche a déjà été créée",
        Why.UNDER_WAY: "une écriture précédente sur cette fiche n'est pas encore éclaircie",
        Why.SET_ASIDE: "mis de côté après {detail} essais refusés par le CRM",
        Why.STALE: "la fiche a changé depuis l'analyse",
        Why.GONE: "la fiche n'existe plus",
        Why.NO_PROPOSAL: "aucune valeur à proposer ; à regarder par une personne",
        Why.SNOOZED: "en sommeil jusqu'au {detail}",
    }
)
