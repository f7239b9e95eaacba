"""Salesforce's answers that are not a success, in the shapes the vendor documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from xml.sax.saxutils import escape

from crm_steward.sandbox import Refusal, Response

_XML = {"Content-Type": "text/xml; charset=UTF-8"}


def error(status: int, code: str, message: str, fields: Sequence[str] = ()) -> Response:
    """Return the REST API's error body: a list of one."""
    return Response(status, [{"message": message, "errorCode": code, "fields": list(fields)}])


def refuse(status: int, code: str, message: str, fields: Sequence[str] = ()) -> NoReturn:
    """End the handling with the REST API's error body.

    Raises:
        Refusal: Always.
    """
    raise Refusal(error(status, code, message, fields))


def expired() -> Response:
    """Return the 401 of a token that has ended, was withdrawn, or never was."""
    return error(401, "INVALID_SESSION_ID", "Session expired or invalid")


def over_quota() -> Response:
    """Return the 403 of a day whose calls are used up; there is no Retry-After."""
    return error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def crowded() -> Response:
    """Return the 403 of too many long-running calls at once."""
    message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    return error(403, "REQUEST_LIMIT_EXCEEDED", message)


def oauth(code: str, description: str) -> NoReturn:
    """End the handling with the token endpoint's error body.

    Raises:
        Refusal: Always.
    """
    raise Refusal(Response(400, {"error": code, "error_description": description}))


def row_error(code: str, message: str, fields: Sequence[str] = ()) -> dict[str, Any]:
    """Return a refused row of a collection; it carries no id."""
    return {
        "success": False,
        "errors": [{"statusCode": code, "message": message, "fields": list(fields)}],
    }


def fault(code: str, message: str) -> Response:
    """Return a SOAP fault: HTTP 500."""
    text = escape(f"{code}: {message}")
    return Response(
        500,
        (
            '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
            'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault>'
            f"<faultcode>sf:{code}</faultcode><faultstring>{text}</faultstring>"
            "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
        ).encode(),
        _XML,
    )


def envelope(body: str) -> Response:
    """Return a SOAP answer."""
    return Response(
        200,
        (
            '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
            'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns="urn:partner.soap.sforce.com" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        ).encode(),
        _XML,
    )


_SCRIPTED = {
    400: ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "A rule of the company refuses this."),
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    503: ("SERVER_UNAVAILABLE", "The server is too busy to answer this request."),
}


def scripted(status: int, message: str = "") -> Response:
    """Return what Salesforce answers with `status`, for a scripted fault; 412 has no body here."""
    if status == 403:  # noqa: PLR2004 -- HTTP's own number
        return crowded()
    if status == 412:  # noqa: PLR2004 -- HTTP's own number
        return Response(412)
    code, text = _SCRIPTED.get(status, ("UNKNOWN_EXCEPTION", "An unexpected error occurred."))
    return error(status, code, message or text)
