"""What is special about closing tasks in Zoho: a hundred rows a call, and refusals row by row."""

from __future__ import annotations

from datetime import date

import pytest
from tests.connectors.zoho.conftest import Org

from crm_steward.sdk import CloseTask, Connector, CreateTask, RecordRef, Status
from crm_steward_zoho.sandbox import tasks as sandbox_tasks


def made(connector: Connector, refs: list[RecordRef]) -> list[CloseTask]:
    """Make a task on each contact, and return what closes them."""
    tasks = [
        CreateTask(ref=ref, title="Look", body="", due=date(2026, 12, 1), marker=f"{number:016x}")
        for number, ref in enumerate(refs)
    ]
    ends = connector.apply(tasks)
    return [
        CloseTask(ref=task.ref, task=outcome.remote_id, marker=task.marker)
        for task, outcome in zip(tasks, ends, strict=True)
    ]


def puts(org: Org) -> int:
    """Return how many calls set something on tasks."""
    return sum(one["method"] == "PUT" and "/Tasks" in one["path"] for one in org.server.log)


def test_tasks_of_different_contacts_share_a_call(org: Org) -> None:
    """Twelve tasks, one of them deleted: one call reads them, one closes the rest."""
    connector = org.open()
    changes = made(connector, org.refs(12))
    org.hand("drop_task", id=changes[4].task)

    outcomes = list(connector.apply(changes))

    assert [outcome.status for outcome in outcomes] == [Status.VERIFIED] * 12
    assert [outcome.remote_id for outcome in outcomes] == [change.task for change in changes]
    assert puts(org) == 1
    assert all(t["values"]["Status"] == "Completed" for t in org.crm.tables["tasks"].values())


def test_an_organisation_without_the_status_is_not_guessed_at(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin took `Completed` out of the list: Zoho refuses, the reason names the field."""
    connector = org.open()
    (change,) = made(connector, org.refs(1))
    monkeypatch.setattr(sandbox_tasks, "_STATUSES", ("Not Started", "Erledigt"))

    (outcome,) = connector.apply([change])

    assert outcome.status is Status.REJECTED
    assert "Status" in outcome.reason
    assert puts(org) == 1
