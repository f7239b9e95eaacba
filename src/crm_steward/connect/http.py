"""HTTP by `requests`, for connectors whose transport that is; loaded when a connection is opened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests
    from urllib3 import PoolManager

    from crm_steward.model import StewardError


def open_session(
    timeout: timedelta,
    *,
    plain: str = "",
    hosts: Iterable[str] = (),
    allow_hosts: Iterable[str] = (),
) -> requests.Session:
    """Return a session for one connection to a CRM.

    Each request goes out once: no retry, no redirect followed (a 3xx comes back as it is), a
    timeout on every call, an answer of at most 100 MB. Proxies of the environment are used;
    `.netrc` is not, for it would replace the credential. A name that leads into a private network
    is refused, unless it is `localhost` or named.

    Args:
        timeout: How long one answer may take.
        plain: `host:port` of an emulator whose https address is reached over plain http, for SDKs
            that insist on https.
        hosts: The vendor's domains, of the connector's spec. Where given, a request to any other
            host is refused before it leaves, whatever made up its address.
        allow_hosts: Those of the connection's settings; they may also be in a private network.
    """
    from crm_steward.connect.once import new_session  # noqa: PLC0415 - keeps `--help` quick

    return new_session(timeout, plain, hosts, allow_hosts)


def guard_pools(
    manager: PoolManager, *, hosts: Iterable[str] = (), allow_hosts: Iterable[str] = ()
) -> None:
    """Bind a vendor's library, whose transport is urllib3, to what `open_session` is bound to.

    Redirects and retries are switched off at the library itself.

    Args:
        manager: Its pool of connections; none of them is open yet.
        hosts: See `open_session`.
        allow_hosts: See `open_session`.
    """
    from crm_steward.connect.reach import Reach, bind  # noqa: PLC0415 - keeps `--help` quick

    bind(manager, Reach(tuple(hosts), tuple(allow_hosts)))


def transport_error(connection: str, title: str, error: requests.RequestException) -> StewardError:
    """Return our error for a request that got no whole answer.

    Args:
        connection: Its name.
        title: What people call the CRM.
        error: What `requests` raised.

    Returns:
        A RetryableError, `sent=False` where the request certainly did not arrive; a ConfigError
        where the server's certificate is not trusted.
    """
    from crm_steward.connect.once import error_of  # noqa: PLC0415 - keeps `--help` quick

    return error_of(connection, title, error)
