"""Propose: what a rule's actions make of a finding, before limits and conflicts are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crm_steward.connect.protocol import Capability
from crm_steward.model import Ability, Contact, PlannedChange, RecordRef
from crm_steward.rules import (
    Action,
    ArchiveAction,
    MergeAction,
    Rule,
    SuppressAction,
    TagAction,
    TaskAction,
    UpdateAction,
)
from crm_steward.store.standing import Standing
from crm_steward.writing.archiving import archived
from crm_steward.writing.merging import merged, parts_of
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.routing import Nobody, People, recipient
from crm_steward.writing.suppressing import silenced
from crm_steward.writing.tasking import task_for
from crm_steward.writing.updating import tagged, updated
from crm_steward.writing.wanted import Candidate, Terms
from crm_steward.writing.withheld import Why, Withheld

_NOBODY_KNOWN = People()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposer:
    """Turns findings into changes.

    Args:
        contacts: The mirrored contacts that the findings are about.
        changed: When what each of them holds last changed in the mirror, in microseconds.
        abilities: What each configured connection holds and can do.
        people: Connection → its users.
        language: In which tasks and reasons are written.
        now: The moment due dates are counted from, in the time zone of the settings.
        nobody: Gets whom rules name and nobody is called, each once.
        terms: Rule id → its terms, as far as it was asked.
    """

    contacts: Mapping[RecordRef, Contact]
    changed: Mapping[RecordRef, int] = field(default_factory=dict)
    abilities: Mapping[str, Ability]
    people: Mapping[str, People] = field(default_factory=dict)
    language: str
    now: datetime
    nobody: set[Nobody] = field(default_factory=set)
    terms: dict[str, Terms] = field(default_factory=dict)

    def propose(self, found: Standing, rule: Rule) -> Iterator[Candidate | Withheld]:
        """Yield what the actions of `rule` make of a finding, or why they make nothing of it.

        In a connection where the rule only reports, or that it does not look at, it asks for nothing.
        """
        terms = self.terms_of(rule)
        refs = [ref for ref in found.refs if terms.asks_in(ref.connection)]
        here = [ref for ref in refs if ref in self.contacts]
        if refs and not here:
            yield _told(found, terms, Refused(Why.GONE, refs[0]))
        if not here:
            return
        unable = False
        for action, wanted in terms.actions:
            parts = _parts(action, here)
            for part in parts:
                lacking = self._lacking(wanted, part[0].connection)
                unable = unable or lacking is Why.CANNOT
                yield from self._part(found, terms, action, part, lacking)
            if not parts:
                unable = True
                yield from _unable(found, terms, Refused(Why.APART, here[0]))
        if terms.tasks and (unable or not terms.instead):
            yield from self._tasks(found, terms, here)

    def terms_of(self, rule: Rule) -> Terms:
        """Return what is asked of a rule for each of its findings."""
        terms = self.terms.get(rule.id)
        if terms is None or terms.rule is not rule:
            terms = self.terms[rule.id] = Terms.of(rule, self.language, self.now)
        return terms

    def looks_at(self, found: Standing, rule: Rule) -> bool:
        """Whether what the contacts hold decides what is made of a finding, not that they are there."""
        terms = self.terms_of(rule)
        if terms.actions:
            return True
        named = (ref.connection for ref in found.refs)
        return any(terms.names_strangers(name, self._people(name)) for name in named)

    def worded(self, candidate: Candidate) -> PlannedChange:
        """Return a candidate as a change of a plan; a task gets its words and whom it is for.

        Raises:
            KeyError: The contact of a task is not there any more.
        """
        if candidate.made is not None:
            return candidate.planned(candidate.made)
        contact = self.contacts[candidate.ref]
        action, due = candidate.terms.tasks[candidate.number]
        people = self._people(candidate.ref.connection)
        task = task_for(
            action,
            contact,
            sorted((candidate.ref, *candidate.others)),
            self.contacts,
            language=self.language,
            due=due,
            owner=recipient(action.to, contact, people, candidate.finding, []),
            marker=candidate.marker,
        )
        return candidate.planned(task)

    def _part(
        self,
        found: Standing,
        terms: Terms,
        action: Action,
        part: Sequence[RecordRef],
        lacking: Why | None,
    ) -> Iterator[Candidate | Withheld]:
        """Yield what an action makes of the records it works on together."""
        if lacking is Why.CANNOT:
            yield from _unable(found, terms, Refused(lacking, part[0]))
        elif lacking is not None:
            yield _told(found, terms, Refused(lacking, part[0]))
        elif self._stale(found, action, part):
            yield _told(found, terms, Refused(Why.STALE, part[0]))
        else:
            for one in self._proposed(found, terms, action, part):
                yield _told(found, terms, one)

    def _proposed(
        self, found: Standing, terms: Terms, action: Action, part: Sequence[RecordRef]
    ) -> Iterator[Proposed | Refused]:
        contact = self.contacts[part[0]]
        ability = self.abilities[contact.ref.connection]
        match action:
            case UpdateAction():
                yield from updated(action, found.facts, contact, ability.consent_fields)
            case TagAction():
                name = terms.fact
                yield from tagged(action, name, found.facts, contact, ability.consent_fields)
            case SuppressAction():
                yield from silenced(action, found.facts, contact, terms.title)
            case ArchiveAction():
                keeps = ability.keeps_optouts
                yield from archived(contact, terms.title, keeps_optouts=keeps)
            case MergeAction():
                members = [self.contacts[ref] for ref in part]
                left = self._people(contact.ref.connection).left
                yield from merged(
                    action,
                    members,
                    found.facts,
                    ability=ability,
                    left=left,
                    language=self.language,
                )
            case TaskAction():
                raise TypeError("tasks are given after everything else")

    def _stale(self, found: Standing, action: Action, part: Sequence[RecordRef]) -> bool:
        """Whether the action wants a new look, as a record changed since the scan.

        What cannot be taken back does, and what rests on the order of a record's addresses. So does
        a value that the rule gives without regard to what is there: what a person wrote since would
        be taken for what the rule found.
        """
        seen = found.seen
        if not any(self.changed.get(ref, seen) > seen for ref in part):
            return False
        match action:
            case UpdateAction():
                return bool(action.set or action.clear or action.fill_from)
            case SuppressAction():
                return "addresses" in found.facts
            case MergeAction() | ArchiveAction() | TagAction():
                return True
            case TaskAction():
                return False

    def _tasks(
        self, found: Standing, terms: Terms, here: Sequence[RecordRef]
    ) -> Iterator[Candidate | Withheld]:
        able = (ref for ref in here if self._lacking(Capability.TASK, ref.connection) is None)
        ref = next(able, here[0])
        lacking = self._lacking(Capability.TASK, ref.connection)
        others = tuple(one for one in found.refs if one != ref) if len(found.refs) > 1 else ()
        people = self._people(ref.connection)
        strangers = terms.names_strangers(ref.connection, people)
        mark, _, _, since, _, openings, _ = found
        for number, (action, _) in enumerate(terms.tasks):
            if lacking is not None:
                yield _told(found, terms, Refused(lacking, ref))
                continue
            if strangers:
                unknown = list[str]()
                recipient(action.to, self.contacts[ref], people, mark, unknown)
                self.nobody.update(Nobody(terms.name, ref.connection, name) for name in unknown)
            yield Candidate(terms, mark, ref, None, "", others, since, openings, number)

    def _people(self, connection: str) -> People:
        return self.people.get(connection, _NOBODY_KNOWN)

    def _lacking(self, wanted: Capability, connection: str) -> Why | None:
        """Return why a connection cannot do something, or None."""
        ability = self.abilities.get(connection)
        if ability is None:
            return Why.UNKNOWN
        return None if wanted in ability.can else Why.CANNOT


def _unable(found: Standing, terms: Terms, refused: Refused) -> Iterator[Withheld]:
    """Say what cannot be done, unless the rule's task stands in for it."""
    if not terms.instead:
        yield Withheld(terms.name, found.fingerprint, refused.ref, refused.why, refused.detail)


def _told(found: Standing, terms: Terms, one: Proposed | Refused) -> Candidate | Withheld:
    if isinstance(one, Refused):
        return Withheld(terms.name, found.fingerprint, one.ref, one.why, one.detail)
    change = one.change
    return Candidate(terms, found.fingerprint, change.ref, change, one.detail, (), found.since)


def _parts(action: Action, here: Sequence[RecordRef]) -> list[Sequence[RecordRef]]:
    """Return the records that an action works on together: one, or those of one connection."""
    return [*parts_of(here).values()] if isinstance(action, MergeAction) else [here[:1]]
