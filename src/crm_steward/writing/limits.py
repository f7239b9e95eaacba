"""Limits: bounds of what may be written, checked on the whole plan before the first write.

They fail closed: a connection whose size is not known is not written to. Why there are limits:
a slip in a rule can match most of a base (Atlassian, post-incident review of April 2022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_steward.model import (
    Change,
    LimitExceededError,
    MergeRecords,
    PlannedChange,
    RecordRef,
)
from crm_steward.rules import Rule
from crm_steward.settings import Limits
from crm_steward.store.database import Database
from crm_steward.store.forgotten import Forgotten
from crm_steward.store.journal import Journal
from crm_steward.store.mirror import Mirror
from crm_steward.writing.canary import Flock
from crm_steward.writing.wanted import Candidate
from crm_steward.writing.withheld import Why

_NONE: frozenset[RecordRef] = frozenset()

DAY = timedelta(hours=24)
"""Days are rolling: at midnight nobody gets twice the limit."""


def share(live: int, percent: float) -> int:
    """Return how many of `live` contacts `percent` allows: at least one, unless either is nothing."""
    return max(1, int(live * percent / 100)) if live > 0 and percent > 0 else 0


@dataclass(slots=True, kw_only=True)
class Budget:
    """What may still be written. Admits changes one by one and counts them.

    Args:
        limits: The settings' limits.
        live: Connection → live contacts.
        written: Connection → changes that took effect within the last 24 hours.
        flock: How far the canaries of new and edited rules have come.
        closed: Until when the day counts as used up, since an older copy of the database was put in
            place; empty when it does not.
    """

    limits: Limits
    live: Mapping[str, int]
    written: Counter[str]
    flock: Flock
    closed: str = ""
    admitted: Counter[str] = field(default_factory=Counter, init=False)
    by_rule: Counter[str] = field(default_factory=Counter)
    by_rule_and_connection: Counter[tuple[str, str]] = field(default_factory=Counter)
    canaries: dict[str, set[RecordRef]] = field(default_factory=dict)
    _refusals: dict[tuple[str, str, int], tuple[Why, str]] = field(default_factory=dict, init=False)
    """What keeps out a rule's changes to a connection, until another one is admitted."""
    _in_all: int = field(default=0, init=False)
    """Changes admitted to all connections."""

    @classmethod
    def of(cls, database: Database, limits: Limits, *, now: datetime) -> Budget:
        """Return what may be written now."""
        mirror, journal = Mirror(database), Journal(database)
        forgotten = Forgotten.of(database)
        closed = forgotten.closed_until(now, DAY) if forgotten else None
        return cls(
            limits=limits,
            live={name: mirror.live(name) for name in mirror.states()},
            written=journal.written_since(now - DAY, now),
            flock=Flock.of(database, limits, now),
            closed=f"{closed:%Y-%m-%d %H:%M} UTC" if closed else "",
        )

    def admit(self, candidate: Candidate, digest: str) -> tuple[Why, str] | None:
        """Count a change in, or return the limit that keeps it out and the limit's value.

        Args:
            candidate: The change.
            digest: The rule's, which asks for it.
        """
        refused = self._canary(candidate, digest)
        if refused is not None:
            return refused
        terms, connection, more = candidate.terms, candidate.ref.connection, writes(candidate.made)
        rule = terms.name
        # Most are refused once the limits are used up, and all for the same reason.
        refused = self._refusals.get((rule, connection, more))
        if refused is None:
            refused = self._rule(terms.rule, connection) or self.overall(connection, more)
            if refused is not None:
                self._refusals[rule, connection, more] = refused
        if refused is None:
            self._refusals.clear()
            self.count(connection, more)
            self.by_rule[rule] += 1
            self.by_rule_and_connection[rule, connection] += 1
            self.canaries.setdefault(rule, set()).update(candidate.records)
        return refused

    def count(self, connection: str, more: int) -> None:
        """Count changes to a connection in."""
        self.admitted[connection] += more
        self._in_all += more

    def _canary(self, candidate: Candidate, digest: str) -> tuple[Why, str] | None:
        terms = candidate.terms
        if terms.rule is None:
            return None
        touched = self.canaries.get(terms.name, _NONE)
        return self.flock.forbids(terms.name, digest, touched, candidate.records)

    def _rule(self, rule: Rule | None, connection: str) -> tuple[Why, str] | None:
        if rule is None:
            return None
        most, percent = rule.limits.max_changes, rule.limits.max_percent
        if most is not None and self.by_rule[rule.id] + 1 > most:
            return Why.RULE_LIMIT, str(most)
        if percent is not None:
            allowed = share(self.live.get(connection, 0), percent)
            if self.by_rule_and_connection[rule.id, connection] + 1 > allowed:
                return Why.RULE_PERCENT, f"{percent:g} %"
        return None

    def overall(self, connection: str, more: int) -> tuple[Why, str] | None:
        """Return the settings' limit that `more` changes to `connection` would exceed, if any."""
        limits = self.limits
        if self.closed:
            return Why.RESTORED, self.closed
        allowed = share(self.live.get(connection, 0), limits.max_percent_per_day)
        if self.written[connection] + self.admitted[connection] + more > allowed:
            return Why.DAY_PERCENT, f"{limits.max_percent_per_day:g} %"
        if self.written.total() + self._in_all + more > limits.max_changes_per_day:
            return Why.DAY_LIMIT, str(limits.max_changes_per_day)
        if self._in_all + more > limits.max_changes_per_run:
            return Why.RUN_LIMIT, str(limits.max_changes_per_run)
        return None


_SMALLER = "Make a new plan, which stays within what is left, or raise the limit under `limits:`."
_REMEMBERED = (
    "What was written before an older copy of the database was restored is not known. If that was "
    "little, let limits count what is known: crm-steward accept --after-restore"
)


def writes(change: Change | None) -> int:
    """Return how often a change writes: a merge twice where its survivor is given something."""
    return 2 if isinstance(change, MergeRecords) and change.fill else 1


def check_limits(budget: Budget, changes: Iterable[PlannedChange]) -> None:
    """Refuse to write `changes` at all when together they exceed a limit of the settings.

    Raises:
        LimitExceededError: Nothing was written.
    """
    wanted = Counter[str]()
    for planned in changes:
        wanted[planned.change.ref.connection] += writes(planned.change)
    for connection, count in wanted.items():
        exceeded = budget.overall(connection, count)
        if exceeded is not None:
            why, value = exceeded
            raise LimitExceededError(
                f"{count} changes to {connection} would exceed the limit "
                f"({why.value}: {value}); nothing was written.",
                hint=_REMEMBERED if why is Why.RESTORED else _SMALLER,
            )
        budget.count(connection, count)
