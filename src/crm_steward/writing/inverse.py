"""Inverse: the change that takes another one back, or why there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from crm_steward.model import (
    Ability,
    ArchiveRecord,
    Capability,
    Change,
    CloseTask,
    CreateTask,
    MergeRecords,
    RecordRef,
    SuppressChannel,
    UpdateFields,
    change_key,
)
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, Line, State
from crm_steward.store.tasks import task_ids


class Kept(StrEnum):
    """Why a change is not taken back, in English; `said` says it in French too."""

    BUSY = "an earlier write to this record is not settled yet"
    TASK = "no task of this connection is closed by machine: close it in the CRM"
    TASK_CLOSED = "we closed the task already, when what it asked for was settled"
    TASK_UNNAMED = "the CRM never told us the task's id: close it in the CRM"
    SUPPRESSED = (
        "nothing is loosened by machine: an objection to direct marketing is absolute (GDPR art. "
        "21(2)-(3)); a person lifts it in the CRM, if they may"
    )
    ARCHIVED = "restore the record from the CRM's recycle bin"
    FILLED = "the record was merged with others that held this; a merge cannot be taken back"
    PURGED = "what it held before is no longer kept: keep_values in the settings, or an erasure"
    MERGED = "a merge cannot be taken back"
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
        Kept.SUPPRESSED: "la machine ne relâche rien : l'opposition à la prospection est absolue "
        "(RGPD art. 21(2)-(3)) ; une personne la lève dans le CRM, si elle en a le droit",
        Kept.ARCHIVED: "restaurer la fiche depuis la corbeille du CRM",
        Kept.FILLED: "la fiche a été fusionnée avec d'autres qui portaient cette valeur ; une fusion "
        "ne se défait pas",
        Kept.PURGED: "la valeur d'avant n'est plus conservée : keep_values dans les réglages, ou un "
        "effacement",
        Kept.MERGED: "une fusion ne se défait pas",
        Kept.CLOSED: "une clôture de tâche ne se défait pas : la rouvrir dans le CRM",
    }
)
_WHY_NOT: Mapping[type[Change], Kept] = MappingProxyType(
    {
        CloseTask: Kept.CLOSED,
        SuppressChannel: Kept.SUPPRESSED,
        ArchiveRecord: Kept.ARCHIVED,
        MergeRecords: Kept.MERGED,
    }
)
"""Why a change is not taken back by machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverses:
    """What is known of some changes that took effect, to say how each is taken back.

    Args:
        abilities: What each connection can do; nothing but fields is given back in one that is
            not among them.
        merged: Findings whose group was merged, each with the survivor.
        tasks: Seq of the intent of a task → the change that closes it.
        closed: Keys of changes that closed tasks and took effect.
    """

    abilities: Mapping[str, Ability]
    merged: Collection[tuple[str, RecordRef]]
    tasks: Mapping[int, CloseTask]
    closed: Collection[str]

    def of(self, line: Line) -> Change | Kept:
        """Return the change that takes back that of an intent, or why none does."""
        if isinstance(line.change, UpdateFields):
            return self._given_back(line, line.change)
        if isinstance(line.change, CreateTask):
            return self._closing(line)
        return Kept.PURGED if line.change is None else _WHY_NOT[type(line.change)]

    def _given_back(self, line: Line, change: UpdateFields) -> UpdateFields | Kept:
        if line.purged_at is not None:
            return Kept.PURGED
        if (line.finding, line.ref) in self.merged:  # only a merge writes fields of a group
            return Kept.FILLED
        return UpdateFields(ref=change.ref, values=change.expected, expected=change.values)

    def _closing(self, line: Line) -> CloseTask | Kept:
        closing = self.tasks.get(line.seq)
        if closing is None:
            return Kept.TASK_UNNAMED
        if change_key(closing) in self.closed:
            return Kept.TASK_CLOSED
        ability = self.abilities.get(line.ref.connection)
        able = ability is not None and Capability.CLOSE_TASK in ability.can
        return closing if able else Kept.TASK


def inverses(
    database: Database, effective: Sequence[Line], abilities: Mapping[str, Ability]
) -> Inverses:
    """Look up what has to be known to take back some changes.

    Args:
        database: The store.
        effective: Intents of changes that took effect.
        abilities: What each connection can do.
    """
    journal = Journal(database)
    tasks = _closings(database, effective)
    standings = journal.standings(change_key(closing) for closing in tasks.values())
    return Inverses(
        abilities=abilities,
        merged=journal.merged(line.finding for line in effective),
        tasks=tasks,
        closed={key for key, one in standings.items() if one.state is State.VERIFIED},
    )


def _closings(database: Database, effective: Iterable[Line]) -> dict[int, CloseTask]:
    made = {line.key: line for line in effective if isinstance(line.change, CreateTask)}
    return {
        made[key].seq: CloseTask(ref=made[key].ref, task=task, marker=change.marker)
        for key, task in task_ids(database, made).items()
        if isinstance(change := made[key].change, CreateTask)
    }
