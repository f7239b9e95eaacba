"""The ways into Salesforce, what `check` tells, and the org's day."""

from __future__ import annotations

import json
import ssl
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError
from tests.connectors.salesforce.conftest import QUICK, Org, Time, served

from crm_steward.connect.calls import Calls
from crm_steward.connect.discovery import open_connection
from crm_steward.connect.tokens import MemoryVault
from crm_steward.sandbox import parse_faults
from crm_steward.sdk import (
    AuthError,
    ConfigError,
    Quota,
    RecordRef,
    RetryableError,
    StewardError,
)
from crm_steward_salesforce import SPEC, SalesforceSettings, Way
from crm_steward_salesforce.sandbox import PERMISSIONS
from crm_steward_salesforce.settings import LAST_LOGIN

NOTHING = {"client_id": None, "client_secret": None, "domain": None}


def ways(org: Org) -> dict[Way, dict[str, Any]]:
    """Return the settings of each way in."""
    app = org.crm.app
    return {
        Way.CLIENT: {},
        Way.JWT: {
            **NOTHING,
            "client_id": app.client_id,
            "username": app.username,
            "private_key": app.private_key,
        },
        Way.REFRESH: {"refresh_token": app.refresh_token},
        Way.TOKEN: {**NOTHING, "token": app.session},
        Way.PASSWORD: {
            **NOTHING,
            "username": app.username,
            "password": app.password,
            "security_token": app.security_token,
        },
    }


# -- ways in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", list(Way))
def test_each_way_opens_the_org(org: Org, way: Way) -> None:
    """All contacts come; only the legacy way is warned of."""
    connector = org.open(**ways(org)[way])
    found = [contact for page in connector.read(None) for contact in page.contacts]
    assert len(found) == 60
    missing = connector.check().missing
    assert any("Summer '27" in line for line in missing) is (way is Way.PASSWORD)
    assert len(missing) == (way is Way.PASSWORD)


@pytest.mark.parametrize("way", [Way.CLIENT, Way.JWT, Way.REFRESH, Way.PASSWORD])
def test_a_withdrawn_app_is_a_matter_for_a_person(org: Org, way: Way) -> None:
    """An AuthError that says what to do, and shows no secret."""
    given = ways(org)[way]
    org.do("revoke")
    with pytest.raises(AuthError) as caught:
        org.open(**given).check()
    assert caught.value.hint
    seen = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    app = org.crm.app
    secrets = (app.client_secret, app.refresh_token, app.password, app.security_token)
    assert [secret for secret in secrets if secret in seen] == []


def test_a_token_of_ones_own_is_not_renewed(org: Org) -> None:
    """When it is refused, that is for a person to mend."""
    connector = org.open(**ways(org)[Way.TOKEN])
    org.do("expire")
    with pytest.raises(AuthError, match="refuses the token"):
        connector.check()
    assert org.calls("/oauth2/token") == 0


def test_a_sandboxs_assertion_is_for_the_sandbox() -> None:
    """With `sandbox: true` the audience is test.salesforce.com; without, the org refuses it."""
    with served(sandbox=True) as org:
        given = ways(org)[Way.JWT]
        assert org.open(**given, sandbox=True).check().id == org.crm.ORG
        with pytest.raises(AuthError):
            org.open(**given).check()


def test_a_user_who_is_not_approved(org: Org) -> None:
    """The hint says what to do in Salesforce."""
    with pytest.raises(AuthError, match="Pre-authorise the user"):
        org.open(**{**ways(org)[Way.JWT], "username": "other@vendor.example"}).check()


def test_a_clock_that_is_wrong_is_named(clock: Time) -> None:
    """An assertion that has expired on arrival points to this machine's clock."""
    with served() as org, pytest.raises(AuthError, match="clock"):
        org.open(clock=lambda: clock.now - timedelta(days=1), **ways(org)[Way.JWT]).check()


@pytest.mark.parametrize("kind", ["file", "escaped"])
def test_a_key_from_a_file_or_a_variable(org: Org, tmp_path: Path, kind: str) -> None:
    """A file beside the settings, or line ends written out as environments hold them."""
    given = ways(org)[Way.JWT]
    key = given.pop("private_key")
    if kind == "file":
        (tmp_path / "key.pem").write_text(key)
        settings = SalesforceSettings.model_validate(
            {
                **{name: value for name, value in given.items() if value},
                "private_key_file": "key.pem",
                "base_url": org.server.url,
            }
        )
        connector = open_connection("sf", settings.resolved(tmp_path))
    else:
        connector = org.open(**given, private_key=key.replace("\n", "\\n"))
    assert connector.check().id == org.crm.ORG


@pytest.mark.parametrize("kind", ["missing", "text", "elliptic", "locked"])
def test_keys_that_cannot_be_used(org: Org, tmp_path: Path, kind: str) -> None:
    """A ConfigError that says how to make one; nothing is sent."""
    path = tmp_path / "key.pem"
    encryption: Any = serialization.NoEncryption()
    if kind == "locked":
        encryption = serialization.BestAvailableEncryption(b"pass")
    keys: dict[str, Any] = {
        "elliptic": ec.generate_private_key(ec.SECP256R1()),
        "locked": rsa.generate_private_key(65_537, 2_048),
    }
    if kind == "text":
        path.write_text("no key")
    elif kind in keys:
        form = serialization.PrivateFormat.PKCS8
        pem = keys[kind].private_bytes(serialization.Encoding.PEM, form, encryption)
        path.write_bytes(pem)
    given = {**ways(org)[Way.JWT], "private_key": None, "private_key_file": path}
    with pytest.raises(ConfigError, match="openssl"):
        org.open(**given).check()
    assert org.calls("/oauth2/token") == 0


# -- tokens ---------------------------------------------------------------------------------------


def test_a_rotated_refresh_token_is_kept() -> None:
    """A new process goes on with the one that is in force, not with the configured one."""
    with served(rotate_refresh=True) as org:
        vault = MemoryVault()
        given = {**org.crm.connection(org.server.url), **ways(org)[Way.REFRESH]}
        settings = SalesforceSettings.model_validate(given)
        for _ in range(3):
            calls = Calls("sf", policy=QUICK)
            connector = open_connection("sf", settings, calls=calls, vault=vault)
            org.do("expire")
            assert connector.check().id == org.crm.ORG
        assert org.calls("/oauth2/token") == 3


def test_sessions_renewed_by_the_clock(clock: Time) -> None:
    """With `session_length` no call is refused: the token is renewed at four fifths of it."""
    with served(clock=clock, session_life=timedelta(hours=2)) as org:
        connector = org.open(clock=clock, session_length="2 hours")
        for _ in range(5):
            connector.check()
            clock.pass_(minutes=97)
        refused = [entry for entry in org.server.log if entry["status"] == 401]
        assert refused == []
        assert org.calls("/oauth2/token") == 5


def test_a_token_that_is_always_refused_ends(org: Org) -> None:
    """Renewed once, then it is a person's turn; no endless round."""
    org.server.faults.add(parse_faults({"path": "/data/v64.0/", "status": 401}))
    with pytest.raises(AuthError):
        org.open().check()
    assert org.calls("/data/v64.0/") == 2
    assert org.calls("/oauth2/token") == 2


# -- where the token goes -------------------------------------------------------------------------


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """Stand in for the whole of the web."""
    with responses.RequestsMock() as mock:
        yield mock


def _open(**more: Any) -> Any:
    given = {"client_id": "id", "client_secret": "s3cret-value", "domain": "acme.my", **more}
    settings = SalesforceSettings.model_validate(given)
    return open_connection("sf", settings, calls=Calls("sf", policy=QUICK))


@pytest.mark.parametrize(
    "address",
    [
        "https://evilsalesforce.com",
        "https://salesforce.com.evil.example",
        "https://acme.my.salesforce.com@evil.example",
        "http://acme.my.salesforce.com",
        "http://127.0.0.1:9",
        "https://127.0.0.1",
        "not an address",
        "https://[",
    ],
)
def test_a_token_never_leaves_for_a_stranger(web: responses.RequestsMock, address: str) -> None:
    """The address that comes with a token is checked before anything is sent there."""
    body = {"access_token": "t0ken-value", "instance_url": address}
    web.post("https://acme.my.salesforce.com/services/oauth2/token", json=body)
    with pytest.raises(ConfigError, match="does not belong") as caught:
        _open().check()
    assert "t0ken-value" not in "".join(traceback.format_exception(caught.value))
    assert len(web.calls) == 1


def test_the_orgs_own_address_is_used(web: responses.RequestsMock) -> None:
    """Credentials go in a Basic header to My Domain, calls to the address that comes back."""
    body = {"access_token": "t0ken-value", "instance_url": "https://acme.my.salesforce.com"}
    web.post("https://acme.my.salesforce.com/services/oauth2/token", json=body)
    refused = [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}]
    web.get(
        "https://acme.my.salesforce.com/services/data/v64.0/queryAll/", json=refused, status=403
    )
    describe = "https://acme.my.salesforce.com/services/data/v64.0/sobjects/Contact/describe"
    fields = [{"name": "LastName", "type": "string"}]
    web.get(describe, json={"fields": fields})
    with pytest.raises(AuthError, match="API_DISABLED_FOR_ORG"):
        list(_open().read(None))
    asked = web.calls[0].request
    assert asked.headers["Authorization"].startswith("Basic ")
    assert parse_qs(str(asked.body)) == {"grant_type": ["client_credentials"]}
    assert web.calls[1].request.headers["Authorization"] == "Bearer t0ken-value"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "<html>", RetryableError),
        (200, '{"access_token": 5}', RetryableError),
        (200, "[]", RetryableError),
        (302, "", ConfigError),
        (400, '{"error": "invalid_grant"}', AuthError),
        (401, "", AuthError),
        (503, "", RetryableError),
    ],
)
def test_what_a_token_endpoint_may_answer(
    web: responses.RequestsMock, status: int, body: str, kind: type[StewardError]
) -> None:
    """Each ends as the error of whoever must act; the secret is in none."""
    web.assert_all_requests_are_fired = False
    web.post("https://acme.my.salesforce.com/services/oauth2/token", body=body, status=status)
    with pytest.raises(kind) as caught:
        _open().check()
    assert "s3cret-value" not in "".join(traceback.format_exception(caught.value))


def test_a_certificate_nobody_trusts(web: responses.RequestsMock) -> None:
    """A ConfigError with the way out."""
    from requests.exceptions import SSLError  # noqa: PLC0415 -- beside its only use

    reason = ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate (_s")
    web.post("https://acme.my.salesforce.com/services/oauth2/token", body=SSLError(reason))
    with pytest.raises(ConfigError, match="certificate"):
        _open().check()


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "no way in is given: set domain, client_id, client_secret; or"),
        ({"client_id": "a", "domain": "x.my"}, "client credentials also needs client_secret"),
        ({"client_id": "a", "username": "u"}, "JWT bearer also needs private_key"),
        ({"client_id": "a", "client_secret": "b"}, "also needs domain"),
        ({"token": "a"}, "also needs instance_url"),
        ({"client_id": "a", "private_key": "b"}, "also needs username"),
        ({"token": "a", "instance_url": "https://x.my.salesforce.com", "password": "p"}, "several"),
        (
            {"client_id": "a", "client_secret": "b", "domain": "x.my", "username": "u"},
            "does not use username",
        ),
        (
            {"client_id": "a", "username": "u", "private_key": "k", "private_key_file": "f"},
            "keep one",
        ),
        ({"username": "u", "password": "p", "version": "65.0"}, f"up to version {LAST_LOGIN}"),
        ({"client_id": "a", "client_secret": "b", "domain": "login"}, "own My Domain"),
        ({"token": "a", "base_url": "https://x.my.salesforce.com/path"}, "without a path"),
        ({"token": "a", "instance_url": "https://x", "version": "64"}, "version"),
        ({"token": "a", "instance_url": "https://x", "extra": {"a": "x; DROP"}}, "extra"),
    ],
)
def test_settings_that_open_no_way_in(given: dict[str, Any], words: str) -> None:
    """Refused with what is missing, without showing a secret."""
    with pytest.raises(ValidationError, match=words):
        SalesforceSettings.model_validate(given)


@pytest.mark.parametrize(
    "written",
    [
        "acme--uat.sandbox.my",
        "acme--uat.sandbox.my.salesforce.com",
        "https://acme--uat.sandbox.my.salesforce.com/",
    ],
)
def test_a_domain_may_be_copied_whole(written: str) -> None:
    """My Domain as people copy it from the address bar."""
    given = {"client_id": "a", "client_secret": "b", "domain": written}
    settings = SalesforceSettings.model_validate(given)
    assert settings.login_url == "https://acme--uat.sandbox.my.salesforce.com"


def test_the_spec_asks_for_the_recommended_secret() -> None:
    """`init` asks for the client secret; the example goes with it."""
    assert SPEC.secrets == ("client_secret",)
    assert SPEC.merge_max == 3


# -- check and the org's day ----------------------------------------------------------------------


def test_check_tells_of_the_org(org: Org) -> None:
    """Id, name, time zone, people with queues, fields, and what is left of the day."""
    account = org.open().check()
    assert (account.id, account.name) == (org.crm.ORG, "Vendor Example")
    assert account.time_zone == "Europe/Paris"
    names = {owner.name: owner.active for owner in account.owners.values()}
    assert names["Nadia Ferrand"]
    assert not names["Alain Sorel"]
    assert names["Data quality"]
    assert account.fields["Email"].writable
    assert not account.fields["LastActivityDate"].writable
    assert account.fields["Language__c"].options == ("fr", "de", "en", "es")
    assert account.quota["daily"] == org.crm.daily - len(org.crm.used)


def test_check_names_missing_rights(org: Org) -> None:
    """Edit and Delete on Contact, making tasks: each with its remedy."""
    org.do("permit", permissions=["ApiEnabled", "ReadContact"])
    missing = " ".join(org.open().check().missing)
    for words in ("Edit on Contact", "Delete on Contact", "Edit Tasks"):
        assert words in missing


def test_check_goes_on_without_the_right_to_see_limits(org: Org) -> None:
    """What is left of the day stands on every answer as well."""
    org.server.faults.add(parse_faults({"path": "/limits", "status": 404}))
    account = org.open().check()
    assert account.missing == ()
    assert account.quota["daily"] == org.crm.daily - len(org.crm.used)


def test_check_without_the_api(org: Org) -> None:
    """An AuthError that names the permission."""
    org.do("permit", permissions=[p for p in PERMISSIONS if p != "ApiEnabled"])
    with pytest.raises(AuthError, match="API Enabled"):
        org.open().check()


def test_a_version_that_is_not_served_is_named(org: Org) -> None:
    """Salesforce answers 404 or 410 to everything under it."""
    with pytest.raises(StewardError):
        org.open(version="70.0").check()
    with pytest.raises(ConfigError, match="version"):
        org.open(version="30.0").check()


def test_the_day_is_followed() -> None:
    """The limit the answers state is the one that is kept to, from the first answer on."""
    with served(daily=100_000) as org:
        calls = Calls("sf", SPEC.quotas, policy=QUICK)
        learnt: list[tuple[Quota, int | None]] = []
        calls.learn = lambda quota, left=None: learnt.append((quota, left))  # type: ignore[method-assign]
        org.open(calls=calls).get([RecordRef("sf", org.ids()[0])])
        assert {quota.calls for quota, _ in learnt} == {100_000}
        assert learnt[-1][1] == 100_000 - len(org.crm.used)


def test_a_used_up_day_ends_the_read_without_a_second_try(org: Org) -> None:
    """TotalRequests is not asked again for an hour."""
    connector = org.open()
    connector.check()
    org.crm.daily = 0
    before = org.calls("/data/v64.0/")
    with pytest.raises(RetryableError, match="used up") as caught:
        connector.check()
    assert caught.value.retry_after == 3600
    assert org.calls("/data/v64.0/") - before == 1


def test_the_state_of_a_connection_shows_no_secret(org: Org) -> None:
    """Neither its settings nor the connector print one."""
    given = {**org.crm.connection(org.server.url)}
    settings = SalesforceSettings.model_validate(given)
    text = repr(settings) + str(settings) + repr(vars(org.open()))
    assert org.crm.app.client_secret not in text
    assert org.crm.app.client_secret not in json.dumps(settings.model_dump(mode="json"))
