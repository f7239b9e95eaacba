"""What is special about closing tasks in HubSpot: batch reads that do not tell, contacts that moved."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tests.connectors.hubspot.conftest import calls_to, served

from crm_steward.sandbox import Request, Response
from crm_steward.sdk import CloseTask, Connector, CreateTask, RecordRef, RetryableError, Status
from crm_steward_hubspot.sandbox import HubSpotSandbox


def made(connector: Connector, crm: HubSpotSandbox) -> CloseTask:
    """Make a task on the first contact, and return what closes it."""
    ref = RecordRef("hub", str(min(crm.active)))
    task = CreateTask(ref=ref, title="Look", body="", due=date(2026, 12, 1), marker="0123456789")
    (outcome,) = connector.apply([task])
    return CloseTask(ref=ref, task=outcome.remote_id, marker=task.marker)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "COMPLETE", "results": []},
        {"status": "COMPLETE", "results": [], "errors": [{"category": "OBJECT_NOT_FOUND"}]},
        {
            "status": "COMPLETE",
            "results": [],
            "errors": [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["1"]}}],
        },
    ],
)
def test_a_task_that_the_answer_leaves_out_is_not_taken_for_deleted(body: dict[str, Any]) -> None:
    """HubSpot names what is not there: of anything else nothing is said, and nothing was sent."""
    with served(contacts=3) as (server, crm, connect):
        connector = connect()
        change = made(connector, crm)
        honest = crm.answer

        def answer(request: Request) -> Response:
            asked = request.path.endswith("/tasks/batch/read")
            return Response(207, body) if asked else honest(request)

        crm.answer = answer  # type: ignore[method-assign] # the account is this test's own
        for verb in (connector.apply, connector.settle):
            with pytest.raises(RetryableError) as caught:
                list(verb([change]))
            assert not caught.value.sent
        assert calls_to(server, "/tasks/[0-9]+$", "PATCH") == 0


def test_a_task_is_closed_whose_contact_was_merged() -> None:
    """It is found by its own id, wherever its contact went, before it has arrived there."""
    with served(contacts=3) as (_server, crm, connect):
        connector = connect()
        change = made(connector, crm)
        other = str(max(crm.active))
        crm.by_hand({"do": "merge", "primary": other, "other": change.ref.id})
        (outcome,) = connector.apply([change])
        assert outcome.status is Status.VERIFIED
        properties = crm.tables["tasks"][change.task]["properties"]
        assert properties["hs_task_status"] == "COMPLETED"
