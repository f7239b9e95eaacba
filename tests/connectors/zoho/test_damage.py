"""Answers of a form that Zoho does not document: they are no empty lists, and nothing is lost."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from tests.connectors.zoho.conftest import Org, Serve

from crm_steward.sandbox import Request, Response
from crm_steward.sdk import (
    ArchiveRecord,
    CreateTask,
    MergeRecords,
    RecordRef,
    RetryableError,
    Status,
    SuppressChannel,
    UpdateFields,
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
