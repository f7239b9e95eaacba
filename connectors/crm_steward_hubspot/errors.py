"""HubSpot's failures as ours: one table from HTTP status to what a person or the service does.

Messages hold HTTP status, HubSpot's own error codes, property names and correlation ids; never a
property's value, never HubSpot's free text (it quotes values), never a header of ours.
Source: developers.hubspot.com/docs/api-reference/error-handling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    Problem,
    RecordRejectedError,
    RetryableError,
    StewardError,
    TokenRefusedError,
)

_DAY_OVER = 3600.0
"""The daily quota comes back at midnight of the account; ask once an hour."""
_WAIT = {423: 2.0, 429: 10.0, 477: 3600.0}
"""Seconds to wait where HubSpot refused without doing anything and names no time."""
_LONGEST = 7 * 86_400.0
"""A longer Retry-After is not believed."""
_SCHEMA_CODES = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})
"""Codes that hold for every row that uses the property, whatever its value."""
_CODE = re.compile(r"[A-Z][A-Z0-9_.]{2,60}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_SCOPE = re.compile(r"[a-z][a-z0-9._-]{0,99}")
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_EXISTING = re.compile(r"Existing ID: ?([0-9]+)")
_TLS_REASON = re.compile(r"certificate verify failed: ([^(\n]*)")


class HubSpotRejectedError(RecordRejectedError):
    """HubSpot refuses a request for good.

    Args:
        message: One line.
        status: The HTTP status.
        properties: Property → error code, where HubSpot names them.
        existing: The record that already has the value, on a conflict.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        properties: Mapping[str, str] | None = None,
        existing: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.properties = dict(properties or {})
        self.existing = existing

    @property
    def schema(self) -> frozenset[str]:
        """The properties no row may use: they do not exist or cannot be written."""
        return frozenset(name for name, code in self.properties.items() if code in _SCHEMA_CODES)


class HubSpotForbiddenError(AuthError):
    """The token is right but lacks a scope.

    Args:
        message: One line.
        hint: What to do.
        scopes: Those HubSpot asks for; one of them is enough.
    """

    def __init__(self, message: str, *, hint: str, scopes: tuple[str, ...]) -> None:
        super().__init__(message, hint=hint)
        self.scopes = scopes


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer of HubSpot that is not a success."""

    status: int
    body: Mapping[str, Any]
    retry_after: float | None

    @property
    def category(self) -> str:
        """HubSpot's category or error type, if it reads like one."""
        named = self.body.get("category") or self.body.get("errorType") or self.body.get("status")
        return code(named)

    @property
    def trace(self) -> str:
        """Status, category and correlation id: what HubSpot's support asks for."""
        correlation = self.body.get("correlationId")
        known = isinstance(correlation, str) and _ID.fullmatch(correlation)
        about = f", correlation {correlation}" if known else ""
        return " ".join(filter(None, [str(self.status), self.category])) + about


def from_answer(
    connection: str, status: int, body: str | bytes | None, headers: Any
) -> StewardError:
    """Return our error for an answer that is not a success.

    Args:
        connection: Its name, for the message.
        status: The HTTP status.
        body: What HubSpot sent, JSON or not.
        headers: The answer's headers, any mapping with `get`.
    """
    refusal = Refusal(status, _document(body), _seconds(headers))
    if status in _RULES:
        return _RULES[status](connection, refusal)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unavailable(connection, refusal)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _elsewhere(connection, refusal)
    return _rejected(connection, refusal)


def from_token_answer(
    connection: str, status: int, body: str | bytes | None, headers: Any
) -> StewardError:
    """Return our error for a token endpoint that gives none.

    Its refusals have a form of their own: `{"error", "status": "BAD_REFRESH_TOKEN", …}`.
    """
    refused = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if status not in refused:
        return from_answer(connection, status, body, headers)
    refusal = Refusal(status, _document(body), None)
    return AuthError(
        f"{connection}: HubSpot issues no access token ({refusal.trace})",
        hint="Check client_id, client_secret and refresh_token; if the app was uninstalled or the "
        "token withdrawn, install the app again and use the new refresh token.",
    )


def from_transport(connection: str, error: HTTPError) -> StewardError:
    """Return our error for a request that got no answer."""
    kind = type(error).__name__
    unsent = isinstance(error, NewConnectionError | ConnectTimeoutError | NameResolutionError)
    text = "cannot be reached" if unsent else "broke off before answering"
    return RetryableError(
        f"{connection}: HubSpot {text} ({kind})",
        hint="Check the network, the proxy and base_url if it lasts.",
        sent=not unsent,
    )


def from_tls(connection: str, reason: str) -> StewardError:
    """Return our error for a failed TLS handshake; the SDK reports it with status 0."""
    found = _TLS_REASON.search(reason)
    if found is None:
        return RetryableError(f"{connection}: the TLS connection to HubSpot broke")
    problem = Problem(
        f"connection '{connection}': the server's certificate is not trusted ({found[1].strip()}).",
        hint="Behind a proxy that inspects TLS, add its certificate to the system's store.",
    )
    return ConfigError([problem])


def unreadable(connection: str) -> RetryableError:
    """Return our error for a success whose body is not the JSON it should be."""
    return RetryableError(
        f"{connection}: the answer is not HubSpot's JSON",
        hint="A proxy or a maintenance page may stand in between; check base_url if it lasts.",
    )


def contradictory(connection: str, body: Mapping[str, Any]) -> RetryableError:
    """Return our error for a success whose body is one of HubSpot's errors."""
    refusal = Refusal(HTTPStatus.OK, body, None)
    return RetryableError(
        f"{connection}: HubSpot says success and means an error ({refusal.trace})",
        hint="See status.hubspot.com if it lasts.",
    )


def too_large(connection: str, megabytes: int) -> RetryableError:
    """Return our error for an answer that is larger than any of HubSpot's should be."""
    return RetryableError(
        f"{connection}: an answer of HubSpot is larger than {megabytes} MB",
        hint="Look for a contact with huge values in HubSpot.",
    )


def _refused(connection: str, refusal: Refusal) -> StewardError:
    return TokenRefusedError(
        f"{connection}: HubSpot refuses the token ({refusal.trace})",
        hint="Create or renew the service key in HubSpot and put it into the connection's token; "
        "an app installed by OAuth is installed again.",
    )


def _forbidden(connection: str, refusal: Refusal) -> StewardError:
    scopes = missing_scopes(refusal.body)
    named = f" {', '.join(scopes)}" if scopes else ""
    return HubSpotForbiddenError(
        f"{connection}: the token lacks a scope:{named or ' HubSpot does not say which'}"
        f" ({refusal.trace})",
        hint="Grant it to the service key or private app in HubSpot; README lists what is needed.",
        scopes=scopes,
    )


def _later(connection: str, refusal: Refusal) -> StewardError:
    """HubSpot did nothing and says to come back: 423 lock, 429 quota, 477 migration."""
    policy = code(refusal.body.get("policyName"))
    wait = _WAIT[refusal.status]
    if policy == "DAILY":
        wait = _DAY_OVER
    elif policy == "SECONDLY":
        wait = 1.0
    about = f" {policy}" if policy else ""
    return RetryableError(
        f"{connection}: HubSpot asks to wait ({refusal.trace}{about})",
        retry_after=wait if refusal.retry_after is None else refusal.retry_after,
        sent=False,
    )


def _unavailable(connection: str, refusal: Refusal) -> StewardError:
    return RetryableError(
        f"{connection}: HubSpot fails for the moment ({refusal.trace})",
        hint="See status.hubspot.com if it lasts.",
        retry_after=refusal.retry_after,
    )


def _elsewhere(connection: str, refusal: Refusal) -> StewardError:
    problem = Problem(
        f"connection '{connection}': HubSpot's address answers with a redirect "
        f"({refusal.status}), which is not followed",
        hint="Correct base_url, or the proxy in between.",
    )
    return ConfigError([problem])


def _rejected(connection: str, refusal: Refusal) -> StewardError:
    properties = named_properties(refusal.body)
    existing = _existing(refusal.body)
    details = [f"{name}: {code}" for name, code in sorted(properties.items())]
    if existing:
        details.append(f"existing id {existing}")
    tail = f": {'; '.join(details)}" if details else ""
    return HubSpotRejectedError(
        f"{connection}: HubSpot refuses this ({refusal.trace}){tail}",
        status=refusal.status,
        properties=properties,
        existing=existing,
    )


_RULES = {
    401: _refused,
    403: _forbidden,
    408: _unavailable,
    423: _later,
    429: _later,
    477: _later,
}
"""HTTP status → rule. Every other 5xx is momentary, 3xx is never followed, the rest is refused."""


def missing_scopes(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the scopes a 403 names; HubSpot puts them into `context`, under either name."""
    context = _mapping(body.get("context"))
    listed = context.get("requiredGranularScopes") or context.get("requiredScopes") or ()
    items = listed if isinstance(listed, list) else ()
    return tuple(item for item in items if isinstance(item, str) and _SCOPE.fullmatch(item))


def named_properties(body: Mapping[str, Any]) -> dict[str, str]:
    """Return property → code from the `errors` array, else from the JSON inside `message`."""
    found: dict[str, str] = {}
    for error in _sequence(body.get("errors")):
        context = _mapping(_mapping(error).get("context"))
        for name in _sequence(context.get("propertyName")):
            _note(found, name, _mapping(error).get("code"))
    if not found:
        for error in _embedded(body.get("message")):
            _note(found, _mapping(error).get("name"), _mapping(error).get("error"))
    return found


def _note(found: dict[str, str], name: Any, given: Any) -> None:
    if isinstance(name, str) and _NAME.fullmatch(name):
        found[name] = code(given) or "INVALID"


def _embedded(message: Any) -> Sequence[Any]:
    """Return the JSON list inside `Property values were not valid: [{…}]`."""
    start = message.find("[") if isinstance(message, str) else -1
    if start < 0:
        return ()
    try:
        return _sequence(json.JSONDecoder().raw_decode(message, start)[0])
    except (ValueError, RecursionError):
        return ()


def _existing(body: Mapping[str, Any]) -> str:
    message = body.get("message")
    found = _EXISTING.search(message) if isinstance(message, str) else None
    return found[1] if found else ""


def _document(body: str | bytes | None) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(body or "{}"))
    except (ValueError, RecursionError):
        return {}


def _seconds(headers: Any) -> float | None:
    text = headers.get("Retry-After") if headers else None
    try:
        seconds = float(text) if text else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds <= _LONGEST else None


def code(value: Any) -> str:
    """Return `value` if it reads like one of HubSpot's codes, else nothing."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
