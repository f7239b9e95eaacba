"""A digest with something in every section, made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_steward.matching.explaining import Part
from crm_steward.model import Cause, Channel, Halt, RecordRef, Severity
from crm_steward.report.ahead import Coming
from crm_steward.report.consent import Apart, Consents, Ending, Ground, Share
from crm_steward.report.countries import Countries, CountryShare
from crm_steward.report.digest import (
    ConnectionShare,
    Coverage,
    Decision,
    Digest,
    Example,
    Figure,
    Fixes,
    Movement,
    OwnerShare,
    RuleShare,
    Sleep,
    Source,
    Trouble,
    Waiting,
)
from crm_steward.report.edits import RuleEdit, RuleEdits
from crm_steward.report.groups import Group, Link, Person, Twins
from crm_steward.report.hygiene import Held, Hygiene, Typed
from crm_steward.report.objections import Delay, Objections, Unheeded
from crm_steward.report.owners import OwnerDigest
from crm_steward.report.protection import Kept, PeriodEdit, Protection
from crm_steward.report.reminders import Recurring
from crm_steward.report.retention import Due, Retention
from crm_steward.report.tasks import TaskOwner, Tasks, TaskShare
from crm_steward.report.todo import Task, ToDo
from crm_steward.report.usage import QuotaUse
from crm_steward.report.weeks import Week
from crm_steward.rules import Duration
from crm_steward.store.edits import Edit
from crm_steward.store.reminders import Duty

WEEK = Week(2026, 47)
NOW = datetime(2026, 11, 16, 6, 30, tzinfo=UTC)


@pytest.fixture
def digest() -> Digest:
    """One week of a base of 12,345 contacts in two connections."""
    return sample()


@pytest.fixture
def owned(digest: Digest) -> OwnerDigest:
    """The week of one owner, with tasks that are late, due, without a date and of another's record."""
    late = NOW.date() - timedelta(days=13)
    named = replace(_person(911), name="Jeanne Dupont")
    tasks = (
        Task(person=named, rule="no-life", due=late, overdue=True),
        Task(person=None, rule="phone-format", due=NOW.date()),
        Task(person=_person(811), rule="phone-format", due=None),
    )
    return OwnerDigest(
        week=digest.week,
        since=digest.since,
        until=digest.until,
        zone=digest.zone,
        movement=digest.movement,
        rules=digest.rules,
        tasks=ToDo(created=4, done=2, open=9, overdue=1, next=tasks),
        written={"update": 3, "merge": 1},
        coming=_coming(digest),
        titles={rule.rule: rule.titles for rule in digest.rules},
    )


def _coming(digest: Digest) -> Coming:
    """Return what comes up: two changes that wait, consents and periods that end."""
    theirs = (RecordRef("hubspot-eu", "911"), RecordRef("hubspot-eu", "811"))
    assert digest.decision is not None
    (kept, *_), (ending, *_) = digest.retention.due, digest.consents.ending
    due = replace(
        kept, past=1, this_month=2, next_month=0, records=((0, theirs[0]), (1, theirs[1]))
    )
    return Coming(
        waiting=digest.decision.waiting,
        ending=(replace(ending, count=4, records=theirs),),
        retention=replace(digest.retention, due=(due,)),
        people={ref: _person(int(ref.id)) for ref in theirs},
    )


def _figure(
    name: str, *values: float | None, share: bool = True, better: str | None = "up"
) -> Figure:
    weeks = [WEEK.shifted(n - len(values) + 1) for n in range(len(values))]
    return Figure(
        name=name,
        values=dict(zip(weeks, values, strict=True)),
        share=share,
        better=better,  # type: ignore[arg-type] # up, down or None
    )


def _person(number: int, connection: str = "hubspot-eu") -> Person:
    url = f"https://app-eu1.hubspot.com/contacts/99/record/0-1/{number}"
    return Person(connection=connection, id=str(number), url=url)


def _kept(count: int, unit: str, then: str) -> Kept:
    return Kept(length=Duration(count, unit), clock="created_at", bound="at_most", then=then)


def _twins() -> Twins:
    """Return forty groups, of which three are shown: with a picture, changed since, without one."""
    parts = (
        Part(comparison="first name", level="same", bits=5.0, one_in=40),
        Part(comparison="last name", level="misspelt", bits=2.1, one_in=81),
        Part(comparison="e-mail", level="private and business", bits=0.6, one_in=2),
        Part(comparison="phone", level="same", bits=9.8, one_in=12_000),
        Part(comparison="company", level="other", bits=-2.4, one_in=1),
        Part(comparison="place, other company", level="same city", bits=1.1, one_in=110),
    )
    held = {"full_name": (1, 2, 1), "email": (1, 2, 0), "phone": (1, 1, 3), "birth_date": (0, 0, 0)}
    link = Link(
        level="same phone and similar name",
        probability=0.874,
        bits=2.8,
        against="family",
        prior=-13.3,
        steps=parts,
        others=-0.1,
    )
    group = Group(
        finding="3f9c2b7e11d04a68",
        size=5,
        probability=0.874,
        customer=True,
        acted=True,
        chained=True,
        people=(_person(501), _person(502), _person(77, "sheet")),
        held=held,
        owners=("Claire Morel", "72", ""),
        link=link,
    )
    pair = {"people": group.people[:2], "size": 2, "owners": ("", ""), "customer": False}
    pair |= {"held": {"email": (0, 2), "city": (1, 1)}}
    low = Part(comparison="last name", level="same", bits=3.5, one_in=12)
    against = replace(
        link,
        probability=0.431,
        bits=-0.4,
        prior=-3.9,
        steps=(low,),
        others=0.0,
        against="colleagues",
    )
    edited = replace(
        group, finding="a" * 16, probability=0.431, link=against, edited=True, chained=False, **pair
    )  # type: ignore[arg-type] # of many types
    unsaid = Link(level="all evidence together", probability=0.61)
    other = replace(
        group, finding="b" * 16, probability=0.61, link=unsaid, acted=False, chained=False, **pair
    )  # type: ignore[arg-type] # of many types
    return Twins(review=40, groups=(group, edited, other), sure=9, proposed=6)


def _countries() -> Countries:
    shares = (
        CountryShare(country="FR", findings=1204, serious=41, records=930),
        CountryShare(country="BE", findings=377, serious=3, records=301),
        CountryShare(country="CD", findings=1, records=1),
    )
    return Countries(
        shares=shares,
        more=7,
        rest=CountryShare(findings=88, serious=1, records=80),
        unknown=CountryShare(findings=495, records=1),
    )


def _tasks() -> Tasks:
    usual = TaskShare(
        connection="hubspot-eu",
        created=12,
        closed=2,
        done=31,
        deleted=1,
        open=84,
        overdue=9,
        unread=3,
        read_at=NOW - timedelta(hours=19),
    )
    return Tasks(
        shares=(usual, TaskShare(connection="sheet", created=4, told=False)),
        owners=(
            TaskOwner(connection="hubspot-eu", owner="71", name="Claire Morel", open=40, overdue=8),
            TaskOwner(connection="hubspot-eu", owner="72", open=22, overdue=1),
            TaskOwner(connection="hubspot-eu", owner="", open=1),
        ),
        more_owners=2,
    )


def _edits() -> RuleEdits:
    phone = {
        "en": "Phone number cannot be dialled",
        "fr": "Numéro de téléphone impossible à composer",
    }
    usual = RuleEdit(
        rule="phone-format",
        titles=phone,
        edit=Edit.EDITED,
        at=NOW - timedelta(days=5),
        opened=1071,
        resolved=12,
        open=1280,
    )
    new = {
        "en": "No sign of life for two years",
        "fr": "Aucun signe de vie depuis deux ans",
    }
    return RuleEdits(
        edits=(
            usual,
            replace(
                usual, rule="no-life", titles=new, edit=Edit.ADDED, opened=597, resolved=0, open=597
            ),
            replace(
                usual,
                rule="fax",
                titles={"en": "fax"},
                edit=Edit.REMOVED,
                opened=0,
                resolved=3,
                open=0,
            ),
        ),
        more=1,
    )


def sample() -> Digest:
    """Return the digest."""
    return Digest(
        week=WEEK,
        since=NOW - timedelta(days=7),
        until=NOW,
        zone=ZoneInfo("Europe/Paris"),
        figures=(
            _figure("clean", 0.741, 0.752, 0.759, None, 0.782, 0.79, 0.812, 0.824),
            _figure("complete", 0.62, 0.63, 0.64, 0.64, 0.66, 0.66, 0.68, 0.683),
            _figure("duplicated", 0.09, 0.088, 0.08, 0.07, 0.06, 0.06, 0.051, 0.047, better="down"),
            _figure("email_valid", 0.95, 0.95, 0.96, 0.961, 0.962, 0.963, 0.963, 0.963),
            _figure("mailable", 0.41, 0.41, 0.42, 0.42, 0.42, 0.42, 0.43, 0.421),
            _figure("provable", None, None, None, None, None, None, 0.31, 0.355),
            _figure(
                "contacts",
                11900,
                12001,
                12010,
                12100,
                12200,
                12280,
                12300,
                12345,
                share=False,
                better=None,
            ),
            _figure(
                "findings",
                3100,
                2990,
                2900,
                2870,
                2600,
                2500,
                2318,
                2173,
                share=False,
                better="down",
            ),
        ),
        movement=Movement(new=86, standing=2078, reopened=9, resolved=231),
        sleep=Sleep(snoozed=17, ending=4),
        rules=(
            RuleShare(
                rule="withdrawn-still-mailed",
                titles={
                    "en": "Consent withdrawn but still on a list",
                    "fr": "Consentement retiré mais toujours sur une liste",
                },
                severity=Severity.CRITICAL,
                movement=Movement(new=3, standing=1),
                examples=(
                    Example(
                        kind="consent",
                        people=(_person(4711),),
                        evidence={"channel": "email", "status": "withdrawn", "missing_proof": []},
                        new=True,
                    ),
                ),
            ),
            RuleShare(
                rule="same-person",
                titles={
                    "en": "Probably the same person twice",
                    "fr": "Sans doute deux fois la même personne",
                },
                severity=Severity.HIGH,
                movement=Movement(new=12, standing=280, resolved=40),
                examples=(
                    Example(
                        kind="duplicates",
                        people=(_person(501), _person(502), _person(77, "sheet")),
                        more=2,
                        evidence={"level": "same e-mail", "pairs": []},
                        new=True,
                    ),
                    Example(
                        kind="duplicates",
                        people=(_person(601), _person(602)),
                        evidence={"level": "same phone and similar name", "pairs": []},
                    ),
                ),
            ),
            RuleShare(
                rule="phone-format",
                titles={
                    "en": "Phone number cannot be dialled",
                    "fr": "Numéro de téléphone impossible à composer",
                },
                severity=Severity.MEDIUM,
                movement=Movement(new=71, standing=1200, reopened=9, resolved=191),
                examples=(
                    Example(
                        kind="format",
                        people=(_person(811),),
                        evidence={
                            "field": "phone",
                            "now": "06 12",
                            "proposed": None,
                            "problem": "too short",
                        },
                        new=True,
                    ),
                    Example(
                        kind="format",
                        people=(_person(812),),
                        evidence={
                            "field": "mobile",
                            "now": "0612345678",
                            "proposed": "+33612345678",
                            "problem": None,
                        },
                    ),
                ),
            ),
            RuleShare(
                rule="no-life",
                titles={
                    "en": "No sign of life for two years",
                    "fr": "Aucun signe de vie depuis deux ans",
                },
                severity=Severity.LOW,
                movement=Movement(standing=597),
                examples=(
                    Example(
                        kind="stale",
                        people=(_person(911),),
                        evidence={
                            "clock": "last_activity",
                            "last": "2023-03-12T10:00:00+00:00",
                            "limit": "24 months",
                        },
                    ),
                    Example(
                        kind="required",
                        people=(_person(912),),
                        evidence={"missing": ["phone", "company"]},
                    ),
                    Example(
                        kind="retention",
                        people=(_person(913),),
                        evidence={
                            "status": "ended",
                            "clock": "last_person_act",
                            "last": "2023-03-12T10:00:00+00:00",
                            "ended": "2026-03-12T10:00:00+00:00",
                            "period": "prospects",
                            "length": "36 months",
                        },
                    ),
                    Example(
                        kind="consent",
                        people=(_person(914),),
                        evidence={
                            "channel": "email",
                            "problem": "expired",
                            "status": "implied",
                            "since": "2024-10-02T10:00:00+00:00",
                            "limit": "24 months",
                        },
                    ),
                ),
            ),
        ),
        edits=_edits(),
        connections=(
            ConnectionShare(connection="hubspot-eu", findings=2_050, serious=281, records=1_460),
            ConnectionShare(connection="sheet", findings=130, records=1),
        ),
        owners=(
            OwnerShare(
                connection="hubspot-eu",
                owner="71",
                name="Claire Morel",
                findings=812,
                serious=44,
                records=604,
            ),
            OwnerShare(
                connection="hubspot-eu", owner="72", name="", findings=530, serious=0, records=512
            ),
            OwnerShare(connection="sheet", owner="", findings=120, serious=2, records=1),
        ),
        more_owners=14,
        countries=_countries(),
        tasks=_tasks(),
        fixes=(
            Fixes(
                run="apply-20261112-a1b2c3",
                at=NOW - timedelta(days=4),
                by_kind={"update": 118, "task": 12},
                by_rule=(
                    (
                        "phone-format",
                        {
                            "en": "Phone number cannot be dialled",
                            "fr": "Numéro de téléphone impossible à composer",
                        },
                        118,
                    ),
                    (
                        "same-person",
                        {
                            "en": "Probably the same person twice",
                            "fr": "Sans doute deux fois la même personne",
                        },
                        12,
                    ),
                ),
                undone=2,
            ),
        ),
        decision=Decision(
            plan="3f9c2b7e11d04a68",
            created_at=NOW - timedelta(hours=5),
            expires_at=NOW + timedelta(hours=67),
            waiting=(
                Waiting(
                    rule="phone-format",
                    titles={
                        "en": "Phone number cannot be dialled",
                        "fr": "Numéro de téléphone impossible à composer",
                    },
                    kind="update",
                    count=31,
                    reversibility="reversible",
                ),
                Waiting(
                    rule="same-person",
                    titles={
                        "en": "Probably the same person twice",
                        "fr": "Sans doute deux fois la même personne",
                    },
                    kind="merge",
                    count=6,
                    reversibility="irreversible",
                ),
            ),
            approved=1,
        ),
        twins=_twins(),
        coverage=Coverage(
            sources=(
                Source(
                    connection="hubspot-eu",
                    contacts=11845,
                    read_at=NOW - timedelta(minutes=25),
                    full_at=NOW - timedelta(days=2),
                    there=11_840,
                    unread=3,
                    absent=2,
                ),
                Source(
                    connection="sheet",
                    contacts=500,
                    read_at=NOW - timedelta(days=3),
                    full_at=NOW - timedelta(days=3),
                    trouble=Trouble.FAILED,
                    reason="file not found",
                ),
            ),
            quarantined=(("hubspot-eu", "a field holds a NUL character", 3),),
            set_aside=(("hubspot-eu", "the value is not an option of the field", 2),),
            withheld=(("run limit", 40),),
            left_out=(
                ("same-person: same phone and similar name: 900 contacts share one value", 900),
            ),
            skipped=(("sheet: last_login", 3), ("sheet: informed_at", 1)),
            missed=(("hubspot-eu", 2),),
            unsettled=1,
            refused=2,
            conflicts=4,
            scanned_at=NOW - timedelta(minutes=20),
            halts=(
                Halt(
                    connection="hubspot-eu",
                    reason="Import under way",
                    by="Claire Morel",
                    at=NOW - timedelta(hours=3),
                ),
                Halt(
                    connection="sheet",
                    cause=Cause.SHARE,
                    reason="12/100",
                    by="crm-steward",
                    at=NOW - timedelta(hours=1),
                    retry_at=NOW - timedelta(minutes=30),
                ),
            ),
            restored=("hubspot-eu", "sheet"),
        ),
        quotas=(
            QuotaUse(connection="hubspot-eu", calls=4820, points=4820, share=0.031),
            QuotaUse(connection="zoho-emea", calls=1204, points=2310),
        ),
        consents=_consents(),
        retention=_retention(),
        protection=Protection(
            erased=2,
            returned=1,
            periods=(
                PeriodEdit(period="candidats", edit=Edit.ADDED, after=_kept(2, "year", "delete")),
                PeriodEdit(
                    period="prospects",
                    edit=Edit.EDITED,
                    before=_kept(36, "month", "archive"),
                    after=_kept(24, "month", "archive"),
                ),
            ),
        ),
        reminders=(
            Recurring(
                duty=Duty.ACCESS_REVIEW,
                every_days=92,
                done_at=NOW - timedelta(days=100),
                done_by="Claire Morel",
                due=NOW - timedelta(days=8),
                overdue=True,
                how='crm-steward reminders done access-review --by NAME --note "…"',
            ),
            Recurring(
                duty=Duty.RESTORE_TEST,
                every_days=31,
                done_at=NOW - timedelta(days=12),
                done_by="crm-steward",
                due=NOW + timedelta(days=19),
                overdue=False,
            ),
        ),
        hygiene=Hygiene(
            held=(
                Held(category="health", contacts=23, notes=21, new=4),
                Held(category="iban", contacts=2, notes=0, new=0),
            ),
            typed=(
                Typed(
                    connection="hubspot-eu",
                    field="job_title",
                    contacts=6120,
                    spellings=214,
                    values=58,
                    covered=0.913,
                ),
            ),
        ),
    )


def _retention() -> Retention:
    """Return what falls due in November and December."""
    month = datetime(2026, 11, 1, tzinfo=ZoneInfo("Europe/Paris"))
    titles = {
        "en": "Prospects without a sign of life for three years, to be let go",
        "fr": "Prospects sans signe de vie depuis trois ans, à supprimer ou archiver",
    }
    due = Due(
        rule="retention-prospect-due",
        titles=titles,
        period="prospects",
        length=Duration(36, "month"),
        then="archive",
        past=1204,
        this_month=61,
        next_month=88,
    )
    former = {
        "en": "Former customers whose contract ended three years ago, no more marketing",
        "fr": "Anciens clients dont le contrat a pris fin il y a trois ans, plus de prospection",
    }
    other = replace(
        due,
        rule="retention-customer-marketing",
        titles=former,
        period="former-customers",
        then="restrict",
        past=0,
        this_month=4,
        next_month=0,
    )
    return Retention(this_month=month, next_month=month.replace(month=12), due=(due, other))


def _consents() -> Consents:
    """Return consents of which some end, contradict each other, or were refused in vain."""
    return Consents(
        shares=(
            Share(connection="hubspot-eu", channel=Channel.EMAIL, standing=5197, provable=1845),
            Share(connection="hubspot-eu", channel=Channel.PHONE, standing=310, provable=310),
            Share(connection="sheet", channel=Channel.EMAIL, standing=12, provable=0),
        ),
        ending=(
            Ending(
                channel=Channel.EMAIL,
                ground=Ground.PURCHASE,
                length=Duration(24, "month"),
                count=31,
            ),
            Ending(channel=Channel.EMAIL, ground=Ground.ASK, length=Duration(24, "month"), count=4),
        ),
        apart=(
            Apart(channel=Channel.EMAIL, people=14, opposed=3),
            Apart(channel=Channel.PHONE, people=1, opposed=0),
        ),
        objections=Objections(
            delays=(
                Delay(
                    length=Duration(2, "day"),
                    by="consent-email-objection-late",
                    heeded=12,
                    in_time=10,
                    unknown=1,
                ),
                Delay(length=None, by="", heeded=1, in_time=0),
            ),
            open=7,
            late=1,
            worst=(
                Unheeded(
                    person=_person(4711),
                    channel=Channel.EMAIL,
                    seen=NOW - timedelta(days=4),
                    days=4,
                    due=NOW - timedelta(days=2),
                    late=True,
                ),
                Unheeded(
                    person=_person(78, "sheet"),
                    channel=Channel.PHONE,
                    seen=NOW - timedelta(hours=5),
                    days=0,
                    due=None,
                    late=False,
                ),
            ),
        ),
    )
