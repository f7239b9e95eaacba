"""Where a connection's bytes may go: to known hosts, and past the name server to no private network.

What a name leads to is decided when a socket is opened, and the socket goes to the very address
that was looked at: a name that leads to the vendor at the first look and to the metadata service of
a cloud at the second gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util import parse_url

from crm_steward.connect.hosts import is_below, is_loopback
from crm_steward.model import ConfigError, Problem

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses as networks without IPv4 write them (RFC 6052)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a connection may reach, beside this machine under its own name or literal address.

    Args:
        hosts: The vendor's domains; empty: whatever address the connector was told to use, which
            was looked at when the connection was opened.
        private: Hosts that the settings name in `allow_hosts`: they may be anywhere but at a
            link-local address, where clouds serve the credentials of their machines.
    """

    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def check_url(self, url: str) -> None:
        """Refuse a request to a host that is neither the vendor's nor named.

        Raises:
            ConfigError: It is a stranger's; nothing was sent.
        """
        host = (parse_url(url).host or "").strip("[]")
        known = (*self.hosts, *self.private)
        if self.hosts and not is_loopback(host) and not is_below(host, known):
            raise _refused(f"a request to {host!a} was not sent: it belongs to a stranger")

    def addresses(self, host: str, port: int) -> list[str]:
        """Return what `host` leads to, as literal addresses in the name server's order.

        Raises:
            ConfigError: One of them is in a private network; nothing was sent.
            OSError: The name leads nowhere.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        literal = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in literal:
            if not self._may_reach(host, address):
                raise _refused(
                    f"{host!a} leads to {address}, an address in a private network; nothing was "
                    "sent there"
                )
        return literal

    def _may_reach(self, host: str, literal: str) -> bool:
        address = _plain(ipaddress.ip_address(literal))
        if is_loopback(host.rstrip(".")):
            return address.is_loopback
        if is_below(host, self.private):
            return not address.is_link_local
        return address.is_global and not address.is_multicast


def bind(manager: PoolManager, reach: Reach) -> None:
    """Let the connections of a pool go where `reach` lets them.

    Connections through a proxy are left alone: it is the proxy that asks the name server then.

    Args:
        manager: Its connections are not open yet.
        reach: What they may reach.
    """

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, reach, super()._new_conn)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, reach, super()._new_conn)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _connect(connection: Any, reach: Reach, connect: Callable[[], socket.socket]) -> socket.socket:
    """Open a socket to one of the addresses that were looked at.

    The name stays what certificates are checked against: urllib3 keeps it under the name that is
    set for the moment of connecting.
    """
    name, port = connection._dns_host, connection.port  # noqa: SLF001 -- what urllib3 connects to
    reach.check_url(f"//{_bracketed(name)}")
    try:
        addresses = reach.addresses(name, port)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    last: NewConnectionError | None = None
    try:
        for address in addresses:
            connection._dns_host = address  # noqa: SLF001 -- same
            try:
                return connect()
            except NewConnectionError as error:
                last = error
    finally:
        connection._dns_host = name  # noqa: SLF001 -- same
    raise last or NewConnectionError(connection, f"{name} has no address")


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _refused(what: str) -> ConfigError:
    hint = (
        "If it is your own proxy, name its host in allow_hosts. Else ask who runs the name server."
    )
    return ConfigError([Problem(what, hint=hint)])
