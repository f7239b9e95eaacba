"""The account a connector is tried on, and what the contract's tests share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from crm_steward.sdk import (
    Calls,
    Capability,
    Clock,
    Connector,
    ConnectorSpec,
    Contact,
    CreateTask,
    Cursor,
    Outcome,
    Page,
    RecordRef,
    RetryPolicy,
    Status,
    UpdateFields,
    utc_now,
)


class Verb(StrEnum):
    """What a call is for; troubles are aimed at one of them."""

    READ = "read"
    GET = "get"
    UPDATE = "update"
    TASK = "task"
    CLOSE = "close"
    TASK_STATES = "task states"
    SUPPRESS = "suppress"
    LIFT = "lift"
    MERGE = "merge"
    ARCHIVE = "archive"
    UNDELETE = "undelete"
    RECREATE = "re-create"


class Trouble(StrEnum):
    """What goes wrong with a call."""

    LOST_BEFORE = "the connection is cut before the call takes effect"
    LOST_AFTER = "the connection is cut after the call took effect"
    HALF = "half of the answer comes, and the call took effect"
    UNAVAILABLE = "a server error, without effect"
    REFUSED = "asked to wait a moment, without effect"
    WAIT = "asked to wait seven seconds, without effect"
    FORBIDDEN = "the credential expires with this call"
    GARBLED = "a success whose body is not what the vendor sends"
    HTML = "a web page instead of an answer, with status 200"
    ERROR_BODY = "the vendor's error, with status 200"
    SILENT = "a success without results and without effect"
    PARTIAL = "the second record of the call fails, the others do not"


class SandboxAccount(ABC):
    """The account a connector is tried on, and a hand inside it.

    What an emulator cannot do is left as it is here: the tests that need it are skipped.
    """

    spec: ConnectorSpec
    secrets: tuple[str, ...]
    """Every credential in play; none of them may be seen in an error or a log line."""
    follows_merges = True
    """Whether the CRM tells which record an id leads to that was merged away."""
    per_call = 100
    """How many updates one call of the vendor carries."""
    clearable = "last_name"
    """A canonical field that the CRM lets people leave empty."""
    custom_field = ""
    """Name of a text field that an admin has added, in the CRM's own words."""

    @abstractmethod
    def open(
        self, *, calls: Calls | None = None, clock: Clock = utc_now, **settings: Any
    ) -> Connector:
        """Open a new connection to the account, as a new process would.

        Args:
            calls: What paces it; left out, nothing does, and waits are short.
            clock: Our time.
            settings: Further settings of the connection, which win over the account's own.
        """

    @abstractmethod
    def ids(self) -> set[str]:
        """Return the ids of all contacts that are there now."""

    @abstractmethod
    def requests(self, verb: Verb) -> int:
        """Return how many calls of a kind have arrived, whatever became of them."""

    def edit(self, record_id: str, name: str, value: str) -> None:
        """Let a person set a canonical field, visible to the next read at once."""
        pytest.skip(f"{self.spec.title}'s sandbox has no hand that edits")

    def add(self, last_name: str) -> str:
        """Let a person create a contact, visible at once, and return its id."""
        pytest.skip(f"{self.spec.title}'s sandbox has no hand that creates")

    def delete(self, record_id: str) -> None:
        """Let a person delete a contact."""
        pytest.skip(f"{self.spec.title}'s sandbox has no hand that deletes")

    def merge(self, survivor: str, loser: str) -> str:
        """Let a person merge two contacts, and return the id under which they live on."""
        pytest.skip(f"{self.spec.title}'s sandbox has no hand that merges")

    def restore(self, record_id: str) -> None:
        """Let a person bring a deleted contact back."""
        pytest.skip(f"{self.spec.title}'s sandbox has no hand that restores")

    def opt_in(self, record_id: str) -> None:
        """Let the contact be one that marketing mail may be sent to."""
        pytest.skip(f"{self.spec.title}'s sandbox keeps no consent")

    def opt_out(self, record_id: str) -> None:
        """Let the contact withdraw from marketing mail."""
        pytest.skip(f"{self.spec.title}'s sandbox keeps no consent")

    def opted_out(self, record_id: str) -> bool:
        """Return whether any address of the contact is kept from marketing mail."""
        pytest.skip(f"{self.spec.title}'s sandbox keeps no consent")

    def stamp_all(self) -> None:
        """Let a bulk import touch every contact in the same instant."""
        pytest.skip(f"{self.spec.title}'s sandbox has no bulk import")

    def spoil(self, record_id: str) -> None:
        """Let the contact come in a shape that nobody can read."""
        pytest.skip(f"{self.spec.title}'s sandbox spoils no record")

    def shift(self, seconds: float) -> None:
        """Move the CRM's clock on, or back."""
        pytest.skip(f"{self.spec.title}'s sandbox has no clock")

    def hide(self, seconds: float) -> None:
        """Let what changes from now on show to reads of changes only so long afterwards."""
        pytest.skip(f"{self.spec.title}'s sandbox shows changes at once")

    def drop_field(self, name: str) -> None:
        """Let an admin delete a custom field."""
        pytest.skip(f"{self.spec.title}'s sandbox has no admin")

    def expire(self) -> None:
        """Let the access token in use expire, as it does by the clock."""
        pytest.skip(f"{self.spec.title}'s credential here does not expire")

    def revoke(self) -> None:
        """Let an admin withdraw the credential for good."""
        pytest.skip(f"{self.spec.title}'s sandbox has no credential")

    def limited(self, clock: Clock) -> AbstractContextManager[SandboxAccount]:
        """Serve another account, with the vendor's limits in force and this clock as its own."""
        pytest.skip(f"{self.spec.title} publishes no short quota")

    def trouble(self, trouble: Trouble, verb: Verb, *, nth: int = 1) -> None:
        """Let the nth call of a kind from now on go wrong."""
        pytest.skip(f"{self.spec.title}'s sandbox cannot do this: {trouble}")

    def steps(self, step: Callable[[str], None]) -> AbstractContextManager[None]:
        """Let `step` be called before each step of a write that is not a call, within a block.

        Only for a connector that makes no calls: a file that takes another one's place is one step.
        """
        return nullcontext()

    def tasks(self, record_id: str) -> list[str]:
        """Return the titles of the tasks attached to a contact."""
        pytest.skip(f"{self.spec.title}'s sandbox has no tasks")

    def open_tasks(self, record_id: str) -> list[str]:
        """Return the titles of the tasks attached to a contact that are there and not done."""
        pytest.skip(f"{self.spec.title}'s sandbox has no tasks that are done")

    def close_task(self, task_id: str) -> None:
        """Let a person mark a task as done."""
        pytest.skip(f"{self.spec.title}'s sandbox has no hand that closes tasks")

    def drop_task(self, task_id: str) -> None:
        """Let a person delete a task."""
        pytest.skip(f"{self.spec.title}'s sandbox has no hand that deletes tasks")


class Hurry(threading.Event):
    """A time that passes only when somebody waits: give it to `Calls` as `stop`."""

    def __init__(self) -> None:
        super().__init__()
        self.began = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.seconds = 0.0
        self.slept: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass at once."""
        self.slept.append(timeout or 0.0)
        self.seconds += timeout or 0.0
        return self.is_set()

    def now(self) -> datetime:
        """Return the time."""
        return self.began + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.seconds


@dataclass
class Copy:
    """What a reader of pages knows: a mirror without a database."""

    contacts: dict[str, Contact] = field(default_factory=dict)
    gone: dict[str, str | None] = field(default_factory=dict)
    poison: list[str] = field(default_factory=list)
    cursors: list[Cursor] = field(default_factory=list)

    def take(self, page: Page) -> None:
        """Take over one page, as a mirror does: its records, what is gone, its cursor."""
        for gone in page.gone:
            self.contacts.pop(gone.ref.id, None)
            self.gone[gone.ref.id] = gone.survivor.id if gone.survivor else None
        for contact in page.contacts:
            self.contacts[contact.ref.id] = contact
        self.poison += [item.id for item in page.poison]
        self.cursors.append(page.cursor)

    def follow(self, pages: Iterable[Page]) -> Copy:
        """Take over all pages; the last one, and only that one, is complete."""
        last = None
        for page in pages:
            assert last is None or not last.complete, "a page follows the complete one"
            self.take(page)
            last = page
        assert last is not None, "a read brings at least one page"
        assert last.complete, "the last page is not complete"
        return self


def quick_calls(connection: str = "") -> Calls:
    """Return what paces nothing and hardly waits before it makes a call again."""
    first, longest = timedelta(milliseconds=1), timedelta(milliseconds=5)
    return Calls(connection, policy=RetryPolicy(first=first, longest=longest))


def needs(account: SandboxAccount, capability: Capability) -> None:
    """Skip the test for a connector that does not declare `capability`."""
    if capability not in account.spec.can:
        pytest.skip(f"{account.spec.title} does not declare '{capability}'")


def has(account: SandboxAccount, hand: str) -> bool:
    """Whether people in this sandbox can do something: whether the hook is implemented."""
    return getattr(type(account), hand) is not getattr(SandboxAccount, hand)


def refs_of(connector: Connector, ids: Sequence[str]) -> list[RecordRef]:
    """Return refs for ids; the connection's name is known from what it reads."""
    page = next(iter(connector.read(None)))
    return [RecordRef(page.contacts[0].ref.connection, record_id) for record_id in ids]


def updates_of(
    connector: Connector, ids: Sequence[str], value: str | None = "Updated"
) -> list[UpdateFields]:
    """Return one update of the last name per contact."""
    fresh = connector.get(refs_of(connector, ids))
    return [
        UpdateFields(
            ref=ref,
            values={"last_name": value and f"{value} {number}"},
            expected={"last_name": fresh[ref].last_name},
        )
        for number, ref in enumerate(fresh)
    ]


def a_task(
    connector: Connector,
    account: SandboxAccount,
    *,
    marker: str = "0123456789abcdef",
    nth: int = 0,
) -> CreateTask:
    """Return a task on the first contact, or on another one."""
    ref = refs_of(connector, sorted(account.ids())[nth : nth + 1])[0]
    return task_on(ref, marker)


def task_on(ref: RecordRef, marker: str) -> CreateTask:
    """Return a task on a contact."""
    return CreateTask(
        ref=ref,
        title="Please look at this contact",
        body="Its phone <reads> like a fax & more.\nThe second line.",
        due=date(2026, 12, 1),
        marker=marker,
    )


def holding(connector: Connector, changes: Sequence[UpdateFields]) -> int:
    """Return how many of the changes the CRM holds now."""
    fresh = connector.get([change.ref for change in changes])
    return sum(
        change.ref in fresh and fresh[change.ref].last_name == change.values["last_name"]
        for change in changes
    )


def statuses_of(outcomes: Iterable[Outcome]) -> set[Status]:
    """Return which statuses occur."""
    return {outcome.status for outcome in outcomes}


class Contract:
    """A part of the contract: a class of tests on an account.

    A variant of an account that differs in one respect need not go through all parts again: let
    its class inherit those that the difference may touch.
    """

    @pytest.fixture
    def account(self) -> SandboxAccount:
        """Give an account with a few hundred contacts; overridden by each connector."""
        raise NotImplementedError

    @pytest.fixture
    def connector(self, account: SandboxAccount) -> Connector:
        """Give an open connection to it."""
        return account.open()
