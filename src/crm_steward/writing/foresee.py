"""Foresee: what rules would write, before they run: in their tests, and after an edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from crm_steward.model import Ability, Capability, Change, Contact, Finding, RecordRef, kind_of
from crm_steward.rules import Rule
from crm_steward.rules.impact import RuleImpact
from crm_steward.settings import Limits
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database, chunked
from crm_steward.store.mirror import Mirror
from crm_steward.store.standing import Standing
from crm_steward.writing.limits import share
from crm_steward.writing.propose import Proposer
from crm_steward.writing.wanted import Candidate


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an edit of one rule would write.

    Args:
        newly: Kind of change → records that would be written so and were not before.
        first_run: How many of them the first run may touch.
    """

    newly: Mapping[str, int]
    first_run: int


_EVERYTHING = frozenset(Capability)


def asked(
    rule: Rule, findings: Iterable[Finding], contacts: Iterable[Contact], now: datetime
) -> list[Change]:
    """Return what a rule's actions ask for in connections that can do everything.

    Args:
        rule: The rule.
        findings: What it found.
        contacts: The contacts it looked at.
        now: The moment due dates are counted from.
    """
    known = {contact.ref: contact for contact in contacts}
    able = Ability(fields=None, can=_EVERYTHING)
    proposer = Proposer(
        contacts=known,
        abilities=dict.fromkeys({ref.connection for ref in known}, able),
        language="en",
        now=now,
    )
    proposals = (
        one for finding in findings for one in proposer.propose(_fresh(finding, now), rule)
    )
    return [proposer.worded(one).change for one in proposals if isinstance(one, Candidate)]


def _fresh(finding: Finding, now: datetime) -> Standing:
    """Return a finding as if it had just been stored for the first time."""
    at = to_micros(now)
    return Standing.of(finding, since=at, seen=at, openings=1)


def foresee(
    database: Database,
    impact: RuleImpact,
    *,
    limits: Limits,
    abilities: Mapping[str, Ability],
    language: str,
    now: datetime,
) -> Foreseen:
    """Return what an edit of one rule would write that it did not before.

    Args:
        database: The store.
        impact: The rule before and after, and what it finds.
        limits: The settings' limits.
        abilities: What each connection holds and can do.
        language: Of what would be written.
        now: The moment.
    """
    proposer = _Asking(database, abilities, language, now)
    before = proposer.writes(impact.old, impact.before.values())
    after = proposer.writes(impact.new, impact.after.values())
    newly = after - before
    counts = Counter(kind for _, kind in newly)
    records = {ref for ref, _ in newly}
    return Foreseen(dict(sorted(counts.items())), _first_run(database, impact.new, records, limits))


def _first_run(
    database: Database, rule: Rule | None, records: Collection[RecordRef], limits: Limits
) -> int:
    """Return how many of `records` a run of a rule that is new or edited may touch."""
    if rule is None:
        return 0
    mirror = Mirror(database)
    bounds = [limits.canary, limits.max_changes_per_run, len(records)]
    if rule.limits.max_changes is not None:
        bounds.append(rule.limits.max_changes)
    if rule.limits.max_percent is not None:
        connections = {ref.connection for ref in records}
        percent = rule.limits.max_percent
        bounds.append(sum(share(mirror.live(name), percent) for name in connections))
    return min(bounds)


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks rules what they would make of findings that are not stored."""

    database: Database
    abilities: Mapping[str, Ability]
    language: str
    now: datetime

    def writes(self, rule: Rule | None, findings: Iterable[Finding]) -> set[tuple[RecordRef, str]]:
        """Return each record that would be written to, and the kind of change."""
        if rule is None or not rule.active:
            return set()
        written: set[tuple[RecordRef, str]] = set()
        for chunk in chunked(findings):
            refs = {ref for finding in chunk for ref in finding.refs}
            proposer = Proposer(
                contacts=Mirror(self.database).contacts(refs),
                abilities=self.abilities,
                language=self.language,
                now=self.now,
            )
            for finding in chunk:
                for one in proposer.propose(_fresh(finding, self.now), rule):
                    if isinstance(one, Candidate):
                        written.add((one.ref, kind_of(one.change)))
        return written
