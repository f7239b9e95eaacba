"""Pipedrive's failures as ours: one table from HTTP status to what a person or the service does.

Messages hold HTTP status, Pipedrive's own error codes and the names of fields we sent; never a
value, never Pipedrive's free text (it may quote values), never a header of ours.
Sources: pipedrive.readme.io/docs/core-api-concepts-http-status-codes and …-rate-limiting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
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

_DAY_OVER = 3600.0
"""The tokens of the day come back at midnight of an unnamed time zone; ask once an hour."""
_BLOCKED = 600.0
"""Cloudflare's block: how long it lasts is not published; stop for minutes."""
_LONGEST = 7 * 86_400.0
"""A longer wait is not believed."""
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,60}")
_SCOPE_ERROR = "Scope and URL mismatch"
_DAILY_LEFT = "x-daily-ratelimit-token-remaining"
_BURST_LEFT = "x-ratelimit-remaining"
_BURST_RESET = "x-ratelimit-reset"


class PipedriveRejectedError(RecordRejectedError):
    """Pipedrive refuses a request for good.

    Args:
        message: One line.
        status: The HTTP status.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status

    @property
    def gone(self) -> bool:
        """Whether there is nothing (any more) under that address."""
        return self.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class PipedriveForbiddenError(AuthError):
    """The credential is right but may not do this: a scope or a permission is missing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer of Pipedrive that is not a success.

    Args:
        connection: The connection's name.
        status: The HTTP status.
        body: What it says, if it is JSON.
        headers: The answer's headers.
        page: Whether it is a web page.
        writes: Whether the call changes something.
        sent: Names of the fields that were sent.
    """

    connection: str
    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    page: bool
    writes: bool
    sent: tuple[str, ...]

    @property
    def trace(self) -> str:
        """Status and Pipedrive's own code."""
        code = self.body.get("code")
        known = isinstance(code, str) and _CODE.fullmatch(code)
        return f"{self.status} {code}" if known else str(self.status)

    @property
    def named(self) -> list[str]:
        """The fields of ours that the free text mentions."""
        text = self.body.get("error")
        return [name for name in self.sent if isinstance(text, str) and name in text]

    def number(self, header: str) -> float | None:
        """Return a header's number, or None."""
        try:
            seconds = float(self.headers.get(header, ""))
        except ValueError:
            return None
        return seconds if 0 <= seconds <= _LONGEST else None


def from_answer(
    connection: str,
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    writes: bool = False,
    sent: Iterable[str] = (),
) -> StewardError:
    """Return our error for an answer that is not a success.

    Args:
        connection: Its name, for the message.
        status: The HTTP status.
        body: What Pipedrive sent, JSON or not.
        headers: The answer's headers.
        writes: Whether the call was to change something.
        sent: Names of the fields it sent.
    """
    page = "html" in headers.get("Content-Type", "").lower()
    refusal = Refusal(connection, status, _document(body), headers, page, writes, tuple(sent))
    rule = _RULES.get(status)
    if rule is not None:
        return rule(refusal)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unavailable(refusal)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return _elsewhere(refusal)
    return _rejected(refusal)


def unreadable(connection: str) -> RetryableError:
    """Return our error for a success whose body is not the JSON it should be."""
    return RetryableError(
        f"{connection}: the answer is not Pipedrive's JSON",
        hint="A proxy or a maintenance page may stand in between; check base_url if it lasts.",
    )


def no_success(connection: str) -> RetryableError:
    """Return our error for a status of success over a body that says the contrary."""
    return RetryableError(
        f"{connection}: Pipedrive answers with an error under a status of success",
        hint="See status.pipedrive.com if it lasts.",
    )


def strange_host(connection: str, host: str) -> ConfigError:
    """Return our error for an address that is not Pipedrive's, named by its token endpoint."""
    problem = Problem(
        f"connection '{connection}': the token names {host!a} as the address to use, which is not "
        "Pipedrive's",
        hint="If it is your own proxy, name it in allow_hosts.",
    )
    return ConfigError([problem])


def from_token_answer(
    connection: str, status: int, body: bytes, headers: Mapping[str, str]
) -> StewardError:
    """Return our error for a refused renewal of the access token."""
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        refusal = Refusal(connection, status, _document(body), headers, False, False, ())  # noqa: FBT003 -- named by the class
        if refusal.status != HTTPStatus.FORBIDDEN or refusal.body:
            return AuthError(
                f"{connection}: Pipedrive does not renew the access token ({status})",
                hint="Install the app anew in Pipedrive, and put the refresh token it gives into "
                "the connection's refresh_token; check client_id and client_secret.",
            )
    return from_answer(connection, status, body, headers)


def _refused(refusal: Refusal) -> StewardError:
    return TokenRefusedError(
        f"{refusal.connection}: Pipedrive refuses the token ({refusal.trace})",
        hint="Copy the API token anew from Pipedrive (Personal preferences > API), or install the "
        "app again, and put it into the connection's settings.",
    )


def _forbidden(refusal: Refusal) -> StewardError:
    if refusal.page:
        return RetryableError(
            f"{refusal.connection}: Pipedrive's firewall blocks us (403 and a web page)",
            hint="Too many calls of all programs with this token; we stop for ten minutes.",
            retry_after=_BLOCKED,
            sent=False,
        )
    scope = refusal.body.get("error") == _SCOPE_ERROR
    if refusal.writes and not scope:
        return _rejected(refusal)
    what = "a scope" if scope else "a permission"
    return PipedriveForbiddenError(
        f"{refusal.connection}: the credential lacks {what} ({refusal.trace})",
        hint="Grant it to the app, or to the token's user, in Pipedrive; README lists what is "
        "needed.",
    )


def _later(refusal: Refusal) -> StewardError:
    """Pipedrive did nothing and says to come back: the day's tokens, or the burst.

    A call costs several tokens: with fewer left than that, the day is over as well.
    """
    wait, about = refusal.number("Retry-After"), ""
    day, burst = refusal.number(_DAILY_LEFT), refusal.number(_BURST_LEFT)
    if day == 0 or (day is not None and burst):
        wait, about = wait or _DAY_OVER, " the day's tokens are used up"
    elif wait is None and burst == 0:
        wait = refusal.number(_BURST_RESET)
    return RetryableError(
        f"{refusal.connection}: Pipedrive asks to wait ({refusal.trace}{about})",
        retry_after=wait,
        sent=False,
    )


def _unavailable(refusal: Refusal) -> StewardError:
    return RetryableError(
        f"{refusal.connection}: Pipedrive fails for the moment ({refusal.trace})",
        hint="See status.pipedrive.com if it lasts.",
        retry_after=refusal.number("Retry-After"),
    )


def _elsewhere(refusal: Refusal) -> StewardError:
    problem = Problem(
        f"connection '{refusal.connection}': Pipedrive's address answers with a redirect "
        f"({refusal.status}), which is not followed",
        hint="Correct company or base_url, or the proxy in between.",
    )
    return ConfigError([problem])


def _rejected(refusal: Refusal) -> StewardError:
    named = f": {', '.join(refusal.named)}" if refusal.named else ""
    return PipedriveRejectedError(
        f"{refusal.connection}: Pipedrive refuses this ({refusal.trace}){named}",
        status=refusal.status,
    )


_RULES: Mapping[int, Callable[[Refusal], StewardError]] = {
    401: _refused,
    403: _forbidden,
    408: _unavailable,
    429: _later,
}
"""HTTP status → rule. Every other 5xx is momentary, 3xx is never followed, the rest is refused."""


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
