"""HubSpot's error bodies, in the shapes the vendor documents."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NoReturn

from crm_steward.sandbox import Refusal, Response

_TOO_LONG = b"<html><head><title>414 Request-URI Too Large</title></head></html>"


def error(
    status: int,
    message: str,
    category: str | None = None,
    **more: Any,
) -> Response:
    """Return HubSpot's generic error body."""
    correlation = str(uuid.uuid4())
    body = {"status": "error", "message": message, "correlationId": correlation}
    if category:
        body["category"] = category
    return Response(status, {**body, **more}, {"X-HubSpot-Correlation-Id": correlation})


def refuse(status: int, message: str, category: str | None = None, **more: Any) -> NoReturn:
    """End the handling with HubSpot's generic error body.

    Raises:
        Refusal: Always.
    """
    raise Refusal(error(status, message, category, **more))


def invalid(message: str, **more: Any) -> NoReturn:
    """End the handling with 400 `VALIDATION_ERROR`.

    Raises:
        Refusal: Always.
    """
    refuse(400, message, "VALIDATION_ERROR", **more)


def not_found(record_id: str) -> NoReturn:
    """End the handling with 404.

    Raises:
        Refusal: Always.
    """
    refuse(
        404, f"Object not found.  objectId are usually numeric. ({record_id})", "OBJECT_NOT_FOUND"
    )


def missing_scopes(scopes: Sequence[str]) -> NoReturn:
    """End the handling with 403 naming the scopes that are required.

    Raises:
        Refusal: Always.
    """
    refuse(
        403,
        "One or more of the following scopes are required.",
        "MISSING_SCOPES",
        context={"requiredGranularScopes": list(scopes)},
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )


_POLICIES = {
    "SECONDLY": "secondly",
    "TEN_SECONDLY_ROLLING": "ten_secondly_rolling",
    "DAILY": "daily",
}


def rate_limited(policy: str) -> Response:
    """Return HubSpot's 429 body; it has no `category`."""
    return error(
        429,
        f"You have reached your {_POLICIES[policy]} limit.",
        errorType="RATE_LIMIT",
        policyName=policy,
        groupName="publicapi:private-apps",
    )


def uri_too_long() -> Response:
    """Return the 414 of the web server in front of HubSpot: not JSON."""
    return Response(414, _TOO_LONG, {"Content-Type": "text/html"})


_PLAIN = {
    401: ("Authentication credentials not found.", "INVALID_AUTHENTICATION"),
    403: ("This app hasn't been granted all required scopes to make this call.", "MISSING_SCOPES"),
    404: ("resource not found", "OBJECT_NOT_FOUND"),
    423: ("The record is locked by another update; try again in a moment.", None),
    477: ("This account is being migrated to another data centre.", None),
}


def scripted(status: int) -> Response:
    """Return what HubSpot answers with `status`, for a scripted fault."""
    if status == 429:  # noqa: PLR2004 -- HTTP's own number
        return rate_limited("TEN_SECONDLY_ROLLING")
    if status == 414:  # noqa: PLR2004 -- HTTP's own number
        return uri_too_long()
    message, category = _PLAIN.get(status, ("internal error", None))
    return error(status, message, category)
