"""Candidates: everything that rules ask for, before limits, the journal and conflicts are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from operator import attrgetter

import sqlalchemy as sa

from crm_steward.model import Ability, PlannedChange, RecordRef
from crm_steward.rules import Rule
from crm_steward.store.columns import to_micros
from crm_steward.store.database import Database, chunked
from crm_steward.store.findings import Findings, Looked
from crm_steward.store.held import held
from crm_steward.store.mirror import ConnectionState, Mirror
from crm_steward.store.snoozes import asleep
from crm_steward.store.standing import Standing, by_record
from crm_steward.writing.propose import Proposer
from crm_steward.writing.routing import Nobody, People
from crm_steward.writing.wanted import Candidate
from crm_steward.writing.withheld import Why, Withheld

Told = Callable[[int], None]
"""Told how many findings, or changes, were gone through since the last time."""


def proposer_of(
    database: Database,
    abilities: Mapping[str, Ability],
    *,
    language: str,
    now: datetime,
    nobody: set[Nobody],
) -> Proposer:
    """Return what turns findings into changes, as the connections are now; it knows no contacts.

    Args:
        database: The store.
        abilities: What each enabled connection holds and can do.
        language: In which tasks and reasons are written.
        now: The moment, in the time zone in which due dates are counted.
        nobody: Gets whom rules name and nobody active is called.
    """
    states = Mirror(database).states()
    return Proposer(
        contacts={},
        abilities={name: _as_learnt(able, states.get(name)) for name, able in abilities.items()},
        people={name: _people(state) for name, state in states.items()},
        language=language,
        now=now,
        nobody=nobody,
    )


def candidates(
    database: Database,
    rules: Sequence[Rule],
    settled: Mapping[str, Sequence[Candidate]],
    proposer: Proposer,
    *,
    snoozed: bool = False,
    told: Told = lambda _count: None,
) -> tuple[list[Candidate], list[Withheld]]:
    """Return what rules ask for, in their turns, and what they cannot ask for, with the reason.

    Each rule is asked about each of its findings; the rules take turns, the gravest one first.
    Turns, because limits cut the end: proposals of one rule that nobody approves would otherwise
    keep out all the others, plan after plan. A rule closes tasks (`settled`) after all else it asks
    for; those of rules that ask for nothing else come last in each round.

    Args:
        database: The store.
        rules: The rules that are asked.
        settled: Rule id → the tasks of its that are to be closed.
        proposer: Turns findings into changes.
        snoozed: Whether findings that are left alone until a date count, too.
        told: Called after each page of findings.

    Raises:
        StoreError: The database cannot be read.
    """
    only = sa.true() if snoozed else ~asleep(proposer.now)
    found: dict[str, list[Candidate]] = {rule.id: [] for rule in rules}
    withheld: dict[str, list[Withheld]] = {rule.id: [] for rule in rules}
    for proposal in _proposals(database, rules, proposer, only, told):
        if isinstance(proposal, Withheld):
            withheld[proposal.rule].append(proposal)
        else:
            found[proposal.terms.name].append(proposal)
    queues: list[list[Candidate]] = []
    for rule in sorted(rules, key=lambda rule: (-rule.severity, rule.id)):
        mine = found.pop(rule.id)
        # What one finding asks for stays in the order of the rule's actions.
        mine.sort(key=attrgetter("since", "finding"))
        queues.append([*mine, *settled.get(rule.id, ())])
    queues += [[*settled[name]] for name in sorted(settled.keys() - {rule.id for rule in rules})]
    left = (sorted(ones, key=attrgetter("finding")) for ones in withheld.values())
    return list(_in_turns(queues)), list(chain.from_iterable(left))


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
    database: Database,
    rules: Sequence[Rule],
    proposer: Proposer,
    only: sa.ColumnElement[bool],
    told: Told,
) -> Iterator[Candidate | Withheld]:
    """Yield what each rule makes of each of its findings.

    In the order of records, so that each contact is read once, whatever was found about it.
    """
    looks = Findings(database).looks()
    asked = {rule.id: _Asked(rule, rule.sight, looks.get(rule.id, {})) for rule in rules}
    for page in by_record(database, asked, looks, only=only):
        knowing = _knowing(database, proposer, page, asked)
        for found in page:
            one = asked[found.rule]
            edited, at = one.looked_at(found.refs)
            if edited:
                yield Withheld(found.rule, found.fingerprint, found.refs[0], Why.EDITED)
                continue
            # What stands was there too when its rule last looked at what had changed.
            seen = found._replace(seen=at) if at > found.seen else found
            yield from knowing.propose(seen, one.rule)
        told(len(page))


def _knowing(
    database: Database,
    proposer: Proposer,
    page: Iterable[Standing],
    asked: Mapping[str, _Asked],
) -> Proposer:
    """Return a proposer that knows the contacts of a page of findings, and no more than it needs."""
    whole: dict[RecordRef, None] = {}
    named: dict[RecordRef, None] = {}
    for found in page:
        looked = whole if proposer.looks_at(found, asked[found.rule].rule) else named
        for ref in found.refs:
            looked[ref] = None
    contacts = held(database, whole, named)
    return replace(proposer, contacts=contacts, changed=contacts.changed)


def worded(
    database: Database,
    proposer: Proposer,
    wanted: Sequence[Candidate],
    told: Told = lambda _count: None,
) -> list[PlannedChange | None]:
    """Return candidates as changes of a plan, in their order: only now tasks get their words.

    Args:
        database: The store.
        proposer: As `proposer_of` returned it.
        wanted: The candidates.
        told: Called after some of them.

    Returns:
        One for each; None where the record of a task went away since the candidate was made.

    Raises:
        StoreError: The database cannot be read.
    """
    planned: list[PlannedChange | None] = [None] * len(wanted)
    tasks: list[int] = []
    for place, one in enumerate(wanted):
        if one.made is None:
            tasks.append(place)
        else:
            planned[place] = proposer.worded(one)
    told(len(wanted) - len(tasks))
    # Each contact is read once, as far as its tasks come together.
    tasks.sort(key=lambda place: (wanted[place].ref.connection, wanted[place].ref.id))
    for places in chunked(tasks):
        refs = (ref for at in places for ref in (wanted[at].ref, *wanted[at].others))
        contacts = held(database, dict.fromkeys(refs))
        knowing = replace(proposer, contacts=contacts)
        for place in places:
            if wanted[place].ref in contacts:
                planned[place] = knowing.worded(wanted[place])
        told(len(places))
    return planned


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
    known: dict[tuple[str, ...], tuple[bool, int]] = field(default_factory=dict)

    def looked_at(self, refs: Sequence[RecordRef]) -> tuple[bool, int]:
        """Return what is so of all findings about records of the same connections.

        Returns:
            Whether they are of the rule as it was before an edit, so that it may not find them any
            more; and when the rule last looked there at what had changed, in microseconds (0: it
            did not).
        """
        # Most findings are about one record; to make a list of it takes longer.
        connections = (
            (refs[0].connection,) if len(refs) == 1 else tuple([ref.connection for ref in refs])
        )
        known = self.known.get(connections)
        if known is None:
            looks = [self.looks.get(name) for name in connections]
            unseen = any(look is None or look.digest != self.sight for look in looks)
            edited = unseen and any(map(self.rule.asks_in, connections))
            at = min((to_micros(look.at) for look in looks if look is not None), default=0)
            known = self.known[connections] = edited, at
        return known


def _as_learnt(ability: Ability, state: ConnectionState | None) -> Ability:
    """Return an ability without the fields that the CRM called read-only, or said nothing of yet."""
    told = None if state is None else state.account.get("read_only")
    fixed = {ours for ours, source in ability.sources.items() if told is None or source in told}
    return replace(ability, fixed=ability.fixed | fixed)


def _people(state: ConnectionState) -> People:
    """Return the users of a connection, as far as the last full read knew."""
    return People(state.account.get("owners", {}))
