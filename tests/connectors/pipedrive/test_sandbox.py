"""The Pipedrive emulator over real HTTP: what Pipedrive documents, and loud refusal of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from crm_steward.sandbox import Server, parse_faults, serve
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_pipedrive.sandbox.schema import USERS, code_of
from crm_steward_pipedrive.sandbox.values import read_mark

PERSONS = "/api/v2/persons"
ACTIVITIES = "/api/v2/activities"


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **kwargs: float) -> None:
        """Let time go by."""
        self.now += timedelta(**kwargs)


class Client:
    """Plain HTTP with the API token in its header."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.session = requests.Session()
        self.session.headers["x-api-token"] = PipedriveSandbox.TOKEN

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        return self.session.request(method, self.url + path, json=body, params=query, timeout=10)

    def data(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the data of a success."""
        answer = self(method, path, body, **query)
        assert answer.ok, answer.text
        assert answer.json()["success"] is True
        return answer.json()["data"]


@pytest.fixture
def clock() -> Time:
    """Return a clock of our own."""
    return Time()


@pytest.fixture
def server(clock: Time) -> Iterator[Server]:
    """Serve a small account with wide limits."""
    with serve(PipedriveSandbox(contacts=120, seed=7, clock=clock, burst=100_000)) as running:
        yield running


@pytest.fixture
def crm(server: Server) -> Iterator[Client]:
    """Return a client of the served account."""
    client = Client(server)
    yield client
    client.session.close()


def hand(server: Server, do: str, **deed: Any) -> Any:
    """Let a person do something."""
    return server.emulator.by_hand({"do": do, **deed})


def make(server: Server, name: str = "Ann Example", **values: Any) -> str:
    """Let a person make a person."""
    return str(hand(server, "create", values={"name": name, **values})["id"])


def pages(crm: Client, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Walk a list of version 2 to its end."""
    found, mark = [], None
    while True:
        more = {"cursor": mark} if mark else {}
        body = crm("GET", path, **query, **more).json()
        found.append(body["data"])
        mark = body["additional_data"]["next_cursor"]
        if mark is None:
            return found


# -- credentials and limits -----------------------------------------------------------------------


def test_a_wrong_token_is_the_recorded_401(crm: Client) -> None:
    """The body names no reason, and a header says that the gateway refused."""
    crm.session.headers["x-api-token"] = "nobody"
    refused = crm("GET", PERSONS)
    assert refused.status_code == 401
    assert refused.headers["x-401-by-gw"] == "true"
    assert refused.json()["error"] == "unauthorized access"
    assert refused.json()["success"] is False


def test_the_token_in_the_address_is_not_known(crm: Client) -> None:
    """Version 2 documents the header only."""
    del crm.session.headers["x-api-token"]
    assert crm("GET", PERSONS, api_token=PipedriveSandbox.TOKEN).status_code == 401


def test_a_missing_scope_is_the_recorded_403(crm: Client, server: Server) -> None:
    """It does not say which scope; `full` includes `read`."""
    hand(server, "token", token="reader", scopes=["base", "contacts:read"])
    del crm.session.headers["x-api-token"]
    crm.session.headers["Authorization"] = "Bearer reader"
    assert crm("GET", PERSONS).status_code == 200
    refused = crm("DELETE", f"{PERSONS}/1")
    assert (refused.status_code, refused.json()["error"]) == (403, "Scope and URL mismatch")
    hand(server, "token", token="writer", scopes=["contacts:full"])
    crm.session.headers["Authorization"] = "Bearer writer"
    assert crm("GET", PERSONS).status_code == 200


def _refresh(crm: Client, refresh: str, secret: str = PipedriveSandbox.CLIENT[1]) -> Any:
    return requests.post(
        f"{crm.url}/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": refresh},
        auth=(PipedriveSandbox.CLIENT[0], secret),
        timeout=5,
    )


def test_a_refresh_token_works_once(crm: Client, clock: Time) -> None:
    """It is replaced by a new one; the access token lives 3,599 seconds by the account's clock."""
    first = _refresh(crm, PipedriveSandbox.REFRESH).json()
    assert (first["token_type"], first["expires_in"]) == ("Bearer", 3_599)
    assert first["api_domain"] == crm.url
    again = _refresh(crm, PipedriveSandbox.REFRESH)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert _refresh(crm, first["refresh_token"]).status_code == 200
    assert _refresh(crm, first["refresh_token"], "stolen").status_code == 401
    del crm.session.headers["x-api-token"]
    crm.session.headers["Authorization"] = f"Bearer {first['access_token']}"
    assert crm("GET", PERSONS).status_code == 200
    clock.pass_(hours=1)
    assert crm("GET", PERSONS).status_code == 401


def test_each_call_costs_its_tokens(crm: Client, server: Server) -> None:
    """The costs are those of Pipedrive's own description of its API."""
    person = make(server)
    left = 30_000
    task = {"subject": "x", "type": "task"}
    for cost, method, path, body in (
        (10, "GET", PERSONS, None),
        (1, "GET", f"{PERSONS}/{person}", None),
        (5, "PATCH", f"{PERSONS}/{person}", {"name": "New Name"}),
        (10, "GET", ACTIVITIES, None),
        (5, "POST", ACTIVITIES, task),
        (10, "GET", "/api/v2/personFields", None),
        (20, "GET", "/api/v1/personFields", None),
        (20, "GET", "/v1/users", None),
        (2, "GET", "/v1/users/me", None),
        (20, "GET", "/v1/activityTypes", None),
        (3, "DELETE", f"{PERSONS}/{person}", None),
    ):
        answer = crm(method, path, body)
        left -= cost
        assert answer.headers["x-daily-ratelimit-token-remaining"] == str(left), path


def test_the_burst_limit_counts_in_two_seconds_and_recovers(clock: Time) -> None:
    """Five calls per two seconds: the sixth is 429 without Retry-After, and time heals."""
    with serve(PipedriveSandbox(contacts=1, seed=7, clock=clock, burst=5)) as running:
        crm = Client(running)
        answers = [crm("GET", "/v1/users/me") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == list("432100")
        assert answers[-1].headers["x-ratelimit-reset"] == "2"
        assert "Retry-After" not in answers[-1].headers
        clock.pass_(seconds=2)
        assert crm("GET", "/v1/users/me").status_code == 200
        crm.session.close()


def test_the_day_is_over_until_midnight(clock: Time) -> None:
    """The company's tokens are shared; what costs more than is left is 429 until tomorrow."""
    with serve(PipedriveSandbox(contacts=1, seed=7, clock=clock, daily=25)) as running:
        crm = Client(running)
        assert crm("GET", "/v1/users").status_code == 200
        refused = crm("GET", PERSONS)
        assert refused.status_code == 429
        assert refused.headers["x-ratelimit-remaining"] == "19"
        clock.pass_(hours=14)
        assert crm("GET", PERSONS).status_code == 200
        crm.session.close()


def test_who_ignores_429_is_blocked_by_cloudflare(clock: Time) -> None:
    """403 with a web page, for that token alone, until the block is over."""
    emulator = PipedriveSandbox(contacts=1, seed=7, clock=clock, burst=1, patience=3)
    with serve(emulator) as running:
        crm = Client(running)
        statuses = [crm("GET", "/v1/users/me").status_code for _ in range(6)]
        assert statuses == [200, 429, 429, 429, 429, 403]
        page = crm("GET", "/v1/users/me")
        assert page.headers["Content-Type"].startswith("text/html")
        clock.pass_(minutes=6)
        assert crm("GET", "/v1/users/me").status_code == 200
        crm.session.close()


def test_what_is_not_documented_is_refused(crm: Client, server: Server) -> None:
    """501 names the path, the parameter or the key: nobody can lean on our imagination."""
    person = make(server)
    for method, path, body, query in (
        ("GET", "/api/v2/persons/search", None, {"term": "x"}),
        ("GET", "/v1/persons", None, {}),
        ("GET", PERSONS, None, {"is_deleted": "true"}),
        ("GET", PERSONS, None, {"include_fields": "smart_bcc_email"}),
        ("PATCH", f"{PERSONS}/{person}", {"first_name": "Ann"}, {}),
        ("PATCH", f"{PERSONS}/{person}", {"emails": [{"value": "a@b.example", "x": 1}]}, {}),
        ("GET", "/v1/recents", None, {"since_timestamp": "2026-01-01 00:00:00", "items": "deal"}),
    ):
        assert crm(method, path, body, **query).status_code == 501, (path, body, query)


# -- lists ----------------------------------------------------------------------------------------


def test_a_list_is_walked_by_marks_that_are_keysets(crm: Client, server: Server) -> None:
    """Every person comes once; the mark decodes to the last id; the end is null."""
    found = pages(crm, PERSONS, limit=50, sort_by="id")
    ids = [row["id"] for page in found for row in page]
    assert ids == sorted(ids) == server.emulator.ids  # type: ignore[attr-defined] # the account's
    first = crm("GET", PERSONS, limit=50, sort_by="id").json()
    mark = read_mark(first["additional_data"]["next_cursor"])
    assert mark == {"field": "id", "fieldValue": ids[49], "sortDirection": "asc", "id": ids[49]}
    assert "total" not in str(first["additional_data"])


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 501},
        {"limit": 0},
        {"limit": "x"},
        {"sort_by": "name"},
        {"cursor": "nonsense"},
        {"updated_since": "2026-01-01T00:00:00.000Z"},
        {"updated_since": "2026-01-01 00:00:00"},
        {"ids": ",".join(str(number) for number in range(1, 102))},
    ],
)
def test_what_a_list_does_not_take_is_400(crm: Client, query: dict[str, Any]) -> None:
    """Milliseconds, more than 500 rows, more than 100 ids, marks that are none."""
    refused = crm("GET", PERSONS, **query)
    assert (refused.status_code, refused.json()["code"]) == (400, "ERR_BAD_REQUEST")


def test_time_windows_tile(crm: Client, server: Server, clock: Time) -> None:
    """`updated_since` includes its second, `updated_until` does not."""
    person = int(make(server))
    at = clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    since = crm.data("GET", PERSONS, updated_since=at)
    assert [row["id"] for row in since] == [person]
    until = crm.data("GET", PERSONS, updated_until=at, limit=500)
    assert person not in [row["id"] for row in until]
    assert len(until) == 120


def test_ids_bring_those_that_are_there(crm: Client, server: Server) -> None:
    """Deleted ones and strangers are left out without a word."""
    kept, gone = make(server), make(server)
    hand(server, "delete", id=gone)
    rows = crm.data("GET", PERSONS, ids=f"{kept},{gone},999999999")
    assert [row["id"] for row in rows] == [int(kept)]


def test_a_mark_may_grow_old(clock: Time) -> None:
    """With a life of an hour, an older mark is 400: how long Pipedrive's live is not published."""
    emulator = PipedriveSandbox(contacts=20, seed=7, clock=clock, mark_life=timedelta(hours=1))
    with serve(emulator) as running:
        crm = Client(running)
        mark = crm("GET", PERSONS, limit=5).json()["additional_data"]["next_cursor"]
        assert crm("GET", PERSONS, limit=5, cursor=mark).status_code == 200
        clock.pass_(hours=2)
        assert crm("GET", PERSONS, limit=5, cursor=mark).status_code == 400
        crm.session.close()


# -- persons --------------------------------------------------------------------------------------


def test_a_person_has_all_custom_fields_and_an_empty_address(crm: Client, server: Server) -> None:
    """Every custom field is present, null when empty; no e-mail is one empty entry."""
    row = crm.data("GET", f"{PERSONS}/{make(server)}")
    customs = [f for f in server.emulator.tables["fields"].values() if f["is_custom_field"]]
    assert row["custom_fields"] == dict.fromkeys((f["field_code"] for f in customs), None)
    assert row["emails"] == [{"value": "", "primary": True}]
    assert row["add_time"].endswith("Z")
    assert "marketing_status" not in row
    assert "last_activity_id" not in row
    few = crm.data("GET", f"{PERSONS}/{row['id']}", custom_fields=code_of("Language"))
    assert list(few["custom_fields"]) == [code_of("Language")]


def test_lists_replace_what_was_there(crm: Client, server: Server) -> None:
    """PATCH with one address drops the others; somebody is always primary."""
    person = make(server, emails=[{"value": "a@b.example", "primary": True, "label": "work"}])
    row = crm.data("PATCH", f"{PERSONS}/{person}", {"emails": [{"value": "c@d.example"}]})
    assert row["emails"] == [{"value": "c@d.example", "primary": True}]
    row = crm.data("PATCH", f"{PERSONS}/{person}", {"emails": []})
    assert row["emails"] == [{"value": "", "primary": True}]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"owner_id": str(USERS[0]["id"])},
        {"owner_id": 1},
        {"emails": "a@b.example"},
        {"emails": [{"value": "a@b.example", "primary": 1}]},
        {"custom_fields": {code_of("Seats"): "5"}},
        {"custom_fields": {code_of("Interests"): []}},
        {"custom_fields": {code_of("Language"): 99}},
        {"custom_fields": {code_of("Language"): "French"}},
        {"custom_fields": {"f" * 40: "x"}},
        {"marketing_status": "maybe"},
    ],
)
def test_types_are_strict(crm: Client, server: Server, body: dict[str, Any]) -> None:
    """No text for a number, no 1 for true, no empty list for a set; the field is named."""
    refused = crm("PATCH", f"{PERSONS}/{make(server)}", body)
    assert (refused.status_code, refused.json()["code"]) == (400, "ERR_BAD_REQUEST")


def test_custom_fields_are_written_and_cleared(crm: Client, server: Server) -> None:
    """Numbers for options, objects for money, null to clear; the others stay."""
    person = make(server)
    body = {
        code_of("Language"): 31,
        code_of("Interests"): [51, 53],
        code_of("Turnover"): {"value": 12.5, "currency": "EUR"},
    }
    row = crm.data("PATCH", f"{PERSONS}/{person}", {"custom_fields": body})
    assert {code: row["custom_fields"][code] for code in body} == body
    cleared = {"custom_fields": {code_of("Interests"): None}}
    row = crm.data("PATCH", f"{PERSONS}/{person}", cleared)
    assert row["custom_fields"][code_of("Interests")] is None
    assert row["custom_fields"][code_of("Language")] == 31


def test_contact_sync_is_there_or_forbidden(crm: Client, server: Server, clock: Time) -> None:
    """Without Contact Sync there is no job title, and writing one is 403."""
    address = {"value": "12 rue Haute, 75001 Paris", "locality": "Paris"}
    row = crm.data("PATCH", f"{PERSONS}/{make(server)}", {"postal_address": address})
    assert row["postal_address"]["locality"] == "Paris"
    assert row["postal_address"]["route"] is None
    with serve(PipedriveSandbox(contacts=3, seed=7, clock=clock, contact_sync=False)) as running:
        other = Client(running)
        row = other.data("GET", PERSONS)[0]
        assert "job_title" not in row
        assert other("PATCH", f"{PERSONS}/{row['id']}", {"job_title": "x"}).status_code == 403
        other.session.close()


@pytest.mark.parametrize(
    ("names", "parts"), [("first", ("Ann", "van Example")), ("last", ("Ann van", "Example"))]
)
def test_a_name_is_parted_by_pipedrive(names: str, parts: tuple[str, str]) -> None:
    """One name is written; which word begins the last name is the account's own affair."""
    with serve(PipedriveSandbox(contacts=1, seed=7, names=names)) as running:
        crm = Client(running)
        person = make(running)
        row = crm.data("PATCH", f"{PERSONS}/{person}", {"name": "Ann van Example"})
        assert (row["first_name"], row["last_name"]) == parts
        crm.session.close()


def test_a_deleted_person_lies_in_the_bin_for_thirty_days(
    crm: Client, server: Server, clock: Time
) -> None:
    """Read by id it says so, in lists it is missing; twice is 410 with success; then it is gone."""
    person = make(server)
    assert crm("DELETE", f"{PERSONS}/{person}").status_code == 200
    assert crm.data("GET", f"{PERSONS}/{person}")["is_deleted"] is True
    assert int(person) not in [row["id"] for row in crm.data("GET", PERSONS, limit=500)]
    twice = crm("DELETE", f"{PERSONS}/{person}")
    assert (twice.status_code, twice.json()["success"]) == (410, True)
    assert crm("PATCH", f"{PERSONS}/{person}", {"name": "x"}).status_code == 404
    hand(server, "restore", id=person)
    assert crm.data("GET", f"{PERSONS}/{person}")["is_deleted"] is False
    hand(server, "delete", id=person)
    clock.pass_(days=31)
    assert crm("GET", f"{PERSONS}/{person}").status_code == 404


# -- consent --------------------------------------------------------------------------------------


def _status(crm: Client, person: str) -> Any:
    row = crm.data("GET", f"{PERSONS}/{person}", include_fields="marketing_status")
    return row["marketing_status"]


def test_consent_moves_once_and_forbidden_changes_are_ignored(crm: Client, server: Server) -> None:
    """200 in any case: only reading tells whether it took effect."""
    person = make(server, email="a@b.example")
    hand(server, "opt_in", id=person)
    for wanted, held in (("unsubscribed", "unsubscribed"), ("subscribed", "unsubscribed")):
        row = crm.data("PATCH", f"{PERSONS}/{person}", {"marketing_status": wanted})
        assert row["marketing_status"] == held
    hand(server, "opt_in", id=person)
    assert _status(crm, person) == "subscribed"
    crm.data("PATCH", f"{PERSONS}/{person}", {"marketing_status": "unsubscribed"})
    assert _status(crm, person) == "subscribed", "the one change is used up"


def test_consent_needs_an_address(crm: Client, server: Server) -> None:
    """Without a valid e-mail the status stays as it is."""
    person = make(server)
    row = crm.data("PATCH", f"{PERSONS}/{person}", {"marketing_status": "unsubscribed"})
    assert row["marketing_status"] == "no_consent"


@pytest.mark.parametrize(("refuse", "status"), [(True, 400), (False, 200)])
def test_without_campaigns_there_is_no_consent(refuse: bool, status: int) -> None:
    """Asking for it is refused, or it is left out: both are emulated; writing it is 400."""
    emulator = PipedriveSandbox(contacts=3, seed=7, campaigns=False, refuse_marketing=refuse)
    with serve(emulator) as running:
        crm = Client(running)
        answer = crm("GET", PERSONS, include_fields="marketing_status")
        assert answer.status_code == status
        assert "marketing_status" not in str(answer.json().get("data"))
        person = make(running)
        body = {"marketing_status": "unsubscribed"}
        assert crm("PATCH", f"{PERSONS}/{person}", body).status_code == 400
        crm.session.close()


# -- activities -----------------------------------------------------------------------------------


def _task(person: str, **more: Any) -> dict[str, Any]:
    part = {"person_id": int(person), "primary": True}
    return {"subject": "Look", "type": "task", "participants": [part], **more}


def test_a_task_hangs_on_its_primary_participant(crm: Client, server: Server) -> None:
    """It is found by `person_id` for the primary participant and for nobody else."""
    first, second = make(server), make(server)
    body = _task(first)
    body["participants"].append({"person_id": int(second), "primary": False})
    made = crm("POST", ACTIVITIES, body)
    assert made.status_code == 201
    assert made.json()["data"]["person_id"] == int(first)
    assert [row["subject"] for row in crm.data("GET", ACTIVITIES, person_id=first)] == ["Look"]
    assert crm.data("GET", ACTIVITIES, person_id=second) == []
    shown = crm.data("GET", f"{PERSONS}/{first}", include_fields="next_activity_id")
    assert shown["next_activity_id"] == made.json()["data"]["id"]


def test_a_task_is_refused_for_what_pipedrive_refuses(crm: Client, server: Server) -> None:
    """`person_id` is read-only; the type must be active; owner, date and person must exist."""
    person = make(server)
    refused = crm("POST", ACTIVITIES, {"type": "task", "person_id": int(person)})
    assert refused.status_code == 400
    assert "'person_id' is a read-only field" in refused.json()["error"]
    hand(server, "drop_type", key="task")
    for body in (
        _task(person),
        _task(person, type="call", owner_id="1"),
        _task(person, type="call", due_date="tomorrow"),
        _task("999999999", type="call"),
    ):
        assert crm("POST", ACTIVITIES, body).status_code == 400
    assert crm("POST", ACTIVITIES, _task(person, type="call")).status_code == 201


def test_a_done_activity_is_the_last_one(crm: Client, server: Server, clock: Time) -> None:
    """Ticked off by a person: it shows as `last_activity_id`, with the moment."""
    person = make(server)
    activity = crm.data("POST", ACTIVITIES, _task(person, due_date="2026-12-01"))
    clock.pass_(hours=1)
    hand(server, "done", id=str(activity["id"]))
    shown = crm.data("GET", f"{PERSONS}/{person}", include_fields="last_activity_id")
    assert shown["last_activity_id"] == activity["id"]
    (row,) = crm.data("GET", ACTIVITIES, ids=str(activity["id"]))
    assert row["marked_as_done_time"] == "2026-11-02T11:00:00Z"
    assert row["done"] is True


# -- version 1 ------------------------------------------------------------------------------------


def test_recents_tell_of_deletions(crm: Client, server: Server, clock: Time) -> None:
    """Changed and deleted persons by offset; the deleted ones are not active."""
    at = clock.now.strftime("%Y-%m-%d %H:%M:%S")
    kept, gone = make(server), make(server)
    clock.pass_(seconds=5)
    hand(server, "delete", id=gone)
    query = {"since_timestamp": at, "items": "person", "limit": 1}
    body = crm("GET", "/v1/recents", start=0, **query).json()
    assert body["additional_data"]["pagination"]["next_start"] == 1
    rows = body["data"] + crm("GET", "/v1/recents", start=1, **query).json()["data"]
    assert [(row["id"], row["data"]["active_flag"]) for row in rows] == [
        (int(kept), True),
        (int(gone), False),
    ]
    assert rows[1]["data"]["delete_time"] == "2026-11-02 10:00:05"


def test_recents_may_be_gone(clock: Time) -> None:
    """Version 1 shrinks: without recents the call is 410."""
    with serve(PipedriveSandbox(contacts=1, seed=7, clock=clock, recents=False)) as running:
        crm = Client(running)
        query = {"since_timestamp": "2026-01-01 00:00:00", "items": "person"}
        assert crm("GET", "/v1/recents", **query).status_code == 410
        crm.session.close()


def test_merging_the_path_disappears_and_the_body_survives(crm: Client, server: Server) -> None:
    """The survivor wins, its blanks are filled, activities move; repeated, it is 404."""
    survivor = make(server, "Ann Survivor", email="ann@b.example")
    loser = make(server, "Bob Loser", email="bob@b.example", phone="+33 1 99 00 00 00")
    hand(server, "edit", id=loser, values={"Customer number": "K-7", "job_title": "Buyer"})
    crm.data("POST", ACTIVITIES, _task(loser))
    merged = crm.data("PUT", f"/v1/persons/{loser}/merge", {"merge_with_id": int(survivor)})
    assert (merged["id"], merged["merge_what_id"]) == (int(survivor), int(loser))
    row = crm.data("GET", f"{PERSONS}/{survivor}")
    assert row["name"] == "Ann Survivor"
    assert [entry["value"] for entry in row["emails"]] == ["ann@b.example"]
    assert [entry["value"] for entry in row["phones"]] == ["+33 1 99 00 00 00"]
    assert row["custom_fields"][code_of("Customer number")] == "K-7"
    assert row["job_title"] == "Buyer"
    assert crm("GET", f"{PERSONS}/{loser}").status_code == 404
    assert [row["subject"] for row in crm.data("GET", ACTIVITIES, person_id=survivor)] == ["Look"]
    again = crm("PUT", f"/v1/persons/{loser}/merge", {"merge_with_id": int(survivor)})
    assert again.status_code == 404


def test_what_an_account_says_about_itself(crm: Client) -> None:
    """Users who left, the company, the types, and fields under both versions' names."""
    users = crm.data("GET", "/v1/users")
    assert {user["active_flag"] for user in users} == {True, False}
    me = crm.data("GET", "/api/v1/users/me")
    assert (me["company_domain"], me["timezone_name"]) == ("steward-sandbox", "Europe/Paris")
    assert "task" in {kind["key_string"] for kind in crm.data("GET", "/v1/activityTypes")}
    new = {f["field_code"]: f for page in pages(crm, "/api/v2/personFields", limit=7) for f in page}
    old = {field["key"]: field for field in crm.data("GET", "/v1/personFields")}
    assert set(new) == set(old)
    code = code_of("Language")
    assert len(code) == 40
    assert new[code]["field_name"] == old[code]["name"] == "Language"
    assert {option["label"] for option in new[code]["options"]} >= {"French", "German"}
    assert crm.data("GET", f"/api/v2/personFields/{code}") == new[code]


# -- scripted trouble, state ----------------------------------------------------------------------


def test_a_success_without_effect(crm: Client, server: Server) -> None:
    """`no_op` says that all went well, shows nothing and does nothing."""
    person = make(server)
    server.faults.add(parse_faults({"method": "PATCH", "path": PERSONS, "no_op": True}))
    answer = crm("PATCH", f"{PERSONS}/{person}", {"name": "New Name"})
    assert (answer.status_code, answer.json()["data"]) == (200, None)
    assert crm.data("GET", f"{PERSONS}/{person}")["name"] == "Ann Example"


def test_what_shows_late(crm: Client, server: Server, clock: Time) -> None:
    """Hidden for 90 seconds from reads of changes, not from reads by id."""
    server.emulator.hidden_for = timedelta(seconds=90)  # type: ignore[attr-defined] # the account's
    at = clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    person = make(server)
    assert crm.data("GET", PERSONS, updated_since=at) == []
    assert crm.data("GET", f"{PERSONS}/{person}")["id"] == int(person)
    clock.pass_(seconds=91)
    assert [row["id"] for row in crm.data("GET", PERSONS, updated_since=at)] == [int(person)]


def test_the_state_comes_back(crm: Client, server: Server) -> None:
    """What `state` returns is the account: persons, tasks, tokens, the truth."""
    person = make(server)
    crm.data("POST", ACTIVITIES, _task(person, note="[crm-steward 1a2b]"))
    state = server.emulator.state()
    assert state["tasks_by_marker"] == {"1a2b": 1}
    server.emulator.reset()
    assert crm("GET", f"{PERSONS}/{person}").status_code == 404
    server.emulator.reset(state)
    assert [row["subject"] for row in crm.data("GET", ACTIVITIES, person_id=person)] == ["Look"]


def test_the_same_seed_makes_the_same_people() -> None:
    """And the truth about who is who stands beside them."""
    born = datetime(2026, 11, 1, tzinfo=UTC)
    one, two = (PipedriveSandbox(contacts=50, seed=3, born=born).state() for _ in range(2))
    assert one["tables"] == two["tables"]
    assert set(one["tables"]["truth"]) == set(one["tables"]["persons"])


def test_people_can_do_only_what_they_can() -> None:
    """An unknown deed, and a record that is not there, say so."""
    crm = PipedriveSandbox(contacts=1, seed=7)
    with pytest.raises(ValueError, match="people here can"):
        crm.by_hand({"do": "levitate"})
    with pytest.raises(ValueError, match="no active person"):
        crm.by_hand({"do": "edit", "id": "999999", "values": {}})
    with pytest.raises(ValueError, match="no field"):
        crm.by_hand({"do": "drop_field", "name": "Nothing"})
