"""HubSpot's answers as our errors: the right one, in one line, without personal data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    RetryableError,
    StewardError,
    TokenRefusedError,
)
from crm_steward_hubspot.errors import (
    HubSpotForbiddenError,
    HubSpotRejectedError,
    contradictory,
    from_answer,
    from_token_answer,
)

CANARY = "canary.person@example.com"


def _error(status: int, body: Any = None, **headers: str) -> StewardError:
    text = body if isinstance(body, str) else json.dumps(body or {})
    return from_answer("hub", status, text, {k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ConfigError), (400, HubSpotRejectedError), (401, TokenRefusedError),
        (403, HubSpotForbiddenError), (404, HubSpotRejectedError), (405, HubSpotRejectedError),
        (408, RetryableError), (409, HubSpotRejectedError), (414, HubSpotRejectedError),
        (423, RetryableError), (429, RetryableError), (477, RetryableError),
        (500, RetryableError), (502, RetryableError), (503, RetryableError),
        (504, RetryableError), (521, RetryableError), (523, RetryableError), (524, RetryableError),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "body",
    ["", "<html>Bad gateway</html>", "[]", "null", '"x"', "{", '{"errors": 7, "context": []}',
     '{"message": "[{", "errors": [null, 1, {"context": {"propertyName": [1]}}]}'],
)  # fmt: skip
def test_every_status_has_its_error_whatever_the_body(
    status: int, kind: type[StewardError], body: str
) -> None:
    """Bodies that are not HubSpot's JSON change nothing about which error comes."""
    assert type(_error(status, body)) is kind


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait"),
    [
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, 10),
        (429, {"policyName": "SECONDLY"}, {}, 1),
        (429, {"policyName": "DAILY"}, {}, 3600),
        (429, {}, {"Retry_After": "7"}, 7),
        (429, {}, {"Retry_After": "soon"}, 10),
        (429, {}, {"Retry_After": "-1"}, 10),
        (429, {}, {"Retry_After": "nan"}, 10),
        (423, {}, {}, 2),
        (477, {}, {"Retry_After": "86400"}, 86_400),
    ],
)
def test_how_long_to_wait(
    status: int, body: dict[str, str], headers: dict[str, str], wait: float
) -> None:
    """HubSpot's word first, its policy next; nothing happened, so it may be sent again."""
    error = _error(status, body, **headers)
    assert isinstance(error, RetryableError)
    assert error.retry_after == wait
    assert not error.sent


def test_a_server_error_may_have_taken_effect() -> None:
    """A 502 says nothing about what happened behind the gateway."""
    error = _error(502)
    assert isinstance(error, RetryableError)
    assert error.sent


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}, AuthError),
        (400, {"status": "BAD_CLIENT_SECRET"}, AuthError),
        (401, {}, AuthError),
        (403, "<html>", AuthError),
        (429, {"message": "You have reached your rate limit."}, RetryableError),
        (500, {}, RetryableError),
        (302, {}, ConfigError),
    ],
)
def test_a_token_endpoint_that_gives_none(status: int, body: Any, kind: type[StewardError]) -> None:
    """Refused for good is a person's matter and says what to do; its own limit is waited for."""
    text = body if isinstance(body, str) else json.dumps({**body, "error_description": CANARY})
    error = from_token_answer("hub", status, text, {"Retry-After": "9"})
    assert type(error) is kind
    assert CANARY not in str(error)
    if isinstance(error, RetryableError):
        assert error.retry_after == 9
    elif isinstance(error, AuthError):
        assert "install the app again" in error.hint


def test_a_success_that_means_an_error_may_have_taken_effect() -> None:
    """HubSpot's error body under status 200: nobody knows what happened, and no text is quoted."""
    error = contradictory("hub", {"status": "error", "category": "INTERNAL", "message": CANARY})
    assert error.sent
    assert "INTERNAL" in error.message
    assert CANARY not in str(error)


def test_a_missing_scope_is_named() -> None:
    """The scope is in the message, the remedy in the hint."""
    error = _error(
        403,
        {
            "category": "MISSING_SCOPES",
            "context": {"requiredGranularScopes": ["crm.objects.owners.read"]},
        },
    )
    assert isinstance(error, HubSpotForbiddenError)
    assert error.scopes == ("crm.objects.owners.read",)
    assert "crm.objects.owners.read" in error.message


_INVALID = {
    "message": f'Property values were not valid: [{{"isValid":false,"message":"{CANARY} is bad",'
    '"error":"INVALID_EMAIL","name":"email"}]',
    "category": "VALIDATION_ERROR",
    "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf",
}


@pytest.mark.parametrize(
    "body",
    [
        _INVALID,
        {
            **_INVALID,
            "errors": [
                {
                    "message": f"{CANARY} is bad",
                    "code": "INVALID_EMAIL",
                    "context": {"propertyName": ["email"]},
                }
            ],
        },
    ],
)
def test_a_refusal_names_the_property_and_not_the_value(body: dict[str, Any]) -> None:
    """From the errors array or from the JSON inside the message; the value stays out."""
    error = _error(400, body)
    assert isinstance(error, HubSpotRejectedError)
    assert error.properties == {"email": "INVALID_EMAIL"}
    assert error.schema == frozenset()
    assert "VALIDATION_ERROR" in error.message
    assert "aeb5f871" in error.message
    assert CANARY not in repr(error) + str(error) + repr(vars(error))


def test_a_property_that_does_not_exist_is_a_matter_of_schema() -> None:
    """No row may use it, so that no batch need be halved."""
    body = {"errors": [{"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["vipp"]}}]}
    error = _error(400, body)
    assert isinstance(error, HubSpotRejectedError)
    assert error.schema == {"vipp"}


def test_a_conflict_names_the_record_that_has_the_value() -> None:
    """The existing id is what a person needs to decide about a merge."""
    error = _error(
        409, {"message": "Contact already exists. Existing ID: 4711", "category": "CONFLICT"}
    )
    assert isinstance(error, HubSpotRejectedError)
    assert error.existing == "4711"
    assert error.message.endswith("existing id 4711")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 503])
def test_nothing_of_a_person_is_in_any_message(status: int) -> None:
    """A body that quotes a person in every place an error may have leaves no trace."""
    body = {
        "message": CANARY,
        "category": CANARY,
        "correlationId": CANARY,
        "policyName": CANARY,
        "errorType": CANARY,
        "errors": [{"code": CANARY, "message": CANARY, "context": {"propertyName": [CANARY]}}],
        "context": {"requiredGranularScopes": [CANARY]},
    }
    error = _error(status, body)
    assert CANARY not in str(error) + repr(vars(error))
