"""What a connector is: five verbs on one account of one CRM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, Protocol, runtime_checkable

from crm_steward.model import (
    Capability,
    Change,
    Contact,
    FieldType,
    RecordRef,
    Revision,
    change_key,
)

__all__ = [
    "Account", "Capability", "Connector", "Cursor", "Gone", "Identified", "MappedField", "Outcome",
    "Owner", "Page", "Poison", "SourceField", "Status", "TaskState", "TaskTeller", "ended",
]  # fmt: skip

Cursor = NewType("Cursor", str)
"""Where a read stands. Opaque to the core, stored with the page it covers."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A record that is no longer there.

    Args:
        ref: The record.
        survivor: The record it was merged into, if it was.
    """

    ref: RecordRef
    survivor: RecordRef | None = None


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that cannot be read as a contact; it is quarantined, counted and reported.

    Args:
        id: The CRM's id, or a line number (`line 17`) where there is none.
        reason: What is wrong with it, without its values.
    """

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a read.

    Args:
        contacts: The contacts on it.
        gone: Records that are no longer there.
        poison: Records that could not be read.
        cursor: Where to go on from after a crash, or next time when `complete`.
        complete: The last page of this read.
        total: How many records the whole read will bring, where the CRM says so.
    """

    cursor: Cursor
    contacts: Sequence[Contact] = ()
    gone: Sequence[Gone] = ()
    poison: Sequence[Poison] = ()
    complete: bool = False
    total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A user of the CRM to whom records and tasks belong."""

    id: str
    name: str
    email: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceField:
    """A field of the CRM's own schema.

    Args:
        name: Its technical name.
        label: Its name on screen.
        type: What it holds, in our words.
        writable: Whether the API accepts a value for it.
        options: The allowed values of a choice.
    """

    name: str
    label: str
    type: FieldType
    writable: bool = True
    options: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, str]:
        """Both its names: the technical one and the one on screen."""
        return self.name, self.label


@dataclass(frozen=True, slots=True)
class MappedField:
    """Where a field of the CRM's own schema goes.

    Args:
        source: Its name in the CRM.
        field: What it becomes; empty when it is kept as it is.
        how: How that is known: `exact`, `synonym`, `user`; or why it is not mapped.
    """

    source: str
    field: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What `check` learnt about the account behind a connection.

    Args:
        id: The CRM's id of the account.
        name: What people call it.
        time_zone: IANA name, or empty.
        owners: Owner id → owner, inactive ones included.
        fields: The contact schema by technical name.
        missing: One line per thing that is missing to do all that the connector can do (a scope,
            a mapped field), each with its remedy.
        quota: Name of a quota → calls left, where the CRM says so.
        mapping: How the CRM's own fields were mapped, where that is found out and not fixed.
        language: Of its fields' names (`fr`), where that can be told.
        form: How a file is written, as it was recognised: `CSV, cp1252, ;` or `XLSX, Contacts`.
    """

    id: str
    name: str
    time_zone: str = ""
    owners: Mapping[str, Owner] = field(default_factory=dict)
    fields: Mapping[str, SourceField] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    quota: Mapping[str, int] = field(default_factory=dict)
    mapping: tuple[MappedField, ...] = ()
    language: str = ""
    form: str = ""


class Status(StrEnum):
    """How a change ended."""

    VERIFIED = "verified"
    """It took effect, and the CRM's answer shows it."""
    REJECTED = "rejected"
    """The CRM refused it for good."""
    CONFLICT = "conflict"
    """The record was not what the plan expected; nothing was written."""
    UNKNOWN = "unknown"
    """No answer, or an answer that does not show it. Settle before anything else."""
    ABSENT = "absent"
    """Settle looked and it did not take effect: it may be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one change ended.

    Args:
        key: The change's idempotency key.
        status: How it ended.
        reason: One line, without personal data; empty when verified.
        remote_id: The id of the task that was made or closed, or of the survivor.
        revision: The record's revision after the change, where the CRM tells.
    """

    key: str
    status: Status
    reason: str = ""
    remote_id: str = ""
    revision: Revision = Revision("")  # noqa: RUF009 -- a NewType returns its argument


def ended(
    change: Change,
    status: Status = Status.VERIFIED,
    reason: str = "",
    *,
    remote_id: str = "",
    revision: str = "",
) -> Outcome:
    """Return how `change` ended; see `Outcome` for the arguments."""
    return Outcome(
        key=change_key(change),
        status=status,
        reason=reason,
        remote_id=remote_id,
        revision=Revision(revision),
    )


@runtime_checkable
class Connector(Protocol):
    """One open connection to one account of one CRM.

    A connector maps fields and errors. Retry, pacing, timeouts, logging and limits belong to the
    core, through the `Calls` it is given. It raises only errors of `crm_steward.model.errors`.
    """

    def check(self) -> Account:
        """Ask the CRM about credentials, scopes, fields, owners, quotas and time zone.

        Raises:
            AuthError: The credential is refused.
            RetryableError: The CRM cannot be reached.
        """
        ...

    def read(self, since: Cursor | None) -> Iterator[Page]:
        """Bring everything changed at or after `since`, at least once; None brings everything.

        The cursor of any page resumes the read from there; the cursor of the complete page starts
        the next one.
        """
        ...

    def get(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Contact]:
        """Bring records fresh, by id, never from a search index.

        A record that is gone is left out. A record merged into another comes back under the
        survivor's own ref.
        """
        ...

    def apply(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Make changes; one outcome per change, in order. Never retries what may have landed."""
        ...

    def settle(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Find out whether changes took effect whose answer was lost; one outcome per change."""
        ...

    def close(self) -> None:
        """Let go of sockets and files."""
        ...


@runtime_checkable
class Identified(Protocol):
    """A connector that tells by one call, or by none, whose account it opened.

    A connector without it is asked by `check`, before each read and each run that writes.
    """

    def account_id(self) -> str:
        """Return `Account.id`, asked of the CRM since the connection was opened; empty: not told.

        Raises:
            AuthError: The credential is refused.
            RetryableError: The CRM cannot be reached.
        """
        ...


class TaskState(StrEnum):
    """What became of a task, as the CRM has it."""

    OPEN = "open"
    """It is there and not done, whatever step of the work it is at."""
    DONE = "done"
    """It is there and done."""
    DELETED = "deleted"
    """The CRM says that it is not there, or no more."""


@runtime_checkable
class TaskTeller(Protocol):
    """A connector that tells what became of the tasks it made: declared as `READ_TASK`."""

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Return what became of tasks, by id and never from a search index.

        Args:
            ids: As `Outcome.remote_id` named them; what is no id of this CRM is left out.

        Raises:
            RetryableError: The answer does not tell of each: a task that it leaves out is not
                taken for a deleted one.
        """
        ...
