"""The contract's part on bringing back what was archived or merged away."""

from __future__ import annotations

import pytest

from crm_steward.sdk import (
    ArchiveRecord,
    Capability,
    Connector,
    MergeRecords,
    RecordRef,
    Status,
    UndeleteRecords,
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


class UndeletingContract(Contract):
    """What `apply` and `settle` promise about taking records out of the recycle bin."""

    def test_an_archived_record_comes_back(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Under its own id, with what it held; another one stays in the bin; twice is once."""
        needs(account, Capability.UNDELETE)
        change, other = archived(account, connector, 2)
        assert statuses_of(connector.settle([change])) == {Status.ABSENT}
        before = account.requests(Verb.UNDELETE)
        for _ in range(2):
            assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
            assert change.ref.id in account.ids()
            assert other.ref.id not in account.ids()
        assert account.requests(Verb.UNDELETE) == before + 1
        assert connector.get([change.ref])[change.ref].ref == change.ref
        settled = [outcome.status for outcome in connector.settle([change, other])]
        assert settled == [Status.VERIFIED, Status.ABSENT]

    @pytest.mark.parametrize(
        ("trouble", "settled"),
        [
            (Trouble.LOST_BEFORE, Status.ABSENT),
            (Trouble.LOST_AFTER, Status.VERIFIED),
            (Trouble.UNAVAILABLE, Status.ABSENT),
            (Trouble.SILENT, Status.ABSENT),
        ],
    )
    def test_a_doubtful_undeleting_is_settled(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """One request went out; settle looks; made again where it did not take effect."""
        needs(account, Capability.UNDELETE)
        (change,) = archived(account, connector, 1)
        before = account.requests(Verb.UNDELETE)
        account.trouble(trouble, Verb.UNDELETE)
        assert statuses_of(connector.apply([change])) == {Status.UNKNOWN}
        assert account.requests(Verb.UNDELETE) == before + 1
        assert statuses_of(account.open().settle([change])) == {settled}
        if settled is Status.ABSENT:
            assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert change.ref.id in account.ids()

    def test_the_losers_of_a_merge_come_back(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Each under its own id, beside the survivor, and no more contactable than they were."""
        needs(account, Capability.UNMERGE)
        survivor, *losers = mailable(account, connector, 3)
        account.opt_out(losers[0].id)
        merge = MergeRecords(ref=survivor, losers=tuple(losers))
        assert statuses_of(connector.apply([merge])) == {Status.VERIFIED}
        change = UndeleteRecords(ref=survivor, records=tuple(losers))

        assert statuses_of(connector.apply([change])) == {Status.VERIFIED}

        assert {survivor.id, *(loser.id for loser in losers)} <= account.ids()
        assert set(connector.get(losers)) == set(losers)
        assert account.opted_out(losers[0].id)
        assert account.opted_out(survivor.id)

    def test_what_was_never_there_is_refused(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """An id of no record: refused with a reason, and nothing else comes back."""
        needs(account, Capability.UNDELETE)
        (change,) = archived(account, connector, 1)
        strange = RecordRef(change.ref.connection, "no such record")
        (outcome,) = connector.apply([UndeleteRecords(ref=strange, records=(strange,))])
        assert outcome.status is Status.REJECTED
        assert outcome.reason
        assert change.ref.id not in account.ids()


def archived(account: SandboxAccount, connector: Connector, count: int) -> list[UndeleteRecords]:
    """Archive contacts, and return what takes that back."""
    refs = refs_of(connector, sorted(account.ids())[:count])
    done = connector.apply([ArchiveRecord(ref=ref, reason="test") for ref in refs])
    assert statuses_of(done) == {Status.VERIFIED}
    return [UndeleteRecords(ref=ref, records=(ref,)) for ref in refs]
