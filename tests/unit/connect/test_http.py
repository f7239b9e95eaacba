"""The session that connectors are given: once, in time, to the host that was meant, and not too much."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import trustme

from crm_steward.connect import once
from crm_steward.connect.http import open_session, transport_error
from crm_steward.model import ConfigError, RetryableError


class Vendor(ThreadingHTTPServer):
    """A server that notes what it was asked and answers as the path says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, str | None]] = []
        self.release = threading.Event()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Vendor

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"http://{self.server.host}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/slow":
            self.server.release.wait(20)
        body = b"x" * (3000 if self.path == "/large" else 5)
        self.send_response(503 if self.path == "/busy" else 200)
        self.send_header("Content-Length", str(len(body) + (5 if self.path == "/half" else 0)))
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """Give a server."""
    server = Vendor()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_redirect_is_not_followed(vendor: Vendor) -> None:
    """The credential stays where it was meant to go."""
    answer = open_session(timedelta(seconds=5)).get(f"http://{vendor.host}/moved")
    assert answer.status_code == 302
    assert [path for path, _ in vendor.asked] == ["/moved"]


def test_nothing_is_tried_again(vendor: Vendor) -> None:
    """Neither a 503 with Retry-After nor a broken answer: that is for the core to decide."""
    session = open_session(timedelta(seconds=5))
    assert session.get(f"http://{vendor.host}/busy").status_code == 503
    with pytest.raises(requests.RequestException):
        session.get(f"http://{vendor.host}/half")
    assert len(vendor.asked) == 2


def test_every_call_ends_in_time(vendor: Vendor) -> None:
    """Without an argument, where `requests` would wait for ever; its answer may have been made."""
    with pytest.raises(requests.Timeout) as caught:
        open_session(timedelta(seconds=0.2)).get(f"http://{vendor.host}/slow")
    error = transport_error("crm", "Acme", caught.value)
    assert isinstance(error, RetryableError)
    assert error.sent


def test_a_netrc_does_not_replace_the_credential(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in somebody's home folder is not sent to a CRM."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session = open_session(timedelta(seconds=5))
    session.get(f"http://{vendor.host}/", headers={"Authorization": "Bearer ours"})
    session.get(f"http://{vendor.host}/")
    assert [sent for _, sent in vendor.asked] == ["Bearer ours", None]


def test_an_answer_without_end_is_cut(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the limit is not read into memory, and the message says what to look for."""
    monkeypatch.setattr(once, "LARGEST", 2000)
    with pytest.raises(once.TooLargeError) as caught:
        open_session(timedelta(seconds=5)).get(f"http://{vendor.host}/large")
    assert "larger than" in str(transport_error("crm", "Acme", caught.value))


def test_https_to_an_emulator_goes_out_plain(vendor: Vendor) -> None:
    """For that host and port alone: an SDK may insist on https."""
    session = open_session(timedelta(seconds=5), plain=vendor.host)
    assert session.get(f"https://{vendor.host}/").text == "xxxxx"
    with pytest.raises(requests.exceptions.SSLError):
        open_session(timedelta(seconds=5)).get(f"https://{vendor.host}/")


def test_a_call_that_never_left_is_known_to_be_unsent() -> None:
    """A port where nobody listens, and a name that leads nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "http://nowhere.invalid/"):
        with pytest.raises(requests.ConnectionError) as caught:
            open_session(timedelta(seconds=5)).get(url)
        error = transport_error("crm", "Acme", caught.value)
        assert isinstance(error, RetryableError)
        assert not error.sent
        assert "crm: Acme cannot be reached" in str(error)


def test_an_untrusted_certificate_is_a_matter_of_settings(vendor: Vendor) -> None:
    """A proxy that inspects TLS: said once, with the remedy, instead of trying for ever."""
    import ssl  # noqa: PLC0415 -- beside its only use

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    vendor.socket = context.wrap_socket(vendor.socket, server_side=True)
    with pytest.raises(requests.exceptions.SSLError) as caught:
        open_session(timedelta(seconds=5)).get(f"https://{vendor.host}/")
    error = transport_error("crm", "Acme", caught.value)
    assert isinstance(error, ConfigError)
    assert "certificate is not trusted" in str(error)
