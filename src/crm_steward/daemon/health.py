"""Answers /healthz, /readyz and /metrics: is it alive, can it work, what has it done."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from crm_steward.model import ConfigError, Problem

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Args:
        name: What.
        ok: Whether it is as it should be.
        why: What is wrong, without personal data.
        vital: Whether the service can work at all without it.
    """

    name: str
    ok: bool
    why: str = ""
    vital: bool = False


Probe = Callable[[], list[Check]]


class HealthServer:
    """A small HTTP server in a thread of its own.

    Args:
        listen: `host:port`; port 0 takes any.
        alive: Looks at the process itself.
        ready: Looks at what the work needs.
        registry: What /metrics shows.

    Raises:
        ConfigError: The port is taken or may not be opened.
    """

    def __init__(
        self, listen: str, *, alive: Probe, ready: Probe, registry: CollectorRegistry
    ) -> None:
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")

        class Handler(_Handler):
            pages = {  # noqa: RUF012 -- set once, on a class made for this server
                "/healthz": lambda: _answer(alive()),
                "/readyz": lambda: _answer(ready()),
                "/metrics": lambda: (
                    HTTPStatus.OK,
                    CONTENT_TYPE_LATEST,
                    generate_latest(registry),
                ),
            }

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True

        try:
            self._server = Server((host, int(port)), Handler)
        except OSError as error:
            said = (error.strerror or type(error).__name__).lower()
            raise ConfigError(
                [
                    Problem(
                        f"'service.listen': {listen} cannot be opened: {said}.",
                        hint="Choose another port, or stop what listens there (ss -ltnp shows it).",
                    )
                ]
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="health", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and give the port back."""
        self._server.shutdown()
        self._server.server_close()


def _answer(checks: list[Check]) -> tuple[HTTPStatus, str, bytes]:
    """Say how it is: a vital check that fails is an error, another one only a degradation."""
    vital = all(check.ok for check in checks if check.vital)
    fine = all(check.ok for check in checks)
    state = ("ok" if fine else "degraded") if vital else "failing"
    body = {"status": state, "checks": [asdict(check) for check in checks]}
    code = HTTPStatus.OK if vital else HTTPStatus.SERVICE_UNAVAILABLE
    return code, "application/json", json.dumps(body).encode() + b"\n"


class _Handler(BaseHTTPRequestHandler):
    server_version = "crm-steward"
    sys_version = ""
    timeout = _TIMEOUT_SECONDS
    pages: dict[str, Callable[[], tuple[HTTPStatus, str, bytes]]]

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            known = f"Pages: {', '.join(self.pages)}\n".encode()
            status, kind, body = HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", known
        else:
            status, kind, body = page()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 -- the base's naming

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base's signature
        """Keep probes out of the log."""
