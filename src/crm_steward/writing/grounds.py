"""Grounds: what else says that an address must not be used, before a suppression of it is lifted.

Whoever lifts a suppression says that it was a mistake. That can only be true of what we did: where
anybody else said no, or another rule asks for the same, the address stays silent. What is doubtful
counts as a no.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from crm_steward.model import (
    NOTHING_SAID,
    AddressStatus,
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    LiftSuppression,
    RecordRef,
    SuppressChannel,
    binding_consent,
)
from crm_steward.model.consent import GENERAL
from crm_steward.normalize import email_key, phone_e164
from crm_steward.rules import RuleBook, SuppressAction
from crm_steward.store.database import Database
from crm_steward.store.journal import Journal, Line, State
from crm_steward.store.mirror import Mirror
from crm_steward.store.subject import Sought, subject_in, these
from crm_steward.store.tables import finding_refs, findings
from crm_steward.store.tables import journal as journal_table
from crm_steward.writing.addresses import address_key, statements
from crm_steward.writing.kept import Against, Ground, Kept

_OURS = frozenset({ConsentStatus.WITHDRAWN, ConsentStatus.OBJECTED})
"""What a CRM may tell of an address that we suppressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kin:
    """All records that speak of an address or of the person behind it.

    Args:
        refs: Which.
        ours: Those on which we suppressed the address, for the same rule, and that stands.
    """

    refs: frozenset[RecordRef]
    ours: frozenset[RecordRef]


@dataclass(frozen=True, slots=True)
class Grounds:
    """Looks for grounds against lifting suppressions.

    Args:
        database: The store.
        book: The rules that run; None: they are not known, and nothing is lifted.
    """

    database: Database
    book: RuleBook | None
    _done: dict[str, list[Line]] = field(default_factory=dict)
    """Rule → its suppressions that took effect and stand."""

    def against(
        self,
        line: Line,
        change: SuppressChannel,
        contacts: Mapping[RecordRef, Contact] | None = None,
    ) -> Kept | Against | None:
        """Return what stands against lifting a suppression; None when nothing does.

        Args:
            line: The suppression's intent.
            change: The suppression.
            contacts: The records of `kin` as they are now; None: as the mirror holds them.
        """
        if self.book is None:
            return Kept.NO_RULES
        if not change.before:
            return Kept.UNNOTED
        if change.before != NOTHING_SAID:
            status = ConsentStatus[change.before.upper()]
            if status >= ConsentStatus.HARD_BOUNCE:
                return Against(ground=Ground.BEFORE, status=status.label)
        kin = self.kin(line, change)
        if asking := self._asking(line, change.channel, kin.refs):
            return Against(ground=Ground.RULE, what=asking)
        held = Mirror(self.database).contacts(kin.refs) if contacts is None else contacts
        for ref in sorted(kin.refs & held.keys()):
            no = _no(held[ref], change, ours=ref in kin.ours)
            if no is not None:
                return Against(ground=Ground.SAID, what=str(ref), status=no.label)
        return None

    def kin(self, line: Line, change: SuppressChannel | LiftSuppression) -> Kin:
        """Return the records that speak of the address, or of whoever it belongs to."""
        held = Mirror(self.database).contacts([change.ref]).get(change.ref)
        keys = frozenset({address_key(held, change.channel, change.address)} if held else ())
        if change.channel is Channel.EMAIL:
            sought = Sought(emails=keys | _known(email_key(change.address)), refs=_one(change.ref))
        else:
            told = _known(phone_e164(change.address, None))
            sought = Sought(phones=keys | told, refs=_one(change.ref))
        refs = subject_in(self.database, sought).refs
        return Kin(refs=refs, ours=frozenset(self._suppressed(line, change.channel, refs)))

    def _suppressed(
        self, line: Line, channel: Channel, refs: Collection[RecordRef]
    ) -> Iterable[RecordRef]:
        """Yield the records on which we suppressed the channel for the rule of `line`."""
        for one in self._standing(line.rule):
            suppressed = isinstance(one.change, SuppressChannel) and one.change.channel is channel
            if one.ref in refs and suppressed:
                yield one.ref

    def _standing(self, rule: str) -> list[Line]:
        if rule not in self._done:
            journal = Journal(self.database)
            kind = journal_table.c.kind == "suppress"
            lines = journal.lines(rule=rule, state=State.INTENT, only=[kind])
            effective = journal.took_effect(lines)
            undone = journal.undone(effective)
            self._done[rule] = [
                one
                for one in lines
                if one.seq in effective and undone.get(one.seq) is not State.VERIFIED
            ]
        return self._done[rule]

    def _asking(self, line: Line, channel: Channel, refs: Collection[RecordRef]) -> str:
        """Return another rule that asks to suppress one of the records, or has asked since."""
        rules = [
            rule.id
            for rule in (self.book.rules if self.book else ())
            if rule.id != line.rule
            and any(
                isinstance(a, SuppressAction) and a.channel == channel.value for a in rule.actions
            )
        ]
        return min(_found(self.database, rules, refs, line.at), default="") if rules else ""


def _found(
    database: Database, rules: Collection[str], refs: Collection[RecordRef], since: datetime
) -> set[str]:
    """Return which rules found something of the records that stands, or was resolved since.

    A suppression may have resolved what another rule found: once lifted, it would stand again.
    """
    standing = (findings.c.state != "resolved") | (findings.c.resolved_at >= since)
    found: set[str] = set()
    with database.read() as reading:
        for here in these(finding_refs, refs):
            query = (
                sa.select(findings.c.rule)
                .join(finding_refs, finding_refs.c.fingerprint == findings.c.fingerprint)
                .where(here, standing, findings.c.rule.in_(rules))
            )
            found.update(reading.execute(query).scalars())
    return found


def _no(contact: Contact, change: SuppressChannel, *, ours: bool) -> ConsentStatus | None:
    """Return the status by which a record forbids the channel, apart from what we wrote there."""
    here = [one for one in contact.consents if one.channel is change.channel]
    said = [one for one in here if not (ours and one.purpose == GENERAL and one.status in _OURS)]
    binding = binding_consent(said, change.channel)
    if binding is not None and binding.status >= ConsentStatus.COMPLAINT:
        return binding.status
    return ConsentStatus.HARD_BOUNCE if _bounced(contact, change, said) else None


def _bounced(contact: Contact, change: SuppressChannel, said: Iterable[Consent]) -> bool:
    """Whether the very address no longer takes messages."""
    about = {id(one) for one in statements(contact, change.channel, change.address)}
    if any(one.status is ConsentStatus.HARD_BOUNCE and id(one) in about for one in said):
        return True
    key = address_key(contact, change.channel, change.address)
    return change.channel is Channel.EMAIL and any(
        one.status is AddressStatus.BOUNCED
        and address_key(contact, Channel.EMAIL, one.address) == key
        for one in contact.emails
    )


def _known(key: str | None) -> frozenset[str]:
    return frozenset({key} if key else ())


def _one(ref: RecordRef) -> frozenset[RecordRef]:
    return frozenset({ref})
