"""The token endpoints, in all the versions HubSpot keeps: v1 ends on 16 February 2027."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from crm_steward.sandbox import Request, Response, Routes
from crm_steward_hubspot.sandbox import answers, credentials
from crm_steward_hubspot.sandbox.account import HubSpotAccount
from crm_steward_hubspot.sandbox.values import milliseconds

routes = Routes()


def token(crm: HubSpotAccount, request: Request) -> Response:
    """Give a new access token, good for half an hour, for the refresh token."""
    if request.query:
        return crm.unknown("token parameters outside the body")
    return credentials.issue(crm, _form(request))


for _version in ("v1", "v3", "2026-03"):
    # it takes credentials itself, and its limit is not published
    routes.add("POST", f"/oauth/{_version}/token", quota="none")(token)


@routes.add("POST", "/oauth/2026-03/token/introspect", quota="none")
def introspect(crm: HubSpotAccount, request: Request) -> Response:
    """Tell what an access token of the app may do."""
    form = _form(request)
    if form.get("client_secret") != credentials.CLIENT_SECRET:
        answers.refuse(400, "missing or invalid client secret", "VALIDATION_ERROR")
    grant = crm.tables["tokens"].get(form.get("token", ""))
    now = milliseconds(crm.now())
    if grant is None or (grant["expires"] is not None and grant["expires"] <= now):
        return Response(200, {"active": False})
    return Response(
        200,
        {
            "active": True,
            "token_use": "access_token",
            "hub_id": crm.PORTAL,
            "client_id": credentials.CLIENT_ID,
            "scopes": list(grant["scopes"]),
            "expires_in": (grant["expires"] - now) // 1000,
            "token_type": "bearer",
        },
    )


@routes.add("POST", "/oauth/v2/private-apps/get/access-token-info", body=("tokenKey",))
def token_info(crm: HubSpotAccount, request: Request) -> Response:
    """Tell what the static token of a private app may do."""
    grant = crm.tables["tokens"].get(str(request.json.get("tokenKey", "")))
    if grant is None or grant.get("app") == "oauth":
        answers.refuse(404, "token not found", "OBJECT_NOT_FOUND")
    scopes = list(grant["scopes"])
    return Response(200, {"userId": 1, "hubId": crm.PORTAL, "appId": 1, "scopes": scopes})


def _form(request: Request) -> Mapping[str, str]:
    return {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
