"""The weekly digest for one owner: what waits in their own records, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import cache
from typing import Any

import sqlalchemy as sa

from crm_steward.connect.protocol import Owner
from crm_steward.report.ahead import Ahead, Coming, ahead, coming
from crm_steward.report.collect import period, titles_of
from crm_steward.report.digest import Movement, RuleShare, Titles
from crm_steward.report.findings import Names, movement, rule_shares
from crm_steward.report.fitting import EXAMPLES, LARGEST, first_fitting
from crm_steward.report.followed import telling
from crm_steward.report.listing import LISTED
from crm_steward.report.pages import environment, inlined
from crm_steward.report.phrasing import LINES, bounds, phrasing
from crm_steward.report.render import Mail, by_kind, shown_alike, title, undoable
from crm_steward.report.retention import Due, Retention
from crm_steward.report.todo import Shared, Task, ToDo, shared, to_do, written
from crm_steward.report.weeks import Week
from crm_steward.report.words import Words
from crm_steward.rules import RuleBook
from crm_steward.settings import Recipient, Settings
from crm_steward.settings.values import wire_address
from crm_steward.store.database import Database
from crm_steward.store.owners import known_owners

_RULES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerDigest:
    """One week of one owner.

    Args:
        week: The period it is sent for.
        since: The moment of the last report.
        until: What it knows goes up to here.
        zone: The time zone of the reader.
        movement: How findings in their records moved.
        rules: What each rule found there, worst first; no other records are named.
        tasks: What became of their tasks.
        written: Kind of change → how many of them we made in their records.
        coming: What waits for a decision about their records, and what ends in them.
        titles: What each rule is called, language → text.
    """

    week: Week
    since: datetime
    until: datetime
    zone: tzinfo
    movement: Movement
    rules: tuple[RuleShare, ...]
    tasks: ToDo = field(default_factory=ToDo)
    written: Mapping[str, int] = field(default_factory=dict)
    coming: Coming = field(default_factory=Coming)
    titles: Mapping[str, Titles] = field(default_factory=dict, metadata=LISTED)

    @property
    def silent(self) -> bool:
        """Whether there is nothing to tell: nothing is open, was put right or comes up."""
        moved = self.movement
        return not (moved.open or moved.resolved or self.tasks.open) and self.coming.empty


@dataclass(frozen=True, slots=True)
class Known:
    """What is read once for the digests of all owners."""

    shared: Shared
    ahead: Ahead


def addressed(database: Database, settings: Settings) -> tuple[Recipient, ...]:
    """Return which owners get a digest of their own records.

    A person may be an owner in several CRMs: the address tells that they are one. Those who left
    (inactive in the CRM) get none unless the settings name them.
    """
    wanted = settings.report.owners
    if wanted == "off":
        return ()
    if wanted != "all":
        return wanted
    with database.read() as reading:
        known = _known(reading, settings)
    return tuple(
        Recipient(address=address)
        for address, owners in known.items()
        if any(owner.active for _, owner in owners)
    )


def _known(reading: sa.Connection, settings: Settings) -> dict[str, list[tuple[str, Owner]]]:
    """Return the owners that CRMs tell an address of, by that, each with its connection."""
    found: dict[str, list[tuple[str, Owner]]] = {}
    for (connection, _), owner in known_owners(reading).items():
        address = _address(owner.email) if connection in settings.connections else ""
        if address:
            found.setdefault(address, []).append((connection, owner))
    return found


def _address(text: str) -> str:
    """Return an address as mail servers take it; empty where it is none."""
    try:
        return wire_address(text).casefold()
    except ValueError:
        return ""


def collect_owner(
    database: Database,
    settings: Settings,
    book: RuleBook,
    address: str,
    *,
    week: Week | None = None,
    now: datetime,
    known: Callable[[], Known] | None = None,
) -> OwnerDigest | None:
    """Read what waits at the owner that CRMs know by this address.

    Args:
        database: The store.
        settings: Time zone, report day, how people are named.
        book: The rules: their titles, and when consents and periods end.
        address: The owner's.
        week: Which; None for the current one. Of an earlier one, as `collect` has it.
        now: The time.
        known: Returns what `read_shared` has read, for the digests of several owners.

    Returns:
        The digest; None when no CRM names an owner with that address.

    Raises:
        InputError: The week has not begun.
    """
    week, since, until = period(settings, week, now)
    with database.read() as reading:
        if not _known(reading, settings).get(address.strip().casefold()):
            return None
    # Before the read below: a second transaction inside one can wait for a writer that waits for it.
    read = (known or read_shared(database, settings, book, week, now))()
    with database.read() as reading:
        same = _known(reading, settings).get(address.strip().casefold(), ())
        owned = [(connection, owner.id) for connection, owner in same]
        names, titles = Names(reading, settings.report.names), titles_of(book)
        return OwnerDigest(
            week=week,
            since=since,
            until=until,
            zone=settings.timezone,
            movement=movement(reading, since, until, owned=owned),
            rules=rule_shares(reading, names, titles, since, until, owned=owned),
            tasks=to_do(
                read.shared,
                owned,
                names,
                telling(settings),
                (since, until),
                now=now,
                zone=settings.timezone,
            ),
            written=written(read.shared, owned),
            coming=coming(read.ahead, owned, names, titles),
            titles=titles,
        )


def read_shared(
    database: Database, settings: Settings, book: RuleBook, week: Week | None, now: datetime
) -> Callable[[], Known]:
    """Return what reads, when it is first asked for, what the digests of all owners rest on."""

    @cache
    def read() -> Known:
        _, since, until = period(settings, week, now)
        later = ahead(database, settings, book, now, until)
        with database.read() as reading:
            return Known(
                shared(reading, Names(reading, settings.report.names), since, until, now), later
            )

    return read


def render_owner(digest: OwnerDigest, language: str) -> Mail:
    """Put an owner's digest into words and colours."""
    words = Words(language, digest.zone)
    headline = _headline(digest, words)
    page: dict[str, Any] = {
        **shown_alike(words),
        "d": digest,
        "headline": headline,
        "rules": digest.rules[:_RULES],
        "more_rules": digest.rules[_RULES:],
        "rule_title": lambda rule: title(digest.titles.get(rule, {"en": rule}), words),
        "by_kind": lambda counts: by_kind(counts, words),
        "undoable": lambda item: undoable(item.kind, item.reversibility),
        "falls": lambda one: _falls(one, digest.coming.retention, words),
        "soonest": lambda one: [record for _, record in one.records],
        "most_waiting": LINES,
        "first": False,  # what is new is new to the owner, whether or not it is the first report
        **phrasing(words),
        **bounds(LINES),
        "when": lambda task: _when(task, words),
        "most": max((rule.movement.open for rule in digest.rules), default=0),
    }
    return Mail(
        subject=words("owner.subject", week=str(digest.week.number), headline=headline),
        html=_fitting(page),
        text=environment().get_template("owner.txt").render(page),
    )


def _fitting(page: dict[str, Any]) -> str:
    """Return the HTML with as many examples as fit into a mail; the text part shows them all."""

    def shortened(examples: int) -> str | None:
        shorter = [replace(rule, examples=rule.examples[:examples]) for rule in page["rules"]]
        html = environment().get_template("owner.html").render({**page, "rules": shorter})
        html = inlined(html)
        return html if len(html.encode()) <= LARGEST else None

    html = first_fitting(range(EXAMPLES, -1, -1), shortened)
    if html is None:
        raise ValueError("the digest of an owner does not fit into a mail")
    return html


def _headline(digest: OwnerDigest, words: Words) -> str:
    moved = digest.movement
    fresh = moved.new + moved.reopened
    if fresh:
        return words("owner.new", n=fresh, open=moved.open)
    if moved.open:
        return words("owner.open", n=moved.open)
    if digest.tasks.open:
        return words("owner.tasks.open", n=digest.tasks.open)
    if not moved.resolved:
        return words("owner.coming")
    return words("owner.resolved", n=moved.resolved)


def _when(task: Task, words: Words) -> str:
    if task.due is None:
        return words("owner.tasks.any")
    key = "owner.tasks.late" if task.overdue else "owner.tasks.due"
    return words(key, day=words.on(task.due))


def _falls(one: Due, retention: Retention, words: Words) -> str:
    """Return how many records reach the end of a period, and when."""
    counts = (one.past, one.this_month, one.next_month)
    told = [
        words.either("{when}: {n}", "{when} : {n}", when=_place(place, retention, words), n=n)
        for place, n in enumerate(counts)
        if n
    ]
    return words.listed(told)


def _place(number: int, retention: Retention, words: Words) -> str:
    """Return when a period ends: over, this month, or the next."""
    month = (None, retention.this_month, retention.next_month)[number]
    return words("owner.coming.past") if month is None else words.month(month)
