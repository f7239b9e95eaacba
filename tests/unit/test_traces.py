"""Traces as a collector receives them: a real one's protocol over real HTTP."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from pydantic import ValidationError
from tests.collector import attributes, collecting

from crm_steward.connect.calls import Calls
from crm_steward.connect.spec import Quota
from crm_steward.daemon.metrics import Metrics
from crm_steward.daemon.runner import Job, Runner
from crm_steward.daemon.schedule import Cadence
from crm_steward.model import AuthError, utc_now
from crm_steward.settings import Service
from crm_steward.store.database import Database
from crm_steward.store.jobs import Jobs
from crm_steward.traces import exporting, note, span

SECRET = "canary-4711@example.org"


def test_a_job_and_its_calls_are_one_trace(database: Database) -> None:
    """The job is the parent of its calls; both say what they are, and the job how it ended."""
    calls = Calls("hubspot-eu", [Quota(name="burst", calls=100, per=timedelta(seconds=10))])

    def work() -> None:
        calls("burst", lambda: "answer")

    with collecting() as (endpoint, spans), exporting(endpoint, "1.0"):
        runner = Runner(Jobs(database), Metrics(database), utc_now, threading.Event())
        cadence = Cadence(every=timedelta(hours=1))
        runner.run(Job(verb="pull", work=work, cadence=cadence, connection="hubspot-eu"))
    # Whatever is left is sent at the end of `exporting`, before the collector ends.
    call, job = sorted(spans, key=lambda one: one.name)
    assert (call.name, job.name) == ("call", "pull")
    assert call.parent_span_id == job.span_id
    assert call.trace_id == job.trace_id
    assert attributes(call) == {"connection": "hubspot-eu", "quota": "burst"}
    found = attributes(job)
    assert (found["job"], found["outcome"], len(found["job_run"])) == ("pull:hubspot-eu", "done", 8)


def test_of_an_error_only_its_class_is_told() -> None:
    """A message may hold what a CRM said; it stays here."""
    with collecting() as (endpoint, spans), exporting(endpoint, "1.0"):
        with pytest.raises(AuthError), span("call", connection="c"):
            raise AuthError(SECRET)
        with pytest.raises(ZeroDivisionError), span("call"):
            raise ZeroDivisionError(SECRET)
    assert [attributes(one)["error.type"] for one in spans] == ["AuthError", "ZeroDivisionError"]
    assert {one.status.code for one in spans} == {Status.STATUS_CODE_ERROR}
    assert SECRET not in "".join(map(str, spans))


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:1/v1/traces"])
def test_nobody_who_collects_stops_nothing(endpoint: str | None) -> None:
    """Without a collector, and with one that does not answer, the work is done all the same."""
    done = []
    with exporting(endpoint, "1.0"), span("pull", job="pull:crm"):
        note(outcome="done")
        done.append(True)
    assert done == [True]


@pytest.mark.parametrize("wrong", ["localhost:4318", "ftp://collector/", "http://"])
def test_an_address_that_is_none_is_a_setting_to_mend(wrong: str) -> None:
    """It is said when the settings are read."""
    with pytest.raises(ValidationError, match="write a web address"):
        Service(traces=wrong)
