"""`crm-steward run` as ops meets it: a real process, real signals, real HTTP, real files."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from uuid import uuid4

import pytest
import sqlalchemy as sa
from tests.collector import attributes, collecting
from tests.conftest import Cli
from tests.program import ENV, Program

from crm_steward.sandbox import Server, parse_faults, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox

CANARY = "canary-4711"
PEOPLE = f"""\
id,first name,last name,email,phone,company
1,JEAN,DUPONT,{CANARY}@example.com,0612345678,Acme
2,Jean,Dupont,{CANARY}@example.com,,Acme
3,Ann,Lee,ann.{CANARY}@example.org,,
"""
SETTINGS = """\
connections:
  people: {{kind: file, path: people.csv, pull_every: 1 second}}
rules: {{packs: [], paths: [own.yaml]}}
service: {{listen: "127.0.0.1:{port}"}}
log: {{format: json, level: debug}}
"""
RULES = """\
version: 1
rules:
  - id: no-phone
    about: {en: Nobody can call them, fr: Injoignables par téléphone}
    severity: low
    check: {kind: required, fields: [phone]}
    mode: report
"""
PATIENCE_SECONDS = 60


class Running:
    """A service that was started in a folder."""

    def __init__(
        self,
        program: Program,
        folder: Path,
        env: dict[str, str] | None = None,
        settings: str = SETTINGS,
        *,
        name: str = "crm-steward",
        anew: bool = False,
        code: str | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self.folder = folder
        (folder / f"{name}.yaml").write_text(settings.format(port=self.port), "utf-8")
        self.log = folder / f"{name}.log"
        self.process = program.start(
            ["run", "-c", f"{name}.yaml"],
            cwd=folder,
            env={**os.environ, **ENV, **(env or {})},
            anew=anew,
            code=code,
            within=within,
            durable=False,
            log=self.log,
        )

    def page(self, path: str) -> tuple[int, str]:
        """Return status and body; (0, "") while nobody answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=10
            ) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true; fail with the log if the process ends or it takes long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.05)

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of that event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def end(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(sent)
        return self.process.wait(PATIENCE_SECONDS)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a spreadsheet."""
    (tmp_path / "people.csv").write_text(PEOPLE, "utf-8")
    (tmp_path / "own.yaml").write_text(RULES, "utf-8")
    return tmp_path


@pytest.fixture
def start(program: Program, folder: Path) -> Iterator[Callable[..., Running]]:
    """Give what starts a service in the folder; it is ended with the test."""

    def starting(
        env: dict[str, str] | None = None, settings: str = SETTINGS, **more: Any
    ) -> Running:
        running = Running(program, folder, env, settings, **more)
        started.enter_context(running.process)
        return running

    with ExitStack() as started:
        yield starting


def test_the_service_works_answers_keeps_quiet_and_stops(
    start: Callable[..., Running], steward: Cli, folder: Path
) -> None:
    """From nothing: pull, scan, three pages, no personal data anywhere, a second refused, SIGTERM."""
    service = start(anew=True)
    service.until(lambda: bool(service.said("scanned")))
    assert service.page("/healthz")[0] == 200
    code, body = service.page("/readyz")
    assert (code, json.loads(body)["status"]) == (200, "ok")
    metrics = service.page("/metrics")[1]
    assert 'crm_steward_contacts{connection="people"} 3.0' in metrics
    assert 'crm_steward_findings_open{rule="no-phone"} 2.0' in metrics
    assert 'crm_steward_job_runs_total{connection="people",outcome="done",verb="pull"}' in metrics
    for never in (
        'job_runs_total{connection="",outcome="bug",verb="scan"}',
        'outbox{status="failed"}',
    ):
        assert f"crm_steward_{never} 0.0" in metrics, "an alarm sees the first one as growth"
    assert re.search(r'crm_steward_job_lag_seconds\{name="scan"\} [0-9]', metrics)

    second = steward("run")
    assert second.returncode == 8
    assert "Another crm-steward runs on this database" in second.stderr

    assert service.end() == 0
    assert service.said("stopped")[0]["clean"] is True
    everything = service.log.read_text() + body + metrics + second.stderr
    assert CANARY not in everything
    assert "DUPONT" not in everything
    ours = [path for path in folder.iterdir() if path.name.startswith("crm-steward.db")]
    assert len(ours) >= 2
    assert [path.name for path in ours if path.stat().st_mode & 0o077] == []


def test_jobs_are_traced_where_the_settings_say(start: Callable[..., Running]) -> None:
    """A collector is sent a span for each job, the last ones as the service ends; none names a person."""
    with collecting() as (endpoint, spans):
        traced = SETTINGS.replace("service: {{", f'service: {{{{traces: "{endpoint}", ')
        service = start(settings=traced)
        service.until(lambda: bool(service.said("scanned")))
        assert service.end() == 0
    # The last of a job may have been stopped.
    done = {attributes(one)["job"] for one in spans if attributes(one)["outcome"] == "done"}
    assert "pull:people" in done
    assert done & {"scan", "scan-changed"}
    assert CANARY not in "".join(map(str, spans))


def test_a_restart_does_not_begin_anew_and_downtime_is_caught_up_with(
    start: Callable[..., Running], folder: Path
) -> None:
    """The scan of a minute ago is not repeated at the start; one that was due meanwhile is."""
    first = start()
    first.until(lambda: bool(first.said("scanned")))
    assert first.end() == 0
    again = start()
    before = len(again.said("pulled"))
    again.until(lambda: len(again.said("started")) == 2)
    again.until(lambda: len(again.said("pulled")) > before + 1)
    assert again.end() == 0
    assert len(again.said("scanned")) == 1

    with closing(sqlite3.connect(folder / "crm-steward.db")) as database:
        database.execute(
            "UPDATE jobs SET last_success_at = last_success_at - 86400000000,"
            " last_attempt_at = last_attempt_at - 86400000000 WHERE name = 'scan'"
        )
        database.commit()
    late = start()
    late.until(lambda: len(late.said("scanned")) == 2)
    assert late.end() == 0


def test_kill_dash_nine_leaves_a_database_that_starts_again(
    start: Callable[..., Running],
) -> None:
    """No lock, lease or half-written page stands in the way of the next start."""
    first = start()
    first.until(lambda: bool(first.said("scanned")))
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    again = start()
    again.until(lambda: len(again.said("started")) == 2 and len(again.said("pulled")) > 2)
    assert again.end(signal.SIGINT) == 0


def test_a_vanished_source_degrades_and_mends(start: Callable[..., Running], folder: Path) -> None:
    """The service goes on, /readyz tells why, and it recovers by itself."""
    service = start()
    service.until(lambda: bool(service.said("scanned")))
    (folder / "people.csv").rename(folder / "away.csv")
    service.until(lambda: '"status": "degraded"' in service.page("/readyz")[1])
    assert "people.csv" in service.page("/readyz")[1]
    (folder / "away.csv").rename(folder / "people.csv")
    service.until(lambda: '"status": "ok"' in service.page("/readyz")[1])
    assert service.end() == 0
    assert len(service.said("failed; it is tried again")) == 1


def test_systemd_is_told_when_it_is_ready_alive_and_stopping(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """On a real socket, as systemd listens: READY after the port is open, then signs of life."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        manager.settimeout(PATIENCE_SECONDS)
        service = start({"NOTIFY_SOCKET": f"{tmp_path}/notify", "WATCHDOG_USEC": "1000000"})
        assert manager.recv(100) == b"READY=1"
        assert service.page("/healthz")[0] == 200
        assert manager.recv(100).startswith(b"STATUS=1 connection, ")
        assert manager.recv(100) == b"WATCHDOG=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        service.process.send_signal(signal.SIGTERM)
        rest = [manager.recv(100)]
        while rest[-1] == b"WATCHDOG=1":
            rest.append(manager.recv(100))
        assert rest[-1] == b"STOPPING=1"
        assert service.process.wait(PATIENCE_SECONDS) == 0


def test_automatic_changes_are_written_once_and_the_rest_waits(
    start: Callable[..., Running], hubspot: Server
) -> None:
    """With `apply_automatic`, rules in mode `apply` reach the CRM, each record at most once."""
    block = f"crm: {{{{kind: hubspot, base_url: '{hubspot.url}', country: FR}}}}"
    settings = (
        SETTINGS.replace("people: {{kind: file, path: people.csv, pull_every: 1 second}}", block)
        .replace("packs: [], paths: [own.yaml]", "packs: [format]")
        .replace("service: {{", "service: {{apply_automatic: true, ")
        + "limits: {{max_percent_per_day: 100}}\n"
    )
    variable = {"CRM_STEWARD_CONNECTIONS__CRM__TOKEN": HubSpotSandbox.TOKEN}
    service = start(variable, settings)
    service.until(lambda: bool(service.said("applied")))
    metrics = service.page("/metrics")[1]
    called = re.search(r'crm_steward_calls_total{connection="crm",quota="burst"} (\d+)', metrics)
    assert called
    assert int(called[1]) > 5
    assert 'crm_steward_calls_refused_total{connection="crm",quota="burst"} 0.0' in metrics
    assert service.end() == 0
    applied = service.said("applied")[0]
    assert applied["verified"] > 0
    updates = [call for call in hubspot.log if call["path"].endswith("/contacts/batch/update")]
    assert len(updates) >= 1
    assert HubSpotSandbox.TOKEN not in service.log.read_text()

    again = start(variable, settings)
    again.until(lambda: len(again.said("started")) == 2 and again.page("/readyz")[0] == 200)
    assert again.end() == 0
    after = [call for call in hubspot.log if call["path"].endswith("/contacts/batch/update")]
    assert after == updates


def test_a_refused_token_pauses_one_connection_with_one_alarm(
    start: Callable[..., Running], hubspot: Server
) -> None:
    """The others go on; /readyz and /metrics tell; the next start tries again."""
    crm = f"  crm: {{{{kind: hubspot, base_url: '{hubspot.url}', pull_every: 1 second}}}}\n"
    settings = SETTINGS.replace("rules:", crm + "rules:")
    service = start({"CRM_STEWARD_CONNECTIONS__CRM__TOKEN": CANARY}, settings)
    service.until(lambda: len(service.said("pulled")) > 3)
    service.until(
        lambda: 'crm_steward_connection_paused{connection="crm"} 1.0' in service.page("/metrics")[1]
    )
    code, body = service.page("/readyz")
    assert (code, json.loads(body)["status"]) == (200, "degraded")
    assert [check["name"] for check in json.loads(body)["checks"] if not check["ok"]] == [
        "connection crm",
        "job pull:crm",
    ]
    assert service.end() == 0
    alarms = service.said("paused: the credential is refused")
    assert [line["level"] for line in alarms] == ["error"]
    assert CANARY not in service.log.read_text()

    mended = start({"CRM_STEWARD_CONNECTIONS__CRM__TOKEN": HubSpotSandbox.TOKEN}, settings)
    mended.until(lambda: '"status": "ok"' in mended.page("/readyz")[1])
    assert mended.end() == 0


def test_readyz_says_what_stops_writing_and_how_it_goes_on(
    start: Callable[..., Running], steward: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A pause from another process, and a restored copy of which one CRM cannot be asked."""
    service = start()
    service.until(lambda: bool(service.said("scanned")))
    assert steward("backup", "copy.db").returncode == 0
    assert service.end() == 0
    assert steward("restore", "copy.db").returncode == 0

    away = "  crm: {{kind: hubspot, token: pat-invented, base_url: 'http://127.0.0.1:9'}}\n"
    service = start(settings=SETTINGS.replace("rules:", away + "rules:"))

    def checks() -> dict[str, dict[str, Any]]:
        found = json.loads(service.page("/readyz")[1] or '{"checks": []}')["checks"]
        return {check["name"]: check for check in found}

    service.until(lambda: bool(checks()))
    paused = steward("pause", "--connection", "people", "--reason", "Import", "--by", "Dana")
    assert paused.returncode == 0, paused.stderr
    service.until(lambda: "to crm until" in checks()["reconciled"]["why"])
    why = {name: check["why"] for name, check in checks().items() if not check["ok"]}
    assert "crm-steward pull --full" in why["reconciled"]
    assert why["writing"].startswith("Nothing is written to people: paused by Dana since")
    assert 'To resume: crm-steward resume --connection people --reason "…"' in why["writing"]
    assert (service.page("/readyz")[0], service.page("/healthz")[0]) == (200, 200)

    assert steward("resume", "--connection", "people", "--reason", "Done").returncode == 0
    assert checks()["writing"]["ok"]
    assert service.end() == 0
    assert "Import" not in service.log.read_text(), "reasons are never logged"


def test_sigterm_ends_it_within_ten_seconds_while_the_crm_does_not_answer(
    start: Callable[..., Running],
) -> None:
    """A call that hangs for long does not hold the end up, and nothing is lost by it."""
    hangs = parse_faults({"path": "/crm/", "slow": 25})
    with serve(HubSpotSandbox(contacts=5, seed=1), faults=hangs) as server:
        crm = f"  crm: {{{{kind: hubspot, base_url: '{server.url}', timeout: 5 minutes}}}}\n"
        settings = SETTINGS.replace("rules:", crm + "rules:")
        variable = {"CRM_STEWARD_CONNECTIONS__CRM__TOKEN": HubSpotSandbox.TOKEN}
        service = start(variable, settings)
        service.until(lambda: bool(service.said("scanned")) and bool(server.log))
        assert service.end() == 0
        assert service.said("stopped")[0]["clean"] is False


def test_sighup_takes_up_the_settings_anew(start: Callable[..., Running], folder: Path) -> None:
    """Wrong settings change nothing but the log; good ones are taken up by the same process."""
    running = start()
    running.until(lambda: bool(running.said("started")))
    settings = folder / "crm-steward.yaml"
    good = settings.read_text("utf-8")

    settings.write_text(good + "lnguage: fr\n", "utf-8")
    running.process.send_signal(signal.SIGHUP)
    refused = "the settings are wrong; the service goes on with those it has"
    running.until(lambda: bool(running.said(refused)))
    assert "lnguage" in running.said(refused)[0]["why"]
    assert running.page("/healthz")[0] == 200

    other = free_port()
    settings.write_text(good.replace(str(running.port), str(other)), "utf-8")
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda: len(running.said("started")) == 2)
    assert {line["pid"] for line in running.said("started")} == {running.process.pid}
    assert running.page("/healthz")[0] == 0
    running.port = other
    assert running.page("/healthz")[0] == 200
    assert running.end() == 0


def test_a_port_that_somebody_else_has_stops_no_work(start: Callable[..., Running]) -> None:
    """At the start and after a reload: it works, says so once, and answers when the port is free."""
    unseen = "nobody can see how it is; the service works all the same"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = start(settings=SETTINGS.replace("{port}", str(port)))
        service.until(lambda: bool(service.said("scanned")))
        assert [line["level"] for line in service.said(unseen)] == ["error"]
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: len(service.said("started")) == 2)
    service.port = port
    service.until(lambda: service.page("/readyz")[0] == 200)
    assert len(service.said(unseen)) == 2, "once in each beginning"
    assert len(service.said("how it is can be seen")) == 1
    assert service.end() == 0


ELSEWHERE = ["unshare", "--pid", "--fork", "--kill-child"]
"""Begins a process in a pid namespace of its own: like one on another machine, nobody else can see
whether it lives."""


@pytest.mark.parametrize("within", [[], ELSEWHERE], ids=["same machine", "elsewhere"])
def test_a_second_service_stands_by_and_takes_over(
    start: Callable[..., Running], postgres_url: str, within: list[str]
) -> None:
    """It answers while it waits, works when the first was killed, and ends when asked to."""
    if within and subprocess.run([*within, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no pid namespace may be made here")
    name = f"t{uuid4().hex}"
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    database = postgres_url.replace("/postgres?", f"/{name}?")
    settings = SETTINGS.replace("}}\nlog", ", standby: true}}\nlog")
    assert "standby" in settings
    settings = f'database: "{database}"\n{settings}'
    first = start(settings=settings, name="first", within=within)
    first.until(lambda: bool(first.said("started")))
    second = start(settings=settings, name="second")
    second.until(lambda: second.page("/readyz")[0] == 200)
    status, body = second.page("/readyz")
    assert (status, "standing by" in body) == (200, True)
    assert second.page("/healthz")[0] == 200
    assert second.page("/metrics")[1].count("crm_steward_standby 1.0") == 1
    assert not second.said("started")
    third = start(settings=settings, name="third")
    third.until(lambda: third.page("/healthz")[0] == 200)
    assert third.end() == 0
    assert not third.said("started")

    first.end(signal.SIGKILL)
    second.until(lambda: bool(second.said("started")))
    second.until(lambda: "crm_steward_info" in second.page("/metrics")[1])
    assert len(second.said("standing by, to take over when it ends")) == 1
    assert second.end() == 0


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ("rules: {packs: [formt]}", 3, "formt"),
        ("langage: fr", 3, "did you mean 'language'?"),
        ("database: sqlite:////proc/x.db", 7, "/proc/x.db"),
        ("service: {listen: 'no-such-host.invalid:9464'}", 3, "cannot be opened"),
        ("timezone: Europe/Pari", 3, "Europe/Pari"),
    ],
)
def test_what_cannot_work_ends_at_once_with_its_code_and_remedy(
    steward: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    settings: str,
    code: int,
    says: str,
) -> None:
    """Wrong rules, settings, database or address: one message, no traceback, no half-started service."""
    (tmp_path / "crm-steward.yaml").write_text(settings, "utf-8")
    ended = steward("run")
    assert ended.returncode == code, ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
