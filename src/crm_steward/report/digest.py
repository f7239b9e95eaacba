"""What the weekly report says, before it is put into words and colours.

Every value here is as the CRM or the rules hold it: hostile until it is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any, Literal

from crm_steward.model import Halt, PlannedChange, Severity
from crm_steward.report.concerned import Concerned
from crm_steward.report.consent import Consents
from crm_steward.report.countries import Countries
from crm_steward.report.edits import RuleEdits
from crm_steward.report.groups import Person, Twins
from crm_steward.report.hygiene import Hygiene
from crm_steward.report.listing import LISTED
from crm_steward.report.protection import Protection
from crm_steward.report.reminders import Recurring
from crm_steward.report.retention import Retention
from crm_steward.report.tasks import Tasks
from crm_steward.report.usage import QuotaUse
from crm_steward.report.weeks import Week
from crm_steward.store.rulebooks import Broken

Titles = Mapping[str, str]
"""Language → text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One health figure over several weeks.

    Args:
        name: Which; its title and formula stand in the catalogue under this name.
        values: Week → value, oldest first, the report's week last; a share (0 to 1) or a count.
            None: not measured in that week.
        share: Whether it is a share.
        better: Which way is good news; None for neither.
    """

    name: str
    values: Mapping[Week, float | None]
    share: bool = True
    better: Literal["up", "down"] | None = "up"

    @property
    def now(self) -> float | None:
        """The value of the report's week."""
        return list(self.values.values())[-1]

    @property
    def before(self) -> float | None:
        """The value of the week before."""
        earlier = list(self.values.values())[:-1]
        return earlier[-1] if earlier else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How findings moved since the last report.

    `standing`, `new` and `reopened` are disjoint and together all that is open.
    """

    new: int = 0
    standing: int = 0
    reopened: int = 0
    resolved: int = 0

    @property
    def open(self) -> int:
        """All that is open."""
        return self.new + self.standing + self.reopened


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """Findings that are left alone until a date: no other count of the report holds them.

    Args:
        snoozed: How many.
        ending: How many of them wake up within the next week.
    """

    snoozed: int = 0
    ending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One finding, shown.

    Args:
        kind: The check kind, which decides how `evidence` reads.
        people: The record, or the members of a group (the first few).
        more: Members of the group that are not in `people`.
        evidence: As the rule left it. Values of fields in it are not shown.
        new: Whether it was opened since the last report.
    """

    kind: str
    people: tuple[Person, ...]
    more: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleShare:
    """What one rule found."""

    rule: str
    titles: Titles
    severity: Severity
    movement: Movement
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerShare:
    """What waits at one owner.

    Args:
        connection: The connection whose owner it is.
        owner: The owner's id in the CRM; empty for records nobody owns.
        name: The owner's name where the CRM told it, else empty.
        findings: Open findings about their records.
        serious: How many of these are high or critical.
        records: Their records with an open finding.
    """

    connection: str
    owner: str
    name: str = ""
    findings: int
    serious: int = 0
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionShare:
    """What stands about the contacts of one connection.

    Args:
        connection: Its name.
        findings: Open findings about its contacts; one about two connections counts in both.
        serious: How many of these are high or critical.
        records: Its contacts with an open finding.
    """

    connection: str
    findings: int
    serious: int = 0
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixes:
    """Changes of one run that the CRM confirmed.

    Args:
        run: The run, as `crm-steward undo` takes it.
        at: When it ended.
        by_kind: Kind of change → how many.
        by_rule: (rule, titles, how many), most first.
        undone: How many of them were taken back since.
        undoable: Whether at least one can be taken back.
    """

    run: str
    at: datetime
    by_kind: Mapping[str, int]
    by_rule: tuple[tuple[str, Titles, int], ...] = ()
    undone: int = 0
    undoable: bool = True

    @property
    def total(self) -> int:
        """How many changes."""
        return sum(self.by_kind.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Changes of one rule that wait for a decision.

    Args:
        rule: The rule that asks for them.
        titles: Its title.
        kind: Kind of change.
        count: How many.
        reversibility: Whether it can be taken back.
    """

    rule: str
    titles: Titles
    kind: str
    count: int
    reversibility: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The open plan.

    Args:
        plan: Its hash.
        created_at: When it was made.
        expires_at: After that it is refused.
        waiting: What needs a decision, most first.
        approved: Changes approved and not yet written.
        changes: What waits, change by change, in the plan's order.
    """

    plan: str
    created_at: datetime
    expires_at: datetime
    waiting: tuple[Waiting, ...]
    approved: int = 0
    changes: tuple[PlannedChange, ...] = field(default=(), metadata=LISTED)

    @property
    def total(self) -> int:
        """How many changes wait for a decision."""
        return sum(item.count for item in self.waiting)


class Trouble(StrEnum):
    """Why a connection was not examined as it should be."""

    PAUSED = "paused"
    FROZEN = "frozen"
    FAILED = "failed"
    NEVER = "never"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How well one connection was read.

    Args:
        connection: Its name.
        contacts: Live contacts in the mirror.
        read_at: The last successful pull, or None.
        full_at: The last complete pull, or None.
        there: How many records that found in the CRM; None before one ended.
        unread: How many records there could not be read.
        absent: How many contacts it did not bring; after a second one without them they count as gone.
        trouble: What is wrong, or None.
        reason: Said by the connector, in English, without personal data.
    """

    connection: str
    contacts: int
    read_at: datetime | None = None
    full_at: datetime | None = None
    there: int | None = None
    unread: int = 0
    absent: int = 0
    trouble: Trouble | None = None
    reason: str = ""

    @property
    def since(self) -> int:
        """By how many contacts the connection grew since the last complete pull; 0 without one."""
        if self.there is None:
            return 0
        return self.contacts - self.absent - (self.there - self.unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was examined and what was not.

    Args:
        sources: One per connection.
        quarantined: (connection, reason, how many records) that could not be read.
        set_aside: (connection, reason, how many changes) that the CRM did not take.
        withheld: (reason, how many changes) that the last plan left out.
        left_out: (what, how many contacts) that a rule could not examine.
        skipped: (`connection: field` that it lacks, how many rules are not run there).
        broken: What is wrong with the rules on disk, so that the last good ones run on, or None.
        missed: (connection, how many contacts) that full reads since the last report brought and
            reading changes should have brought before.
        unsettled: Changes whose fate the CRM has not told yet.
        refused: Changes the CRM refused since the last report.
        conflicts: Changes not made because somebody had edited the record.
        scanned_at: When the rules last ran, or None.
        halts: What stops writing now.
        restored: Connections not written to until what a restored copy forgot is known.
    """

    sources: tuple[Source, ...] = ()
    quarantined: tuple[tuple[str, str, int], ...] = ()
    set_aside: tuple[tuple[str, str, int], ...] = ()
    withheld: tuple[tuple[str, int], ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()
    skipped: tuple[tuple[str, int], ...] = ()
    broken: Broken | None = None
    missed: tuple[tuple[str, int], ...] = ()
    unsettled: int = 0
    refused: int = 0
    conflicts: int = 0
    scanned_at: datetime | None = None
    halts: tuple[Halt, ...] = ()
    restored: tuple[str, ...] = ()

    @property
    def troubled(self) -> tuple[Source, ...]:
        """The connections that need a look."""
        return tuple(source for source in self.sources if source.trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """One week, for one reader or many.

    Args:
        week: The period it is sent for.
        since: The moment of the last report.
        until: What it knows goes up to here.
        zone: The time zone of the reader.
        figures: Health figures; the first is the headline.
        movement: How findings moved.
        sleep: Which are snoozed.
        rules: What each rule found, worst first.
        edits: What edits of rules did.
        connections: Which connections have most findings, most first.
        owners: Who has most to do, most first.
        more_owners: Owners that are not in `owners`.
        countries: Where the contacts with findings live.
        concerned: Whom findings concern, all owners and countries.
        tasks: What became of the tasks that were made.
        fixes: What was changed, newest first.
        decision: The open plan, or None.
        twins: The duplicates.
        coverage: What was examined.
        quotas: What was used of the CRMs' quotas, by connection, most calls first.
        consents: What can be shown of consents, what ends, whose no is heeded.
        retention: What falls due this month and the next.
        protection: Erasures, and edits of the register.
        hygiene: What free text holds, and which fields could be lists.
        reminders: What comes round again, and what of it is overdue.
    """

    week: Week
    since: datetime
    until: datetime
    zone: tzinfo
    figures: tuple[Figure, ...]
    movement: Movement
    sleep: Sleep = Sleep()
    rules: tuple[RuleShare, ...] = ()
    edits: RuleEdits = field(default_factory=RuleEdits)
    connections: tuple[ConnectionShare, ...] = ()
    owners: tuple[OwnerShare, ...] = ()
    more_owners: int = 0
    countries: Countries = field(default_factory=Countries)
    concerned: Concerned = field(default_factory=Concerned, metadata=LISTED)
    tasks: Tasks = field(default_factory=Tasks)
    fixes: tuple[Fixes, ...] = ()
    decision: Decision | None = None
    twins: Twins = field(default_factory=Twins)
    coverage: Coverage = Coverage()
    quotas: tuple[QuotaUse, ...] = ()
    consents: Consents = field(default_factory=Consents)
    retention: Retention = field(default_factory=Retention)
    protection: Protection = field(default_factory=Protection)
    hygiene: Hygiene = field(default_factory=Hygiene)
    reminders: tuple[Recurring, ...] = ()
