"""Getting into HubSpot: two ways, tokens that end, and what may be seen of them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pydantic import ValidationError
from tests.connectors.hubspot.conftest import QUICK, Time, calls_to, served

from crm_steward.connect.calls import Calls
from crm_steward.sandbox import parse_faults
from crm_steward.sdk import AuthError, Connector, MemoryVault, RecordRef, RetryableError
from crm_steward.testing.account import Hurry
from crm_steward_hubspot import SPEC, HubSpotSettings
from crm_steward_hubspot.auth import read_token
from crm_steward_hubspot.sandbox import HubSpotSandbox, credentials

TOKEN = "/oauth/2026-03/token$"
APP = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}


@pytest.mark.parametrize("settings", [{"token": "t"}, APP])
def test_there_are_two_ways_in(settings: dict[str, str]) -> None:
    """A token alone, or all three parts of an installed app; `init` asks for the first."""
    assert HubSpotSettings.model_validate(settings).kind == "hubspot"
    assert SPEC.secrets == ("token",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "token\n  Field required"),
        ({"token": "t", "client_id": "c"}, "but not both"),
        ({**APP, "refresh_token": ""}, "needs refresh_token as well"),
        ({"client_id": "c"}, "needs client_secret and refresh_token as well"),
        ({**APP, "client_id": "a b"}, "client_id"),
    ],
)
def test_half_a_way_in_is_none(settings: dict[str, str], said: str) -> None:
    """What is missing is named, and no value is shown."""
    with pytest.raises(ValidationError) as caught:
        HubSpotSettings.model_validate({k: v for k, v in settings.items() if v})
    assert said in str(caught.value)


def _first(connector: Connector, crm: HubSpotSandbox) -> None:
    record_id = str(crm.active[0])
    assert connector.get([RecordRef("hub", record_id)])


def test_a_token_is_renewed_by_the_clock_before_hubspot_refuses_it() -> None:
    """After 80 % of its half hour the next call brings another; no call ever meets a 401."""
    clock = Time()
    with served(contacts=3, oauth=True, clock=clock) as (server, crm, connect):
        connector = connect(clock=clock)
        for minutes in (0, 23, 2, 22):  # bought at 0, still good at 23, renewed at 25, good at 47
            clock.pass_(minutes=minutes)
            _first(connector, crm)
        assert calls_to(server, TOKEN) == 2
        assert {entry["status"] for entry in server.log} <= {200, 207}


def test_a_rotated_refresh_token_outlives_the_process() -> None:
    """It is kept before it is used: a new process goes on with it, not with the configured one."""
    clock, vault = Time(), MemoryVault()
    with served(contacts=3, oauth=True, rotate=True, clock=clock) as (server, crm, connect):
        for _ in range(3):
            _first(connect(clock=clock, vault=vault), crm)
            clock.pass_(minutes=40)
        assert calls_to(server, TOKEN) == 3
        with pytest.raises(AuthError, match="BAD_REFRESH_TOKEN") as caught:
            _first(connect(clock=clock), crm)
        assert "install the app again" in caught.value.hint


def test_many_threads_buy_one_token() -> None:
    """Eight threads at once, a refresh token good for once: one purchase, nobody refused."""
    with served(contacts=3, oauth=True, rotate=True) as (server, crm, connect):
        connector, failures = connect(), []

        def work() -> None:
            try:
                _first(connector, crm)
            except Exception as error:  # noqa: BLE001 - shown by the assertion below
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert calls_to(server, TOKEN) == 1


def test_the_token_endpoint_s_own_limit_is_waited_for() -> None:
    """It says 429 and how long: the wait is kept, then the token is bought."""
    hurry = Hurry()
    with served(contacts=3, oauth=True) as (server, crm, connect):
        server.faults.add(parse_faults({"path": TOKEN, "nth": 1, "status": 429, "retry_after": 20}))
        connector = connect(calls=Calls("hub", stop=hurry, monotonic=hurry.monotonic))
        _first(connector, crm)
        assert 20 <= sum(hurry.slept) <= 21
        assert calls_to(server, TOKEN) == 2


def test_a_withdrawn_app_is_one_line_with_its_remedy() -> None:
    """Uninstalled: two calls, an error that says what to do, and no part of the credential."""
    with served(contacts=3, oauth=True) as (server, crm, connect):
        connector = connect()
        _first(connector, crm)
        crm.by_hand({"do": "revoke"})
        server.log.clear()
        with pytest.raises(AuthError) as caught:
            _first(connector, crm)
        assert "issues no access token (400 BAD_REFRESH_TOKEN)" in caught.value.message
        assert len(server.log) == 2
        for secret in (credentials.CLIENT_SECRET, credentials.REFRESH_TOKEN):
            assert secret not in repr(vars(caught.value)) + str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind", "asked"),
    [
        ({"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}, AuthError, 1),
        ({"status": "error", "message": "x"}, RetryableError, QUICK.attempts),
        ({"access_token": None}, RetryableError, 1),
        ({"access_token": "two words"}, RetryableError, 1),
        ({"access_token": "a\r\nHost: evil"}, RetryableError, 1),
        ({}, RetryableError, 1),
        ([], RetryableError, QUICK.attempts),
    ],
)
def test_a_success_without_a_token_is_none(
    answer: Any, kind: type[Exception], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 200 and no token: refused for good if it says so, otherwise tried again later."""
    from crm_steward.sandbox import Response  # noqa: PLC0415 - used here alone

    monkeypatch.setattr(credentials, "issue", lambda *_: Response(200, answer))
    with served(contacts=3, oauth=True) as (server, crm, connect):
        with pytest.raises(kind):
            _first(connect(), crm)
        assert calls_to(server, "/crm/") == 0
        assert calls_to(server, TOKEN) == asked


@pytest.mark.parametrize("seconds", [None, 0, -1, "soon", True, 10**12])
def test_a_life_nobody_can_believe_is_no_life(seconds: Any) -> None:
    """The token is used until HubSpot refuses it."""
    token = read_token("hub", {"access_token": "a", "expires_in": seconds}, Time())
    assert token.expires_at is None
    assert token.refresh == ""


def test_a_static_token_that_is_refused_is_not_tried_twice() -> None:
    """Nothing can renew it: one call, and the error says where a new one comes from."""
    with served(contacts=3) as (server, crm, connect):
        connector = connect()
        _first(connector, crm)
        crm.by_hand({"do": "revoke"})
        server.log.clear()
        with pytest.raises(AuthError, match="refuses the token") as caught:
            _first(connector, crm)
        assert "service key" in caught.value.hint
        assert len(server.log) == 1
