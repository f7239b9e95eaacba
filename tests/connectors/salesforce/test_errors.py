"""Salesforce's failures as ours: who must act, whether it took effect, and nothing of anybody's."""

from __future__ import annotations

from typing import Any

import pytest

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    ConflictError,
    RecordRejectedError,
    RetryableError,
    StewardError,
    TokenRefusedError,
)
from crm_steward_salesforce import errors, soap

SECRET = "jane@example.com is not valid"


def body(code: str, message: str = SECRET, fields: Any = ("Email",)) -> list[dict[str, Any]]:
    """Return an error as the REST API sends it."""
    return [{"errorCode": code, "message": message, "fields": list(fields)}]


@pytest.mark.parametrize(
    ("status", "content", "kind", "sent"),
    [
        (400, body("INVALID_FIELD"), errors.SalesforceRejectedError, None),
        (400, body("STRING_TOO_LONG"), RecordRejectedError, None),
        (400, body("UNABLE_TO_LOCK_ROW"), errors.LockedError, False),
        (400, body("QUERY_TIMEOUT"), RetryableError, True),
        (401, body("INVALID_SESSION_ID"), TokenRefusedError, None),
        (401, "<html>", TokenRefusedError, None),
        (
            403,
            body("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            RetryableError,
            False,
        ),
        (403, body("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests"), RetryableError, False),
        (403, body("API_DISABLED_FOR_ORG"), AuthError, None),
        (403, body("INSUFFICIENT_ACCESS_OR_READONLY"), RecordRejectedError, None),
        (404, body("ENTITY_IS_DELETED"), RecordRejectedError, None),
        (410, body("UNSUPPORTED_API_VERSION"), ConfigError, None),
        (412, None, ConflictError, None),
        (302, "", ConfigError, None),
        (300, "", ConfigError, None),
        (420, "", RetryableError, True),
        (500, body("UNKNOWN_EXCEPTION"), RetryableError, True),
        (502, "<html>", RetryableError, True),
        (503, body("SERVER_UNAVAILABLE"), RetryableError, True),
        (400, [], RecordRejectedError, None),
        (400, {"errorCode": 5, "fields": "x", "message": []}, RecordRejectedError, None),
        (400, [None], RecordRejectedError, None),
    ],
)
def test_each_answer_has_its_error(
    status: int, content: Any, kind: type[StewardError], sent: bool | None
) -> None:
    """By status and code; Salesforce's own words, which quote values, are never repeated."""
    error = errors.from_answer("sf", status, content)
    assert isinstance(error, kind)
    assert "jane" not in f"{error!r} {error} {vars(error)}"
    if isinstance(error, RetryableError):
        assert error.sent is sent


def test_only_what_reads_like_a_code_or_a_name_is_shown() -> None:
    """Whatever stands where codes and field names belong."""
    sly = [{"errorCode": "jane@example.com", "fields": ["jane@example.com", "Email", 5]}]
    error = errors.from_answer("sf", 400, sly)
    assert "jane" not in str(error)
    assert "Email" in str(error)


def test_codes_people_meet_are_explained() -> None:
    """The reason says more than the code."""
    refusal = errors.Refusal(200, "DUPLICATES_DETECTED")
    assert "allow_duplicates" in errors.rejected("sf", refusal).message
    refusal = errors.Refusal(200, "INACTIVE_OWNER_OR_USER")
    assert "not active" in errors.rejected("sf", refusal).message


# -- SOAP -----------------------------------------------------------------------------------------


def test_a_message_is_escaped() -> None:
    """Nothing that is put into a message can change its shape."""
    text = soap.login("<a&b>", "]]>").decode()
    assert "&lt;a&amp;b&gt;" in text
    assert "<a&b>" not in text
    allowed = soap.merge("s", "1", ["2"], ["DoNotCall"], allow_duplicates=True).decode()
    assert "<urn:allowSave>true</urn:allowSave>" in allowed
    assert allowed.index("<ens:Id>") < allowed.index("<ens:DoNotCall>true</ens:DoNotCall>")
    assert (
        "DuplicateRuleHeader"
        not in soap.merge("s", "1", ["2"], [], allow_duplicates=False).decode()
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Sorry.</body></html>",
        b'{"json": true}',
        b"<broken",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Envelope>&a;</Envelope>',
        b'<?xml version="1.0" encoding="nonsense"?><Envelope/>',
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_soap_answer(content: bytes) -> None:
    """None, and no entity is ever expanded."""
    assert soap.parse(content) is None


def test_a_fault_and_results_are_told_apart() -> None:
    """Codes lose their prefix; one that reads like none is a question mark."""
    start, end = b"<e:Envelope xmlns:e='x'><e:Body>", b"</e:Body></e:Envelope>"
    fault = b"<e:Fault><faultcode>sf:INVALID_FIELD</faultcode></e:Fault>"
    answer = soap.parse(start + fault + end)
    assert answer
    assert answer.fault == "INVALID_FIELD"
    sly = soap.parse(start + b"<e:Fault><faultcode>jane@example.com</faultcode></e:Fault>" + end)
    assert sly
    assert sly.fault == "?"
    refused = soap.parse(
        start + b"<mergeResponse><result><errors><statusCode>MERGE_FAILED</statusCode>"
        b"<fields>Email</fields><message>jane</message></errors><success>false</success></result>"
        b"</mergeResponse>" + end
    )
    assert refused
    (merged,) = refused.results()
    assert (merged.success, merged.code, merged.fields) == (False, "MERGE_FAILED", ("Email",))
