"""The session behind `open_session`: each request goes out once, ends in time, and stays put.

Retrying belongs to `Calls`, which knows what may be repeated. A redirect is not followed: it would
carry the credential to another host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from crm_steward.connect.reach import Reach, bind
from crm_steward.model import ConfigError, Problem, RetryableError, StewardError

LARGEST = 100 * 2**20
"""Bytes an answer may have; a page of a CRM has a few hundred thousand."""

_CHUNK = 2**16
_CONNECT = 5.0
_TLS_REASON = re.compile(r"certificate verify failed: ([^(\n]*)")


class TooLargeError(requests.RequestException):
    """The answer has more than `LARGEST` bytes."""


class _Session(requests.Session):
    def get_redirect_target(self, _response: requests.Response) -> None:
        """Leave a redirect as it is: the caller sees its status."""
        return


class _Once(HTTPAdapter):
    """Sends a request once, with a timeout, and reads the answer up to a limit.

    Args:
        timeout: Seconds the answer may take.
        plain: `host:port` for which https is sent as plain http.
        reach: What it may reach.
    """

    def __init__(self, timeout: float, plain: str, reach: Reach) -> None:
        self._limits = (min(_CONNECT, timeout), timeout)
        self._plain = plain
        self._reach = reach
        super().__init__(max_retries=0)
        bind(self.poolmanager, reach)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override] # the options are passed on as they come
        """Send `request`."""
        self._reach.check_url(request.url or "")
        parts = urlsplit(request.url or "")
        if self._plain and parts.netloc == self._plain:
            request.url = urlunsplit(("http", parts.netloc, parts.path, parts.query, ""))
        response = super().send(request, **{**options, "timeout": self._limits, "stream": True})
        response._content = _read(response)  # noqa: SLF001 -- where requests itself puts a body that was read
        return response


def new_session(
    timeout: timedelta, plain: str, hosts: Iterable[str], allow_hosts: Iterable[str]
) -> requests.Session:
    """Return a session; see `open_session`."""
    session = _Session()
    session.auth = _unchanged
    adapter = _Once(timeout.total_seconds(), plain, Reach(tuple(hosts), tuple(allow_hosts)))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def error_of(connection: str, title: str, error: requests.RequestException) -> StewardError:
    """Return our error for a request that got no whole answer; see `transport_error`."""
    if isinstance(error, requests.exceptions.SSLError):
        found = _TLS_REASON.search(str(error))
        if found:
            problem = Problem(
                f"connection '{connection}': the server's certificate is not trusted "
                f"({found[1].strip()}).",
                hint="Behind a proxy that inspects TLS, add its certificate to the system's store.",
            )
            return ConfigError([problem])
    if isinstance(error, TooLargeError):
        return RetryableError(
            f"{connection}: an answer of {title} is larger than {LARGEST // 2**20} MB",
            hint="Look for a record with a huge value in the CRM.",
        )
    unsent = _unsent(error)
    text = "cannot be reached" if unsent else "broke off before answering"
    return RetryableError(
        f"{connection}: {title} {text} ({type(error).__name__})",
        hint="Check the network, the proxy and base_url if it lasts.",
        sent=not unsent,
    )


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read(response: requests.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(_CHUNK):
        size += len(part)
        if size > LARGEST:
            response.close()
            raise TooLargeError
        parts.append(part)
    return b"".join(parts)


def _unsent(error: requests.RequestException) -> bool:
    """Whether the request certainly did not reach the other side."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    return isinstance(reason, NewConnectionError | NameResolutionError)
