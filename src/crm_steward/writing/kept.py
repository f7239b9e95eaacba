"""Kept: why a change is not taken back, in English and French."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from crm_steward.model import Remedy


class Reason(Protocol):
    """Why a change is not taken back."""

    @property
    def value(self) -> str:
        """It in English."""
        ...

    def said(self, language: str) -> str:
        """Return it in `language` ("en" or "fr")."""
        ...


class Kept(StrEnum):
    """Why a change is not taken back, in English; `said` says it in French too."""

    BUSY = "an earlier write to this record is not settled yet"
    TASK = "no task of this connection is closed by machine: close it in the CRM"
    TASK_CLOSED = "we closed the task already, when what it asked for was settled"
    TASK_UNNAMED = "the CRM never told us the task's id: close it in the CRM"
    SUPPRESSED = (
        "no suppression of this connection is lifted by machine: a person lifts it in the CRM, if "
        "they may"
    )
    UNNOTED = "what was said of the address before was not noted: a person lifts it in the CRM, if they may"
    NO_RULES = "the rules cannot be read: whether another one asks for the same is not known"
    NOT_SUPPRESSED = "this connection has no suppression that could be made again"
    ARCHIVED = "restore the record from the CRM's recycle bin"
    BIN_EMPTIED = "too late: the CRM's recycle bin no longer keeps the record"
    FILLED = "the record was merged with others that held this: given back once the merge is undone"
    PURGED = "what it held before is no longer kept: keep_values in the settings, or an erasure"
    MERGED = "a merge cannot be taken back"
    NO_SNAPSHOT = "what the merged records held was not noted, by an earlier version"
    CONSENT_HELD = (
        "a record held consent in fields that nobody but people may write: make it by hand"
    )
    RECREATED = "what was made anew is not taken away by undo: archive or merge it"
    UNDELETED = "what came back is not taken away again by undo: the rule proposes it anew"
    CLOSED = "a closed task is not taken back: open it again in the CRM"

    def said(self, language: str) -> str:
        """Return it in `language` ("en" or "fr")."""
        return _FRENCH[self] if language == "fr" else self.value


_FRENCH: Mapping[Kept, str] = MappingProxyType(
    {
        Kept.BUSY: "une écriture précédente sur cette fiche n'est pas encore éclaircie",
        Kept.TASK: "aucune tâche de cette connexion n'est close par la machine : la clore dans le CRM",
        Kept.TASK_CLOSED: "nous avons déjà clos la tâche, quand ce qu'elle demandait a été réglé",
        Kept.TASK_UNNAMED: "le CRM n'a jamais donné l'identifiant de la tâche : la clore dans le CRM",
        Kept.SUPPRESSED: "aucune opposition de cette connexion n'est levée par la machine : une "
        "personne la lève dans le CRM, si elle en a le droit",
        Kept.UNNOTED: "ce qui valait pour cette adresse auparavant n'a pas été noté : une personne la "
        "lève dans le CRM, si elle en a le droit",
        Kept.NO_RULES: "les règles sont illisibles : on ne sait pas si une autre demande la même chose",
        Kept.NOT_SUPPRESSED: "cette connexion ne connaît pas d'opposition qui puisse être refaite",
        Kept.ARCHIVED: "restaurer la fiche depuis la corbeille du CRM",
        Kept.BIN_EMPTIED: "trop tard : la corbeille du CRM ne garde plus la fiche",
        Kept.FILLED: "la fiche a été fusionnée avec d'autres qui portaient cette valeur ; elle est rendue "
        "une fois la fusion défaite",
        Kept.NO_SNAPSHOT: "ce que portaient les fiches fusionnées n'a pas été noté, par une version "
        "antérieure",
        Kept.CONSENT_HELD: "une fiche portait un consentement dans des champs que seules des personnes "
        "écrivent : la refaire à la main",
        Kept.RECREATED: "ce qui a été refait n'est pas retiré par undo : l'archiver ou le fusionner",
        Kept.UNDELETED: "ce qui est revenu n'est pas retiré à nouveau par undo : la règle le proposera",
        Kept.PURGED: "la valeur d'avant n'est plus conservée : keep_values dans les réglages, ou un "
        "effacement",
        Kept.MERGED: "une fusion ne se défait pas",
        Kept.CLOSED: "une clôture de tâche ne se défait pas : la rouvrir dans le CRM",
    }
)


class Ground(StrEnum):
    """What else says that an address must not be used."""

    RULE = "the rule {what} asks for the same suppression, or did since"
    SAID = "{what} says {status}: an objection is absolute (GDPR art. 21(2)-(3))"
    BEFORE = "before, too, the address could not be used: {status}"


_GROUNDS_FR: Mapping[Ground, str] = MappingProxyType(
    {
        Ground.RULE: "la règle {what} demande la même chose, ou l'a demandée depuis",
        Ground.SAID: "{what} dit {status} : l'opposition est absolue (RGPD art. 21(2)-(3))",
        Ground.BEFORE: "auparavant non plus, l'adresse n'était pas utilisable : {status}",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A ground that stands against lifting a suppression.

    Args:
        ground: Which one.
        what: The rule, or the record, that it is about.
        status: The label of the status that stands there.
    """

    ground: Ground
    what: str = ""
    status: str = ""

    @property
    def value(self) -> str:
        """It in English."""
        return self.said("en")

    def said(self, language: str) -> str:
        """Return it in `language` ("en" or "fr")."""
        text = _GROUNDS_FR[self.ground] if language == "fr" else self.ground.value
        return text.format(what=self.what, status=self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the connector says of why it cannot, and what a person does instead.

    Args:
        remedy: Its words.
        at: When the change took effect.
        now: The time.
    """

    remedy: Remedy
    at: datetime
    now: datetime

    @property
    def value(self) -> str:
        """It in English."""
        return self.said("en")

    def said(self, language: str) -> str:
        """Return it in `language` ("en" or "fr"), with the last day on which it can be done."""
        french = language == "fr"
        text = self.remedy.fr if french else self.remedy.en
        if self.remedy.within is None:
            return text
        last = self.at + self.remedy.within
        if last <= self.now:
            over = (
                "trop tard depuis le {day:%Y-%m-%d}" if french else "too late since {day:%Y-%m-%d}"
            )
            return f"{text} ({over.format(day=last)})"
        until = "jusqu'au {day:%Y-%m-%d}" if french else "until {day:%Y-%m-%d}"
        return f"{text} ({until.format(day=last)})"
