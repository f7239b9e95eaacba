"""HubSpot's connector keeps the contract, over its emulator and real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Server, parse_faults, serve
from crm_steward.sdk import Connector
from crm_steward.testing.contract import ConnectorContract, SandboxAccount, Trouble, Verb
from crm_steward_hubspot import SPEC, HubSpotSettings
from crm_steward_hubspot.mapping import WRITABLE
from crm_steward_hubspot.sandbox import HubSpotSandbox
from crm_steward_hubspot.sandbox.values import iso, milliseconds

_PATHS = {
    Verb.READ: r"^/crm/v3/objects/contacts(\?(?!.*archived=)|/search)",
    Verb.GET: r"/contacts/batch/read",
    Verb.UPDATE: r"/contacts/batch/update",
    Verb.TASK: r"^/crm/v3/objects/tasks$",
}
_FAULTS = {
    Trouble.LOST_BEFORE: {"reset": "before"},
    Trouble.LOST_AFTER: {"reset": "after"},
    Trouble.UNAVAILABLE: {"status": 503},
    Trouble.REFUSED: {"status": 429, "retry_after": 0.05},
    Trouble.FORBIDDEN: {"expire_token": True},
    Trouble.GARBLED: {"truncated_json": True},
    Trouble.SILENT: {"no_op": True},
    Trouble.PARTIAL: {"partial": {"rows": [1]}},
}
_IMPATIENT = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))


class HubSpotAccount(SandboxAccount):
    """An emulated HubSpot account whose search index follows at once."""

    spec = SPEC

    def __init__(self, server: Server, crm: HubSpotSandbox) -> None:
        self.secret = crm.token
        self._server = server
        self._crm = crm

    def open(self) -> Connector:
        settings = HubSpotSettings.model_validate(
            {"token": self.secret, "base_url": self._server.url, "timeout": "5 seconds"}
        )
        return open_connection("hub", settings, calls=Calls("hub", policy=_IMPATIENT))

    def ids(self) -> set[str]:
        return {str(record_id) for record_id in self._crm.active}

    def requests(self, verb: Verb) -> int:
        made = [entry for entry in self._server.log if re.search(_PATHS[verb], entry["path"])]
        return len(made)

    def edit(self, record_id: str, name: str, value: str) -> None:
        self._crm.by_hand({"do": "edit", "id": record_id, "values": {WRITABLE[name]: value}})

    def add(self, last_name: str) -> str:
        made = self._crm.by_hand({"do": "create", "values": {"lastname": last_name}})
        return str(made["id"])

    def delete(self, record_id: str) -> None:
        self._crm.by_hand({"do": "archive", "id": record_id})

    def merge(self, survivor: str, loser: str) -> str:
        made = self._crm.by_hand({"do": "merge", "primary": survivor, "other": loser})
        return str(made["id"])

    def stamp_all(self) -> None:
        stamp_all(self._crm)

    def trouble(self, trouble: Trouble, verb: Verb, *, nth: int = 1) -> None:
        fault = {"path": _PATHS[verb], "nth": nth, **_FAULTS[trouble]}
        self._server.faults.add(parse_faults(fault))

    def tasks(self, record_id: str) -> list[str]:
        tasks = self._crm.tables["tasks"]
        attached = self._crm.tasks_of.get(record_id, [])
        return [tasks[task_id]["properties"]["hs_task_subject"] for task_id in attached]


def stamp_all(crm: HubSpotSandbox) -> None:
    """Give every contact one and the same modification time, as a bulk import does."""
    now = milliseconds(crm.now())
    with crm.lock:
        for record_id in list(crm.active):
            row = crm.tables["contacts"][str(record_id)]
            stamped = {**row["properties"], "lastmodifieddate": iso(now)}
            crm.keep({**row, "properties": stamped, "updatedAt": now})


class TestHubSpot(ConnectorContract):
    """Ids compared as numbers, merges under a new id: HubSpot as it mostly is."""

    order = "numeric"
    keep_id = False

    @pytest.fixture
    def account(self) -> Iterator[SandboxAccount]:
        """Give an emulated account of 350 contacts."""
        crm = HubSpotSandbox(
            contacts=350,
            seed=7,
            burst=100_000,
            search_per_second=100_000,
            index_lag=timedelta(0),
            search_id_order=self.order,
            preserve_primary_id=self.keep_id,
        )
        with serve(crm) as server:
            yield HubSpotAccount(server, crm)


class TestHubSpotOtherwise(TestHubSpot):
    """Ids compared as text, merges under the primary's id: what else HubSpot may do."""

    order = "text"
    keep_id = True
