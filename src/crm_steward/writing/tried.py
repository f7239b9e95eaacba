"""Tried: what the journal says of a change that is asked for again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crm_steward.model import CreateTask, MergeRecords, PlannedChange, RecordRef, change_key
from crm_steward.store.attempts import records_tried
from crm_steward.store.database import Database
from crm_steward.store.journal import UNDER_WAY, Journal, Standing, State
from crm_steward.store.redirects import merged_away
from crm_steward.writing.aside import Aside
from crm_steward.writing.compare import members, touched
from crm_steward.writing.propose import Candidate
from crm_steward.writing.withheld import Why


@dataclass(frozen=True, slots=True)
class History:
    """What was tried before, as far as it matters to some candidates.

    Args:
        journal: Where all of it stands.
        known: Records that a change was ever tried on, and those of a merge under way. A change of
            any other has no line, as its key holds the record: no key is worked out for those.
        standings: Key → where it stands.
        busy: Records that a change is under way on.
        away: Records that went into another.
        aside: What the CRM did not take, and when it is tried again.
    """

    journal: Journal
    known: Collection[RecordRef]
    standings: dict[str, Standing]
    busy: Collection[RecordRef]
    away: frozenset[RecordRef]
    aside: Aside

    @classmethod
    def of(cls, database: Database, candidates: Sequence[Candidate], now: datetime) -> History:
        """Read what concerns some candidates."""
        journal = Journal(database)
        busy = touched(standing.intent.change for standing in journal.under_way())
        known = records_tried(database) | busy
        keys: set[str] = set()
        for one in candidates if known else ():
            if not known.isdisjoint(_concerned(one)):
                keys.update((one.planned.key, *one.instead, *first_keys(one.planned)))
        merging = any(isinstance(one.planned.change, MergeRecords) for one in candidates)
        away = merged_away(database) if merging else frozenset[RecordRef]()
        aside = Aside.of(database, now)
        return cls(journal, known, journal.standings(keys), busy, away, aside)

    def forbids(self, candidate: Candidate, planned: PlannedChange) -> tuple[Why, str] | None:
        """Return why a change must not be tried (again), or None.

        Args:
            candidate: One of those that this was read for.
            planned: Its change, or what is left of it.
        """
        if self.known and any(ref in self.known for ref in _concerned(candidate)):
            if planned is not candidate.planned:
                self.standings.update(self.journal.standings([planned.key]))
            refused = (
                tried(self.standings.get(planned.key), self.busy, planned, self.aside)
                or first_tried(planned, self.standings, self.busy, self.aside)
                or elsewhere(self.standings.get(key) for key in candidate.instead)
            )
            if refused:
                return refused
        return merged_already(planned, self.away)


def _concerned(candidate: Candidate) -> tuple[RecordRef, ...]:
    """Return the records that a candidate's lines in the journal can be about."""
    change = candidate.planned.change
    return (change.ref, *members(change)[1:], *candidate.others)


def tried(
    standing: Standing | None,
    busy: Collection[RecordRef],
    planned: PlannedChange,
    aside: Aside,
) -> tuple[Why, str] | None:
    """Return why the journal forbids a change: a key takes effect once, ever."""
    if standing is not None:
        if standing.state is State.VERIFIED:
            return Why.TASK_STANDS if isinstance(planned.change, CreateTask) else Why.DONE, ""
        if standing.state in UNDER_WAY:
            return Why.UNDER_WAY, ""
        if refused := aside.forbids(standing):
            return refused
    under_way = any(ref in busy for ref in members(planned.change))
    return (Why.UNDER_WAY, "") if under_way else None


def first_keys(planned: PlannedChange) -> list[str]:
    """Return the key of what has to be written before a change."""
    change = planned.change
    filling = change.filling if isinstance(change, MergeRecords) else None
    return [] if filling is None else [change_key(filling)]


def first_tried(
    planned: PlannedChange,
    standings: Mapping[str, Standing],
    busy: Collection[RecordRef],
    aside: Aside,
) -> tuple[Why, str] | None:
    """Return why the journal forbids to give a survivor what it lacks, and with it the merge."""
    found = (tried(standings.get(key), busy, planned, aside) for key in first_keys(planned))
    return next(filter(None, found), None)


def merged_already(planned: PlannedChange, away: frozenset[RecordRef]) -> tuple[Why, str] | None:
    """Return that a record of a merge went into another one already: the mirror shows it later."""
    if isinstance(planned.change, MergeRecords) and not away.isdisjoint(members(planned.change)):
        return Why.DONE, ""
    return None


def elsewhere(standings: Iterable[Standing | None]) -> tuple[Why, str] | None:
    """Return that a finding's task stands at another of its records, or may: it gets one, ever."""
    states = {standing.state for standing in standings if standing is not None}
    if State.VERIFIED in states:
        return Why.TASK_STANDS, ""
    return (Why.UNDER_WAY, "") if states & UNDER_WAY else None
