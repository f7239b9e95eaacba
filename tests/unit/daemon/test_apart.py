"""A verb done by a process of its own: the same as here, under our lease, with our clock, told alike."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
import structlog

from crm_steward.daemon.apart import Apart
from crm_steward.daemon.heavy import RulesRead
from crm_steward.daemon.here import Here
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.rulebook import Rulebook
from crm_steward.daemon.work import Work
from crm_steward.logs import ElsewhereError, describe, frames
from crm_steward.model import BusyError, Clock, ConfigError, RetryableError, utc_now
from crm_steward.settings import Settings, load_settings
from crm_steward.store.database import Database
from crm_steward.store.findings import Findings
from crm_steward.store.lease import Holder, hold
from crm_steward.store.plans import Plans
from crm_steward.store.runs import Runs
from crm_steward.store.tables import leases

SETTINGS = """\
connections:
  people: {kind: file, path: people.csv}
rules: {packs: [], paths: [own.yaml]}
service: {apply_automatic: true}
limits: {max_percent_per_day: 100}
log: {format: json}
"""
RULES = """\
version: 1
rules:
  - id: name-case
    about: Names in capitals
    check: {kind: format, fields: [first_name], only: fixable}
    actions: [update: {normalise: true}]
    mode: apply
"""
AHEAD = timedelta(days=400)
KEY = "0123456789abcdef0123456789abcdef"


def ahead() -> Any:
    """Return the time of a service whose clock is another than the machine's."""
    return utc_now() + AHEAD


class Office(NamedTuple):
    """What verbs are done for.

    Args:
        settings: Of one file, pulled already.
        database: The store.
        apart: Does the verbs.
        stop: Asks them to stop.
    """

    settings: Settings
    database: Database
    apart: Apart
    stop: threading.Event


def _office(folder: Path, clock: Clock, more: str = "") -> Office:
    (folder / "crm-steward.yaml").write_text(SETTINGS + more, "utf-8")
    (folder / "crm-steward.yaml").chmod(0o600)
    (folder / "own.yaml").write_text(RULES, "utf-8")
    (folder / "people.csv").write_text("id,first name,email\n1,JEANNE,\n2,Ines,\n", "utf-8")
    settings, stop = load_settings(folder / "crm-steward.yaml"), threading.Event()
    database = Database.open(settings.database)
    apart = Apart(settings, None, clock=clock, stop=stop)
    work = Work(
        settings,
        database,
        apart,
        Metrics(database),
        clock=clock,
        stop=stop,
        nudge=lambda _job: None,
    )
    work.pull("people")
    return Office(settings, database, apart, stop)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Give an office whose clock is ahead."""
    given = _office(tmp_path, ahead)
    with given.database:
        yield given


def test_a_verb_apart_does_what_it_does_here(office: Office) -> None:
    """The same figures, findings and plan; the plan stands in the store that both use."""
    settings, database, apart, stop = office
    rules = Rulebook(settings)
    here = Here(settings, database, rules, clock=ahead, stop=stop)
    with hold(database, clock=ahead) as lease:
        first = apart.scan(lease, changed=False)
        second = here.scan(lease, changed=False)
        planned = apart.plan(lease)

    assert (first.figures["new"], second.figures["new"], second.figures["standing"]) == (1, 0, 1)
    assert first.figures.keys() == second.figures.keys()
    assert (first.moved, second.moved) == (True, False)
    assert [one.finding.rule for one in Findings(database).open()] == ["name-case"]
    assert planned is not None
    assert planned.rules == apart.rules.digest == rules.current.digest
    stored = Plans(database).get(planned.hash)
    assert stored is not None
    assert len(stored.plan.changes) == 1


def test_it_has_the_clock_of_the_service(office: Office) -> None:
    """What it writes down comes after what was written before, and before what comes now."""
    before = ahead()
    with hold(office.database, clock=ahead) as lease:
        office.apart.scan(lease, changed=False)
    (run,) = Runs(office.database).latest("scan")

    assert before < run.started_at < ahead()


def test_it_writes_nothing_once_the_lease_is_lost(office: Office) -> None:
    """Somebody else took over: refused as it would be here, and nothing is committed."""
    with hold(office.database, clock=ahead) as lease:
        taken = {"holder": str(Holder("elsewhere", 7)), "epoch": lease.epoch + 1}
        with office.database.engine.begin() as writing:
            writing.execute(sa.update(leases).values(taken))
        with pytest.raises(BusyError, match="took over"):
            office.apart.scan(lease, changed=False)
        with office.database.engine.begin() as writing:
            mine = {"holder": str(lease.holder), "epoch": lease.epoch}
            writing.execute(sa.update(leases).values(mine))

    assert Runs(office.database).latest("scan") == []
    assert list(Findings(office.database).open()) == []


def test_it_ends_at_a_safe_point_when_the_service_stops(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan that it made is not stored. However busy the machine is, it is not killed here."""
    monkeypatch.setattr("crm_steward.daemon.apart.STOPS_WITHIN", timedelta(minutes=4))
    with hold(office.database, clock=ahead) as lease:
        office.apart.scan(lease, changed=False)
        office.stop.set()
        with pytest.raises(RetryableError, match="Stopped") as caught:
            office.apart.plan(lease)

    assert caught.value.sent is False
    assert Plans(office.database).latest() is None


def test_broken_rules_are_told_once_and_the_last_good_ones_run_on(
    office: Office, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whichever process reads them; what is logged bears the job that it was read for."""
    good = office.apart.read()
    (tmp_path / "own.yaml").write_text("rules: [{id: second, severty: low}]", "utf-8")
    with structlog.contextvars.bound_contextvars(job="scan", job_run="4711"):
        broken = [office.apart.read() for _ in range(2)]
    (tmp_path / "own.yaml").write_text(RULES.replace("Names", "Given names"), "utf-8")
    mended = office.apart.read()

    assert [(one.digest, one.count, one.texts) for one in broken] == [
        (good.digest, good.count, good.texts)
    ] * 2
    assert "severty" in broken[1].broken
    assert (mended.broken, mended.count) == ("", 1)
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = [one["event"] for one in said if one["logger"] == "crm_steward.daemon.rulebook"]
    assert told == ["rules are broken; the last good ones run on", "rules read"]
    assert [(one["job"], one["job_run"]) for one in said if "job" in one] == [("scan", "4711")]


def test_every_mistake_comes_back_at_the_start(office: Office, tmp_path: Path) -> None:
    """Where no rules ran before, the start ends with what a person can mend."""
    (tmp_path / "own.yaml").write_text("rules: [{id: a, chek: {}}, {id: b, abuot: x}]", "utf-8")
    apart = Apart(office.settings, None, clock=ahead, stop=office.stop)
    with pytest.raises(ConfigError) as caught:
        apart.read()

    where = [problem.where for problem in caught.value.problems]
    assert len(where) > 2
    assert all("own.yaml:1:" in one for one in where)
    assert apart.rules == RulesRead()


def test_a_bug_comes_back_with_its_class_and_place_and_no_value(office: Office) -> None:
    """The log shows where it was raised, there."""
    with hold(office.database, clock=ahead) as lease, pytest.raises(ElsewhereError) as caught:
        office.apart._do("scan", lease, changed=False, nonsense="JEANNE")

    assert describe(caught.value) == "TypeError"
    assert frames(caught.value)[-1].endswith(" _do")
    assert "JEANNE" not in f"{describe(caught.value)}{frames(caught.value)}{caught.value}"


def test_an_encrypted_database_is_opened_with_its_key(tmp_path: Path) -> None:
    """The key goes where the settings go; on disk there is nothing to read."""
    pytest.importorskip("sqlcipher3")
    _, database, apart, _ = _office(tmp_path, utc_now, f"database_key: {KEY}\n")
    with database:
        with hold(database) as lease:
            scanned = apart.scan(lease, changed=False)
        assert scanned.figures["new"] == 1
    assert b"SQLite format 3" not in (tmp_path / "crm-steward.db").read_bytes()
