"""The contract's part on closing tasks that were made."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from crm_steward.sdk import Capability, CloseTask, Connector, CreateTask, Status, change_key
from crm_steward.testing.account import (
    Contract,
    SandboxAccount,
    Trouble,
    Verb,
    a_task,
    needs,
    statuses_of,
)

OTHER = "feedfacefeedface"
"""The marker of another task than the one that `a_task` gives."""


class ClosingContract(Contract):
    """What `apply` and `settle` promise about closing tasks."""

    def test_a_task_is_closed_and_the_others_stay_open(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """One of two on a contact is done afterwards; the outcome names it; twice is once."""
        needs(account, Capability.CLOSE_TASK)
        task = a_task(connector, account)
        change = closing(connector, [task, a_task(connector, account, marker=OTHER)])[0]
        for _ in range(2):
            (outcome,) = connector.apply([change])
            assert (outcome.status, outcome.remote_id) == (Status.VERIFIED, change.task)
            assert account.open_tasks(task.ref.id) == [task.title]
        assert account.requests(Verb.CLOSE) == 1
        assert statuses_of(connector.settle([change])) == {Status.VERIFIED}

    @pytest.mark.parametrize(
        ("trouble", "settled"),
        [
            (Trouble.LOST_BEFORE, Status.ABSENT),
            (Trouble.LOST_AFTER, Status.VERIFIED),
            (Trouble.HALF, Status.VERIFIED),
            (Trouble.GARBLED, Status.VERIFIED),
            (Trouble.UNAVAILABLE, Status.ABSENT),
            (Trouble.SILENT, Status.ABSENT),
        ],
    )
    def test_a_doubtful_closing_is_settled(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble, settled: Status
    ) -> None:
        """One request went out; settle looks at the task; made again where it stands open."""
        needs(account, Capability.CLOSE_TASK)
        task = a_task(connector, account)
        (change,) = closing(connector, [task])
        account.trouble(trouble, Verb.CLOSE)
        assert statuses_of(connector.apply([change])) == {Status.UNKNOWN}
        assert account.requests(Verb.CLOSE) == 1
        (outcome,) = account.open().settle([change])
        assert outcome.status is settled
        if settled is Status.ABSENT:
            assert account.open_tasks(task.ref.id) == [task.title]
            assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert account.open_tasks(task.ref.id) == []

    def test_a_task_that_a_person_closed_needs_no_call(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Done already: verified, and nothing is sent."""
        needs(account, Capability.CLOSE_TASK)
        (change,) = closing(connector, [a_task(connector, account)])
        account.close_task(change.task)
        assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert statuses_of(connector.settle([change])) == {Status.VERIFIED}
        assert account.requests(Verb.CLOSE) == 0

    def test_a_task_that_a_person_deleted_needs_no_call(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Nothing is left to be done: verified, so that nobody comes back to it."""
        needs(account, Capability.CLOSE_TASK)
        (change,) = closing(connector, [a_task(connector, account)])
        account.drop_task(change.task)
        assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert statuses_of(connector.settle([change])) == {Status.VERIFIED}
        assert account.requests(Verb.CLOSE) == 0

    def test_a_task_without_our_mark_is_left_alone(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """A person rewrote it, or the id is of something else: refused with a reason, unsent."""
        needs(account, Capability.CLOSE_TASK)
        task = a_task(connector, account)
        (made,) = connector.apply([task])
        change = CloseTask(ref=task.ref, task=made.remote_id, marker=OTHER)
        (outcome,) = connector.apply([change])
        assert outcome.status is Status.REJECTED
        assert outcome.reason
        assert account.requests(Verb.CLOSE) == 0
        assert account.open_tasks(task.ref.id) == [task.title]

    def test_many_tasks_at_once(self, account: SandboxAccount, connector: Connector) -> None:
        """One outcome each, in order, a deleted one, a finished one and a strange one among them."""
        needs(account, Capability.CLOSE_TASK)
        tasks = [a_task(connector, account, marker=f"{n:016x}", nth=n) for n in range(12)]
        changes = closing(connector, tasks)
        account.drop_task(changes[2].task)
        account.close_task(changes[5].task)
        changes[7] = CloseTask(ref=changes[7].ref, task=changes[7].task, marker=OTHER)
        outcomes = list(connector.apply(changes))
        assert [outcome.key for outcome in outcomes] == [change_key(change) for change in changes]
        wrong = [n for n, outcome in enumerate(outcomes) if outcome.status is not Status.VERIFIED]
        assert wrong == [7]
        assert [task for task in tasks if account.open_tasks(task.ref.id)] == [tasks[7]]

    def test_a_task_outlives_its_contact(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """The contact was deleted, which may be why the task is settled: it is closed all the same."""
        needs(account, Capability.CLOSE_TASK)
        task = a_task(connector, account)
        (change,) = closing(connector, [task])
        account.delete(task.ref.id)
        assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert statuses_of(connector.settle([change])) == {Status.VERIFIED}
        assert account.open_tasks(task.ref.id) == []


def closing(connector: Connector, tasks: Sequence[CreateTask]) -> list[CloseTask]:
    """Make tasks, and return the changes that close them."""
    outcomes = list(connector.apply(tasks))
    assert [outcome.status for outcome in outcomes] == [Status.VERIFIED] * len(tasks)
    return [
        CloseTask(ref=task.ref, task=outcome.remote_id, marker=task.marker, reason="settled")
        for task, outcome in zip(tasks, outcomes, strict=True)
    ]
