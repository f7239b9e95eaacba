"""What the report says of consents and objections, read from a mirror that the shipped rules scanned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import (
    Channel,
    Consent,
    ConsentStatus,
    Contact,
    Email,
    Phone,
    PhoneKind,
    PlannedChange,
    PostalAddress,
    RecordRef,
    SuppressChannel,
)
from crm_steward.report import as_document, collect
from crm_steward.report.consent import Consents, Ending, Ground, Share
from crm_steward.rules import (
    Duration,
    RuleBook,
    load_register,
    load_rules,
    pack_path,
    shipped_register,
)
from crm_steward.scan import scan
from crm_steward.settings import Settings
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.journal import Journal, State, intent_of
from crm_steward.store.lease import hold
from crm_steward.store.mirror import Mirror

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
SEEN = NOW - timedelta(days=5)
SETTINGS = Settings(timezone=ZoneInfo("UTC"), language="en")
PERIODS = load_register(shipped_register()).periods
PROOF = {"given_at": datetime(2025, 1, 2, tzinfo=UTC), "how": "form", "text_version": "1"}


def book(*names: str) -> RuleBook:
    """Return shipped packs, with the shipped register."""
    return load_rules([pack_path(name) for name in names], periods=PERIODS)


def person(ref: str, email: str = "", *said: Consent, **values: Any) -> Contact:
    """Return an invented contact."""
    emails = (Email(email),) if email else ()
    return Contact(ref=RecordRef.parse(ref), emails=emails, consents=said, **values)


def consent(channel: Channel, status: ConsentStatus, **values: Any) -> Consent:
    """Return what somebody said."""
    return Consent(channel=channel, status=status, **values)


def mirrored(database: Database, people: Iterable[Contact], *, at: datetime = NOW) -> None:
    """Put people into the mirror, each connection read to its end."""
    held = list(people)
    mirror = Mirror(database)
    for name in sorted({one.ref.connection for one in held}):
        these = tuple(one for one in held if one.ref.connection == name)
        page = Page(cursor=Cursor("1"), contacts=these, complete=True)
        mirror.save_page(name, "hubspot", page, now=at, full=True)
        mirror.note(name, "hubspot", last_full_at=at, last_success_at=at, last_attempt_at=at)


def consents_of(database: Database, rules: RuleBook, now: datetime = NOW) -> Consents:
    """Return what the report says of consents."""
    return collect(database, SETTINGS, rules, now=now).consents


GRANTED = ConsentStatus.GRANTED
WITHDRAWN = ConsentStatus.WITHDRAWN


def test_shares_by_connection_and_channel(database: Database) -> None:
    """What stands and what can be shown of it, on channels with and without columns of their own."""
    email, sms, post = Channel.EMAIL, Channel.SMS, Channel.POST
    mobile = (Phone("+33612345678", PhoneKind.MOBILE),)
    home = PostalAddress(street="1 rue des Lilas")
    proven = {**PROOF, "source": "web"}
    mirrored(
        database,
        [
            person("a:1", "ada@example.org", consent(email, GRANTED, **proven)),
            person("a:2", "bea@example.org", consent(email, GRANTED, **PROOF)),
            person("a:3", "cy@example.org", consent(email, WITHDRAWN, **proven)),
            person("a:4", "", consent(sms, GRANTED, **proven), phones=mobile),
            person("a:5", "", consent(sms, GRANTED, **PROOF), phones=mobile),
            person("b:1", "dan@example.org", consent(email, ConsentStatus.SOFT_OPT_IN)),
            person("b:2", "", consent(post, GRANTED, **proven), address=home),
        ],
    )
    assert consents_of(database, RuleBook(())).shares == (
        Share(connection="a", channel=email, standing=2, provable=1),
        Share(connection="a", channel=sms, standing=2, provable=1),
        Share(connection="b", channel=email, standing=1, provable=0),
        Share(connection="b", channel=post, standing=1, provable=1),
    )


def test_consents_that_end_within_a_month(database: Database) -> None:
    """Ended, ending and lasting ones are told apart by the register's lengths, each counted once."""
    implied = ConsentStatus.IMPLIED

    def bought(ref: str, given_at: datetime) -> Contact:
        said = consent(Channel.EMAIL, implied, basis="purchase", given_at=given_at)
        return person(ref, f"{ref[-1]}@example.org", said, address=PostalAddress(country="CA"))

    def german(ref: str, given_at: datetime) -> Contact:
        said = consent(Channel.EMAIL, GRANTED, given_at=given_at)
        return person(ref, f"{ref[-1]}@example.org", said, address=PostalAddress(country="DE"))

    mirrored(
        database,
        [
            bought("a:1", datetime(2024, 11, 1, tzinfo=UTC)),  # ended
            bought("a:2", datetime(2024, 11, 20, tzinfo=UTC)),
            bought("a:3", datetime(2024, 12, 15, tzinfo=UTC)),
            bought("a:4", datetime(2025, 1, 10, tzinfo=UTC)),  # within the rule's 60 days only
            german("a:5", datetime(2024, 12, 1, tzinfo=UTC)),  # two years on 1 December
            german("a:6", datetime(2022, 12, 1, tzinfo=UTC)),  # four years on 1 December
        ],
    )
    two, four = Duration(24, "month"), Duration(48, "month")
    assert consents_of(database, book("casl", "consent-de")).ending == tuple(
        Ending(
            channel=Channel.EMAIL,
            ground=ground,
            length=length,
            count=len(numbers),
            records=tuple(RecordRef("a", number) for number in numbers),
        )
        for ground, length, numbers in (
            (Ground.PURCHASE, two, "23"),
            (Ground.ASK, two, "5"),
            (Ground.UNUSED, four, "6"),
        )
    )


def test_connections_that_contradict_each_other(database: Database) -> None:
    """People whose consents differ are counted, and those who said no where another may write."""
    email = Channel.EMAIL
    mirrored(
        database,
        [
            person("a:1", "ada@example.org", consent(email, GRANTED)),
            person("b:1", "Ada@example.org", consent(email, WITHDRAWN)),
            person("a:2", "bea@example.org", consent(email, GRANTED)),
            person("b:2", "bea@example.org", consent(email, ConsentStatus.SOFT_OPT_IN)),
            person("a:3", "cy@example.org", consent(email, GRANTED)),
            person("b:3", "cy@example.org", consent(email, GRANTED)),
            person("a:4", "dan@example.org", consent(email, GRANTED)),
            person("a:5", "dan@example.org", consent(email, WITHDRAWN)),  # in one connection
        ],
    )
    found = consents_of(database, RuleBook(())).apart
    (apart,) = found
    assert (apart.channel, apart.people, apart.opposed) == (email, 2, 1)
    assert [(str(one.record), one.status, one.opposed) for one in apart.records] == [
        ("a:1", "granted", True),
        ("b:1", "withdrawn", True),
        ("a:2", "granted", False),
        ("b:2", "soft_opt_in", False),
    ]
    assert [one.person for one in apart.records] == [1, 1, 2, 2]


def _refused(
    database: Database, rules: RuleBook, *numbers: int, at: datetime, **place: Any
) -> None:
    """Let people refuse in one connection what another may still do, and let the rules see it."""
    people = []
    for number in numbers:
        address = f"p{number}@example.org"
        no = consent(Channel.EMAIL, WITHDRAWN, withdrawn_at=at)
        people.append(person(f"a:{number}", address, no, **place))
        people.append(person(f"b:{number}", address, consent(Channel.EMAIL, GRANTED), **place))
    mirrored(database, people, at=at)
    scan(database, rules, clock=lambda: at)


def _suppress(database: Database, ref: str, at: datetime) -> None:
    """Write, and let the CRM confirm, what the rule asks for."""
    standing = Findings(database).open("consent-email-contradicted")
    found = [one.finding for one in standing if RecordRef.parse(ref) in one.finding.refs]
    change = SuppressChannel(
        ref=RecordRef.parse(ref), channel=Channel.EMAIL, address="", reason="refused elsewhere"
    )
    planned = PlannedChange(
        change=change, rule="consent-email-contradicted", finding=found[0].fingerprint
    )
    intent = intent_of(
        change,
        key=planned.key,
        run="apply-1",
        plan="p",
        rule=planned.rule,
        finding=planned.finding,
        at=at,
    )
    with hold(database) as lease:
        done = replace(intent, state=State.VERIFIED, change=None)
        Journal(database).append([intent, done], lease)


def test_objections_heeded_and_open(database: Database) -> None:
    """The delay of the rules is measured from the first sight to the confirmation; the rest waits."""
    rules = book("consent-eu")
    _refused(database, rules, 1, 2, 3, 4, at=SEEN)
    _suppress(database, "b:1", SEEN + timedelta(days=1))
    _suppress(database, "b:2", SEEN + timedelta(days=3))
    # Somebody wrote the third no into the CRM by hand.
    by_hand = person("b:3", "p3@example.org", consent(Channel.EMAIL, WITHDRAWN))
    mirrored(database, [by_hand], at=NOW)
    scan(database, rules, clock=lambda: NOW - timedelta(hours=1))
    found = consents_of(database, rules).objections
    delay = found.delays[0]
    assert (delay.length, delay.by) == (Duration(2, "day"), "consent-email-objection-late")
    assert (delay.heeded, delay.in_time, delay.unknown) == (3, 1, 0)
    # What a CRM confirmed waits for nobody, though the mirror has not read it back yet.
    assert (found.open, found.late) == (1, 1)
    worst = found.worst[0]
    assert (worst.days, worst.due, worst.late) == (5, SEEN + timedelta(days=2), True)
    assert (worst.person.connection, worst.person.id) == ("b", "4")
    assert [replace(one, person=worst.person) for one in found.listed] == [worst]


def test_what_was_heeded_is_told_once(database: Database) -> None:
    """A suppression of last week that a scan of this week saw is not heeded a second time."""
    rules = book("consent-eu")
    early = NOW - timedelta(days=9)
    _refused(database, rules, 1, at=early)
    _suppress(database, "b:1", early + timedelta(hours=1))
    mirrored(database, [person("b:1", "p1@example.org", consent(Channel.EMAIL, WITHDRAWN))], at=NOW)
    scan(database, rules, clock=lambda: NOW)
    assert consents_of(database, rules).objections.delays == ()
    before = collect(
        database,
        SETTINGS,
        rules,
        now=NOW,
        week=collect(database, SETTINGS, rules, now=NOW).week.shifted(-1),
    )
    assert [one.heeded for one in before.consents.objections.delays] == [1]


@pytest.mark.parametrize(("country", "days"), [("FR", 2), ("CA", 14)])
def test_the_delay_is_the_one_that_applies(database: Database, country: str, days: int) -> None:
    """Who is where decides; of a channel for which no rule gives a delay, the register says it."""
    rules = book("casl", "consent-eu") if country == "FR" else _canadian()
    _refused(database, rules, 1, at=SEEN, address=PostalAddress(country=country))
    worst = consents_of(database, rules).objections.worst[0]
    assert worst.due == SEEN + timedelta(days=days)
    silent = replace(rules, rules=tuple(r for r in rules.rules if not r.id.endswith("-late")))
    assert consents_of(database, silent).objections.worst[0].due == datetime(
        2026, 12, 11, 8, tzinfo=UTC
    )
    alone = replace(silent, periods={})
    assert consents_of(database, alone).objections.worst[0].due is None


def _canadian() -> RuleBook:
    """Return the rules without the delay of mailbox providers, which is shorter everywhere."""
    rules = book("casl", "consent-eu")
    kept = (rule for rule in rules.rules if rule.id != "consent-email-objection-late")
    return replace(rules, rules=tuple(kept))


def test_the_document_names_no_address(database: Database) -> None:
    """What other programs get has records, lengths as people write them, and no e-mail."""
    rules = book("consent-eu")
    _refused(database, rules, 1, at=SEEN)
    held = as_document(collect(database, SETTINGS, rules, now=NOW))["consents"]
    assert held["objections"]["worst"][0]["person"]["id"] == "1"
    assert "example.org" not in str(held)
