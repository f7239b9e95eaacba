"""HubSpot on a bad day: answers that are none, quotas, migrations, schema drift, late associations."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from tests.connectors.hubspot.conftest import Open, Time, calls_to, contacts_of, served, since

from crm_steward.connect.calls import Calls
from crm_steward.sandbox import Request, Response, parse_faults
from crm_steward.sdk import (
    ArchiveRecord,
    Channel,
    ConfigError,
    CreateTask,
    MergeRecords,
    RecordRef,
    RetryableError,
    Status,
    StewardError,
    SuppressChannel,
    UpdateFields,
)
from crm_steward.testing.account import Hurry
from crm_steward_hubspot import wire
from crm_steward_hubspot.sandbox import SCOPES, HubSpotSandbox


def _instead(crm: HubSpotSandbox, path: str, body: Any, *, status: int = 200) -> None:
    """Let every call to a path be answered so, without effect."""
    honest = crm.answer

    def answer(request: Request) -> Response:
        return Response(status, body) if request.path.endswith(path) else honest(request)

    crm.answer = answer  # type: ignore[method-assign] # the account is this test's own


def _updates(crm: HubSpotSandbox, count: int) -> list[UpdateFields]:
    return [
        UpdateFields(
            ref=RecordRef("hub", str(record_id)), values={"city": "Dax"}, expected={"city": None}
        )
        for record_id in list(crm.active)[:count]
    ]


# -- quotas and migrations --------------------------------------------------------------------


def test_a_migration_of_a_day_costs_no_call_in_between() -> None:
    """477 with a day to wait: the read ends saying so, and nobody asks again before that."""
    hurry = Hurry()
    with served(contacts=3) as (server, _crm, connect):
        server.faults.add(parse_faults({"status": 477, "retry_after": 86_400, "times": 1}))
        calls = Calls("hub", stop=hurry, monotonic=hurry.monotonic)
        connector = connect(calls=calls)
        for _ in range(3):
            with pytest.raises(RetryableError) as caught:
                list(connector.read(None))
            assert caught.value.retry_after
            assert not caught.value.sent
        assert len(server.log) == 1
        hurry.seconds += 86_400
        assert len(contacts_of(list(connector.read(None)))) == 3


def test_a_locked_record_is_written_two_seconds_later() -> None:
    """423 names no time: HubSpot's documentation says two seconds, and that is waited."""
    hurry = Hurry()
    with served(contacts=3) as (server, crm, connect):
        server.faults.add(parse_faults({"path": "batch/update", "nth": 1, "status": 423}))
        connector = connect(calls=Calls("hub", stop=hurry, monotonic=hurry.monotonic))
        statuses = [outcome.status for outcome in connector.apply(_updates(crm, 2))]
        assert statuses == [Status.VERIFIED] * 2
        assert 2 <= sum(hurry.slept) <= 3


# -- answers that are none --------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"status": "error", "message": "internal error", "category": "INTERNAL"},
        {"results": None},
        {"results": {"id": "1"}},
        {},
        [],
        b"<html>Sorry</html>",
        b'{"results": [{"id": "1", "prop',
        b"\xff\xfe",
    ],
)
def test_a_listing_that_is_none_ends_no_read(body: Any) -> None:
    """An error under status 200, a list that is none: never taken for the end of all contacts."""
    with served(contacts=3) as (_server, crm, connect):
        _instead(crm, "/crm/v3/objects/contacts", body)
        with pytest.raises(RetryableError):
            list(connect().read(None))


@pytest.mark.parametrize(
    "body",
    [
        {"status": "COMPLETE", "results": []},
        {"status": "COMPLETE"},
        {"status": "error", "message": "x"},
        {"status": "COMPLETE", "results": [None, 7, {"id": 7}, {"id": "1", "properties": []}]},
        {"status": "COMPLETE", "results": [], "errors": [None, {"context": None}, {"context": []}]},
        {"status": "COMPLETE", "results": [], "errors": {"context": {"ids": ["1"]}}},
        {"status": "COMPLETE", "results": [], "errors": [{"context": {"ids": "1"}}]},
    ],
)
def test_a_batch_that_says_nothing_verifies_nothing(body: Any) -> None:
    """COMPLETE with nothing in it, or with rubbish: every row is unknown and settled by reading."""
    with served(contacts=3) as (_server, crm, connect):
        changes = _updates(crm, 3)
        _instead(crm, "batch/update", body)
        assert {o.status for o in connect().apply(changes)} == {Status.UNKNOWN}
        assert {o.status for o in connect().settle(changes)} <= {Status.ABSENT, Status.CONFLICT}


def test_each_row_of_a_partial_success_ends_by_itself() -> None:
    """207: written, refused with HubSpot's category, and unmentioned; no free text is quoted."""
    with served(contacts=3) as (_server, crm, connect):
        changes = _updates(crm, 3)
        ids = [change.ref.id for change in changes]
        refused = {
            "category": "OBJECT_NOT_FOUND",
            "message": "secret",
            "context": {"ids": [ids[1]]},
        }
        done = {"id": ids[0], "properties": {"city": "Dax", "lastmodifieddate": "2026-01-01"}}
        _instead(crm, "batch/update", {"results": [done], "errors": [refused]}, status=207)
        outcomes = list(connect().apply(changes))
        assert [o.status for o in outcomes] == [Status.VERIFIED, Status.REJECTED, Status.UNKNOWN]
        assert outcomes[1].reason == "HubSpot refuses the record: OBJECT_NOT_FOUND"


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """More megabytes than any page has: the call ends with an error instead of all memory."""
    monkeypatch.setattr(wire, "_LARGEST", 1)
    with served(contacts=3) as (_server, crm, connect):
        _instead(crm, "/crm/v3/objects/contacts", {"results": ["x" * 2_000_000]})
        with pytest.raises(RetryableError, match="larger than 1 MB"):
            list(connect().read(None))


def test_values_of_next_year_are_read_as_unknown() -> None:
    """Stages, grounds and reasons nobody has heard of: a contact comes out, nothing is guessed."""
    with served(contacts=0) as (_server, crm, connect):
        values = {
            "lifecyclestage": "metaverse",
            "hs_legal_basis": "Vital interest",
            "hs_email_hard_bounce_reason_enum": "QUANTUM",
        }
        crm.by_hand({"do": "create", "values": {"lastname": "Lee", "email": "l@example.com"}})
        crm.by_hand({"do": "edit", "id": str(crm.active[0]), "values": values})
        (contact,) = contacts_of(list(connect().read(None)))
        assert contact.stage.value == "unknown"
        assert not contact.consents[0].status.mailable


# -- schema drift -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"fields": {"job_title": "consent_evidence"}},
        {"extra": {"proof": "consent_evidence"}},
        {"consent": {"evidence": "consent_evidence"}},
    ],
)
def test_a_mapped_property_that_vanished_stops_the_read(settings: dict[str, Any]) -> None:
    """Named with its setting, before any page; what the settings do not name stops nobody."""
    with served(contacts=3) as (server, crm, connect):
        connector = connect(**settings)
        assert len(contacts_of(list(connector.read(None)))) == 3
        crm.by_hand({"do": "drop_field", "name": "consent_evidence"})
        server.log.clear()
        (group,) = settings
        with pytest.raises(ConfigError, match=rf"connections\.hub\.{group}\."):
            list(connector.read(None))
        assert calls_to(server, "/objects/contacts") == 0
        assert len(contacts_of(list(connect().read(None)))) == 3


def test_without_the_scope_for_the_schema_reading_goes_on() -> None:
    """Mapped properties cannot be looked up then, and opt-outs of single subscriptions stay unread."""
    scopes = [scope for scope in SCOPES if scope != "crm.schemas.contacts.read"]
    with served(contacts=0, scopes=scopes) as (_server, crm, connect):
        made = crm.by_hand({"do": "create", "values": {"email": "a@example.com"}})
        crm.by_hand({"do": "withdraw", "email": "a@example.com", "subscription": "1"})
        connector = connect(extra={"x": "no_such_property"})
        (contact,) = contacts_of(list(connector.read(None)))
        assert contact.consents == ()
        assert "crm.schemas.contacts.read" in " ".join(connector.check().missing)
        crm.by_hand({"do": "withdraw", "email": "a@example.com"})
        (contact,) = connector.get([RecordRef("hub", made["id"])]).values()
        assert not contact.consents[0].status.mailable


def test_a_new_kind_of_e_mail_is_known_with_the_next_read() -> None:
    """The schema is asked for at the start of each read, once, and with it come the opt-outs."""
    with served(contacts=3) as (server, crm, connect):
        email = "new@example.com"
        crm.by_hand({"do": "create", "values": {"email": email}})
        crm.by_hand({"do": "withdraw", "email": email, "subscription": "2"})
        found = contacts_of(list(connect().read(None)))
        purposes = {c.purpose for one in found for c in one.consents if one.value("email") == email}
        assert purposes == {"Product news"}
        assert calls_to(server, "/properties/contacts") == 1
        assert calls_to(server, "/objects/contacts") == 2, "one page, and the recycle bin"


# -- restored, erased -------------------------------------------------------------------------


def test_restored_and_erased_contacts_show_in_a_full_read_only() -> None:
    """HubSpot moves no date for either: a read of changes is blind to them, listing all is not."""
    with served(contacts=5) as (_server, crm, connect):
        connector = connect()
        restored, erased = (str(record_id) for record_id in list(crm.active)[:2])
        crm.by_hand({"do": "archive", "id": restored})
        cursor = list(connector.read(None))[-1].cursor
        crm.by_hand({"do": "restore", "id": restored})
        crm.by_hand({"do": "erase", "id": erased})
        changes = list(connect(clock=lambda: datetime.now(UTC) + timedelta(hours=1)).read(cursor))
        assert restored not in {contact.ref.id for contact in contacts_of(changes)}
        assert erased not in {gone.ref.id for page in changes for gone in page.gone}
        everything = {contact.ref.id for contact in contacts_of(list(connector.read(None)))}
        assert restored in everything
        assert erased not in everything


# -- tasks ------------------------------------------------------------------------------------


def _task(record_id: str, marker: str = "feedface") -> CreateTask:
    return CreateTask(
        ref=RecordRef("hub", record_id), title="Look", body="", due=date(2026, 12, 1), marker=marker
    )


def _lost_task(crm: HubSpotSandbox, connect: Open, server: Any, clock: Time) -> CreateTask:
    """Create a task whose answer is lost, then merge its contact into another."""
    first, other = (str(record_id) for record_id in list(crm.active)[:2])
    server.faults.add(parse_faults({"path": "/tasks$", "nth": 1, "reset": "after"}))
    task = _task(first)
    (outcome,) = connect(clock=clock).apply([task])
    assert outcome.status is Status.UNKNOWN
    crm.by_hand({"do": "merge", "primary": other, "other": first})
    return task


def test_a_task_on_its_way_to_a_survivor_is_not_taken_for_absent() -> None:
    """For half an hour after a merge HubSpot may not show it: unknown, then found, never made twice."""
    clock = Time()
    with served(contacts=3, clock=clock, merge_lag=timedelta(minutes=29)) as (server, crm, connect):
        task = _lost_task(crm, connect, server, clock)
        (settled,) = connect(clock=clock).settle([task])
        assert settled.status is Status.UNKNOWN
        assert "may be on their way" in settled.reason
        clock.pass_(minutes=30)
        (settled,) = connect(clock=clock).settle([task])
        assert settled.status is Status.VERIFIED
        (never,) = connect(clock=clock).settle([_task(task.ref.id, marker="0ddba11")])
        assert never.status is Status.ABSENT


def test_tasks_are_found_by_the_dated_path_and_else_by_version_4() -> None:
    """One call for all contacts; where the dated path is not open, version 4 answers the same."""
    for closed, path in (({}, "/associations/2026-03/"), ({"/crm/associations": 404}, "/crm/v4/")):
        with served(contacts=5, closed=closed) as (server, crm, connect):
            tasks = [_task(str(record_id)) for record_id in crm.active]
            connector = connect()
            made = [outcome.remote_id for outcome in connector.apply(tasks)]
            found = list(connector.settle(tasks))
            assert [outcome.remote_id for outcome in found] == made
            assert {outcome.status for outcome in found} == {Status.VERIFIED}
            assert calls_to(server, path) == 1


def test_a_task_among_hundreds_is_found() -> None:
    """Its contact has more tasks than a page shows: all pages are looked through."""
    with served(contacts=1) as (server, crm, connect):
        task = _task(str(crm.active[0]), marker="cafe")
        connector = connect()
        (made,) = connector.apply([_task(task.ref.id, marker="feed")])
        tasks = crm.tables["tasks"]
        with crm.lock:
            for number in range(1, 601):
                task_id = str(int(made.remote_id) + number)
                tasks[task_id] = {**tasks[made.remote_id], "id": task_id}
            crm.tables["counters"]["next_id"] = {"value": int(made.remote_id) + 1_000}
            crm.reindex()
        (last,) = connector.apply([task])
        (found,) = connector.settle([task])
        assert found.remote_id == last.remote_id
        assert calls_to(server, "/associations/2026-03/") == 2
        assert calls_to(server, "/objects/tasks/batch/read") == 7


def test_a_spoilt_contact_leaves_its_changes_in_doubt() -> None:
    """It is there and cannot be read: nothing is called gone, and a task on it is still found."""
    with served(contacts=3) as (_server, crm, connect):
        connector = connect()
        task, (update, *_) = _task(str(crm.active[0])), _updates(crm, 1)
        (made,) = connector.apply([task])
        crm.by_hand({"do": "spoil", "id": task.ref.id})
        settled = list(connector.settle([task, update, replace(task, marker="0ddba11")]))
        assert [o.status for o in settled] == [Status.VERIFIED, Status.UNKNOWN, Status.UNKNOWN]
        assert settled[0].remote_id == made.remote_id


# -- answers with parts of another type ---------------------------------------------------------


def _bent(crm: HubSpotSandbox, path: str, bend: Any) -> None:
    """Let every answer of a path be bent before it is sent."""
    honest = crm.answer

    def answer(request: Request) -> Response:
        given = honest(request)
        if not request.path.endswith(path):
            return given
        body = given.body if isinstance(given.body, dict) else json.loads(given.body)
        return replace(given, body=bend(json.loads(json.dumps(body))))

    crm.answer = answer  # type: ignore[method-assign] # the account is this test's own


@pytest.mark.parametrize("paging", ["more", [], {"next": "2"}, {"next": {"after": None}}])
def test_a_mark_of_the_next_page_that_cannot_be_read_is_not_the_end(paging: Any) -> None:
    """Two hundred contacts, and no mark to go on with: an error, not a read of the first hundred."""
    with served(contacts=200) as (_server, crm, connect):
        _bent(crm, "/objects/contacts", lambda body: {**body, "paging": paging})
        with pytest.raises(RetryableError, match="not HubSpot's JSON"):
            list(connect().read(None))


def test_a_listing_without_a_body_is_not_the_end() -> None:
    """204 says nothing about contacts."""
    with served(contacts=3) as (_server, crm, connect):
        _instead(crm, "/objects/contacts", b"", status=204)
        with pytest.raises(RetryableError):
            list(connect().read(None))


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_nested_too_deep_to_read(status: int) -> None:
    """A hundred thousand brackets: an error of ours, and no crash."""
    with served(contacts=3) as (_server, crm, connect):
        _instead(crm, "/objects/contacts", b"[" * 100_000, status=status)
        with pytest.raises(StewardError):
            list(connect().read(None))


def test_a_search_page_that_ends_without_an_id_does_not_begin_again() -> None:
    """The last record of each page has an id of another type: the read ends, and misses nobody."""

    def bend(body: dict[str, Any]) -> dict[str, Any]:
        body["results"][-1:] = [{**row, "id": 7} for row in body["results"][-1:]]
        return body

    with served(contacts=450) as (server, crm, connect):
        _bent(crm, "/contacts/search", bend)
        pages = list(islice(connect().read(since(datetime.now(UTC) - timedelta(days=1))), 40))
        assert pages[-1].complete
        assert {contact.ref.id for contact in contacts_of(pages)} == {str(i) for i in crm.active}
        assert calls_to(server, "/contacts/search") < 10


def test_an_id_of_another_type_is_not_taken_for_gone() -> None:
    """Archiving, merging and settling: an error, never verified unseen."""

    def bend(body: dict[str, Any]) -> dict[str, Any]:
        for row in body.get("results", [body]):
            row["id"] = int(row["id"])
        return body

    with served(contacts=2) as (_server, crm, connect):
        first, second = (RecordRef("hub", str(record_id)) for record_id in crm.active)
        _bent(crm, "/contacts/batch/read", bend)
        _bent(crm, first.id, bend)
        _bent(crm, second.id, bend)
        for change in (
            ArchiveRecord(ref=first, reason="x"),
            MergeRecords(ref=first, losers=(second,)),
        ):
            for verb in (connect().apply, connect().settle):
                with pytest.raises(RetryableError, match="not HubSpot's JSON"):
                    list(verb([change]))
        assert len(crm.active) == 2


def test_a_list_of_tasks_that_cannot_be_read_to_its_end_is_no_proof_of_absence() -> None:
    """Otherwise the task would be made a second time."""

    def bend(body: dict[str, Any]) -> dict[str, Any]:
        return {
            **body,
            "results": [{**row, "to": [], "paging": {"next": {}}} for row in body["results"]],
        }

    with served(contacts=1) as (_server, crm, connect):
        (record_id,) = crm.active
        task = CreateTask(
            ref=RecordRef("hub", str(record_id)), title="Look", body="", due=date(2026, 12, 1),
            marker="00ff",
        )  # fmt: skip
        assert [o.status for o in connect().apply([task])] == [Status.VERIFIED]
        _bent(crm, "/tasks/batch/read", bend)
        with pytest.raises(RetryableError, match="not HubSpot's JSON"):
            list(connect().settle([task]))


def test_reads_of_changes_go_by_hubspot_s_clock() -> None:
    """Ours is a quarter of an hour ahead, and a change shows two minutes late: it is not missed."""
    hubspot = Time()
    with served(contacts=5, clock=hubspot, index_lag=timedelta(minutes=2)) as (_s, crm, connect):
        hubspot.pass_(minutes=30)

        def ours() -> datetime:
            return hubspot() + timedelta(minutes=15)

        cursor = list(connect(clock=ours).read(None))[-1].cursor
        hubspot.pass_(minutes=5)
        edited = str(max(crm.active))
        crm.by_hand({"do": "edit", "id": edited, "values": {"city": "Dax"}})
        hubspot.pass_(seconds=30)
        cursor = list(connect(clock=ours).read(cursor))[-1].cursor
        hubspot.pass_(minutes=5)
        found = contacts_of(list(connect(clock=ours).read(cursor)))
        assert edited in {contact.ref.id for contact in found}


@pytest.mark.parametrize("options", [True, 7, "a", {"value": "a"}, None])
def test_options_that_are_no_list_are_none(options: Any) -> None:
    """One property is described oddly: the others are known, and the read goes on."""

    def bend(body: dict[str, Any]) -> dict[str, Any]:
        body["results"][3]["options"] = options
        return body

    with served(contacts=3) as (_server, crm, connect):
        _bent(crm, "/properties/contacts", bend)
        assert len(contacts_of(list(connect().read(None)))) == 3
        assert len(connect().check().fields) > 20


@pytest.mark.parametrize("odd", [True, 7, {"a": 1}, [7, None]])
def test_subscriptions_that_are_no_list_are_in_doubt(odd: Any) -> None:
    """Version 3 answers oddly: nothing is taken for unsubscribed, and nothing crashes."""
    closed = {"/communication-preferences/v4": 404, "/communication-preferences/2026-03": 404}
    with served(contacts=1, closed=closed) as (_server, crm, connect):
        (record_id,) = crm.active
        crm.by_hand({"do": "edit", "id": str(record_id), "values": {"email": "lee@example.com"}})
        _bent(crm, "/status/email/lee@example.com", lambda b: {**b, "subscriptionStatuses": odd})
        _bent(crm, "/definitions", lambda b: {**b, "subscriptionDefinitions": odd})
        change = SuppressChannel(
            ref=RecordRef("hub", str(record_id)), channel=Channel.EMAIL, address="", reason="x"
        )
        assert [o.status for o in connect().apply([change])] == [Status.UNKNOWN]
