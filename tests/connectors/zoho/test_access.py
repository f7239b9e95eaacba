"""Tokens, data centres, scopes, credits, and what becomes of answers that are not Zoho's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import responses
from pydantic import ValidationError
from tests.connectors.zoho.conftest import QUICK, Org, Serve

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.connect.discovery import open_connection
from crm_steward.sandbox import parse_faults
from crm_steward.sdk import (
    ArchiveRecord,
    AuthError,
    ConfigError,
    Connector,
    MemoryVault,
    RetryableError,
    StewardError,
    UndeleteRecords,
)
from crm_steward_zoho import DATA_CENTERS, SPEC, ZohoSettings
from crm_steward_zoho.sandbox import SCOPES

ONCE = RetryPolicy(attempts=1)
SECRETS = {"client_id": "1000.ABC", "client_secret": "s3cret-client", "refresh_token": "s3cret-r"}
GIVEN = {"access_token": "s3cret-a", "expires_in": 3600, "token_type": "Bearer"}


def direct(**settings: Any) -> Connector:
    """Open a connection to Zoho itself, or to what stands in for it."""
    given = ZohoSettings.model_validate({**SECRETS, **settings})
    return open_connection("zoho", given, calls=Calls("zoho", policy=ONCE))


# -- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"refresh_token": None}, "refresh_token is missing"),
        ({"code": "1000.c"}, "not both"),
        ({"data_center": "uk"}, "data_center"),
        ({"credits": 5}, "credits"),
        ({"fields": {"stages": "X"}}, "did you mean 'stage'"),
    ],
)
def test_settings_that_open_no_way_in_are_named(settings: dict[str, Any], said: str) -> None:
    """Each mistake is named; no secret is in the message."""
    given = {k: v for k, v in {**SECRETS, **settings}.items() if v is not None}
    with pytest.raises(ValidationError) as caught:
        ZohoSettings.model_validate(given)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_init_asks_for_the_secrets_of_the_usual_way() -> None:
    """The client's secret and the refresh token."""
    assert SPEC.secrets == ("client_secret", "refresh_token")


# -- tokens -----------------------------------------------------------------------------------


@responses.activate
@pytest.mark.parametrize("center", sorted(DATA_CENTERS))
def test_each_data_centre_has_its_hosts(center: str) -> None:
    """Tokens come from its accounts host, and calls go where the token's answer says."""
    hosts = DATA_CENTERS[center]
    api = f"https://www.{hosts.api}"
    responses.post(f"https://{hosts.accounts}/oauth/v2/token", json={**GIVEN, "api_domain": api})
    responses.get(f"{api}/crm/v8/settings/fields", json={"fields": [{"api_name": "Email"}]})
    responses.get(f"{api}/crm/v8/Contacts", status=204)
    assert direct(data_center=center).get([]) == {}
    assert [call.request.url.split("?")[0] for call in responses.calls] == [
        f"https://{hosts.accounts}/oauth/v2/token",
        f"{api}/crm/v8/settings/fields",
    ]
    header = responses.calls[1].request.headers["Authorization"]
    assert header == "Zoho-oauthtoken s3cret-a"


@responses.activate
def test_without_a_domain_the_data_centre_s_own_is_used() -> None:
    """The answer names none: the table does."""
    responses.post("https://accounts.zoho.eu/oauth/v2/token", json=GIVEN)
    responses.get(
        "https://www.zohoapis.eu/crm/v8/settings/fields", json={"fields": [{"api_name": "Email"}]}
    )
    assert direct(data_center="eu").get([]) == {}


@responses.activate
@pytest.mark.parametrize(
    "domain",
    ["https://zohoapis.com.evil.example", "http://www.zohoapis.com", "https://evilzohoapis.com",
     "https://www.zohoapis.com@evil.example", "https://127.0.0.1", "https://www.zohoapis.com:8443",
     "https://[", 5],
)  # fmt: skip
def test_a_token_goes_to_no_stranger(domain: Any) -> None:
    """An api_domain that is not Zoho's is named as wrong, and nothing is sent there."""
    answer = {**GIVEN, "api_domain": domain}
    responses.post("https://accounts.zoho.com/oauth/v2/token", json=answer)
    with pytest.raises(ConfigError, match="does not belong to Zoho"):
        direct().get([])
    assert len(responses.calls) == 1


@responses.activate
def test_an_allowed_host_may_be_named() -> None:
    """`allow_hosts` lets a token go to one more host."""
    answer = {**GIVEN, "api_domain": "https://zoho.proxy.example"}
    responses.post("https://accounts.zoho.com/oauth/v2/token", json=answer)
    responses.get(
        "https://zoho.proxy.example/crm/v8/settings/fields",
        json={"fields": [{"api_name": "Email"}]},
    )
    assert direct(allow_hosts=["proxy.example"]).get([]) == {}


@responses.activate
@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ({"error": "invalid_code"}, AuthError, "refuses the refresh token (invalid_code)"),
        ({"error": "invalid_client"}, AuthError, "refuses the client (invalid_client)"),
        ({"error": "Access Denied"}, RetryableError, "no more access tokens for some minutes"),
        ({"error": "access_denied"}, RetryableError, "no more access tokens for some minutes"),
        ({"error": {"odd": 1}}, RetryableError, "not Zoho's JSON"),
        ({"access_token": 5}, RetryableError, "not Zoho's JSON"),
        ({"access_token": "a b\n"}, RetryableError, "not Zoho's JSON"),
        ([], RetryableError, "not Zoho's JSON"),
    ],
)
def test_a_token_that_is_none_is_told_by_the_body(
    answer: Any, kind: type[StewardError], said: str
) -> None:
    """Status 200 says nothing: the body does. Messages hold no secret."""
    responses.post("https://accounts.zoho.com/oauth/v2/token", json=answer)
    with pytest.raises(kind) as caught:
        direct().get([])
    assert said in str(caught.value)
    assert caught.value.hint
    assert "s3cret" not in repr(caught.value) + str(vars(caught.value))
    assert caught.value.__context__ is None


@responses.activate
@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_accounts_host_in_trouble_is_asked_later(status: int) -> None:
    """A web page instead of an answer: for the moment."""
    responses.post("https://accounts.zoho.com/oauth/v2/token", body="<html>", status=status)
    with pytest.raises(RetryableError):
        direct().get([])


def test_a_code_is_exchanged_once_for_good(org: Org) -> None:
    """The refresh token it gives is in the vault before use; a new process needs no code."""
    org.hand("grant", code="1000.once")
    way = {"refresh_token": None, "code": "1000.once"}
    assert org.open(**way).check().name == "Emulated Trading"
    org.hand("expire")
    assert org.open(**way).check().name == "Emulated Trading"
    assert org.crm.tables["codes"] == {}
    with pytest.raises(AuthError, match=r"refuses the code \(invalid_code\)") as caught:
        org.open(vault=MemoryVault(), **way).check()
    assert "Generate another one" in caught.value.hint


def test_a_code_whose_answer_is_lost_is_not_sent_again(org: Org) -> None:
    """It would be refused the second time; the message says what happened."""
    org.hand("grant", code="1000.once")
    org.server.faults.add(parse_faults({"path": "/oauth", "reset": "after"}))
    with pytest.raises(RetryableError, match="accounts host"):
        org.open(refresh_token=None, code="1000.once").check()
    assert org.calls("/oauth") == 1


def test_threads_and_processes_share_one_token(org: Org) -> None:
    """Twenty connections at once, and one more later: a single token is issued."""
    failures: list[BaseException] = []

    def use() -> None:
        try:
            org.open().get(org.refs(1))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    org.open().get(org.refs(1))
    assert failures == []
    assert org.calls("/oauth") == 1


def test_an_hour_of_reading_takes_a_token_every_48_minutes(org: Org) -> None:
    """Renewed at four fifths of its life, before Zoho refuses it."""
    now = [datetime.now(UTC)]
    connector = org.open(clock=lambda: now[0])
    for _ in range(25):
        connector.get(org.refs(1))
        now[0] += timedelta(minutes=10)
        org.crm.offset += timedelta(minutes=10)
    assert org.calls("/oauth") == 5
    assert all(entry["status"] == 200 for entry in org.server.log)


def test_a_withdrawn_token_costs_few_calls(org: Org) -> None:
    """Revoked: one refused call, one refused renewal, an AuthError with what to do."""
    connector = org.open()
    connector.get(org.refs(1))
    org.server.log.clear()
    org.hand("revoke")
    with pytest.raises(AuthError, match="refuses the refresh token") as caught:
        connector.get(org.refs(1))
    assert "self client" in caught.value.hint
    assert len(org.server.log) == 2


# -- scopes, check ----------------------------------------------------------------------------


SEEN = [scope for scope in SCOPES if not scope.endswith(".UPDATE")]
"""Scopes whose absence shows without writing."""


@pytest.mark.parametrize("scope", SEEN)
def test_check_names_each_missing_scope(org: Org, scope: str) -> None:
    """Without one scope the rest is still found out, and the scope is named with its remedy."""
    org.hand("scopes", scopes=[one for one in SCOPES if one != scope])
    account = org.open().check()
    wanted = scope.replace(".ALL", ".READ")
    assert any(wanted in line for line in account.missing)
    assert all("refresh token" in line for line in account.missing)
    assert bool(account.id) is ("org" not in scope)
    assert bool(account.owners) is ("users" not in scope)


def test_a_missing_scope_to_bring_back_is_named(org: Org) -> None:
    """It shows with the first undoing of an archiving: the scope is named, nothing came back."""
    connector = org.open()
    (ref,) = org.refs(1)
    list(connector.apply([ArchiveRecord(ref=ref, reason="test")]))
    org.hand("scopes", scopes=SEEN)
    with pytest.raises(AuthError, match=r"ZohoCRM\.settings\.recycle_bin\.UPDATE"):
        list(org.open().apply([UndeleteRecords(ref=ref, records=(ref,))]))
    assert connector.get([ref]) == {}


def test_check_tells_the_account(org: Org) -> None:
    """Organisation, zone, fields with labels and options, users of today and of yesterday."""
    account = org.open().check()
    assert (account.id, account.name) == ("20081234567", "Emulated Trading")
    assert account.time_zone == "Europe/Paris"
    assert [owner.name for owner in account.owners.values() if not owner.active] == ["Alain Sorel"]
    assert account.fields["Lead_Source"].options[0] == "Web Form"
    assert not account.fields["Account_Name"].writable
    assert account.fields["Customer_Number"].label == "Customer Number"
    assert account.missing == ()
    assert account.quota == {}


def test_check_names_a_basis_nobody_understands(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picklist with values of its own: said, because they allow nothing."""
    honest = org.crm.answer

    def extended(request: Any) -> Any:
        answer = honest(request)
        if request.path.endswith("/settings/fields"):
            for field in answer.body["fields"]:
                if field["api_name"] == "Data_Processing_Basis":
                    field["pick_list_values"].append({"actual_value": "Because"})
        return answer

    monkeypatch.setattr(org.crm, "answer", extended)
    missing = org.open().check().missing
    assert missing == (
        "Data_Processing_Basis has 1 values that are not understood and allow nothing.",
    )


def test_check_says_what_is_left_of_the_credits(served: Serve) -> None:
    """Once half of them are gone, Zoho says it, and so do we."""
    with served(credits=20) as org:
        for _ in range(2):
            account = org.open(credits=100).check()
        assert account.quota == {"credits": 20 - org.crm.credits.used}


def test_a_missing_permission_is_the_user_s(org: Org) -> None:
    """403 NO_PERMISSION is not a scope; no call is made twice for it."""
    org.server.faults.add(parse_faults({"path": "/org", "status": 403}))
    missing = org.open().check().missing
    assert missing[0].startswith("The user behind the token may not do what ZohoCRM.org.READ")
    assert list(org.open().read(None))[-1].complete  # links are left out


# -- limits and strange answers ---------------------------------------------------------------


def test_no_credits_left_waits_for_hours_and_concurrency_for_moments(served: Serve) -> None:
    """Zoho answers both alike: what it last said of the credits tells them apart."""
    with served(credits=30) as org:
        connector = org.open(credits=100, calls=Calls("zoho", policy=ONCE))
        org.server.faults.add(parse_faults({"path": "ids=", "status": 429, "times": 1}))
        with pytest.raises(RetryableError) as caught:
            connector.get(org.refs(1))
        assert caught.value.retry_after is None
        assert not caught.value.sent
        with pytest.raises(RetryableError) as caught:
            for _ in range(40):
                connector.get(org.refs(1))
        assert caught.value.retry_after == 3600
        assert "no credits left" in str(caught.value)


def test_credits_are_kept_to_our_share(served: Serve) -> None:
    """Half of the day's credits are ours, whatever the edition: the setting says how many."""
    with served() as org:
        calls = Calls("zoho", SPEC.quotas, daily_share=0.5, policy=QUICK)
        connector = org.open(credits=100, calls=calls)
        with pytest.raises(RetryableError, match="its quota 'credits' is closed"):
            for _ in range(60):
                connector.get(org.refs(1))
        assert org.crm.credits.used in range(45, 51)


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and calls go through it, as the session promises."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(RetryableError, match="ProxyError"):
        direct().get([])


def test_a_redirect_takes_the_token_nowhere() -> None:
    """It is named and not followed."""
    with answering(302, {"Location": "http://127.0.0.1:9/steal"}, b"") as (url, seen):
        with pytest.raises(ConfigError, match="redirect"):
            direct(base_url=url).get([])
        assert [path for path, _ in seen] == ["/oauth/v2/token", "/crm/v8/settings/fields"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Welcome</html>"),
        (200, b'{"data": [{"id"'),
        (200, b"[1, 2]"),
        (200, b'{"data": ' + b"[" * 100_000),
        (200, b'{"code": "INTERNAL_ERROR", "status": "error"}'),
        (200, b'{"code": 5, "status": "error", "details": "x"}'),
        (502, "Pas trouvé".encode("latin-1")),
        (500, b""),
        (408, b"null"),
    ],
)
def test_what_is_not_zoho_s_json_is_asked_for_again(status: int, body: bytes) -> None:
    """Pages, halves, lists, errors with status 200: momentary, and possibly sent."""
    with answering(status, {"Content-Type": "text/html"}, body) as (url, _):
        with pytest.raises(RetryableError) as caught:
            direct(base_url=url).get([])
        assert caught.value.sent


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"code": {"a": 1}, "details": [1], "message": null}',
        b'{"code": "secret name"}',
    ],
)
def test_a_refusal_of_any_form_is_ours(body: bytes) -> None:
    """400 with whatever body: our error, nothing of the body in it but codes that read like one."""
    with answering(400, {}, body) as (url, _):
        with pytest.raises(StewardError) as caught:
            direct(base_url=url).get([])
        assert str(caught.value) == "zoho: Zoho refuses this (400)"


Seen = list[tuple[str, str | None]]


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[tuple[str, Seen]]:
    """Serve tokens, and one and the same answer to everything else."""
    seen: Seen = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, code: int, more: dict[str, str], content: bytes) -> None:
            seen.append((self.path.split("?")[0], self.headers.get("Authorization")))
            self.send_response(code)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            """Give a token."""
            self.rfile.read(int(self.headers["Content-Length"]))
            token = b'{"access_token": "s3cret-a", "expires_in": 3600}'
            self._answer(200, {"Content-Type": "application/json"}, token)

        def do_GET(self) -> None:
            """Answer as scripted."""
            self._answer(status, headers, body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
