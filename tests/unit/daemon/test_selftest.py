"""The service tests the newest backup when it is time, and daily while that fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_steward.daemon.here import Here
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.rulebook import Rulebook
from crm_steward.daemon.schedule import cadences
from crm_steward.daemon.selftest import look_at_backup
from crm_steward.daemon.work import Work
from crm_steward.report import queue_alerts
from crm_steward.settings import Settings, load_settings
from crm_steward.store.backup import copy_to
from crm_steward.store.database import Database
from crm_steward.store.outbox import Outbox
from crm_steward.store.reminders import Duty, Reminders, Result
from crm_steward.store.rulebooks import Rulebooks


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give an empty database."""
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as opened:
        yield opened


def _settings(place: Path | None, **values: Any) -> Settings:
    given = {"service": {"restore_test": place}} if place else {}
    return Settings.model_validate({**given, **values})


def test_once_a_month_and_daily_while_it_fails(
    database: Database, tmp_path: Path, clock: Any
) -> None:
    """No backup, a damaged one, a whole one, nothing for a month, then the newest is too old."""
    place = tmp_path / "backups"
    place.mkdir()
    settings = _settings(place)

    def looked() -> Result | None:
        deed = look_at_backup(database, settings, clock())
        return deed and deed.result

    assert looked() is Result.MISSING
    file = place / "copy.db"
    file.write_bytes(b"torn" * 500)
    assert looked() is Result.UNREADABLE
    copy_to(database, file, now=clock(), force=True)
    assert looked() is Result.DONE
    clock.forward(days=30)
    assert looked() is None
    clock.forward(days=2)
    assert looked() is Result.OLD
    copy_to(database, file, now=clock(), force=True)
    assert looked() is Result.DONE
    by = {one.by for one in Reminders(database).deeds(Duty.RESTORE_TEST, 10)}
    assert by == {"crm-steward"}


def test_the_service_runs_it_and_a_failure_is_an_alert(tmp_path: Path, clock: Any) -> None:
    """The job writes down what it found, and calls for the report, which holds the alert."""
    (tmp_path / "crm-steward.yaml").write_text(
        "service: {restore_test: backups}\n"
        "mail: {host: mail.example.org, sender: steward@example.org}\n"
        "report: {recipients: [ops@example.org]}\n",
        "utf-8",
    )
    (tmp_path / "backups").mkdir()
    settings = load_settings(tmp_path / "crm-steward.yaml")
    called: list[str] = []
    with Database.open(settings.database) as database:
        rules, stop = Rulebook(settings, Rulebooks(database).last()), threading.Event()
        work = Work(
            settings,
            database,
            Here(settings, database, rules, clock=clock, stop=stop),
            Metrics(database),
            clock=clock,
            stop=stop,
            nudge=called.append,
        )
        work.restore_test()
        assert called == ["report"]
        assert queue_alerts(database, settings, clock()) == 1
        (letter,) = Outbox(database).letters()
    assert "restore test" in letter.subject


def test_without_a_place_nothing_is_tested(database: Database, clock: Any) -> None:
    """It is off unless the settings say where backups are; the reminder may be off all the same."""
    assert look_at_backup(database, _settings(None), clock()) is None
    assert "restore-test" not in cadences(_settings(None))
    place = Path("backups")
    silent = _settings(place, reminders={"restore_test": 0})
    assert cadences(silent)["restore-test"].every == timedelta(days=1)
