"""What is special about closing tasks in Salesforce: statuses are the org's, and so is activity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from tests.connectors.salesforce.conftest import Org

from crm_steward.sdk import CloseTask, Connector, CreateTask, RecordRef, Status
from crm_steward_salesforce.sandbox.schema import OBJECTS


def made(connector: Connector, ids: Sequence[str]) -> list[CloseTask]:
    """Make a task on each contact, and return what closes them."""
    tasks = [
        CreateTask(
            ref=RecordRef("sf", record_id),
            title="Look",
            body="",
            due=date(2030, 12, 1),
            marker=f"{number:016x}",
        )
        for number, record_id in enumerate(ids)
    ]
    made = connector.apply(tasks)
    return [
        CloseTask(ref=task.ref, task=outcome.remote_id, marker=task.marker)
        for task, outcome in zip(tasks, made, strict=True)
    ]


def test_an_org_without_the_status_is_not_guessed_at(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin called it otherwise: refused with the reason, unsent, and `check` says so."""
    (change,) = made(org.open(), org.ids()[:1])
    status = replace(OBJECTS["Task"].fields["Status"], options=("Not Started", "Fait"))
    monkeypatch.setitem(OBJECTS["Task"].fields, "Status", status)  # type: ignore[arg-type] # it is a dict

    (outcome,) = org.open().apply([change])

    assert (outcome.status, outcome.reason) == (
        Status.REJECTED,
        "the org has no task status 'Completed'",
    )
    assert org.calls("PATCH /services/data/v64.0/composite/sobjects") == 0
    assert any("no task status 'Completed'" in line for line in org.open().check().missing)


def test_a_status_that_is_hidden_cannot_be_set(org: Org) -> None:
    """Field-level security hides it: no query names it, and the reason is said."""
    (change,) = made(org.open(), org.ids()[:1])
    org.do("hide", fields=["Task.Status"])

    (outcome,) = org.open().apply([change])

    assert outcome.status is Status.REJECTED
    assert outcome.reason == "our user may not change the status of tasks"


def test_210_tasks_are_closed_in_two_requests(org: Org) -> None:
    """Two hundred a request; one that somebody holds is sent again alone."""
    connector = org.open()
    changes = made(connector, [org.ids()[number % 60] for number in range(210)])
    org.do("lock", id=changes[3].task, times=1)

    outcomes = list(connector.apply(changes))

    assert {outcome.status for outcome in outcomes} == {Status.VERIFIED}
    assert [outcome.remote_id for outcome in outcomes] == [change.task for change in changes]
    assert all(task["IsClosed"] for task in org.crm.live("Task"))
    assert org.calls("PATCH /services/data/v64.0/composite/sobjects") == 3


def test_a_closed_task_is_activity_to_salesforce(org: Org) -> None:
    """Its due date shows as the contact's last activity: the README says so, no more is claimed."""
    connector = org.open()
    (change,) = made(connector, org.ids()[:1])
    before = org.crm.tables["Contact"][change.ref.id]
    list(connector.apply([change]))
    after = org.crm.tables["Contact"][change.ref.id]

    assert after["LastActivityDate"] == "2030-12-01"
    assert after["LastModifiedDate"] == before["LastModifiedDate"]
    contact = connector.get([change.ref])[change.ref]
    assert contact.last_activity is not None
    assert contact.last_activity <= org.crm.now()
