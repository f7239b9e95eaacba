"""How a connection gets its access token from Zoho's accounts host.

Failures come with HTTP 200 and an `error` in the body. Ten access tokens may be had per refresh
token and ten minutes, so one is shared by all threads and processes, and renewed by the clock.
Source: zoho.com/accounts/protocol/oauth, token-validity.html of the CRM's API documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    Context,
    Problem,
    RetryableError,
    StewardError,
    Token,
    Tokens,
    is_loopback,
    transport_error,
)
from crm_steward_zoho import DATA_CENTERS, ZohoSettings
from crm_steward_zoho.errors import elsewhere, seconds_of, unreadable

_BLOCKED = 600.0
"""Seconds after which tokens are given again, once ten were had."""
_LIFETIME = 3600
_LONGEST_LIFE = 86_400
_ERROR = re.compile(r"[A-Za-z][A-Za-z_ ]{1,39}")
_TOKEN = re.compile(r"[!-~]{1,2000}")


class Credentials:
    """Asks for the tokens of one organisation.

    Args:
        settings: The connection's settings.
        context: What the core gives.
        session: What the calls go through.
    """

    def __init__(self, settings: ZohoSettings, context: Context, session: requests.Session) -> None:
        self._settings = settings
        self._context = context
        self._session = session
        center = DATA_CENTERS[settings.data_center]
        base = (settings.base_url or f"https://{center.accounts}").rstrip("/")
        self._address = f"{base}/oauth/v2/token"

    def tokens(self) -> Tokens:
        """Return the source of the connection's access tokens."""
        given = self._settings.refresh_token or self._settings.code
        secret = given.get_secret_value() if given else ""
        return self._context.tokens(f"zoho {self._settings.client_id} {secret}", self.issue)

    def issue(self, refresh: str) -> Token:
        """Ask for an access token; a code is exchanged where there is no refresh token yet.

        Args:
            refresh: The refresh token that a code was exchanged for, or empty.

        Raises:
            AuthError: Zoho refuses the credential.
            RetryableError: Zoho cannot be reached, or has given ten tokens in ten minutes.
            ConfigError: The answer names an address that is not Zoho's.
        """
        if not refresh and self._settings.refresh_token:
            refresh = self._settings.refresh_token.get_secret_value()
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.get_secret_value(),
        }
        if refresh:
            form |= {"grant_type": "refresh_token", "refresh_token": refresh}
        elif self._settings.code:
            form |= {
                "grant_type": "authorization_code",
                "code": self._settings.code.get_secret_value(),
            }
        answer = self._context.calls("token", lambda: self._ask(form), repeatable=bool(refresh))
        return self._token(answer)

    def _ask(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Make the request; raise outside of `except`, so that nothing of it is kept."""
        failure: StewardError | None = None
        answer: Mapping[str, Any] = {}
        try:
            response = self._session.post(self._address, data=form)
            answer = _document(response)
            failure = self._failure(response, answer, code="code" in form)
        except requests.RequestException as error:
            failure = transport_error(self._context.connection, "Zoho's accounts host", error)
        if failure:
            raise failure
        return answer

    def _failure(
        self, response: requests.Response, answer: Mapping[str, Any], *, code: bool
    ) -> StewardError | None:
        """Return what an answer without a token means, or None; its status says nothing."""
        name = self._context.connection
        if isinstance(answer.get("access_token"), str):
            return None
        error = answer.get("error")
        if isinstance(error, str) and _ERROR.fullmatch(error):
            return _refused(name, error.lower().replace(" ", "_"), code=code)
        if response.is_redirect:
            return elsewhere(name, response.status_code)
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            wait = seconds_of(response.headers)
            return _blocked(name, _BLOCKED if wait is None else wait)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return unreadable(name)
        return RetryableError(
            f"{name}: Zoho's accounts host fails for the moment ({response.status_code})",
            hint="Check data_center and base_url if it lasts.",
            retry_after=seconds_of(response.headers),
        )

    def _token(self, answer: Mapping[str, Any]) -> Token:
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(access, str) or not _TOKEN.fullmatch(access):
            raise unreadable(self._context.connection)
        seconds = answer.get("expires_in")
        sound = isinstance(seconds, int) and 0 < seconds <= _LONGEST_LIFE
        life = timedelta(seconds=seconds if isinstance(seconds, int) and sound else _LIFETIME)
        return Token(
            access=access,
            expires_at=self._context.clock() + life,
            refresh=refresh if isinstance(refresh, str) else "",
            url=self._domain(answer.get("api_domain")),
        )

    def _domain(self, given: Any) -> str:
        """Return where the API is: `base_url`, else what Zoho names if it is Zoho's.

        Raises:
            ConfigError: It is a stranger's.
        """
        if self._settings.base_url:
            return self._settings.base_url.rstrip("/")
        if not given:
            return f"https://www.{DATA_CENTERS[self._settings.data_center].api}"
        if isinstance(given, str) and _is_zohos(given, self._settings.allow_hosts):
            return given.rstrip("/")
        problem = Problem(
            f"connection '{self._context.connection}': Zoho's answer names an API address that "
            "does not belong to Zoho; nothing was sent there",
            hint="If it is right, name its host in allow_hosts.",
        )
        raise ConfigError([problem])


def _refused(connection: str, error: str, *, code: bool) -> StewardError:
    if error == "access_denied":
        return _blocked(connection, _BLOCKED)
    what = "the code" if code else "the refresh token"
    hint = "Make a new refresh token with the self client, and give it to the connection."
    if code:
        hint = "A code works once and for some minutes. Generate another one, or a refresh token."
    if error.startswith("invalid_client"):
        what = "the client"
        hint = "Check client_id, client_secret, and whether data_center is where they were made."
    return AuthError(f"{connection}: Zoho refuses {what} ({error})", hint=hint)


def _blocked(connection: str, seconds: float) -> RetryableError:
    return RetryableError(
        f"{connection}: Zoho gives no more access tokens for some minutes (access_denied)",
        hint="Ten may be had in ten minutes. Look for another program that uses this client; "
        "if it lasts, make a new refresh token.",
        retry_after=seconds,
        sent=False,
    )


def _is_zohos(address: str, allowed: tuple[str, ...]) -> bool:
    """Whether a token may go there: https to one of Zoho's API hosts, or to one that is allowed."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    plain = address.isascii() and address.isprintable() and not set("\\@%#? ") & set(address)
    host = (parts.hostname or "").rstrip(".")
    if not plain or parts.scheme != "https" or port not in {None, 443} or is_loopback(host):
        return False
    known = [center.api for center in DATA_CENTERS.values()]
    return any(host == name or host.endswith(f".{name}") for name in (*known, *allowed))


def _document(response: requests.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
