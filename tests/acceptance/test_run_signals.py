"""Signals at the moments that hurt: while the service loads, begins anew, or waits for what hangs."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from tests.acceptance.test_postgresql_troubles import server
from tests.acceptance.test_run import PATIENCE_SECONDS, SETTINGS, Running, folder, start
from tests.conftest import PostgresServer

from crm_steward.sandbox import parse_faults, serve
from crm_steward_hubspot.sandbox import HubSpotSandbox

__all__ = ["folder", "server", "start"]  # fixtures

WITHIN_SECONDS = 10
LOADING = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
import crm_steward.daemon.signals as signals
from importlib.abc import MetaPathFinder

class Slow(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "crm_steward.cli.app":
            print("loading", flush=True)
            threading.Event().wait({seconds})

sys.meta_path.insert(0, Slow())
sys.argv = ["crm-steward", {command!r}, "--help"]
from crm_steward.cli import main
main()
"""
"""Python that runs the program, which stands still for so long when it has begun to load."""


@contextmanager
def loading(command: str, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Give a process of the program that is still being loaded."""
    code = LOADING.format(command=command, seconds=seconds)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "loading\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_still_loaded_ends_well(sent: signal.Signals) -> None:
    """Whatever its main thread does: exit code 0, one line, no traceback."""
    with loading("run") as process:
        process.send_signal(sent)
        said = process.communicate(timeout=WITHIN_SECONDS)[1]
    assert (process.returncode, said) == (0, "crm-steward: stopped before it had begun.\n")


def test_a_command_that_is_still_loaded_ends_as_the_system_has_it() -> None:
    """Who ends a command by SIGTERM must not take it for done; Ctrl-C leaves no traceback."""
    with loading("status") as process:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=WITHIN_SECONDS)[1] == ""
    assert process.returncode == -signal.SIGTERM
    with loading("status") as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=WITHIN_SECONDS)[1] == ""
    assert process.returncode == 130


def test_a_reload_does_not_end_a_service_that_is_still_loaded() -> None:
    """SIGHUP without a handler ends a process; the settings are read after it anyway."""
    with loading("run", seconds=1) as process:
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, err
    assert "Run the background service" in out


def test_two_reloads_in_a_row_and_an_end_while_it_begins_anew(
    start: Callable[..., Running],
) -> None:
    """Sent whatever the service is at: each reload leaves it alive, and SIGTERM is never lost."""
    service = start(anew=True)
    service.until(lambda: bool(service.said("scanned")))
    for _ in range(40):
        service.process.send_signal(signal.SIGHUP)
        time.sleep(0.25)
        assert service.process.poll() is None, service.log.read_text()[-2000:]
    service.until(lambda: len(service.said("started")) > 1)
    assert {line["pid"] for line in service.said("started")} == {service.process.pid}

    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: service.said("stopping; jobs come to their next safe point") != [])
    assert service.end() == 0


LATE = """
import os, signal
from crm_steward.daemon import signals

def late(module, name):
    real = getattr(module, name)
    def after_sigterm(*given):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*given)
    setattr(module, name, after_sigterm)

late({where})
from crm_steward.cli import main
main()
"""
"""Python that runs the program, which is sent SIGTERM at one place of its end, however short it is."""


@pytest.mark.parametrize("where", ["signals, 'hold_back'", "os, 'execv'"])
def test_sigterm_in_the_last_moment_before_it_begins_anew_is_not_lost(
    start: Callable[..., Running], where: str
) -> None:
    """Just before signals are kept for its next self, and after: that one does not run, or ends."""
    service = start(code=LATE.format(where=where), anew=True)
    service.until(lambda: bool(service.said("started")))
    assert service.end(signal.SIGHUP) == 0
    assert service.log.read_text().count('"event": "started"') == 1


EARLY = """
import sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
from crm_steward.cli import main
main()
"""
"""Python that runs the program with a thread that was there first, and blocks nothing."""


def test_a_thread_that_was_there_first_swallows_no_signal(start: Callable[..., Running]) -> None:
    """What the system tells it of is handed on: SIGHUP begins anew, SIGTERM ends with 0."""
    service = start(code=EARLY, anew=True)
    service.until(lambda: bool(service.said("started")))
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: len(service.said("started")) == 2)
    assert service.end() == 0


HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def blocked(pid: int) -> list[set[signal.Signals]]:
    """Return which of the signals that the service hears each thread of a process blocks."""
    masks = [
        int(line.split()[1], 16)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for line in (task / "status").read_text("utf-8").splitlines()
        if line.startswith("SigBlk:")
    ]
    return [{each for each in HEARD if mask >> each - 1 & 1} for mask in masks]


def test_no_thread_takes_a_signal_from_the_one_that_hears_it(start: Callable[..., Running]) -> None:
    """Each blocks them, whoever began it: the system keeps a signal that comes as the service goes."""
    service = start(anew=True)
    service.until(lambda: bool(service.said("scanned")))
    threads = blocked(service.process.pid)
    assert len(threads) > 3, "those of the schedule and of the pages are among them"
    assert threads.count(set(HEARD)) >= len(threads) - 1, "but for the one that waits for them"
    assert service.end() == 0


def test_a_reload_while_a_crm_does_not_answer_does_not_wait_for_itself(
    start: Callable[..., Running],
) -> None:
    """What its former self had begun under the writer's lease is over: the lease is taken at once."""
    hangs = parse_faults({"path": "/crm/", "slow": 15, "times": 1})
    with serve(HubSpotSandbox(contacts=5, seed=1), faults=hangs) as server:
        crm = f"  crm: {{{{kind: hubspot, base_url: '{server.url}', timeout: 5 minutes}}}}\n"
        settings = SETTINGS.replace("rules:", crm + "rules:")
        variable = {"CRM_STEWARD_CONNECTIONS__CRM__TOKEN": HubSpotSandbox.TOKEN}
        service = start(variable, settings, anew=True)
        service.until(lambda: bool(service.said("pulled")) and bool(server.log))
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: len(service.said("started")) == 2)
        assert service.said("stopped")[0]["clean"] is False
        begun = len(service.said("pulled"))
        service.until(lambda: len(service.said("pulled")) > begun + 1)
        assert service.end() == 0
    put_off = "put off: a command that somebody started is at work"
    assert service.said(put_off) == []


def test_a_locked_file_is_waited_for_at_the_start(
    start: Callable[..., Running],
    folder: Path,
) -> None:
    """Another program holds the database for longer than a statement waits: said once, then it begins."""
    first = start()
    first.until(lambda: bool(first.said("scanned")))
    assert first.end() == 0
    with closing(sqlite3.connect(folder / "crm-steward.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        service = start()
        away = "the database is away; the service waits for it"
        service.until(lambda: len(service.said(away)) == 1)
        status, body = service.page("/readyz")
        assert (status, "database is locked" in body) == (503, True)
        assert service.page("/healthz")[0] == 200
        assert "crm_steward_database_up 0.0" in service.page("/metrics")[1]
        waits = start(name="other")
        waits.until(lambda: len(waits.said(away)) == 1)
        assert waits.end() == 0
        other.rollback()
    service.until(lambda: bool(service.said("the database is back")))
    service.until(lambda: service.page("/readyz")[0] == 200)
    assert service.end() == 0


def test_a_server_that_is_away_is_waited_for_at_the_start_and_at_a_reload(
    start: Callable[..., Running],
    server: PostgresServer,
) -> None:
    """A power cut, a server that comes up later: it waits, obeys, says so once, and begins by itself."""
    settings = f'database: "{server.url}"\n{SETTINGS}'
    away = "the database is away; the service waits for it"
    server.stop("fast")
    service = start(settings=settings, anew=True)
    service.until(lambda: len(service.said(away)) == 1)
    assert (service.page("/healthz")[0], service.page("/readyz")[0]) == (200, 503)
    quits = start(settings=settings, name="quits")
    quits.until(lambda: bool(quits.said(away)))
    assert quits.end() == 0
    server.start()
    service.until(lambda: bool(service.said("scanned")))
    service.until(lambda: service.page("/readyz")[0] == 200)

    server.stop("fast")
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: bool(service.said("the lease of the service is left to run out")))
    service.until(lambda: service.page("/readyz")[0] == 503)
    server.start()
    service.until(lambda: len(service.said("started")) == 2)

    server.stop("fast")
    service.until(lambda: service.page("/readyz")[0] == 503)
    assert service.end() == 0
    server.start()
    assert "this is a bug" not in service.log.read_text()


class Middle:
    """A network between a service and a server: what is sent arrives, until nothing does any more."""

    def __init__(self, server: Path) -> None:
        self._server = str(server)
        self._open: list[socket.socket] = []
        self._at_work: list[threading.Thread] = []
        self._passing = threading.Event()
        self._passing.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._begin(self._accept)

    def swallow(self) -> None:
        """Let nothing arrive any more."""
        self._passing.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._server)
            self._open += [near, far]
            self._begin(self._pass, near, far)
            self._begin(self._pass, far, near)

    def _begin(self, work: Callable[..., None], *given: socket.socket) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._at_work.append(thread)
        thread.start()

    def _pass(self, taking: socket.socket, giving: socket.socket) -> None:
        while True:
            try:
                part = taking.recv(1 << 16)
            except OSError:
                return
            self._passing.wait()
            try:
                giving.sendall(part)
                if not part:
                    giving.shutdown(socket.SHUT_WR)
                    return
            except OSError:
                return

    def close(self) -> None:
        """End every connection, and take no more."""
        self._passing.set()
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._at_work:
            thread.join()
        for one in (self._listening, *self._open):
            one.close()


def test_sigterm_ends_it_within_ten_seconds_while_the_database_does_not_answer(
    start: Callable[..., Running], postgres_url: str
) -> None:
    """A network that swallows every packet holds the main thread up, but not the end."""
    place = Path(postgres_url.partition("host=")[2], ".s.PGSQL.5432")
    with closing(Middle(place)) as middle:
        url = f"postgresql+psycopg://steward@127.0.0.1:{middle.port}/postgres"
        service = start(settings=f'database: "{url}"\n{SETTINGS}')
        service.until(lambda: bool(service.said("scanned")))
        middle.swallow()
        time.sleep(6)  # longer than the service waits between two signs of life
        assert service.end() == 0
    assert "although something did not answer" in service.log.read_text()
