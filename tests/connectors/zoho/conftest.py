"""What the tests of Zoho's connector share: an emulated organisation, and connections to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Server, serve
from crm_steward.sdk import Clock, Connector, MemoryVault, RecordRef, Vault, utc_now
from crm_steward_zoho import ZohoSettings
from crm_steward_zoho.sandbox import ZohoSandbox

QUICK = RetryPolicy(
    budget=timedelta(seconds=5),
    first=timedelta(milliseconds=1),
    longest=timedelta(milliseconds=5),
)


class Org:
    """A served organisation.

    Args:
        server: Where it is served.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.crm: ZohoSandbox = server.emulator  # type: ignore[assignment] # serves no other here
        self.vault: Vault = MemoryVault()

    def open(
        self,
        *,
        calls: Calls | None = None,
        clock: Clock = utc_now,
        vault: Vault | None = None,
        **settings: Any,
    ) -> Connector:
        """Open a connection; settings that are None are left out."""
        given = {**self.crm.connection(self.server.url), "timeout": "20 seconds", **settings}
        read = ZohoSettings.model_validate({k: v for k, v in given.items() if v is not None})
        return open_connection(
            "zoho",
            read,
            calls=calls or Calls("zoho", policy=QUICK),
            clock=clock,
            vault=vault or self.vault,
        )

    @property
    def ids(self) -> list[str]:
        """The ids of the contacts that are there, in order."""
        return [row["id"] for row in self.crm.active()]

    def refs(self, count: int) -> list[RecordRef]:
        """Return refs of the first contacts."""
        return [RecordRef("zoho", record_id) for record_id in self.ids[:count]]

    def hand(self, do: str, **deed: Any) -> Any:
        """Do what a person does."""
        return self.crm.by_hand({"do": do, **deed})

    def held(self, record_id: str, name: str) -> Any:
        """Return what the organisation holds."""
        return self.crm.value(self.crm.tables["contacts"][record_id], name)

    def calls(self, pattern: str) -> int:
        """Return how many calls went to a path, `METHOD path?query`."""
        lines = (f"{entry['method']} {entry['path']}" for entry in self.server.log)
        return sum(re.search(pattern, line) is not None for line in lines)


Serve = Callable[..., AbstractContextManager[Org]]


@contextmanager
def _served(**options: Any) -> Iterator[Org]:
    with serve(ZohoSandbox(**{"contacts": 40, "seed": 7, "credits": 10**9, **options})) as server:
        yield Org(server)


@pytest.fixture
def served() -> Serve:
    """Give what serves an organisation with options of its own."""
    return _served


@pytest.fixture
def org() -> Iterator[Org]:
    """Give a served organisation of 40 contacts."""
    with _served() as org:
        yield org
