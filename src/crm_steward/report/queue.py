"""Writes each week's mails into the outbox: once per week and recipient."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial

import sqlalchemy as sa

from crm_steward.model import Clock, ConfigError, Problem
from crm_steward.report.collect import collect, current_week
from crm_steward.report.digest import Digest
from crm_steward.report.message import compose, message_id
from crm_steward.report.officer import render_officer
from crm_steward.report.owners import (
    addressed,
    collect_owner,
    read_shared,
    render_owner,
)
from crm_steward.report.render import Mail, render
from crm_steward.report.turns import in_turn
from crm_steward.report.workbook import file_name, workbook
from crm_steward.rules import RuleBook
from crm_steward.settings import Recipient, Settings
from crm_steward.settings.values import wire_address
from crm_steward.store.database import Database, upsert
from crm_steward.store.epoch import unnoticed
from crm_steward.store.forgotten import Forgotten
from crm_steward.store.lease import hold
from crm_steward.store.outbox import Outbox
from crm_steward.store.tables import connections, meta, runs

_FIRST_LOOK = timedelta(hours=24)
"""How long a new installation may take to look at its contacts before it reports that it has not."""


def queue_weekly(database: Database, settings: Settings, book: RuleBook, now: datetime) -> int:
    """Queue this week's report and its digests for whoever is to get them and has not.

    The week is the last one whose moment (`report.day` and `report.at` in local time) has come, so
    that a service that was down catches up, and nothing is ever due twice. After an older copy of
    the database was put in place, the report of that week waits for a person. A report that found
    nothing is queued too: silence would not tell a clean base from a dead service. Only a new
    installation waits for its first scan, for a day at most.

    Returns:
        How many mails were queued.

    Raises:
        ConfigError: A recipient or the sender is not an address.
    """
    if settings.mail is None or _too_early(database, now):
        return 0
    if may_have_left(database, settings, now):
        return 0
    recipients, queued = settings.report.recipients, list[str]()
    digest = read_once(database, settings, book, now)

    def report() -> None:
        if recipients:
            queued.extend(queue(database, settings, book, recipients, now, digest=digest))

    def digests() -> None:
        queued.extend(queue_digests(database, settings, book, now, digest=digest))

    in_turn([report, digests])
    return len(queued)


def wanting(database: Database, settings: Settings, now: datetime) -> bool:
    """Return whether `queue_weekly` has something to do, without reading rules or contacts.

    Raises:
        ConfigError: A recipient or the sender is not an address.
    """
    if settings.mail is None or _too_early(database, now) or may_have_left(database, settings, now):
        return False
    week, report, sender = current_week(settings, now), settings.report, settings.mail.sender
    owners = f"{week}-owner"
    asked = {
        str(week): report.recipients,
        f"{week}-privacy": report.privacy,
        owners: addressed(database, settings),
    }
    outbox, home, silent = Outbox(database), installation(database), _silent(database, owners)

    def done(period: str, address: str) -> bool:
        return period == owners and message_id(home, period, address, sender) in silent

    return any(
        not done(period, address)
        for period, recipients in asked.items()
        for address in addresses(sender, recipients, settings.language).keys()
        - outbox.recipients(period)
    )


def read_once(
    database: Database, settings: Settings, book: RuleBook, now: datetime
) -> Callable[[], Digest]:
    """Return what reads this week's digest when it is first asked for: reading it takes seconds."""
    week = current_week(settings, now)
    return cache(lambda: collect(database, settings, book, week=week, now=now))


def may_have_left(database: Database, settings: Settings, now: datetime) -> bool:
    """Whether this week's report was due before an older copy of the database was put in place.

    Then it may have left, and the copy does not know: only a person sends it once more.
    """
    report = settings.report
    due = current_week(settings, now).due(report.day, report.at, settings.timezone)
    forgotten = Forgotten.of(database)
    return forgotten is not None and forgotten.hides(due, now)


def notice_copy(database: Database, clock: Clock) -> None:
    """See whether the database is an older copy that was put there by hand, before mails leave it.

    Raises:
        BusyError: It is, and somebody else is at work on it.
        StoreError: The database, or the file beside it, cannot be read or written.
    """
    if unnoticed(database):
        with hold(database, clock=clock):
            """Whoever takes it finds out."""


def queue(
    database: Database,
    settings: Settings,
    book: RuleBook,
    recipients: Sequence[Recipient],
    now: datetime,
    *,
    digest: Callable[[], Digest] | None = None,
) -> list[str]:
    """Queue this week's report for those of `recipients` who have none yet.

    Args:
        database: The store.
        settings: The mail server, the language, the report's day.
        book: The rules, for their titles.
        recipients: Who gets it.
        now: The time.
        digest: What gives this week's digest, where it serves for others, too.

    Returns:
        Their addresses.

    Raises:
        ConfigError: There is no mail server, or a recipient or the sender is not an address.
    """
    week, read = current_week(settings, now), digest or read_once(database, settings, book, now)

    @cache
    def in_language(language: str) -> Mail:
        mail = render(read(), language)
        if not settings.report.workbook:
            return mail
        content = workbook(database, settings, book, read(), language)
        return replace(mail, attached={file_name(read()): content})

    def mail(_: str, language: str) -> Mail:
        return in_language(language)

    return _post(database, settings, str(week), recipients, mail=mail, now=now)


def queue_digests(
    database: Database,
    settings: Settings,
    book: RuleBook,
    now: datetime,
    *,
    digest: Callable[[], Digest] | None = None,
) -> list[str]:
    """Queue this week's digests, of data protection and of owners' records, for those who have none.

    Args:
        database: The store.
        settings: The mail server, who gets which digest.
        book: The rules, for their titles.
        now: The time.
        digest: As of `queue`.

    Returns:
        To whom, once for each digest.

    Raises:
        ConfigError: There is no mail server, or a recipient or the sender is not an address.
    """
    queued: list[str] = []
    read = digest or read_once(database, settings, book, now)
    in_turn(
        [
            lambda: queued.extend(_queue_officers(database, settings, read, now)),
            lambda: queued.extend(queue_owners(database, settings, book, now)),
        ]
    )
    return queued


def _queue_officers(
    database: Database, settings: Settings, digest: Callable[[], Digest], now: datetime
) -> list[str]:
    """Queue the digest of data protection for those who watch over it, and return their addresses."""
    week, officers = current_week(settings, now), settings.report.privacy

    @cache
    def in_language(language: str) -> Mail:
        return render_officer(digest(), language)

    def mail(_: str, language: str) -> Mail:
        return in_language(language)

    if not officers:
        return []
    return _post(database, settings, f"{week}-privacy", officers, mail=mail, now=now)


def queue_owners(
    database: Database, settings: Settings, book: RuleBook, now: datetime
) -> list[str]:
    """Queue this week's digest for those owners who have none yet and have something to look at.

    Who has nothing on the day of the report is left alone until the next one: what comes up in
    between makes no mail in the midst of the week.

    Returns:
        Their addresses.

    Raises:
        ConfigError: There is no mail server, or the sender is not an address.
    """
    week, owners = current_week(settings, now), addressed(database, settings)
    if not owners:
        return []
    period, home, sender = f"{week}-owner", installation(database), sender_of(settings)
    silent, known_of_all = (
        _silent(database, period),
        read_shared(database, settings, book, week, now),
    )
    known = len(silent)

    def mail(address: str, language: str) -> Mail | None:
        # The name of the mail that is not sent: it says nothing of whose it is.
        name = message_id(home, period, address, sender)
        if name in silent:
            return None
        digest = collect_owner(
            database, settings, book, address, week=week, now=now, known=known_of_all
        )
        if digest is None:
            return None
        if digest.silent:
            silent.add(name)
            return None
        return render_owner(digest, language)

    try:
        return _post(database, settings, period, owners, mail=mail, now=now)
    finally:
        if len(silent) > known:
            _keep_silent(database, period, silent)


_SILENT = "silent owners"
"""The key in `meta` of the mails that owners do not get this week: there was nothing to look at."""


def _silent(database: Database, period: str) -> set[str]:
    with database.read() as reading:
        said = reading.execute(sa.select(meta.c.value).where(meta.c.key == _SILENT)).scalar()
    kept = json.loads(said) if said else {}
    return set(kept["mails"]) if kept.get("period") == period else set()


def _keep_silent(database: Database, period: str, mails: Iterable[str]) -> None:
    value = json.dumps({"period": period, "mails": sorted(mails)})
    with database.write() as writing:
        writing.execute(upsert(database, meta, ["key"]), {"key": _SILENT, "value": value})


def _post(
    database: Database,
    settings: Settings,
    period: str,
    recipients: Sequence[Recipient],
    *,
    mail: Callable[[str, str], Mail | None],
    now: datetime,
) -> list[str]:
    """Queue the mail of a period for those who have none yet, and return their addresses.

    Args:
        database: The store.
        settings: The mail server, the language.
        period: What the mail is of: to each recipient there is one.
        recipients: Who gets one.
        mail: Address, language → the mail, or None where there is nothing to say.
        now: The time.
    """
    sender = sender_of(settings)
    wanted = addresses(sender, recipients, settings.language)
    outbox, home = Outbox(database), installation(database)
    have, queued = outbox.recipients(period), list[str]()

    def post(address: str, language: str) -> None:
        content = mail(address, language)
        if content is None:
            return
        name = message_id(home, period, address, sender)
        message = compose(
            content, sender=sender, recipient=address, message_id=name, language=language, now=now
        )
        if outbox.add(
            id=name,
            period=period,
            recipient=address,
            subject=content.subject,
            message=message,
            now=now,
        ):
            queued.append(address)

    # A mail that cannot be made keeps nobody from theirs.
    in_turn(
        partial(post, address, language)
        for address, language in wanted.items()
        if address not in have
    )
    return queued


def sender_of(settings: Settings) -> str:
    """Return who sends the mails.

    Raises:
        ConfigError: There is no mail server.
    """
    if settings.mail is None:
        raise ConfigError([Problem("no mail server is configured.", hint="Add a `mail:` block.")])
    return settings.mail.sender


def addresses(sender: str, recipients: Iterable[Recipient], language: str) -> dict[str, str]:
    """Return to which addresses mails go, each with its language.

    Args:
        sender: Who sends them.
        recipients: To whom.
        language: Of those who have none of their own.

    Raises:
        ConfigError: A recipient or the sender is not an address.
    """
    _address(sender.rpartition("<")[2].rstrip("> "), "mail.sender")
    return {
        _address(one.address, "report.recipients"): one.language or language for one in recipients
    }


def _address(text: str, where: str) -> str:
    try:
        return wire_address(text)
    except ValueError as error:
        raise ConfigError([Problem(f"an entry is {error}.", where=where)]) from error


def installation(database: Database) -> str:
    """Return the random id of this database."""
    query = sa.select(meta.c.value).where(meta.c.key == "installation")
    with database.read() as reading:
        return str(reading.execute(query).scalar_one())


def _too_early(database: Database, now: datetime) -> bool:
    """Whether a new installation has not had the time to look at anything yet."""
    scanned = sa.select(sa.func.count()).where(runs.c.verb == "scan", runs.c.status == "done")
    begun = sa.select(sa.func.min(runs.c.started_at))
    known = sa.select(sa.func.min(connections.c.last_attempt_at))
    with database.read() as reading:
        if reading.execute(scanned).scalar_one():
            return False
        moments = [reading.execute(begun).scalar(), reading.execute(known).scalar()]
    first = min((moment for moment in moments if moment), default=now)
    return now - first < _FIRST_LOOK
