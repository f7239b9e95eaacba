"""Pipedrive's error bodies, in the shapes that are documented or publicly recorded."""

from __future__ import annotations

from typing import Any, NoReturn

from crm_steward.sandbox import Refusal, Response

_BLOCKED = (
    b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    b"<body>Sorry, you have been blocked.</body></html>"
)
_SUPPORT = "Please check developers.pipedrive.com"


def ok(data: Any, *, status: int = 200, more: Any = None) -> Response:
    """Return a success."""
    return Response(status, {"success": True, "data": data, "additional_data": more})


def error(status: int, message: str, *, code: str = "", info: str = "") -> Response:
    """Return the generic error body; `code` as version 2 writes it."""
    body: dict[str, Any] = {"success": False, "error": message}
    if code:
        body["code"] = code
    body |= {"error_info": info or _SUPPORT, "data": None, "additional_data": None}
    return Response(status, body)


def refuse(status: int, message: str, *, code: str = "") -> NoReturn:
    """End the handling with an error.

    Raises:
        Refusal: Always.
    """
    raise Refusal(error(status, message, code=code))


def invalid(message: str) -> NoReturn:
    """End the handling with version 2's 400.

    Raises:
        Refusal: Always.
    """
    refuse(400, message, code="ERR_BAD_REQUEST")


def not_found(what: str) -> NoReturn:
    """End the handling with 404.

    Raises:
        Refusal: Always.
    """
    refuse(404, f"{what} not found", code="ERR_NOT_FOUND")


def unauthorized() -> Response:
    """Return the recorded 401."""
    body = {
        "success": False,
        "error": "unauthorized access",
        "errorCode": 401,
        "error_info": _SUPPORT,
    }
    return Response(401, body, {"x-401-by-gw": "true"})


def wrong_scope() -> Response:
    """Return the recorded 403 of a token without the scope; it does not name it."""
    body = {
        "success": False,
        "error": "Scope and URL mismatch",
        "errorCode": 403,
        "error_info": _SUPPORT,
    }
    return Response(403, body)


def too_many() -> Response:
    """Return 429; its body is undocumented, and it carries no Retry-After."""
    return Response(429, {"success": False, "error": "request over limit", "errorCode": 429})


def blocked() -> Response:
    """Return what Cloudflare answers when 429s are ignored: 403 and a web page."""
    return Response(403, _BLOCKED, {"Content-Type": "text/html; charset=UTF-8"})


_PLAIN = {
    400: "Bad request",
    403: "You do not have permissions to do this",
    404: "Not found",
    410: "Gone",
}


def scripted(status: int) -> Response:
    """Return what Pipedrive answers with `status`, for a scripted fault."""
    if status == 401:  # noqa: PLR2004 -- HTTP's own number
        return unauthorized()
    if status == 429:  # noqa: PLR2004 -- HTTP's own number
        return too_many()
    return error(status, _PLAIN.get(status, "Internal server error"))
