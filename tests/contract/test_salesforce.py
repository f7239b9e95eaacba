"""Salesforce's connector keeps the contract, over its emulator and real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Request, Response, Server, parse_faults, serve
from crm_steward.sdk import Clock, Connector, utc_now
from crm_steward.testing.contract import (
    ConnectorContract,
    ReadingContract,
    RemovingContract,
    SandboxAccount,
    Trouble,
    Verb,
)
from crm_steward.testing.emulated import FAULTS
from crm_steward_salesforce import SPEC, SalesforceSettings
from crm_steward_salesforce.mapping import WRITABLE
from crm_steward_salesforce.sandbox import SalesforceSandbox
from crm_steward_salesforce.sandbox.answers import expired

_PATHS = {
    Verb.READ: r"^GET /services/data/v64\.0/queryAll/\?q=(?=.*FROM\+Contact\+)(?!.*\+Id\+IN\+)",
    Verb.GET: r"^GET /services/data/v64\.0/queryAll/\?q=(?=.*FROM\+Contact\+)(?=.*\+Id\+IN\+)",
    Verb.UPDATE: r"^PATCH /services/data/v64\.0/sobjects/Contact/",
    Verb.TASK: r"^POST /services/data/v64\.0/composite/sobjects",
    Verb.CLOSE: r"^PATCH /services/data/v64\.0/composite/sobjects",
    Verb.TASK_STATES: r"^GET /services/data/v64\.0/queryAll/\?q=(?=.*FROM\+Task\+)(?=.*\+Id\+IN\+)",
    Verb.SUPPRESS: r"^PATCH /services/data/v64\.0/composite/sobjects",
    Verb.LIFT: r"^PATCH /services/data/v64\.0/sobjects/Contact/",
    Verb.MERGE: r"^POST /services/Soap/u/64\.0",
    Verb.UNDELETE: r"^POST /services/Soap/u/64\.0",
    Verb.ARCHIVE: r"^DELETE /services/data/v64\.0/composite/sobjects",
}
_FAULTS: dict[Trouble, Any] = {
    **FAULTS,
    Trouble.REFUSED: {"status": 403},
    Trouble.WAIT: {"status": 503, "retry_after": 7},
}
_INSTEAD = {
    Trouble.HTML: Response(200, b"<html><body>Sorry.</body></html>", {"Content-Type": "text/html"}),
    Trouble.ERROR_BODY: Response(200, expired().body),
}
_IMPATIENT = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))


class Meddled(SalesforceSandbox):
    """An org behind a proxy that puts something else in the place of one answer."""

    def __init__(self, **arguments: Any) -> None:
        self.instead: list[tuple[str, int, Response]] = []
        super().__init__(**arguments)

    def answer(self, request: Request) -> Response:
        for place, (pattern, left, response) in enumerate(self.instead):
            if re.search(pattern, f"{request.method} {request.target}"):
                self.instead[place] = (pattern, left - 1, response)
                if left == 1:
                    return response
        return super().answer(request)


class SalesforceAccount(SandboxAccount):
    """An emulated org whose pages hold 100 rows."""

    spec = SPEC
    per_call = 1
    clearable = "job_title"
    custom_field = "Customer_Number__c"

    def __init__(self, server: Server, crm: Meddled) -> None:
        self.secrets = (crm.app.client_secret, crm.token, "!sandbox.0")
        self._server = server
        self._crm = crm

    def open(
        self, *, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        given = {**self._crm.connection(self._server.url), "timeout": "10 seconds", **settings}
        read = SalesforceSettings.model_validate(given)
        quick = calls or Calls("sf", policy=_IMPATIENT)
        return open_connection("sf", read, calls=quick, clock=clock)

    def ids(self) -> set[str]:
        return {row["Id"] for row in self._crm.live("Contact")}

    def requests(self, verb: Verb) -> int:
        if verb not in _PATHS:
            return 0
        calls = (f"{entry['method']} {entry['path']}" for entry in self._server.log)
        return sum(re.search(_PATHS[verb], call) is not None for call in calls)

    def edit(self, record_id: str, name: str, value: str) -> None:
        self._do("edit", id=record_id, values={WRITABLE[name]: value})

    def add(self, last_name: str) -> str:
        return str(self._do("create", values={"LastName": last_name})["id"])

    def delete(self, record_id: str) -> None:
        self._do("delete", id=record_id)

    def merge(self, survivor: str, loser: str) -> str:
        return str(self._do("merge", master=survivor, losers=[loser])["id"])

    def restore(self, record_id: str) -> None:
        self._do("restore", id=record_id)

    def opt_in(self, record_id: str) -> None:
        self._do("opt_in", id=record_id)

    def opt_out(self, record_id: str) -> None:
        self._do("opt_out", id=record_id)

    def opted_out(self, record_id: str) -> bool:
        return bool(self._crm.tables["Contact"][record_id]["HasOptedOutOfEmail"])

    def stamp_all(self) -> None:
        self._do("stamp_all")

    def spoil(self, record_id: str) -> None:
        self._do("spoil", id=record_id)

    def shift(self, seconds: float) -> None:
        self._crm.offset += timedelta(seconds=seconds)

    def hide(self, seconds: float) -> None:
        self._crm.commit_lag = timedelta(seconds=seconds)

    def drop_field(self, name: str) -> None:
        self._do("drop_field", field=name)

    def expire(self) -> None:
        self._do("expire")

    def revoke(self) -> None:
        self._do("revoke")

    def trouble(self, trouble: Trouble, verb: Verb, *, nth: int = 1) -> None:
        if trouble in _INSTEAD:
            self._crm.instead.append((_PATHS[verb], nth, _INSTEAD[trouble]))
            return
        fault = dict(_FAULTS[trouble])
        if trouble is Trouble.PARTIAL and verb is Verb.UPDATE:
            fault, nth = {"status": 400}, 2  # updates travel alone
        method, pattern = _PATHS[verb].removeprefix("^").split(" ", 1)
        met = {"method": method, "path": f"^{pattern}", "nth": nth}
        self._server.faults.add(parse_faults({**met, **fault}))

    def tasks(self, record_id: str) -> list[str]:
        return [t["Subject"] for t in self._crm.live("Task") if t["WhoId"] == record_id]

    def open_tasks(self, record_id: str) -> list[str]:
        held = [task for task in self._crm.live("Task") if task["WhoId"] == record_id]
        return [task["Subject"] for task in held if not task["IsClosed"]]

    def close_task(self, task_id: str) -> None:
        self._do("edit", id=task_id, values={"Status": "Completed"}, object="Task")

    def drop_task(self, task_id: str) -> None:
        self._do("delete", id=task_id, object="Task")

    def _do(self, deed: str, **what: Any) -> Any:
        return self._crm.by_hand({"do": deed, **what})


class Org:
    """An org with Individuals and consents by channel."""

    privacy = True

    @pytest.fixture
    def account(self) -> Iterator[SandboxAccount]:
        """Give an emulated org of 350 contacts."""
        crm = Meddled(contacts=350, seed=7, page_rows=100, privacy=self.privacy)
        with serve(crm) as server:
            yield SalesforceAccount(server, crm)


class TestSalesforce(Org, ConnectorContract):
    """All of the contract."""


class TestSalesforceWithoutPrivacy(Org, ReadingContract, RemovingContract):
    """An org that has not switched on Data Protection and Privacy: no Individuals."""

    privacy = False
