"""Serves an emulator over real HTTP on the loopback, with scripted faults and a control door."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from crm_steward.sandbox.control import CONTROL, control
from crm_steward.sandbox.emulator import Emulator
from crm_steward.sandbox.faults import Fault, FaultScript
from crm_steward.sandbox.statefile import StateFile
from crm_steward.sandbox.wire import Request, Response

_WEB_PAGE = (
    b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body>Sorry.</body></html>"
)
_LOG_LENGTH = 200_000


class _Cut(Exception):  # noqa: N818 -- an answer, not a failure of ours
    """The connection ends here, with so many bytes of the answer sent."""

    def __init__(self, payload: bytes = b"") -> None:
        super().__init__()
        self.payload = payload


class Server:
    """A running emulator.

    Attributes:
        emulator: The account being served; tests may look into it directly.
        faults: The script in force.
        log: Requests made: method, path, status, time, faults fired; status 0 was cut off.
        crashes: Errors of the emulator itself; answered 500, and raised when `serve` ends.
        url: `http://127.0.0.1:PORT`.
    """

    def __init__(
        self,
        emulator: Emulator,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Iterable[Fault] = (),
        state: Path | None = None,
    ) -> None:
        self.emulator = emulator
        self.faults = FaultScript(faults, seed=emulator.seed)
        self.log: deque[dict[str, Any]] = deque(maxlen=_LOG_LENGTH)
        self.crashes: list[Exception] = []
        self.state = StateFile(state, emulator) if state else None
        self._http = _Http((host, port), self)
        self.port: int = self._http.server_address[1]
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="sandbox"
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, cut open connections, and wait for their threads."""
        self._http.shutdown()
        self._thread.join()
        self._http.cut_connections()
        self._http.server_close()
        if self.state:
            self.state.close()

    def answer(self, request: Request) -> Response:
        """Answer one request as the script wants it.

        Raises:
            _Cut: The script wants the connection cut.
        """
        if request.path.startswith(CONTROL):
            return control(self, request)
        started = time.perf_counter()
        firing = self.faults.firing(request.method, request.target, request.body)
        status = 0
        try:
            response = self._handle(request, firing)
            status = response.status
        except _Cut:
            raise
        except Exception as error:  # noqa: BLE001 -- a crash must not look like a CRM's fault
            self.crashes.append(error)
            status, message = 500, f"The sandbox itself has failed: {error!r}"
            response = Response(status, {"status": "error", "message": message})
        finally:
            entry = {
                "at": self.emulator.now().isoformat(),
                "method": request.method,
                "path": request.target,
                "status": status,
                "ms": round((time.perf_counter() - started) * 1000, 2),
                "faults": [fault.name or fault.action for fault in firing],
            }
            self.log.append(entry)
        return response

    def _handle(self, request: Request, firing: list[Fault]) -> Response:
        instead = self._before(request, firing)
        if instead is not None:
            return instead
        meddling = next((fault for fault in firing if fault.partial or fault.no_op), None)
        with self.emulator.lock:
            response = self.emulator.answer(replace(request, meddling=meddling))
            self._human_edits(request, response, firing, "after")
            if self.state:
                self.state.save()
        return _spoil(response, firing)

    def _before(self, request: Request, firing: list[Fault]) -> Response | None:
        for fault in firing:
            if fault.slow:
                time.sleep(fault.slow)
            if fault.expire_token:
                with self.emulator.lock:
                    self.emulator.expire_credential(request)
            if fault.reset == "before":
                raise _Cut
            if fault.html:
                return Response(fault.status or 502, _WEB_PAGE, {"Content-Type": "text/html"})
            if fault.error_body:
                return replace(self.emulator.error(HTTPStatus.INTERNAL_SERVER_ERROR), status=200)
            if fault.status:
                return self._refused(fault, fault.status)
        self._human_edits(request, None, firing, "before")
        return None

    def _refused(self, fault: Fault, status: int) -> Response:
        response = self.emulator.error(status)
        if fault.retry_after is None:
            return response
        return response.with_headers({"Retry-After": f"{fault.retry_after:g}"})

    def _human_edits(
        self, request: Request, response: Response | None, firing: list[Fault], when: str
    ) -> None:
        for edit in (fault.human_edit for fault in firing if fault.human_edit):
            if edit.when != when:
                continue
            ids = [edit.id] if edit.id else self.emulator.addressed(request, response)[:1]
            for record_id in ids:
                self.emulator.by_hand({"do": "edit", "id": record_id, "values": edit.values})


def _spoil(response: Response, firing: list[Fault]) -> Response:
    for fault in firing:
        if fault.reset == "after":
            raise _Cut
        if fault.half_body:
            raise _Cut(_head(response, len(response.payload)) + _half(response))
        if fault.truncated_json:
            return Response(response.status, _half(response), response.headers)
    return response


def _half(response: Response) -> bytes:
    return response.payload[: len(response.payload) // 2]


def _head(response: Response, length: int) -> bytes:
    headers = {
        "Content-Type": "application/json;charset=utf-8",
        **response.headers,
        "Content-Length": str(length),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {response.status} Sandbox\r\n{lines}\r\n".encode("latin-1")


class _Http(ThreadingHTTPServer):
    """One thread per connection, all of them ended by `cut_connections`."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Server) -> None:
        self.sandbox = sandbox
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the resolver for the host's name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def shutdown_request(self, request: Any) -> None:
        """Close without the polite end, so that a scripted cut is a reset."""
        self.close_request(request)

    def track(self, connection: socket.socket, *, is_open: bool) -> None:
        """Remember or forget an open connection."""
        with self._guard:
            (self._open.add if is_open else self._open.discard)(connection)

    def cut_connections(self) -> None:
        """End every open connection, so that its thread ends."""
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Http
    methods: ClassVar = ("GET", "POST", "PUT", "PATCH", "DELETE")

    def setup(self) -> None:
        super().setup()
        self.server.track(self.connection, is_open=True)

    def finish(self) -> None:
        self.server.track(self.connection, is_open=False)
        try:
            super().finish()
        except OSError:
            self.close_connection = True  # the client went away, or a fault cut the line

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the same

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        try:
            response = self.server.sandbox.answer(request)
        except _Cut as cut:
            self._cut(cut.payload)
            return
        self.wfile.write(_head(response, len(response.payload)) + response.payload)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 -- http.server's names

    def _cut(self, payload: bytes) -> None:
        if payload:
            self.wfile.write(payload)
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
        else:  # linger for 0 s: the other side sees a reset, not an orderly end
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the word the caller writes
        """Say nothing on the terminal; `/_sandbox/log` holds what was asked."""


@contextmanager
def serve(
    emulator: Emulator,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Iterable[Fault] = (),
    state: Path | None = None,
) -> Iterator[Server]:
    """Serve `emulator` over real sockets while the block runs.

    Args:
        emulator: The account to serve.
        host: The address to listen on; anything but the loopback is your own decision.
        port: 0 picks a free one.
        faults: In force from the start.
        state: File that keeps the account across restarts.

    Example:
        >>> from crm_steward.sandbox import serve
        >>> from crm_steward_hubspot.sandbox import HubSpotSandbox
        >>> with serve(HubSpotSandbox(contacts=100, seed=7)) as server:
        ...     print(server.url)

    Raises:
        OSError: The port is taken.
        RuntimeError: The emulator itself failed while it served.
        InputError: `state` belongs to another population.
    """
    server = Server(emulator, host=host, port=port, faults=faults, state=state)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    if server.crashes:
        raise RuntimeError("the sandbox itself has failed") from server.crashes[0]
