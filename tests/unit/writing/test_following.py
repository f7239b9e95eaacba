"""Following: a pull learns what became of the tasks that we made, and what it cannot learn is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.unit.writing.conftest import TASKS, World

from crm_steward.connect.protocol import TaskState
from crm_steward.model import RetryableError
from crm_steward.pull import pull
from crm_steward.store.following import Following
from crm_steward.store.lease import hold
from crm_steward.store.tables import task_states
from crm_steward.testing import FakeCrm

TOLD = {"task-1": "done", "task-2": "deleted", "task-3": "open"}


@pytest.fixture
def tasked(any_world: World) -> World:
    """Give a world in which three tasks were made."""
    world = any_world
    world.rules(TASKS)
    for number in range(3):
        world.crm.add(str(number), first_name="Zoé", last_name=f"Ménard{number}")
    world.run()
    assert [task.id for task in world.crm.tasks] == list(TOLD)
    return world


def known(world: World) -> dict[str, str]:
    """Return what is known of tasks."""
    query = sa.select(task_states.c.task, task_states.c.state)
    with world.database.read() as reading:
        return dict(reading.execute(query).all())  # type: ignore[arg-type] # rows are pairs


def test_a_pull_learns_what_became_of_tasks(tasked: World) -> None:
    """Done by a person, deleted by one, or open; a second pull the same day asks for none."""
    tasked.crm.finish("task-1")
    tasked.crm.drop("task-2")

    counts = pull(tasked.database, "crm", "fake", tasked.crm, clock=tasked.clock)

    assert (counts.tasks, counts.tasks_unread) == (3, "")
    assert known(tasked) == TOLD
    asked = tasked.crm.calls["tasks"]
    pull(tasked.database, "crm", "fake", tasked.crm, clock=tasked.clock)
    assert tasked.crm.calls["tasks"] == asked
    tasked.clock.forward(hours=20)
    tasked.crm.finish("task-3")
    assert pull(tasked.database, "crm", "fake", tasked.crm, clock=tasked.clock).tasks == 1
    assert known(tasked) == TOLD | {"task-3": "done"}


def test_a_task_that_we_closed_is_not_asked_for(tasked: World) -> None:
    """Its state is known: we set it."""
    tasked.crm.edit("0", email="zoe@example.com")
    tasked.run()
    left = {task.id: task.change.ref.id for task in tasked.crm.tasks if not task.done}
    assert set(left.values()) == {"1", "2"}
    later = tasked.clock() + timedelta(days=1)
    assert Following(tasked.database).wanted("crm", later) == left


class Mute(FakeCrm):
    """A CRM that shows contacts and not its tasks."""

    def task_states(self, ids: Sequence[str]) -> Mapping[str, TaskState]:
        """Fail, as with a scope that was taken away."""
        raise RetryableError(f"the CRM did not show {len(ids)} tasks")


def test_tasks_that_cannot_be_read_leave_the_contacts_read(tasked: World) -> None:
    """The pull ends well, says why nothing is known of tasks, and the next one asks again."""
    mute = Mute("crm", clock=tasked.clock, records=tasked.crm.records)
    counts = pull(tasked.database, "crm", "fake", mute, clock=tasked.clock)
    assert (counts.tasks, counts.tasks_unread) == (0, "the CRM did not show 3 tasks")
    assert counts.live == 3
    assert known(tasked) == {}
    assert pull(tasked.database, "crm", "fake", tasked.crm, clock=tasked.clock).tasks == 3


def test_tasks_of_an_account_that_was_left_are_followed_no_more(tasked: World) -> None:
    """Their ids mean nothing in the new account: none is asked for there, none is taken for deleted."""
    pull(tasked.database, "crm", "fake", tasked.crm, clock=tasked.clock)
    other = FakeCrm("crm", clock=tasked.clock, account="portal-2")
    other.add("1", first_name="Paul")
    tasked.clock.forward(days=2)
    with hold(tasked.database, clock=tasked.clock) as lease:
        counts = pull(tasked.database, "crm", "fake", other, clock=tasked.clock, new_account=lease)
    assert counts.tasks == 0
    assert other.calls["tasks"] == 0
    assert set(known(tasked).values()) == {"left"}


def test_unread_tasks_of_an_account_that_was_left_are_not_asked_for(tasked: World) -> None:
    """The same for tasks that were never read."""
    other = FakeCrm("crm", clock=tasked.clock, account="portal-2")
    tasked.crm.calls.clear()
    with hold(tasked.database, clock=tasked.clock) as lease:
        pull(tasked.database, "crm", "fake", other, clock=tasked.clock, new_account=lease)
    assert other.calls["tasks"] == 0
    assert known(tasked) == dict.fromkeys(TOLD, "left")
