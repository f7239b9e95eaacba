"""HubSpot's connector keeps the contract, over its emulator and real HTTP, in three kinds of account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Request, Response, Server, parse_faults, serve
from crm_steward.sdk import Clock, Connector, MemoryVault, utc_now
from crm_steward.testing.account import Hurry
from crm_steward.testing.contract import (
    AccessContract,
    ConnectorContract,
    ReadingContract,
    RemovingContract,
    SandboxAccount,
    Trouble,
    Verb,
)
from crm_steward.testing.emulated import FAULTS
from crm_steward_hubspot import SPEC, HubSpotSettings
from crm_steward_hubspot.mapping import WRITABLE
from crm_steward_hubspot.sandbox import HubSpotSandbox, answers, credentials
from crm_steward_hubspot.sandbox.values import iso, milliseconds

_CALLS = {
    Verb.READ: (None, r"^/crm/v3/objects/contacts(\?(?!.*archived=)|/search)"),
    Verb.GET: ("POST", r"/contacts/batch/read"),
    Verb.UPDATE: ("POST", r"/contacts/batch/update"),
    Verb.TASK: ("POST", r"^/crm/v3/objects/tasks$"),
    Verb.CLOSE: ("PATCH", r"^/crm/v3/objects/tasks/[0-9]+$"),
    Verb.TASK_STATES: ("POST", r"^/crm/v3/objects/tasks/batch/read$"),
    Verb.SUPPRESS: ("POST", r"/unsubscribe"),
    Verb.MERGE: ("POST", r"/contacts/merge$"),
    Verb.ARCHIVE: ("POST", r"/contacts/batch/archive"),
}
_LIES = {
    Trouble.HTML: Response(200, b"<html>Sorry</html>", {"Content-Type": "text/html"}),
    Trouble.ERROR_BODY: Response(200, answers.error(500, "internal error", "INTERNAL").body),
}
"""A success that is none."""
_IMPATIENT = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))


class HubSpotAccount(SandboxAccount):
    """An emulated HubSpot account whose search index follows at once."""

    spec = SPEC
    custom_field = "consent_evidence"

    def __init__(self, server: Server, crm: HubSpotSandbox) -> None:
        self._server = server
        self._crm = crm
        self._vault = MemoryVault()
        self.secrets = (
            (credentials.CLIENT_SECRET, credentials.REFRESH_TOKEN, "sandbox-access-")
            if crm.oauth
            else (crm.token,)
        )

    def open(
        self, *, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        given = {**self._crm.connection(self._server.url), "timeout": "20 seconds", **settings}
        read = HubSpotSettings.model_validate(given)
        calls = calls or Calls("hub", policy=_IMPATIENT, stop=Hurry())
        return open_connection("hub", read, calls=calls, clock=clock, vault=self._vault)

    def ids(self) -> set[str]:
        return {str(record_id) for record_id in self._crm.active}

    def requests(self, verb: Verb) -> int:
        if verb not in _CALLS:
            return 0
        return sum(_meets(verb, entry["method"], entry["path"]) for entry in self._server.log)

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

    def restore(self, record_id: str) -> None:
        self._crm.by_hand({"do": "restore", "id": record_id})

    def opt_in(self, record_id: str) -> None:
        basis = "Freely given consent from contact"
        values = {"hs_legal_basis": basis}
        self._crm.by_hand({"do": "edit", "id": record_id, "values": values})
        self._crm.by_hand({"do": "opt_in", "email": self._email(record_id)})

    def opt_out(self, record_id: str) -> None:
        self._crm.by_hand({"do": "withdraw", "email": self._email(record_id)})

    def opted_out(self, record_id: str) -> bool:
        return self._held(record_id).get("hs_email_optout") == "true"

    def stamp_all(self) -> None:
        stamp_all(self._crm)

    def spoil(self, record_id: str) -> None:
        self._crm.by_hand({"do": "spoil", "id": record_id})

    def shift(self, seconds: float) -> None:
        self._crm.offset = timedelta(seconds=seconds)

    def hide(self, seconds: float) -> None:
        self._crm.index.lag = timedelta(seconds=seconds)

    def drop_field(self, name: str) -> None:
        self._crm.by_hand({"do": "drop_field", "name": name})

    def expire(self) -> None:
        if not self._crm.oauth:
            pytest.skip("a static token does not expire")
        self._crm.by_hand({"do": "expire"})

    def revoke(self) -> None:
        self._crm.by_hand({"do": "revoke"})

    @contextmanager
    def limited(self, clock: Clock) -> Iterator[SandboxAccount]:
        crm = HubSpotSandbox(
            contacts=40, seed=7, clock=clock, burst=100, oauth=self._crm.oauth, daily=250_000
        )
        with serve(crm) as server:
            yield HubSpotAccount(server, crm)

    def trouble(self, trouble: Trouble, verb: Verb, *, nth: int = 1) -> None:
        method, path = _CALLS[verb]
        if trouble in _LIES:
            lie(self._crm, lambda request: _meets(verb, request.method, request.target), nth,
                _LIES[trouble])  # fmt: skip
        else:
            where = {"path": path, "method": method} if method else {"path": path}
            self._server.faults.add(parse_faults({**where, "nth": nth, **FAULTS[trouble]}))

    def tasks(self, record_id: str) -> list[str]:
        tasks = self._crm.tables["tasks"]
        attached = self._crm.tasks_of.get(record_id, [])
        return [tasks[task_id]["properties"]["hs_task_subject"] for task_id in attached]

    def open_tasks(self, record_id: str) -> list[str]:
        held = [self._crm.tables["tasks"][task] for task in self._crm.tasks_of.get(record_id, [])]
        values = [task["properties"] for task in held if task["archivedAt"] is None]
        return [v["hs_task_subject"] for v in values if v["hs_task_status"] != "COMPLETED"]

    def close_task(self, task_id: str) -> None:
        self._crm.by_hand({"do": "close_task", "id": task_id})

    def drop_task(self, task_id: str) -> None:
        self._crm.by_hand({"do": "archive_task", "id": task_id})

    def _held(self, record_id: str) -> dict[str, str]:
        held: dict[str, str] = self._crm.tables["contacts"][record_id]["properties"]
        return held

    def _email(self, record_id: str) -> str:
        return self._held(record_id)["email"]


def _meets(verb: Verb, method: str, target: str) -> bool:
    wanted, path = _CALLS[verb]
    return wanted in {None, method} and re.search(path, target) is not None


def lie(crm: HubSpotSandbox, meets: Callable[[Request], bool], nth: int, answer: Response) -> None:
    """Let the nth call that meets a condition be answered so, once and without effect."""
    honest, seen = crm.answer, []

    def lying(request: Request) -> Response:
        if meets(request):
            seen.append(request)
            if len(seen) == nth:
                return answer
        return honest(request)

    crm.answer = lying  # type: ignore[method-assign] # the account is this test's own


def stamp_all(crm: HubSpotSandbox) -> None:
    """Give every contact one and the same modification time, as a bulk import does."""
    now = milliseconds(crm.now())
    with crm.lock:
        for record_id in list(crm.active):
            row = crm.tables["contacts"][str(record_id)]
            stamped = {**row["properties"], "lastmodifieddate": iso(now)}
            crm.keep({**row, "properties": stamped, "updatedAt": now})


class Emulated:
    """A portal, ids compared as numbers, merges under a new id: HubSpot as it mostly is."""

    account_is: dict[str, Any] = {}  # noqa: RUF012 -- set anew by subclasses, never changed

    @pytest.fixture
    def account(self) -> Iterator[SandboxAccount]:
        """Give an emulated account of 350 contacts."""
        quiet = {"burst": 100_000, "search_per_second": 100_000, "index_lag": timedelta(0)}
        crm = HubSpotSandbox(**{"contacts": 350, "seed": 7, **quiet, **self.account_is})
        with serve(crm) as server:
            yield HubSpotAccount(server, crm)


class TestHubSpot(Emulated, ConnectorContract):
    """All of the contract."""


class TestHubSpotOtherwise(Emulated, ReadingContract, RemovingContract):
    """Ids compared as text, merges under the primary's id: what else HubSpot may do."""

    account_is = {"search_id_order": "text", "preserve_primary_id": True}  # noqa: RUF012 -- as above


class TestHubSpotByOAuth(Emulated, AccessContract):
    """Reached through an installed app, with refresh tokens that are good for once."""

    account_is = {"oauth": True, "rotate": True}  # noqa: RUF012 -- as above
