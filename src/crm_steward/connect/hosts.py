"""Where a credential may be sent: the vendor's hosts, named ones, and this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from crm_steward.model import ConfigError, Problem

_ODD = frozenset("\\@%#?")


def checked_url(url: str, allowed: Iterable[str], *, where: str = "") -> str:
    """Return `url` without a trailing slash if a credential may be sent there.

    Accepted are https to a host that equals one of `allowed` or is below it (whole labels:
    `api.hubapi.com` is below `hubapi.com`, `evilhubapi.com` is not), and http or https to
    loopback written as `localhost` or a literal address, which needs no name server to be trusted.

    Args:
        url: What the settings say.
        allowed: The vendor's domains and those the settings name in `allow_hosts`.
        where: The connection's name, for the message.

    Raises:
        ConfigError: The address is malformed or a stranger's.
    """
    hosts = sorted({host.lower().rstrip(".") for host in allowed if host})
    problem = _problem(url, hosts)
    if problem:
        place = f"connection '{where}': " if where else ""
        raise ConfigError([Problem(f"{place}base_url {problem[0]}", hint=problem[1])])
    return url.rstrip("/")


def is_below(host: str, domains: Iterable[str]) -> bool:
    """Whether `host` is one of `domains` or below one, by whole labels; case does not matter."""
    labels = host.lower().rstrip(".")
    known = (domain.lower().rstrip(".") for domain in domains if domain)
    return any(labels == domain or labels.endswith(f".{domain}") for domain in known)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: `localhost`, 127.0.0.0/8 or ::1, nothing cleverer."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(url: str, hosts: list[str]) -> tuple[str, str] | None:
    parts = _split(url)
    if parts is None:
        return (
            "is not an address of the form https://host",
            "Write it like https://api.example.com.",
        )
    host = (parts.hostname or "").rstrip(".")
    if is_loopback(host):
        return None
    if parts.scheme != "https":
        return "must begin with https://", "Plain http is accepted for this machine only."
    if is_below(host, hosts):
        return None
    return (
        f"points to {host!a}, which does not belong to the vendor ({', '.join(hosts)})",
        "If it is your own proxy, name it in allow_hosts.",
    )


def _split(url: str) -> SplitResult | None:
    """Split `url`, or return None for anything that two parsers could read differently."""
    if not url.isascii() or not url.isprintable() or " " in url or _ODD & set(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    usable = parts.scheme in {"http", "https"} and parts.hostname and port != 0
    return parts if usable else None
