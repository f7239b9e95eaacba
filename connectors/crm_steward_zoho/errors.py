"""Zoho's failures as ours: one table from status and code to what a person or the service does.

Messages hold HTTP status, Zoho's own error codes, API names of fields and record ids; never a
field's value, never Zoho's free text, never a token.
Source: zoho.com/crm/developer/docs/api/v8/status-codes.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    Problem,
    RecordRejectedError,
    RetryableError,
    StewardError,
    TokenRefusedError,
)

_CREDITS_BACK = 3600.0
"""Credits come back as the last 24 hours move on; ask once an hour."""
_LONGEST = 86_400.0
"""A longer Retry-After is not believed; Zoho sends none, a proxy may."""
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")
_NAME = re.compile(r"[A-Za-z$][A-Za-z0-9_.$]{0,99}")
_ID = re.compile(r"[0-9]{1,20}")
_REFUSED_TOKEN = frozenset({"INVALID_TOKEN", "AUTHENTICATION_FAILURE"})
_FORBIDDEN = frozenset({"NO_PERMISSION", "AUTHORIZATION_FAILED", "PERMISSION_DENIED"})


class ZohoRefusedError(RecordRejectedError):
    """Zoho refuses a request for good.

    Args:
        message: One line.
        code: Zoho's code.
        status: The HTTP status.
    """

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class ZohoForbiddenError(AuthError):
    """The token is right but lacks a scope, or its user a permission.

    Args:
        message: One line.
        hint: What to do.
        scope: The scope the call needs.
        user: It is the user's permission that lacks, not the token's scope.
    """

    def __init__(self, message: str, *, hint: str, scope: str, user: bool) -> None:
        super().__init__(message, hint=hint)
        self.scope = scope
        self.user = user


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One answer that is not a success.

    Args:
        connection: Its name, for the message.
        status: The HTTP status.
        body: What Zoho sent; empty when it is no JSON object.
        scope: The scope the call needs.
        retry_after: Seconds the answer asks to wait, if it does.
        credits: API credits left, as the last answer said; None when none said.
    """

    connection: str
    status: int
    body: Mapping[str, Any]
    scope: str = ""
    retry_after: float | None = None
    credits: int | None = None

    @property
    def code(self) -> str:
        """Zoho's code, if it reads like one."""
        return code_of(self.body)

    @property
    def trace(self) -> str:
        """Status, code and what the details name."""
        return " ".join(filter(None, [str(self.status), self.code])) + about(self.body)

    def error(self) -> StewardError:
        """Return our error for it."""
        barred = self._barred()
        if barred:
            return barred
        if self.status == HTTPStatus.TOO_MANY_REQUESTS or self.code == "TOO_MANY_REQUESTS":
            return self._later()
        if HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST:
            return self._elsewhere()
        if self.status < HTTPStatus.MULTIPLE_CHOICES or self._momentary:
            return self._unavailable()
        text = f"{self.connection}: Zoho refuses this ({self.trace})"
        return ZohoRefusedError(text, code=self.code, status=self.status)

    def _barred(self) -> StewardError | None:
        """Return our error when token, scope or permission is what is wrong."""
        if self.code == "OAUTH_SCOPE_MISMATCH":
            return self._forbidden(user=False)
        if self.code in _FORBIDDEN:
            return self._forbidden(user=True)
        if self.status == HTTPStatus.UNAUTHORIZED or self.code in _REFUSED_TOKEN:
            return self._token_refused()
        return self._forbidden(user=True) if self.status == HTTPStatus.FORBIDDEN else None

    @property
    def _momentary(self) -> bool:
        late = self.status == HTTPStatus.REQUEST_TIMEOUT
        return late or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def _token_refused(self) -> StewardError:
        return TokenRefusedError(
            f"{self.connection}: Zoho refuses the access token ({self.trace})",
            hint="Make a new refresh token with the self client, and give it to the connection.",
        )

    def _forbidden(self, *, user: bool) -> StewardError:
        if user:
            text = f"the user behind the token lacks a permission ({self.trace})"
            hint = "Give that user's profile access to the module in Zoho CRM."
        else:
            text = f"the token lacks the scope {self.scope or 'for this call'} ({self.trace})"
            hint = "Generate a code with all scopes of the README, and a new refresh token from it."
        return ZohoForbiddenError(
            f"{self.connection}: {text}", hint=hint, scope=self.scope, user=user
        )

    def _later(self) -> StewardError:
        """Credits or concurrency: Zoho answers the same, and does not say how long."""
        spent = self.credits is not None and self.credits <= 0
        wait = self.retry_after if self.retry_after is not None else None
        return RetryableError(
            f"{self.connection}: Zoho asks to wait ({self.trace}"
            f"{', no credits left' if spent else ''})",
            retry_after=_CREDITS_BACK if wait is None and spent else wait,
            sent=False,
        )

    def _elsewhere(self) -> StewardError:
        return elsewhere(self.connection, self.status)

    def _unavailable(self) -> StewardError:
        return RetryableError(
            f"{self.connection}: Zoho fails for the moment ({self.trace})",
            hint="See status.zoho.com if it lasts.",
            retry_after=self.retry_after,
        )


def elsewhere(connection: str, status: int) -> ConfigError:
    """Return our error for a redirect, which would take the credential with it."""
    problem = Problem(
        f"connection '{connection}': Zoho's address answers with a redirect ({status}), which is "
        "not followed",
        hint="Correct data_center or base_url, or the proxy in between.",
    )
    return ConfigError([problem])


def unreadable(connection: str) -> RetryableError:
    """Return our error for a success whose body is not the JSON it should be."""
    return RetryableError(
        f"{connection}: the answer is not Zoho's JSON",
        hint="A proxy or a maintenance page may stand in between; check base_url if it lasts.",
    )


def seconds_of(headers: Any) -> float | None:
    """Return a Retry-After in seconds; Zoho sends none, a proxy in between may."""
    try:
        seconds = float(headers.get("Retry-After") or "x")
    except ValueError:
        return None
    return seconds if 0 <= seconds <= _LONGEST else None


def code_of(row: Any) -> str:
    """Return the code of an error object or a row, if it reads like one."""
    code = row.get("code") if isinstance(row, Mapping) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def details_of(row: Any) -> Mapping[str, Any]:
    """Return the details of an error object or a row."""
    details = row.get("details") if isinstance(row, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def about(row: Any) -> str:
    """Return which field, parameter or other record the details name: `, field Email`."""
    details = details_of(row)
    named = {
        "field": details.get("api_name"),
        "parameter": details.get("param_name"),
        "expected": details.get("expected_data_type"),
    }
    found = [f"{word} {name}" for word, name in named.items() if _is_name(name)]
    longest = details.get("maximum_length")
    if isinstance(longest, int):
        found.append(f"at most {longest}")
    other = duplicate_of(details) if code_of(row) == "DUPLICATE_DATA" else ""
    if other:
        found.append(f"record {other} has that value")
    return "".join(f", {part}" for part in found)


def duplicate_of(details: Mapping[str, Any]) -> str:
    """Return the id of the record that already holds a unique value; its place differs by version."""
    held = details.get("duplicate_record")
    found = held.get("id") if isinstance(held, Mapping) else details.get("id")
    return found if isinstance(found, str) and _ID.fullmatch(found) else ""


def refusal_of(row: Any) -> str:
    """Return in one line why Zoho refused a row of a write."""
    code = code_of(row)
    meaning = _MEANINGS.get(code, "")
    return f"Zoho refuses it: {code or 'no code'}{about(row)}{meaning}"


_MEANINGS = {
    "RECORD_LOCKED": " (somebody locked the record in Zoho)",
    "RECORD_IN_BLUEPRINT": " (a blueprint holds the record)",
    "NOT_APPROVED": " (the record waits for approval)",
}


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
