"""The Zoho emulator over real HTTP: what Zoho documents, and loud refusal of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from crm_steward.sandbox import Server, parse_faults, serve
from crm_steward_zoho.sandbox import SCOPES, ZohoSandbox

CONTACTS = "/crm/v8/Contacts"
TOKEN = "/oauth/v2/token"


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
    """Plain HTTP with an access token."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self.crm: ZohoSandbox = server.emulator  # type: ignore[assignment] # these tests serve no other
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Zoho-oauthtoken {self.refresh()['access_token']}"

    def __call__(
        self, method: str, path: str, body: Any = None, *, header: Any = None, **query: Any
    ) -> requests.Response:
        url = self.url + path
        return self.session.request(
            method, url, json=body, params=query, headers=header, timeout=10
        )

    def refresh(self, **form: str) -> Any:
        """Ask for an access token."""
        given = {
            "grant_type": "refresh_token",
            "client_id": self.crm.CLIENT_ID,
            "client_secret": self.crm.client_secret,
            "refresh_token": self.crm.refresh_token,
            **form,
        }
        answer = requests.post(self.url + TOKEN, data=given, timeout=10)
        assert answer.status_code == 200
        return answer.json()

    def query(self, text: str) -> requests.Response:
        """Send a COQL query."""
        return self("POST", "/crm/v8/coql", {"select_query": text})

    def update(self, *rows: dict[str, Any], header: Any = None) -> requests.Response:
        """Update rows."""
        return self("PUT", CONTACTS, {"data": rows, "trigger": []}, header=header)

    def hand(self, do: str, **deed: Any) -> Any:
        """Do what a person does."""
        return self.crm.by_hand({"do": do, **deed})

    def value(self, record_id: str, name: str) -> Any:
        """Return one field of a record."""
        return self("GET", f"{CONTACTS}/{record_id}").json()["data"][0][name]


@contextmanager
def served(**more: Any) -> Iterator[Client]:
    """Serve a small organisation."""
    with serve(ZohoSandbox(**{"contacts": 60, "seed": 7, **more})) as server:
        client = Client(server)
        yield client
        client.session.close()


@pytest.fixture
def clock() -> Time:
    """Return a clock of our own."""
    return Time()


@pytest.fixture
def crm(clock: Time) -> Iterator[Client]:
    """Return a client of a served organisation of 60 contacts."""
    with served(clock=clock) as client:
        yield client


def ids(crm: Client) -> list[str]:
    """Return the ids of the records that are there."""
    return [row["id"] for row in crm.crm.active()]


# -- access ---------------------------------------------------------------------------------------


def test_a_failed_token_call_is_answered_with_200(crm: Client) -> None:
    """Wrong client, wrong refresh token, wrong grant: status 200 and `error`."""
    assert crm.refresh(client_secret="wrong") == {"error": "invalid_client"}
    assert crm.refresh(refresh_token="wrong") == {"error": "invalid_code"}
    assert crm.refresh(grant_type="password") == {"error": "invalid_request"}


def test_a_token_names_its_domain_and_its_hour(crm: Client, clock: Time) -> None:
    """An access token lives an hour, says so in a header, and then is INVALID_TOKEN."""
    given = crm.refresh()
    assert (given["api_domain"], given["expires_in"]) == (crm.url, 3600)
    assert "refresh_token" not in given
    fine = crm("GET", "/crm/v8/org")
    assert fine.headers["x-accesstoken-reset"] == "2026-11-02T12:00:00+01:00"
    clock.pass_(hours=1)
    refused = crm("GET", "/crm/v8/org")
    assert (refused.status_code, refused.json()["code"]) == (401, "INVALID_TOKEN")


def test_a_bearer_scheme_is_no_zoho_token(crm: Client) -> None:
    """Zoho's scheme is `Zoho-oauthtoken`."""
    token = crm.refresh()["access_token"]
    answer = crm("GET", "/crm/v8/org", header={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_ten_tokens_in_ten_minutes_and_thirty_alive(crm: Client, clock: Time) -> None:
    """The eleventh is refused until the window has passed; the thirty-first kills the oldest."""
    first = crm.session.headers["Authorization"]
    given = [crm.refresh() for _ in range(10)]
    assert [next(iter(answer)) for answer in given[8:]] == ["access_token", "error"]
    assert given[9] == {"error": "access_denied"}
    for _ in range(2):
        clock.pass_(minutes=10)
        assert all("access_token" in crm.refresh() for _ in range(10))
    assert crm("GET", "/crm/v8/org").status_code == 200
    clock.pass_(minutes=10)
    crm.refresh()
    assert crm("GET", "/crm/v8/org", header={"Authorization": first}).status_code == 401


def test_a_grant_code_is_exchanged_once(crm: Client, clock: Time) -> None:
    """It gives a refresh token of its own; a second time, or too late, it is invalid."""
    crm.hand("grant", code="1000.code")
    form = {"grant_type": "authorization_code", "code": "1000.code"}
    given = crm.refresh(**form)
    assert "access_token" in crm.refresh(refresh_token=given["refresh_token"])
    assert crm.refresh(**form) == {"error": "invalid_code"}
    crm.hand("grant", code="1000.late", expires_in=180)
    clock.pass_(minutes=3)
    assert crm.refresh(**{**form, "code": "1000.late"}) == {"error": "invalid_code"}


def test_revoking_ends_every_token(crm: Client) -> None:
    """Neither the access token nor the refresh token opens anything afterwards."""
    requests.post(f"{crm.url}{TOKEN}/revoke", data={"token": crm.crm.refresh_token}, timeout=5)
    assert crm("GET", "/crm/v8/org").status_code == 401
    assert crm.refresh() == {"error": "invalid_code"}


def test_a_missing_scope_is_401_of_its_own() -> None:
    """OAUTH_SCOPE_MISMATCH; ALL and the whole of `modules` stand for the single ones."""
    few = [scope for scope in SCOPES if "org" not in scope and "contacts" not in scope]
    with served(scopes=[*few, "ZohoCRM.modules.READ"]) as crm:
        refused = crm("GET", "/crm/v8/org")
        assert (refused.status_code, refused.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")
        assert crm("GET", CONTACTS, fields="Email").status_code == 200
        assert crm.update({"id": ids(crm)[0], "Phone": "1"}).json()["code"] == (
            "OAUTH_SCOPE_MISMATCH"
        )


def test_credits_show_once_half_are_gone_and_come_back(clock: Time) -> None:
    """20 credits: the header from the tenth on, 429 without Retry-After, a day heals."""
    with served(clock=clock, credits=20) as crm:
        left = [crm("GET", "/crm/v8/org").headers.get("X-API-CREDITS-REMAINING") for _ in range(20)]
        assert left == [None] * 9 + [str(n) for n in range(10, -1, -1)]
        refused = crm("GET", "/crm/v8/org")
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
        assert "Retry-After" not in refused.headers
        clock.pass_(hours=24)
        crm.session.headers["Authorization"] = f"Zoho-oauthtoken {crm.refresh()['access_token']}"
        assert crm("GET", "/crm/v8/org").status_code == 200


def test_what_calls_cost(crm: Client) -> None:
    """Deleted 2, ten rows 1, a query by its limit, a tag 1 for fifty records."""
    some = ids(crm)[:11]

    def cost(*call: Any, **query: Any) -> int:
        before = crm.crm.credits.used
        crm(*call, **query)
        return crm.crm.credits.used - before

    assert cost("GET", f"{CONTACTS}/deleted") == 2
    rows = [{"id": one, "Phone": "1"} for one in some]
    assert cost("PUT", CONTACTS, {"data": rows[:10]}) == 1
    assert cost("PUT", CONTACTS, {"data": rows}) == 2
    for limit, price in ((200, 1), (1000, 2), (2000, 3)):
        text = f"select id from Contacts where id is not null limit {limit}"
        assert cost("POST", "/crm/v8/coql", {"select_query": text}) == price
    tags = {"tags": [{"name": "dupe-review"}], "ids": some}
    assert cost("POST", f"{CONTACTS}/actions/add_tags", tags) == 1
    assert crm.value(some[0], "Tag") == [{"name": "dupe-review"}]


# -- reading --------------------------------------------------------------------------------------


def test_fields_are_mandatory_and_at_most_fifty(crm: Client) -> None:
    """None, 51, or one that does not exist: 400 with Zoho's codes."""
    assert crm("GET", CONTACTS).json()["code"] == "REQUIRED_PARAM_MISSING"
    many = ",".join(["Email"] * 51)
    assert crm("GET", CONTACTS, fields=many).json()["code"] == "LIMIT_EXCEEDED"
    assert crm("GET", CONTACTS, fields="Nonsense").json()["code"] == "INVALID_DATA"
    assert crm("GET", CONTACTS, fields="Email", per_page=201).status_code == 400


def test_values_have_their_types(crm: Client) -> None:
    """Ids are text of 19 digits, times have the account's offset, lookups are objects."""
    row = crm("GET", CONTACTS, fields="Owner,Email_Opt_Out,Modified_Time,Title").json()["data"][0]
    assert len(row["id"]) == 19
    assert datetime.fromisoformat(row["Modified_Time"]).utcoffset() in {
        timedelta(hours=1),
        timedelta(hours=2),
    }
    assert set(row["Owner"]) == {"name", "id", "email"}
    assert isinstance(row["Email_Opt_Out"], bool)


def test_page_tokens_bring_every_record_once(crm: Client) -> None:
    """In either order, whatever is deleted meanwhile; the end is `more_records: false`."""
    for order in ("asc", "desc"):
        query = {"fields": "Email", "per_page": 7, "sort_by": "Modified_Time", "sort_order": order}
        seen: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = crm("GET", CONTACTS, **query, **token).json()
            seen += [row["id"] for row in page["data"]]
            if len(seen) == 14:
                crm.hand("delete", id=seen[-1])
            if not page["info"]["more_records"]:
                break
            token = {"page_token": page["info"]["next_page_token"]}
        assert len(seen) == len(set(seen))
        assert set(ids(crm)) <= set(seen)


def test_both_ways_of_paging_have_their_reach(clock: Time) -> None:
    """`page` ends early, `page_token` later; a token is bound to its parameters and its day."""
    with served(clock=clock, page_reach=20, token_reach=40) as crm:
        query = {"fields": "Email", "per_page": 10, "sort_by": "id", "sort_order": "asc"}
        assert crm("GET", CONTACTS, **query, page=2).status_code == 200
        beyond = crm("GET", CONTACTS, **query, page=3).json()
        assert beyond["code"] == "DISCRETE_PAGINATION_LIMIT_EXCEEDED"
        assert beyond["details"]["limit"] == 20
        tokens = [crm("GET", CONTACTS, **query).json()["info"]["next_page_token"]]
        for _ in range(3):
            page = crm("GET", CONTACTS, **query, page_token=tokens[-1]).json()
            tokens.append(page["info"]["next_page_token"])
        assert crm("GET", CONTACTS, **query, page_token=tokens[-1]).json()["code"] == (
            "PAGINATION_LIMIT_EXCEEDED"
        )
        other = {**query, "fields": "Phone", "page_token": tokens[0]}
        assert crm("GET", CONTACTS, **other).json()["code"] == "TOKEN_BOUND_DATA_MISMATCH"
        both = {**query, "page": 2, "page_token": tokens[0]}
        assert crm("GET", CONTACTS, **both).json()["code"] == "AMBIGUITY_DURING_PROCESSING"
        clock.pass_(hours=24)
        crm.session.headers["Authorization"] = f"Zoho-oauthtoken {crm.refresh()['access_token']}"
        late = crm("GET", CONTACTS, **query, page_token=tokens[0])
        assert late.json()["code"] == "EXPIRED_VALUE"


def test_nothing_is_204_or_304_without_a_body(crm: Client, clock: Time) -> None:
    """No rows: 204; none since: 304; since is inclusive."""
    none = crm("GET", CONTACTS, fields="Email", ids="5545974000000999999")
    assert (none.status_code, none.content) == (204, b"")
    clock.pass_(minutes=1)
    later = {"If-Modified-Since": "2026-11-02T11:01:00+01:00"}
    nothing = crm("GET", CONTACTS, fields="Email", header=later)
    assert (nothing.status_code, nothing.content) == (304, b"")
    edited = ids(crm)[4]
    crm.hand("edit", id=edited, values={"Title": "Beekeeper"})
    found = crm("GET", CONTACTS, fields="Email", header=later).json()["data"]
    assert [row["id"] for row in found] == [edited]
    assert crm("GET", f"{CONTACTS}/deleted").status_code == 204


def test_at_most_a_hundred_ids(crm: Client) -> None:
    """101 are refused."""
    many = ",".join(str(5545974000000200001 + n) for n in range(101))
    assert crm("GET", CONTACTS, fields="Email", ids=many).json()["code"] == "LIMIT_EXCEEDED"


def test_deleted_records_have_a_list_of_their_own(crm: Client, clock: Time) -> None:
    """Recycled with a name, erased without, merged-away children among them, since a time."""
    first, second, master, child = ids(crm)[:4]
    crm.hand("delete", id=first)
    clock.pass_(minutes=5)
    crm.hand("erase", id=second)
    crm.hand("merge", master=master, children=[child])
    rows = {row["id"]: row for row in crm("GET", f"{CONTACTS}/deleted").json()["data"]}
    assert {one: rows[one]["type"] for one in rows} == {
        first: "recycle", second: "permanent", child: "recycle",
    }  # fmt: skip
    assert rows[second]["display_name"] is None
    assert rows[first]["display_name"]
    since = {"If-Modified-Since": "2026-11-02T11:01:00+01:00"}
    recent = crm("GET", f"{CONTACTS}/deleted", header=since).json()["data"]
    assert {row["id"] for row in recent} == {second, child}
    crm.hand("restore", id=first)
    left = crm("GET", f"{CONTACTS}/deleted", type="recycle").json()["data"]
    assert [row["id"] for row in left] == [child]
    assert crm("GET", f"{CONTACTS}/{first}").status_code == 200


def test_queries_need_a_condition_and_pairs(crm: Client) -> None:
    """Without `where`, with three criteria in a row, with an unknown field: refused."""
    assert crm.query("select id from Contacts").json()["code"] == "SYNTAX_ERROR"
    three = "id is not null and Email is not null and Phone is not null"
    assert crm.query(f"select id from Contacts where {three}").json()["code"] == "SYNTAX_ERROR"
    pairs = "((id is not null and Email is not null) and Phone is not null)"
    assert crm.query(f"select id, Email from Contacts where {pairs}").status_code == 200
    assert crm.query("select Nope from Contacts where id is not null").json()["code"] == (
        "INVALID_QUERY"
    )
    text = "select id from Tasks where Description = 'x'"
    assert crm.query(text).json()["code"] == "INVALID_QUERY"
    assert crm.query("select id from Contacts where id is null").status_code == 204
    wide = "select id from Contacts where id is not null limit 2001"
    assert crm.query(wide).json()["code"] == "LIMIT_EXCEEDED"


def test_queries_read_by_key(crm: Client, clock: Time) -> None:
    """`id >` and `Modified_Time >=` bring each record once, in order."""
    last, seen = "0", []
    while True:
        answer = crm.query(f"select id from Contacts where id > '{last}' order by id limit 25")
        page = answer.json()
        seen += [row["id"] for row in page["data"]]
        last = seen[-1]
        if not page["info"]["more_records"]:
            break
    assert seen == sorted(seen) == ids(crm)
    clock.pass_(seconds=5)
    crm.hand("edit", id=seen[7], values={"Title": "O'Brien"})
    when = "2026-11-02T11:00:05+01:00"
    text = f"select id, Title from Contacts where (Modified_Time >= '{when}' and id > '0')"
    assert crm.query(text).json()["data"] == [{"id": seen[7], "Title": "O'Brien"}]
    quoted = "select id from Contacts where Title = 'O''Brien'"
    assert crm.query(quoted).json()["data"] == [{"id": seen[7]}]
    newest = "select id from Contacts where id is not null order by Modified_Time desc limit 1"
    assert crm.query(newest).json()["data"] == [{"id": seen[7]}]


def test_queries_may_lag(clock: Time) -> None:
    """With a lag, a change shows to a query later than to a read by id."""
    with served(clock=clock, query_lag=timedelta(seconds=30)) as crm:
        edited = ids(crm)[0]
        crm.hand("edit", id=edited, values={"Title": "Beekeeper"})
        text = "select id from Contacts where Title = 'Beekeeper'"
        assert crm.query(text).status_code == 204
        assert crm.value(edited, "Title") == "Beekeeper"
        clock.pass_(seconds=30)
        assert crm.query(text).json()["data"] == [{"id": edited}]


# -- writing --------------------------------------------------------------------------------------


def test_each_row_has_its_own_outcome(crm: Client) -> None:
    """200 when all are done, 207 when some are, 400 when none is, in the order of the rows."""
    one, two = ids(crm)[:2]
    assert crm.update({"id": one, "Phone": "1"}).status_code == 200
    mixed = crm.update({"id": one, "Email": "nonsense"}, {"id": two, "Phone": "2"})
    assert mixed.status_code == 207
    codes = [row["code"] for row in mixed.json()["data"]]
    assert codes == ["INVALID_DATA", "SUCCESS"]
    assert mixed.json()["data"][0]["details"]["api_name"] == "Email"
    assert mixed.json()["data"][1]["details"]["Modified_Time"]
    assert crm.update({"id": "1", "Phone": "1"}).status_code == 400
    assert crm.update(*[{"id": one}] * 101).json()["details"]["maximum_length"] == 100
    with served(refused_status=202) as other:
        assert other.update({"id": "1", "Phone": "1"}).status_code == 202


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"Last_Name": None}, "MANDATORY_NOT_FOUND"),
        ({"Phone": 5}, "INVALID_DATA"),
        ({"Email_Opt_Out": "true"}, "INVALID_DATA"),
        ({"Score": "5"}, "INVALID_DATA"),
        ({"First_Name": "x" * 41}, "INVALID_DATA"),
        ({"Date_of_Birth": "1.2.1990"}, "INVALID_DATA"),
        ({"Owner": {"id": "5545974000000193005"}}, "INVALID_DATA"),
        ({"Modified_Time": "2026-11-02T11:00:00+01:00"}, "INVALID_DATA"),
        ({"No_Such_Field": "x"}, "INVALID_DATA"),
    ],
)
def test_types_are_strict(crm: Client, values: dict[str, Any], code: str) -> None:
    """Text, truth, numbers, lengths, dates, active owners: what does not fit is refused."""
    answer = crm.update({"id": ids(crm)[0], **values})
    assert (answer.status_code, answer.json()["data"][0]["code"]) == (400, code)
    assert answer.json()["data"][0]["details"]["api_name"] == next(iter(values))


def test_null_clears_and_every_write_moves_the_time(crm: Client, clock: Time) -> None:
    """The same value again moves Modified_Time too."""
    one = ids(crm)[0]
    crm.hand("edit", id=one, values={"Title": "Beekeeper"})
    clock.pass_(seconds=1)
    crm.update({"id": one, "Title": None})
    assert crm.value(one, "Title") is None
    clock.pass_(seconds=1)
    crm.update({"id": one, "Title": None})
    assert crm.value(one, "Modified_Time") == "2026-11-02T11:00:02+01:00"


def test_a_precondition_holds_to_the_second(crm: Client) -> None:
    """Modified since: 412 with the time it has now; not modified since: done."""
    one = ids(crm)[0]
    known = {"If-Unmodified-Since": crm.value(one, "Modified_Time")}
    crm.hand("edit", id=one, values={"Title": "Beekeeper"})
    refused = crm.update({"id": one, "Phone": "1"}, header=known)
    row = refused.json()["data"][0]
    assert (refused.status_code, row["code"]) == (412, "ALREADY_MODIFIED")
    assert row["details"]["Modified_Time"] == "2026-11-02T11:00:00+01:00"
    again = {"If-Unmodified-Since": row["details"]["Modified_Time"]}
    assert crm.update({"id": one, "Phone": "1"}, header=again).status_code == 200
    two = crm.update({"id": one}, {"id": ids(crm)[1]}, header=again)
    assert two.status_code == 501


def test_a_unique_field_names_its_holder() -> None:
    """DUPLICATE_DATA holds the id of the record that has the value."""
    with served(unique_email=True) as crm:
        holder = next(row for row in crm.crm.active() if row["values"].get("Email"))
        other = next(one for one in ids(crm) if one != holder["id"])
        answer = crm.update({"id": other, "Email": holder["values"]["Email"].upper()})
        row = answer.json()["data"][0]
        assert row["code"] == "DUPLICATE_DATA"
        assert row["details"]["duplicate_record"]["id"] == holder["id"]


def test_a_locked_record_is_not_written(crm: Client) -> None:
    """Neither updated, deleted nor merged; it says so of itself."""
    one, two = ids(crm)[:2]
    crm.hand("lock", id=one)
    assert crm.update({"id": one, "Phone": "1"}).json()["data"][0]["code"] == "RECORD_LOCKED"
    deleted = crm("DELETE", CONTACTS, ids=one)
    assert deleted.json()["data"][0]["code"] == "RECORD_LOCKED"
    assert crm.value(one, "$locked_for_me") is True
    body = {"merge": [{"data": [{"id": one}]}]}
    refused = crm("POST", f"{CONTACTS}/{two}/actions/merge", body)
    assert refused.json()["merge"][0]["code"] == "NOT_ALLOWED"


def test_deleting_goes_to_the_recycle_bin(crm: Client) -> None:
    """Each row has its own outcome; a record that is gone is INVALID_DATA."""
    one, two = ids(crm)[:2]
    answer = crm("DELETE", CONTACTS, ids=f"{one},1,{two}", wf_trigger="false")
    assert answer.status_code == 207
    codes = [row["code"] for row in answer.json()["data"]]
    assert codes == ["SUCCESS", "INVALID_DATA", "SUCCESS"]
    assert {one, two}.isdisjoint(ids(crm))


def test_opting_out_is_dated(crm: Client) -> None:
    """The flag brings mode and time; taking it back removes them."""
    one = next(r["id"] for r in crm.crm.active() if not r["values"].get("Unsubscribed_Time"))
    crm.update({"id": one, "Email_Opt_Out": True})
    assert crm.value(one, "Unsubscribed_Mode") == "Manual"
    assert crm.value(one, "Unsubscribed_Time") == "2026-11-02T11:00:00+01:00"
    crm.update({"id": one, "Email_Opt_Out": False})
    assert crm.value(one, "Unsubscribed_Time") is None
    crm.hand("opt_out", id=one)
    assert crm.value(one, "Unsubscribed_Mode") == "Unsubscribe link"


# -- merging --------------------------------------------------------------------------------------


def test_a_merge_takes_what_is_chosen_and_bins_the_children(crm: Client) -> None:
    """The master keeps its values but the chosen ones; tasks follow; children go to the bin."""
    master, one, two = ids(crm)[:3]
    crm.hand("edit", id=one, values={"Phone": "111", "Title": "Child"})
    task = {"Subject": "Call", "Who_Id": {"id": two}}
    crm("POST", "/crm/v8/Tasks", {"data": [task]})
    name = crm.value(master, "Last_Name")
    children = [{"id": one, "_fields": [{"api_name": "Phone"}]}, {"id": two}]
    answer = crm("POST", f"{CONTACTS}/{master}/actions/merge", {"merge": [{"data": children}]})
    assert answer.json()["merge"][0]["code"] == "SUCCESS"
    assert answer.json()["merge"][0]["details"]["id"] == master
    assert (crm.value(master, "Phone"), crm.value(master, "Last_Name")) == ("111", name)
    assert crm.value(master, "Title") != "Child"
    assert {one, two}.isdisjoint(ids(crm))
    found = crm.query(f"select id, Subject from Tasks where Who_Id = '{master}'").json()["data"]
    assert [row["Subject"] for row in found] == ["Call"]


@pytest.mark.parametrize(
    ("children", "code"),
    [
        ([], "MANDATORY_NOT_FOUND"),
        ([{"id": "1"}], "INVALID_DATA"),
        ([{"id": "1"}, {"id": "2"}, {"id": "3"}], "LIMIT_EXCEEDED"),
    ],
)
def test_a_merge_is_refused_inside_its_own_list(
    crm: Client, children: list[Any], code: str
) -> None:
    """No child, an unknown one, three of them: 400 with `merge[]`."""
    path = f"{CONTACTS}/{ids(crm)[0]}/actions/merge"
    answer = crm("POST", path, {"merge": [{"data": children}]})
    assert (answer.status_code, answer.json()["merge"][0]["code"]) == (400, code)


def test_a_scheduled_merge_is_a_job(clock: Time) -> None:
    """202 SCHEDULED, records in merge meanwhile, completed when its time has come."""
    with served(clock=clock, merge_job=timedelta(seconds=20)) as crm:
        master, child = ids(crm)[:2]
        path = f"{CONTACTS}/{master}/actions/merge"
        answer = crm("POST", path, {"merge": [{"data": [{"id": child}]}]})
        row = answer.json()["merge"][0]
        assert (answer.status_code, row["code"]) == (202, "SCHEDULED")
        job = row["details"]["job_id"]
        assert crm("GET", path, job_id=job).json()["merge"][0]["status"] == "SCHEDULED"
        assert crm.value(child, "$in_merge") is True
        clock.pass_(seconds=20)
        assert crm("GET", path, job_id=job).json()["merge"][0]["status"] == "COMPLETED"
        assert child not in ids(crm)
        assert crm.value(master, "$in_merge") is False


# -- tasks, users, schema -------------------------------------------------------------------------


def test_tasks_are_made_and_found(crm: Client) -> None:
    """201 with an id; found by `Who_Id`, open or closed; wrong owners and values refused."""
    contact = ids(crm)[0]
    task = {
        "Subject": "Please look",
        "Description": "Why.\n[crm-steward 0123]",
        "Due_Date": "2026-12-01",
        "Status": "Not Started",
        "Priority": "High",
        "Owner": {"id": "5545974000000193002"},
        "Who_Id": {"id": contact},
    }
    made = crm("POST", "/crm/v8/Tasks", {"data": [task], "trigger": []})
    assert made.status_code == 201
    task_id = made.json()["data"][0]["details"]["id"]
    crm.hand("close_task", id=task_id)
    text = f"select id, Status, Description from Tasks where Who_Id = '{contact}'"
    (found,) = crm.query(text).json()["data"]
    assert (found["id"], found["Status"]) == (task_id, "Completed")
    listed = crm("GET", "/crm/v8/Tasks", fields="Subject,Who_Id,Owner").json()["data"]
    assert listed[0]["Who_Id"]["id"] == contact
    assert crm.crm.summary()["tasks_by_marker"] == {"0123": 1}
    left = {**task, "Owner": {"id": "5545974000000193005"}}
    refused = crm("POST", "/crm/v8/Tasks", {"data": [left]}).json()["data"][0]
    assert (refused["code"], refused["details"]["api_name"]) == ("INVALID_DATA", "Owner")
    odd = {**task, "Status": "Odd"}
    assert crm("POST", "/crm/v8/Tasks", {"data": [odd]}).status_code == 400


def test_users_come_by_kind(crm: Client) -> None:
    """Four work here, one has left, nobody was deleted."""
    assert len(crm("GET", "/crm/v8/users", type="ActiveUsers").json()["users"]) == 4
    (left,) = crm("GET", "/crm/v8/users", type="DeactiveUsers").json()["users"]
    assert left["full_name"] == "Alain Sorel"
    assert crm("GET", "/crm/v8/users", type="DeletedUsers").status_code == 204


def test_privacy_fields_come_with_the_setting() -> None:
    """`privacy_settings` is the organisation's; without it the two fields do not exist."""
    for on in (True, False):
        with served(privacy=on) as crm:
            assert crm("GET", "/crm/v8/org").json()["org"][0]["privacy_settings"] is on
            fields = crm("GET", "/crm/v8/settings/fields", module="Contacts").json()["fields"]
            names = {field["api_name"] for field in fields}
            assert ("Data_Processing_Basis" in names) is on
            assert ("Data_Processing_Basis_Details" in names) is on


def test_an_admin_drops_a_custom_field(crm: Client) -> None:
    """It is neither listed nor readable afterwards; a standard field cannot be dropped."""
    crm.hand("drop_field", name="Customer_Number")
    assert crm("GET", CONTACTS, fields="Customer_Number").json()["code"] == "INVALID_DATA"
    with pytest.raises(ValueError, match="no custom field"):
        crm.hand("drop_field", name="Email")


def test_what_is_not_documented_is_refused(crm: Client) -> None:
    """Unknown paths, parameters, body keys and deeds are 501 or an error."""
    assert crm("GET", "/crm/v8/Leads").status_code == 501
    assert crm("GET", CONTACTS, fields="Email", approved="true").status_code == 501
    assert crm("PUT", CONTACTS, {"data": [], "lar_id": "1"}).status_code == 501
    with pytest.raises(ValueError, match="people here can"):
        crm.hand("dance")


def test_a_state_survives_a_round_trip(crm: Client) -> None:
    """`reset` with a state brings back records, tokens and settings; the same seed the same people."""
    one = ids(crm)[0]
    crm.hand("edit", id=one, values={"Title": "Beekeeper"})
    state = crm.crm.state()
    crm.crm.reset()
    assert crm("GET", "/crm/v8/org").status_code == 401
    crm.crm.reset(state)
    assert crm.value(one, "Title") == "Beekeeper"
    again = ZohoSandbox(contacts=60, seed=7, clock=Time(), born=crm.crm.born)
    assert [row["id"] for row in again.active()] == ids(crm)


def test_scripted_faults_speak_zoho(crm: Client) -> None:
    """429 without Retry-After, a row of a batch that fails, a token that expires on the way."""
    one, two = ids(crm)[:2]
    faults = [
        {"path": "/org", "status": 429},
        {"method": "PUT", "path": "Contacts", "partial": {"rows": [1]}},
        {"path": "/users", "expire_token": True},
    ]
    server_faults = parse_faults(faults)
    with serve(ZohoSandbox(contacts=5), faults=server_faults) as server:
        client = Client(server)
        assert client("GET", "/crm/v8/org").json()["code"] == "TOO_MANY_REQUESTS"
        one, two = ids(client)[:2]
        answer = client.update({"id": one, "Phone": "1"}, {"id": two, "Phone": "1"})
        assert [row["code"] for row in answer.json()["data"]] == ["SUCCESS", "INVALID_DATA"]
        assert client("GET", "/crm/v8/users").json()["code"] == "INVALID_TOKEN"
        client.session.close()
