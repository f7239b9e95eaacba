"""The health pages, asked over real HTTP."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from crm_steward.daemon.health import Check, HealthServer
from crm_steward.model import ConfigError


@pytest.fixture
def checks() -> list[Check]:
    """Give the list of checks that /readyz shows; tests fill it."""
    return []


@pytest.fixture
def server(checks: list[Check]) -> Iterator[HealthServer]:
    """Serve on any port."""
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc(3)
    serving = HealthServer(
        "127.0.0.1:0", alive=lambda: [Check("a", ok=True)], ready=lambda: checks, registry=registry
    )
    serving.start()
    yield serving
    serving.stop()


def get(server: HealthServer, path: str, method: str = "GET") -> tuple[int, str]:
    """Return status and body of a page."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- our own
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("given", "status", "word"),
    [
        ([Check("database", ok=True, vital=True)], 200, "ok"),
        ([Check("x", ok=True, vital=True), Check("crm", ok=False, why="paused")], 200, "degraded"),
        ([Check("database", ok=False, why="gone", vital=True)], 503, "failing"),
    ],
)
def test_readyz_tells_how_it_is_and_why(
    server: HealthServer, checks: list[Check], given: list[Check], status: int, word: str
) -> None:
    """Only what makes all work impossible fails; the rest degrades, with its reason."""
    checks += given
    code, body = get(server, "/readyz?verbose")
    assert code == status
    assert json.loads(body)["status"] == word
    assert [check["why"] for check in json.loads(body)["checks"]] == [one.why for one in given]


def test_healthz_metrics_and_what_is_not_there(server: HealthServer) -> None:
    """The three pages answer, HEAD has no body, anything else names the pages."""
    assert get(server, "/healthz")[0] == 200
    assert "things_total 3.0" in get(server, "/metrics")[1]
    assert get(server, "/metrics", "HEAD") == (200, "")
    assert get(server, "/") == (404, "Pages: /healthz, /readyz, /metrics\n")
    assert get(server, "/healthz", "POST")[0] == 501


def test_a_port_that_somebody_else_has_is_taken_once_it_is_free() -> None:
    """Said once, with the setting, what is wrong and what to do; the pages are there when it ends."""
    with socket.create_server(("127.0.0.1", 0)) as taken, capture_logs() as logs:
        port = taken.getsockname()[1]
        waiting = HealthServer(
            f"127.0.0.1:{port}",
            alive=lambda: [Check("a", ok=True)],
            ready=list,
            registry=CollectorRegistry(),
        )
        waiting.start()
        waiting.keep()
    assert waiting.port is None
    (line,) = logs
    assert line["log_level"] == "error"
    assert f"'service.listen': 127.0.0.1:{port} cannot be opened: addr" in line["why"]
    assert "ss -ltnp" in line["why"]
    waiting.keep()
    try:
        assert get(waiting, "/healthz")[0] == 200
    finally:
        waiting.stop()


def test_an_address_that_may_not_be_opened_is_a_clear_error() -> None:
    """Waiting would not mend it."""
    unknown = HealthServer(
        "no-such-host.invalid:1", alive=list, ready=list, registry=CollectorRegistry()
    )
    with pytest.raises(ConfigError, match=r"'service.listen': no-such-host.invalid:1 cannot be"):
        unknown.start()


def test_the_port_is_free_again_after_stop() -> None:
    """A restart finds it, also right after a client was connected."""
    serving = HealthServer("127.0.0.1:0", alive=list, ready=list, registry=CollectorRegistry())
    serving.start()
    port = serving.port
    assert get(serving, "/healthz")[0] == 200
    serving.stop()
    with socket.create_server(("127.0.0.1", port)) as taken:
        assert taken.getsockname()[1] == port
