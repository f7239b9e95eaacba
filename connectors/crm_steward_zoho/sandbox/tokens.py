"""The accounts host: grant codes, refresh tokens, access tokens, and what they may do."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_zoho.sandbox import answers
from crm_steward_zoho.sandbox.account import ZohoAccount

routes = Routes()
_PARTS = ("grant_type", "client_id", "client_secret", "code", "refresh_token", "redirect_uri")
_LIFETIME = 3_600
_MINTED = 10
_WINDOW = 600
_ALIVE = 30


@routes.add("POST", "/oauth/v2/token", query=_PARTS, quota="none")
def token(crm: ZohoAccount, request: Request) -> Response:
    """Exchange a grant code, or give a new access token; failures come with status 200."""
    form = {**_last(request.query), **_last(parse_qs(request.body.decode("utf-8", "replace")))}
    if (form.get("client_id"), form.get("client_secret")) != (crm.CLIENT_ID, crm.client_secret):
        return answers.oauth("invalid_client")
    match form.get("grant_type"):
        case "authorization_code":
            return _exchange(crm, request, form.get("code", ""))
        case "refresh_token":
            refresh = form.get("refresh_token", "")
            if refresh not in crm.tables["refresh_tokens"]:
                return answers.oauth("invalid_code")
            return _mint(crm, request, refresh)
        case _:
            return answers.oauth("invalid_request")


@routes.add("POST", "/oauth/v2/token/revoke", query=("token",), quota="none")
def revoke(crm: ZohoAccount, request: Request) -> Response:
    """Withdraw a refresh token and everything it gave."""
    refresh = request.one("token") or _last(parse_qs(request.body.decode())).get("token", "")
    if refresh not in crm.tables["refresh_tokens"]:
        return answers.oauth("invalid_code")
    crm.revoke(refresh)
    return Response(200, {"status": "success"})


def _exchange(crm: ZohoAccount, request: Request, code: str) -> Response:
    grant = crm.tables["codes"].get(code)
    if grant is None or grant["expires"] <= crm.seconds():
        return answers.oauth("invalid_code")
    del crm.tables["codes"][code]
    refresh = f"1000.{crm.new_id()}.refresh"
    crm.tables["refresh_tokens"][refresh] = {"scopes": grant["scopes"], "minted": []}
    return _mint(crm, request, refresh, show=True)


def _mint(crm: ZohoAccount, request: Request, refresh: str, *, show: bool = False) -> Response:
    """Give an access token: ten in ten minutes, thirty alive, the oldest dies for the next."""
    grant = crm.tables["refresh_tokens"][refresh]
    now = crm.seconds()
    minted = [moment for moment in grant["minted"] if moment > now - _WINDOW]
    if len(minted) >= _MINTED:
        return answers.oauth("access_denied")
    crm.tables["refresh_tokens"][refresh] = {**grant, "minted": [*minted, now]}
    tokens = crm.tables["tokens"]
    mine = [name for name, held in tokens.items() if held["refresh"] == refresh]
    alive = sorted((n for n in mine if tokens[n]["expires"] > now), key=_age(tokens))
    for name in alive[: max(len(alive) - _ALIVE + 1, 0)]:
        del tokens[name]
    access = f"1000.{crm.new_id()}.access"
    tokens[access] = {
        "refresh": refresh, "scopes": grant["scopes"], "expires": now + _LIFETIME, "born": now,
    }  # fmt: skip
    body: dict[str, Any] = {
        "access_token": access,
        "api_domain": crm.api_domain or f"http://{request.headers.get('host', '')}",
        "token_type": "Bearer",
        "expires_in": _LIFETIME,
    }
    return Response(200, {**body, "refresh_token": refresh} if show else body)


def _age(tokens: Any) -> Any:
    return lambda name: (tokens[name]["born"], name)


def _last(query: Any) -> dict[str, str]:
    return {name: values[-1] for name, values in query.items()}
