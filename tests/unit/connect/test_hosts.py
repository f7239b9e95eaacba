"""Where a token may go: a corpus of addresses that try to look like the vendor's."""

from __future__ import annotations

import pytest

from crm_steward.connect.hosts import checked_url
from crm_steward.model import ConfigError

VENDOR = ("hubapi.com",)

STRANGERS = [
    "https://evil.example",
    "https://hubapi.com.evil.example",
    "https://evilhubapi.com",
    "https://hubapi.com@evil.example",
    "https://evil.example#.hubapi.com",
    "https://evil.example?.hubapi.com",
    "https://evil.example/.hubapi.com",
    "https://evil.example\\.hubapi.com",
    "https://api.hubapi.com:443@evil.example",
    "https://user:secret@api.hubapi.com",
    "https://hubapi.com%2eevil.example",
    "https://evil.example%00.hubapi.com",
    "https://hub\u0430pi.com",
    "https://hubapi\u3002com",
    "https://xn--hubpi-3nf.com",
    "https://hubapi.com\t.evil.example",
    "https://hubapi.com\n.evil.example",
    "https://hubapi.com evil.example",
    " https://api.hubapi.com",
    "http://api.hubapi.com",
    "ftp://api.hubapi.com",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "//api.hubapi.com",
    "api.hubapi.com",
    "https://",
    "https:///path",
    "https://[::1",
    "https://api.hubapi.com:notaport",
    "https://api.hubapi.com:99999",
    "https://api.hubapi.com:0",
    "https://10.0.0.1",
    "https://169.254.169.254",
    "http://169.254.169.254/latest",
    "http://0.0.0.0",
    "http://[::]",
    "http://[::ffff:10.0.0.1]",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example",
    "http://2130706433",
    "http://0x7f000001",
    "http://0177.0.0.1",
    "http://127.1",
    "http://[fe80::1%25eth0]",
    "https://-hubapi.com",
    "https://.hubapi.com.evil.example",
    "",
    "https",
    "http://example.com:80",
    "https://hubapi.co",
]

FRIENDS = [
    ("https://api.hubapi.com", "https://api.hubapi.com"),
    ("https://api.hubapi.com/", "https://api.hubapi.com"),
    ("https://API.HubAPI.com", "https://API.HubAPI.com"),
    ("https://hubapi.com:8443", "https://hubapi.com:8443"),
    ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
    ("http://127.8.8.8:1", "http://127.8.8.8:1"),
    ("http://localhost:8765/", "http://localhost:8765"),
    ("http://[::1]:8765", "http://[::1]:8765"),
    ("https://localhost:8765/prefix/", "https://localhost:8765/prefix"),
]


@pytest.mark.parametrize("url", STRANGERS)
def test_a_stranger_gets_no_token(url: str) -> None:
    """Suffix tricks, user info, look-alikes, odd addresses of this machine: all are refused."""
    with pytest.raises(ConfigError) as caught:
        checked_url(url, VENDOR, where="hub")
    assert str(caught.value).startswith("connection 'hub': base_url ")


@pytest.mark.parametrize(("url", "accepted"), FRIENDS)
def test_the_vendor_and_this_machine_are_fine(url: str, accepted: str) -> None:
    """The vendor's own hosts over TLS and loopback over anything."""
    assert checked_url(url, VENDOR) == accepted


def test_a_named_proxy_is_fine_over_tls_only() -> None:
    """`allow_hosts` opens a host and what is below it, not plain http."""
    allowed = (*VENDOR, "proxy.example.org")
    assert checked_url("https://proxy.example.org/hub", allowed) == "https://proxy.example.org/hub"
    with pytest.raises(ConfigError, match="https"):
        checked_url("http://proxy.example.org/hub", allowed)


def test_a_message_shows_no_secret() -> None:
    """User info in an address may be a password: it is not repeated."""
    with pytest.raises(ConfigError) as caught:
        checked_url("https://user:s3cret@api.hubapi.com", VENDOR, where="hub")
    assert "s3cret" not in str(caught.value)
