"""Salesforce's failures as ours: from HTTP status and error code to what a person or we do.

Messages hold HTTP status, Salesforce's own error codes and field names; never a value, never
Salesforce's free text (it quotes values), never a header of ours. Sources: REST API Developer
Guide, "Status Codes and Error Responses"; the partner WSDL's StatusCode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    ConflictError,
    Problem,
    RecordRejectedError,
    RetryableError,
    StewardError,
    TokenRefusedError,
)

_LATER = 3600.0
"""The daily quota is a rolling 24 hours: some of it is free again in an hour."""
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")
_OAUTH = re.compile(r"[a-z][a-z_]{2,60}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
GONE = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND"})
"""The record is in the recycle bin, was purged, or never was."""

_MEANINGS = {
    "DUPLICATES_DETECTED": "a duplicate rule refuses the save (allow_duplicates saves in spite of "
    "rules that only warn)",
    "INACTIVE_OWNER_OR_USER": "the owner is not active any more",
    "ENTITY_IS_LOCKED": "an approval locks the record",
    "ENTITY_IS_DELETED": "the contact is gone",
    "INSUFFICIENT_ACCESS": "our user lacks the right to see it",
    "INSUFFICIENT_ACCESS_OR_READONLY": "our user lacks the right to change it",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule refuses the values",
}


class SalesforceRejectedError(RecordRejectedError):
    """Salesforce refuses a request or a record for good.

    Args:
        message: One line.
        status: The HTTP status; 200 for a row of a collection.
        code: Salesforce's error code, or empty.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ModifiedError(ConflictError):
    """The record was modified after the second we named; nothing was written."""


class LockedError(RetryableError):
    """Another transaction holds the record; nothing was written."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an answer or a row says about why it is not a success.

    Args:
        status: The HTTP status.
        code: Salesforce's error code, if it reads like one.
        fields: The fields it names.
        total: Whether it speaks of the daily quota.
    """

    status: int
    code: str
    fields: tuple[str, ...] = ()
    total: bool = False

    @property
    def trace(self) -> str:
        """Status, code and fields, as a message shows them."""
        parts = [str(self.status) if self.status != HTTPStatus.OK else "", self.code]
        named = f": {', '.join(self.fields)}" if self.fields else ""
        return " ".join(filter(None, parts)) + named


def refusal_of(status: int, content: Any) -> Refusal:
    """Take the first error of an answer's body, whatever that is."""
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, Mapping):
        return Refusal(status, "")
    code = first.get("errorCode") or first.get("statusCode")
    message = first.get("message")
    fields = first.get("fields")
    names = fields if isinstance(fields, list) else []
    return Refusal(
        status,
        code if isinstance(code, str) and _CODE.fullmatch(code) else "",
        tuple(name for name in names if isinstance(name, str) and _NAME.fullmatch(name)),
        total=isinstance(message, str) and message.startswith("TotalRequests"),
    )


def from_answer(connection: str, status: int, content: Any) -> StewardError:
    """Return our error for an answer that is not a success.

    Args:
        connection: Its name, for the message.
        status: The HTTP status.
        content: The body, as JSON where it is that.
    """
    refusal = refusal_of(status, content)
    if status == HTTPStatus.UNAUTHORIZED:
        return refused_token(connection, refusal)
    if status == HTTPStatus.PRECONDITION_FAILED:
        return ModifiedError(f"{connection}: the contact was modified meanwhile ({refusal.trace})")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _elsewhere(connection, refusal)
    if refusal.code == "UNSUPPORTED_API_VERSION" or status == HTTPStatus.GONE:
        return unsupported(connection, refusal)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {408, 420, 429}:
        return _unavailable(connection, refusal)
    return from_code(connection, refusal)


def from_code(connection: str, refusal: Refusal) -> StewardError:
    """Return our error for an error code, be it of an answer, a row or a SOAP fault."""
    return _RULES.get(refusal.code, rejected)(connection, refusal)


def rejected(connection: str, refusal: Refusal) -> SalesforceRejectedError:
    """Return our error for what is refused for good."""
    meaning = _MEANINGS.get(refusal.code, "Salesforce refuses this")
    message = f"{connection}: {meaning} ({refusal.trace})"
    return SalesforceRejectedError(message, status=refusal.status, code=refusal.code)


def unreadable(connection: str) -> RetryableError:
    """Return our error for a success whose body is not what Salesforce sends."""
    return RetryableError(
        f"{connection}: the answer is not Salesforce's",
        hint="A proxy or a maintenance page may stand in between; check base_url if it lasts.",
    )


def refused_token(connection: str, refusal: Refusal) -> TokenRefusedError:
    """Return our error for an access token that is refused."""
    return TokenRefusedError(
        f"{connection}: Salesforce refuses the token ({refusal.trace})",
        hint="Its session has ended or was withdrawn; check the app and its user in Salesforce.",
    )


def refused_login(connection: str, status: int, content: Any) -> StewardError:
    """Return our error for the token endpoint's refusal."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _elsewhere(connection, Refusal(status, ""))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {408, 420, 429}:
        return _unavailable(connection, Refusal(status, ""))
    body = content if isinstance(content, Mapping) else {}
    code = body.get("error")
    code = code if isinstance(code, str) and _OAUTH.fullmatch(code) else ""
    trace = " ".join(filter(None, [str(status), code]))
    return AuthError(
        f"{connection}: Salesforce does not let us in ({trace})",
        hint=_login_hint(code, str(body.get("error_description") or "")),
    )


def _login_hint(code: str, description: str) -> str:
    if "approved this consumer" in description:
        return "Pre-authorise the user on the External Client App."
    if "expired authorization code" in description:
        return "Check this machine's clock: the assertion is good for three minutes."
    if code in {"invalid_client", "invalid_client_id"}:
        return "Check client_id and client_secret, and that the External Client App is active."
    return "Check the credential, domain and sandbox, and what the External Client App allows."


def unsupported(connection: str, refusal: Refusal) -> ConfigError:
    """Return our error for an API version that is not served, or not for this."""
    problem = Problem(
        f"connection '{connection}': Salesforce does not serve this API version ({refusal.trace})",
        hint="Correct version: 64.0 is served for long.",
    )
    return ConfigError([problem])


def _elsewhere(connection: str, refusal: Refusal) -> StewardError:
    problem = Problem(
        f"connection '{connection}': Salesforce's address answers with a redirect "
        f"({refusal.status}), which is not followed",
        hint="Correct domain, instance_url or base_url, or the proxy in between.",
    )
    return ConfigError([problem])


def _over_limit(connection: str, refusal: Refusal) -> StewardError:
    """The day's calls are used up, or too many long calls run at once; nothing took effect."""
    if not refusal.total:
        text = f"{connection}: too many calls are at work in the org ({refusal.trace})"
        return RetryableError(text, sent=False)
    return RetryableError(
        f"{connection}: the org's calls of the last 24 hours are used up ({refusal.trace})",
        hint="They are shared by all its integrations; Setup > System Overview shows them.",
        retry_after=_LATER,
        sent=False,
    )


def _unavailable(connection: str, refusal: Refusal) -> StewardError:
    return RetryableError(
        f"{connection}: Salesforce fails for the moment ({refusal.trace})",
        hint="See status.salesforce.com if it lasts.",
    )


def _closed(connection: str, refusal: Refusal) -> StewardError:
    return AuthError(
        f"{connection}: our user may not use the API ({refusal.trace})",
        hint="Grant the permission 'API Enabled' to the user, and check the org's edition.",
    )


def _locked(connection: str, refusal: Refusal) -> StewardError:
    message = f"{connection}: another transaction holds the record ({refusal.trace})"
    return LockedError(message, sent=False)


_RULES: Mapping[str, Callable[[str, Refusal], StewardError]] = {
    "REQUEST_LIMIT_EXCEEDED": _over_limit,
    "UNABLE_TO_LOCK_ROW": _locked,
    "QUERY_TIMEOUT": _unavailable,
    "SERVER_UNAVAILABLE": _unavailable,
    "UNKNOWN_EXCEPTION": _unavailable,
    "INVALID_SESSION_ID": refused_token,
    "API_DISABLED_FOR_ORG": _closed,
    "API_CURRENTLY_DISABLED": _closed,
    "UNSUPPORTED_API_VERSION": unsupported,
}
"""Error code → rule; every other one refuses a record or a request for good."""
