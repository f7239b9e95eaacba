"""Propose: what a rule's actions make of a finding, before limits and conflicts are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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
_Part = Sequence[RecordRef]
"""The records that an action works on together."""
_Made = Iterator[Proposed | Refused]


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
        terms, contacts = self.terms_of(rule), self.contacts
        refs = [ref for ref in found.refs if terms.asks_in(ref.connection)]
        here = [ref for ref in refs if ref in contacts]
        if refs and not here:
            yield _told(found, terms, Refused(Why.GONE, refs[0]))
        if not here:
            return
        unable = False
        for place, (action, _) in enumerate(terms.actions):
            parts = _parts(action, here)
            for part in parts:
                lacking = self._lacks(terms, part[0].connection)[place]
                unable = unable or lacking is Why.CANNOT
                if lacking is None:
                    yield from self._part(found, terms, action, part)
                else:
                    yield from _unable(found, terms, Refused(lacking, part[0]))
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
        self, found: Standing, terms: Terms, action: Action, part: _Part
    ) -> list[Candidate | Withheld]:
        """Return what an action makes of the records it works on together."""
        if self._stale(found, action, part):
            return [_told(found, terms, Refused(Why.STALE, part[0]))]
        made = _MAKERS[type(action)](self, found, terms, action, part)
        return [_told(found, terms, one) for one in made]

    def _updated(self, found: Standing, _: Terms, action: Any, part: _Part) -> _Made:
        contact = self.contacts[part[0]]
        guarded = self.abilities[contact.ref.connection].consent_fields
        return updated(action, found.facts, contact, guarded)

    def _tagged(self, found: Standing, terms: Terms, action: Any, part: _Part) -> _Made:
        contact = self.contacts[part[0]]
        guarded = self.abilities[contact.ref.connection].consent_fields
        return tagged(action, terms.fact, found.facts, contact, guarded)

    def _silenced(self, found: Standing, terms: Terms, action: Any, part: _Part) -> _Made:
        return silenced(action, found.facts, self.contacts[part[0]], terms.title)

    def _archived(self, _: Standing, terms: Terms, __: Any, part: _Part) -> _Made:
        keeps = self.abilities[part[0].connection].keeps_optouts
        return archived(self.contacts[part[0]], terms.title, keeps_optouts=keeps)

    def _merged(self, found: Standing, _: Terms, action: Any, part: _Part) -> _Made:
        return merged(
            action,
            [self.contacts[ref] for ref in part],
            found.facts,
            ability=self.abilities[part[0].connection],
            left=self._people(part[0].connection).left,
            language=self.language,
        )

    def _stale(self, found: Standing, action: Action, part: _Part) -> bool:
        """Whether the action wants a new look, as a record changed since the scan.

        What cannot be taken back does, and what rests on the order of a record's addresses. So does
        a value that the rule gives without regard to what is there: what a person wrote since would
        be taken for what the rule found.
        """
        seen, changed = found.seen, self.changed
        for ref in part:
            if changed.get(ref, seen) > seen:
                break
        else:
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
        able = (ref for ref in here if self._lacks(terms, ref.connection)[-1] is None)
        ref = next(able, here[0])
        lacking = self._lacks(terms, ref.connection)[-1]
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

    def _lacks(self, terms: Terms, connection: str) -> tuple[Why | None, ...]:
        return terms.lacks_in(connection, self.abilities.get(connection))


_MAKERS: Mapping[type[Action], Callable[[Proposer, Standing, Terms, Any, _Part], _Made]] = {
    UpdateAction: Proposer._updated,  # noqa: SLF001 -- its own
    TagAction: Proposer._tagged,  # noqa: SLF001
    SuppressAction: Proposer._silenced,  # noqa: SLF001
    ArchiveAction: Proposer._archived,  # noqa: SLF001
    MergeAction: Proposer._merged,  # noqa: SLF001
}
"""Action → what turns a finding into what it asks for; tasks are given after everything else."""


def _unable(found: Standing, terms: Terms, refused: Refused) -> Iterator[Withheld]:
    """Say what cannot be done, unless the rule's task stands in for it."""
    if not terms.instead or refused.why is Why.UNKNOWN:
        yield Withheld(terms.name, found.fingerprint, refused.ref, refused.why, refused.detail)


def _told(found: Standing, terms: Terms, one: Proposed | Refused) -> Candidate | Withheld:
    if isinstance(one, Refused):
        return Withheld(terms.name, found.fingerprint, one.ref, one.why, one.detail)
    change, detail = one
    return Candidate(terms, found.fingerprint, change.ref, change, detail, (), found.since)


def _parts(action: Action, here: Sequence[RecordRef]) -> list[_Part]:
    """Return the records that an action works on together: one, or those of one connection."""
    # Most are of one record and no merge; that is seen faster than by `isinstance`.
    return [*parts_of(here).values()] if type(action) is MergeAction else [here[:1]]
