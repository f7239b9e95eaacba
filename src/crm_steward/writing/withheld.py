"""Withheld: what a rule asks for and a plan leaves out, each with its reason."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, overload

from crm_steward.model import RecordRef


class Why(StrEnum):
    """Why a change is not in the plan."""

    RULE_LIMIT = "rule limit"
    RULE_PERCENT = "rule percent"
    RUN_LIMIT = "run limit"
    DAY_LIMIT = "day limit"
    DAY_PERCENT = "day percent"
    RESTORED = "restored copy"
    CANARY = "canary"
    CANARY_WAITS = "canary waits"
    CANARY_FAILED = "canary failed"
    FROZEN = "frozen"
    PAUSED = "paused"
    HALTED = "halted"
    CLOCK = "clock"
    JUMP = "jump"
    UNKNOWN = "not configured"
    CANNOT = "cannot"
    CONFLICT = "conflict"
    TWICE = "asked for twice"
    DONE = "done"
    TASK_STANDS = "task stands"
    UNDER_WAY = "under way"
    SET_ASIDE = "set aside"
    RETRY = "retry"
    UNDONE = "undone"
    SWING = "swing"
    STALE = "stale"
    EDITED = "edited"
    GONE = "gone"
    NO_PROPOSAL = "no proposal"
    SNOOZED = "snoozed"
    EMPTY_SOURCE = "empty source"
    CONSENT_FIELD = "consent field"
    CONSENT_HANGS = "consent hangs on it"
    NO_ADDRESS = "no address"
    APART = "apart"
    CHAINED = "chained"
    NO_SURVIVOR = "no survivor"
    CONSENT_CONFLICT = "consent conflict"
    LEGAL_HOLD = "legal hold"
    SUPPRESSION_KEPT = "suppression kept"
    CLASH = "clash"
    UNSURE = "unsure"
    READ_ONLY = "read-only"


OVER_LIMIT = frozenset(
    {
        Why.RULE_LIMIT,
        Why.RULE_PERCENT,
        Why.RUN_LIMIT,
        Why.DAY_LIMIT,
        Why.DAY_PERCENT,
        Why.RESTORED,
        Why.CANARY,
        Why.CANARY_WAITS,
        Why.RETRY,
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
            a snooze's date and reason, names of fields or channels.
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


_Reason = tuple[str, Why, str]


class LeftOut(Sequence[Withheld]):
    """All that a plan leaves out, in order, held in columns: it may be most of a large base.

    Reasons are few and shared; a `Withheld` is made when one is looked at.
    """

    def __init__(self, withheld: Iterable[Withheld] = ()) -> None:
        self._reasons: dict[_Reason, int] = {}
        self._known: list[_Reason] = []
        self._why = array("L")
        self._findings: list[str] = []
        self._refs: list[RecordRef] = []
        for one in withheld:
            self.add(one.rule, one.finding, one.ref, one.why, one.detail)

    def add(self, rule: str, finding: str, ref: RecordRef, why: Why, detail: str = "") -> None:
        """Add one change left out; the arguments are those of `Withheld`."""
        reason = (rule, why, detail)
        number = self._reasons.get(reason)
        if number is None:
            number = self._reasons[reason] = len(self._known)
            self._known.append(reason)
        self._why.append(number)
        self._findings.append(finding)
        self._refs.append(ref)

    def summary(self) -> Counter[_Reason]:
        """Return how many changes of which rule were left out for which reason (and detail)."""
        counts = Counter(self._why)
        return Counter({self._known[number]: count for number, count in counts.items()})

    def __len__(self) -> int:
        return len(self._why)

    @overload
    def __getitem__(self, at: int) -> Withheld: ...
    @overload
    def __getitem__(self, at: slice) -> list[Withheld]: ...
    def __getitem__(self, at: int | slice) -> Withheld | list[Withheld]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        rule, why, detail = self._known[self._why[at]]
        return Withheld(rule, self._findings[at], self._refs[at], why, detail)

    def __iter__(self) -> Iterator[Withheld]:
        for number, finding, ref in zip(self._why, self._findings, self._refs, strict=True):
            rule, why, detail = self._known[number]
            yield Withheld(rule, finding, ref, why, detail)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # it grows

    def __repr__(self) -> str:
        return f"LeftOut({list(self)!r})"


def summary(withheld: Iterable[Withheld]) -> Counter[tuple[str, Why, str]]:
    """Return how many changes of which rule were left out for which reason (and detail)."""
    if isinstance(withheld, LeftOut):
        return withheld.summary()
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
        Why.RESTORED: "an older copy of the database was restored, which does not know what was written "
        "before; so the day's limit counts as used up until {detail}, or until somebody says otherwise "
        "(crm-steward accept --after-restore)",
        Why.CANARY: "the rule is new or was edited, so it first touches {detail} records; "
        "the rest comes once those went well",
        Why.CANARY_WAITS: "the rule is new or was edited, and its first records are written ({detail}); "
        "the rest follows when they are read back after that and nobody changed them back",
        Why.CANARY_FAILED: "the rule is new or was edited, and of its first records {detail} were refused, "
        "edited or changed back; correct the rule, or accept it (crm-steward accept)",
        Why.FROZEN: "nothing is written to this connection: {detail}",
        Why.PAUSED: "this connection is paused: {detail}",
        Why.HALTED: "writing is stopped: {detail}",
        Why.CLOCK: "this machine's clock and the CRM's are apart ({detail}); what counts by age waits "
        "until the clock is right",
        Why.JUMP: "the rule found far more than usual ({detail}) and only reports until somebody accepts "
        "that (crm-steward accept)",
        Why.UNKNOWN: "this connection is not among the settings' enabled ones",
        Why.CANNOT: "the connection cannot do this",
        Why.CONFLICT: "rule {detail} wants another value in the same field; settle it between the rules",
        Why.TWICE: "rule {detail} asks for the same",
        Why.DONE: "written once already; somebody changed it back, or the next pull will show it",
        Why.TASK_STANDS: "its task was created already",
        Why.UNDER_WAY: "an earlier write to this record is not settled yet",
        Why.SET_ASIDE: "set aside after {detail} attempts that the CRM did not take",
        Why.RETRY: "the CRM refused it; it is tried again later (attempt {detail})",
        Why.UNDONE: "someone undoes this ({detail}): a person or another automation in the CRM changed "
        "it back after each of 3 writes; find out who, then settle it",
        Why.SWING: "the rule {detail} wrote the opposite; settle it between the rules",
        Why.STALE: "the record changed since the scan",
        Why.EDITED: "the rule was edited since its last scan; the next scan of all contacts tells",
        Why.GONE: "the record is gone",
        Why.NO_PROPOSAL: "no value to propose; a person has to look",
        Why.SNOOZED: "snoozed until {detail}",
        Why.EMPTY_SOURCE: "nothing to copy into {detail}: the other field is empty",
        Why.CONSENT_FIELD: "{detail} holds consent there, which no rule writes; suppress restricts",
        Why.CONSENT_HANGS: "consent hangs on {detail}: emptied or changed, a refusal could be lost",
        Why.NO_ADDRESS: "the record has no address for {detail}",
        Why.APART: "each record is in another connection, and a merge happens only inside one",
        Why.CHAINED: "some of the records hang together by others only; a person has to look first",
        Why.UNSURE: "these may be different people; a person has to look first",
        Why.READ_ONLY: "{detail} cannot be written there, so that no merge can choose it",
        Why.NO_SURVIVOR: "no record is alone in front by {detail}; a person has to choose in the CRM",
        Why.CONSENT_CONFLICT: "the records disagree on consent ({detail}); "
        "a person has to settle it in the CRM",
        Why.LEGAL_HOLD: "a record is kept for legal reasons",
        Why.SUPPRESSION_KEPT: "the person refused ({detail}), and the CRM would forget it with the record",
        Why.CLASH: "rule {detail} wants to merge or archive the same record otherwise; "
        "settle it between the rules",
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
        Why.RESTORED: "une copie plus ancienne de la base a été restaurée, qui ignore ce qui a été écrit "
        "avant ; la limite du jour compte donc comme épuisée jusqu'au {detail}, ou jusqu'à ce que "
        "quelqu'un dise le contraire (crm-steward accept --after-restore)",
        Why.CANARY: "règle nouvelle ou modifiée : elle ne touche d'abord que {detail} fiches ; "
        "la suite viendra si tout s'est bien passé",
        Why.CANARY_WAITS: "règle nouvelle ou modifiée : ses premières fiches sont écrites ({detail}) ; "
        "la suite viendra quand elles auront été relues après cela sans que personne les ait rétablies",
        Why.CANARY_FAILED: "règle nouvelle ou modifiée : sur ses premières fiches, {detail} ont été "
        "refusées, modifiées ou rétablies ; corriger la règle, ou l'accepter (crm-steward accept)",
        Why.FROZEN: "rien n'est écrit dans cette connexion : {detail}",
        Why.PAUSED: "cette connexion est en pause : {detail}",
        Why.HALTED: "les écritures sont arrêtées : {detail}",
        Why.CLOCK: "l'horloge de cette machine et celle du CRM divergent ({detail}) ; ce qui compte par "
        "ancienneté attend que l'heure soit juste",
        Why.JUMP: "la règle a trouvé bien plus que d'habitude ({detail}) et ne fait que signaler jusqu'à ce "
        "que quelqu'un l'accepte (crm-steward accept)",
        Why.UNKNOWN: "cette connexion ne figure pas parmi celles qui sont actives",
        Why.CANNOT: "la connexion ne sait pas le faire",
        Why.CONFLICT: "la règle {detail} veut une autre valeur dans le même champ ; "
        "à départager entre les règles",
        Why.TWICE: "la règle {detail} demande la même chose",
        Why.DONE: "déjà écrit une fois ; quelqu'un l'a rétabli, ou la prochaine lecture le montrera",
        Why.TASK_STANDS: "sa tâche a déjà été créée",
        Why.UNDER_WAY: "une écriture précédente sur cette fiche n'est pas encore éclaircie",
        Why.SET_ASIDE: "mis de côté après {detail} essais refusés par le CRM",
        Why.RETRY: "le CRM l'a refusé ; un essai suivra plus tard (essai {detail})",
        Why.UNDONE: "quelqu'un l'annule ({detail}) : une personne ou une autre automatisation du CRM "
        "l'a rétabli après chacune des 3 écritures ; à trouver, puis à départager",
        Why.SWING: "la règle {detail} a écrit le contraire ; à départager entre les règles",
        Why.STALE: "la fiche a changé depuis l'analyse",
        Why.EDITED: "la règle a été modifiée depuis sa dernière analyse ; "
        "la prochaine analyse de toutes les fiches le dira",
        Why.GONE: "la fiche n'existe plus",
        Why.NO_PROPOSAL: "aucune valeur à proposer ; à regarder par une personne",
        Why.SNOOZED: "en sommeil jusqu'au {detail}",
        Why.EMPTY_SOURCE: "rien à copier dans {detail} : l'autre champ est vide",
        Why.CONSENT_FIELD: "{detail} y contient le consentement, qu'aucune règle n'écrit ; "
        "suppress le restreint",
        Why.CONSENT_HANGS: "le consentement est attaché à {detail} : vidé ou modifié, "
        "un refus pourrait se perdre",
        Why.NO_ADDRESS: "la fiche n'a pas d'adresse pour {detail}",
        Why.APART: "chaque fiche est dans une autre connexion, et on ne fusionne qu'à l'intérieur d'une",
        Why.CHAINED: "certaines fiches ne tiennent ensemble que par d'autres ; "
        "à regarder d'abord par une personne",
        Why.UNSURE: "ce sont peut-être des personnes différentes ; à regarder d'abord par une personne",
        Why.READ_ONLY: "{detail} ne s'y écrit pas : aucune fusion ne peut en choisir la valeur",
        Why.NO_SURVIVOR: "aucune fiche n'est seule en tête selon {detail} ; "
        "à choisir par une personne dans le CRM",
        Why.CONSENT_CONFLICT: "les fiches se contredisent sur le consentement ({detail}) ; "
        "à régler par une personne dans le CRM",
        Why.LEGAL_HOLD: "une fiche est conservée pour des raisons juridiques",
        Why.SUPPRESSION_KEPT: "la personne a refusé ({detail}), et le CRM l'oublierait avec la fiche",
        Why.CLASH: "la règle {detail} veut fusionner ou archiver autrement la même fiche ; "
        "à départager entre les règles",
    }
)
