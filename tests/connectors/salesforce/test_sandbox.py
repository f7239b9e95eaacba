"""The Salesforce emulator over real HTTP: what Salesforce documents, and loud refusal of the rest."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest
import requests
from tests.connectors.salesforce.conftest import Client, Org, Time, served

from crm_steward.sandbox import parse_faults
from crm_steward_salesforce.sandbox import PERMISSIONS, SalesforceSandbox
from crm_steward_salesforce.sandbox.values import full_id

CONTACT = "/sobjects/Contact"
COLLECTION = "/composite/sobjects"
SOAP = "/services/Soap/u/64.0"
TOKEN = "/services/oauth2/token"


def merge_message(token: str, master: str, *losers: str, values: str = "") -> bytes:
    """Return a SOAP merge as a client writes it."""
    gone = "".join(f"<u:recordToMergeIds>{loser}</u:recordToMergeIds>" for loser in losers)
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:u="urn:partner.soap.sforce.com" xmlns:e="urn:sobject.partner.soap.sforce.com">'
        f"<s:Header><u:SessionHeader><u:sessionId>{token}</u:sessionId></u:SessionHeader></s:Header>"
        f"<s:Body><u:merge><u:request><u:masterRecord><e:type>Contact</e:type><e:Id>{master}</e:Id>"
        f"{values}</u:masterRecord>{gone}</u:request></u:merge></s:Body></s:Envelope>"
    ).encode()


def soap(org: Org, message: bytes, version: str = "64.0") -> requests.Response:
    """Send a SOAP message."""
    headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
    url = f"{org.server.url}/services/Soap/u/{version}"
    return requests.post(url, data=message, headers=headers, timeout=10)


def first(answer: requests.Response) -> tuple[int, str]:
    """Return status and error code of a refusal."""
    return answer.status_code, answer.json()[0]["errorCode"]


# -- credentials ----------------------------------------------------------------------------------


def test_client_credentials_open_a_session(org: Org) -> None:
    """Basic header and grant type buy a token without a word about its life."""
    app = org.crm.app
    form = {"grant_type": "client_credentials"}
    url = org.server.url + TOKEN
    bought = requests.post(url, data=form, auth=(app.client_id, app.client_secret), timeout=5)
    assert "expires_in" not in bought.json()
    client = Client(org.server, bought.json()["access_token"])
    assert client("GET", "/limits").status_code == 200
    wrong = requests.post(url, data=form, auth=(app.client_id, "guess"), timeout=5)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_client")
    client.session.close()


@pytest.mark.parametrize("rotate", [False, True])
def test_refresh_tokens_may_be_rotated(*, rotate: bool) -> None:
    """With rotation each use gives a new one and ends the old; without, none is given."""
    with served(rotate_refresh=rotate) as org:
        app = org.crm.app
        form = {
            "grant_type": "refresh_token",
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "refresh_token": app.refresh_token,
        }
        bought = requests.post(org.server.url + TOKEN, data=form, timeout=5).json()
        assert ("refresh_token" in bought) is rotate
        again = requests.post(org.server.url + TOKEN, data=form, timeout=5)
        assert again.status_code == (400 if rotate else 200)
        if rotate:
            assert again.json()["error"] == "invalid_grant"


def test_sessions_end_by_the_orgs_clock(clock: Time) -> None:
    """After the org's session timeout a token is refused as every wrong one is."""
    with served(clock=clock, session_life=timedelta(hours=2)) as org:
        token = org.crm.open_session()
        client = Client(org.server, token)
        assert client("GET", "/limits").status_code == 200
        clock.pass_(hours=2, seconds=1)
        assert first(client("GET", "/limits")) == (401, "INVALID_SESSION_ID")
        client.session.headers["Authorization"] = "Bearer nobody"
        assert first(client("GET", "/limits")) == (401, "INVALID_SESSION_ID")
        client.session.close()


def test_a_token_of_ones_choice(org: Org, clock: Time) -> None:
    """By hand, for a time."""
    with served(clock=clock) as other:
        other.do("token", token="short", expires_in=60)
        client = Client(other.server, "short")
        assert client("GET", "/limits").status_code == 200
        clock.pass_(seconds=61)
        assert client("GET", "/limits").status_code == 401
        client.session.close()
    assert org.crm.session_of("short") is None


def test_soap_login_ends_with_version_64(org: Org) -> None:
    """Up to 64.0 it opens a session; after that it is refused."""
    app = org.crm.app
    message = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:u="urn:partner.soap.sforce.com"><s:Body><u:login>'
        f"<u:username>{app.username}</u:username>"
        f"<u:password>{app.password}{app.security_token}</u:password></u:login></s:Body></s:Envelope>"
    )
    opened = soap(org, message.encode())
    assert opened.status_code == 200
    token = re.search(r"<sessionId>([^<]+)<", opened.text)
    assert token
    client = Client(org.server, token[1])
    assert client("GET", "/limits").status_code == 200
    client.session.close()
    assert "sf:UNSUPPORTED_API_VERSION" in soap(org, message.encode(), "65.0").text
    wrong = soap(org, message.replace(app.password, "guess").encode())
    assert (wrong.status_code, "sf:INVALID_LOGIN" in wrong.text) == (500, True)


def test_a_user_without_the_api_is_refused(org: Org) -> None:
    """403 API_DISABLED_FOR_ORG."""
    org.do("permit", permissions=[p for p in PERMISSIONS if p != "ApiEnabled"])
    assert first(org.client("GET", "/limits")) == (403, "API_DISABLED_FOR_ORG")


# -- limits and versions --------------------------------------------------------------------------


def test_the_day_is_a_rolling_one(clock: Time) -> None:
    """Every answer counts; the eleventh of ten is 403; a day later there is room again."""
    with served(clock=clock, daily=10) as org:
        answers = [org.client("GET", "/limits") for _ in range(10)]
        assert answers[-1].headers["Sforce-Limit-Info"] == "api-usage=10/10"
        refused = org.client("GET", "/limits")
        assert first(refused) == (403, "REQUEST_LIMIT_EXCEEDED")
        assert refused.json()[0]["message"] == "TotalRequests Limit exceeded."
        assert "Retry-After" not in refused.headers
        clock.pass_(hours=24, seconds=1)
        assert org.client("GET", "/limits").json()["DailyApiRequests"]["Remaining"] == 9


def test_versions_are_listed_without_a_token_and_old_ones_are_retired(org: Org) -> None:
    """31 to 68 are served; 21 to 30 are gone; later ones are not there yet."""
    listed = requests.get(f"{org.server.url}/services/data/", timeout=5).json()
    assert [listed[0]["version"], listed[-1]["version"]] == ["31.0", "68.0"]
    retired = org.client("GET", "/services/data/v30.0/limits")
    assert first(retired) == (410, "UNSUPPORTED_API_VERSION")
    assert org.client("GET", "/services/data/v69.0/limits").status_code == 404


def test_an_address_ends_at_16384_bytes(org: Org) -> None:
    """414, and not JSON."""
    answer = org.client("GET", "/query", q="SELECT Id FROM Contact WHERE Id = '" + "x" * 17_000)
    assert answer.status_code == 414
    assert answer.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sobjects/Contact/updated"),
        ("POST", "/jobs/query"),
        ("GET", "/composite/sobjects"),
        ("GET", "/consent/action/email"),
    ],
)
def test_what_is_not_built_is_refused_loudly(org: Org, method: str, path: str) -> None:
    """501, naming the call."""
    answer = org.client(method, path)
    assert answer.status_code == 501
    assert path in answer.json()["message"]


# -- queries --------------------------------------------------------------------------------------


def test_a_query_brings_fields_relations_and_attributes(org: Org) -> None:
    """Names are those asked for; a missing relation is null."""
    rows = org.client.query("SELECT Id, LastName, Account.Name, Owner.IsActive FROM Contact")
    assert (rows["totalSize"], rows["done"]) == (60, True)
    held = [row for row in rows["records"] if row["Account"]]
    assert held
    assert set(held[0]) == {"attributes", "Id", "LastName", "Account", "Owner"}
    assert held[0]["attributes"]["url"].startswith("/services/data/v64.0/sobjects/Contact/003")
    assert held[0]["Account"]["Name"]
    assert any(row["Account"] is None for row in rows["records"])


def test_the_keyset_of_a_stamp_and_an_id(org: Org) -> None:
    """All contacts on one second: the condition and the order walk through each once."""
    org.do("stamp_all")
    seen: list[str] = []
    stamp, last = "2000-01-01T00:00:00Z", ""
    while True:
        same = f"(SystemModstamp = {stamp} AND Id > '{last}') OR " if last else ""
        rows = org.client.query(
            f"SELECT Id, SystemModstamp FROM Contact WHERE {same}SystemModstamp > {stamp} "
            "ORDER BY SystemModstamp, Id LIMIT 7"
        )["records"]
        if not rows:
            break
        seen += [row["Id"] for row in rows]
        last, stamp = rows[-1]["Id"], rows[-1]["SystemModstamp"].replace(".000+0000", "Z")
    assert seen == org.ids()


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("HasOptedOutOfEmail = true AND Email != null", None),
        ("Email = null", None),
        ("LastName = 'O\\'Neil'", 0),
        ("Id IN ('003000000000000AAA', '003000000000001AAA')", 0),
        ("(Email = null OR Phone = null) AND IsDeleted = false", None),
        ("CreatedDate < 2001-01-01T00:00:00Z", 0),
        ("LastActivityDate >= 2001-01-01", None),
    ],
)
def test_conditions(org: Org, where: str, count: int | None) -> None:
    """Each condition chooses what its words say."""
    found = org.client.query(f"SELECT Id, Email, Phone FROM Contact WHERE {where}")
    assert count is None or found["totalSize"] == count
    everyone = org.client.query("SELECT COUNT() FROM Contact")["totalSize"]
    assert found["totalSize"] < everyone == 60


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nope FROM Contact", "INVALID_FIELD"),
        ("SELECT Nope.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD"),
        ("SELECT Id Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id = 'a' AND Id = 'b' OR Id = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id = 'a' Id", "MALFORMED_QUERY"),
        ("SELECT Id, id FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = 'open", "MALFORMED_QUERY"),
    ],
)
def test_wrong_queries_are_told_apart(org: Org, soql: str, code: str) -> None:
    """400 with Salesforce's own code."""
    assert first(org.client("GET", "/query", q=soql)) == (400, code)


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id FROM Contact WHERE LastName LIKE 'A%'",
        "SELECT Id FROM Contact LIMIT 5 OFFSET 5",
        "SELECT MAX(CreatedDate) FROM Contact",
        "SELECT Id, (SELECT Id FROM Tasks) FROM Contact",
        "SELECT FIELDS(ALL) FROM Contact LIMIT 200",
        "SELECT Id FROM Contact WHERE CreatedDate > TODAY",
        "SELECT Id FROM Contact WHERE NOT Id = 'a'",
        "SELECT Id FROM Contact ORDER BY Id NULLS LAST",
    ],
)
def test_soql_that_is_not_built_is_refused_loudly(org: Org, soql: str) -> None:
    """501, not a guess."""
    assert org.client("GET", "/query", q=soql).status_code == 501


def test_pages_and_their_locators(clock: Time) -> None:
    """A result is cut into pages; its locator belongs to the session, and ends."""
    with served(clock=clock, page_rows=25) as org:
        page = org.client.query("SELECT Id FROM Contact ORDER BY Id")
        assert (page["totalSize"], page["done"], len(page["records"])) == (60, False, 25)
        seen = [row["Id"] for row in page["records"]]
        last = org.client("GET", page["nextRecordsUrl"]).json()
        seen += [row["Id"] for row in last["records"]]
        stranger = Client(org.server, org.crm.open_session())
        refused = stranger("GET", last["nextRecordsUrl"])
        assert first(refused) == (400, "INVALID_QUERY_LOCATOR")
        stranger.session.close()
        end = org.client("GET", last["nextRecordsUrl"]).json()
        assert end["done"]
        assert "nextRecordsUrl" not in end
        assert seen + [row["Id"] for row in end["records"]] == org.ids()
        clock.pass_(minutes=16)
        late = org.client("GET", page["nextRecordsUrl"])
        assert first(late) == (400, "INVALID_QUERY_LOCATOR")


def test_hidden_fields_are_not_there(org: Org) -> None:
    """Field-level security hides from describe, and refuses in queries and writes."""
    record_id = org.ids()[0]
    org.do("hide", fields=["Contact.Email"])
    names = {f["name"] for f in org.client("GET", f"{CONTACT}/describe").json()["fields"]}
    assert "Email" not in names
    assert "Phone" in names
    asked = org.client("GET", "/query", q="SELECT Email FROM Contact")
    assert first(asked) == (400, "INVALID_FIELD")
    written = org.client("PATCH", f"{CONTACT}/{record_id}", {"Email": "a@example.com"})
    assert first(written) == (400, "INVALID_FIELD")


def test_what_is_stamped_early_shows_when_it_is_committed(clock: Time) -> None:
    """With two minutes of lag a change shows late, under the date at which it was made."""
    with served(clock=clock, commit_lag=timedelta(minutes=2)) as org:
        record_id = org.ids()[0]
        made = clock.now
        org.do("edit", id=record_id, values={"LastName": "Late"})
        soql = f"SELECT LastName, SystemModstamp FROM Contact WHERE Id = '{record_id}'"
        assert org.client.query(soql)["records"][0]["LastName"] != "Late"
        clock.pass_(minutes=2, seconds=1)
        row = org.client.query(soql)["records"][0]
        assert row["LastName"] == "Late"
        assert datetime.fromisoformat(row["SystemModstamp"]) == made


def test_ids_come_in_two_lengths() -> None:
    """The 18 characters are made from the 15, and tell capitals from small letters."""
    assert full_id("001A0000006Vm9r") == "001A0000006Vm9rIAC"
    assert full_id("001A0000006Vm9R") != full_id("001A0000006Vm9r")
    assert full_id("not an id") == "not an id"


# -- one record -----------------------------------------------------------------------------------


def test_an_update_guarded_by_the_second(clock: Time) -> None:
    """412 after a later modification; the same second passes; a wrong header is 400."""
    with served(clock=clock) as org:
        path = f"{CONTACT}/{org.ids()[0]}"
        assert org.client("PATCH", path, {"Title": "One"}).status_code == 204
        same = {"If-Unmodified-Since": "Mon, 02 Nov 2026 10:00:00 GMT"}
        assert org.client("PATCH", path, {"Title": "Two"}, headers=same).status_code == 204
        early = {"If-Unmodified-Since": "Mon, 02 Nov 2026 09:59:59 GMT"}
        assert org.client("PATCH", path, {"Title": "Three"}, headers=early).status_code == 412
        wrong = {"If-Unmodified-Since": "yesterday"}
        assert org.client("PATCH", path, {"Title": "Four"}, headers=wrong).status_code == 400
        assert org.crm.live("Contact")[0] is not None
        assert org.crm.find("Contact", org.ids()[0])["Title"] == "Two"  # type: ignore[index]


@pytest.mark.parametrize(
    ("values", "code", "fields"),
    [
        ({"Nope__c": "x"}, "INVALID_FIELD", []),
        (
            {"CreatedDate": "2020-01-01T00:00:00Z"},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            ["CreatedDate"],
        ),
        ({"LastName": ""}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"FirstName": "x" * 41}, "STRING_TOO_LONG", ["FirstName"]),
        ({"Email": "not an address"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"Language__c": "kl"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Language__c"]),
        ({"AccountId": "001000000000000AAA"}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
        ({"DoNotCall": "yes"}, "JSON_PARSER_ERROR", []),
    ],
)
def test_values_salesforce_refuses(
    org: Org, values: dict[str, Any], code: str, fields: list[str]
) -> None:
    """400 with the code and the field; nothing is written."""
    record_id = org.ids()[0]
    before = org.crm.find("Contact", record_id)
    answer = org.client("PATCH", f"{CONTACT}/{record_id}", values)
    assert first(answer) == (400, code)
    assert answer.json()[0]["fields"] == fields
    assert org.crm.find("Contact", record_id) == before


def test_null_clears_and_texts_are_trimmed(org: Org) -> None:
    """JSON null and the empty text both clear; blanks around a text go."""
    path = f"{CONTACT}/{org.ids()[0]}"
    org.client("PATCH", path, {"Title": "  Beekeeper ", "Phone": None, "MobilePhone": ""})
    row = org.crm.find("Contact", org.ids()[0])
    assert row
    assert (row["Title"], row["Phone"], row["MobilePhone"]) == ("Beekeeper", None, None)


def test_a_deleted_record_and_one_that_never_was(org: Org) -> None:
    """404 in both cases, under different codes; the recycle bin is seen by queryAll only."""
    gone = org.ids()[0]
    assert org.client("DELETE", f"{CONTACT}/{gone}").status_code == 204
    assert first(org.client("PATCH", f"{CONTACT}/{gone}", {})) == (404, "ENTITY_IS_DELETED")
    never = org.client("PATCH", f"{CONTACT}/003000000000000AAA", {})
    assert first(never) == (404, "NOT_FOUND")
    soql = f"SELECT Id, IsDeleted, MasterRecordId FROM Contact WHERE Id = '{gone}'"
    assert org.client.query(soql)["records"] == []
    (row,) = org.client.query(soql, everything=True)["records"]
    assert (row["IsDeleted"], row["MasterRecordId"]) == (True, None)
    org.do("restore", id=gone)
    assert gone in org.ids()
    org.do("erase", id=gone)
    assert org.client.query(soql, everything=True)["records"] == []


def test_a_locked_row_is_free_again(org: Org) -> None:
    """UNABLE_TO_LOCK_ROW as often as somebody else holds it."""
    path = f"{CONTACT}/{org.ids()[0]}"
    org.do("lock", id=org.ids()[0], times=2)
    for _ in range(2):
        assert first(org.client("PATCH", path, {"Title": "x"})) == (400, "UNABLE_TO_LOCK_ROW")
    assert org.client("PATCH", path, {"Title": "x"}).status_code == 204


@pytest.mark.parametrize(
    ("rule", "allowed", "status"),
    [("alert", False, 400), ("alert", True, 204), ("block", True, 400), ("", False, 204)],
)
def test_duplicate_rules(rule: str, status: int, *, allowed: bool) -> None:
    """Even one that only warns refuses API saves without the header; one that blocks always does."""
    with served(duplicate_rule=rule) as org:
        one, other = org.ids()[:2]
        org.do("edit", id=one, values={"Email": "taken@example.com"})
        headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true"} if allowed else {}
        path = f"{CONTACT}/{other}"
        answer = org.client("PATCH", path, {"Email": "Taken@example.com"}, headers=headers)
        assert answer.status_code == status
        if status == 400:
            assert first(answer) == (400, "DUPLICATES_DETECTED")


# -- collections ----------------------------------------------------------------------------------


def _rows(*records: dict[str, Any], kind: str = "Contact") -> dict[str, Any]:
    named = [{"attributes": {"type": kind}, **record} for record in records]
    return {"allOrNone": False, "records": named}


def test_a_collection_answers_row_by_row_in_order(org: Org) -> None:
    """Good rows take effect beside bad ones; failed rows carry no id."""
    one, two, three = org.ids()[:3]
    org.do("delete", id=two)
    body = _rows(
        {"id": one, "Title": "A"}, {"id": two, "Title": "B"}, {"id": three, "Email": "wrong"},
        {"Title": "no id"},
    )  # fmt: skip
    answer = org.client("PATCH", COLLECTION, body)
    assert answer.status_code == 200
    rows = answer.json()
    assert [row["success"] for row in rows] == [True, False, False, False]
    codes = [row["errors"][0]["statusCode"] for row in rows[1:]]
    assert codes == ["ENTITY_IS_DELETED", "INVALID_EMAIL_ADDRESS", "MISSING_ARGUMENT"]
    assert [row.get("id") for row in rows] == [one, None, None, None]


def test_a_collection_that_cannot_be_read_writes_nothing(org: Org) -> None:
    """None, more than 200, or one value of the wrong JSON type: 400 for all of it."""
    one, two = org.ids()[:2]
    assert first(org.client("PATCH", COLLECTION, _rows())) == (400, "REQUIRED_FIELD_MISSING")
    many = _rows(*({"id": one} for _ in range(201)))
    assert org.client("PATCH", COLLECTION, many).status_code == 400
    body = _rows({"id": one, "Title": "Never"}, {"id": two, "DoNotCall": "yes"})
    assert first(org.client("PATCH", COLLECTION, body)) == (400, "JSON_PARSER_ERROR")
    assert (org.crm.find("Contact", one) or {})["Title"] != "Never"


def test_a_collection_of_deletions_keeps_the_order_of_its_ids(org: Org) -> None:
    """Each for itself; twice is refused the second time."""
    one, two = org.ids()[:2]
    for codes in ([None, None], ["ENTITY_IS_DELETED"] * 2):
        rows = org.client("DELETE", COLLECTION, ids=f"{one},{two}", allOrNone="false").json()
        held = [row["errors"][0]["statusCode"] if row["errors"] else None for row in rows]
        assert held == codes
    assert one not in org.ids()


def test_tasks_take_what_the_org_knows(org: Org) -> None:
    """Status and priority are the org's; an inactive owner and a deleted contact are refused."""
    one, gone = org.ids()[:2]
    org.do("delete", id=gone)
    inactive = next(u["Id"] for u in org.crm.live("User") if not u["IsActive"])
    rows = org.client(
        "POST",
        COLLECTION,
        _rows(
            {"WhoId": one, "Subject": "Look", "ActivityDate": "2026-12-01"},
            {"WhoId": one, "Subject": "Look", "Status": "Begun"},
            {"WhoId": one, "Subject": "Look", "OwnerId": inactive},
            {"WhoId": gone, "Subject": "Look"},
            kind="Task",
        ),
    ).json()
    codes = [row["errors"][0]["statusCode"] if row["errors"] else "" for row in rows]
    assert codes == [
        "",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INACTIVE_OWNER_OR_USER",
        "ENTITY_IS_DELETED",
    ]
    found = org.client.query(f"SELECT Status, IsClosed FROM Task WHERE WhoId = '{one}'")["records"]
    assert [(row["Status"], row["IsClosed"]) for row in found] == [("Not Started", False)]


# -- merge ----------------------------------------------------------------------------------------


def test_a_merge_keeps_the_masters_values_and_moves_children(org: Org) -> None:
    """Losers' values are not copied, tasks move, losers lead to the master from the recycle bin."""
    master, one, two = org.ids()[:3]
    for record_id, title in ((master, None), (one, "Beekeeper"), (two, "Farrier")):
        org.do("edit", id=record_id, values={"Title": title, "HasOptedOutOfEmail": False})
    org.do("opt_out", id=one)
    task = {"WhoId": two, "Subject": "Look"}
    made = org.client("POST", "/sobjects/Task", task).json()["id"]
    answer = soap(org, merge_message(org.crm.token, master, one, two))
    assert answer.status_code == 200
    assert "<success>true</success>" in answer.text
    assert f"<updatedRelatedIds>{made}</updatedRelatedIds>" in answer.text
    row = org.crm.find("Contact", master)
    assert row
    assert (row["Title"], row["HasOptedOutOfEmail"]) == (None, False)
    where = f"MasterRecordId = '{master}'"
    gone = org.client.query(f"SELECT Id FROM Contact WHERE {where}", everything=True)["records"]
    assert {found["Id"] for found in gone} == {one, two}
    assert (org.crm.find("Task", made) or {})["WhoId"] == master


def test_a_merge_may_set_fields_of_the_master(org: Org) -> None:
    """What is put on the master record is written in the same transaction."""
    master, one = org.ids()[:2]
    values = (
        "<e:fieldsToNull>Phone</e:fieldsToNull><e:HasOptedOutOfEmail>true</e:HasOptedOutOfEmail>"
    )
    soap(org, merge_message(org.crm.token, master, one, values=values))
    row = org.crm.find("Contact", master)
    assert row
    assert (row["Phone"], row["HasOptedOutOfEmail"]) == (None, True)


def test_merges_that_are_refused(org: Org) -> None:
    """Three losers, a deleted one, oneself: a row with a code, and nothing took effect."""
    master, one, two, three = org.ids()[:4]
    many = soap(org, merge_message(org.crm.token, master, one, two, three))
    assert "<statusCode>MERGE_FAILED</statusCode>" in many.text
    itself = soap(org, merge_message(org.crm.token, master, master))
    assert "<statusCode>MERGE_FAILED</statusCode>" in itself.text
    org.do("delete", id=one)
    gone = soap(org, merge_message(org.crm.token, master, two, one))
    assert "<statusCode>ENTITY_IS_DELETED</statusCode>" in gone.text
    assert two in org.ids()


def test_soap_faults(org: Org) -> None:
    """HTTP 500 with Salesforce's code: a wrong session, a used-up day, no SOAP at all, an entity."""
    master, one = org.ids()[:2]
    wrong = soap(org, merge_message("nobody", master, one))
    assert (wrong.status_code, "sf:INVALID_SESSION_ID" in wrong.text) == (500, True)
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + merge_message(org.crm.token, master, one)
    assert "sf:UNKNOWN_EXCEPTION" in soap(org, bomb).text
    org.crm.daily = 0
    used = soap(org, merge_message(org.crm.token, master, one))
    assert (used.status_code, "sf:REQUEST_LIMIT_EXCEEDED" in used.text) == (500, True)
    assert one in org.ids()


# -- the whole ------------------------------------------------------------------------------------


def test_describe_speaks_for_the_user(org: Org) -> None:
    """Rights follow permissions; picklists have a default; references name their object."""
    described = org.client("GET", f"{CONTACT}/describe").json()
    assert (described["mergeable"], described["deletable"]) == (True, True)
    account = next(f for f in described["fields"] if f["name"] == "AccountId")
    assert (account["referenceTo"], account["relationshipName"]) == (["Account"], "Account")
    task = org.client("GET", "/sobjects/Task/describe").json()
    status = next(f for f in task["fields"] if f["name"] == "Status")
    assert [v["value"] for v in status["picklistValues"] if v["defaultValue"]] == ["Not Started"]
    org.do("permit", permissions=["ApiEnabled", "ReadContact"])
    described = org.client("GET", f"{CONTACT}/describe").json()
    assert (described["updateable"], described["deletable"]) == (False, False)


def test_without_privacy_there_are_no_individuals() -> None:
    """Neither the objects nor the contact's reference to them."""
    with served(privacy=False) as org:
        assert org.client("GET", "/sobjects/Individual/describe").status_code == 404
        names = {f["name"] for f in org.client("GET", f"{CONTACT}/describe").json()["fields"]}
        assert "IndividualId" not in names


def test_the_same_seed_makes_the_same_people() -> None:
    """And another one makes others."""
    born = datetime.fromisoformat("2026-11-02T10:00:00+00:00")
    one, two, other = (
        SalesforceSandbox(contacts=40, seed=seed, born=born).tables["Contact"] for seed in (7, 7, 8)
    )
    assert one == two
    assert one != other
    assert all(row["LastName"] for row in one.values())


def test_the_state_comes_back(org: Org) -> None:
    """What `state` gave, JSON and back, is the same account."""
    org.do("delete", id=org.ids()[0])
    state = json.loads(json.dumps(org.crm.state()))
    ids = org.ids()
    org.crm.reset()
    assert len(org.ids()) == 60
    org.crm.reset(state)
    assert org.ids() == ids


def test_every_deed_is_done(org: Org) -> None:
    """Each leaves its trace; what there is not is a ValueError."""
    one, two, three = org.ids()[:3]
    org.do("opt_in", id=one)
    said = org.client.query(
        "SELECT PrivacyConsentStatus, Party.LastName FROM ContactPointTypeConsent "
        f"WHERE PartyId = '{org.crm.tables['Contact'][one]['IndividualId']}'"
    )["records"]
    assert [row["PrivacyConsentStatus"] for row in said] == ["OptIn"]
    org.do("consent", id=one, type="Phone", status="OptOut")
    org.do("opt_out", id=two, field="DoNotCall")
    assert org.crm.tables["Contact"][two]["DoNotCall"] is True
    user = org.crm.live("User")[1]["Id"]
    org.do("deactivate", id=user)
    assert org.crm.tables["User"][user]["IsActive"] is False
    assert org.do("merge", master=one, losers=[three])["id"] == one
    for wrong in ({"do": "dance"}, {"do": "edit", "id": three, "values": {}}):
        with pytest.raises(ValueError, match=r"people here|no active record"):
            org.crm.by_hand(wrong)
    with pytest.raises(ValueError, match="no custom field"):
        org.do("drop_field", field="Email")
    summary = org.crm.summary()["counts"]
    assert (summary["active"], summary["merged_away"]) == (59, 1)


def test_faults_meet_calls_as_scripted(org: Org) -> None:
    """A person edits the record a write names; a row of a collection fails; nothing at all happens."""
    one, two = org.ids()[:2]
    path = f"{CONTACT}/{one}"
    edit = {"path": quote_plus("Contact"), "human_edit": {"values": {"Title": "Theirs"}}}
    org.server.faults.add(parse_faults(edit))
    assert org.client("PATCH", path, {"Title": "Ours"}).status_code == 204
    assert org.crm.tables["Contact"][one]["Title"] == "Theirs"
    org.server.faults.clear()
    org.server.faults.add(
        parse_faults({"path": "composite", "partial": {"rows": [1], "category": "X_FAILED"}})
    )
    rows = org.client("PATCH", COLLECTION, _rows({"id": one, "Title": "a"}, {"id": two})).json()
    assert [row["success"] for row in rows] == [True, False]
    assert rows[1]["errors"][0]["statusCode"] == "X_FAILED"
    org.server.faults.clear()
    org.server.faults.add(parse_faults({"no_op": True}))
    assert org.client("PATCH", path, {"Title": "Nothing"}).status_code == 204
    assert org.crm.tables["Contact"][one]["Title"] == "a"
