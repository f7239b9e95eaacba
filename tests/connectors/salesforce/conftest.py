"""An emulated org, a client of it, and what opens connections to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Server, serve
from crm_steward.sdk import Clock, Connector, utc_now
from crm_steward_salesforce import SalesforceSettings
from crm_steward_salesforce.sandbox import SalesforceSandbox

QUICK = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))
DATA = "/services/data/v64.0"


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **kwargs: float) -> None:
        """Let time go by."""
        self.now += timedelta(**kwargs)


class Client:
    """Plain HTTP with an access token."""

    def __init__(self, server: Server, token: str) -> None:
        self.url = server.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Any = None, **query: Any
    ) -> requests.Response:
        url = self.url + (path if path.startswith("/services") else DATA + path)
        return self.session.request(
            method, url, json=body, params=query, headers=headers, timeout=10
        )

    def query(self, soql: str, *, everything: bool = False) -> dict[str, Any]:
        """Return a query's answer."""
        answer = self("GET", "/queryAll" if everything else "/query", q=soql)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


class Org:
    """A served org: its emulator, a client, and connections to it."""

    def __init__(self, server: Server, crm: SalesforceSandbox) -> None:
        self.server = server
        self.crm = crm
        self.client = Client(server, crm.token)

    def open(
        self, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        """Open a connection; settings win over the org's own, None leaves one out."""
        given = {**self.crm.connection(self.server.url), **settings}
        kept = {name: value for name, value in given.items() if value is not None}
        read = SalesforceSettings.model_validate(kept)
        quick = calls or Calls("sf", policy=QUICK)
        return open_connection("sf", read, calls=quick, clock=clock)

    def do(self, deed: str, **what: Any) -> Any:
        """Let a person do something in the org."""
        return self.crm.by_hand({"do": deed, **what})

    def ids(self) -> list[str]:
        """Return the ids of all contacts that are there, in order."""
        return sorted(row["Id"] for row in self.crm.live("Contact"))

    def calls(self, pattern: str) -> int:
        """Return how many calls to paths that hold `pattern` have arrived."""
        made = (f"{entry['method']} {entry['path']}" for entry in self.server.log)
        return sum(pattern in call for call in made)


Serve = Callable[..., Any]


@contextmanager
def served(**arguments: Any) -> Iterator[Org]:
    """Serve an org of 60 contacts."""
    crm = SalesforceSandbox(**{"contacts": 60, "seed": 7, **arguments})
    with serve(crm) as server:
        org = Org(server, crm)
        try:
            yield org
        finally:
            org.client.session.close()


@pytest.fixture
def serving() -> Serve:
    """Return what serves an org with arguments of its own."""
    return served


@pytest.fixture
def org() -> Iterator[Org]:
    """Serve an org."""
    with served() as found:
        yield found


@pytest.fixture
def clock() -> Time:
    """Return a clock of our own."""
    return Time()
