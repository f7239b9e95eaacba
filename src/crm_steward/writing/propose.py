"""Propose: what a rule's actions make of a finding, before limits and conflicts are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    Ability,
    ArchiveRecord,
    Change,
    Contact,
    CreateTask,
    MergeRecords,
    PlannedChange,
    RecordRef,
    change_key,
)
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
from crm_steward.rules.fitting import capability
from crm_steward.store.findings import StoredFinding
from crm_steward.writing.archiving import archived
from crm_steward.writing.merging import merged, parts_of
from crm_steward.writing.proposed import Proposed, Refused
from crm_steward.writing.routing import Nobody, People, recipient
from crm_steward.writing.suppressing import silenced
from crm_steward.writing.tasking import marker, task_for
from crm_steward.writing.updating import tagged, updated
from crm_steward.writing.withheld import Why, Withheld

Capabilities = Mapping[str, frozenset[Capability]]
"""What each configured connection can do."""

_NOBODY_KNOWN = People()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change that a rule asks for.

    Args:
        planned: The change.
        rule: The rule; None where it no longer exists.
        instead: Keys under which the same task may stand at another record of a group.
    """

    planned: PlannedChange
    rule: Rule | None
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposer:
    """Turns findings into changes.

    Args:
        contacts: The mirrored contacts that the findings are about.
        changed: When what each of them holds last changed in the mirror.
        abilities: What each configured connection holds and can do.
        people: Connection → its users.
        language: In which tasks and reasons are written.
        now: The moment due dates are counted from, in the time zone of the settings.
        nobody: Gets whom rules name and nobody is called, each once.
    """

    contacts: Mapping[RecordRef, Contact]
    changed: Mapping[RecordRef, datetime] = field(default_factory=dict)
    abilities: Mapping[str, Ability]
    people: Mapping[str, People] = field(default_factory=dict)
    language: str
    now: datetime
    nobody: set[Nobody] = field(default_factory=set)

    def propose(self, stored: StoredFinding, rule: Rule) -> Iterator[Candidate | Withheld]:
        """Yield what the actions of `rule` make of a finding, or why they make nothing of it.

        In a connection where the rule only reports, or that it does not look at, it asks for nothing.
        """
        finding = stored.finding
        refs = [ref for ref in finding.refs if rule.asks_in(ref.connection)]
        here = [self.contacts[ref] for ref in refs if ref in self.contacts]
        if refs and not here:
            yield self._told(stored, rule, Refused(Why.GONE, refs[0]))
        if not here:
            return
        unable = False
        for action in rule.actions:
            if not isinstance(action, TaskAction):
                for part in _parts(action, here):
                    lacking = self._lacking(capability(action), part)
                    unable = unable or lacking is Why.CANNOT
                    yield from self._part(stored, rule, action, part, lacking)
                if isinstance(action, MergeAction) and not _parts(action, here):
                    unable = True
                    yield from self._unable(stored, rule, Refused(Why.APART, here[0].ref))
        if unable or rule.if_unable != "task":
            yield from self._tasks(stored, rule, here)

    def _part(
        self,
        stored: StoredFinding,
        rule: Rule,
        action: Action,
        part: Sequence[Contact],
        lacking: Why | None,
    ) -> Iterator[Candidate | Withheld]:
        """Yield what an action makes of the records it works on together."""
        if lacking is Why.CANNOT:
            yield from self._unable(stored, rule, Refused(lacking, part[0].ref))
        elif lacking is not None:
            yield self._told(stored, rule, Refused(lacking, part[0].ref))
        else:
            for one in self._proposed(stored, rule, action, part):
                yield self._told(stored, rule, one)

    def _proposed(
        self, stored: StoredFinding, rule: Rule, action: Action, part: Sequence[Contact]
    ) -> Iterator[Proposed | Refused]:
        contact, evidence = part[0], stored.finding.evidence
        ability = self.abilities[contact.ref.connection]
        match action:
            case _ if self._stale(stored, action, part):
                yield Refused(Why.STALE, contact.ref)
            case UpdateAction():
                yield from updated(action, evidence, contact, ability.consent_fields)
            case TagAction():
                name = rule.check.names
                yield from tagged(action, name, evidence, contact, ability.consent_fields)
            case SuppressAction():
                yield from silenced(action, evidence, contact, rule.title(self.language))
            case ArchiveAction():
                reason, keeps = rule.title(self.language), ability.keeps_optouts
                yield from archived(contact, reason, keeps_optouts=keeps)
            case MergeAction():
                left = self._people(contact.ref).left
                yield from merged(
                    action, part, evidence, ability=ability, left=left, language=self.language
                )
            case TaskAction():
                raise TypeError("tasks are given after everything else")

    def _stale(self, stored: StoredFinding, action: Action, part: Sequence[Contact]) -> bool:
        """Whether the action wants a new look, as a record changed since the scan.

        What cannot be taken back does, and what rests on the order of a record's addresses. So does
        a value that the rule gives without regard to what is there: what a person wrote since would
        be taken for what the rule found.
        """
        match action:
            case UpdateAction() if not (action.set or action.clear or action.fill_from):
                return False
            case SuppressAction() if "addresses" not in stored.finding.evidence:
                return False
            case MergeAction() | ArchiveAction() | SuppressAction() | UpdateAction() | TagAction():
                seen = stored.last_seen_at
                return any(self.changed.get(contact.ref, seen) > seen for contact in part)
            case _:
                return False

    def _unable(
        self, stored: StoredFinding, rule: Rule, refused: Refused
    ) -> Iterator[Candidate | Withheld]:
        """Say what cannot be done, unless the rule's task stands in for it."""
        if rule.if_unable != "task":
            yield self._told(stored, rule, refused)

    def _tasks(
        self, stored: StoredFinding, rule: Rule, here: Sequence[Contact]
    ) -> Iterator[Candidate | Withheld]:
        actions = [action for action in rule.actions if isinstance(action, TaskAction)]
        able = [one for one in here if self._lacking(Capability.TASK, [one]) is None]
        contact = (able or here)[0]
        lacking = self._lacking(Capability.TASK, [contact])
        for number, action in enumerate(actions):
            if lacking is not None:
                yield self._told(stored, rule, Refused(lacking, contact.ref))
            else:
                task = Proposed(self._task(stored, rule, action, contact, number))
                yield self._told(stored, rule, task)

    def _task(
        self, stored: StoredFinding, rule: Rule, action: TaskAction, contact: Contact, number: int
    ) -> CreateTask:
        finding, unknown = stored.finding, list[str]()
        people = self._people(contact.ref)
        owner = recipient(action.to, contact, people, finding.fingerprint, unknown)
        self.nobody.update(Nobody(rule.id, contact.ref.connection, name) for name in unknown)
        return task_for(
            action,
            contact,
            finding.refs,
            self.contacts,
            language=self.language,
            due=action.due.day(self.now),
            owner=owner,
            marker=marker(finding.fingerprint, stored.openings, number),
        )

    def _people(self, ref: RecordRef) -> People:
        return self.people.get(ref.connection, _NOBODY_KNOWN)

    def _lacking(self, wanted: Capability, part: Sequence[Contact]) -> Why | None:
        """Return why the connection of some records cannot do something, or None."""
        ability = self.abilities.get(part[0].ref.connection)
        if ability is None:
            return Why.UNKNOWN
        return None if wanted in ability.can else Why.CANNOT

    def _told(
        self, stored: StoredFinding, rule: Rule, one: Proposed | Refused
    ) -> Candidate | Withheld:
        fingerprint = stored.finding.fingerprint
        if isinstance(one, Refused):
            return Withheld(rule.id, fingerprint, one.ref, one.why, one.detail)
        change = one.change
        lasting = isinstance(change, MergeRecords | ArchiveRecord)
        planned = PlannedChange(
            change=change,
            rule=rule.id,
            finding=fingerprint,
            why=rule.title(self.language),
            # Whatever a rule says, merging and archiving need a person.
            automatic=rule.mode_in(change.ref.connection) == "apply" and not lasting,
            detail=one.detail,
        )
        return Candidate(planned, rule, _instead(change, stored.finding.refs))


def _instead(change: Change, refs: Sequence[RecordRef]) -> tuple[str, ...]:
    if not isinstance(change, CreateTask):
        return ()
    return tuple(change_key(replace(change, ref=ref)) for ref in refs if ref != change.ref)


def _parts(action: Action, here: Sequence[Contact]) -> list[list[Contact]]:
    """Return the records that an action works on together: one, or those of one connection."""
    if not isinstance(action, MergeAction):
        return [[here[0]]]
    by_ref = {contact.ref: contact for contact in here}
    return [[by_ref[ref] for ref in part] for part in parts_of(list(by_ref)).values()]
