"""Propose: what a rule's actions make of a finding, before limits and conflicts are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    Ability,
    ArchiveRecord,
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
        others: The other records of a group, at which the same task may stand.
    """

    planned: PlannedChange
    rule: Rule | None
    others: tuple[RecordRef, ...] = ()

    @property
    def instead(self) -> tuple[str, ...]:
        """The keys under which the same task may stand at another record of the group."""
        change = self.planned.change
        if not isinstance(change, CreateTask):
            return ()
        return tuple(change_key(replace(change, ref=ref)) for ref in self.others)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What is asked of a rule for each of its findings, made ready once.

    Args:
        rule: The rule.
        actions: Its actions but for tasks, each with what a connection must be able to do for it.
        tasks: Its tasks, each with the day on which it is due.
        title: What it finds, in the language of the plan.
        asks: Connection → whether it asks for anything there.
        alone: Connection → whether it writes there without being asked.
    """

    rule: Rule
    actions: tuple[tuple[Action, Capability], ...]
    tasks: tuple[tuple[TaskAction, date], ...]
    title: str
    asks: dict[str, bool] = field(default_factory=dict)
    alone: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, rule: Rule, language: str, now: datetime) -> _Terms:
        """Make those of a rule ready."""
        return cls(
            rule=rule,
            actions=tuple(
                (one, capability(one)) for one in rule.actions if not isinstance(one, TaskAction)
            ),
            tasks=tuple(
                (one, one.due.day(now)) for one in rule.actions if isinstance(one, TaskAction)
            ),
            title=rule.title(language),
        )

    def asks_in(self, connection: str) -> bool:
        """Whether the rule looks at a connection and does not only report what it finds there."""
        if connection not in self.asks:
            self.asks[connection] = self.rule.asks_in(connection)
            self.alone[connection] = self.rule.mode_in(connection) == "apply"
        return self.asks[connection]


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
        terms: Rule id → its terms, as far as it was asked.
    """

    contacts: Mapping[RecordRef, Contact]
    changed: Mapping[RecordRef, datetime] = field(default_factory=dict)
    abilities: Mapping[str, Ability]
    people: Mapping[str, People] = field(default_factory=dict)
    language: str
    now: datetime
    nobody: set[Nobody] = field(default_factory=set)
    terms: dict[str, _Terms] = field(default_factory=dict)

    def propose(self, stored: StoredFinding, rule: Rule) -> Iterator[Candidate | Withheld]:
        """Yield what the actions of `rule` make of a finding, or why they make nothing of it.

        In a connection where the rule only reports, or that it does not look at, it asks for nothing.
        """
        terms = self.terms.get(rule.id)
        if terms is None or terms.rule is not rule:
            terms = self.terms[rule.id] = _Terms.of(rule, self.language, self.now)
        refs = [ref for ref in stored.finding.refs if terms.asks_in(ref.connection)]
        here = [self.contacts[ref] for ref in refs if ref in self.contacts]
        if refs and not here:
            yield self._told(stored, terms, Refused(Why.GONE, refs[0]))
        if not here:
            return
        unable = False
        for action, wanted in terms.actions:
            parts = _parts(action, here)
            for part in parts:
                lacking = self._lacking(wanted, part)
                unable = unable or lacking is Why.CANNOT
                yield from self._part(stored, terms, action, part, lacking)
            if not parts:
                unable = True
                yield from self._unable(stored, terms, Refused(Why.APART, here[0].ref))
        if terms.tasks and (unable or rule.if_unable != "task"):
            yield from self._tasks(stored, terms, here)

    def _part(
        self,
        stored: StoredFinding,
        terms: _Terms,
        action: Action,
        part: Sequence[Contact],
        lacking: Why | None,
    ) -> Iterator[Candidate | Withheld]:
        """Yield what an action makes of the records it works on together."""
        if lacking is Why.CANNOT:
            yield from self._unable(stored, terms, Refused(lacking, part[0].ref))
        elif lacking is not None:
            yield self._told(stored, terms, Refused(lacking, part[0].ref))
        else:
            for one in self._proposed(stored, terms, action, part):
                yield self._told(stored, terms, one)

    def _proposed(
        self, stored: StoredFinding, terms: _Terms, action: Action, part: Sequence[Contact]
    ) -> Iterator[Proposed | Refused]:
        contact, evidence = part[0], stored.finding.evidence
        ability = self.abilities[contact.ref.connection]
        match action:
            case _ if self._stale(stored, action, part):
                yield Refused(Why.STALE, contact.ref)
            case UpdateAction():
                yield from updated(action, evidence, contact, ability.consent_fields)
            case TagAction():
                name = terms.rule.check.names
                yield from tagged(action, name, evidence, contact, ability.consent_fields)
            case SuppressAction():
                yield from silenced(action, evidence, contact, terms.title)
            case ArchiveAction():
                keeps = ability.keeps_optouts
                yield from archived(contact, terms.title, keeps_optouts=keeps)
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
        seen = stored.last_seen_at
        if not any(self.changed.get(contact.ref, seen) > seen for contact in part):
            return False
        match action:
            case UpdateAction():
                return bool(action.set or action.clear or action.fill_from)
            case SuppressAction():
                return "addresses" in stored.finding.evidence
            case MergeAction() | ArchiveAction() | TagAction():
                return True
            case TaskAction():
                return False

    def _unable(
        self, stored: StoredFinding, terms: _Terms, refused: Refused
    ) -> Iterator[Candidate | Withheld]:
        """Say what cannot be done, unless the rule's task stands in for it."""
        if terms.rule.if_unable != "task":
            yield self._told(stored, terms, refused)

    def _tasks(
        self, stored: StoredFinding, terms: _Terms, here: Sequence[Contact]
    ) -> Iterator[Candidate | Withheld]:
        able = [one for one in here if self._lacking(Capability.TASK, [one]) is None]
        contact = (able or here)[0]
        lacking = self._lacking(Capability.TASK, [contact])
        for number in range(len(terms.tasks)):
            if lacking is not None:
                yield self._told(stored, terms, Refused(lacking, contact.ref))
            else:
                task = Proposed(self._task(stored, terms, number, contact))
                yield self._told(stored, terms, task)

    def _task(
        self, stored: StoredFinding, terms: _Terms, number: int, contact: Contact
    ) -> CreateTask:
        finding, unknown = stored.finding, list[str]()
        action, due = terms.tasks[number]
        people = self._people(contact.ref)
        owner = recipient(action.to, contact, people, finding.fingerprint, unknown)
        self.nobody.update(Nobody(terms.rule.id, contact.ref.connection, name) for name in unknown)
        return task_for(
            action,
            contact,
            finding.refs,
            self.contacts,
            language=self.language,
            due=due,
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
        self, stored: StoredFinding, terms: _Terms, one: Proposed | Refused
    ) -> Candidate | Withheld:
        rule, finding = terms.rule, stored.finding
        if isinstance(one, Refused):
            return Withheld(rule.id, finding.fingerprint, one.ref, one.why, one.detail)
        change = one.change
        lasting = isinstance(change, MergeRecords | ArchiveRecord)
        planned = PlannedChange(
            change=change,
            rule=rule.id,
            finding=finding.fingerprint,
            why=terms.title,
            # Whatever a rule says, merging and archiving need a person.
            automatic=terms.alone[change.ref.connection] and not lasting,
            detail=one.detail,
        )
        if len(finding.refs) == 1 or not isinstance(change, CreateTask):
            return Candidate(planned, rule)
        return Candidate(planned, rule, tuple(ref for ref in finding.refs if ref != change.ref))


def _parts(action: Action, here: Sequence[Contact]) -> list[list[Contact]]:
    """Return the records that an action works on together: one, or those of one connection."""
    if not isinstance(action, MergeAction):
        return [[here[0]]]
    by_ref = {contact.ref: contact for contact in here}
    return [[by_ref[ref] for ref in part] for part in parts_of(list(by_ref)).values()]
