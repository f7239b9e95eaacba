"""Zoho's connector keeps the contract, over its emulator and real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import Request, Response, Server, parse_faults, serve
from crm_steward.sdk import Clock, Connector, MemoryVault, Vault, utc_now
from crm_steward.testing.contract import (
    ConnectorContract,
    ReadingContract,
    RemovingContract,
    SandboxAccount,
    Trouble,
    Verb,
    WritingContract,
)
from crm_steward.testing.emulated import FAULTS
from crm_steward_zoho import SPEC, ZohoSettings
from crm_steward_zoho.mapping import FIELD_NAMES
from crm_steward_zoho.sandbox import ZohoSandbox

_CALLS = {
    Verb.READ: ("GET|POST", r"^/crm/v8/(coql|Contacts\?(?!.*ids=))"),
    Verb.GET: ("GET", r"^/crm/v8/Contacts\?.*ids="),
    Verb.UPDATE: ("PUT", r"^/crm/v8/Contacts$"),
    Verb.SUPPRESS: ("PUT", r"^/crm/v8/Contacts$"),
    Verb.LIFT: ("PUT", r"^/crm/v8/Contacts$"),
    Verb.TASK: ("POST", r"^/crm/v8/Tasks$"),
    Verb.CLOSE: ("PUT", r"^/crm/v8/Tasks$"),
    Verb.TASK_STATES: ("GET", r"^/crm/v8/Tasks\?.*ids="),
    Verb.MERGE: ("POST", r"/actions/merge$"),
    Verb.UNDELETE: ("POST", r"^/crm/v8/settings/recycle_bin/actions/restore$"),
    Verb.ARCHIVE: ("DELETE", r"^/crm/v8/Contacts\?"),
}
_FAULTS: dict[Trouble, Any] = {
    **FAULTS,
    Trouble.REFUSED: {"status": 429},
    Trouble.PARTIAL: {"partial": {"rows": [0]}},
}
_PAGE = b"<!DOCTYPE html><html><body>We will be back soon.</body></html>"
_INSTEAD = {
    Trouble.HTML: Response(200, _PAGE, {"Content-Type": "text/html"}),
    Trouble.ERROR_BODY: Response(
        200,
        {"code": "INTERNAL_ERROR", "details": {}, "message": "Internal Error", "status": "error"},
    ),
}
_IMPATIENT = RetryPolicy(
    budget=timedelta(seconds=5),
    first=timedelta(milliseconds=1),
    longest=timedelta(milliseconds=5),
)


class ZohoAccount(SandboxAccount):
    """An emulated organisation; new connections share their access token, as processes do."""

    spec = SPEC
    follows_merges = False
    per_call = 1
    clearable = "job_title"
    custom_field = "Nickname"

    def __init__(self, server: Server, crm: ZohoSandbox, vault: Vault) -> None:
        self.secrets = (crm.refresh_token, crm.client_secret)
        self._server = server
        self._crm = crm
        self._vault = vault
        self._instead: list[tuple[Response, Verb, int]] = []
        self._honest = crm.answer
        crm.answer = self._answer  # type: ignore[method-assign] # answers that no fault can script

    def open(
        self, *, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        given = {**self._crm.connection(self._server.url), "timeout": "20 seconds", **settings}
        return open_connection(
            "crm",
            ZohoSettings.model_validate(given),
            calls=calls or Calls("crm", policy=_IMPATIENT),
            clock=clock,
            vault=self._vault,
        )

    def ids(self) -> set[str]:
        return {row["id"] for row in self._crm.active()}

    def requests(self, verb: Verb) -> int:
        if verb not in _CALLS:
            return 0
        method, path = _CALLS[verb]
        return sum(
            re.fullmatch(method, entry["method"]) is not None
            and re.search(path, entry["path"]) is not None
            for entry in self._server.log
        )

    def edit(self, record_id: str, name: str, value: str) -> None:
        self._hand("edit", id=record_id, values={FIELD_NAMES[name]: value})

    def add(self, last_name: str) -> str:
        return str(self._hand("create", values={"Last_Name": last_name})["id"])

    def delete(self, record_id: str) -> None:
        self._hand("delete", id=record_id)

    def merge(self, survivor: str, loser: str) -> str:
        self._hand("merge", master=survivor, children=[loser])
        return survivor

    def restore(self, record_id: str) -> None:
        self._hand("restore", id=record_id)

    def opt_in(self, record_id: str) -> None:
        self._hand("opt_in", id=record_id)

    def opt_out(self, record_id: str) -> None:
        self._hand("opt_out", id=record_id)

    def opted_out(self, record_id: str) -> bool:
        row = self._crm.find(record_id)
        return row is not None and bool(row["values"].get("Email_Opt_Out"))

    def stamp_all(self) -> None:
        with self._crm.lock:
            for row in self._crm.active():
                self._crm.keep({**row, "modified": self._crm.seconds()})

    def spoil(self, record_id: str) -> None:
        self._hand("edit", id=record_id, values={"Owner": ["nobody"], "Email": {"odd": True}})

    def shift(self, seconds: float) -> None:
        self._crm.offset += timedelta(seconds=seconds)

    def hide(self, seconds: float) -> None:
        for index in self._crm.index.values():
            index.lag = timedelta(seconds=seconds)

    def drop_field(self, name: str) -> None:
        self._hand("drop_field", name=name)

    def expire(self) -> None:
        for name, held in list(self._crm.tables["refresh_tokens"].items()):
            self._crm.tables["refresh_tokens"][name] = {**held, "minted": []}
        self._hand("expire")

    def revoke(self) -> None:
        self._hand("revoke")

    def trouble(self, trouble: Trouble, verb: Verb, *, nth: int = 1) -> None:
        if trouble in _INSTEAD:
            self._instead.append((_INSTEAD[trouble], verb, nth))
            return
        method, path = _CALLS[verb]
        fault = {"path": path, "nth": nth, **_FAULTS[trouble]}
        if verb is Verb.SUPPRESS:
            fault["body"] = "Email_Opt_Out"
        if trouble is Trouble.PARTIAL:
            fault["nth"] = 2  # one record a call: the second record is the second call's
        if method.isalpha():
            fault["method"] = method
        self._server.faults.add(parse_faults(fault))

    def tasks(self, record_id: str) -> list[str]:
        held = [task["values"] for task in self._crm.tables["tasks"].values()]
        return [values["Subject"] for values in held if values["Who_Id"] == record_id]

    def open_tasks(self, record_id: str) -> list[str]:
        held = [task["values"] for task in self._crm.tables["tasks"].values()]
        there = [values for values in held if values["Who_Id"] == record_id]
        return [values["Subject"] for values in there if values["Status"] != "Completed"]

    def close_task(self, task_id: str) -> None:
        self._hand("close_task", id=task_id)

    def drop_task(self, task_id: str) -> None:
        self._hand("drop_task", id=task_id)

    def _hand(self, do: str, **deed: Any) -> Any:
        return self._crm.by_hand({"do": do, **deed})

    def _answer(self, request: Request) -> Response:
        answer = self._honest(request)
        for place, (instead, verb, left) in enumerate(self._instead):
            method, path = _CALLS[verb]
            if re.fullmatch(method, request.method) and re.search(path, request.target):
                if left == 1:
                    del self._instead[place]
                    return instead
                self._instead[place] = (instead, verb, left - 1)
        return answer


class Emulated:
    """GDPR compliance on, merges done at once."""

    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def account(self) -> Iterator[SandboxAccount]:
        """Give an emulated organisation of 350 contacts."""
        crm = ZohoSandbox(contacts=350, seed=7, credits=10**9, **self.options)
        with serve(crm) as server:
            yield ZohoAccount(server, crm, MemoryVault())


class TestZoho(Emulated, ConnectorContract):
    """All of the contract."""


class TestZohoOtherwise(Emulated, ReadingContract, WritingContract, RemovingContract):
    """GDPR compliance off, merges as jobs, refused rows with status 202, tokens that reach little."""

    options: ClassVar = {
        "privacy": False,
        "merge_job": timedelta(milliseconds=100),
        "refused_status": 202,
        "page_reach": 200,
        "token_reach": 200,
    }
