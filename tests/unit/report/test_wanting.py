"""Whether somebody waits for a mail of this week is seen without making one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_steward.connect.protocol import Cursor, Page
from crm_steward.model import ConfigError, Contact, Finding, RecordRef, Severity
from crm_steward.report import queue_weekly, wanting
from crm_steward.rules import RuleBook
from crm_steward.settings import Mail, Recipient, Report, Settings
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.mirror import Mirror
from crm_steward.store.runs import Runs
from crm_steward.store.tables import connections

NOW = datetime(2026, 11, 16, 8, tzinfo=UTC)
BOOK = RuleBook(())
MANAGER, OFFICER, ANNA, IDLE = (
    f"{name}@example.org" for name in ("manager", "dpo", "anna", "idle")
)
OWNERS = {
    "1": {"name": "Anna", "email": ANNA, "active": True},
    "2": {"name": "Idle", "email": IDLE, "active": True},
}


def _settings(**report: Any) -> Settings:
    return Settings.model_validate(
        {
            "timezone": ZoneInfo("UTC"),
            "language": "en",
            "connections": {"crm": {"kind": "file", "path": "people.csv"}},
            "mail": Mail(host="127.0.0.1", sender="steward@example.net"),
            "report": Report.model_validate(report),
        }
    )


@pytest.fixture
def base(database: Database) -> Database:
    """Give a base that was scanned: Anna has something to look at, another owner nothing."""
    mirror, ref = Mirror(database), RecordRef("crm", "1")
    page = Page(cursor=Cursor("1"), contacts=(Contact(ref=ref, owner="1"),), complete=True)
    mirror.save_page("crm", "file", page, now=NOW, full=True)
    mirror.note("crm", "file", last_full_at=NOW, last_success_at=NOW, last_attempt_at=NOW)
    with database.write() as writing:
        writing.execute(sa.update(connections).values(account={"owners": OWNERS}))
    found = Finding(rule="no-phone", kind="required", severity=Severity.HIGH, refs=(ref,))
    Findings(database).record({"no-phone": {"crm"}}, [found], now=NOW - timedelta(hours=1))
    runs = Runs(database)
    runs.finish(runs.start("scan", now=NOW), {}, now=NOW)
    return database


@pytest.mark.parametrize(
    ("report", "mails"),
    [
        ({}, 0),
        ({"recipients": [MANAGER]}, 1),
        ({"privacy": [OFFICER]}, 1),
        ({"owners": "all"}, 1),
        ({"owners": [IDLE]}, 0),
        ({"recipients": [MANAGER], "privacy": [OFFICER], "owners": "all"}, 3),
    ],
)
def test_somebody_waits_until_every_mail_of_the_week_is_queued(
    base: Database, report: dict[str, Any], mails: int
) -> None:
    """Whoever is to get one and has none, or must still be seen to have nothing to look at."""
    settings = _settings(**report)
    assert wanting(base, settings, NOW) is bool(report)
    assert queue_weekly(base, settings, BOOK, NOW) == mails

    assert not wanting(base, settings, NOW + timedelta(hours=1))
    assert queue_weekly(base, settings, BOOK, NOW + timedelta(hours=1)) == 0
    assert wanting(base, settings, NOW + timedelta(weeks=1)) is bool(report)


def test_whoever_is_added_in_the_midst_of_a_week_waits(base: Database) -> None:
    """The report is theirs, too."""
    assert queue_weekly(base, _settings(recipients=[MANAGER]), BOOK, NOW) == 1
    both = _settings(recipients=[MANAGER, OFFICER])

    assert wanting(base, both, NOW)
    assert queue_weekly(base, both, BOOK, NOW) == 1
    assert not wanting(base, both, NOW)


def test_nobody_waits_where_nothing_can_be_sent(database: Database) -> None:
    """Before the first scan of a new installation, and without a mail server."""
    settings = _settings(recipients=[MANAGER])
    assert not wanting(database, settings, NOW)
    runs = Runs(database)
    runs.finish(runs.start("scan", now=NOW), {}, now=NOW)
    assert wanting(database, settings, NOW)
    assert not wanting(database, settings.model_copy(update={"mail": None}), NOW)


def test_an_address_that_is_none_is_said(base: Database) -> None:
    """As it is when the mails are made."""
    settings = _settings()
    report = settings.report.model_copy(
        update={"recipients": (Recipient.model_construct(address="a b@example.org"),)}
    )
    with pytest.raises(ConfigError, match=r"report\.recipients"):
        wanting(base, settings.model_copy(update={"report": report}), NOW)
