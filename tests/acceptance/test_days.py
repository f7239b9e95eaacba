"""Days of the service in minutes, with faults: nothing grows, nothing is lost, each report leaves once.

`make soak` asks for 72 hours; the usual run is of 6. Both are over the end of summer time in Paris
and over a report; the long one over the end of an ISO week as well. STEWARD_DAYS_SEED repeats a run;
the usual run has always the same draws.
"""

from __future__ import annotations

import email
import email.policy
import logging
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from tests.acceptance.days import RECIPIENTS, Office
from tests.acceptance.mishaps import KINDS

from crm_steward.connect.discovery import open_connection
from crm_steward.model import CreateTask
from crm_steward.pull import pull
from crm_steward.report.collect import current_week
from crm_steward.scan import scan
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.journal import Journal, State
from crm_steward.store.outbox import Delivery, Outbox
from crm_steward.store.verifying import verify

HOURS = int(os.environ.get("STEWARD_DAYS_HOURS", "6"))
_LONG = 48
"""From so many hours on there is a day to warm up, and a report on the Monday."""
# In a few hours so little is called that a draw may hold hardly a fault; this one holds dozens.
SEED = int(os.environ.get("STEWARD_DAYS_SEED", "0")) or (
    secrets.randbits(32) if HOURS >= _LONG else 5
)
_REST = timedelta(hours=14)
"""Longer than anything waits to be tried again."""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a locked database be given up at once, and nothing be logged: both would only take time."""
    monkeypatch.setattr("crm_steward.store.database.BUSY_TIMEOUT_MS", 20)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.mark.long
@pytest.mark.usefixtures("quiet")
def test_days_with_faults_leave_no_trace(tmp_path: Path) -> None:
    """Memory, descriptors and threads stay; reports, findings and changes are there, each once."""
    print(f"STEWARD_DAYS_SEED={SEED}")  # noqa: T201 -- pytest shows it when it fails
    day, at = ("monday", "07:30") if HOURS >= _LONG else ("sunday", "05:30")
    office = Office(tmp_path, SEED, contacts=60, day=day, at=at)
    with office.open():
        office.sampled(HOURS)
        _tell(office)
        office.rest(_REST)
        _nothing_grows(office)
        _each_mail_once(office)
        _each_change_once(office)
        _nothing_lost(office, tmp_path)
    # No job met a bug, and none was put off: nobody else is at work here.
    assert set(office.endings()) <= {"done", "failed"}


def _tell(office: Office) -> None:
    """Print the figures; all that was to go wrong did."""
    samples = {round(one.hour): one for one in office.samples}
    first, last = samples[HOURS // 3], samples[HOURS]
    growth = last.memory / first.memory - 1
    calls = sum(crm.calls for crm in office.crms.values())
    fired: Counter[str] = Counter()
    for crm in office.crms.values():
        for one in crm.faults.to_json():
            fired[one["name"]] += one["fired"]
    print(  # noqa: T201 -- the same; the soak shows it
        f"{HOURS} simulated hours: {calls} calls, faults {dict(fired)}, "
        f"jobs {dict(office.endings())}, deeds {dict(office.deeds)}, "
        f"mails taken {len(office.mailbox.taken)}, refused {dict(office.mailbox.refused)}; "
        f"from hour {HOURS // 3} to {HOURS}: "
        f"memory {first.memory / 2**20:.1f} → {last.memory / 2**20:.1f} MB ({growth:+.1%}), "
        f"descriptors {first.descriptors} → {last.descriptors}, "
        f"threads {first.threads} → {last.threads}"
    )
    assert fired.total() > calls / 200
    assert office.deeds["plan written"]
    assert office.deeds["created"]


def _nothing_grows(office: Office) -> None:
    """From the first third on, when all there is to load is loaded."""
    samples = {round(one.hour): one for one in office.samples}
    first, last = samples[HOURS // 3], samples[HOURS]
    # Within hours the rarer jobs have not all had their first turn.
    assert last.memory < first.memory * (1.05 if HOURS >= _LONG else 1.10)
    assert last.descriptors <= first.descriptors
    assert last.threads <= first.threads


def _each_mail_once(office: Office) -> None:
    """Each recipient has the report of each week that was due, each mail was taken once."""
    letters = Outbox(office.database).letters()
    assert {letter.status for letter in letters} == {Delivery.SENT}
    assert set(Counter((one.period, one.recipient) for one in letters).values()) == {1}
    week = current_week(office.settings, office.time.now())
    for due in (week.shifted(-1), week):
        assert {one.recipient for one in letters if one.period == str(due)} == set(RECIPIENTS)
        assert [one for one in letters if one.period == f"{due}-owner"], "no owner has a digest"
    taken = Counter(
        email.message_from_bytes(raw, policy=email.policy.SMTP)["Message-ID"]
        for raw in office.mailbox.taken
    )
    assert taken == Counter(one.id for one in letters)
    assert sum(office.mailbox.refused.values()) >= 4


def _each_change_once(office: Office) -> None:
    """Nothing is under way, the journal is whole, and each task that it says was made stands once."""
    journal = Journal(office.database)
    assert journal.under_way() == []
    assert verify(office.database, None).sound
    lines = list(journal.each())
    verified = {line.key for line in lines if line.state is State.VERIFIED}
    changes = {line.key: line.change for line in lines if line.change is not None}
    assert {changes[key].ref.connection for key in verified} == set(KINDS)
    assert Counter(line.key for line in lines if line.state is State.VERIFIED).total() == len(
        verified
    )
    for name, crm in office.crms.items():
        bodies = [str(row) for row in crm.emulator.tables[KINDS[name].tasks].values()]
        made = [
            change.marker
            for key, change in changes.items()
            if key in verified and isinstance(change, CreateTask) and change.ref.connection == name
        ]
        assert made
        assert {sum(marker in body for body in bodies) for marker in made} == {1}


def _nothing_lost(office: Office, folder: Path) -> None:
    """What stands is what a new installation finds in the same CRMs."""
    for name in KINDS:
        office.work.pull(name)
    book, now = office.rules.current, office.time.now
    scan(office.database, book, clock=now, only_due=False)
    with Database.open(f"sqlite:///{folder}/fresh.db") as fresh:
        for name, settings in office.settings.connections.items():
            with closing(open_connection(name, settings, clock=now)) as connector:
                pull(fresh, name, settings.kind, connector, clock=now, full=True, country="FR")
        scan(fresh, book, clock=now, only_due=False)
        assert _standing(office.database) == _standing(fresh)


def _standing(database: Database) -> set[tuple[str, str, tuple[str, ...]]]:
    return {
        (one.finding.rule, one.finding.about, tuple(sorted(map(str, one.finding.refs))))
        for one in Findings(database).open()
    }
