"""Candidates: everything that rules ask for, before limits, the journal and conflicts are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from operator import attrgetter, itemgetter

import sqlalchemy as sa

from crm_steward.model import Ability
from crm_steward.rules import Rule
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings, Looked
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.snoozes import asleep
from crm_steward.writing.propose import Candidate, Proposer
from crm_steward.writing.routing import Nobody, People
from crm_steward.writing.withheld import Why, Withheld


def candidates(
    database: Database,
    rules: Sequence[Rule],
    abilities: Mapping[str, Ability],
    settled: Mapping[str, Sequence[Candidate]],
    *,
    language: str,
    now: datetime,
    nobody: set[Nobody],
    snoozed: bool = False,
) -> tuple[list[Candidate], list[Withheld]]:
    """Return what rules ask for, in their turns, and what they cannot ask for, with the reason.

    Args:
        database: The store.
        rules: The rules that are asked.
        abilities: What each enabled connection holds and can do.
        settled: Rule id → the tasks of its that are to be closed.
        language: In which tasks and reasons are written.
        now: The moment, in the time zone in which due dates are counted.
        nobody: Gets whom rules name and nobody active is called.
        snoozed: Whether findings that are left alone until a date count, too.

    Raises:
        StoreError: The database cannot be read.
    """
    states = Mirror(database).states()
    proposer = Proposer(
        contacts={},
        abilities={name: _as_learnt(able, states.get(name)) for name, able in abilities.items()},
        people={name: _people(state) for name, state in states.items()},
        language=language,
        now=now,
        nobody=nobody,
    )
    only = sa.true() if snoozed else ~asleep(now)
    return _candidates(database, rules, settled, proposer, only)


def _candidates(
    database: Database,
    rules: Sequence[Rule],
    settled: Mapping[str, Sequence[Candidate]],
    proposer: Proposer,
    only: sa.ColumnElement[bool],
) -> tuple[list[Candidate], list[Withheld]]:
    """Ask each rule about each of its findings; the rules take turns, the gravest one first.

    Turns, because limits cut the end: proposals of one rule that nobody approves would otherwise
    keep out all the others, plan after plan. A rule closes tasks (`settled`) after all else it asks
    for; those of rules that ask for nothing else come last in each round.
    """
    found: dict[str, list[_Found]] = {rule.id: [] for rule in rules}
    withheld: dict[str, list[Withheld]] = {rule.id: [] for rule in rules}
    for since, proposal in _proposals(database, rules, proposer, only):
        if isinstance(proposal, Withheld):
            withheld[proposal.rule].append(proposal)
        else:
            found[proposal.planned.rule].append((since, proposal.planned.finding, proposal))
    queues: list[list[Candidate]] = []
    for rule in sorted(rules, key=lambda rule: (-rule.severity, rule.id)):
        # What one finding asks for stays in the order of the rule's actions.
        mine = sorted(found.pop(rule.id), key=itemgetter(0, 1))
        queues.append([*(one for *_, one in mine), *settled.get(rule.id, ())])
    queues += [[*settled[name]] for name in sorted(settled.keys() - {rule.id for rule in rules})]
    left = (sorted(ones, key=attrgetter("finding")) for ones in withheld.values())
    return list(_in_turns(queues)), list(chain.from_iterable(left))


_Found = tuple[datetime, str, Candidate]


def _in_turns(queues: Iterable[Iterable[Candidate]]) -> Iterator[Candidate]:
    """Yield the first of each queue, then the second of each, until all are empty."""
    waiting = [iter(queue) for queue in queues]
    while waiting:
        still: list[Iterator[Candidate]] = []
        for queue in waiting:
            for candidate in islice(queue, 1):
                yield candidate
                still.append(queue)
        waiting = still


def _proposals(
    database: Database, rules: Sequence[Rule], proposer: Proposer, only: sa.ColumnElement[bool]
) -> Iterator[tuple[datetime, Candidate | Withheld]]:
    """Yield what each rule makes of each of its findings, and since when the finding stands.

    In the order of records, so that each contact is read once, whatever was found about it.
    """
    findings, mirror = Findings(database), Mirror(database)
    looks = findings.looks()
    asked = {rule.id: _Asked(rule, rule.sight, looks.get(rule.id, {})) for rule in rules}
    for page in findings.by_record(asked, only=only):
        contacts, changed = mirror.held({ref for stored in page for ref in stored.finding.refs})
        knowing = replace(proposer, contacts=contacts, changed=changed)
        for stored in page:
            one, since = asked[stored.finding.rule], stored.first_seen_at
            edited, at = one.looked_at(tuple(ref.connection for ref in stored.finding.refs))
            if edited:
                mark, ref = stored.finding.fingerprint, stored.finding.refs[0]
                yield since, Withheld(one.rule.id, mark, ref, Why.EDITED)
                continue
            # What stands was there too when its rule last looked at what had changed.
            last = stored.last_seen_at
            seen = replace(stored, last_seen_at=at) if at is not None and at > last else stored
            for proposal in knowing.propose(seen, one.rule):
                yield since, proposal


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule that is asked about its findings.

    Args:
        rule: The rule.
        sight: Its digest of what it finds.
        looks: Connection → how it last looked there.
        known: Connections → what `looked_at` returned for them.
    """

    rule: Rule
    sight: str
    looks: Mapping[str, Looked]
    known: dict[tuple[str, ...], tuple[bool, datetime | None]] = field(default_factory=dict)

    def looked_at(self, connections: tuple[str, ...]) -> tuple[bool, datetime | None]:
        """Return what is so of all findings about records of some connections.

        Returns:
            Whether they are of the rule as it was before an edit, so that it may not find them any
            more; and when the rule last looked there at what had changed.
        """
        if connections not in self.known:
            looks = [self.looks.get(name) for name in connections]
            unseen = any(look is None or look.digest != self.sight for look in looks)
            edited = unseen and any(map(self.rule.asks_in, connections))
            at = min((look.at for look in looks if look is not None), default=None)
            self.known[connections] = edited, at
        return self.known[connections]


def _as_learnt(ability: Ability, state: ConnectionState | None) -> Ability:
    """Return an ability without the fields that the CRM called read-only, or said nothing of yet."""
    told = None if state is None else state.account.get("read_only")
    fixed = {ours for ours, source in ability.sources.items() if told is None or source in told}
    return replace(ability, fixed=ability.fixed | fixed)


def _people(state: ConnectionState) -> People:
    """Return the users of a connection, as far as the last full read knew."""
    return People(state.account.get("owners", {}))
