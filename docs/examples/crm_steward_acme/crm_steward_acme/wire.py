"""Acme's API, call by call: each goes out once, through the core, and fails as one of our errors.

Messages hold the status, Acme's error code and a field's name. They never hold Acme's own words:
those quote what people typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import requests

from crm_steward.sdk import (
    AuthError,
    ConfigError,
    ConflictError,
    Context,
    Problem,
    RecordRejectedError,
    RetryableError,
    StewardError,
    Token,
    TokenRefusedError,
    open_session,
    transport_error,
)
from crm_steward_acme import SPEC, AcmeSettings

URL = "https://api.acme.example"
_CODE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_HINT = "Create a new API client in Acme, and put its id and secret into the settings."


class AcmeRejectedError(RecordRejectedError):
    """Acme refuses a request for good.

    Args:
        message: One line.
        status: The HTTP status.
        survivor: The contact that the asked one was merged into, or empty.
    """

    def __init__(self, message: str, *, status: int, survivor: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.survivor = survivor


class Wire:
    """One account of Acme.

    Args:
        settings: The connection's settings.
        context: What the core gives.
    """

    def __init__(self, settings: AcmeSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._url = (settings.base_url or URL).rstrip("/")
        self._session = open_session(
            settings.timeout, hosts=SPEC.hosts, allow_hosts=settings.allow_hosts
        )
        secret = settings.client_secret.get_secret_value()
        self._tokens = context.tokens(f"{settings.client_id} {secret}", self._issue)

    def get(self, path: str, needs: str = "", **query: str | int) -> dict[str, Any]:
        """Read; made again when the answer is lost, or lacks the list that it needs to have."""
        return self._call("GET", path, params=query, needs=needs)

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        version: str = "",
    ) -> dict[str, Any]:
        """Write; never made again when it may have taken effect.

        Args:
            method: `POST`, `PATCH` or `DELETE`.
            path: Without the host.
            body: JSON.
            version: Acme refuses the call if the record is not at this version any more.
        """
        headers = {"If-Match": f'"{version}"'} if version else {}
        return self._call(method, path, json=body, headers=headers)

    def close(self) -> None:
        """Close the sockets."""
        self._session.close()

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        def with_token(token: Token) -> dict[str, Any]:
            bearer = {"Authorization": f"Bearer {token.access}"}
            sent = {**options, "headers": {**options.get("headers", {}), **bearer}}
            return self._context.calls(
                "burst", lambda: self._once(method, path, **sent), repeatable=method == "GET"
            )

        return self._tokens.using(with_token)

    def _issue(self, _refresh: str) -> Token:
        """Ask for an access token; Acme has no refresh tokens."""
        body = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.get_secret_value(),
        }
        asked = self._context.clock()
        answer = self._context.calls("token", lambda: self._once("POST", "/token", json=body))
        access, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(access, str) or not isinstance(seconds, int):
            raise RetryableError(f"{self._context.connection}: Acme's answer holds no token")
        return Token(access, expires_at=asked + timedelta(seconds=seconds))

    def _once(self, method: str, path: str, needs: str = "", **options: Any) -> dict[str, Any]:
        """Make the request; raise outside of `except`, so that no traceback shows what was sent."""
        try:
            response = self._session.request(method, self._url + path, **options)
        except requests.RequestException as error:
            failure = transport_error(self._context.connection, "Acme", error)
        else:
            document = _document(response)
            if response.status_code < 300 and _is_sound(document, needs):
                return document or {}
            failure = self._error(response, document or {})
        if isinstance(failure, RetryableError) and (method == "GET" or path == "/token"):
            failure.sent = False  # whatever became of it, it changed nothing
        raise failure

    def _error(self, response: requests.Response, document: Mapping[str, Any]) -> StewardError:
        """Return our error, sorted by who must act."""
        status = response.status_code
        told = document.get("error")
        code, field, survivor = (_code(told, key) for key in ("code", "field", "merged_into"))
        details = " ".join(filter(None, [str(status), code, field]))
        where = self._context.connection
        if status in {401, 403}:
            kind = TokenRefusedError if code == "token_expired" else AuthError
            return kind(f"{where}: Acme refuses the credential ({details})", hint=_HINT)
        if status == 412:
            return ConflictError(f"{where}: the record has changed ({details})")
        if status == 429:
            wait = _seconds(response) or 1.0
            return RetryableError(f"{where}: Acme asks to wait", retry_after=wait, sent=False)
        if 300 <= status < 400:
            problem = Problem(f"connection '{where}': Acme's address answers with a redirect")
            return ConfigError([problem])
        if 400 <= status < 500:
            text = f"{where}: Acme refuses this ({details})"
            return AcmeRejectedError(text, status=status, survivor=survivor)
        text = f"{where}: Acme fails for the moment, or this is not Acme ({details})"
        return RetryableError(text, retry_after=_seconds(response))


def _document(response: requests.Response) -> dict[str, Any] | None:
    """Return the answer's JSON object; none where it is something else."""
    if response.status_code == 204:
        return {}
    try:
        document = response.json()
    except (ValueError, RecursionError):  # not JSON, or nested beyond all sense
        return None
    return document if isinstance(document, dict) else None


def _is_sound(document: Mapping[str, Any] | None, needs: str) -> bool:
    whole = not needs or isinstance((document or {}).get(needs), list)
    return document is not None and "error" not in document and whole


def _code(told: Any, key: str) -> str:
    """Return a code or a name, and nothing that only looks like one."""
    value = told.get(key) if isinstance(told, dict) else None
    usable = isinstance(value, str) and (_CODE.fullmatch(value) or value.isdecimal())
    return str(value) if usable else ""


def _seconds(response: requests.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text) else None
