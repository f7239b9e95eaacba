"""The token endpoint: JWT bearer, client credentials, refresh token.

An access token comes without a word about how long it lives: that is a setting of the org.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from urllib.parse import parse_qs

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_salesforce.sandbox import answers
from crm_steward_salesforce.sandbox.app import key
from crm_steward_salesforce.sandbox.org import SalesforceOrg

routes = Routes()
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PARTS = 3


@routes.add("POST", "/services/oauth2/token", quota="none")
def token(crm: SalesforceOrg, request: Request) -> Response:
    """Open a session for whoever shows one of the app's credentials."""
    form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
    if not crm.tables["org"]["app"]["works"]:
        answers.oauth("invalid_client_id", "client identifier invalid")
    grant = form.get("grant_type", "")
    if grant == _JWT:
        return _opened(crm, request, _assertion(crm, form.get("assertion", "")))
    if grant == "client_credentials":
        return _opened(crm, request, _client(crm, request))
    if grant == "refresh_token":
        return _refreshed(crm, request, form)
    raise Refusal(crm.unknown(f"the grant type '{grant}'"))


def _opened(crm: SalesforceOrg, request: Request, refresh: str) -> Response:
    url = f"http://{request.headers.get('host', 'localhost')}"
    body = {
        "access_token": crm.open_session(refresh=refresh),
        "instance_url": url,
        "id": f"{crm.app.audience}/id/{crm.ORG}/{crm.USER}",
        "token_type": "Bearer",
        "issued_at": str(round(crm.now().timestamp() * 1000)),
        "signature": "c2FuZGJveA==",
    }
    if refresh:
        body["refresh_token"] = refresh
    return Response(200, body)


def _client(crm: SalesforceOrg, request: Request) -> str:
    scheme, _, code = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(code, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        given = ""
    client_id, _, secret = given.partition(":")
    if scheme.lower() != "basic" or client_id != crm.app.client_id:
        answers.oauth("invalid_client_id", "client identifier invalid")
    if secret != crm.app.client_secret:
        answers.oauth("invalid_client", "invalid client credentials")
    return ""


def _refreshed(crm: SalesforceOrg, request: Request, form: dict[str, str]) -> Response:
    if form.get("client_id") != crm.app.client_id:
        answers.oauth("invalid_client_id", "client identifier invalid")
    if form.get("client_secret") != crm.app.client_secret:
        answers.oauth("invalid_client", "invalid client credentials")
    held = crm.tables["org"]["refresh"]
    if not held["works"] or form.get("refresh_token") != held["token"]:
        answers.oauth("invalid_grant", "expired access/refresh token")
    if not crm.rotate_refresh:
        return _opened(crm, request, "")
    new = f"{crm.app.refresh_token}.{crm.count('refresh')}"
    crm.tables["org"]["refresh"] = {"token": new, "works": True}
    return _opened(crm, request, new)


def _assertion(crm: SalesforceOrg, text: str) -> str:
    """Check signature, then whom it is from and for, and that it has not expired.

    Raises:
        Refusal: 400 `invalid_grant`, or 501 for another algorithm.
    """
    parts = text.split(".")
    if len(parts) != _PARTS:
        answers.oauth("invalid_grant", "invalid assertion")
    try:
        header, claims = (json.loads(_decoded(part)) for part in parts[:2])
        signature = _decoded(parts[2])
    except ValueError:
        answers.oauth("invalid_grant", "invalid assertion")
    if header.get("alg") != "RS256":
        raise Refusal(crm.unknown(f"assertions signed with {header.get('alg')}"))
    if not _signed(f"{parts[0]}.{parts[1]}".encode(), signature):
        answers.oauth("invalid_grant", "invalid assertion")
    _check_claims(crm, claims)
    return ""


def _check_claims(crm: SalesforceOrg, claims: dict[str, Any]) -> None:
    if claims.get("iss") != crm.app.client_id:
        answers.oauth("invalid_client_id", "client identifier invalid")
    if claims.get("aud") != crm.app.audience:
        answers.oauth("invalid_grant", "audience is invalid")
    try:
        expires = float(claims.get("exp", 0))
    except (TypeError, ValueError):
        expires = 0.0
    if expires <= crm.now().timestamp():
        answers.oauth("invalid_grant", "expired authorization code")
    if claims.get("sub") != crm.app.username:
        answers.oauth("invalid_grant", "user hasn't approved this consumer")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signed(message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- costs a moment
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- costs a moment
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 -- costs a moment

    try:
        key().public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
