"""The HubSpot emulator over real HTTP: what HubSpot documents, and loud refusal of the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from tests.connectors.hubspot.conftest import Time

from crm_steward.sandbox import Server, parse_faults, serve
from crm_steward_hubspot.sandbox import SCOPES, HubSpotSandbox, credentials
from crm_steward_hubspot.sandbox.account import HubSpotAccount

CONTACTS = "/crm/v3/objects/contacts"
TASKS = "/crm/v3/objects/tasks"
ASSOCIATION = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}


class Client:
    """Plain HTTP with the bearer token."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {HubSpotSandbox.TOKEN}"

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        return self.session.request(method, self.url + path, json=body, params=query, timeout=10)

    def contact(self, record_id: str, *properties: str) -> dict[str, Any]:
        """Return one record."""
        answer = self("GET", f"{CONTACTS}/{record_id}", properties=",".join(properties))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def clock() -> Time:
    """Return a clock of our own."""
    return Time()


@pytest.fixture
def server(clock: Time) -> Iterator[Server]:
    """Serve a small account with wide limits."""
    emulator = HubSpotSandbox(contacts=120, seed=7, clock=clock, burst=100_000)
    with serve(emulator) as running:
        yield running


@pytest.fixture
def crm(server: Server) -> Iterator[Client]:
    """Return a client of the served account."""
    client = Client(server)
    yield client
    client.session.close()


def make(crm: Client, **properties: str) -> str:
    """Create a contact and return its id."""
    answer = crm("POST", CONTACTS, {"properties": properties})
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


def new_task(crm: Client, *contacts: str, **properties: str) -> requests.Response:
    """Create a task on contacts."""
    named = {"hs_timestamp": "2026-12-01T09:00:00Z", "hs_task_subject": "Look", **properties}
    to = [{"to": {"id": contact}, "types": [ASSOCIATION]} for contact in contacts]
    return crm("POST", TASKS, {"properties": named, "associations": to})


# -- credentials and limits -----------------------------------------------------------------------


def test_a_wrong_token_and_an_expired_one_are_told_apart(
    crm: Client, server: Server, clock: Time
) -> None:
    """401 says INVALID_AUTHENTICATION or EXPIRED_AUTHENTICATION."""
    crm.session.headers["Authorization"] = "Bearer nobody"
    wrong = crm("GET", CONTACTS)
    assert (wrong.status_code, wrong.json()["category"]) == (401, "INVALID_AUTHENTICATION")
    server.emulator.by_hand({"do": "token", "token": "short", "expires_in": 60})
    crm.session.headers["Authorization"] = "Bearer short"
    assert crm("GET", CONTACTS).status_code == 200
    clock.pass_(seconds=61)
    expired = crm("GET", CONTACTS)
    assert (expired.status_code, expired.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")


def test_a_missing_scope_is_named(crm: Client, server: Server) -> None:
    """403 lists the scopes the call needs and the token lacks."""
    scopes = [scope for scope in SCOPES if scope != "crm.objects.contacts.write"]
    server.emulator.by_hand({"do": "token", "token": "reader", "scopes": scopes})
    crm.session.headers["Authorization"] = "Bearer reader"
    assert crm("GET", CONTACTS).status_code == 200
    refused = crm("POST", f"{CONTACTS}/batch/update", {"inputs": []})
    assert (refused.status_code, refused.json()["category"]) == (403, "MISSING_SCOPES")
    assert refused.json()["context"]["requiredGranularScopes"] == ["crm.objects.contacts.write"]


def buy(crm: Client, version: str = "2026-03", **form: str) -> requests.Response:
    """Ask for an access token."""
    given = {
        "grant_type": "refresh_token",
        "client_id": credentials.CLIENT_ID,
        "client_secret": credentials.CLIENT_SECRET,
        "refresh_token": credentials.REFRESH_TOKEN,
        **form,
    }
    return requests.post(f"{crm.url}/oauth/{version}/token", data=given, timeout=5)


@pytest.mark.parametrize("version", ["v1", "v3", "2026-03"])
def test_oauth_tokens_live_half_an_hour(crm: Client, clock: Time, version: str) -> None:
    """The refresh token buys access tokens that expire by the account's clock."""
    bought = buy(crm, version).json()
    assert bought["expires_in"] == 1800
    assert bought["refresh_token"] == credentials.REFRESH_TOKEN
    crm.session.headers["Authorization"] = f"Bearer {bought['access_token']}"
    assert crm("GET", CONTACTS).status_code == 200
    clock.pass_(minutes=31)
    assert crm("GET", CONTACTS).json()["category"] == "EXPIRED_AUTHENTICATION"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"refresh_token": "stolen"}, "BAD_REFRESH_TOKEN"),
        ({"client_secret": "guessed"}, "BAD_CLIENT_SECRET"),
        ({"client_id": "another"}, "BAD_CLIENT_ID"),
    ],
)
def test_a_wrong_credential_buys_nothing(crm: Client, form: dict[str, str], code: str) -> None:
    """400 in both dialects: HubSpot's own status, and OAuth's error."""
    refused = buy(crm, **form)
    assert (refused.status_code, refused.json()["status"]) == (400, code)
    assert refused.json()["error"].startswith("invalid_")


def test_a_rotated_refresh_token_is_worth_nothing_and_a_withdrawn_one_neither() -> None:
    """With rotation each refresh token buys one access token; an uninstalled app buys none."""
    with serve(HubSpotSandbox(contacts=0, oauth=True, rotate=True)) as server:
        crm = Client(server)
        following = buy(crm).json()["refresh_token"]
        assert following != credentials.REFRESH_TOKEN
        assert buy(crm).json()["status"] == "BAD_REFRESH_TOKEN"
        access = buy(crm, refresh_token=following).json()["access_token"]
        crm.session.headers["Authorization"] = f"Bearer {access}"
        assert crm("GET", CONTACTS).status_code == 200
        server.emulator.by_hand({"do": "revoke"})
        assert crm("GET", CONTACTS).json()["category"] == "INVALID_AUTHENTICATION"
        assert buy(crm, refresh_token=following).status_code == 400
        crm.session.close()


def test_an_installed_app_has_limits_of_its_own() -> None:
    """110 calls per 10 seconds and no word of a daily limit; the static token opens nothing."""
    with serve(HubSpotSandbox(contacts=0, oauth=True)) as server:
        crm = Client(server)
        assert crm("GET", CONTACTS).status_code == 401
        crm.session.headers["Authorization"] = f"Bearer {buy(crm).json()['access_token']}"
        headers = crm("GET", CONTACTS).headers
        assert headers["X-HubSpot-RateLimit-Max"] == "110"
        assert "X-HubSpot-RateLimit-Daily" not in headers
        crm.session.close()


def test_a_token_tells_what_it_may_do(crm: Client, server: Server) -> None:
    """By introspection for an app's token, by a call of its own for a static one."""
    server.emulator.by_hand({"do": "token", "token": "reader", "scopes": ["oauth"]})
    path = "/oauth/v2/private-apps/get/access-token-info"
    assert crm("POST", path, {"tokenKey": "reader"}).json()["scopes"] == ["oauth"]
    access = buy(crm).json()["access_token"]
    form = {
        "client_id": credentials.CLIENT_ID,
        "client_secret": credentials.CLIENT_SECRET,
        "token": access,
    }
    asked = requests.post(f"{crm.url}/oauth/2026-03/token/introspect", data=form, timeout=5).json()
    assert asked["active"]
    assert asked["scopes"] == list(SCOPES)


def test_the_burst_limit_counts_down_and_recovers(clock: Time) -> None:
    """Ten calls per ten seconds: the eleventh is 429 with its policy, and time heals."""
    with serve(HubSpotSandbox(contacts=5, clock=clock, burst=10)) as server:
        crm = Client(server)
        left = [crm("GET", CONTACTS).headers["X-HubSpot-RateLimit-Remaining"] for _ in range(10)]
        assert left == [str(n) for n in range(9, -1, -1)]
        refused = crm("GET", CONTACTS)
        assert refused.status_code == 429
        assert refused.json()["policyName"] == "TEN_SECONDLY_ROLLING"
        assert refused.json()["errorType"] == "RATE_LIMIT"
        assert "category" not in refused.json()
        assert refused.headers["X-HubSpot-RateLimit-Max"] == "10"
        clock.pass_(seconds=10)
        assert crm("GET", CONTACTS).status_code == 200
        crm.session.close()


def test_search_has_its_own_limit_and_no_rate_headers(crm: Client, clock: Time) -> None:
    """Five searches a second for the account; the sixth is SECONDLY."""
    for _ in range(5):
        answer = crm("POST", f"{CONTACTS}/search", {})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if "ratelimit" in name.lower()]
    refused = crm("POST", f"{CONTACTS}/search", {})
    assert (refused.status_code, refused.json()["policyName"]) == (429, "SECONDLY")
    assert crm("GET", CONTACTS).status_code == 200
    clock.pass_(seconds=1)
    assert crm("POST", f"{CONTACTS}/search", {}).status_code == 200


def test_the_daily_limit_lasts_until_midnight_of_the_account(clock: Time) -> None:
    """DAILY refuses until midnight in Paris, which is 23:00 UTC in winter."""
    with serve(HubSpotSandbox(contacts=5, clock=clock, daily=3)) as server:
        crm = Client(server)
        assert [crm("GET", CONTACTS).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert crm("GET", CONTACTS).json()["policyName"] == "DAILY"
        clock.now = datetime(2026, 11, 2, 22, 59, tzinfo=UTC)
        assert crm("GET", CONTACTS).status_code == 429
        clock.now = datetime(2026, 11, 2, 23, 0, tzinfo=UTC)
        usage = crm("GET", "/account-info/v3/api-usage/daily/private-apps").json()["results"][0]
        assert (usage["currentUsage"], usage["usageLimit"]) == (1, 3)
        assert usage["resetsAt"] == "2026-11-03T23:00:00.000Z"
        crm.session.close()


# -- reading --------------------------------------------------------------------------------------


def test_the_list_is_complete_ordered_and_paged(crm: Client, server: Server) -> None:
    """Pages follow `paging.next.after` in order of id; its absence ends them."""
    ids, query = [], {"limit": 50}
    while True:
        page = crm("GET", CONTACTS, **query).json()
        ids += [row["id"] for row in page["results"]]
        if "paging" not in page:
            break
        query["after"] = page["paging"]["next"]["after"]
    assert len(ids) == 120
    assert ids == sorted(ids, key=int)
    assert len({len(record_id) for record_id in ids}) >= 3
    assert set(ids) == set(server.emulator.tables["contacts"])


@pytest.mark.parametrize("limit", ["0", "101", "many", "-1"])
def test_page_sizes_are_capped(crm: Client, limit: str) -> None:
    """The list takes 1 to 100."""
    refused = crm("GET", CONTACTS, limit=limit)
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")


def test_only_what_is_asked_comes_back_as_text(crm: Client) -> None:
    """Requested and empty is null; unknown names are left out; every value is text."""
    record_id = make(crm, firstname="Ana", email="ana@example.com")
    held = crm.contact(record_id, "firstname", "phone", "nonsense")["properties"]
    assert held["phone"] is None
    assert "nonsense" not in held
    assert "email" not in held
    assert held["hs_object_id"] == record_id
    assert all(value is None or isinstance(value, str) for value in held.values())
    assert crm.contact(record_id)["properties"].keys() == {
        "createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname",
    }  # fmt: skip


def test_a_long_address_is_414(crm: Client) -> None:
    """Too many properties in the address fail as with HubSpot, not in JSON."""
    refused = crm("GET", CONTACTS, properties=",".join(["firstname"] * 1_000))
    assert refused.status_code == 414
    assert "html" in refused.headers["Content-Type"]


def test_archived_records_leave_the_list_for_the_bin(
    crm: Client, server: Server, clock: Time
) -> None:
    """Archiving moves a record without touching its modified date; restoring brings it back."""
    record_id = make(crm, firstname="Ana")
    stamp = crm.contact(record_id)["updatedAt"]
    clock.pass_(hours=1)
    assert crm("DELETE", f"{CONTACTS}/{record_id}").status_code == 204
    assert crm("GET", f"{CONTACTS}/{record_id}").status_code == 404
    row = crm("GET", CONTACTS, archived="true").json()["results"][0]
    assert (row["id"], row["archived"], row["updatedAt"]) == (record_id, True, stamp)
    assert row["archivedAt"] > stamp
    server.emulator.by_hand({"do": "restore", "id": record_id})
    assert crm.contact(record_id)["updatedAt"] == stamp
    crm("DELETE", f"{CONTACTS}/{record_id}")
    clock.pass_(days=91)
    assert crm("GET", CONTACTS, archived="true").json()["results"] == []


def test_batch_read_names_what_is_missing(crm: Client) -> None:
    """207 with OBJECT_NOT_FOUND lists the ids; found records come in no particular order."""
    ids = [make(crm, firstname=f"N{n}") for n in range(20)]
    inputs = [{"id": record_id} for record_id in [*ids, "4", "5"]]
    answer = crm("POST", f"{CONTACTS}/batch/read", {"properties": ["firstname"], "inputs": inputs})
    assert answer.status_code == 207
    body = answer.json()
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert body["errors"][0]["context"]["ids"] == ["4", "5"]
    got = [row["id"] for row in body["results"]]
    assert sorted(got) == sorted(ids)
    assert got != ids
    too_many = {"properties": [], "inputs": [{"id": str(n)} for n in range(101)]}
    assert crm("POST", f"{CONTACTS}/batch/read", too_many).status_code == 400


# -- search ---------------------------------------------------------------------------------------


def search(crm: Client, clock: Time, *filters: dict[str, Any], **more: Any) -> requests.Response:
    """Search, a second after the last search."""
    clock.pass_(seconds=1)
    return crm("POST", f"{CONTACTS}/search", {"filterGroups": [{"filters": list(filters)}], **more})


def test_search_sees_changes_only_after_its_lag(crm: Client, clock: Time) -> None:
    """A new record is missing, a changed one old, until the index has caught up."""
    record_id = make(crm, lastname="Zz-unique")
    found = {"propertyName": "lastname", "operator": "EQ", "value": "zz-unique"}
    assert search(crm, clock, found).json()["total"] == 0
    clock.pass_(seconds=3)
    assert search(crm, clock, found).json()["results"][0]["id"] == record_id
    crm("PATCH", f"{CONTACTS}/{record_id}", {"properties": {"lastname": "other"}})
    assert search(crm, clock, found).json()["total"] == 1
    clock.pass_(seconds=3)
    assert search(crm, clock, found).json()["total"] == 0


@pytest.mark.parametrize("order", ["numeric", "text"])
def test_keyset_paging_finds_everything_once_under_both_orders(clock: Time, order: str) -> None:
    """Resuming with GT the last id returned works however ids are compared."""
    with serve(HubSpotSandbox(contacts=90, clock=clock, search_id_order=order)) as server:
        crm, last, ids = Client(server), "0", []
        while True:
            above = {"propertyName": "hs_object_id", "operator": "GT", "value": last}
            sorts = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
            page = search(crm, clock, above, sorts=sorts, limit=20).json()["results"]
            if not page:
                break
            ids += [row["id"] for row in page]
            last = ids[-1]
        assert sorted(ids) == sorted(server.emulator.tables["contacts"])
        assert (ids == sorted(ids)) == (order == "text")
        crm.session.close()


def test_search_operators(crm: Client, clock: Time) -> None:
    """Each operator agrees with the same test made on the listed records."""
    rows = crm("GET", CONTACTS, limit=100, properties="lastmodifieddate,city,hs_language").json()
    after = crm(
        "GET",
        CONTACTS,
        limit=100,
        after=rows["paging"]["next"]["after"],
        properties="lastmodifieddate,city,hs_language",
    ).json()
    held = [row["properties"] for row in rows["results"] + after["results"]]
    middle = sorted(h["lastmodifieddate"] for h in held)[60]
    stamp = str(int(datetime.fromisoformat(middle).timestamp() * 1000))

    def total(name: str, operator: str, **values: Any) -> int:
        found = search(crm, clock, {"propertyName": name, "operator": operator, **values}).json()
        count: int = found["total"]
        return count

    stamps = [h["lastmodifieddate"] for h in held]
    assert total("lastmodifieddate", "LT", value=stamp) == sum(s < middle for s in stamps)
    assert total("lastmodifieddate", "LTE", value=stamp) == sum(s <= middle for s in stamps)
    assert total("lastmodifieddate", "GT", value=middle) == sum(s > middle for s in stamps)
    assert total("lastmodifieddate", "GTE", value=middle) == sum(s >= middle for s in stamps)
    same = total("lastmodifieddate", "BETWEEN", value=stamp, highValue=stamp)
    assert same == stamps.count(middle) > 0
    cities = sum(h["city"] is not None for h in held)
    assert total("city", "HAS_PROPERTY") == cities
    assert total("city", "NOT_HAS_PROPERTY") == len(held) - cities
    french = sum(h["hs_language"] == "fr" for h in held)
    assert total("hs_language", "EQ", value="fr") == french
    assert total("hs_language", "NEQ", value="fr") == len(held) - french
    assert total("hs_language", "IN", values=["fr", "de"]) > french
    assert total("hs_language", "IN", values=["FR"]) == 0
    assert total("hs_language", "NOT_IN", values=["fr"]) == len(held) - french


def test_search_caps(clock: Time) -> None:
    """200 a page, 10,000 in all, 3,000 characters, one sort, known filters: 400 beyond."""
    with serve(HubSpotSandbox(contacts=30, clock=clock)) as server:
        crm = Client(server)
        sort = {"propertyName": "createdate", "direction": "ASCENDING"}
        known = {"propertyName": "email", "operator": "HAS_PROPERTY"}
        for wrong in (
            {"limit": 201},
            {"limit": 200, "after": "9801"},
            {"properties": ["firstname"] * 400},
            {"sorts": [sort, sort]},
            {"filterGroups": [{"filters": [known]}] * 6},
            {"filterGroups": [{"filters": [known] * 7}]},
            {"filterGroups": [{"filters": [{**known, "propertyName": "nonsense"}]}]},
        ):
            clock.pass_(seconds=1)
            assert crm("POST", f"{CONTACTS}/search", wrong).status_code == 400, wrong
        clock.pass_(seconds=1)
        assert crm("POST", f"{CONTACTS}/search", {"limit": 200, "after": "9800"}).ok
        contains = {**known, "operator": "CONTAINS_TOKEN", "value": "a"}
        assert search(crm, clock, contains).status_code == 501
        crm.session.close()


# -- writing --------------------------------------------------------------------------------------


def update(crm: Client, *rows: tuple[str, dict[str, Any]], **every: str) -> requests.Response:
    """Update records in one batch."""
    inputs = [{"id": i, "properties": values, **every} for i, values in rows]
    return crm("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})


def test_an_update_moves_the_modified_date_and_answers_little(crm: Client, clock: Time) -> None:
    """Only default and written properties come back; "" clears; the stamp moves."""
    record_id = make(crm, firstname="ANA", phone="1", city="Paris")
    clock.pass_(minutes=5)
    answer = update(crm, (record_id, {"phone": "", "firstname": "Ana"}))
    assert answer.status_code == 200
    row = answer.json()["results"][0]
    assert "city" not in row["properties"]
    assert row["properties"]["phone"] is None
    assert row["updatedAt"] == "2026-11-02T10:05:00.000Z"
    held = crm.contact(record_id, "firstname", "phone", "city", "lastmodifieddate")["properties"]
    assert (held["firstname"], held["phone"], held["city"]) == ("Ana", None, "Paris")
    assert held["lastmodifieddate"] == "2026-11-02T10:05:00.000Z"
    update(crm, (record_id, {"firstname": "Ana"}))
    clock.pass_(minutes=1)
    update(crm, (record_id, {"firstname": "Ana"}))
    assert crm.contact(record_id)["updatedAt"] == "2026-11-02T10:06:00.000Z"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("first000name", "x", "PROPERTY_DOESNT_EXIST"),
        ("email", "not an address", "INVALID_EMAIL"),
        ("lifecyclestage", "Lead", "INVALID_OPTION"),
        ("hs_legal_basis", "Freely given consent from contact;because", "INVALID_OPTION"),
        ("hubspot_owner_id", "12", "INVALID_OPTION"),
        ("customer_number", "1,000", "INVALID_INTEGER"),
        ("consent_given_at", "yesterday", "INVALID_DATE"),
        ("date_of_birth", "1700000000001", "INVALID_DATE"),
        ("hs_email_optout", "true", "READ_ONLY_VALUE"),
        ("lastmodifieddate", "2026-01-01", "READ_ONLY_VALUE"),
    ],
)
def test_one_invalid_value_refuses_the_whole_batch(
    crm: Client, name: str, value: str, code: str
) -> None:
    """400 names the property twice, in `errors` and in JSON within `message`; nothing is written."""
    good, bad = make(crm, firstname="A"), make(crm, firstname="B")
    refused = update(crm, (good, {"firstname": "new"}), (bad, {name: value}))
    assert refused.status_code == 400
    body = refused.json()
    assert body["errors"][0]["code"] == code
    assert body["errors"][0]["context"]["propertyName"] == [name]
    embedded = json.loads(body["message"].partition(": ")[2])
    assert (embedded[0]["error"], embedded[0]["name"]) == (code, name)
    assert crm.contact(good)["properties"]["firstname"] == "A"


def test_a_missing_record_fails_alone(crm: Client) -> None:
    """207: what exists is written, what does not is named."""
    record_id = make(crm, firstname="A")
    answer = update(crm, (record_id, {"firstname": "B"}), ("77", {"firstname": "C"}))
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["context"]["ids"] == ["77"]
    assert answer.json()["numErrors"] == 1
    assert crm.contact(record_id)["properties"]["firstname"] == "B"


def test_doubled_ids_and_too_many_rows_are_400(crm: Client) -> None:
    """Ids are unique in a batch, and there are at most a hundred."""
    record_id = make(crm, firstname="A")
    doubled = update(crm, (record_id, {"city": "X"}), (record_id, {"city": "Y"}))
    assert (doubled.status_code, doubled.json()["context"]["ids"]) == (400, [record_id])
    many = update(crm, *((str(n), {"city": "X"}) for n in range(101)))
    assert many.status_code == 400


def test_a_taken_address_is_409_even_a_secondary_one(crm: Client, server: Server) -> None:
    """The clash is found among primary and additional addresses, whatever their case."""
    first = make(crm, email="a@example.com")
    other = make(crm, email="b@example.com")
    third, fourth = make(crm, firstname="C"), make(crm, firstname="D")
    merged = server.emulator.by_hand({"do": "merge", "primary": first, "other": other})["id"]
    for address in ("A@Example.com", "b@example.com"):
        refused = update(crm, (fourth, {"city": "X"}), (third, {"email": address}))
        assert refused.status_code == 409
        assert refused.json()["message"].endswith(f"Existing ID: {merged}")
    assert crm.contact(fourth, "city")["properties"]["city"] is None
    traced = update(
        crm, (fourth, {"city": "X"}), (third, {"email": "b@example.com"}), objectWriteTraceId="0"
    )
    assert traced.status_code == 207
    assert traced.json()["errors"][0]["context"]["existingId"] == [merged]
    assert crm.contact(fourth, "city")["properties"]["city"] == "X"
    assert (
        crm("PATCH", f"{CONTACTS}/{third}", {"properties": {"email": "b@example.com"}}).status_code
        == 409
    )


def test_two_rows_claiming_one_address_are_409(crm: Client) -> None:
    """A batch cannot give the same address to two records."""
    first, other = make(crm, firstname="A"), make(crm, firstname="B")
    refused = update(crm, (first, {"email": "x@example.com"}), (other, {"email": "X@example.com"}))
    assert refused.status_code == 409


def test_a_value_that_is_no_text_is_not_documented(crm: Client) -> None:
    """Null and numbers are refused as unknown rather than guessed at."""
    record_id = make(crm, firstname="A")
    for value in (None, 3, ["x"]):
        assert update(crm, (record_id, {"city": value})).status_code == 501


# -- merging and erasing --------------------------------------------------------------------------


def merge(crm: Client, primary: str, other: str) -> requests.Response:
    """Merge two records."""
    return crm("POST", f"{CONTACTS}/merge", {"primaryObjectId": primary, "objectIdToMerge": other})


def test_a_merge_makes_a_new_record_that_both_ids_lead_to(crm: Client, clock: Time) -> None:
    """Primary wins, blanks are filled, addresses add up; reads and writes follow old ids."""
    first = make(crm, firstname="Ana", email="a@example.com", lifecyclestage="lead")
    clock.pass_(minutes=1)
    other = make(
        crm, firstname="ANNA", email="b@example.com", city="Lyon", lifecyclestage="customer"
    )
    new = merge(crm, first, other).json()["id"]
    assert new not in {first, other}
    held = crm.contact(
        first, "firstname", "email", "city", "hs_additional_emails", "hs_merged_object_ids",
        "lifecyclestage", "createdate",
    )  # fmt: skip
    assert held["id"] == new
    assert held["properties"] | {"lastmodifieddate": ""} == {
        "firstname": "Ana",
        "email": "a@example.com",
        "city": "Lyon",
        "hs_additional_emails": "b@example.com",
        "hs_merged_object_ids": f"{first};{other}",
        "lifecyclestage": "customer",
        "createdate": "2026-11-02T10:00:00.000Z",
        "hs_object_id": new,
        "lastmodifieddate": "",
    }
    assert crm("PATCH", f"{CONTACTS}/{other}", {"properties": {"city": "Nice"}}).json()["id"] == new
    batch = crm("POST", f"{CONTACTS}/batch/read", {"inputs": [{"id": first}, {"id": new}]})
    assert batch.status_code == 207
    assert batch.json()["errors"][0]["context"]["ids"] == [first]
    ids = {
        row["id"]
        for row in crm("GET", CONTACTS, limit=100, after=str(int(first) - 1)).json()["results"]
    }
    assert ids == {new}
    assert merge(crm, first, other).status_code == 400


def test_chained_merges_keep_every_id(crm: Client) -> None:
    """hs_merged_object_ids is complete for a chain; the timestamped list is not."""
    ids = [make(crm, firstname=f"N{n}") for n in range(4)]
    current = ids[0]
    for record_id in ids[1:]:
        current = merge(crm, current, record_id).json()["id"]
    held = crm.contact(ids[0], "hs_merged_object_ids", "hs_calculated_merged_vids")["properties"]
    assert set(ids) <= set(held["hs_merged_object_ids"].split(";"))
    assert len(held["hs_calculated_merged_vids"].split(";")) < 5


def test_the_beta_keeps_the_primary_id(clock: Time) -> None:
    """Accounts in the beta keep the primary's id: only the answer's id can be trusted."""
    with serve(HubSpotSandbox(contacts=0, clock=clock, preserve_primary_id=True)) as server:
        crm = Client(server)
        first, other = make(crm, firstname="A"), make(crm, firstname="B")
        assert merge(crm, first, other).json()["id"] == first
        assert crm.contact(other)["id"] == first
        crm.session.close()


def test_a_record_holds_250_identities_at_most(crm: Client, server: Server) -> None:
    """The 251st is refused with 414, in JSON."""
    first, other = make(crm, firstname="A"), make(crm, firstname="B")
    many = ";".join(str(n) for n in range(1, 250))
    server.emulator.by_hand({"do": "edit", "id": first, "values": {"hs_merged_object_ids": many}})
    refused = merge(crm, first, other)
    assert (refused.status_code, "250" in refused.json()["message"]) == (414, True)


def test_an_erased_record_is_nowhere(crm: Client) -> None:
    """Erasing leaves nothing in the list, in the bin or by id."""
    record_id = make(crm, email="gone@example.com")
    assert crm("POST", f"{CONTACTS}/gdpr-delete", {"objectId": record_id}).status_code == 204
    assert crm("GET", f"{CONTACTS}/{record_id}").status_code == 404
    assert crm("GET", f"{CONTACTS}/{record_id}", archived="true").status_code == 404
    assert crm("GET", CONTACTS, archived="true").json()["results"] == []


# -- tasks ----------------------------------------------------------------------------------------


def test_a_task_needs_a_due_date_and_moves_its_contacts_dates(crm: Client, clock: Time) -> None:
    """hs_timestamp is required; notes_last_updated and lastmodifieddate move with the task."""
    record_id = make(crm, firstname="A")
    clock.pass_(minutes=3)
    refused = new_task(crm, record_id, hs_timestamp="")
    assert (refused.status_code, refused.json()["context"]["properties"]) == (400, ["hs_timestamp"])
    made = new_task(crm, record_id, hs_task_body="crm-steward:abc123", hs_task_priority="HIGH")
    assert made.status_code == 201
    held = crm.contact(record_id, "notes_last_updated", "notes_last_contacted")["properties"]
    assert held["notes_last_updated"] == held["lastmodifieddate"] == "2026-11-02T10:03:00.000Z"
    assert held["notes_last_contacted"] is None
    task_id = made.json()["id"]
    read = crm("GET", f"{TASKS}/{task_id}", properties="hs_task_body,hs_timestamp").json()
    assert read["properties"]["hs_task_body"] == "crm-steward:abc123"
    assert read["properties"]["hs_timestamp"] == "2026-12-01T09:00:00.000Z"
    summary = requests.get(f"{crm.url}/_sandbox/state?only=summary", timeout=5).json()
    assert summary["tasks_by_marker"] == {"abc123": 1}


def test_tasks_are_found_by_association(crm: Client) -> None:
    """v4 by contact and by batch, v3 by batch: the same tasks, at once; archived ones are gone."""
    record_id, other = make(crm, firstname="A"), make(crm, firstname="B")
    tasks = [new_task(crm, record_id).json()["id"] for _ in range(3)]
    path = f"/crm/v4/objects/contacts/{record_id}/associations/tasks"
    page = crm("GET", path, limit=2).json()
    rest = crm("GET", path, limit=2, after=page["paging"]["next"]["after"]).json()
    found = page["results"] + rest["results"]
    assert [item["toObjectId"] for item in found] == tasks
    assert found[0]["associationTypes"][0]["typeId"] == 203
    assert "paging" not in rest
    inputs = {"inputs": [{"id": record_id}, {"id": other}]}
    for version, key in (
        ("v4/associations", "toObjectId"),
        ("associations/2026-03", "toObjectId"),
        ("v3/associations", "id"),
    ):
        answer = crm("POST", f"/crm/{version}/contacts/tasks/batch/read", inputs)
        assert answer.status_code == 207
        body = answer.json()
        assert [item[key] for item in body["results"][0]["to"]] == tasks
        assert body["errors"][0]["context"]["fromObjectId"] == [other]
    read = crm("POST", f"{TASKS}/batch/read", {"properties": [], "inputs": [{"id": tasks[0]}]})
    assert read.json()["results"][0]["id"] == tasks[0]
    crm("DELETE", f"{TASKS}/{tasks[0]}")
    left = crm("GET", path).json()["results"]
    assert [item["toObjectId"] for item in left] == tasks[1:]


def test_tasks_follow_a_merge(crm: Client) -> None:
    """The survivor has the tasks of both."""
    first, other = make(crm, firstname="A"), make(crm, firstname="B")
    tasks = {new_task(crm, record_id).json()["id"] for record_id in (first, other)}
    new = merge(crm, first, other).json()["id"]
    found = crm("GET", f"/crm/v4/objects/contacts/{new}/associations/tasks").json()["results"]
    assert {item["toObjectId"] for item in found} == tasks


def test_tasks_may_take_their_time_to_follow_a_merge(clock: Time) -> None:
    """Up to half an hour the survivor lacks what its records had."""
    emulator = HubSpotSandbox(contacts=0, clock=clock, merge_lag=timedelta(minutes=30))
    with serve(emulator) as server:
        crm = Client(server)
        first, other = make(crm, firstname="A"), make(crm, firstname="B")
        task_id = new_task(crm, other).json()["id"]
        path = (
            f"/crm/v4/objects/contacts/{merge(crm, first, other).json()['id']}/associations/tasks"
        )
        assert crm("GET", path).json()["results"] == []
        clock.pass_(minutes=30)
        assert crm("GET", path).json()["results"][0]["toObjectId"] == task_id
        crm.session.close()


def test_many_tasks_of_one_contact_come_in_pages(crm: Client, server: Server) -> None:
    """The batch read names where each contact's next page begins."""
    record_id = make(crm, firstname="A")
    tasks = server.emulator.tables["tasks"]
    made = new_task(crm, record_id).json()["id"]
    ids = [str(int(made) + n) for n in range(1, 701)]
    for task_id in ids:
        tasks[task_id] = {**tasks[made], "id": task_id}
    server.emulator.reindex()
    path, seen, after = "/crm/associations/2026-03/contacts/tasks/batch/read", [], None
    while True:
        row = crm("POST", path, {"inputs": [{"id": record_id, "after": after}]}).json()["results"][
            0
        ]
        seen += [item["toObjectId"] for item in row["to"]]
        if "paging" not in row:
            break
        after = row["paging"]["next"]["after"]
    assert seen == [made, *ids]


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"hs_task_priority": "URGENT"}, "INVALID_OPTION"),
        ({"colour": "red"}, "PROPERTY_DOESNT_EXIST"),
    ],
)
def test_task_values_are_checked(crm: Client, properties: dict[str, str], code: str) -> None:
    """Unknown properties and options are 400."""
    refused = new_task(crm, **properties)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, code)


def test_a_task_cannot_hang_on_a_record_that_is_gone(crm: Client) -> None:
    """An unknown contact is 400; other kinds of association are not known here."""
    assert new_task(crm, "12").json()["subCategory"] == "crm.associations.INVALID_IDENTIFIER"
    body = {
        "properties": {"hs_timestamp": "2026-12-01T09:00:00Z"},
        "associations": [{"to": {"id": "1"}, "types": [{**ASSOCIATION, "associationTypeId": 1}]}],
    }
    assert crm("POST", TASKS, body).status_code == 501


# -- consent --------------------------------------------------------------------------------------


def test_consent_hangs_on_the_address(crm: Client, clock: Time) -> None:
    """An opt-out outlives its contact, shows on the next one, and is not undone by the API."""
    record_id = make(crm, email="said-no@example.com")
    path = "/communication-preferences/v4/statuses/said-no@example.com/unsubscribe-all"
    assert crm("GET", path, channel="EMAIL").json()["results"] == []
    clock.pass_(minutes=1)
    done = crm("POST", path, channel="EMAIL", verbose="true").json()["results"]
    assert {item["status"] for item in done} == {"UNSUBSCRIBED"}
    assert crm("POST", path, channel="EMAIL").json()["results"] == [], "it says so only when asked"
    (wide,) = crm("GET", path, channel="EMAIL").json()["results"]
    assert (wide["wideStatusType"], wide["status"]) == ("PORTAL_WIDE", "UNSUBSCRIBED")
    held = crm.contact(record_id, "hs_email_optout", "lastmodifieddate")["properties"]
    assert held["hs_email_optout"] == "true"
    assert held["lastmodifieddate"] == "2026-11-02T10:01:00.000Z"
    crm("DELETE", f"{CONTACTS}/{record_id}")
    again = make(crm, email="Said-No@example.com")
    assert crm.contact(again, "hs_email_optout")["properties"]["hs_email_optout"] == "true"
    v3 = crm("GET", "/communication-preferences/v3/status/email/said-no@example.com").json()
    assert {s["sourceOfStatus"] for s in v3["subscriptionStatuses"]} == {"PORTAL_WIDE_STATUS"}
    again_body = {
        "emailAddress": "said-no@example.com",
        "subscriptionId": "1",
        "legalBasis": "CONSENT_WITH_NOTICE",
        "legalBasisExplanation": "asked nicely",
    }
    refused = crm("POST", "/communication-preferences/v3/subscribe", again_body)
    assert refused.status_code == 400


def test_unsubscribing_needs_a_legal_basis(crm: Client) -> None:
    """v3 unsubscribes from one kind of mail, for a reason from HubSpot's list and its explanation."""
    record_id = make(crm, email="x@example.com")
    body = {"emailAddress": "x@example.com", "subscriptionId": "1"}
    path = "/communication-preferences/v3/unsubscribe"
    assert crm("POST", path, body).status_code == 400
    body["legalBasis"] = "LEGITIMATE_INTEREST_OTHER"
    assert crm("POST", path, body).status_code == 400
    done = crm("POST", path, {**body, "legalBasisExplanation": "objected"}).json()
    assert (done["status"], done["sourceOfStatus"]) == ("NOT_SUBSCRIBED", "SUBSCRIPTION_STATUS")
    definitions = crm("GET", "/communication-preferences/v3/definitions").json()
    assert definitions["subscriptionDefinitions"][0]["id"] == "1"
    held = crm.contact(record_id, "hs_email_optout", "hs_email_optout_1", "hs_email_optout_2")
    assert held["properties"]["hs_email_optout_1"] == "true"
    assert held["properties"]["hs_email_optout_2"] is None
    assert held["properties"]["hs_email_optout"] is None


def test_without_data_privacy_settings_no_legal_basis_is_asked_for() -> None:
    """Many accounts have them off: then the address and the subscription are enough."""
    with serve(HubSpotSandbox(contacts=0, gdpr=False)) as server:
        crm = Client(server)
        body = {"emailAddress": "x@example.com", "subscriptionId": "2"}
        assert crm("POST", "/communication-preferences/v3/unsubscribe", body).status_code == 200
        crm.session.close()


def test_one_of_two_scopes_is_enough(crm: Client, server: Server) -> None:
    """`read_write` reads too; `write` unsubscribes from one kind of mail but not from all."""
    scopes = ["communication_preferences.write"]
    server.emulator.by_hand({"do": "token", "token": "writer", "scopes": scopes})
    crm.session.headers["Authorization"] = "Bearer writer"
    v4 = "/communication-preferences/v4/statuses/x@example.com/unsubscribe-all"
    assert crm("POST", v4, channel="EMAIL").status_code == 403
    assert crm("GET", v4, channel="EMAIL").status_code == 403
    body = {
        "emailAddress": "x@example.com",
        "subscriptionId": "1",
        "legalBasis": "LEGITIMATE_INTEREST_OTHER",
        "legalBasisExplanation": "objected",
    }
    assert crm("POST", "/communication-preferences/v3/unsubscribe", body).status_code == 200


def test_what_an_account_is_not_open_to() -> None:
    """A version past its end, or a product that was not bought, as the account is made."""
    with serve(HubSpotSandbox(contacts=0, closed={"/communication-preferences/v4": 404})) as server:
        crm = Client(server)
        for version, status in (("v4", 404), ("2026-03", 200)):
            path = f"/communication-preferences/{version}/statuses/x@example.com/unsubscribe-all"
            assert crm("GET", path, channel="EMAIL").status_code == status
        crm.session.close()


def test_an_admin_deletes_a_property_of_the_account_s_own(crm: Client, server: Server) -> None:
    """It leaves the schema and the records; HubSpot's own properties stay."""
    record_id = make(crm, customer_number="7")
    server.emulator.by_hand({"do": "drop_field", "name": "customer_number"})
    assert crm("GET", "/crm/v3/properties/contacts/customer_number").status_code == 404
    assert "customer_number" not in crm.contact(record_id, "customer_number")["properties"]
    assert update(crm, (record_id, {"customer_number": "8"})).status_code == 400
    with pytest.raises(ValueError, match="no property of the account's own"):
        server.emulator.by_hand({"do": "drop_field", "name": "email"})


def test_a_spoilt_record_has_a_list_where_its_values_belong(crm: Client, server: Server) -> None:
    """In every answer that shows it."""
    record_id = make(crm, firstname="A")
    server.emulator.by_hand({"do": "spoil", "id": record_id})
    assert crm.contact(record_id)["properties"] == ["spoilt"]


def test_a_merge_keeps_each_address_its_own_consent(crm: Client, server: Server) -> None:
    """The survivor's flag is that of its primary address; the other address keeps its own."""
    first, other = make(crm, email="yes@example.com"), make(crm, email="no@example.com")
    server.emulator.by_hand({"do": "withdraw", "email": "no@example.com"})
    new = merge(crm, first, other).json()["id"]
    assert crm.contact(new, "hs_email_optout")["properties"]["hs_email_optout"] is None
    path = "/communication-preferences/v4/statuses/no@example.com/unsubscribe-all"
    assert crm("GET", path, channel="EMAIL").json()["results"]


# -- faults that need HubSpot's shapes ------------------------------------------------------------


def test_rows_fail_and_answers_lie_on_script(crm: Client, server: Server) -> None:
    """Partial failure is 207 and leaves the row alone; a silent no-op is COMPLETE and empty."""
    first, other = make(crm, firstname="A"), make(crm, firstname="B")
    server.faults.add(parse_faults({"path": "batch/update", "nth": 1, "partial": {"ids": [first]}}))
    server.faults.add(parse_faults({"path": "batch/update", "nth": 2, "no_op": True}))
    rows = [(first, {"firstname": "new"}), (other, {"firstname": "new"})]
    partial = update(crm, *rows)
    assert partial.status_code == 207
    assert partial.json()["errors"][0]["context"]["ids"] == [first]
    assert crm.contact(first)["properties"]["firstname"] == "A"
    assert crm.contact(other)["properties"]["firstname"] == "new"
    silent = update(crm, (first, {"firstname": "newer"}))
    assert (silent.status_code, silent.json()["status"]) == (200, "COMPLETE")
    assert silent.json()["results"] == []
    assert crm.contact(first)["properties"]["firstname"] == "A"


def test_a_person_edits_between_read_and_write(crm: Client, server: Server) -> None:
    """The edit lands after the answer to the re-read, on the record that was read."""
    record_id = make(crm, firstname="A")
    edit = {"path": "batch/read", "human_edit": {"values": {"firstname": "human"}}}
    server.faults.add(parse_faults(edit))
    body = {"properties": ["firstname"], "inputs": [{"id": record_id}]}
    read = crm("POST", f"{CONTACTS}/batch/read", body).json()
    assert read["results"][0]["properties"]["firstname"] == "A"
    assert crm.contact(record_id)["properties"]["firstname"] == "human"


@pytest.mark.parametrize(
    ("status", "said"), [(429, "policyName"), (423, "locked"), (477, "migrated"), (502, "internal")]
)
def test_scripted_statuses_look_like_hubspots(
    crm: Client, server: Server, status: int, said: str
) -> None:
    """Each status comes with the body HubSpot documents for it."""
    server.faults.add(parse_faults({"status": status, "retry_after": 1}))
    refused = crm("GET", CONTACTS)
    assert (refused.status_code, refused.headers["Retry-After"]) == (status, "1")
    assert said in refused.text


def test_a_token_expires_in_the_middle(crm: Client, server: Server) -> None:
    """From the scripted call on, the same token is EXPIRED_AUTHENTICATION."""
    server.faults.add(parse_faults({"nth": 2, "expire_token": True}))
    assert [crm("GET", CONTACTS).status_code for _ in range(3)] == [200, 401, 401]


# -- the population, the vendor's own client, and speed -------------------------------------------


def test_the_truth_is_told_beside_the_records(server: Server) -> None:
    """Every record has a person; addresses are unique as HubSpot keeps them."""
    tables = server.emulator.tables
    assert tables["truth"].keys() == tables["contacts"].keys()
    emails = [e for row in tables["contacts"].values() if (e := row["properties"].get("email"))]
    assert len(emails) == len(set(emails))
    assert all(email == email.lower().strip() for email in emails)
    people = [truth["person"] for truth in tables["truth"].values()]
    assert len(set(people)) < len(people)


def test_hubspots_own_library_is_content(server: Server) -> None:
    """Listing, searching, updating, tasks and associations through hubspot-api-client."""
    from hubspot import HubSpot

    client = HubSpot(
        access_token=HubSpotSandbox.TOKEN, host=server.url, base_url=server.url, retry=False
    )
    everyone = client.crm.contacts.get_all(properties=["email", "phone"])
    assert len(everyone) == 120
    batch, searching = client.crm.contacts.batch_api, client.crm.contacts.search_api
    one = everyone[3].id
    query = {
        "filterGroups": [
            {"filters": [{"propertyName": "hs_object_id", "operator": "EQ", "value": one}]}
        ]
    }
    assert searching.do_search(query).results[0].id == one
    rows = {"inputs": [{"id": one, "properties": {"city": "Dax"}}, {"id": "9", "properties": {}}]}
    data, status, _ = batch.update_with_http_info(rows)
    assert (status, type(data).__name__) == (207, "BatchResponseSimplePublicObjectWithErrors")
    assert data.errors[0].context == {"ids": ["9"]}
    task = client.crm.objects.tasks.basic_api.create(
        {
            "properties": {"hs_timestamp": "2026-12-01T09:00:00Z", "hs_task_subject": "Look"},
            "associations": [{"to": {"id": one}, "types": [ASSOCIATION]}],
        }
    )
    linked = client.crm.associations.v4.basic_api.get_page("contacts", one, "tasks")
    assert [item.to_object_id for item in linked.results] == [task.id]
    owners = client.crm.owners.owners_api
    assert len(owners.get_page().results) == 4
    assert [o.archived for o in owners.get_page(archived=True).results] == [True]
    names = {p.name for p in client.crm.properties.core_api.get_all("contacts").results}
    assert {"email", "lastmodifieddate", "consent_given_at"} <= names
    merged = client.crm.contacts.basic_api.merge(
        {"primaryObjectId": one, "objectIdToMerge": everyone[4].id}
    )
    assert client.crm.contacts.basic_api.get_by_id(one).id == merged.id
    account = client.api_request({"path": "/account-info/v3/details"}).json()
    assert account["timeZone"] == "Europe/Paris"


def test_a_page_of_a_large_account_costs_a_page(
    clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many contacts there are, and wherever it begins: only what is asked for is made."""
    made: list[str] = []
    render = HubSpotAccount.render

    def watched(self: HubSpotAccount, row: Any, names: Any) -> Any:
        made.append(row["id"])
        return render(self, row, names)

    monkeypatch.setattr(HubSpotAccount, "render", watched)
    with serve(HubSpotSandbox(contacts=2_000, clock=clock, burst=100_000)) as server:
        crm = Client(server)
        for after in (0, 171_591_000_000):
            made.clear()
            shown = crm("GET", CONTACTS, limit=100, after=after, properties="email").json()
            assert made == [one["id"] for one in shown["results"]]
            assert len(made) == 100
        made.clear()
        stamp = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "0"}
        assert search(crm, clock, stamp, limit=200).json()["total"] == 2_000
        assert len(made) == 200
        crm.session.close()
