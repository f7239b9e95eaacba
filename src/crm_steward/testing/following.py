"""The contract's part on what became of tasks that were made."""

from __future__ import annotations

from contextlib import suppress

import pytest

from crm_steward.sdk import (
    Capability,
    CloseTask,
    Connector,
    RetryableError,
    Status,
    TaskState,
    TaskTeller,
)
from crm_steward.testing.account import (
    Contract,
    SandboxAccount,
    Trouble,
    Verb,
    a_task,
    needs,
    statuses_of,
)
from crm_steward.testing.closing import closing


class FollowingContract(Contract):
    """What `task_states` promises."""

    def test_who_declares_it_tells_of_tasks(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """`READ_TASK` is declared by the connectors that have the verb, and by no other."""
        assert isinstance(connector, TaskTeller) == (Capability.READ_TASK in account.spec.can)

    def test_what_became_of_tasks_is_told(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """Done by a person, deleted by one, or open; a task that was never there is deleted."""
        teller, changes = _made(account, connector, 12)
        account.close_task(changes[1].task)
        account.drop_task(changes[4].task)
        ids = [change.task for change in changes]
        expected = dict.fromkeys(ids, TaskState.OPEN)
        expected |= {ids[1]: TaskState.DONE, ids[4]: TaskState.DELETED}
        before = account.requests(Verb.TASK_STATES)
        assert teller.task_states(ids) == expected
        assert 0 < account.requests(Verb.TASK_STATES) - before <= len(ids)
        assert teller.task_states(ids[4:5]) == {ids[4]: TaskState.DELETED}
        assert teller.task_states([]) == {}

    def test_a_task_that_we_closed_is_done(
        self, account: SandboxAccount, connector: Connector
    ) -> None:
        """The status that closing sets is one that counts as done."""
        needs(account, Capability.CLOSE_TASK)
        teller, (change,) = _made(account, connector, 1)
        assert statuses_of(connector.apply([change])) == {Status.VERIFIED}
        assert teller.task_states([change.task]) == {change.task: TaskState.DONE}

    def test_what_is_no_id_is_left_out(self, account: SandboxAccount, connector: Connector) -> None:
        """An id of another CRM's shape is not asked for, or known to lead nowhere; none is open."""
        teller, (change,) = _made(account, connector, 1)
        told = dict(teller.task_states(["no id, whatever the CRM", change.task]))
        assert told.pop("no id, whatever the CRM", TaskState.DELETED) is TaskState.DELETED
        assert told == {change.task: TaskState.OPEN}

    @pytest.mark.parametrize(
        "trouble",
        [
            Trouble.LOST_BEFORE,
            Trouble.LOST_AFTER,
            Trouble.HALF,
            Trouble.UNAVAILABLE,
            Trouble.GARBLED,
            Trouble.HTML,
            Trouble.ERROR_BODY,
        ],
    )
    def test_a_damaged_answer_deletes_no_task(
        self, account: SandboxAccount, connector: Connector, trouble: Trouble
    ) -> None:
        """Asked again, or left to the next time: what stands in the CRM is never read as gone."""
        teller, (change,) = _made(account, connector, 1)
        expected = {change.task: TaskState.OPEN}
        account.trouble(trouble, Verb.TASK_STATES)
        before = account.requests(Verb.TASK_STATES)
        with suppress(RetryableError):
            assert teller.task_states([change.task]) == expected
        assert account.requests(Verb.TASK_STATES) > before
        assert teller.task_states([change.task]) == expected


def _made(
    account: SandboxAccount, connector: Connector, count: int
) -> tuple[TaskTeller, list[CloseTask]]:
    """Make tasks; return who tells of them, and the changes that would close them."""
    needs(account, Capability.READ_TASK)
    assert isinstance(connector, TaskTeller)
    tasks = [a_task(connector, account, marker=f"{n:016x}", nth=n) for n in range(count)]
    return connector, closing(connector, tasks)
