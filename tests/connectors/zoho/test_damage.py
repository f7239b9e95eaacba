"""Answers of a form that Zoho does not document: they are no empty lists, and nothing is lost."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from tests.connectors.zoho.conftest import Org

from crm_steward.sandbox import Request, Response, parse_faults
from crm_steward.sdk import (
    ArchiveRecord,
    Channel,
    CreateTask,
    MergeRecords,
    RetryableError,
    Status,
    SuppressChannel,
    UpdateFields,
)

PRIVATE = (
    "Email_Opt_Out",
    "Unsubscribed_Mode",
    "Unsubscribed_Time",
    "Data_Processing_Basis",
    "Data_Processing_Basis_Details",
)
HOLLOW: list[Any] = [{}, {"data": None}, {"data": {"id": "1"}}, {"message": "be right back"}]


def instead(org: Org, method: str, pattern: str, body: Any, *, status: int = 200) -> None:
    """Answer every such call with another body."""
    honest = org.crm.answer

    def answer(request: Request) -> Response:
        if request.method == method and re.search(pattern, request.target):
            return Response(status, body)
        return honest(request)

    org.crm.answer = answer  # type: ignore[method-assign] # answers that no fault can script


@pytest.mark.parametrize("body", HOLLOW)
@pytest.mark.parametrize(
    ("method", "pattern"),
    [("GET", r"/Contacts\?"), ("POST", r"/coql"), ("GET", r"/deleted\?"), ("GET", r"/fields\?")],
)
def test_an_answer_without_rows_is_no_end_of_a_read(
    org: Org, method: str, pattern: str, body: Any
) -> None:
    """Zoho says 204 where there is nothing; a 200 without its list ends no read as complete."""
    instead(org, method, pattern, body)
    complete = []
    with pytest.raises(RetryableError, match="not Zoho's JSON"):
        complete += [page.complete for page in org.open().read(None)]
    assert True not in complete


@pytest.mark.parametrize("body", HOLLOW)
def test_an_answer_without_rows_does_not_make_records_gone(org: Org, body: Any) -> None:
    """Neither a deletion nor a merge is taken for done because a read by id shows nothing."""
    one, two = org.refs(2)
    connector = org.open()
    instead(org, "GET", r"/Contacts\?.*ids=", body)
    for change in (ArchiveRecord(ref=one, reason="old"), MergeRecords(ref=one, losers=(two,))):
        with pytest.raises(RetryableError):
            list(connector.settle([change]))
    with pytest.raises(RetryableError):
        list(connector.apply([ArchiveRecord(ref=one, reason="old")]))
    assert org.crm.find(one.id) is not None


@pytest.mark.parametrize("body", HOLLOW)
def test_an_answer_without_rows_does_not_make_a_task_absent(org: Org, body: Any) -> None:
    """A task that was made is not made again because a query shows nothing."""
    task = CreateTask(
        ref=org.refs(1)[0], title="Look", body="", due=date(2026, 12, 1), marker="ab" * 8
    )
    connector = org.open()
    assert [outcome.status for outcome in connector.apply([task])] == [Status.VERIFIED]
    instead(org, "POST", r"/coql", body)
    with pytest.raises(RetryableError):
        list(connector.settle([task]))


def test_rows_without_ids_are_no_end_of_a_read_of_changes(org: Org) -> None:
    """Rows that name no record are an answer to ask for again, not the last of the changes."""
    connector = org.open()
    start = list(connector.read(None))[-1].cursor
    instead(org, "POST", r"/coql", {"data": [{"id": None}], "info": {"more_records": True}})
    with pytest.raises(RetryableError):
        list(connector.read(start))


def test_an_organisation_without_fields_is_none(org: Org) -> None:
    """No field at all: nothing is read, rather than every contact as empty."""
    instead(org, "GET", r"/settings/fields", {"fields": []})
    with pytest.raises(RetryableError):
        list(org.open().read(None))


def test_a_field_of_another_form_stops_nobody(org: Org) -> None:
    """A picklist whose values are no list has none; the contacts are read all the same."""
    honest = org.crm.answer

    def answer(request: Request) -> Response:
        response = honest(request)
        if "/settings/fields" in request.target:
            fields = [{**field, "pick_list_values": 7} for field in response.body["fields"]]
            return Response(200, {"fields": fields})
        return response

    org.crm.answer = answer  # type: ignore[method-assign] # an answer that no fault can script
    assert sum(len(page.contacts) for page in org.open().read(None)) == 40


def test_without_a_time_to_hold_on_to_nothing_is_written(org: Org) -> None:
    """A record that shows no Modified_Time cannot be guarded, so it is not updated."""
    honest = org.crm.answer

    def answer(request: Request) -> Response:
        response = honest(request)
        if "ids=" in request.target and response.status == 200:
            rows = [{**row, "Modified_Time": None} for row in response.body["data"]]
            return Response(200, {**response.body, "data": rows})
        return response

    org.crm.answer = answer  # type: ignore[method-assign] # an answer that no fault can script
    ref = org.refs(1)[0]
    connector = org.open()
    held = connector.get([ref])[ref].value("city")
    change = UpdateFields(ref=ref, values={"city": "Lyon"}, expected={"city": held})
    (outcome,) = connector.apply([change])
    assert (outcome.status, org.calls("^PUT ")) == (Status.REJECTED, 0)


# -- consent ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("value", [None, "false", "Consent - Obtained"])
def test_a_mapped_field_never_loosens_consent(org: Org, name: str, value: str | None) -> None:
    """What Zoho knows of consent may be mapped to be read; an update of it is refused unsent."""
    ref = org.refs(1)[0]
    org.hand("opt_out", id=ref.id)
    connector = org.open(extra={"mail": name} if name != PRIVATE[-1] else {"mail": PRIVATE[0]})
    held = connector.get([ref])[ref].value("extra.mail")
    change = UpdateFields(ref=ref, values={"extra.mail": value}, expected={"extra.mail": held})
    (outcome,) = connector.apply([change])
    assert (outcome.status, org.calls("^PUT ")) == (Status.REJECTED, 0)
    assert org.held(ref.id, "Email_Opt_Out") is True


def hide(org: Org, *names: str) -> None:
    """Take fields from the user's sight; what Zoho does not show, it does not write either."""
    org.crm.tables["settings"]["dropped"] = list(names)
    honest = org.crm.answer

    def answer(request: Request) -> Response:
        if request.method == "PUT":
            rows = [{"id": row["id"], "Modified_Time": ""} for row in request.json["data"]]
            return Response(200, {"data": [{"code": "SUCCESS", "details": row} for row in rows]})
        return honest(request)

    org.crm.answer = answer  # type: ignore[method-assign] # names it does not know are passed over


def test_where_the_opt_out_is_hidden_nobody_is_said_to_be_opted_out(org: Org) -> None:
    """A user who does not see the flag cannot set it: rejected, whatever Zoho would answer."""
    hide(org, "Email_Opt_Out")
    ref = next(ref for ref in org.refs(40) if not org.held(ref.id, "Unsubscribed_Time"))
    change = SuppressChannel(ref=ref, channel=Channel.EMAIL, address="", reason="asked for it")
    connector = org.open()
    (outcome,) = connector.apply([change])
    (settled,) = connector.settle([change])
    assert outcome.status is settled.status is Status.REJECTED
    assert outcome.reason == "Zoho does not show the field Email_Opt_Out to this user"


def test_where_the_opt_out_is_hidden_nobody_is_merged(org: Org) -> None:
    """A loser's opt-out could neither be seen nor carried over."""
    survivor, loser = org.refs(2)
    org.hand("opt_in", id=survivor.id)
    org.hand("opt_out", id=loser.id)
    hide(org, "Email_Opt_Out", "Unsubscribed_Time")
    (outcome,) = org.open().apply([MergeRecords(ref=survivor, losers=(loser,))])
    assert (outcome.status, org.calls("/actions/merge")) == (Status.REJECTED, 0)
    assert "a loser's opt-out could be lost" in outcome.reason


# -- changes of several calls -----------------------------------------------------------------


def test_a_chain_whose_second_call_is_not_sent_is_settled_and_not_begun_again(org: Org) -> None:
    """Two of three are merged when Zoho asks to wait: in doubt, then a conflict that counts."""
    survivor, *losers = org.refs(4)
    for ref in (survivor, *losers):
        org.hand("opt_in", id=ref.id)
    merge = MergeRecords(ref=survivor, losers=tuple(losers))
    org.server.faults.add(parse_faults({"path": "/actions/merge", "after": 1, "status": 429}))
    (outcome,) = org.open().apply([merge])
    assert outcome.status is Status.UNKNOWN
    (settled,) = org.open().settle([merge])
    assert (settled.status, settled.reason) == (Status.CONFLICT, "2 of 3 records were merged")


def test_a_title_that_cannot_be_asked_for_leaves_only_its_task_in_doubt(org: Org) -> None:
    """Zoho refuses the query: that task stays unknown, the change beside it is settled."""
    one, two = org.refs(2)
    task = CreateTask(ref=one, title="Look", body="", due=date(2026, 12, 1), marker="ab" * 8)
    refusal = {"code": "SYNTAX_ERROR", "details": {}, "message": "error", "status": "error"}
    instead(org, "POST", r"/coql", refusal, status=400)
    outcomes = list(org.open().settle([task, ArchiveRecord(ref=two, reason="old")]))
    assert [outcome.status for outcome in outcomes] == [Status.UNKNOWN, Status.ABSENT]
