"""Pipedrive's connector keeps the contract, over its emulator and real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from crm_steward.connect.calls import RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Request, Response, Server, parse_faults, serve
from crm_steward.sdk import Calls, Clock, Connector, MemoryVault, utc_now
from crm_steward.testing.access import AccessContract
from crm_steward.testing.contract import ConnectorContract, SandboxAccount, Trouble, Verb
from crm_steward.testing.emulated import FAULTS
from crm_steward_pipedrive import SPEC, PipedriveSettings, reading
from crm_steward_pipedrive.sandbox import PipedriveSandbox

_CALLS = {
    Verb.READ: ("GET", r"^/api/v2/persons\?(?!.*ids=)"),
    Verb.GET: ("GET", r"^/api/v2/persons(/[0-9]+|\?.*ids=)"),
    Verb.UPDATE: ("PATCH", r"^/api/v2/persons/"),
    Verb.TASK: ("POST", r"^/api/v2/activities$"),
    Verb.CLOSE: ("PATCH", r"^/api/v2/activities/[0-9]+$"),
    Verb.TASK_STATES: ("GET", r"^/api/v2/activities(/[0-9]+|\?.*ids=)"),
    Verb.RECREATE: ("POST", r"^/api/v2/persons$"),
    Verb.SUPPRESS: ("PATCH", r"^/api/v2/persons/"),
    Verb.MERGE: ("PUT", r"^/v1/persons/[0-9]+/merge$"),
    Verb.ARCHIVE: ("DELETE", r"^/api/v2/persons/"),
}
_FAULTS: dict[Trouble, Any] = {
    **FAULTS,
    Trouble.PARTIAL: {"status": 400},
}
_PAGE = b"<!DOCTYPE html><html><body>Welcome</body></html>"
_INSTEAD = {
    Trouble.HTML: Response(200, _PAGE, {"Content-Type": "text/html"}),
    Trouble.ERROR_BODY: Response(200, {"success": False, "error": "Something went wrong"}),
}
_IMPATIENT = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))
_OPEN_LIMITS = {"burst": 10**6, "daily": 10**9, "patience": 10**6}


class PipedriveAccount(SandboxAccount):
    """An emulated Pipedrive company with all add-ons."""

    spec = SPEC
    follows_merges = False
    per_call = 1
    custom_field = "Customer number"

    def __init__(self, server: Server, crm: PipedriveSandbox) -> None:
        self._server = server
        self._crm = crm
        self._vault = MemoryVault()
        self._honest = crm.answer
        self._instead: list[list[Any]] = []
        crm.answer = self._answer  # type: ignore[method-assign] # a proxy that stands in between

    @property
    def secrets(self) -> tuple[str, ...]:  # type: ignore[override] # they are replaced on the way
        """All tokens there are, and the app's secret."""
        tables = self._crm.tables
        return (*tables["tokens"], *tables["refresh"], self._crm.token, self._crm.CLIENT[1])

    def open(
        self, *, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        given = {**self._crm.connection(self._server.url), "timeout": "30 seconds", **settings}
        return open_connection(
            "pipe",
            PipedriveSettings.model_validate(given),
            calls=calls or Calls("pipe", policy=_IMPATIENT),
            clock=clock,
            vault=self._vault,
        )

    def ids(self) -> set[str]:
        persons = self._crm.tables["persons"]
        return {key for key, row in persons.items() if row["deleted"] is None}

    def requests(self, verb: Verb) -> int:
        if verb not in _CALLS:
            return 0
        method, path = _CALLS[verb]
        made = (one for one in self._server.log if one["method"] == method)
        return sum(1 for one in made if re.search(path, one["path"]))

    def edit(self, record_id: str, name: str, value: str) -> None:
        self._crm.by_hand({"do": "edit", "id": record_id, "values": {name: value}})

    def add(self, last_name: str) -> str:
        made = self._crm.by_hand({"do": "create", "values": {"last_name": last_name}})
        return str(made["id"])

    def delete(self, record_id: str) -> None:
        self._crm.by_hand({"do": "delete", "id": record_id})

    def merge(self, survivor: str, loser: str) -> str:
        made = self._crm.by_hand({"do": "merge", "survivor": survivor, "loser": loser})
        return str(made["id"])

    def restore(self, record_id: str) -> None:
        self._crm.by_hand({"do": "restore", "id": record_id})

    def opt_in(self, record_id: str) -> None:
        self._crm.by_hand({"do": "opt_in", "id": record_id})

    def opt_out(self, record_id: str) -> None:
        self._crm.by_hand({"do": "opt_out", "id": record_id})

    def opted_out(self, record_id: str) -> bool:
        row = self._crm.tables["persons"][record_id]
        return bool(row["marketing_status"] == "unsubscribed")

    def stamp_all(self) -> None:
        self._crm.by_hand({"do": "stamp_all"})

    def spoil(self, record_id: str) -> None:
        self._crm.by_hand({"do": "spoil", "id": record_id})

    def shift(self, seconds: float) -> None:
        self._crm.offset += timedelta(seconds=seconds)

    def hide(self, seconds: float) -> None:
        self._crm.hidden_for = timedelta(seconds=seconds)

    def drop_field(self, name: str) -> None:
        self._crm.by_hand({"do": "drop_field", "name": name})

    def revoke(self) -> None:
        self._crm.by_hand({"do": "revoke"})

    @contextmanager
    def limited(self, clock: Clock) -> Iterator[SandboxAccount]:
        crm = PipedriveSandbox(contacts=40, seed=7, clock=clock, oauth=self._crm.oauth)
        with serve(crm) as server:
            yield type(self)(server, crm)

    def trouble(self, trouble: Trouble, verb: Verb, *, nth: int = 1) -> None:
        method, path = _CALLS[verb]
        if trouble in _INSTEAD:
            self._instead.append([method, path, nth, _INSTEAD[trouble]])
            return
        # One record per call: the second record is the next call.
        nth += trouble is Trouble.PARTIAL
        fault = {"method": method, "path": path, "nth": nth, **_FAULTS[trouble]}
        self._server.faults.add(parse_faults(fault))

    def tasks(self, record_id: str) -> list[str]:
        rows = self._crm.activities(int(record_id))
        return [row["subject"] for row in rows if not row["done"]]

    def open_tasks(self, record_id: str) -> list[str]:
        return self.tasks(record_id)  # what is done already is not counted there either

    def close_task(self, task_id: str) -> None:
        self._crm.by_hand({"do": "done", "id": task_id})

    def drop_task(self, task_id: str) -> None:
        self._crm.by_hand({"do": "drop_activity", "id": task_id})

    def _answer(self, request: Request) -> Response:
        for waiting in self._instead:
            if request.method == waiting[0] and re.search(waiting[1], request.target):
                waiting[2] -= 1
                if waiting[2] == 0:
                    return waiting[3]  # type: ignore[no-any-return] # a list of several things
        return self._honest(request)


class AppAccount(PipedriveAccount):
    """The same, entered by an app whose tokens expire."""

    def expire(self) -> None:
        self._crm.by_hand({"do": "expire"})


@contextmanager
def _served(monkeypatch: pytest.MonkeyPatch, account: type[PipedriveAccount]) -> Iterator[Any]:
    """Serve 350 contacts, read a hundred a page: four pages of a list."""
    monkeypatch.setattr(reading, "PAGE", 100)
    app = account is AppAccount
    crm = PipedriveSandbox(contacts=350, seed=7, oauth=app, **_OPEN_LIMITS)
    with serve(crm) as server:
        yield account(server, crm)


class TestPipedrive(ConnectorContract):
    """A company with all add-ons, entered with an API token."""

    @pytest.fixture
    def account(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxAccount]:
        """Give an emulated company."""
        with _served(monkeypatch, PipedriveAccount) as account:
            yield account


class TestPipedriveApp(AccessContract):
    """The way in by OAuth, with a refresh token that is replaced with every use."""

    @pytest.fixture
    def account(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxAccount]:
        """Give the same company, entered by an app."""
        with _served(monkeypatch, AppAccount) as account:
            yield account

    @pytest.fixture
    def connector(self, account: SandboxAccount) -> Connector:
        """Give an open connection to it."""
        return account.open()
