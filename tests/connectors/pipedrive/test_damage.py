"""Answers of a form that Pipedrive does not document, and what must not come of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from tests.connectors.pipedrive.test_connector import Open, _made, _one, _ref, _served

from crm_steward.sandbox import Request, Response
from crm_steward.sdk import (
    ArchiveRecord,
    Connector,
    CreateTask,
    MergeRecords,
    RetryableError,
    Status,
    UpdateFields,
)
from crm_steward_pipedrive import reading
from crm_steward_pipedrive.errors import from_answer
from crm_steward_pipedrive.sandbox import PipedriveSandbox

HOLLOW: list[Any] = [
    {"success": True},
    {"success": True, "data": None},
    {"success": True, "data": "be right back", "additional_data": {"next_cursor": None}},
    {"success": True, "data": [], "additional_data": {"next_cursor": 7}},
    {"success": True, "data": [], "additional_data": []},
]
Given = tuple[PipedriveSandbox, Open]


@pytest.fixture
def given() -> Iterator[Given]:
    """Give a company of 50 contacts, and what opens connections to it."""
    with _served() as (_server, crm, connect):
        yield crm, connect


def instead(crm: PipedriveSandbox, pattern: str, body: Any) -> None:
    """Answer every read of a path with another body."""
    honest = crm.answer

    def answer(request: Request) -> Response:
        if request.method == "GET" and re.search(pattern, request.target):
            return Response(200, body)
        return honest(request)

    crm.answer = answer  # type: ignore[method-assign] # answers that no fault can script


@pytest.mark.parametrize("body", HOLLOW)
@pytest.mark.parametrize("pattern", [r"v2/persons\?", r"v1/recents", r"organizations|activities"])
def test_an_answer_without_rows_is_no_end_of_a_read(given: Given, pattern: str, body: Any) -> None:
    """A success without its list ends no read as complete, and empties no contact."""
    crm, connect = given
    connector = connect()
    start = list(connector.read(None))[-1].cursor
    crm.by_hand({"do": "stamp_all"})
    instead(crm, pattern, body)
    complete = []
    with pytest.raises(RetryableError, match="not Pipedrive's JSON"):
        complete += [page.complete for page in connector.read(start)]
    assert True not in complete


def test_a_full_page_that_does_not_say_where_to_go_on_is_no_end(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty of fifty contacts and no word of a next page: not the whole account."""
    crm, connect = given
    monkeypatch.setattr(reading, "PAGE", 20)
    honest = crm.answer

    def answer(request: Request) -> Response:
        response = honest(request)
        if re.search(r"v2/persons\?", request.target):
            return Response(200, {**response.body, "additional_data": None})
        return response

    crm.answer = answer  # type: ignore[method-assign] # an answer that no fault can script
    complete = []
    with pytest.raises(RetryableError):
        complete += [page.complete for page in connect().read(None)]
    assert True not in complete


@pytest.mark.parametrize("body", [HOLLOW[0], HOLLOW[1], {"success": True, "data": {"id": "1"}}])
def test_an_answer_without_a_record_does_not_make_it_gone(given: Given, body: Any) -> None:
    """Neither a deletion nor a merge is taken for done because a read by id shows nothing."""
    crm, connect = given
    one, two = (_ref(_made(crm, name)) for name in ("Ann Example", "Bob Example"))
    connector = connect()
    instead(crm, r"v2/persons/", body)
    for change in (ArchiveRecord(ref=one, reason="old"), MergeRecords(ref=one, losers=(two,))):
        with pytest.raises(RetryableError):
            list(connector.settle([change]))


@pytest.mark.parametrize("body", HOLLOW)
def test_an_answer_without_rows_does_not_make_a_task_absent(given: Given, body: Any) -> None:
    """A task that was made is not made again because a list shows nothing."""
    crm, connect = given
    ref = _ref(_made(crm))
    task = CreateTask(ref=ref, title="Look", body="", due=date(2026, 12, 1), marker="ab" * 8)
    connector = connect()
    assert _one(connector, task).status is Status.VERIFIED
    instead(crm, r"v2/activities\?", body)
    with pytest.raises(RetryableError):
        list(connector.settle([task]))


@pytest.mark.parametrize("pattern", ["activities", "personFields"])
def test_a_mark_that_leads_to_itself_ends_every_walk(given: Given, pattern: str) -> None:
    """Lists of tasks and of fields are not read for ever either."""
    crm, connect = given
    ref = _ref(_made(crm))
    task = CreateTask(ref=ref, title="Look", body="", due=date(2026, 12, 1), marker="ab" * 8)
    connector = connect()
    again = {"success": True, "data": [], "additional_data": {"next_cursor": "again"}}
    instead(crm, rf"v2/{pattern}\?", again)
    with pytest.raises(RetryableError):
        list(connector.settle([task])) if pattern == "activities" else connector.check()


@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_deep_json_is_no_crash(given: Given, status: int) -> None:
    """A body nested deeper than the parser goes is unreadable, whatever its status."""
    crm, connect = given
    deep = b"[" * 200_000
    assert from_answer("pipe", max(status, 400), deep, {}).message.startswith("pipe: ")
    honest = crm.answer

    def answer(request: Request) -> Response:
        if re.search(r"v2/persons/", request.target):
            return Response(status, deep, {"Content-Type": "application/json"})
        return honest(request)

    crm.answer = answer  # type: ignore[method-assign] # an answer that no fault can script
    ref = _ref(_made(crm))
    if status == 200:
        with pytest.raises(RetryableError):
            connect().get([ref])


# -- consent ----------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["extra", "fields"])
def test_a_mapped_field_never_loosens_consent(given: Given, setting: str) -> None:
    """`marketing_status` may be mapped to be read; an update of it is refused unsent."""
    crm, connect = given
    emails = [{"value": "ann@example.com", "primary": True, "label": "work"}]
    ref = _ref(_made(crm, emails=emails))
    name = "extra.mail" if setting == "extra" else "language"
    connector = connect(**{setting: {name.removeprefix("extra."): "marketing_status"}})
    held = connector.get([ref])[ref].value(name)
    outcome = _one(
        connector,
        UpdateFields(ref=ref, values={name: "subscribed"}, expected={name: held}),
    )
    assert outcome.status is Status.REJECTED
    assert status_of(crm, ref.id) == "no_consent"


def test_a_subscription_does_not_pass_to_an_address_that_never_had_one(given: Given) -> None:
    """A subscribed survivor without an address would take over the loser's, and have it mailed."""
    crm, connect = given
    emails = [{"value": "ann@example.com", "primary": True, "label": "work"}]
    survivor, loser = _made(crm), _made(crm, emails=emails)
    crm.by_hand({"do": "opt_in", "id": survivor})
    merge = MergeRecords(ref=_ref(survivor), losers=(_ref(loser),))
    assert _one(connect(), merge).status is Status.REJECTED
    assert crm.tables["persons"][survivor]["emails"] == []


def status_of(crm: PipedriveSandbox, record_id: str) -> str:
    """Return what the company holds."""
    return str(crm.tables["persons"][record_id]["marketing_status"])


# -- lists ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "part", "values"),
    [
        ("email", "emails", ["ann@example.com", "ann@example.org"]),
        ("phone", "phones", ["+33 1 99 00 00 01", "+33 1 99 00 00 02"]),
    ],
)
def test_the_first_of_several_can_be_taken_out(
    given: Given, name: str, part: str, values: list[str]
) -> None:
    """The next one shows in its place: that is what was asked for, and no conflict."""
    crm, connect = given
    entries: Any = [
        {"value": value, "primary": value == values[0], "label": "work"} for value in values
    ]
    held: dict[str, Any] = {part: entries}
    ref = _ref(_made(crm, **held))
    connector: Connector = connect()
    change = UpdateFields(ref=ref, values={name: None}, expected={name: values[0]})
    (before,) = connector.settle([change])
    assert before.status is Status.ABSENT
    assert _one(connector, change).status is Status.VERIFIED
    (after,) = connector.settle([change])
    assert after.status is Status.VERIFIED
    assert [entry["value"] for entry in crm.tables["persons"][ref.id][part]] == values[1:]
