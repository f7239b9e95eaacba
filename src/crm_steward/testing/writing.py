"""The contract's writing half: apply, settle."""

from __future__ import annotations

import pytest

from crm_steward.sdk import Capability, Connector, Status, UpdateFields, change_key
from crm_steward.testing.account import (
    Contract,
    SandboxAccount,
    Trouble,
    Verb,
    a_task,
    holding,
    needs,
    refs_of,
    statuses_of,
    updates_of,
)


class WritingContract(Contract):
    """What `apply` and `settle` promise."""

    def test_updates_take_effect_in_order(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """One verified outcome per change, in order, batched, and the CRM holds the new values."""
        needs(account, Capability.UPDATE)
        changes = updates_of(connector, sorted(account.ids())[:205])
        outcomes = list(connector.apply(changes))
        assert [outcome.key for outcome in outcomes] == [change_key(change) for change in changes]
        assert {outcome.status for outcome in outcomes} == {Status.VERIFIED}
        assert holding(connector, changes) == len(changes)
        most = min(account.spec.batch, account.per_call)
        assert account.requests(Verb.UPDATE) <= len(changes) / most + 1

    def test_two_updates_of_one_contact(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Both are verified and the later one stands."""
        needs(account, Capability.UPDATE)
        first = updates_of(connector, sorted(account.ids())[:1])[0]
        second = UpdateFields(ref=first.ref, values={"last_name": "Second"}, expected=first.values)
        outcomes = list(connector.apply([first, second]))
        assert [outcome.status for outcome in outcomes] == [Status.VERIFIED] * 2
        assert connector.get([first.ref])[first.ref].last_name == "Second"

    def test_a_value_can_be_cleared(self, account: SandboxAccount, connector: Connector) -> None:
        """None clears a field, and that is verified too."""
        needs(account, Capability.UPDATE)
        name = account.clearable
        held = connector.get(refs_of(connector, sorted(account.ids())))
        ref = next(ref for ref, contact in held.items() if contact.value(name))
        expected = {name: held[ref].value(name)}
        change = UpdateFields(ref=ref, values={name: None}, expected=expected)
        assert [outcome.status for outcome in connector.apply([change])] == [Status.VERIFIED]
        assert connector.get([ref])[ref].value(name) is None

    def test_one_bad_record_does_not_stop_the_others(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """The second of ten fails: nine are verified, the second is not, and it says why."""
        needs(account, Capability.UPDATE)
        changes = updates_of(connector, sorted(account.ids())[:10])
        account.trouble(Trouble.PARTIAL, Verb.UPDATE)
        outcomes = list(connector.apply(changes))
        wrong = [n for n, outcome in enumerate(outcomes) if outcome.status is not Status.VERIFIED]
        assert wrong == [1]
        assert outcomes[1].reason
        assert holding(connector, changes) == 9

    def test_a_deleted_contact_is_refused_and_the_others_are_written(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Deleted between plan and write: that one is rejected."""
        needs(account, Capability.UPDATE)
        changes = updates_of(connector, sorted(account.ids())[:3])
        account.delete(changes[1].ref.id)
        statuses = [outcome.status for outcome in connector.apply(changes)]
        assert statuses == [Status.VERIFIED, Status.REJECTED, Status.VERIFIED]

    def test_an_unknown_field_is_refused_and_the_others_are_written(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """A field the CRM does not have rejects its own change only."""
        needs(account, Capability.UPDATE)
        good, other = updates_of(connector, sorted(account.ids())[:2])
        bad = UpdateFields(
            ref=other.ref, values={"extra.not_there": "x"}, expected={"extra.not_there": None}
        )
        statuses = [outcome.status for outcome in connector.apply([bad, good])]
        assert statuses == [Status.REJECTED, Status.VERIFIED]

    @pytest.mark.parametrize(
        ("trouble", "settled", "sent"),
        [
            (Trouble.LOST_BEFORE, Status.ABSENT, 1),
            (Trouble.LOST_AFTER, Status.VERIFIED, 1),
            (Trouble.HALF, Status.VERIFIED, 1),
            (Trouble.GARBLED, Status.VERIFIED, 1),
            (Trouble.UNAVAILABLE, Status.ABSENT, 1),
            (Trouble.SILENT, Status.ABSENT, 1),
        ],
    )
    def test_a_doubtful_update_is_settled_and_never_sent_twice(
        self,
        account: SandboxAccount,
        connector: Connector,
        trouble: Trouble,
        settled: Status,
        sent: int,
    ) -> None:
        """The outcome is unknown, one request went out, and settle tells what really happened."""
        needs(account, Capability.UPDATE)
        changes = updates_of(connector, sorted(account.ids())[: min(5, account.per_call)])
        account.trouble(trouble, Verb.UPDATE)
        ended = statuses_of(connector.apply(changes))
        # An answer without a body cannot break in the middle of it.
        whole = trouble in {Trouble.HALF, Trouble.GARBLED} and ended == {Status.VERIFIED}
        assert whole or ended == {Status.UNKNOWN}
        assert account.requests(Verb.UPDATE) == sent
        assert statuses_of(account.open().settle(changes)) == {settled}
        if settled is Status.ABSENT:
            assert statuses_of(connector.apply(changes)) == {Status.VERIFIED}
        assert holding(connector, changes) == len(changes)

    def test_settle_sees_that_a_person_was_faster(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Neither the old nor the new value is there: a conflict, not a second try."""
        needs(account, Capability.UPDATE)
        changes = updates_of(connector, sorted(account.ids())[:1])
        account.trouble(Trouble.LOST_BEFORE, Verb.UPDATE)
        assert statuses_of(connector.apply(changes)) == {Status.UNKNOWN}
        account.edit(changes[0].ref.id, "last_name", "A person's own")
        assert statuses_of(connector.settle(changes)) == {Status.CONFLICT}

    def test_a_refused_update_is_made_again(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Asked to wait, nothing happened: the same request goes out once more."""
        needs(account, Capability.UPDATE)
        changes = updates_of(connector, sorted(account.ids())[: min(5, account.per_call)])
        account.trouble(Trouble.REFUSED, Verb.UPDATE)
        assert statuses_of(connector.apply(changes)) == {Status.VERIFIED}
        assert account.requests(Verb.UPDATE) == 2

    def test_a_task_is_created_where_people_see_it(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """It hangs on the contact, under its title, and the outcome names it."""
        needs(account, Capability.TASK)
        task = a_task(connector, account)
        (outcome,) = connector.apply([task])
        assert outcome.status is Status.VERIFIED
        assert outcome.remote_id
        assert account.tasks(task.ref.id) == [task.title]

    @pytest.mark.parametrize(
        ("trouble", "settled"),
        [
            (Trouble.LOST_BEFORE, Status.ABSENT),
            (Trouble.LOST_AFTER, Status.VERIFIED),
            (Trouble.HALF, Status.VERIFIED),
            (Trouble.UNAVAILABLE, Status.ABSENT),
        ],
    )
    def test_a_doubtful_task_exists_once_in_the_end(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """Whatever became of the first request, settling and trying again leaves one task."""
        needs(account, Capability.TASK)
        task = a_task(connector, account)
        account.trouble(trouble, Verb.TASK)
        assert statuses_of(connector.apply([task])) == {Status.UNKNOWN}
        assert account.requests(Verb.TASK) == 1
        (outcome,) = account.open().settle([task])
        assert outcome.status is settled
        if settled is Status.ABSENT:
            assert statuses_of(connector.apply([task])) == {Status.VERIFIED}
            (outcome,) = connector.settle([task])
        assert outcome.remote_id
        assert account.tasks(task.ref.id) == [task.title]

    def test_settle_finds_its_own_task_among_others(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Two tasks of the same wording differ by their marker alone."""
        needs(account, Capability.TASK)
        first = a_task(connector, account)
        second = a_task(connector, account, marker="feedfacefeedface")
        (made,) = connector.apply([first])
        (found,) = connector.settle([first])
        assert found.remote_id == made.remote_id
        assert statuses_of(connector.settle([second])) == {Status.ABSENT}

    def test_a_task_follows_its_contact_into_a_merge(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Merged after the answer was lost: settle looks at the survivor."""
        needs(account, Capability.TASK)
        if not account.follows_merges:
            pytest.skip(f"{account.spec.title} does not tell where a merged contact went")
        task = a_task(connector, account)
        account.trouble(Trouble.LOST_AFTER, Verb.TASK)
        assert statuses_of(connector.apply([task])) == {Status.UNKNOWN}
        account.merge(max(account.ids()), task.ref.id)
        assert statuses_of(connector.settle([task])) == {Status.VERIFIED}

    def test_a_person_who_is_faster_wins(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Edited between our read and our write: the CRM itself refuses, the person's value stays."""
        needs(account, Capability.CONDITIONAL_UPDATE)
        change, other = updates_of(connector, sorted(account.ids())[:2])
        account.shift(2)
        account.edit(change.ref.id, "last_name", "A person's own")
        statuses = [outcome.status for outcome in connector.apply([change, other])]
        assert statuses == [Status.CONFLICT, Status.VERIFIED]
        assert connector.get([change.ref])[change.ref].last_name == "A person's own"

    def test_another_field_edited_meanwhile_is_no_conflict(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """The record moved, but what is to be written still holds the old value: it is written."""
        needs(account, Capability.CONDITIONAL_UPDATE)
        (change,) = updates_of(connector, sorted(account.ids())[:1])
        account.shift(2)
        account.edit(change.ref.id, "job_title", "Beekeeper")
        assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        contact = connector.get([change.ref])[change.ref]
        assert contact.last_name == change.values["last_name"]
        assert contact.job_title == "Beekeeper"
