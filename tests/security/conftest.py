"""What the attacks share: the program with every name and address it goes to noted, and listeners."""

from __future__ import annotations

import json
import os
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import Cli

Answer = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]
"""Path, host and body of a request → status, headers and body of the answer."""


@dataclass
class Listener:
    """A server on this machine that notes each request, with everything that came with it."""

    port: int
    requests: list[str] = field(default_factory=list)


@contextmanager
def listening(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """Answer every request by `answer`, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host = self.headers.get("Host", "")
            listener.requests.append(f"{self.command} {host}{self.path}\n{self.headers}{body!r}")
            status, headers, content = answer(self.path, host, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815 -- the base's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    listener = Listener(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Checked:
    """What `crm-steward check` said and where it went.

    Args:
        results: Connection → its result.
        names: Names it asked the name server for.
        reached: Addresses its sockets went to, as `address port`.
        output: All it printed.
    """

    results: dict[str, dict[str, Any]]
    names: list[str]
    reached: list[str]
    output: str


Check = Callable[..., Checked]


@pytest.fixture
def check(steward: Cli, tmp_path: Path) -> Check:
    """Give `crm-steward check` on connections of a test's choice, with all it reaches noted."""

    def run(
        connections: dict[str, dict[str, Any]],
        *,
        names: dict[str, list[str]] | None = None,
        env: dict[str, str] | None = None,
    ) -> Checked:
        path, notes = tmp_path / "crm-steward.yaml", tmp_path / "notes"
        notes.write_text("")
        python_path = [str(Path(__file__).parent / "watched"), os.environ.get("PYTHONPATH", "")]
        watched = {
            "PYTHONPATH": ":".join(filter(None, python_path)),
            "WATCHED_NOTES": str(notes),
            "WATCHED_NAMES": json.dumps(names or {}),
            "NO_PROXY": "*",
            **(env or {}),
        }
        results: dict[str, dict[str, Any]] = {}
        output = ""
        # What the settings refuse by itself hides the rest: the rest is looked at without it.
        for _ in range(2):
            left = {n: one for n, one in connections.items() if n not in results}
            if not left:
                break
            path.write_text(yaml.safe_dump({"version": 1, "connections": left}), "utf-8")
            path.chmod(0o600)
            done = steward("check", "--json", env=watched, timeout=240)
            output += done.stdout + done.stderr
            assert done.returncode == 3, output
            for result in json.loads(done.stdout)["checks"]:
                said = f"{result['name']} {result['text']}"
                results |= {n: result for n in left if re.search(rf"\b{n}\b", said)}
        seen = [json.loads(line) for line in notes.read_text("utf-8").splitlines()]
        return Checked(
            results=results,
            names=[whom for what, whom in seen if what == "name"],
            reached=[whom for what, whom in seen if what == "connect"],
            output=output,
        )

    return run
