"""The library over our transport: where the token goes, what comes back, how tokens are renewed."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import responses
import trustme
from pipedrive.client import Client  # noqa: TID253 -- what is compared with

from crm_steward.connect.calls import Calls, RetryPolicy
from crm_steward.sandbox import serve
from crm_steward.sdk import (
    AuthError,
    ConfigError,
    Context,
    MemoryVault,
    RetryableError,
    StewardError,
)
from crm_steward_pipedrive import PipedriveSettings
from crm_steward_pipedrive.errors import PipedriveRejectedError
from crm_steward_pipedrive.sandbox import PipedriveSandbox
from crm_steward_pipedrive.wire import Api, Wire

TOKEN = "0123456789abcdef0123456789abcdef01234567"
ACME = "https://acme.pipedrive.com"
APP = {"client_id": "an-app", "client_secret": "an-app-secret", "refresh_token": "first"}
ONCE = RetryPolicy(attempts=1)


def _wire(vault: MemoryVault | None = None, **settings: Any) -> Wire:
    given = settings if "client_id" in settings else {"api_token": TOKEN, **settings}
    context = Context(
        connection="pipe", calls=Calls("pipe", policy=ONCE), vault=vault or MemoryVault()
    )
    return Wire(PipedriveSettings.model_validate(given), context)


def _me(wire: Wire) -> Any:
    return wire.call(lambda api: api.v1.users.get_me(), cost=2)


def _ok(data: Any = None, **more: Any) -> dict[str, Any]:
    return {"json": {"success": True, "data": data}, **more}


@responses.activate
@pytest.mark.parametrize(
    ("company", "address"), [("acme", ACME), (None, "https://api.pipedrive.com")]
)
def test_the_token_goes_into_a_header_and_never_into_the_address(
    company: str | None, address: str
) -> None:
    """Of the company's host, or of the common one; both versions where they are."""
    responses.get(f"{address}/v1/users/me", **_ok())
    responses.get(f"{address}/api/v2/persons/7", **_ok())
    wire = _wire(company=company)
    _me(wire)
    wire.call(lambda api: api.v2.persons.get_person(7), cost=1)
    for call in responses.calls:
        assert call.request.headers["x-api-token"] == TOKEN
        assert TOKEN not in str(call.request.url)
        assert "Authorization" not in call.request.headers


@responses.activate
def test_the_library_s_own_transport_would_show_it() -> None:
    """Why `_request` is replaced: the token in the address, and a web page as an answer."""
    responses.get(f"{ACME}/v1/users/me", body="<html>Bad gateway</html>", status=502)
    plain = Client(domain=ACME)
    plain.set_api_token(TOKEN)
    assert plain.users.get_me() == "<html>Bad gateway</html>"
    assert TOKEN in str(responses.calls[0].request.url)


@responses.activate
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"body": "<html>Welcome</html>", "content_type": "text/html"}, RetryableError),
        ({"body": '{"success": tr', "content_type": "application/json"}, RetryableError),
        ({"body": "[]", "content_type": "application/json"}, RetryableError),
        ({"json": {"success": False, "error": "no"}}, RetryableError),
        ({"json": {"data": {}}}, RetryableError),
        ({"body": b"\xff\xfe", "content_type": "application/json"}, RetryableError),
        (
            {"body": "<html>Sorry</html>", "status": 502, "content_type": "text/html"},
            RetryableError,
        ),
        ({"json": {"success": True}, "status": 410}, PipedriveRejectedError),
        ({"status": 302, "headers": {"Location": "https://evil.example/"}}, ConfigError),
    ],
)
def test_what_is_no_answer_is_said_so(answer: dict[str, Any], kind: type[StewardError]) -> None:
    """Web pages, cut JSON, errors under 200, redirects: one of our errors, and no context."""
    responses.get(f"{ACME}/v1/users/me", **answer)
    with pytest.raises(kind) as caught:
        _me(_wire(company="acme"))
    assert caught.value.__context__ is None
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize(
    "answer", [{"status": 204}, {"body": "", "content_type": "application/json"}]
)
def test_no_content_is_no_error(answer: dict[str, Any]) -> None:
    """The library stumbles over an empty body; we take it for an empty answer."""
    responses.delete(f"{ACME}/api/v2/persons/7", **answer)
    wire = _wire(company="acme")
    assert wire.call(lambda api: api.v2.persons.delete_person(7), cost=3) == {}


@responses.activate
def test_a_broken_connection_shows_neither_token_nor_theirs() -> None:
    """Ours is raised outside of the handling of theirs."""
    responses.get(f"{ACME}/v1/users/me", body=requests.ConnectionError("gone away"))
    with pytest.raises(RetryableError, match="broke off before answering") as caught:
        _me(_wire(company="acme"))
    assert caught.value.sent
    assert caught.value.__context__ is None


@responses.activate
def test_a_refusal_names_the_fields_that_were_sent() -> None:
    """Also the custom ones, which Pipedrive names by their codes."""
    code = "b" * 40
    text = f"Validation failed: custom_fields.{code} must be a number, not 'canary'"
    body = {"success": False, "error": text, "code": "ERR_BAD_REQUEST"}
    responses.patch(f"{ACME}/api/v2/persons/7", json=body, status=400)
    sent = {"custom_fields": {code: "canary"}, "name": "x"}

    def patch(api: Api) -> Any:
        return api.v2._patch(f"{api.v2.BASE_URL}persons/7", json=sent)

    with pytest.raises(PipedriveRejectedError) as caught:
        _wire(company="acme").call(patch, cost=5, repeatable=False)
    assert code in caught.value.message
    assert "canary" not in caught.value.message


# -- OAuth ----------------------------------------------------------------------------------------


def _grant(number: int, domain: str = ACME) -> dict[str, Any]:
    return {
        "access_token": f"access-{number}",
        "refresh_token": f"refresh-{number}",
        "token_type": "Bearer",
        "expires_in": 3599,
        "api_domain": domain,
    }


TOKEN_URL = "https://oauth.pipedrive.com/oauth/token"


@responses.activate
def test_an_app_uses_the_address_its_token_names() -> None:
    """Basic for the app, Bearer for the account; the refresh token in force is the last one."""
    responses.post(TOKEN_URL, json=_grant(1))
    responses.get(f"{ACME}/v1/users/me", **_ok())
    vault = MemoryVault()
    _me(_wire(vault, **APP))
    bought, asked = responses.calls
    basic = base64.b64encode(b"an-app:an-app-secret").decode()
    assert bought.request.headers["Authorization"] == f"Basic {basic}"
    assert "refresh_token=first" in str(bought.request.body)
    assert asked.request.headers["Authorization"] == "Bearer access-1"
    _me(_wire(vault, **APP))
    assert len(responses.calls) == 3, "another process takes the stored token"


@responses.activate
def test_a_refused_token_is_renewed_with_the_replaced_refresh_token() -> None:
    """401, a new token by the rotated refresh token, and the same call once more."""
    responses.post(TOKEN_URL, json=_grant(1))
    responses.post(TOKEN_URL, json=_grant(2))
    responses.get(f"{ACME}/v1/users/me", json={"success": False, "errorCode": 401}, status=401)
    responses.get(f"{ACME}/v1/users/me", **_ok({"id": 1}))
    assert _me(_wire(**APP))["data"] == {"id": 1}
    renewal = responses.calls[2].request
    assert "refresh_token=refresh-1" in str(renewal.body)
    assert responses.calls[3].request.headers["Authorization"] == "Bearer access-2"


@responses.activate
@pytest.mark.parametrize(
    "domain",
    [
        "https://evil.example",
        "http://acme.pipedrive.com",
        "http://127.0.0.1:8000",
        "https://acme.pipedrive.com.evil.example",
        "https://acme.pipedrive.com@evil.example",
        "javascript:alert(1)",
    ],
)
def test_a_token_that_names_a_stranger_is_sent_nowhere(domain: str) -> None:
    """Only https to Pipedrive's own domain, or to a host that the settings allow."""
    responses.post(TOKEN_URL, json=_grant(1, domain))
    with pytest.raises(ConfigError, match="not Pipedrive's"):
        _me(_wire(**APP))
    assert [call.request.url for call in responses.calls] == [TOKEN_URL]


@responses.activate
def test_a_host_that_the_settings_allow_is_used() -> None:
    """A company's own proxy in front of Pipedrive."""
    responses.post(TOKEN_URL, json=_grant(1, "https://proxy.example.com"))
    responses.get("https://proxy.example.com/v1/users/me", **_ok())
    _me(_wire(**APP, allow_hosts="proxy.example.com"))
    assert len(responses.calls) == 2


@responses.activate
def test_an_app_that_was_removed_is_a_matter_for_a_person() -> None:
    """The remedy is named; neither secret nor token is."""
    responses.post(TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    with pytest.raises(AuthError) as caught:
        _me(_wire(**APP))
    assert "refresh_token" in caught.value.hint
    assert "an-app-secret" not in str(caught.value)
    assert len(responses.calls) == 1


@responses.activate
@pytest.mark.parametrize("answer", [{"body": "<html/>"}, {"json": {"access_token": 7}}])
def test_a_renewal_that_shows_no_token(answer: dict[str, Any]) -> None:
    """A proxy's page with status 200 is no token."""
    responses.post(TOKEN_URL, **answer)
    with pytest.raises(RetryableError, match="not Pipedrive's JSON"):
        _me(_wire(**APP))


# -- over real sockets ----------------------------------------------------------------------------


def test_one_connection_serves_many_calls() -> None:
    """The library alone opens one per call."""
    with serve(PipedriveSandbox(contacts=1, seed=7, burst=1000)) as server:
        opened: list[Any] = []
        track = server._http.track
        server._http.track = lambda connection, *, is_open: (  # type: ignore[method-assign] # counts
            opened.append(connection) if is_open else None,
            track(connection, is_open=is_open),
        )[1]
        wire = _wire(base_url=server.url, api_token=PipedriveSandbox.TOKEN)
        for _ in range(10):
            _me(wire)
        wire.close()
        assert len(opened) == 1


def test_a_server_that_never_answers_ends_at_the_timeout() -> None:
    """The library has no timeout of its own; ours ends the call."""
    with _answering(lambda: threading.Event().wait(1.5)) as url, pytest.raises(RetryableError):
        _me(_wire(base_url=url, timeout="1 second"))


def test_an_untrusted_certificate_is_named() -> None:
    """TLS that cannot be verified is a person's business."""
    with _answering(tls=trustme.CA()) as url:
        with pytest.raises(ConfigError, match="certificate is not trusted"):
            _me(_wire(base_url=url))
        assert _Handler.seen == []


def test_pipedrive_s_clock_is_followed_and_an_absurd_one_is_not() -> None:
    """Ten minutes off are taken over; ten years are not believed."""
    for offset, taken in ((600, 600), (10 * 365 * 86_400, 0)):
        crm = PipedriveSandbox(contacts=1, seed=7)
        crm.offset = timedelta(seconds=offset)
        with serve(crm) as server:
            wire = _wire(base_url=server.url, api_token=PipedriveSandbox.TOKEN)
            _me(wire)
            ahead = (wire.at(crm.born) - crm.born).total_seconds()
            assert abs(ahead - taken) < 5
            wire.close()


class _Handler(BaseHTTPRequestHandler):
    seen: list[str] = []  # noqa: RUF012 - reset by _answering

    def do_GET(self) -> None:
        """Do what the test wants, then answer nothing of use."""
        self.seen.append(self.path)
        self.server.wait()  # type: ignore[attr-defined] # set below
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def _answering(
    wait: Callable[[], Any] = lambda: None, *, tls: trustme.CA | None = None
) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.wait = wait  # type: ignore[attr-defined] # read by the handler
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # cut connections
    _Handler.seen = []
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@responses.activate
@pytest.mark.parametrize("seconds", [10**20, -5, True, "soon"])
def test_a_strange_life_of_a_token_is_not_believed(seconds: Any) -> None:
    """A token whose life nobody can reckon with is used, and renewed after the usual time."""
    answer = {"access_token": "a", "refresh_token": "b", "expires_in": seconds, "api_domain": ACME}
    responses.post("https://oauth.pipedrive.com/oauth/token", json=answer)
    responses.get(f"{ACME}/v1/users/me", **_ok({"id": 1}))
    assert _me(_wire(**APP))["data"] == {"id": 1}


@responses.activate
@pytest.mark.parametrize("access", ["", "a\nb", "tok€n", "a b"])
def test_a_token_that_no_header_can_carry_is_unreadable(access: str) -> None:
    """It is refused before it is used, and shows in no error."""
    answer = {"access_token": access, "expires_in": 3599, "api_domain": ACME}
    responses.post("https://oauth.pipedrive.com/oauth/token", json=answer)
    with pytest.raises(RetryableError, match="not Pipedrive's JSON"):
        _me(_wire(**APP))
