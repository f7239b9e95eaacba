"""Propose: what a rule's actions make of a finding, before limits and conflicts are looked at."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from crm_steward.connect.protocol import Capability
from crm_steward.model import (
    FIELDS,
    ArchiveRecord,
    Change,
    Channel,
    CloseTask,
    Contact,
    CreateTask,
    Finding,
    MergeRecords,
    PlannedChange,
    RecordRef,
    SuppressChannel,
    UpdateFields,
)
from crm_steward.rules import Action, Rule, TaskAction, UpdateAction
from crm_steward.store.findings import StoredFinding
from crm_steward.writing.compare import same
from crm_steward.writing.withheld import Why, Withheld

_LONGEST_TITLE = 200
_LONGEST_BODY = 4000
_MEMBERS_LISTED = 20
_BREAKS = re.compile(r"\s*\n\s*")

Capabilities = Mapping[str, frozenset[Capability]]
"""What each configured connection can do."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change that a rule asks for, and the rule; None where it no longer exists."""

    planned: PlannedChange
    rule: Rule | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposer:
    """Turns findings into changes.

    Args:
        contacts: The mirrored contacts that the findings are about.
        capabilities: What each configured connection can do.
        language: In which tasks and reasons are written.
        now: The moment due dates are counted from.
        left: Connection → ids of owners who are no longer active: CRMs refuse tasks for them.
    """

    contacts: Mapping[RecordRef, Contact]
    capabilities: Capabilities
    language: str
    now: datetime
    left: Mapping[str, Collection[str]] = field(default_factory=dict)

    def propose(self, stored: StoredFinding, rule: Rule) -> Iterator[Candidate | Withheld]:
        """Yield what the actions of `rule` make of a finding, or why they make nothing of it."""
        tasks = count()
        for action in rule.actions:
            change = self._change(stored, action, tasks)
            if isinstance(change, Why):
                yield Withheld(rule.id, stored.finding.fingerprint, stored.finding.refs[0], change)
            elif not self._can(change):
                why = Why.CANNOT if change.ref.connection in self.capabilities else Why.UNKNOWN
                yield Withheld(rule.id, stored.finding.fingerprint, change.ref, why)
            else:
                yield Candidate(self._planned(change, stored, rule), rule)

    def _change(self, stored: StoredFinding, action: Action, tasks: Iterator[int]) -> Change | Why:
        match action:
            case UpdateAction():
                return self._update(stored.finding)
            case TaskAction():
                return self._task(stored, action, next(tasks))

    def _planned(self, change: Change, stored: StoredFinding, rule: Rule) -> PlannedChange:
        lasting = isinstance(change, MergeRecords | ArchiveRecord)
        return PlannedChange(
            change=change,
            rule=rule.id,
            finding=stored.finding.fingerprint,
            why=rule.title(self.language),
            # Whatever a rule says, merging and archiving need a person.
            automatic=rule.mode == "apply" and not lasting,
        )

    def _can(self, change: Change) -> bool:
        return needed(change) in self.capabilities.get(change.ref.connection, frozenset())

    def _update(self, finding: Finding) -> UpdateFields | Why:
        ref = finding.refs[0]
        name, proposed = finding.evidence.get("field"), finding.evidence.get("proposed")
        contact = self.contacts.get(ref)
        if proposed is None or not isinstance(name, str):
            return Why.NO_PROPOSAL
        if contact is None:
            return Why.GONE
        held = contact.value(name)
        if not same(held, finding.evidence.get("now")) or same(held, proposed):
            return Why.STALE
        if name in FIELDS and not FIELDS[name].writable:
            return Why.CANNOT
        return UpdateFields(ref=ref, values={name: proposed}, expected={name: held})

    def _task(self, stored: StoredFinding, action: TaskAction, number: int) -> CreateTask | Why:
        finding = stored.finding
        refs = [ref for ref in finding.refs if ref in self.contacts]
        if not refs:
            return Why.GONE
        able = [r for r in refs if Capability.TASK in self.capabilities.get(r.connection, ())]
        contact = self.contacts[(able or refs)[0]]
        title = _BREAKS.sub(" ", action.title.fill(contact, self.language))
        body = action.body.fill(contact, self.language) if action.body else ""
        return CreateTask(
            ref=contact.ref,
            title=_cut(title, _LONGEST_TITLE),
            body=_cut("\n\n".join(filter(None, [body, self._others(finding)])), _LONGEST_BODY),
            due=action.due.after(self.now).date(),
            owner=self._owner(contact, action),
            marker=marker(finding.fingerprint, stored.openings, number),
        )

    def _owner(self, contact: Contact, action: TaskAction) -> str | None:
        """Return who the task is for; nobody in particular where the owner has left."""
        if action.to != "owner":
            return action.to
        gone = contact.owner in self.left.get(contact.ref.connection, ())
        return None if gone else contact.owner

    def _others(self, finding: Finding) -> str:
        """List the members of a group, so that its task can be worked on from the CRM."""
        if len(finding.refs) == 1:
            return ""
        lines = [
            " ".join(filter(None, [str(ref), self.contacts[ref].url]))
            for ref in finding.refs[:_MEMBERS_LISTED]
            if ref in self.contacts
        ]
        more = len(finding.refs) - len(lines)
        return "\n".join([*lines, f"+ {more}"] if more else lines)


def marker(fingerprint: str, openings: int, number: int) -> str:
    """Return what names one task in the CRM: stable for this opening of this finding.

    Args:
        fingerprint: The finding's.
        openings: How often the finding was opened: when it comes back, a new task is due.
        number: The task's place among the tasks of its rule: another action beside it, added or
            taken away, makes no new task.
    """
    content = json.dumps([fingerprint, openings, number])
    return f"crm-steward-{hashlib.sha256(content.encode()).hexdigest()[:20]}"


def needed(change: Change) -> Capability:
    """Return what a connection must be able to do for `change`."""
    match change:
        case UpdateFields():
            return Capability.UPDATE
        case CreateTask():
            return Capability.TASK
        case CloseTask():
            return Capability.CLOSE_TASK
        case SuppressChannel(channel=channel):
            by_email = channel is Channel.EMAIL
            return Capability.SUPPRESS_EMAIL if by_email else Capability.SUPPRESS_PHONE
        case MergeRecords():
            return Capability.MERGE
        case ArchiveRecord():
            return Capability.ARCHIVE


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
