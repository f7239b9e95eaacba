"""The contract's part on making anew what went into a merge, where no merge is taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crm_steward.sdk import (
    Capability,
    Channel,
    Connector,
    Contact,
    MergeRecords,
    RecordRef,
    RecreateRecords,
    Status,
)
from crm_steward.testing.account import (
    Contract,
    SandboxAccount,
    Trouble,
    Verb,
    needs,
    statuses_of,
)
from crm_steward.testing.lifting import mailable


class RecreatingContract(Contract):
    """What `apply` and `settle` promise about records that are made anew."""

    def test_losers_are_made_anew_once(self, account: SandboxAccount, connector: Connector) -> None:
        """Under new ids, with names, addresses and numbers; the survivor stays; twice is once."""
        needs(account, Capability.RECREATE)
        change = merged(account, connector, 2)
        before, calls = account.ids(), account.requests(Verb.RECREATE)
        assert statuses_of(connector.settle([change])) == {Status.ABSENT}
        for _ in range(2):
            (outcome,) = connector.apply([change])
            assert outcome.status is Status.VERIFIED, outcome.reason
            new = outcome.remote_id.split(",")
            assert account.ids() == before | set(new)
            assert len(set(new)) == len(change.records)
        assert account.requests(Verb.RECREATE) == calls + 2
        (settled,) = account.open().settle([change])
        assert (settled.status, settled.remote_id) == (Status.VERIFIED, outcome.remote_id)
        refs = [RecordRef(change.ref.connection, one) for one in new]
        made = connector.get(refs)
        for old, ref in zip(change.records, refs, strict=True):
            assert made[ref].value("email") == change.held[old.id]["email"]
            assert made[ref].value("last_name") == change.held[old.id].get("last_name")

    @pytest.mark.parametrize(
        ("trouble", "settled"),
        [
            (Trouble.LOST_BEFORE, Status.ABSENT),
            (Trouble.LOST_AFTER, Status.VERIFIED),
            (Trouble.HALF, Status.VERIFIED),
            (Trouble.UNAVAILABLE, Status.ABSENT),
            (Trouble.SILENT, Status.ABSENT),
        ],
    )
    def test_a_doubtful_making_is_settled(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """One request went out; settle finds what was made, and it is made once in the end."""
        needs(account, Capability.RECREATE)
        change = merged(account, connector, 1)
        before = account.ids()
        account.trouble(trouble, Verb.RECREATE)
        assert statuses_of(connector.apply([change])) == {Status.UNKNOWN}
        assert statuses_of(account.open().settle([change])) == {settled}
        assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert len(account.ids() - before) == 1

    @pytest.mark.parametrize("refused", [False, True])
    def test_nobody_is_more_reachable(
        self,
        account: SandboxAccount,
        connector: Connector,
        refused: bool,  # noqa: FBT001 -- a parametrised value
    ) -> None:
        """Whoever agreed is not mailed under the new record, whoever refused is refused there."""
        needs(account, Capability.RECREATE)
        change = merged(account, connector, 1, refused=refused)
        (outcome,) = connector.apply([change])
        assert outcome.status is Status.VERIFIED, outcome.reason
        ref = RecordRef(change.ref.connection, outcome.remote_id)
        said = [one for one in connector.get([ref])[ref].consents if one.channel is Channel.EMAIL]
        assert not any(one.status.mailable for one in said)
        assert account.opted_out(ref.id) is refused

    def test_a_refusal_that_cannot_be_kept_makes_no_record(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """An objection to post, which the CRM has no place for: refused, and nothing is made."""
        needs(account, Capability.RECREATE)
        change = merged(account, connector, 1)
        (old,) = change.records
        said = [{"channel": "post", "status": "objected"}]
        held = {old.id: {**change.held[old.id], "consents": said}}
        before = account.ids()
        (outcome,) = connector.apply(
            [RecreateRecords(ref=change.ref, records=(old,), held=held, since=change.since)]
        )
        assert outcome.status is Status.REJECTED
        assert outcome.reason
        assert account.ids() == before


def merged(
    account: SandboxAccount, connector: Connector, losers: int, *, refused: bool = False
) -> RecreateRecords:
    """Merge contacts, and return what makes the losers anew."""
    survivor, *others = mailable(account, connector, losers + 1)
    if refused:
        for one in (survivor, *others):
            account.opt_out(one.id)
    before = connector.get(others)
    held = {ref.id: _held(before[ref]) for ref in others}
    (outcome,) = connector.apply([MergeRecords(ref=survivor, losers=tuple(others))])
    assert outcome.status is Status.VERIFIED
    return RecreateRecords(
        ref=survivor, records=tuple(others), held=held, since=datetime.now(UTC).isoformat()
    )


def _held(contact: Contact) -> dict[str, Any]:
    """Return what a snapshot has of a contact, as far as this contract looks at it."""
    names = ("first_name", "last_name", "email", "owner", "job_title", "city", "company")
    return {
        **{name: value for name in names if (value := contact.value(name))},
        "emails": [[one.address, one.status.value] for one in contact.emails],
        "phones": [[one.number, one.kind.value, one.status.value] for one in contact.phones],
        "consents": [
            {"channel": one.channel.value, "status": one.status.label} for one in contact.consents
        ],
    }
