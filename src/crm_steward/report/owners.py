"""The weekly digest for one owner: what waits in their own records, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

import sqlalchemy as sa

from crm_steward.report.collect import period, titles_of
from crm_steward.report.digest import Movement, RuleShare
from crm_steward.report.findings import Names, Owned, movement, rule_shares
from crm_steward.report.message import wire_address
from crm_steward.report.pages import environment, inlined
from crm_steward.report.render import EXAMPLES, LARGEST, Mail, shown_alike
from crm_steward.report.weeks import Week
from crm_steward.report.words import Words
from crm_steward.rules import RuleBook
from crm_steward.settings import Recipient, Settings
from crm_steward.store.database import Database
from crm_steward.store.tables import connections

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
    """

    week: Week
    since: datetime
    until: datetime
    zone: tzinfo
    movement: Movement
    rules: tuple[RuleShare, ...]

    @property
    def silent(self) -> bool:
        """Whether there is nothing to tell: nothing is open and nothing was put right."""
        return not (self.movement.open or self.movement.resolved)


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
        if any(active for _, _, active in owners)
    )


def _ids(owners: Iterable[tuple[str, str, bool]]) -> Owned:
    return [(connection, owner) for connection, owner, _ in owners]


def _known(reading: sa.Connection, settings: Settings) -> dict[str, list[tuple[str, str, bool]]]:
    """Return the owners that CRMs tell an address of: connection, id there, whether active."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    c = connections.c
    query = sa.select(c.connection, c.account).order_by(c.connection)
    for connection, account in reading.execute(query):
        owners = account.get("owners") if isinstance(account, dict) else None
        if connection not in settings.connections or not isinstance(owners, dict):
            continue
        for owner, about in owners.items():
            address = _address(about)
            if address:
                active = about.get("active", True) is not False
                found.setdefault(address, []).append((connection, str(owner), active))
    return found


def _address(about: object) -> str:
    """Return an owner's address as mail servers take it; empty where the CRM tells none."""
    text = about.get("email") if isinstance(about, dict) else None
    try:
        return wire_address(text).casefold() if isinstance(text, str) else ""
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
) -> OwnerDigest | None:
    """Read what waits at the owner that CRMs know by this address.

    Args:
        database: The store.
        settings: Time zone, report day, how people are named.
        book: The rules, for their titles.
        address: The owner's.
        week: Which; None for the current one. Of an earlier one, as `collect` has it.
        now: The time.

    Returns:
        The digest; None when no CRM names an owner with that address.

    Raises:
        InputError: The week has not begun.
    """
    week, since, until = period(settings, week, now)
    with database.read() as reading:
        owned = _ids(_known(reading, settings).get(address.strip().casefold(), ()))
        if not owned:
            return None
        names, titles = Names(reading, settings.report.names), titles_of(book)
        return OwnerDigest(
            week=week,
            since=since,
            until=until,
            zone=settings.timezone,
            movement=movement(reading, since, until, owned=owned),
            rules=rule_shares(reading, names, titles, since, until, owned=owned),
        )


def render_owner(digest: OwnerDigest, language: str) -> Mail:
    """Put an owner's digest into words and colours."""
    words = Words(language, digest.zone)
    headline = _headline(digest, words)
    page: dict[str, Any] = {
        **shown_alike(words),
        "d": digest,
        "headline": headline,
        "first": False,  # what is new is new to the owner, whether or not it is the first report
        "rules": digest.rules[:_RULES],
        "more_rules": digest.rules[_RULES:],
        "most": max((rule.movement.open for rule in digest.rules), default=0),
    }
    return Mail(
        subject=words("owner.subject", week=str(digest.week.number), headline=headline),
        html=_fitting(page),
        text=environment().get_template("owner.txt").render(page),
    )


def _fitting(page: dict[str, Any]) -> str:
    """Return the HTML with as many examples as fit into a mail; the text part shows them all."""
    for examples in range(EXAMPLES, -1, -1):
        shorter = [replace(rule, examples=rule.examples[:examples]) for rule in page["rules"]]
        html = environment().get_template("owner.html").render({**page, "rules": shorter})
        html = inlined(html)
        if len(html.encode()) <= LARGEST:
            return html
    raise ValueError("the digest of an owner does not fit into a mail")


def _headline(digest: OwnerDigest, words: Words) -> str:
    moved = digest.movement
    fresh = moved.new + moved.reopened
    if fresh:
        return words("owner.new", n=fresh, open=moved.open)
    if moved.open:
        return words("owner.open", n=moved.open)
    return words("owner.resolved", n=moved.resolved)
