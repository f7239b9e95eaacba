"""Acme's connector keeps the contract, over its emulator and real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar

import pytest

from crm_steward.sandbox import parse_faults, serve
from crm_steward.sdk import Clock, Status
from crm_steward.testing.account import updates_of
from crm_steward.testing.contract import ConnectorContract, EmulatedAccount, SandboxAccount, Verb
from crm_steward_acme import SPEC
from crm_steward_acme.mapping import SOURCES
from crm_steward_acme.sandbox import CUSTOM, AcmeSandbox


class AcmeAccount(EmulatedAccount):
    """An emulated Acme account, and a hand inside it."""

    spec = SPEC
    per_call = 1
    custom_field = CUSTOM
    paths: ClassVar = {
        Verb.READ: r"^GET /contacts\?",
        Verb.GET: r"^GET /contacts/[0-9]+$",
        Verb.UPDATE: r"^PATCH /contacts/[0-9]+$",
        Verb.TASK: r"^POST /tasks$",
        Verb.CLOSE: r"^PATCH /tasks/t[0-9]+$",
        Verb.TASK_STATES: r"^GET /tasks/t[0-9]+$",
        Verb.SUPPRESS: r"^POST /contacts/[0-9]+/unsubscribe$",
        Verb.ARCHIVE: r"^DELETE /contacts/[0-9]+$",
    }

    @property
    def secrets(self) -> tuple[str, ...]:  # type: ignore[override] # tokens come and go
        return (self.crm.client_secret, *self.crm.tables["tokens"])

    def ids(self) -> set[str]:
        return set(self.crm.live())

    def edit(self, record_id: str, name: str, value: str) -> None:
        self.do("edit", id=record_id, values={SOURCES[name]: value})

    def add(self, last_name: str) -> str:
        return str(self.do("create", values={"family_name": last_name})["id"])

    def delete(self, record_id: str) -> None:
        self.do("delete", id=record_id)

    def restore(self, record_id: str) -> None:
        self.do("restore", id=record_id)

    def merge(self, survivor: str, loser: str) -> str:
        return str(self.do("merge", survivor=survivor, loser=loser)["id"])

    def opt_in(self, record_id: str) -> None:
        self.do("edit", id=record_id, values={"mailing": "yes"})

    def opt_out(self, record_id: str) -> None:
        self.do("edit", id=record_id, values={"mailing": "no"})

    def opted_out(self, record_id: str) -> bool:
        return bool(self.crm.found(record_id)["mailing"] == "no")

    def stamp_all(self) -> None:
        self.do("import")

    def spoil(self, record_id: str) -> None:
        self.do("edit", id=record_id, values={"town": {"this": "is no text"}})

    def hide(self, seconds: float) -> None:
        self.crm.hidden = timedelta(seconds=seconds)

    def drop_field(self, name: str) -> None:
        del self.crm.tables["fields"][name]

    def expire(self) -> None:
        self.do("expire")

    def revoke(self) -> None:
        self.do("revoke")

    def tasks(self, record_id: str) -> list[str]:
        tasks = self.crm.tables["tasks"].values()
        return [task["title"] for task in tasks if task["contact_id"] == record_id]

    def open_tasks(self, record_id: str) -> list[str]:
        tasks = self.crm.tables["tasks"].values()
        return [t["title"] for t in tasks if t["contact_id"] == record_id and not t["done"]]

    def close_task(self, task_id: str) -> None:
        self.do("close_task", id=task_id)

    def drop_task(self, task_id: str) -> None:
        self.do("drop_task", id=task_id)

    @contextmanager
    def limited(self, clock: Clock) -> Iterator[SandboxAccount]:
        with serve(AcmeSandbox(contacts=30, clock=clock)) as server:
            yield AcmeAccount(server)


class TestAcme(ConnectorContract):
    """The whole contract."""

    @pytest.fixture
    def account(self) -> Iterator[AcmeAccount]:
        """Give an account of 250 contacts that may be asked as fast as the machine can."""
        with serve(AcmeSandbox(contacts=250, burst=1_000_000)) as server:
            yield AcmeAccount(server)

    def test_a_person_between_read_and_write_is_seen_by_acme(self, account: AcmeAccount) -> None:
        """The call itself is refused (412), and looking again shows whether that matters."""
        connector = account.open()
        first, second = updates_of(connector, sorted(account.ids())[:2])
        for change, field in ((first, "family_name"), (second, "position")):
            edit = {"values": {field: "A person's own"}}
            where = {"method": "GET", "path": f"/contacts/{change.ref.id}$", "nth": 1}
            account.server.faults.add(parse_faults({**where, "human_edit": edit}))
        statuses = [outcome.status for outcome in connector.apply([first, second])]
        assert statuses == [Status.CONFLICT, Status.VERIFIED]
        assert [entry["status"] for entry in account.server.log].count(412) == 2
