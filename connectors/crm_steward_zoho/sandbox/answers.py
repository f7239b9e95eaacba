"""Zoho's error bodies, in the shapes the vendor documents."""

from __future__ import annotations

from typing import Any, NoReturn

from crm_steward.sandbox import Refusal, Response


def envelope(code: str, message: str, **details: Any) -> dict[str, Any]:
    """Return Zoho's error object, alone or as one row of `data`."""
    return {"code": code, "details": details, "message": message, "status": "error"}


def error(status: int, code: str, message: str, **details: Any) -> Response:
    """Return an answer that is nothing but Zoho's error object."""
    return Response(status, envelope(code, message, **details))


def refuse(status: int, code: str, message: str, **details: Any) -> NoReturn:
    """End the handling with Zoho's error object.

    Raises:
        Refusal: Always.
    """
    raise Refusal(error(status, code, message, **details))


def invalid(message: str = "invalid data", **details: Any) -> NoReturn:
    """End the handling with 400 `INVALID_DATA`.

    Raises:
        Refusal: Always.
    """
    refuse(400, "INVALID_DATA", message, **details)


def too_many_requests() -> Response:
    """Return the 429 that stands for credits and for concurrency alike; without Retry-After."""
    return error(429, "TOO_MANY_REQUESTS", "You have exceeded the number of allowed requests")


def oauth(name: str) -> Response:
    """Return the token endpoint's failure: HTTP 200, and an `error` in the body."""
    return Response(200, {"error": name})


_SCRIPTED = {
    400: ("INVALID_DATA", "invalid data"),
    401: ("INVALID_TOKEN", "invalid oauth token"),
    403: ("NO_PERMISSION", "permission denied"),
    404: ("INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one"),
    412: ("ALREADY_MODIFIED", "The record has been modified by another user"),
}


def scripted(status: int) -> Response:
    """Return what Zoho answers with `status`, for a scripted fault."""
    if status == 429:  # noqa: PLR2004 -- HTTP's own number
        return too_many_requests()
    code, message = _SCRIPTED.get(status, ("INTERNAL_ERROR", "Internal Server Error"))
    return error(status, code, message)
