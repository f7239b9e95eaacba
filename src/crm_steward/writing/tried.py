"""Tried: what the journal says of a change that is asked for again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crm_steward.model import Change, MergeRecords, RecordRef, change_key
from crm_steward.store.attempts import records_tried
from crm_steward.store.database import Database
from crm_steward.store.journal import UNDER_WAY, Journal, Standing, State
from crm_steward.store.lifted import found_anew
from crm_steward.store.redirects import merged_away
from crm_steward.writing.aside import Aside
from crm_steward.writing.compare import members, touched
from crm_steward.writing.wanted import Candidate
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
                keys.update((one.key, *one.instead, *first_keys(one.made)))
        merging = any(isinstance(one.made, MergeRecords) for one in candidates)
        away = merged_away(database) if merging else frozenset[RecordRef]()
        standings = journal.standings(keys)
        anew = found_anew(database, standings)
        standings = {key: one for key, one in standings.items() if key not in anew}
        return cls(journal, known, standings, busy, away, Aside.of(database, now))

    def forbids(self, candidate: Candidate, rest: Candidate) -> tuple[Why, str] | None:
        """Return why a change must not be tried (again), or None.

        Args:
            candidate: One of those that this was read for.
            rest: What is left of it.
        """
        if self.known and any(ref in self.known for ref in _concerned(candidate)):
            key = rest.key
            if rest is not candidate:
                self.standings.update(self.journal.standings([key]))
            refused = (
                tried(self.standings.get(key), self.busy, rest, self.aside)
                or first_tried(rest, self.standings, self.busy, self.aside)
                or elsewhere(self.standings.get(key) for key in candidate.instead)
            )
            if refused:
                return refused
        return merged_already(rest, self.away)


def _concerned(candidate: Candidate) -> tuple[RecordRef, ...]:
    """Return the records that a candidate's lines in the journal can be about."""
    return (*candidate.records, *candidate.others) if candidate.others else candidate.records


def tried(
    standing: Standing | None, busy: Collection[RecordRef], candidate: Candidate, aside: Aside
) -> tuple[Why, str] | None:
    """Return why the journal forbids a change: a key takes effect once, ever."""
    if standing is not None:
        if standing.state is State.VERIFIED:
            return Why.TASK_STANDS if candidate.made is None else Why.DONE, ""
        if standing.state in UNDER_WAY:
            return Why.UNDER_WAY, ""
        if refused := aside.forbids(standing):
            return refused
    under_way = any(ref in busy for ref in _touched(candidate))
    return (Why.UNDER_WAY, "") if under_way else None


def _touched(candidate: Candidate) -> tuple[RecordRef, ...]:
    return (candidate.ref,) if candidate.made is None else members(candidate.made)


def first_keys(change: Change | None) -> list[str]:
    """Return the key of what has to be written before a change."""
    filling = change.filling if isinstance(change, MergeRecords) else None
    return [] if filling is None else [change_key(filling)]


def first_tried(
    candidate: Candidate,
    standings: Mapping[str, Standing],
    busy: Collection[RecordRef],
    aside: Aside,
) -> tuple[Why, str] | None:
    """Return why the journal forbids to give a survivor what it lacks, and with it the merge."""
    keys = first_keys(candidate.made)
    found = (tried(standings.get(key), busy, candidate, aside) for key in keys)
    return next(filter(None, found), None)


def merged_already(candidate: Candidate, away: frozenset[RecordRef]) -> tuple[Why, str] | None:
    """Return that a record of a merge went into another one already: the mirror shows it later."""
    if isinstance(candidate.made, MergeRecords) and not away.isdisjoint(candidate.records):
        return Why.DONE, ""
    return None


def elsewhere(standings: Iterable[Standing | None]) -> tuple[Why, str] | None:
    """Return that a finding's task stands at another of its records, or may: it gets one, ever."""
    states = {standing.state for standing in standings if standing is not None}
    if State.VERIFIED in states:
        return Why.TASK_STANDS, ""
    return (Why.UNDER_WAY, "") if states & UNDER_WAY else None
