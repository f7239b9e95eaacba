"""Answers /healthz, /readyz and /metrics: is it alive, can it work, what has it done."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from crm_steward.model import ConfigError, Problem

_log = structlog.stdlib.get_logger(__name__)

_TIMEOUT_SECONDS = 10
_PASSING = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})
"""What ends without an edit of the settings."""
_REMEDY = "Choose another port, or stop what listens there (ss -ltnp shows it)."


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

    Somebody else may have its port, or its address may not be there yet: the work goes on without
    the pages, that is said once, and `keep` tries again.

    Args:
        listen: `host:port`; port 0 takes any.
        alive: Looks at the process itself.
        ready: Looks at what the work needs.
        registry: What /metrics shows.
    """

    def __init__(
        self, listen: str, *, alive: Probe, ready: Probe, registry: CollectorRegistry
    ) -> None:
        self._listen = listen
        self._server: ThreadingHTTPServer | None = None
        self._said = False

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

        self._handler = Handler

    @property
    def port(self) -> int | None:
        """The port it listens on; None while somebody else has it."""
        return int(self._server.server_address[1]) if self._server else None

    def start(self) -> None:
        """Begin to answer, now or once the port is free.

        Raises:
            ConfigError: The port may not be opened.
        """
        self.keep()

    def keep(self) -> None:
        """Begin to answer if that was not possible before; cheap to call often.

        Raises:
            ConfigError: The port may not be opened.
        """
        if self._server is not None:
            return
        try:
            self._server = _opened(self._listen, self._handler)
        except OSError as error:
            said = (error.strerror or type(error).__name__).lower()
            wrong = Problem(
                f"'service.listen': {self._listen} cannot be opened: {said}.", hint=_REMEDY
            )
            if error.errno not in _PASSING:
                raise ConfigError([wrong]) from error
            if not self._said:
                _log.error(
                    "nobody can see how it is; the service works all the same", why=str(wrong)
                )
            self._said = True
            return
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        if self._said:
            _log.info("how it is can be seen", port=self.port)
        self._said = False

    def stop(self) -> None:
        """Stop answering and give the port back."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _opened(listen: str, handler: type[_Handler]) -> ThreadingHTTPServer:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    return Server((host, int(port)), handler)


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
