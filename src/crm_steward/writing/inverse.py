"""Inverse: the change that takes another one back, or why there is none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from crm_steward.model import (
    Ability,
    ArchiveRecord,
    Capability,
    Change,
    Channel,
    CloseTask,
    CreateTask,
    LiftSuppression,
    MergeRecords,
    RecordRef,
    RecreateRecords,
    SuppressChannel,
    UndeleteRecords,
    UpdateFields,
    change_key,
)
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, Line, State
from crm_steward.store.tasks import task_ids
from crm_steward.writing.grounds import Grounds
from crm_steward.writing.kept import Kept, Reason, Told

_LIFTING: Mapping[Channel, Capability] = MappingProxyType(
    {
        Channel.EMAIL: Capability.LIFT_EMAIL,
        Channel.PHONE: Capability.LIFT_PHONE,
        Channel.SMS: Capability.LIFT_SMS,
    }
)
_SUPPRESSING: Mapping[Channel, Capability] = MappingProxyType(
    {
        Channel.EMAIL: Capability.SUPPRESS_EMAIL,
        Channel.PHONE: Capability.SUPPRESS_PHONE,
        Channel.SMS: Capability.SUPPRESS_SMS,
    }
)
_ONCE: Mapping[type[Change], Kept] = MappingProxyType(
    {
        CloseTask: Kept.CLOSED,
        UndeleteRecords: Kept.UNDELETED,
        RecreateRecords: Kept.RECREATED,
    }
)
"""Why what takes something else back is not taken back itself."""
_AGAIN = "the suppression had been lifted, and is made again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosening:
    """A person's word that suppressions were a mistake and are to be lifted.

    Args:
        count: How many: exactly those that they were shown.
        reason: Why, in their words; kept with the evidence of consent.
        by: Who they are.
    """

    count: int
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverses:
    """What is known of some changes that took effect, to say how each is taken back.

    Args:
        abilities: What each connection can do; nothing but fields is given back in one that is
            not among them.
        merged: Findings whose group was merged, each with the survivor.
        tasks: Seq of the intent of a task → the change that closes it.
        closed: Keys of changes that closed tasks and took effect.
        grounds: What may stand against lifting a suppression.
        loosening: Who lifts suppressions and why; None: that is not known yet.
        now: The time.
    """

    abilities: Mapping[str, Ability]
    merged: Collection[tuple[str, RecordRef]]
    tasks: Mapping[int, CloseTask]
    closed: Collection[str]
    grounds: Grounds
    loosening: Loosening | None
    now: datetime

    def of(self, line: Line) -> Change | Reason:
        """Return the change that takes back that of an intent, or why none does."""
        match line.change:
            case UpdateFields():
                return self._given_back(line, line.change)
            case CreateTask():
                return self._closing(line)
            case SuppressChannel() | LiftSuppression():
                return self._turning(line, line.change)
            case ArchiveRecord() | MergeRecords():
                return self._undeleting(line, line.change)
            case CloseTask() | UndeleteRecords() | RecreateRecords():
                return _ONCE[type(line.change)]
            case None:
                return Kept.PURGED

    def _given_back(self, line: Line, change: UpdateFields) -> UpdateFields | Kept:
        if line.purged_at is not None:
            return Kept.PURGED
        if (line.finding, line.ref) in self.merged:  # only a merge writes fields of a group
            return Kept.FILLED
        return UpdateFields(ref=change.ref, values=change.expected, expected=change.values)

    def _turning(
        self, line: Line, change: SuppressChannel | LiftSuppression
    ) -> LiftSuppression | SuppressChannel | Reason:
        if isinstance(change, LiftSuppression):
            return self._suppressing(line, change)
        return self._lifting(line, change)

    def _lifting(self, line: Line, change: SuppressChannel) -> LiftSuppression | Reason:
        """Return what lifts a suppression: only a person who names it asks for that."""
        if line.purged_at is not None:
            return Kept.PURGED
        lacking = self._lacking(line, _LIFTING[change.channel], Kept.SUPPRESSED)
        if lacking is not None:
            return lacking
        against = self.grounds.against(line, change)
        if against is not None:
            return against
        return LiftSuppression(
            ref=change.ref,
            channel=change.channel,
            address=change.address,
            before=change.before,
            reason=self.loosening.reason if self.loosening else "",
            by=self.loosening.by if self.loosening else "",
        )

    def _suppressing(self, line: Line, change: LiftSuppression) -> SuppressChannel | Reason:
        """Return what makes a suppression again that was lifted; it restricts."""
        if line.purged_at is not None:
            return Kept.PURGED
        lacking = self._lacking(line, _SUPPRESSING[change.channel], Kept.NOT_SUPPRESSED)
        if lacking is not None:
            return lacking
        return SuppressChannel(
            ref=change.ref,
            channel=change.channel,
            address=change.address,
            reason=_AGAIN,
            before=change.before,
        )

    def _undeleting(
        self, line: Line, change: ArchiveRecord | MergeRecords
    ) -> UndeleteRecords | RecreateRecords | Reason:
        """Return what takes records out of the recycle bin, as long as it keeps them.

        Where a CRM takes no merge back at all, they are made anew if it lets us.
        """
        merged = isinstance(change, MergeRecords)
        needed = Capability.UNMERGE if merged else Capability.UNDELETE
        ability = self.abilities.get(line.ref.connection)
        if isinstance(change, MergeRecords) and _makes_anew(ability):
            return self._recreating(line, change, ability.consent_fields if ability else ())
        lacking = self._lacking(line, needed, Kept.MERGED if merged else Kept.ARCHIVED)
        if lacking is not None:
            return lacking
        records = change.losers if isinstance(change, MergeRecords) else (change.ref,)
        within = self.abilities[line.ref.connection].undeletes_within
        if within is not None and line.at + within <= self.now:
            return Kept.BIN_EMPTIED
        return UndeleteRecords(ref=line.ref, records=records)

    def _recreating(
        self, line: Line, change: MergeRecords, consent_fields: Collection[str]
    ) -> RecreateRecords | Kept:
        """Return what makes the losers of a merge anew from its snapshot."""
        if line.purged_at is not None:
            return Kept.PURGED
        held = {ref.id: change.snapshot.get(ref.id, {}) for ref in change.losers}
        if not all(held.values()):
            return Kept.NO_SNAPSHOT
        if any(name in one for one in held.values() for name in consent_fields):
            return Kept.CONSENT_HELD
        # The same in each attempt, so that what an earlier one made is found.
        since = line.at.isoformat()
        return RecreateRecords(ref=change.ref, records=change.losers, held=held, since=since)

    def _lacking(self, line: Line, needed: Capability, plain: Kept) -> Reason | None:
        """Return why the line's connection cannot do what is needed, in its own words if it has any."""
        ability = self.abilities.get(line.ref.connection)
        if ability is None:
            return plain
        if needed in ability.can:
            return None
        remedy = ability.remedies.get(needed)
        return plain if remedy is None else Told(remedy=remedy, at=line.at, now=self.now)

    def _closing(self, line: Line) -> CloseTask | Kept:
        closing = self.tasks.get(line.seq)
        if closing is None:
            return Kept.TASK_UNNAMED
        if change_key(closing) in self.closed:
            return Kept.TASK_CLOSED
        ability = self.abilities.get(line.ref.connection)
        able = ability is not None and Capability.CLOSE_TASK in ability.can
        return closing if able else Kept.TASK


def _makes_anew(ability: Ability | None) -> bool:
    """Whether a connection takes no merge back, and makes the losers anew instead."""
    can = ability.can if ability is not None else frozenset[Capability]()
    return Capability.RECREATE in can and Capability.UNMERGE not in can


def inverses(
    database: Database,
    effective: Sequence[Line],
    abilities: Mapping[str, Ability],
    *,
    grounds: Grounds,
    loosening: Loosening | None,
    now: datetime,
) -> Inverses:
    """Look up what has to be known to take back some changes.

    Args:
        database: The store.
        effective: Intents of changes that took effect.
        abilities: What each connection can do.
        grounds: What may stand against lifting a suppression.
        loosening: Who lifts suppressions and why, where that is known.
        now: The time.
    """
    journal = Journal(database)
    tasks = _closings(database, effective)
    standings = journal.standings(change_key(closing) for closing in tasks.values())
    return Inverses(
        abilities=abilities,
        merged=journal.merged(line.finding for line in effective),
        tasks=tasks,
        closed={key for key, one in standings.items() if one.state is State.VERIFIED},
        grounds=grounds,
        loosening=loosening,
        now=now,
    )


def _closings(database: Database, effective: Iterable[Line]) -> dict[int, CloseTask]:
    made = {line.key: line for line in effective if isinstance(line.change, CreateTask)}
    return {
        made[key].seq: CloseTask(ref=made[key].ref, task=task, marker=change.marker)
        for key, task in task_ids(database, made).items()
        if isinstance(change := made[key].change, CreateTask)
    }
