"""Pipedrive's answers as our errors: the right one, in one line, without personal data."""

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
from crm_steward_pipedrive.errors import (
    PipedriveForbiddenError,
    PipedriveRejectedError,
    from_answer,
    from_token_answer,
)

CANARY = "canary.person@example.com"
HTML = {"Content-Type": "text/html; charset=UTF-8"}


def _error(
    status: int, body: Any = None, headers: dict[str, str] | None = None, **more: Any
) -> StewardError:
    text = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return from_answer("pipe", status, text, headers or {}, **more)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, ConfigError), (400, PipedriveRejectedError), (401, TokenRefusedError),
        (402, PipedriveRejectedError), (403, PipedriveForbiddenError),
        (404, PipedriveRejectedError), (408, RetryableError), (410, PipedriveRejectedError),
        (422, PipedriveRejectedError), (429, RetryableError), (500, RetryableError),
        (502, RetryableError), (503, RetryableError), (520, RetryableError), (524, RetryableError),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"[]", b"null", b'"x"', b"{", b'{"error": 7}', b"\xff"],
)
def test_every_status_has_its_error_whatever_the_body(
    status: int, kind: type[StewardError], body: bytes
) -> None:
    """Bodies that are not Pipedrive's JSON change nothing about which error comes."""
    assert type(_error(status, body)) is kind


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}, 2),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "2"}, None),
        ({"x-daily-ratelimit-token-remaining": "0", "x-ratelimit-remaining": "7"}, 3600),
        ({"x-daily-ratelimit-token-remaining": "0", "Retry-After": "60"}, 60),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "1e12"}, None),
        ({"x-ratelimit-remaining": "nan"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], wait: float | None) -> None:
    """The day's end is asked for by the hour, the burst's by its reset, the rest by backing off."""
    error = _error(429, {}, headers)
    assert isinstance(error, RetryableError)
    assert error.retry_after == wait
    assert not error.sent, "a 429 did nothing"


def test_a_web_page_with_403_is_the_firewall() -> None:
    """Nothing was done; we stop for minutes, and do not think the credential wrong."""
    error = _error(403, b"<html>Sorry, you have been blocked</html>", HTML)
    assert isinstance(error, RetryableError)
    assert (error.retry_after, error.sent) == (600, False)
    assert "firewall" in error.message


def test_a_scope_and_a_refused_write_are_told_apart() -> None:
    """The recorded text means a scope; any other 403 of a write concerns the record."""
    scope = {"success": False, "error": "Scope and URL mismatch", "errorCode": 403}
    assert isinstance(_error(403, scope, writes=True), PipedriveForbiddenError)
    capped = {"success": False, "error": "no", "code": "feature_capping_contact_sync"}
    refused = _error(403, capped, writes=True)
    assert isinstance(refused, PipedriveRejectedError)
    assert "403 feature_capping_contact_sync" in refused.message
    assert isinstance(_error(403, capped), PipedriveForbiddenError)


def test_a_refusal_names_our_fields_and_no_value() -> None:
    """The free text may quote a value; of it only names are said that we sent ourselves."""
    code = "a" * 40
    text = f"'{code}' and 'emails' are wrong: {CANARY}"
    body = {"success": False, "error": text, "error_info": CANARY, "code": "ERR_BAD_REQUEST"}
    error = _error(400, body, writes=True, sent=("emails", code, "phones"))
    assert error.message == f"pipe: Pipedrive refuses this (400 ERR_BAD_REQUEST): emails, {code}"
    assert CANARY not in str(error)
    assert CANARY not in repr(vars(error))


def test_a_code_of_another_shape_is_not_repeated() -> None:
    """What does not read like a code may be anything."""
    assert CANARY not in str(_error(400, {"code": CANARY, "error": CANARY}))


def test_what_is_gone_is_gone() -> None:
    """404, and 410 which says `success`."""
    for status in (404, 410):
        error = _error(status, {"success": True})
        assert isinstance(error, PipedriveRejectedError)
        assert error.gone
    refused = _error(400)
    assert isinstance(refused, PipedriveRejectedError)
    assert not refused.gone


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_renewal_is_a_matter_for_a_person(status: int) -> None:
    """The remedy names what to do; the refresh token is nowhere."""
    body = json.dumps({"error": "invalid_grant", "error_description": CANARY}).encode()
    error = from_token_answer("pipe", status, body, {})
    assert type(error) is AuthError
    assert "refresh_token" in error.hint
    assert CANARY not in str(error)


def test_a_renewal_that_fails_for_the_moment_is_tried_again() -> None:
    """A server error or the firewall says nothing about the refresh token."""
    assert isinstance(from_token_answer("pipe", 503, b"", {}), RetryableError)
    assert isinstance(from_token_answer("pipe", 403, b"<html/>", HTML), RetryableError)
    assert isinstance(from_token_answer("pipe", 429, b"{}", {}), RetryableError)
