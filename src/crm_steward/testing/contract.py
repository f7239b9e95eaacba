"""What every connector must keep to, as one pytest suite that any connector can run.

    import pytest
    pytest.register_assert_rewrite("crm_steward.testing")       # in conftest.py

    class AcmeAccount(EmulatedAccount):                         # or SandboxAccount
        spec = SPEC
        ...

    class TestAcme(ConnectorContract):
        @pytest.fixture
        def account(self) -> Iterator[SandboxAccount]:
            with serve(AcmeSandbox(contacts=350, seed=7)) as server:
                yield AcmeAccount(server)

The suite changes the account behind the connector's back, breaks its calls, and compares what
comes out with what the account really holds. It needs pytest; nothing else of ours imports it.
docs/connectors.md leads through it, with a worked example.
"""

from __future__ import annotations

from crm_steward.sdk import (
    ArchiveRecord,
    Capability,
    Change,
    Channel,
    CloseTask,
    Connector,
    LiftSuppression,
    MergeRecords,
    RecordRef,
    RecreateRecords,
    Status,
    SuppressChannel,
    UndeleteRecords,
)
from crm_steward.testing.access import AccessContract
from crm_steward.testing.account import SandboxAccount, Trouble, Verb, a_task, refs_of, updates_of
from crm_steward.testing.closing import ClosingContract
from crm_steward.testing.crashing import CrashContract
from crm_steward.testing.damage import DamageContract
from crm_steward.testing.emulated import EmulatedAccount
from crm_steward.testing.following import FollowingContract
from crm_steward.testing.lifting import LiftingContract
from crm_steward.testing.reading import ReadingContract
from crm_steward.testing.recreating import RecreatingContract
from crm_steward.testing.removing import RemovingContract
from crm_steward.testing.undeleting import UndeletingContract
from crm_steward.testing.writing import WritingContract

__all__ = [
    "AccessContract",
    "ClosingContract",
    "ConnectorContract",
    "CrashContract",
    "DamageContract",
    "EmulatedAccount",
    "FollowingContract",
    "LiftingContract",
    "ReadingContract",
    "RecreatingContract",
    "RemovingContract",
    "SandboxAccount",
    "Trouble",
    "UndeletingContract",
    "Verb",
    "WritingContract",
]


_SINCE = "2026-01-01T00:00:00+00:00"


class ConnectorContract(
    ReadingContract,
    DamageContract,
    AccessContract,
    WritingContract,
    ClosingContract,
    FollowingContract,
    RemovingContract,
    LiftingContract,
    UndeletingContract,
    RecreatingContract,
    CrashContract,
):
    """The suite; a subclass gives the fixture `account`."""

    def test_what_is_not_declared_is_refused(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Changes of kinds the connector does not declare end as rejected, in order, unsent."""
        first, second, *_ = refs_of(connector, sorted(account.ids())[:2])
        offered: dict[Capability, Change] = {
            Capability.MERGE: MergeRecords(ref=first, losers=(second,)),
            Capability.ARCHIVE: ArchiveRecord(ref=first, reason="test"),
            Capability.RECREATE: RecreateRecords(
                ref=first, records=(second,), held={second.id: {"last_name": "Test"}}, since=_SINCE
            ),
            Capability.UNDELETE: UndeleteRecords(ref=first, records=(first,)),
            Capability.SUPPRESS_EMAIL: _silence(first, Channel.EMAIL),
            Capability.SUPPRESS_PHONE: _silence(first, Channel.PHONE),
            Capability.SUPPRESS_SMS: _silence(first, Channel.SMS),
            Capability.LIFT_EMAIL: _unsilence(first, Channel.EMAIL),
            Capability.LIFT_PHONE: _unsilence(first, Channel.PHONE),
            Capability.LIFT_SMS: _unsilence(first, Channel.SMS),
            Capability.UPDATE: updates_of(connector, [first.id])[0],
            Capability.TASK: a_task(connector, account),
            Capability.CLOSE_TASK: CloseTask(ref=first, task="1", marker="0123456789abcdef"),
        }
        changes = [change for kind, change in offered.items() if kind not in account.spec.can]
        outcomes = list(connector.apply(changes))
        assert [outcome.status for outcome in outcomes] == [Status.REJECTED] * len(changes)
        assert all(outcome.reason for outcome in outcomes)
        assert {first.id, second.id} <= account.ids()


def _silence(ref: RecordRef, channel: Channel) -> SuppressChannel:
    return SuppressChannel(ref=ref, channel=channel, address="", reason="test")


def _unsilence(ref: RecordRef, channel: Channel) -> LiftSuppression:
    return LiftSuppression(
        ref=ref, channel=channel, address="", before="granted", reason="test", by="test"
    )
