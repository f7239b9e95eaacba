"""One change of every kind, made for an account, and how to see there what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from crm_steward.sdk import (
    ArchiveRecord,
    Capability,
    Change,
    Channel,
    CloseTask,
    Connector,
    Contact,
    CreateTask,
    MergeRecords,
    SuppressChannel,
    UpdateFields,
)
from crm_steward.testing.account import SandboxAccount, Verb, task_on


@dataclass(slots=True)
class Supply:
    """What changes are made of.

    Args:
        account: Where they are to be made.
        connector: An open connection to it.
        contacts: Contacts with an address of their own; none is given out twice.
        number: How many changes were made so far: it tells them apart.
    """

    account: SandboxAccount
    connector: Connector
    contacts: Iterator[Contact]
    number: int = 0

    @classmethod
    def of(cls, account: SandboxAccount) -> Supply:
        """Read what the account holds."""
        connector = account.open()
        read = (contact for page in connector.read(None) for contact in page.contacts)
        usable = [contact for contact in read if _plain(contact.value("email"))]
        return cls(account, connector, iter(usable))

    def next(self) -> Contact:
        """Give a contact."""
        self.number += 1
        return next(self.contacts)


Make = Callable[[Supply], Change]
Count = Callable[[SandboxAccount, Connector, Change], int]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of change.

    Args:
        needs: What the connector must be able to do.
        verb: The call that makes it.
        make: Makes a change that can be made now, on contacts that none was made on before.
        stands: How often a change stands in the CRM, as far as that can be seen there.
    """

    needs: Capability
    verb: Verb
    make: Make
    stands: Count


def _update(supply: Supply) -> UpdateFields:
    contact = supply.next()
    return UpdateFields(
        ref=contact.ref,
        values={"last_name": f"Updated {supply.number}"},
        expected={"last_name": contact.last_name},
    )


def _updated(_account: SandboxAccount, connector: Connector, change: Change) -> int:
    if not isinstance(change, UpdateFields):
        raise TypeError(change)
    held = connector.get([change.ref])[change.ref]
    return int(all(held.value(name) == value for name, value in change.values.items()))


def _task(supply: Supply) -> CreateTask:
    return task_on(supply.next().ref, f"{supply.number:016x}")


def _tasks(account: SandboxAccount, _connector: Connector, change: Change) -> int:
    return len(account.tasks(change.ref.id))


def _closing(supply: Supply) -> CloseTask:
    task = _task(supply)
    (made,) = supply.connector.apply([task])
    return CloseTask(ref=task.ref, task=made.remote_id, marker=task.marker)


def _closed(account: SandboxAccount, _connector: Connector, change: Change) -> int:
    return int(not account.open_tasks(change.ref.id))


def _suppression(supply: Supply) -> SuppressChannel:
    contact = supply.next()
    supply.account.opt_in(contact.ref.id)
    address = str(contact.value("email"))
    return SuppressChannel(
        ref=contact.ref, channel=Channel.EMAIL, address=address, reason="asked for it"
    )


def _suppressed(account: SandboxAccount, _connector: Connector, change: Change) -> int:
    return int(account.opted_out(change.ref.id))


def _archiving(supply: Supply) -> ArchiveRecord:
    contact = supply.next()
    return ArchiveRecord(ref=contact.ref, reason="test", expected={"last_name": contact.last_name})


def _archived(account: SandboxAccount, _connector: Connector, change: Change) -> int:
    return int(change.ref.id not in account.ids())


def _merge(supply: Supply) -> MergeRecords:
    """Return a merge whose survivor is given something before: two writes, the first of two kinds."""
    survivor, loser = supply.next(), supply.next()
    for one in (survivor, loser):  # on the same ground: else a person has to look at what is left
        supply.account.opt_in(one.ref.id)
    fill = {"last_name": f"Merged {supply.number}"}
    return MergeRecords(
        ref=survivor.ref,
        losers=(loser.ref,),
        expected={survivor.ref.id: fill, loser.ref.id: {"last_name": loser.last_name}},
        fill=fill,
        had={"last_name": survivor.last_name},
    )


def _merged(account: SandboxAccount, _connector: Connector, change: Change) -> int:
    if not isinstance(change, MergeRecords):
        raise TypeError(change)
    return int(account.ids().isdisjoint({loser.id for loser in change.losers}))


KINDS: Mapping[str, Kind] = {
    "update": Kind(Capability.UPDATE, Verb.UPDATE, _update, _updated),
    "task": Kind(Capability.TASK, Verb.TASK, _task, _tasks),
    "close task": Kind(Capability.CLOSE_TASK, Verb.CLOSE, _closing, _closed),
    "suppress": Kind(Capability.SUPPRESS_EMAIL, Verb.SUPPRESS, _suppression, _suppressed),
    "archive": Kind(Capability.ARCHIVE, Verb.ARCHIVE, _archiving, _archived),
    "merge": Kind(Capability.MERGE, Verb.MERGE, _merge, _merged),
}


def _plain(address: object) -> bool:
    return isinstance(address, str) and address.isascii() and address.count("@") == 1
