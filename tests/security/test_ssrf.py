"""H30: no request, and with it no credential, leaves for a foreign host, whoever names it.

The settings (`base_url`, `instance_url`), the name server, a redirect, and the token endpoint
(`instance_url`, `api_domain`) each try. The program is started as users start it; each name it asks
for and each address it goes to is noted by the process itself (`watched/sitecustomize.py`).
"""

from __future__ import annotations

import json
import socket
import ssl
from datetime import timedelta
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.security.conftest import Check, listening

from crm_steward.connect.http import open_session
from crm_steward.model import ConfigError

SECRET = "c4nary-cr3dential-7d1e"
WAYS_IN: dict[str, dict[str, Any]] = {
    "hubspot": {"token": SECRET},
    "salesforce": {"client_id": "app", "client_secret": SECRET, "domain": "acme.my"},
    "zoho": {"client_id": "app", "client_secret": SECRET, "refresh_token": SECRET},
    "pipedrive": {"api_token": SECRET, "company": "acme"},
}
DOMAINS = {
    "hubspot": "hubapi.com",
    "salesforce": "salesforce.com",
    "zoho": "zohoapis.eu",
    "pipedrive": "pipedrive.com",
}

STRANGERS = (
    # another host, or the vendor's name as a part of another's
    "https://evil.example", "https://{d}.evil.example", "https://evil{d}", "https://{d}.co",
    "https://evil.example/{d}", "https://evil.example/.{d}", "https://evil-{d}",
    # user information
    "https://{d}@evil.example", "https://api.{d}:443@evil.example", "https://evil.example@{d}",
    "https://user:pass@{d}", "https://api.{d}%40evil.example", "https://{d}:pw@127.0.0.1",
    # what two parsers read differently
    "https://evil.example#.{d}", "https://evil.example?.{d}", "https://evil.example\\.{d}",
    "https://evil.example\\@{d}", "https://evil.example%00.{d}", "https://{d}%2eevil.example",
    "https://{d}\t.evil.example", "https://{d}\n.evil.example", "https://evil.example,{d}",
    "https://evil.example;{d}", "https://evil.example {d}", "https://[{d}]",
    # international names and look-alikes
    "https://\u0430pi.{d}", "https://api\u3002{d}", "https://api.{d}\u2024evil.example",
    "https://xn--pi-7kc.{d}.evil.example", "https://\uff45vil.example",
    # trailing dots, ports, schemes
    "https://evil.example.", "https://{d}.evil.example.", "https://api.{d}:0",
    "https://api.{d}:99999", "http://api.{d}", "ftp://api.{d}", "file:///etc/passwd", "//api.{d}",
    "gopher://api.{d}:70", "javascript:alert(1)",
    # this network and the metadata service, in all spellings
    "https://10.0.0.1", "https://192.168.1.1", "https://172.16.0.1", "https://169.254.169.254",
    "http://169.254.169.254/latest/meta-data", "http://metadata.google.internal", "http://0.0.0.0",
    "http://[::]", "http://[::ffff:169.254.169.254]", "http://[::ffff:a9fe:a9fe]",
    "http://[fd00:ec2::254]", "http://[fe80::1%25eth0]", "http://2130706433", "http://2852039166",
    "http://0x7f000001", "http://0xa9.0xfe.0xa9.0xfe", "http://0177.0.0.1", "http://127.1",
    "http://127.0.0.1.nip.io", "http://localhost.evil.example", "http://localtest.me",
)  # fmt: skip
"""Addresses that a connection may not have; {d} is the vendor's domain."""

PRIVATE = (
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1",  # noqa: S104 -- nothing is bound to it
    "172.16.5.4", "172.31.255.255", "192.168.0.10",
    "169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "2002:a00:1::1", "ff02::1", "2001:db8::1",
)  # fmt: skip
"""What the name server may answer, and no socket may go to."""

NAMED_BY_TOKENS = (
    *STRANGERS,
    "https://127.0.0.1", "https://localhost", "https://localhost:8443", "http://127.0.0.1:80",
    "https://[::1]",
)  # fmt: skip
"""What a token endpoint may name as the address to use: this machine is a stranger there, too."""


@pytest.mark.parametrize("kind", WAYS_IN)
def test_no_base_url_of_a_stranger_is_asked_anything(check: Check, kind: str) -> None:
    """Each is refused: none is resolved, none is connected to, and no secret is shown."""
    setting = "instance_url" if kind == "salesforce" else "base_url"
    way = {"token": SECRET} if kind == "salesforce" else WAYS_IN[kind]
    cases = {
        f"case-{number}": {"kind": kind, setting: url.replace("{d}", DOMAINS[kind]), **way}
        for number, url in enumerate(STRANGERS)
    }
    if kind == "salesforce":  # by both settings
        for number, url in enumerate(STRANGERS):
            whole = {"kind": kind, "base_url": url.replace("{d}", DOMAINS[kind])}
            cases[f"base-{number}"] = {**whole, **WAYS_IN[kind]}

    checked = check(cases)

    assert len(STRANGERS) >= 50
    assert {name for name in cases if checked.results[name]["state"] != "failed"} == set()
    assert checked.names == []
    assert checked.reached == []
    assert SECRET not in checked.output


@pytest.mark.parametrize("kind", WAYS_IN)
def test_a_name_server_leads_nobody_into_a_private_network(check: Check, kind: str) -> None:
    """The vendor's own name, but an address of this network or of the metadata service.

    It may stand behind a good one, where a client that takes another look would find it (DNS
    rebinding): the answer as a whole is refused.
    """
    answers = [[one] for one in PRIVATE] + [["8.8.8.8", one] for one in PRIVATE]
    cases, names = {}, {}
    for number, answer in enumerate(answers):
        host = f"n{number}.{DOMAINS[kind]}"
        cases[f"case-{number}"] = {"kind": kind, "base_url": f"https://{host}", **WAYS_IN[kind]}
        names[host] = answer
    checked = check(cases, names=names)

    assert set(checked.names) == set(names)
    assert checked.reached == []
    for name in cases:
        assert checked.results[name]["state"] == "failed"
        assert "private network" in checked.results[name]["text"]
        assert "allow_hosts" in checked.results[name]["remedy"]
    assert SECRET not in checked.output


class Names:
    """A name server that answers something else the second time."""

    def __init__(self, *answers: str) -> None:
        self._answers = iter(answers)
        self._asked = socket.getaddrinfo

    def __call__(self, host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        name = next(self._answers) if host.endswith(".com") else host
        return self._asked(name, port, *args, **options)


def test_the_socket_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is asked for once: what it would lead to a moment later plays no part."""
    with listening(lambda *_: (200, {}, b"fine")) as looked_at:
        names = Names("127.0.0.1", "169.254.169.254")
        monkeypatch.setattr(socket, "getaddrinfo", names)
        session = open_session(
            timedelta(seconds=5), hosts=["hubapi.com"], allow_hosts=["hubapi.com"]
        )
        url = f"http://api.hubapi.com:{looked_at.port}/"
        assert session.get(url).text == "fine"
        session.close()
        with pytest.raises(ConfigError, match="private network"):
            session.get(url)
    assert len(looked_at.requests) == 1
    assert f"Host: api.hubapi.com:{looked_at.port}" in looked_at.requests[0]


def test_a_request_to_a_stranger_does_not_leave_whatever_made_up_its_address() -> None:
    """A connector that builds an address out of an answer is stopped by the session."""
    with listening(lambda *_: (200, {}, b"")) as stranger:
        session = open_session(timedelta(seconds=5), hosts=["hubapi.com"])
        for url in ("http://evil.example/", "http://api.hubapi.com.evil.example/"):
            with pytest.raises(ConfigError, match="stranger"):
                session.get(url, headers={"Authorization": SECRET})
    assert stranger.requests == []


def test_a_host_that_the_settings_name_is_never_the_metadata_service(check: Check) -> None:
    """`allow_hosts` opens a private network to a proxy of one's own, but no link-local address."""
    way = {"kind": "hubspot", "token": SECRET, "allow_hosts": "proxy.example.org"}
    checked = check(
        {"one": {**way, "base_url": "https://proxy.example.org"}},
        names={"proxy.example.org": ["169.254.169.254"]},
    )
    assert checked.reached == []
    assert "private network" in checked.results["one"]["text"]


_APP = {"client_id": "app", "client_secret": SECRET, "refresh_token": SECRET}
ALL_WAYS = [
    *WAYS_IN.items(),
    ("hubspot", _APP),
    ("pipedrive", _APP),
    ("salesforce", {"username": "a@example.com", "password": SECRET}),
]


@pytest.mark.parametrize(("kind", "way"), ALL_WAYS)
def test_a_redirect_takes_the_credential_nowhere(
    check: Check, kind: str, way: dict[str, Any]
) -> None:
    """Five statuses to another port, another name for this machine, and over another scheme."""
    with listening(lambda *_: (200, {}, b"{}")) as stranger:
        places = [f"http://127.0.0.1:{stranger.port}/", f"http://localhost:{stranger.port}/",
                  f"//127.0.0.1:{stranger.port}/", f"https://127.0.0.1:{stranger.port}/"]  # fmt: skip
        answers = list(product((301, 302, 303, 307, 308), places))
        turn = count()

        def moved(*_: Any) -> tuple[int, dict[str, str], bytes]:
            status, place = answers[next(turn) % len(answers)]
            return status, {"Location": f"{place}?{SECRET}"}, b""

        with listening(moved) as vendor:
            url = f"http://127.0.0.1:{vendor.port}"
            cases = {
                f"case-{number}": {"kind": kind, "base_url": url, **way}
                for number in range(len(answers))
            }
            checked = check(cases)

    assert len(vendor.requests) >= len(cases)
    assert stranger.requests == []
    assert {place for place in checked.reached if not place.endswith(f" {vendor.port}")} == set()
    assert {one["state"] for one in checked.results.values()} == {"failed"}
    assert SECRET not in checked.output


TOKEN_HOSTS = {
    "salesforce": "acme.my.salesforce.com",
    "zoho": "accounts.zoho.eu",
    "pipedrive": "oauth.pipedrive.com",
}


@pytest.mark.parametrize("kind", TOKEN_HOSTS)
def test_a_token_endpoint_names_no_stranger(check: Check, kind: str, tmp_path: Path) -> None:
    """`instance_url` and `api_domain`, over TLS as from the vendor: only the endpoint is asked."""
    token_host = TOKEN_HOSTS[kind]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(token_host).configure_cert(tls)
    turn = iter(NAMED_BY_TOKENS)

    def granted(*_: Any) -> tuple[int, dict[str, str], bytes]:
        address = next(turn).replace("{d}", DOMAINS[kind])
        grant = {"access_token": SECRET, "expires_in": 3600, "refresh_token": SECRET}
        body = {**grant, "instance_url": address, "api_domain": address}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    way = dict(_APP if kind == "pipedrive" else WAYS_IN[kind])
    if kind == "zoho":
        way["data_center"] = "eu"
    cases = {
        f"case-{number}": {"kind": kind, **way, "allow_hosts": token_host}
        for number, _ in enumerate(NAMED_BY_TOKENS)
    }
    with listening(granted, tls=tls) as vendor:
        checked = check(
            cases,
            names={token_host: ["127.0.0.1"]},
            env={"WATCHED_TLS": str(vendor.port), "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")},
        )

    assert len(vendor.requests) == len(cases)
    assert {request.split()[0] for request in vendor.requests} == {"POST"}
    assert set(checked.names) == {token_host}
    assert set(checked.reached) == {"127.0.0.1 443"}
    assert {one["state"] for one in checked.results.values()} == {"failed"}
    assert SECRET not in checked.output
