"""After an older copy of the database was put in place, no report goes out that may have left before."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crm_steward.report import deliver, may_have_left, notice_copy, queue, queue_weekly
from crm_steward.rules import RuleBook
from crm_steward.settings import Mail, Recipient, Report, Settings, SmtpSecurity
from crm_steward.store.backup import copy_to
from crm_steward.store.database import Database
from crm_steward.store.lease import hold
from crm_steward.store.outbox import Outbox
from crm_steward.store.restored import begin
from crm_steward.store.runs import Runs
from crm_steward.testing.postbox import Postbox, serving

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
"""Monday, when the report of week 47 is due."""
BOOK = RuleBook(())
MANAGER = "manager@example.org"


def _settings(port: int = 1) -> Settings:
    mail = Mail(host="127.0.0.1", port=port, security=SmtpSecurity.NONE, sender="s@example.net")
    report = Report(recipients=(Recipient(address=MANAGER),))
    return Settings(timezone=ZoneInfo("UTC"), mail=mail, report=report)


def _at(now: datetime) -> datetime:
    return now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a database that was scanned and is at work."""
    path = tmp_path / "steward.db"
    with Database.open(f"sqlite:///{path}") as database:
        runs = Runs(database)
        runs.finish(runs.start("scan", now=NOW - timedelta(days=9)), {}, now=NOW)
        with hold(database, clock=partial(_at, NOW)):
            """It remembers how far it has come."""
    return path


def _copied(path: Path, how: str, now: datetime) -> Path:
    copy = path.with_name("copy.db")
    if how == "backup":
        with Database.open(f"sqlite:///{path}") as database:
            copy_to(database, copy, now=now)
    else:
        shutil.copy(path, copy)
    return copy


def _mailed(path: Path, port: int, now: datetime) -> int:
    """Do what the service does about mails, and return how many left."""
    with Database.open(f"sqlite:///{path}") as database:
        notice_copy(database, partial(_at, now))
        settings = _settings(port)
        assert settings.mail is not None
        queue_weekly(database, settings, BOOK, now)
        return deliver(database, settings.mail, partial(_at, now)).sent


@pytest.mark.parametrize("how", ["backup", "by hand"])
@pytest.mark.parametrize("waits", [False, True])
def test_the_report_of_that_week_is_not_mailed_again(path: Path, how: str, waits: bool) -> None:
    """Copied before it left, put back after: neither queued anew nor sent from the copy's outbox."""
    before = NOW - timedelta(hours=5)
    postbox = Postbox()
    with serving(postbox) as port:
        if waits:
            before = NOW + timedelta(minutes=1)
            with Database.open(f"sqlite:///{path}") as database:
                assert queue_weekly(database, _settings(port), BOOK, NOW) == 1
        copy = _copied(path, how, before)
        with (
            Database.open(f"sqlite:///{path}") as database,
            hold(database, clock=partial(_at, NOW)),
        ):
            """The service goes on."""
        assert _mailed(path, port, NOW + timedelta(minutes=2)) == 1
        shutil.copy(copy, path)

        for hours in range(1, 7 * 24, 12):
            assert _mailed(path, port, NOW + timedelta(hours=hours)) == 0
        assert len(postbox.messages) == 1

        later = NOW + timedelta(days=7)
        assert _mailed(path, port, later) == 1
        assert _mailed(path, port, later + timedelta(hours=1)) == 0


def test_a_person_sends_it_all_the_same(path: Path) -> None:
    """Once, whether or not it waited in the copy."""
    with Database.open(f"sqlite:///{path}") as database:
        settings = _settings()
        assert queue_weekly(database, settings, BOOK, NOW) == 1
        restored = NOW + timedelta(hours=1)
        begin(database, made_at=NOW, now=restored)
        assert may_have_left(database, settings, restored)
        assert queue_weekly(database, settings, BOOK, restored) == 0
        recipients = settings.report.recipients
        assert queue(database, settings, BOOK, recipients, restored) == [MANAGER]
        assert queue(database, settings, BOOK, recipients, restored) == []


def test_what_was_sent_before_the_copy_is_known(path: Path) -> None:
    """It stays in the outbox, and an alert that waits there is not given up."""
    with Database.open(f"sqlite:///{path}") as database:
        assert queue_weekly(database, _settings(), BOOK, NOW) == 1
        outbox = Outbox(database)
        letter = outbox.claim(outbox.due(NOW)[0], NOW)
        assert letter is not None
        outbox.leaving(letter, NOW)
        outbox.sent(letter, NOW)
        outbox.add(
            id="<a@example.net>", period="alert-000001", recipient=MANAGER, subject="x",
            message="x", now=NOW,
        )  # fmt: skip
        begin(database, made_at=NOW, now=NOW)
        assert {one.period for one in outbox.letters()} == {"2026-W47", "alert-000001"}


def test_a_database_that_nobody_replaced_sends_as_ever(path: Path) -> None:
    """No copy, no mark: nothing is held back, and nobody who is at work is waited for."""
    with (
        Database.open(f"sqlite:///{path}") as database,
        Database.open(f"sqlite:///{path}") as other,
        hold(other, clock=partial(_at, NOW)),
    ):
        notice_copy(database, partial(_at, NOW))
        assert not may_have_left(database, _settings(), NOW)
        assert queue_weekly(database, _settings(), BOOK, NOW) == 1
