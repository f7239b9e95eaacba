"""What is special about closing tasks in Pipedrive: an activity that is done is the last activity."""

from __future__ import annotations

from datetime import date, timedelta

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import serve
from crm_steward.sdk import CloseTask, CreateTask, RecordRef, Status
from crm_steward_pipedrive import PipedriveSettings
from crm_steward_pipedrive.sandbox import PipedriveSandbox

QUICK = RetryPolicy(first=timedelta(milliseconds=1), longest=timedelta(milliseconds=5))


def test_an_activity_is_ticked_off_and_otherwise_stays_as_it_is() -> None:
    """Two calls, for six tokens; its contact's last activity moves, as when a salesperson ticks it."""
    crm = PipedriveSandbox(contacts=5, seed=7, burst=10**6, daily=10**9, patience=10**6)
    with serve(crm) as server:
        settings = PipedriveSettings.model_validate(crm.connection(server.url))
        connector = open_connection("pipe", settings, calls=Calls("pipe", policy=QUICK))
        ref = RecordRef("pipe", str(crm.ids[0]))
        task = CreateTask(ref=ref, title="Look", body="", due=date(2026, 12, 1), marker="0123")
        (made,) = connector.apply([task])
        before, calls = crm.tables["activities"][made.remote_id], len(server.log)

        change = CloseTask(ref=ref, task=made.remote_id, marker=task.marker)
        (outcome,) = connector.apply([change])

        assert (outcome.status, outcome.remote_id) == (Status.VERIFIED, made.remote_id)
        assert [one["method"] for one in list(server.log)[calls:]] == ["GET", "PATCH"]
        after = crm.tables["activities"][made.remote_id]
        moved = {"done", "marked_as_done_time", "update_time"}
        assert {name for name in after if after[name] != before[name]} <= moved
        contact = connector.get([ref])[ref]
        assert contact.last_activity is not None
        assert abs(contact.last_activity - crm.now()) < timedelta(minutes=5)
