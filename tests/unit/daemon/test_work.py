"""The service's jobs: one connection in trouble holds up nobody else, and nobody holds up himself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from crm_steward.daemon.apart import Apart
from crm_steward.daemon.heavy import Heavy
from crm_steward.daemon.here import Here
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.rulebook import Rulebook
from crm_steward.daemon.schedule import cadences
from crm_steward.daemon.work import Work
from crm_steward.model import (
    AuthError,
    ConfigError,
    Halt,
    MailError,
    RecordRef,
    RetryableError,
    UpdateFields,
    change_key,
)
from crm_steward.settings import Settings, load_settings
from crm_steward.store.database import Database
from crm_steward.store.halts import Halts
from crm_steward.store.journal import Journal, intent_of
from crm_steward.store.lease import hold
from crm_steward.store.plans import Plans
from crm_steward.store.rulebooks import Rulebooks, broken_rules
from crm_steward.store.runs import Runs
from crm_steward.testing.postbox import Postbox, serving

SETTINGS = """\
database: sqlite:///steward.db
connections:
  people: {kind: file, path: people.csv}
  former: {kind: file, path: former.csv, enabled: false}
  crm: {kind: hubspot, token: pat-invented}
rules: {packs: [], paths: [own.yaml]}
service: {apply_automatic: true}
limits: {max_percent_per_day: 100}
"""
RULES = """\
version: 1
rules:
  - id: name-case
    about: Names in capitals
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
  - id: email
    about: Addresses that are none
    check: {kind: format, fields: [email]}
    actions: [update: {normalise: true}]
    mode: propose
"""
MakeWork = Callable[[], Work]


@pytest.fixture
def make_work(tmp_path: Path, clock: Any) -> MakeWork:
    """Give the jobs of a service on two files, one of them switched off."""
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS, "utf-8")
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    for name in ("people", "former"):
        (tmp_path / f"{name}.csv").write_text(
            "id,first name,email\n1,JEANNE,\n2,Ines,nobody\n", "utf-8"
        )

    def make() -> Work:
        settings, stop = load_settings(tmp_path / "crm-steward.yaml"), threading.Event()
        database = Database.open(f"sqlite:///{tmp_path}/steward.db")
        rules = Rulebook(settings, Rulebooks(database).last())
        return Work(
            settings,
            database,
            Here(settings, database, rules, clock=clock, stop=stop),
            Metrics(database),
            clock=clock,
            stop=stop,
            nudge=lambda _job: None,
        )

    return make


def _left_open(tmp_path: Path, clock: Any, connection: str) -> None:
    """Leave a change in the journal whose answer never came."""
    change = UpdateFields(
        ref=RecordRef(connection, "1"),
        values={"first_name": "Jeanne"},
        expected={"first_name": "JEANNE"},
    )
    with Database.open(f"sqlite:///{tmp_path}/steward.db") as database, hold(database) as lease:
        line = intent_of(
            change,
            key=change_key(change),
            run="apply-1",
            plan="p",
            rule="name-case",
            finding="f",
            at=clock(),
        )
        Journal(database).append([line], lease)


def _called_for(work: Work) -> list[str]:
    """Return a list that gets the name of each job that is called for from now on."""
    nudged: list[str] = []
    work._nudge = nudged.append  # type: ignore[method-assign] # watched
    return nudged


@pytest.mark.parametrize("connection", ["former", "removed"])
def test_an_open_change_of_a_connection_that_is_off_stops_nobody_else(
    make_work: MakeWork, tmp_path: Path, clock: Any, connection: str
) -> None:
    """It is said, at the end; the others are written; what is off is neither read nor written."""
    work = make_work()
    _left_open(tmp_path, clock, connection)
    work.pull("people")
    work.scan()

    with pytest.raises(ConfigError, match=connection):
        work.apply()

    assert "Jeanne" in (tmp_path / "people.corrected.csv").read_text("utf-8-sig")
    assert not (tmp_path / "former.corrected.csv").exists()


def test_a_scan_that_begins_when_the_lease_wants_renewing_does_not_wait_for_itself(
    make_work: MakeWork, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule renews it: the scan holds no lock of the database while it asks."""
    monkeypatch.setattr("crm_steward.store.database.BUSY_TIMEOUT_MS", 100)
    work = make_work()
    work.pull("people")
    renewals = clock.now

    def later() -> Any:
        nonlocal renewals
        renewals += timedelta(minutes=2)
        return renewals

    work._writer._clock = later  # each look at the lease finds it due

    work.scan()
    work.apply()  # so does planning, after each page


def test_planning_ends_when_the_service_stops(make_work: MakeWork, tmp_path: Path) -> None:
    """Nothing is stored or written; the next run plans anew."""
    work = make_work()
    work.pull("people")
    work.scan()
    work._stop.set()

    with pytest.raises(RetryableError, match="Stopped"):
        work.apply()

    assert Plans(work._database).latest() is None
    assert not (tmp_path / "people.corrected.csv").exists()
    work._stop.clear()
    work.apply()
    assert Plans(work._database).latest() is not None


def test_rules_that_are_broken_at_the_start_are_measured_at_once(
    make_work: MakeWork, tmp_path: Path
) -> None:
    """The next scan may be hours away: an alarm must not wait for it."""
    work = make_work()
    work.pull("people")
    work.scan()
    (tmp_path / "own.yaml").write_text("rules: [{}]", "utf-8")
    metrics = make_work()._metrics

    def gauge(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"crm_steward_{name}")

    assert (gauge("rules_broken"), gauge("rules")) == (1, work._heavy.rules.count)


def test_a_pull_that_brings_changes_calls_for_a_scan_of_them(
    make_work: MakeWork, tmp_path: Path, clock: Any
) -> None:
    """The first pull calls for a scan of everything, later ones only when something changed."""
    work = make_work()
    nudged = _called_for(work)
    work.pull("people")
    work.scan()
    clock.forward(hours=1)
    work.pull("people")
    assert nudged == ["scan", "apply"]

    clock.forward(hours=1)
    (tmp_path / "people.csv").write_text("id,first_name,email\n1,Jeanne,\n2,INES,\n", "utf-8")
    work.pull("people")
    work.scan_changed()

    assert nudged == ["scan", "apply", "scan-changed", "apply"]
    (run, *_) = Runs(work._database).latest("scan-changed")
    counts = {name: run.counts[name] for name in ("contacts", "new", "resolved", "standing")}
    assert counts == {"contacts": 2, "new": 1, "resolved": 2, "standing": 0}


def test_what_a_pull_stored_is_scanned_although_something_after_it_failed(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next pull brings nothing new and would not call for it."""
    work = make_work()
    nudged = _called_for(work)

    def away(*_: Any, **__: Any) -> None:
        raise RetryableError("people: cannot be reached", sent=False)

    with monkeypatch.context() as patched:
        patched.setattr("crm_steward.daemon.work.revisit", away)
        with pytest.raises(RetryableError):
            work.pull("people")
    assert nudged == ["scan"]
    work.pull("people")
    assert nudged == ["scan"]


def test_changes_of_a_pull_that_broke_off_are_scanned(
    make_work: MakeWork, tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their page is stored and not brought again: what must not wait does not wait for its end."""
    work = make_work()
    work.pull("people")
    work.scan()
    clock.forward(hours=1)
    (tmp_path / "people.csv").write_text("id,first_name,email\n1,Jeanne,\n2,INES,\n", "utf-8")
    nudged = _called_for(work)

    def cut(*_: Any) -> None:
        raise RetryableError("people: cannot be reached", sent=False)

    with monkeypatch.context() as patched:
        patched.setattr("crm_steward.pull._Pull.complete", cut)
        with pytest.raises(RetryableError):
            work.pull("people")
    assert nudged == ["scan-changed"]
    work.scan_changed()
    (run, *_) = Runs(work._database).latest("scan-changed")
    assert run.counts["contacts"] == 2


def test_what_a_pull_stored_that_was_killed_is_scanned_at_the_next_start(
    make_work: MakeWork, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could call for it any more; where all pulls came to their end, nobody does."""
    work, anew = make_work(), make_work()
    work.pull("people")
    nudged = _called_for(anew)
    anew.take_up()
    assert nudged == []

    def killed(*_: Any) -> None:
        raise SystemExit

    clock.forward(hours=1)
    with monkeypatch.context() as patched:
        patched.setattr("crm_steward.pull._Pull.complete", killed)
        with pytest.raises(SystemExit):
            work.pull("people")
    anew.take_up()
    assert nudged == ["scan-changed"]


def test_before_the_first_scan_nothing_counts_as_changed(make_work: MakeWork) -> None:
    """One scan after the first pull is enough; and that there is nothing to scan yet is said once."""
    work = make_work()
    with capture_logs() as logs:
        work.scan()
        work.scan_changed()
        assert [line["event"].partition(":")[0] for line in logs] == ["nothing to scan yet"]
        work.pull("people")
        work.scan_changed()
        assert Runs(work._database).latest("scan-changed") == []
        work.scan()
        work.scan_changed()
    assert [run.status for run in Runs(work._database).latest("scan-changed")] == ["done"]


def test_rules_that_were_edited_after_the_scan_are_measured_when_it_is_planned(
    make_work: MakeWork, tmp_path: Path, clock: Any
) -> None:
    """The plan reads them anew: what those who watch are shown does not wait for the next scan."""
    work = make_work()
    work.pull("people")
    work.scan()
    settings, kept = work._settings, Rulebooks(work._database).last()
    work._heavy = Apart(settings, kept, clock=clock, stop=work._stop)
    only_proposed = RULES.replace("mode: apply", "mode: propose") + RULES.split("rules:\n")[
        1
    ].replace("id: ", "id: second-").replace("mode: apply", "mode: report")
    (tmp_path / "own.yaml").write_text(only_proposed, "utf-8")
    work.apply()

    assert work._metrics.registry.get_sample_value("crm_steward_rules") == 4


def test_the_report_learns_what_the_service_left_out_of_its_plans(make_work: MakeWork) -> None:
    """A plan of the service is a plan: what it leaves out is counted where the report looks."""
    work = make_work()
    work.pull("people")
    work.scan()
    work.apply()

    runs = Runs(work._database).latest("plan")
    assert [run.counts for run in runs] == [{"changes": 1, "withheld": {"no proposal": 1}}]


def test_a_refused_credential_is_one_alarm_and_holds_up_nobody(
    make_work: MakeWork, tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is refused, with whatever wording; the others are pulled and written."""
    work = make_work()
    _left_open(tmp_path, clock, "crm")
    asked, seen = [], list[tuple[str, bool]]()

    def called(job: str) -> None:
        seen.append((job, work._paused("crm") is not None))

    work._nudge = called  # type: ignore[method-assign] # watched

    def refuse(*_: Any) -> Any:
        asked.append(1)
        raise AuthError(f"crm: the token is refused (trace {len(asked)})")

    for verb in ("check", "read", "get", "settle"):
        monkeypatch.setattr(f"crm_steward_hubspot.connector.HubSpotConnector.{verb}", refuse)
    work.pull("people")
    work.scan()
    with capture_logs() as logs:
        work.apply()
        for _ in range(3):
            with pytest.raises(AuthError):
                work.pull("crm")
        work.apply()
    alarms = [line for line in logs if line["log_level"] == "error"]
    assert [line["event"] for line in alarms] == ["paused: the credential is refused"]
    reports = [paused for job, paused in seen if job == "report"]
    assert reports == [True], "whoever is called to report it finds it"
    assert len(asked) == 3  # the pulls; nothing is settled while it is known to be paused
    assert "Jeanne" in (tmp_path / "people.corrected.csv").read_text("utf-8-sig")


def test_what_stops_writing_is_seen_by_those_who_watch(
    make_work: MakeWork, tmp_path: Path, clock: Any
) -> None:
    """The service writes nothing, plans nothing anew, and the metric names what is stopped."""
    work = make_work()
    work.pull("people")
    work.scan()
    halts = Halts(work._database)
    halts.stop(Halt(connection="people", reason="Import", by="Dana", at=clock()))
    work.apply()

    assert not (tmp_path / "people.corrected.csv").exists()
    assert Plans(work._database).latest() is None
    labels = {"connection": "people", "rule": "all", "cause": "person"}
    name = "crm_steward_writing_stopped"
    assert work._metrics.registry.get_sample_value(name, labels) == 1

    halts.end("people", "", by="Dana", reason="Done", at=clock())
    work.apply()
    assert "Jeanne" in (tmp_path / "people.corrected.csv").read_text("utf-8-sig")
    assert work._metrics.registry.get_sample_value(name, labels) is None


def test_a_service_that_stops_by_itself_raises_one_alarm(
    make_work: MakeWork, tmp_path: Path, clock: Any
) -> None:
    """With its remedy, when it begins; the rounds after that say nothing."""
    with (tmp_path / "people.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"{number},MARIE,\n" for number in range(10, 16))
    work = make_work()
    work.pull("people")
    work.scan()
    edited = (tmp_path / "people.csv").read_text("utf-8").replace("MARIE", "ZOE")
    (tmp_path / "people.csv").write_text(edited, "utf-8")

    with capture_logs() as logs:
        for _ in range(3):
            clock.forward(seconds=1)
            work.apply()

    (alarm,) = [one for one in logs if one["log_level"] == "error"]
    assert alarm["connection"] == "people"
    assert "crm-steward resume --connection people" in alarm["why"]


class Counted:
    """Does the heavy verbs, and notes which it was asked for."""

    def __init__(self, heavy: Heavy) -> None:
        self.asked: list[str] = []
        self._heavy = heavy

    def __getattr__(self, name: str) -> Any:
        if name != "rules":
            self.asked.append(name)
        return getattr(self._heavy, name)


def test_mails_that_wait_are_a_trouble_until_they_are_gone(
    make_work: MakeWork, tmp_path: Path, clock: Any
) -> None:
    """Between two tries the job does not work again; a refused mail is no trouble that a try mends."""
    answers = ["451 4.3.0 later"]
    postbox = Postbox(rcpt=lambda _: answers[0] if answers else None)
    with serving(postbox) as port:
        mail = f"mail: {{host: 127.0.0.1, port: {port}, security: none, sender: s@example.org}}\n"
        report = "report: {recipients: [manager@example.org]}\n"
        (tmp_path / "crm-steward.yaml").write_text(SETTINGS + mail + report, "utf-8")
        work = make_work()
        work.pull("people")
        work.scan()
        for minutes in (10, 1, 1):  # tried, not due, not due
            clock.forward(minutes=minutes)
            with pytest.raises(MailError, match=r"451 4\.3\.0"):
                work.report()
        answers.clear()
        clock.forward(minutes=10)
        work.report()
        assert len(postbox.arrived) == 1
        answers.append("550 5.1.1 gone")
        clock.forward(days=7)
        work.report()
    assert len(postbox.arrived) == 1


@pytest.mark.parametrize(
    ("report", "mailed"),
    [
        ({}, False),
        ({"recipients": ["a@example.org"]}, True),
        ({"alerts": ["a@example.org"]}, True),
        ({"privacy": ["a@example.org"]}, True),
        ({"owners": "all"}, True),
        ({"owners": ["a@example.org"]}, True),
    ],
)
def test_mails_are_scheduled_for_whoever_is_to_get_one(
    report: dict[str, Any], *, mailed: bool
) -> None:
    """Digests too, where nobody receives the report."""
    mail = {"host": "h", "sender": "s@example.org"}
    settings = Settings.model_validate({"mail": mail, "report": report})
    assert ("report" in cadences(settings)) is mailed
    assert "report" not in cadences(settings.model_copy(update={"mail": None}))


def test_rules_are_not_read_for_a_report_that_is_not_due(
    make_work: MakeWork, tmp_path: Path, clock: Any
) -> None:
    """Every ten minutes it is looked: they are read for a mail that is missing, and when edited."""
    mail = "mail: {host: 127.0.0.1, port: 9, security: none, sender: steward@example.org}\n"
    report = "report: {recipients: [manager@example.org]}\n"
    (tmp_path / "crm-steward.yaml").write_text(SETTINGS + mail + report, "utf-8")
    work = make_work()
    counted = Counted(work._heavy)
    work._heavy = counted  # type: ignore[assignment] # watched
    work.pull("people")
    work.scan()

    def reported() -> list[str]:
        counted.asked.clear()
        clock.forward(minutes=10)
        with pytest.raises(MailError):  # nobody takes mails there
            work.report()
        return list(counted.asked)

    assert reported() == ["weekly"]
    assert reported() == []
    (tmp_path / "own.yaml").write_text("rules: [{}]", "utf-8")
    assert reported() == ["weekly"]
    assert broken(work)
    assert reported() == []
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    assert reported() == ["weekly"]
    assert not broken(work)
    clock.forward(days=7)
    assert reported() == ["weekly"]


def broken(work: Work) -> bool:
    """Return whether the report would say that the rules on disk cannot be used."""
    with work._database.read() as reading:
        return broken_rules(reading) is not None
