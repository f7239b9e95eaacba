"""Who may come in: static tokens, and access tokens that a refresh token buys.

The access tokens of an installed app live for 30 minutes by the account's clock. HubSpot gives the
same refresh token back; an account made with `rotate=True` gives a new one each time, and the old
one is worth nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crm_steward.sandbox import Refusal, Request, Response
from crm_steward_hubspot.sandbox import answers
from crm_steward_hubspot.sandbox.values import iso, milliseconds

if TYPE_CHECKING:
    from crm_steward_hubspot.sandbox.account import HubSpotAccount

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 -- opens nothing but an emulator
REFRESH_TOKEN = "sandbox-refresh-token"  # noqa: S105 -- the same
LIFETIME = 1_800
"""Seconds an access token lives."""

Grant = Mapping[str, Any]
"""What a token may do: scopes, expires (epoch milliseconds or None), app."""


def bearer(request: Request) -> str:
    """Return the bearer token of a request, or the empty text."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def granted(crm: HubSpotAccount, token: str) -> Grant:
    """Return what a token may do.

    Raises:
        Refusal: 401, unknown or expired.
    """
    grant: Grant | None = crm.tables["tokens"].get(token)
    if grant is None:
        answers.refuse(401, "Authentication credentials not found.", "INVALID_AUTHENTICATION")
    expires = grant["expires"]
    if expires is not None and expires <= milliseconds(crm.now()):
        answers.refuse(
            401,
            "The OAuth token used to make this call is expired.",
            "EXPIRED_AUTHENTICATION",
            context={"expire time": [iso(expires)]},
        )
    return grant


def refused(grant: Grant, needed: tuple[str, ...]) -> Response | None:
    """Return the 403 for what the grant lacks; of scopes joined by `|` one is enough."""
    lacking = [scope for scope in needed if not set(scope.split("|")) & set(grant["scopes"])]
    if not lacking:
        return None
    try:
        answers.missing_scopes([option for scope in lacking for option in scope.split("|")])
    except Refusal as refusal:
        return refusal.response


def issue(crm: HubSpotAccount, form: Mapping[str, str]) -> Response:
    """Give an access token for a refresh token, or say why not in HubSpot's two dialects."""
    if form.get("grant_type") != "refresh_token":
        return crm.unknown("a grant_type other than refresh_token")
    if form.get("client_id") != CLIENT_ID:
        return _bad("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id")
    if form.get("client_secret") != CLIENT_SECRET:
        return _bad("invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret")
    given = form.get("refresh_token", "")
    if given not in crm.tables["refresh_tokens"]:
        text = "refresh token is invalid, expired or revoked"
        return _bad("invalid_grant", "BAD_REFRESH_TOKEN", text)
    following = given
    if crm.rotate:
        following = f"{REFRESH_TOKEN}-{crm.new_id()}"
        del crm.tables["refresh_tokens"][given]
        crm.tables["refresh_tokens"][following] = {}
    access = f"sandbox-access-{crm.new_id()}"
    expires = milliseconds(crm.now()) + LIFETIME * 1000
    crm.tables["tokens"][access] = {"scopes": list(crm.scopes), "expires": expires, "app": "oauth"}
    return Response(
        200,
        {
            "token_type": "bearer",
            "access_token": access,
            "refresh_token": following,
            "expires_in": LIFETIME,
        },
    )


def expire(crm: HubSpotAccount, tokens: list[str] | None = None) -> list[str]:
    """Let access tokens expire now, all of them when none is named; return which."""
    held = crm.tables["tokens"]
    ended = list(held) if tokens is None else [token for token in tokens if token in held]
    for token in ended:
        held[token] = {**held[token], "expires": milliseconds(crm.now())}
    return ended


def revoke(crm: HubSpotAccount) -> None:
    """Withdraw every token: the app was uninstalled, the key deleted."""
    for name in ("tokens", "refresh_tokens"):
        for token in list(crm.tables[name]):
            del crm.tables[name][token]


def _bad(error: str, status: str, message: str) -> Response:
    both = {"error": error, "error_description": message, "status": status, "message": message}
    return Response(400, both)
