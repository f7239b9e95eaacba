"""The contract's part on what cannot simply be written back: suppress, merge, archive."""

from __future__ import annotations

import pytest

from crm_steward.sdk import (
    ArchiveRecord,
    Capability,
    Change,
    Channel,
    Connector,
    MergeRecords,
    RecordRef,
    Status,
    SuppressChannel,
)
from crm_steward.testing.account import (
    Contract,
    SandboxAccount,
    Trouble,
    Verb,
    needs,
    refs_of,
    statuses_of,
)
from crm_steward.testing.lifting import mailable

DOUBTS = [
    (Trouble.LOST_BEFORE, Status.ABSENT),
    (Trouble.LOST_AFTER, Status.VERIFIED),
    (Trouble.UNAVAILABLE, Status.ABSENT),
]
"""What may happen to a call, and what settle must find out."""


class RemovingContract(Contract):
    """What `apply` and `settle` promise about suppressing, merging and archiving."""

    # -- suppress -----------------------------------------------------------------------------

    def test_suppressing_an_address_takes_effect(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """The CRM keeps it from marketing mail, a fresh read shows it; twice is once."""
        change = _suppression(account, connector)
        assert not account.opted_out(change.ref.id)
        for _ in range(2):
            assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
            assert account.opted_out(change.ref.id)
        contact = connector.get([change.ref])[change.ref]
        mail = [one for one in contact.consents if one.channel is Channel.EMAIL]
        assert mail
        assert not all(one.status.mailable for one in mail)
        assert statuses_of(connector.settle([change])) == {Status.VERIFIED}

    @pytest.mark.parametrize(("trouble", "settled"), DOUBTS)
    def test_a_doubtful_suppression_is_settled(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """Settle tells what really happened; made again where it did not, it stands."""
        change = _suppression(account, connector)
        account.trouble(trouble, Verb.SUPPRESS)
        assert statuses_of(connector.apply([change])) == {Status.UNKNOWN}
        assert statuses_of(account.open().settle([change])) == {settled}
        if settled is Status.ABSENT:
            assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert account.opted_out(change.ref.id)

    def test_many_suppressions_at_once(self, account: SandboxAccount, connector: Connector) -> None:
        """One outcome each, in order, a deleted contact among them rejected."""
        needs(account, Capability.SUPPRESS_EMAIL)
        changes = [_suppress(connector, ref) for ref in mailable(account, connector, 6)]
        account.delete(changes[2].ref.id)
        outcomes = list(connector.apply(changes))
        assert [outcome.status is Status.VERIFIED for outcome in outcomes] == [
            number != 2 for number in range(len(changes))
        ]
        assert all(account.opted_out(c.ref.id) for n, c in enumerate(changes) if n != 2)

    # -- merge --------------------------------------------------------------------------------

    def test_a_merge_folds_the_losers_into_the_survivor(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """More losers than one call of the vendor takes; one record is left, with its own values."""
        needs(account, Capability.MERGE)
        merge = _merge(account, connector, losers=account.spec.merge_max + 1)
        name = "The survivor's own"  # some CRMs fill what is blank
        account.edit(merge.ref.id, "last_name", name)
        (outcome,) = connector.apply([merge])
        assert outcome.status is Status.VERIFIED
        assert outcome.remote_id in account.ids()
        assert account.ids().isdisjoint({loser.id for loser in merge.losers})
        survivor = RecordRef(merge.ref.connection, outcome.remote_id)
        assert connector.get([survivor])[survivor].last_name == name
        if account.follows_merges:
            assert {ref.id for ref in connector.get(merge.losers)} == {outcome.remote_id}
        (settled,) = account.open().settle([merge])
        assert (settled.status, settled.remote_id) == (Status.VERIFIED, outcome.remote_id)

    def test_a_merge_never_makes_a_person_more_contactable(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """A loser had opted out, the survivor had not: what is left is opted out."""
        needs(account, Capability.MERGE)
        merge = _merge(account, connector, losers=2)
        account.opt_in(merge.ref.id)
        account.opt_in(merge.losers[0].id)
        account.opt_out(merge.losers[1].id)
        (outcome,) = connector.apply([merge])
        assert outcome.status is Status.VERIFIED
        assert account.opted_out(outcome.remote_id)

    @pytest.mark.parametrize(("trouble", "settled"), DOUBTS)
    def test_a_doubtful_merge_is_settled_and_never_sent_twice(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """One request went out, and settle tells what really happened."""
        needs(account, Capability.MERGE)
        merge = _merge(account, connector, losers=1)
        account.trouble(trouble, Verb.MERGE)
        assert statuses_of(connector.apply([merge])) == {Status.UNKNOWN}
        assert account.requests(Verb.MERGE) == 1
        (found,) = account.open().settle([merge])
        assert found.status is settled
        if settled is Status.ABSENT:
            assert merge.losers[0].id in account.ids()
            (found,) = connector.apply([merge])
            assert found.status is Status.VERIFIED
        assert found.remote_id in account.ids()
        assert merge.losers[0].id not in account.ids()

    def test_a_merge_with_a_record_that_is_gone_touches_nothing(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """The loser was deleted meanwhile: refused with a reason, and the survivor stays."""
        needs(account, Capability.MERGE)
        merge = _merge(account, connector, losers=1)
        account.delete(merge.losers[0].id)
        (outcome,) = connector.apply([merge])
        assert outcome.status in {Status.REJECTED, Status.CONFLICT}
        assert outcome.reason
        assert merge.ref.id in account.ids()

    # -- archive ------------------------------------------------------------------------------

    def test_archiving_takes_effect(self, account: SandboxAccount, connector: Connector) -> None:
        """The record is in the recycle bin and no longer read; the others stay; twice is once."""
        needs(account, Capability.ARCHIVE)
        before = account.ids()
        changes: list[Change] = [
            ArchiveRecord(ref=ref, reason="test") for ref in refs_of(connector, sorted(before)[:3])
        ]
        for _ in range(2):
            outcomes = list(connector.apply(changes))
            assert [outcome.status for outcome in outcomes] == [Status.VERIFIED] * 3
            assert account.ids() == before - {change.ref.id for change in changes}
        assert statuses_of(connector.settle(changes)) == {Status.VERIFIED}
        assert connector.get([change.ref for change in changes]) == {}

    @pytest.mark.parametrize(("trouble", "settled"), DOUBTS)
    def test_a_doubtful_archiving_is_settled(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """Settle tells what really happened."""
        needs(account, Capability.ARCHIVE)
        change = ArchiveRecord(ref=refs_of(connector, sorted(account.ids())[:1])[0], reason="test")
        account.trouble(trouble, Verb.ARCHIVE)
        assert statuses_of(connector.apply([change])) == {Status.UNKNOWN}
        assert statuses_of(account.open().settle([change])) == {settled}
        assert (change.ref.id in account.ids()) is (settled is Status.ABSENT)


def _suppress(connector: Connector, ref: RecordRef) -> SuppressChannel:
    address = str(connector.get([ref])[ref].value("email"))
    return SuppressChannel(ref=ref, channel=Channel.EMAIL, address=address, reason="asked for it")


def _suppression(account: SandboxAccount, connector: Connector) -> SuppressChannel:
    needs(account, Capability.SUPPRESS_EMAIL)
    return _suppress(connector, mailable(account, connector, 1)[0])


def _merge(account: SandboxAccount, connector: Connector, *, losers: int) -> MergeRecords:
    survivor, *rest = mailable(account, connector, losers + 1)
    return MergeRecords(ref=survivor, losers=tuple(rest))
