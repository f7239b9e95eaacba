"""Guards: what a plan leaves out because a rule, the clock or somebody else needs a look first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_steward.rules import Rule
from crm_steward.store.clocks import Clocks
from crm_steward.store.database import Database
from crm_steward.store.jumps import Jumps
from crm_steward.writing.swings import Swings
from crm_steward.writing.timing import aged_rules, untimely
from crm_steward.writing.wanted import Candidate
from crm_steward.writing.withheld import Why


@dataclass(frozen=True, slots=True)
class Guards:
    """What is looked at, as a plan is made.

    Args:
        swings: What we wrote lately: it is not written to and fro.
        aged: The rules that are only as right as the clock.
        clocks: Connection → how far its clock was ahead of ours when it last told.
        jumps: Rule that suddenly found far more than usual → how much, and what was usual.
    """

    swings: Swings
    aged: frozenset[str]
    clocks: Mapping[str, timedelta]
    jumps: Mapping[str, str]

    @classmethod
    def of(cls, database: Database, active: Sequence[Rule], now: datetime) -> Guards:
        """Read what concerns the rules that ask for something."""
        return cls(
            Swings.of(database, {rule.id for rule in active}, now=now),
            aged_rules(active),
            Clocks(database).ahead(),
            {rule: jump.figures for rule, jump in Jumps(database).standing().items()},
        )

    def forbids(self, candidate: Candidate) -> tuple[Why, str] | None:
        """Return why a rule is not let act at all, or not in that connection; or None."""
        rule = candidate.terms.name
        if rule in self.jumps:
            return Why.JUMP, self.jumps[rule]
        return untimely(candidate, self.aged, self.clocks)
