"""What the tests of the HubSpot connector share: an account over real HTTP, and connections to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Server, serve
from crm_steward.sdk import Clock, Connector, Contact, Cursor, Page, Vault, utc_now
from crm_steward_hubspot import HubSpotSettings
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_hubspot.sandbox.values import milliseconds

QUICK = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))
ONCE = RetryPolicy(attempts=1)
Open = Callable[..., Connector]


@contextmanager
def served(**more: Any) -> Iterator[tuple[Server, HubSpotSandbox, Open]]:
    """Serve an account without limits or lag, and give what opens connections to it."""
    quiet = {"burst": 100_000, "search_per_second": 100_000, "index_lag": timedelta(0)}
    crm = HubSpotSandbox(**{"contacts": 50, "seed": 7, **quiet, **more})
    with serve(crm) as server:

        def connect(
            calls: Calls | None = None,
            clock: Clock = utc_now,
            vault: Vault | None = None,
            **settings: Any,
        ) -> Connector:
            given = {**crm.connection(server.url), **settings}
            read = HubSpotSettings.model_validate(given)
            calls = calls or Calls("hub", policy=QUICK)
            return open_connection("hub", read, calls=calls, clock=clock, vault=vault)

        yield server, crm, connect


def calls_to(server: Server, pattern: str, method: str = "") -> int:
    """Return how many calls arrived whose path matches."""
    return sum(
        1
        for entry in server.log
        if re.search(pattern, entry["path"]) and method in {"", entry["method"]}
    )


def contacts_of(pages: list[Page]) -> list[Contact]:
    """Return the contacts of a read."""
    return [contact for page in pages for contact in page.contacts]


def since(moment: datetime) -> Cursor:
    """Return the cursor of a read that began then."""
    return Cursor(f'{{"phase":"done","start":{milliseconds(moment)}}}')


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **kwargs: float) -> None:
        """Let time go by."""
        self.now += timedelta(**kwargs)
