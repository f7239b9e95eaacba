"""Erasures and the register in the report, and the digest of those who watch over data protection."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest

from crm_steward.model import Finding, RecordRef, Severity
from crm_steward.report import collect, queue_digests
from crm_steward.report.consent import Consents
from crm_steward.report.digest import Digest
from crm_steward.report.officer import render_officer
from crm_steward.report.protection import Kept, PeriodEdit, Protection
from crm_steward.report.retention import Retention
from crm_steward.report.weeks import Week
from crm_steward.rules import Duration, RuleBook
from crm_steward.rules.periods import Period
from crm_steward.settings import Mail, Report, Settings
from crm_steward.store.database import Database
from crm_steward.store.edits import Edit
from crm_steward.store.findings import Findings
from crm_steward.store.outbox import Outbox
from crm_steward.store.runs import Runs

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
WEEK = timedelta(days=7)
SETTINGS = Settings(
    timezone=ZoneInfo("UTC"),
    language="en",
    mail=Mail(host="127.0.0.1", sender="steward@example.net"),
    report=Report(privacy=("dpo@example.org", "dpd@example.org")),
)


def _book(**months: int) -> RuleBook:
    periods = {
        name: Period(
            id=name,
            length=Duration(count, "month"),
            clock="created_at",
            then="archive",
            source="GDPR art. 5(1)(e)",
        )
        for name, count in months.items()
    }
    return RuleBook((), periods=periods)


def _kept(months: int) -> Kept:
    length = Duration(months, "month")
    return Kept(length=length, clock="created_at", bound="at_most", then="archive")


def _protection(database: Database, book: RuleBook, now: datetime) -> Protection:
    return collect(database, SETTINGS, book, now=now).protection


def test_edits_of_the_register_are_told_once(database: Database) -> None:
    """Compared is with the report of the week before; the first one has nothing to compare with."""
    assert _protection(database, _book(prospects=36, leads=12), NOW) == Protection()
    edited = _book(prospects=24, candidates=24)
    found = _protection(database, edited, NOW + WEEK)
    assert {(one.period, one.edit) for one in found.periods} == {
        ("prospects", Edit.EDITED),
        ("candidates", Edit.ADDED),
        ("leads", Edit.REMOVED),
    }
    changed = next(one for one in found.periods if one.edit is Edit.EDITED)
    assert changed.before == _kept(36)
    assert changed.after == _kept(24)
    again = _protection(database, edited, NOW + WEEK + timedelta(hours=3))
    assert again == found, "a report that is looked at twice says the same"
    assert _protection(database, edited, NOW + 2 * WEEK) == Protection()
    past = collect(database, SETTINGS, edited, week=Week(2026, 48), now=NOW + 2 * WEEK)
    assert past.protection == found


def test_erasures_are_counted_and_so_are_those_who_came_back(database: Database) -> None:
    """Each erasure of the week counts once; whoever is back counts as long as they are."""
    runs = Runs(database)
    for days in (1, 2, 9):
        run = runs.start("erase", now=NOW - timedelta(days=days))
        runs.finish(run, {}, now=NOW - timedelta(days=days))
    back = Finding(
        rule="erasure-reappeared",
        kind="condition",
        severity=Severity.HIGH,
        refs=(RecordRef("crm", "1"),),
        evidence={},
    )
    Findings(database).record({"erasure-reappeared": {"crm"}}, [back], now=NOW - timedelta(days=20))
    assert _protection(database, RuleBook(()), NOW) == Protection(erased=2, returned=1)
    Findings(database).record({"erasure-reappeared": {"crm"}}, [], now=NOW - timedelta(hours=1))
    assert _protection(database, RuleBook(()), NOW).returned == 0


def test_the_digest_is_mailed_once_a_week(database: Database) -> None:
    """To all whom the settings name, also when nothing happened: silence tells nothing."""
    assert queue_digests(database, SETTINGS, RuleBook(()), NOW) == [
        "dpo@example.org",
        "dpd@example.org",
    ]
    assert queue_digests(database, SETTINGS, RuleBook(()), NOW + timedelta(days=1)) == []
    assert {letter.period for letter in Outbox(database).letters()} == {"2026-W47-privacy"}
    assert "nothing is late" in Outbox(database).letters()[0].subject


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                "1 record of somebody who was erased is back",
                "prospects: was at most 36 months",
                "2 people were erased",
            ],
        ),
        (
            "fr",
            ["1 fiche d\u2019une personne effacée est revenue", "prospects : au plus 36 mois"],
        ),
    ],
)
def test_it_says_what_concerns_data_protection(
    digest: Digest, language: str, said: list[str]
) -> None:
    """Consents, retention, erasures, free text and what comes round again; nothing of sales."""
    mail = render_officer(digest, language)
    text = " ".join(mail.text.split())
    for piece in said:
        assert piece in text
        assert piece in " ".join(unescape(mail.html).split())
    assert "crm-steward register export" in mail.text
    assert "crm-steward apply" not in mail.html + mail.text


def test_whose_rights_wait_comes_first(digest: Digest) -> None:
    """The subject tells the gravest thing, and says so when nothing is late."""
    subject = render_officer(digest, "en").subject
    assert subject.startswith(
        "Data protection, week 47: 1 objection is not heeded within its delay"
    )
    calm = replace(digest, consents=Consents(), retention=Retention(), protection=Protection())
    assert render_officer(calm, "en").subject.endswith("nothing is late")
    edited = Protection(periods=(PeriodEdit(period="p", edit=Edit.ADDED, after=_kept(12)),))
    assert (
        "1 period of the register" in render_officer(replace(calm, protection=edited), "en").subject
    )
