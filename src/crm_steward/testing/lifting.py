"""The contract's part on lifting suppressions: it loosens, so that it is done once and never in doubt."""

from __future__ import annotations

import pytest

from crm_steward.sdk import (
    Capability,
    Channel,
    Connector,
    LiftSuppression,
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


class LiftingContract(Contract):
    """What `apply` and `settle` promise about lifting suppressions that were made."""

    def test_a_suppression_is_lifted(self, account: SandboxAccount, connector: Connector) -> None:
        """The address may be mailed as before, others stay silent; lifting twice is lifting once."""
        needs(account, Capability.LIFT_EMAIL)
        change, other = silenced(account, connector, 2)
        assert statuses_of(connector.settle([change])) == {Status.ABSENT}
        before = account.requests(Verb.LIFT)
        for _ in range(2):
            assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
            assert not account.opted_out(change.ref.id)
            assert account.opted_out(other.ref.id)
        assert account.requests(Verb.LIFT) == before + 1
        settled = [outcome.status for outcome in connector.settle([change, other])]
        assert settled == [Status.VERIFIED, Status.ABSENT]

    @pytest.mark.parametrize(
        ("trouble", "settled"),
        [
            (Trouble.LOST_BEFORE, Status.ABSENT),
            (Trouble.LOST_AFTER, Status.VERIFIED),
            (Trouble.UNAVAILABLE, Status.ABSENT),
        ],
    )
    def test_a_doubtful_lifting_is_settled(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """One request went out; settle tells what really happened."""
        needs(account, Capability.LIFT_EMAIL)
        (change,) = silenced(account, connector, 1)
        before = account.requests(Verb.LIFT)
        account.trouble(trouble, Verb.LIFT)
        assert statuses_of(connector.apply([change])) == {Status.UNKNOWN}
        assert account.requests(Verb.LIFT) == before + 1
        assert statuses_of(account.open().settle([change])) == {settled}
        assert account.opted_out(change.ref.id) is (settled is Status.ABSENT)

    def test_another_address_is_not_opened(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """The contact has another address by now, of which nobody said that it was a mistake."""
        needs(account, Capability.LIFT_EMAIL)
        (change,) = silenced(account, connector, 1)
        account.edit(change.ref.id, "email", "another@example.com")
        assert statuses_of(connector.apply([change])) == {Status.CONFLICT}
        assert account.opted_out(change.ref.id)

    def test_a_contact_that_is_gone_is_left(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Deleted meanwhile: refused with a reason, and nothing is sent."""
        needs(account, Capability.LIFT_EMAIL)
        (change,) = silenced(account, connector, 1)
        account.delete(change.ref.id)
        before = account.requests(Verb.LIFT)
        (outcome,) = connector.apply([change])
        assert outcome.status is Status.REJECTED
        assert outcome.reason
        assert account.requests(Verb.LIFT) == before


def lifting(suppression: SuppressChannel) -> LiftSuppression:
    """Return what takes a suppression back."""
    return LiftSuppression(
        ref=suppression.ref,
        channel=suppression.channel,
        address=suppression.address,
        before="granted",
        reason="the rule was wrong",
        by="tester",
    )


def silenced(account: SandboxAccount, connector: Connector, count: int) -> list[LiftSuppression]:
    """Suppress contacts that may be mailed, and return what lifts that."""
    made = [_suppression(connector, ref) for ref in mailable(account, connector, count)]
    assert statuses_of(connector.apply(made)) == {Status.VERIFIED}
    return [lifting(one) for one in made]


def mailable(account: SandboxAccount, connector: Connector, count: int) -> list[RecordRef]:
    """Return contacts with an e-mail address of their own that may be mailed."""
    refs = refs_of(connector, sorted(account.ids())[:80])
    held = connector.get(refs)
    usable = [ref for ref in refs if ref in held and _plain(held[ref].value("email"))][:count]
    for ref in usable:
        account.opt_in(ref.id)
    assert len(usable) == count
    return usable


def _plain(address: object) -> bool:
    return isinstance(address, str) and address.isascii() and address.count("@") == 1


def _suppression(connector: Connector, ref: RecordRef) -> SuppressChannel:
    address = str(connector.get([ref])[ref].value("email"))
    return SuppressChannel(ref=ref, channel=Channel.EMAIL, address=address, reason="asked for it")
